import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { GateModel } from "../../../src/lease/gate.ts";
import { GATE_SLOTS } from "../../../src/lease/parameters.ts";
import { gateTable } from "../../../src/network/gate-rules.ts";
import { SLOTS } from "../../../src/network/lease-slots.ts";
import type { GateState } from "../../../src/network/gate-state.ts";
import type { Remote } from "./lab.ts";
import { CANNOT, Lab, until } from "./lab.ts";

const TABLE = gateTable("TEST");
const ADDRESS = "10.77.0.100";
const ADDRESS6 = "fd77::100";
const OTHER = "10.77.0.101";
const LEASE_MS = 400;
const TICK_MS = 50;
/** Longer than the kernel may take to notice, whatever the machine does meanwhile. */
const CLOSED_AFTER_MS = LEASE_MS + 1_000;

describe("the gate in the kernel", { skip: CANNOT }, () => {
  let lab: Lab;
  let node: Remote;
  let client: Remote;
  before(async () => {
    lab = new Lab(2);
    for (const address of [`${ADDRESS}/24`, `${OTHER}/24`]) lab.on(1, ["ip", "addr", "add", address, "dev", "eth0"]);
    lab.on(1, ["ip", "addr", "add", `${ADDRESS6}/64`, "dev", "eth0", "nodad"]);
    node = lab.remote(1);
    client = lab.remote(2);
    for (const [address, port] of [[ADDRESS, 80], [ADDRESS6, 80], [OTHER, 80], ["10.77.0.1", 80]] as const) await node.ask("listen", address, port);
  });
  after(() => lab.close());

  const install = (clustered: readonly string[] = [ADDRESS, ADDRESS6]): Promise<void> => node.ask("install", TABLE, clustered);
  const connects = (address: string, limitMs = 400): Promise<boolean> => client.ask("connect", `to ${address}`, address, 80, limitMs);
  const state = (): Promise<GateState> => node.ask("state");

  test("it has as many slots as the lease", () => assert.equal(SLOTS, GATE_SLOTS));

  test("nothing passes before the first confirmation, neither armed nor owned", async () => {
    await install();
    assert.equal(await connects(ADDRESS), false);
    await node.ask("own", [ADDRESS, ADDRESS6]);
    await node.ask("arm", 3, 60_000);
    assert.equal(await connects(ADDRESS), false);
    assert.equal(lab.pings(2, ADDRESS), false);
    assert.equal(lab.pings(2, ADDRESS6), false);
    lab.forgetNeighbours(2);
    lab.pings(2, ADDRESS);
    assert.equal(lab.neighbour(2, ADDRESS), "");
    const before = await state();
    assert.deepEqual({ pointed: before.pointed, isOpen: before.isOpen, owned: before.owned, clustered: before.clustered, consistent: before.consistent }, { pointed: null, isOpen: false, owned: [ADDRESS, ADDRESS6], clustered: [ADDRESS, ADDRESS6], consistent: true });
    assert.ok(before.droppedPackets > 0 && before.droppedArp > 0);
  });

  test("it passes after a confirmation, and stops when the renewals stop: connections, ping, ARP and neighbour discovery", async () => {
    await install();
    await node.ask("own", [ADDRESS, ADDRESS6]);
    await node.ask("renew", LEASE_MS, TICK_MS);
    lab.forgetNeighbours(2);
    assert.equal(await connects(ADDRESS, 3_000), true);
    assert.equal(await connects(ADDRESS6, 3_000), true);
    assert.ok(lab.pings(2, ADDRESS) && lab.pings(2, ADDRESS6));
    assert.equal(lab.neighbour(2, ADDRESS), lab.machine(1).hardwareAddress);
    assert.equal(lab.neighbour(2, ADDRESS6), lab.machine(1).hardwareAddress);
    assert.equal(await client.ask("exchange", `to ${ADDRESS}`, 2_000), true);
    const stream = client.ask<number>("stream", `to ${ADDRESS}`, 5, 1_500);
    const stoppedMs = await node.ask<number>("stopRenewing");
    const lastMs = await stream;
    assert.ok(lastMs - stoppedMs < CLOSED_AFTER_MS, `the last answer came ${lastMs - stoppedMs} ms after the last slot was armed`);
    assert.equal(await client.ask("exchange", `to ${ADDRESS6}`, 300), false);
    assert.equal(await connects(ADDRESS), false);
    assert.equal(lab.pings(2, ADDRESS) || lab.pings(2, ADDRESS6), false);
    lab.forgetNeighbours(2);
    lab.pings(2, ADDRESS);
    lab.pings(2, ADDRESS6);
    assert.equal(lab.neighbour(2, ADDRESS) + lab.neighbour(2, ADDRESS6), "");
  });

  test("what the node sends of itself does not pass either", async () => {
    await install();
    await node.ask("own", [ADDRESS]);
    assert.equal(lab.succeeds(1, ["ping", "-n", "-c", "1", "-W", "1", "-I", ADDRESS, lab.machine(2).address]), false);
    await node.ask("arm", 0, 60_000);
    await node.ask("point", 0);
    await until("an answer", () => lab.succeeds(1, ["ping", "-n", "-c", "1", "-W", "2", "-I", ADDRESS, lab.machine(2).address]));
  });

  test("connections on the node itself to an address it does not own are blocked", async () => {
    await install();
    await node.ask("arm", 0, 60_000);
    await node.ask("point", 0);
    assert.equal(await node.ask("connect", "self", ADDRESS, 80, 400), false);
    assert.equal(await node.ask("connect", "self", ADDRESS6, 80, 400), false);
    await node.ask("own", [ADDRESS]);
    assert.equal(await node.ask("connect", "self", ADDRESS, 80, 2_000), true);
    assert.equal(await node.ask("connect", "self", ADDRESS6, 80, 400), false);
  });

  test("a node is a client of an address that another one has", async () => {
    const elsewhere = "10.77.0.102";
    lab.on(2, ["ip", "addr", "add", `${elsewhere}/24`, "dev", "eth0"]);
    await install([ADDRESS, elsewhere]);
    await client.ask("listen", elsewhere, 81);
    assert.equal(await node.ask("connect", "elsewhere", elsewhere, 81, 2_000), true);
  });

  test("other addresses are never touched", async () => {
    await install();
    assert.equal(await connects(OTHER, 3_000), true);
    assert.equal(await connects("10.77.0.1", 3_000), true);
    assert.equal(await client.ask("exchange", `to ${OTHER}`, 2_000), true);
    await node.ask("setClustered", [ADDRESS, ADDRESS6, OTHER]);
    assert.equal(await client.ask("exchange", `to ${OTHER}`, 300), false);
    await node.ask("setClustered", [ADDRESS, ADDRESS6]);
    assert.equal(await client.ask("exchange", `to ${OTHER}`, 5_000), true);
  });

  test("a successor starts closed, and the gate is still for what its predecessor's was", async () => {
    await install();
    await node.ask("own", [ADDRESS]);
    await node.ask("arm", 2, 60_000);
    await node.ask("point", 2);
    assert.equal(await connects(ADDRESS, 2_000), true);
    const successor = lab.remote(1);
    await successor.ask("install", TABLE, []);
    const after = await successor.ask<GateState>("state");
    assert.deepEqual({ pointed: after.pointed, slots: after.slotsMs, owned: after.owned, clustered: after.clustered }, { pointed: null, slots: Array.from({ length: 8 }, () => 0), owned: [], clustered: [ADDRESS, ADDRESS6] });
    assert.equal(await client.ask("exchange", `to ${ADDRESS}`, 300), false);
    await successor.ask("point", 2);
    assert.equal(await client.ask("exchange", `to ${ADDRESS}`, 300), false, "a slot of the predecessor opened the gate");
    await successor.ask("remove");
    assert.equal(await connects(ADDRESS, 2_000), true);
    successor.kill();
    await successor.exited;
  });

  test("when the process that renews is killed the gate closes by itself", async () => {
    const victim = lab.remote(1);
    await victim.ask("install", TABLE, [ADDRESS]);
    await victim.ask("own", [ADDRESS]);
    await victim.ask("renew", LEASE_MS, TICK_MS);
    assert.equal(await connects(ADDRESS, 3_000), true);
    const stream = client.ask<number>("stream", `to ${ADDRESS}`, 5, 1_500);
    const killedMs = Number(process.hrtime.bigint()) / 1e6;
    victim.kill();
    await victim.exited;
    const lastMs = await stream;
    assert.ok(lastMs - killedMs < CLOSED_AFTER_MS, `the last answer came ${lastMs - killedMs} ms after the process was killed`);
    assert.equal(await connects(ADDRESS), false);
  });

  test("an address that is owned is clustered from then on", async () => {
    await install([]);
    await node.ask("own", ["FD77:0::0100"]);
    assert.deepEqual((await state()).clustered, [ADDRESS, ADDRESS6]);
    await node.ask("setClustered", []);
    assert.deepEqual((await state()).clustered, [ADDRESS6]);
    assert.equal(lab.pings(2, ADDRESS6), false);
    await node.ask("arm", 0, 60_000);
    await node.ask("point", 0);
    assert.equal(lab.pings(2, ADDRESS6), true);
  });

  test("somebody else flushes the rule set: the next command fails, and repair brings the gate back closed", async () => {
    await install();
    await node.ask("own", [ADDRESS]);
    await node.ask("arm", 0, 60_000);
    await node.ask("point", 0);
    await node.ask("nft", "flush ruleset");
    await assert.rejects(node.ask("arm", 1, 1_000), /nftables refused a command: .*ENOENT/);
    await node.ask("repair");
    assert.equal(await connects(ADDRESS), false);
    assert.deepEqual((await state()).owned, [ADDRESS]);
    await node.ask("arm", 1, 60_000);
    await node.ask("point", 1);
    assert.equal(await connects(ADDRESS, 2_000), true);
  });

  test("it does what the model does, whatever the order", async () => {
    const random = randomFrom(20_261_121);
    await install([ADDRESS]);
    const model = new GateModel(4);
    const now = (): number => Number(process.hrtime.bigint()) / 1e6;
    const pick = (count: number): number => Math.trunc(random() * count);
    const tried: string[] = [];
    let opened = 0;
    let closed = 0;
    for (let round = 0; round < 150; round++) {
      const slot = pick(4);
      // Time-outs are coarse, and nothing is compared near the end of one.
      const timeoutMs = [400, 1_200, 60_000][pick(3)]!;
      const step = ["arm", "arm", "point", "point", "close", "own", "disown", "wait"][pick(8)]!;
      tried.push(`${step} ${slot} ${timeoutMs}`);
      const beforeMs = now();
      if (step === "arm") await node.ask("arm", slot, timeoutMs);
      if (step === "point") await node.ask("point", slot);
      if (step === "close") await node.ask("close");
      if (step === "own") await node.ask("own", [ADDRESS]);
      if (step === "disown") await node.ask("own", []);
      if (step === "wait") await sleep(450);
      const atMs = (beforeMs + now()) / 2;
      if (step === "arm") model.arm(slot, timeoutMs, atMs);
      if (step === "point") model.point(slot);
      if (step === "close") model.close();
      if (step === "own" || step === "disown") model.own(step === "own" ? [ADDRESS] : []);
      const startMs = now();
      const isPassed = await node.ask<boolean>("connect", "self", ADDRESS, 80, 150);
      const [first, last] = [model.passes(ADDRESS, startMs - 40), model.passes(ADDRESS, now() + 40)];
      if (first !== last) continue;
      assert.equal(isPassed, first, `round ${round}: ${tried.slice(-12).join("; ")}`);
      if (first) opened++;
      else closed++;
    }
    assert.ok(opened > 10 && closed > 10, `open ${opened} times, closed ${closed} times`);
  });

  test("arm and point are quick", async (context) => {
    await install();
    const measured = await node.ask<{ armMs: { median: number } }>("measure", 1_000);
    context.diagnostic(JSON.stringify(measured));
    assert.ok(measured.armMs.median < 200);
  });

  test("forwarded traffic: of an owned address it passes while the gate is open, of another owner always", async () => {
    // Machine 1 routes for a container whose address is the clustered one.
    const routed = "10.78.0.5";
    lab.behind(1, "veth0", routed);
    lab.on(2, ["ip", "route", "add", "10.78.0.0/24", "via", lab.machine(1).address]);
    await install([routed]);
    assert.equal(lab.pings(2, routed), true, "it is not this node's: it carries it on");
    await node.ask("own", [routed]);
    assert.equal(lab.pings(2, routed), false, "this node says it has it, and the gate is closed");
    await node.ask("arm", 0, 60_000);
    await node.ask("point", 0);
    assert.equal(lab.pings(2, routed), true);
  });

  test("a container behind the address (DNAT) is behind the gate, with its connections", async () => {
    const inside = "10.79.0.2";
    lab.behind(1, "veth1", inside);
    lab.on(1, ["nft", `add table ip nat; add chain ip nat pre { type nat hook prerouting priority dstnat; }; add rule ip nat pre ip daddr ${ADDRESS} icmp type echo-request dnat to ${inside}`]);
    try {
      await install([ADDRESS]);
      assert.equal(lab.pings(2, ADDRESS), false);
      await node.ask("own", [ADDRESS]);
      await node.ask("arm", 0, 60_000);
      await node.ask("point", 0);
      const pinging = client.ask<number>("pinging", ADDRESS, 200, 1_500);
      await sleep(700);
      await node.ask("own", []);
      const disownedMs = Number(process.hrtime.bigint()) / 1e6;
      const lastMs = await pinging;
      assert.ok(lastMs > 0 && lastMs - disownedMs < 1_000, `the last answer came ${lastMs - disownedMs} ms after the address was given up`);
    } finally {
      lab.on(1, ["nft", "delete table ip nat"], () => true);
    }
  });

  test("what an administrator sees is whole", async () => {
    await install();
    await node.ask("arm", 5, 2_345);
    await node.ask("point", 5);
    await until("the state", async () => {
      const shown = await state();
      return shown.isOpen && shown.pointed === 5 && shown.slotsMs[5]! > 500 && shown.slotsMs[5]! <= 2_345 && shown.table === TABLE;
    });
  });
});

function randomFrom(seed: number): () => number {
  let value = seed;
  return () => {
    value = (Math.imul(value, 1_664_525) + 1_013_904_223) >>> 0;
    return value / 2 ** 32;
  };
}
