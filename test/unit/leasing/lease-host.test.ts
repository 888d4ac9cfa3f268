import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { leaseParameters } from "../../../src/lease/parameters.ts";
import type { Hold } from "../../../src/model/votes.ts";
import { LEASE_EXIT_CODE } from "../../../src/leasing/exit-code.ts";
import type { LeaseStatus } from "../../../src/leasing/host.ts";
import { gateTable } from "../../../src/network/gate-rules.ts";
import type { Remote } from "../network/lab.ts";
import { CANNOT, Lab, until } from "../network/lab.ts";

const TOKEN_MS = 500;
const PARAMETERS = leaseParameters({ tokenMs: TOKEN_MS });
const TABLE = gateTable("LEASE");
const ADDRESS = "10.77.0.100";
const PORT = 9_000;
/** What processes of a busy machine may need before they are told. */
const SLACK_MS = 1_000;
const now = (): number => Number(process.hrtime.bigint()) / 1e6;

describe("three lease workers with gates of their own", { skip: CANNOT }, () => {
  let lab: Lab;
  let nodes: Remote[] = [];
  let client: Remote;

  before(() => {
    lab = new Lab(4);
    for (const number of [1, 2, 3]) lab.on(number, ["ip", "addr", "add", `${ADDRESS}/32`, "dev", "lo"]);
    client = lab.remote(4);
  });
  afterEach(async () => {
    for (const node of nodes) {
      node.signal("SIGCONT");
      node.kill();
    }
    await Promise.all(nodes.map((node) => node.exited));
    nodes = [];
  });
  after(() => lab.close());

  const members = [1, 2, 3].map((node) => ({ node, incarnation: 1, store: `s${node}` }));
  const weights = [{ version: 1, votes: members.map(({ node, store }) => ({ node, store, votes: 1 })), witness: null }];
  const view = { epoch: 5, members, claim: null, weights, holds: [] };
  const status = (number: number): Promise<LeaseStatus> => nodes[number - 1]!.ask("status");
  const isOpen = async (number: number): Promise<boolean> => (await status(number)).gate?.isOpen === true;

  async function start(numbers: readonly number[] = [1, 2, 3], more: object = {}): Promise<void> {
    for (const number of [1, 2, 3]) {
      const node = lab.remote(number, new URL("./lease-node.ts", import.meta.url));
      nodes.push(node);
      if (!numbers.includes(number)) continue;
      const peers = [1, 2, 3].filter((other) => other !== number).map((other) => ({ address: lab.machine(other).address, port: PORT }));
      const channel = { kind: "udp", address: lab.machine(number).address, port: PORT, peers };
      await node.ask("start", { self: { node: number, incarnation: 1 }, clusterId: "LEASE", table: TABLE, clustered: [ADDRESS], channel, realTimePriority: null, ...more }, TOKEN_MS);
    }
  }

  /** The address of clients leads to machine 1. */
  async function serveOnFirst(): Promise<void> {
    lab.on(4, ["ip", "route", "replace", `${ADDRESS}/32`, "via", lab.machine(1).address]);
    await nodes[0]!.ask("listen", ADDRESS, 80);
    await nodes[0]!.ask("own", [ADDRESS]);
  }

  test("the gate opens with the evidence of a majority, not before ACTIVE, and closes when the others stand still", async (context) => {
    await start();
    await serveOnFirst();
    await sleep(300);
    assert.equal(await isOpen(1), false);
    assert.equal(await client.ask("connect", "a", ADDRESS, 80, 300), false);
    for (const node of nodes) await node.ask("active", view);
    for (const number of [1, 2, 3]) await until(`node ${number} to be open`, () => isOpen(number));
    assert.equal(await client.ask("connect", "a", ADDRESS, 80, 3_000), true);
    assert.ok((await nodes[0]!.ask<number>("permit")) > 3_000);

    nodes[1]!.signal("SIGSTOP");
    await sleep(1_500);
    assert.equal(await isOpen(1), true, "two of three are enough");
    const { figures, holder, terms } = await status(1);
    assert.deepEqual({ holder, epoch: terms?.epoch }, { holder: { node: 1, incarnation: 1 }, epoch: 5 });
    assert.ok(figures.margin !== null && figures.margin.medianMs > 0 && figures.evidenceAgeMs !== null && figures.evidenceAgeMs < PARAMETERS.leaseMs);

    const stream = client.ask<number>("stream", "a", 5, 1_500);
    nodes[2]!.signal("SIGSTOP");
    const stoppedMs = now();
    const lastMs = await stream;
    context.diagnostic(`L ${PARAMETERS.leaseMs} ms, H ${PARAMETERS.holdMs} ms; the client lost the address ${Math.round(lastMs - stoppedMs)} ms after the majority stood still; margins ${JSON.stringify(figures.margin)}`);
    assert.ok(lastMs - stoppedMs < PARAMETERS.holdMs + SLACK_MS);
    assert.equal(await isOpen(1), false, "it stays closed without a majority");
    assert.equal(await client.ask("exchange", "a", 300), false);
  });

  test("a node that was cut off closes, and opens again when the cable is back", async () => {
    await start();
    for (const node of nodes) await node.ask("active", view);
    for (const number of [1, 2, 3]) await until(`node ${number} to be open`, () => isOpen(number));
    lab.cable(1, false);
    await until("the gate to close", async () => !(await isOpen(1)));
    await sleep(PARAMETERS.leaseMs);
    assert.deepEqual([await isOpen(1), await isOpen(2), await isOpen(3)], [false, true, true]);
    lab.cable(1, true);
    await until("the gate to open again", () => isOpen(1));
    assert.ok((await status(1)).figures.reopened >= 1);
  });

  test("a minority never opens", async () => {
    await start([1]);
    await nodes[0]!.ask("active", view);
    await sleep(3 * PARAMETERS.leaseMs);
    const { gate, figures } = await status(1);
    assert.equal(gate?.pointed, null);
    assert.equal(figures.confirmed, 0);
    assert.ok(figures.armed >= 8);
  });

  test("a service that was paused finds the gate closed by the kernel, and opens it with new evidence only", async () => {
    await start();
    await serveOnFirst();
    for (const node of nodes) await node.ask("active", view);
    await until("the gate to open", () => isOpen(1));
    // The kernel answers pings: the client sees the gate although no process of the node runs.
    assert.equal(lab.pings(4, ADDRESS), true);
    const pinging = client.ask<number>("pinging", ADDRESS, 50, 1_500);
    await sleep(300);
    nodes[0]!.signal("SIGSTOP");
    const stoppedMs = now();
    const lastMs = await pinging;
    assert.ok(lastMs - stoppedMs < PARAMETERS.leaseMs + SLACK_MS, `the last answer came ${lastMs - stoppedMs} ms after the service was stopped`);
    // The others stand still, too, when it goes on: what it still has in its queues is no evidence for an open gate.
    for (const number of [2, 3]) nodes[number - 1]!.signal("SIGSTOP");
    // One thread of a process takes the signal and stops the others: until it has run, they still answer.
    await sleep(200);
    nodes[0]!.signal("SIGCONT");
    const untilMs = now() + 700;
    while (now() < untilMs) assert.equal(lab.pings(4, ADDRESS), false, "the gate opened late");
    for (const number of [2, 3]) nodes[number - 1]!.signal("SIGCONT");
    const isOver = await Promise.race([nodes[0]!.exited.then(() => true), until("the gate to open again", () => isOpen(1)).then(() => false)]);
    // Paused for longer than its limit in all, it may end instead; both are right.
    if (isOver) assert.equal(await nodes[0]!.exited, LEASE_EXIT_CODE);
  });

  test("a main loop that stands still: the process ends, and the gate is closed", async () => {
    await start();
    await serveOnFirst();
    for (const node of nodes) await node.ask("active", view);
    await until("the gate to open", () => isOpen(1));
    await nodes[0]!.ask("block", 30_000);
    const blockedMs = now();
    assert.equal(await nodes[0]!.exited, LEASE_EXIT_CODE);
    assert.ok(now() - blockedMs > 2_500 && now() - blockedMs < 10_000);
    assert.equal(lab.pings(4, ADDRESS), false);
    const listed = lab.on(1, ["nft", "list", "map", "inet", TABLE, "pointed"]);
    assert.doesNotMatch(listed, /goto/);
  });

  test("the holds of an ACCEPT tell of the last echo", async () => {
    await start();
    for (const node of nodes) await node.ask("active", view);
    await until("the gate to open", () => isOpen(1));
    await sleep(300);
    const excluded = { epoch: 6, excluded: [1], weights };
    const accepted = await nodes[1]!.ask<{ holds: Hold[]; nowMs: number }>("accept", excluded);
    const [hold] = accepted.holds;
    assert.equal(hold?.node, 1);
    assert.ok(hold.leaseMs > 0 && hold.leaseMs <= PARAMETERS.holdMs, `${hold.leaseMs}`);
    assert.ok(hold.permitMs > hold.leaseMs && hold.permitMs <= PARAMETERS.permitHoldMs);
    // Echoes go on every tick, so the last one was moments ago.
    assert.ok(hold.leaseMs > PARAMETERS.holdMs - PARAMETERS.leaseMs);
    await nodes[2]!.ask("accept", excluded);
    await until("node 1 to lose its majority", async () => !(await isOpen(1)));
    // After the exclusion no echo is given: what is left only shrinks.
    const again = await nodes[1]!.ask<{ holds: Hold[]; nowMs: number }>("accept", { ...excluded, epoch: 7 });
    const elapsedMs = again.nowMs - accepted.nowMs;
    assert.ok(Math.abs(again.holds[0]!.leaseMs - Math.max(0, hold.leaseMs - elapsedMs)) <= 2, `${again.holds[0]!.leaseMs} after ${elapsedMs} ms, ${hold.leaseMs} before`);
  });

  test("what was never echoed is held from the start of the process", async () => {
    const startedMs = now();
    await start([1]);
    const { holds, nowMs } = await nodes[0]!.ask<{ holds: Hold[]; nowMs: number }>("accept", { epoch: 1, excluded: [2, 3], weights });
    for (const { leaseMs } of holds) assert.ok(leaseMs <= PARAMETERS.holdMs && leaseMs >= PARAMETERS.holdMs - (nowMs - startedMs));
  });

  test("messages of others and broken ones are counted and dropped", async () => {
    await start();
    for (const node of nodes) await node.ask("active", view);
    await until("the gate to open", () => isOpen(1));
    const script = `const s = require("dgram").createSocket("udp4"); s.bind(${PORT + 1}, "${lab.machine(2).address}"); const to = (b) => s.send(b, ${PORT}, "${lab.machine(1).address}"); to(Buffer.alloc(10)); to(Buffer.alloc(2000, 7)); setTimeout(() => s.close(), 100)`;
    lab.on(2, [process.execPath, "-e", script]);
    assert.equal((await status(1)).figures.foreign, 0, "from an address that is no peer's");
    nodes[1]!.kill();
    await nodes[1]!.exited;
    lab.on(2, [process.execPath, "-e", script.replace(`${PORT + 1}`, `${PORT}`)]);
    await until("the messages to be counted", async () => (await status(1)).figures.foreign === 2);
    assert.equal(await isOpen(1), true);
  });

  test("somebody flushes the rule set: the gate is made anew, said, and opens with the next evidence", async () => {
    await start();
    await serveOnFirst();
    for (const node of nodes) await node.ask("active", view);
    await until("the gate to open", () => isOpen(1));
    lab.on(1, ["nft", "flush", "ruleset"]);
    await until("the repair", async () => (await nodes[0]!.ask<{ repairs: string[] }>("seen")).repairs.length > 0);
    await until("the gate to open", () => isOpen(1));
    const { gate, figures } = await status(1);
    assert.deepEqual(gate?.owned, [ADDRESS]);
    assert.ok(figures.repairs >= 1);
  });

  test("close ends the worker with the gate closed, or gone when nothing is left to protect", async () => {
    await start();
    for (const node of nodes) await node.ask("active", view);
    await until("the gate to open", () => isOpen(1));
    await nodes[0]!.ask("close", false);
    assert.doesNotMatch(lab.on(1, ["nft", "list", "map", "inet", TABLE, "pointed"]), /goto/);
    await nodes[1]!.ask("close", true);
    assert.equal(lab.on(2, ["nft", "list", "tables"]), "");
    assert.deepEqual((await nodes[0]!.ask<{ exits: string[] }>("seen")).exits, []);
    await assert.rejects(nodes[0]!.ask("own", []), /does not run/);
  });

  test("real-time priority works where it is allowed, or says why not; it never stops the start", async (context) => {
    await start([1], { realTimePriority: 20 });
    const { realTime } = await status(1);
    context.diagnostic(JSON.stringify(realTime));
    assert.ok(realTime !== null);
    assert.equal(realTime.problems.length === 0, realTime.priority === 20);
  });

  test("a start that cannot work says why", async () => {
    await assert.rejects(start([1], { channel: { kind: "corosync", group: "g", module: "file:///nowhere/cpg.js" } }), /nowhere/);
    await assert.rejects(start([2], { channel: { kind: "corosync", group: "g", module: "data:text/javascript,export default 1" } }), /has no openLeaseChannel/);
  });
});
