import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { LinkState } from "../../../../src/engine/corosync/engine.ts";
import { TestAuthority } from "./certificates.ts";
import { TestNetwork, whyNot } from "./network.ts";
import type { TestMachine } from "./network.ts";
import { clock, pause, startMember, startSupervisor } from "./process.ts";
import type { TestProcess } from "./process.ts";

/** Two links, one of IPv4 and one of IPv6: what a cut of one of them does, and transfer over both. */

const skip = whyNot();
const PORT = 5_420;
let network: TestNetwork;
let machines: TestMachine[] = [];
let members: TestProcess[] = [];
let supervisors: TestProcess[] = [];
let authority: TestAuthority;

before(() => {
  if (skip !== false) return;
  authority = new TestAuthority();
  network = new TestNetwork({ links: 2, machines: 2 });
  machines = network.machines;
  supervisors = machines.map((machine) => startSupervisor(machine));
});
after(async () => {
  if (skip !== false) return;
  authority.end();
  await network.end();
});

async function links(member: TestProcess): Promise<readonly LinkState[]> {
  return (await member.ask({ do: "links" }, "links"))["links"] as LinkState[];
}

async function untilLinks(member: TestProcess, holds: (links: readonly LinkState[]) => boolean): Promise<readonly LinkState[]> {
  const until = clock() + 20_000;
  for (;;) {
    const found = await links(member);
    if (holds(found)) return found;
    assert.ok(clock() < until, `links: ${JSON.stringify(found)}`);
    await pause(100);
  }
}

test("two nodes form over two links, whose states are told", { skip }, async () => {
  const peers = Object.fromEntries(machines.map((machine) => [machine.node, { name: machine.name, addresses: [...machine.addresses] }]));
  members = machines.map((machine) => startMember(machine, { transfer: { ...authority.issue(machine.name), port: PORT, listenAddresses: machine.addresses, peers } }));
  await Promise.all(members.map((member) => member.membership([1, 2])));
  const found = await untilLinks(members[0]!, (all) => all.length === 2 && all.every((link) => link.isConnected && link.latencyUs > 0));
  assert.deepEqual(found.map(({ node, link }) => [node, link]), [[2, 0], [2, 1]]);
  assert.match(readFileSync(join(machines[0]!.directory, "corosync.conf"), "utf8"), /link_mode: active/);
});

test("one link is cut: no membership change, its state is told; fetch takes the other one", { skip }, async (t) => {
  const marks = members.map((member) => member.mark);
  const cutAt = clock();
  network.cut(machines[1]!, 0);
  members[1]!.tell({ do: "multicast", text: "over the other link" });
  await members[0]!.event((event) => event.event === "message" && event["text"] === "over the other link", marks[0]);
  const found = await untilLinks(members[0]!, (all) => all.some((link) => !link.isConnected));
  t.diagnostic(`link told as down after ${(clock() - cutAt).toFixed(0)} ms`);
  assert.deepEqual(found.map((link) => link.isConnected), [false, true]);
  assert.ok((found[0]?.downCount ?? 0) > 0);

  const to = { node: 2, incarnation: incarnationOf(2) };
  const fetched = await members[0]!.ask({ do: "fetch", from: to, request: "hello" }, "fetched");
  assert.match(String(fetched["tail"]), /to node 1: hello$/);
  t.diagnostic(`fetch past the dead first address: ${Number(fetched["tookMs"]).toFixed(0)} ms`);

  network.heal(machines[1]!, 0);
  await untilLinks(members[0]!, (all) => all.every((link) => link.isConnected));
  for (const [position, member] of members.entries()) assert.equal(member.events.slice(marks[position]).some((event) => event.event === "members"), false, "no membership change");
  const big = await members[0]!.ask({ do: "fetch", from: to, request: "big", timeoutMs: 15_000 }, "fetched");
  assert.equal(big["bytes"], 20 * 1024 * 1024);
  t.diagnostic(`20 MiB in ${Number(big["tookMs"]).toFixed(0)} ms`);
});

test("a node with the certificate of another cluster can fetch nothing", { skip }, async () => {
  const stranger = new TestAuthority();
  try {
    const peers = Object.fromEntries(machines.map((machine) => [machine.node, { name: machine.name, addresses: [...machine.addresses] }]));
    await members[1]!.ask({ do: "stop" }, "stopped");
    members[1] = startMember(machines[1]!, { transfer: { ...stranger.issue("n2"), port: PORT, listenAddresses: machines[1]!.addresses, peers } });
    await Promise.all(members.map((member) => member.membership([1, 2])));
    for (const [asker, to] of [[members[0]!, 2], [members[1]!, 1]] as const) {
      const failed = await asker.ask({ do: "fetch", from: { node: to, incarnation: incarnationOf(to) }, request: "hello" }, "fetchFailed");
      assert.equal(failed["code"], "MUSTER_NOT_REACHABLE");
      assert.match(String(failed["message"]), /the certificate is not of this cluster's authority/);
    }
  } finally {
    stranger.end();
  }
});

test("a link that is added while another program holds its port: corosync is started again when it is free", { skip }, async () => {
  const machine = machines[1]!;
  const supervisor = supervisors[1]!;
  // First to one link, on all nodes.
  for (const [position, one] of supervisors.entries()) {
    const text = network.configuration(machines[position]!, 2, { nodes: machines.map(({ node, name, addresses }) => ({ id: node, name, addresses: addresses.slice(0, 1) })) });
    assert.equal((await one.ask({ do: "apply", configuration: text }, "applied")).event, "applied");
  }
  await untilLinks(members[0]!, (all) => all.every((link) => link.link === 0));
  const holder = machine.run(process.execPath, ["-e", `require("node:dgram").createSocket("udp6").bind(5406, "${machine.addresses[1]}", () => console.log("held"))`]);
  await new Promise((resolve) => holder.stdout?.once("data", resolve));
  const mark = supervisor.mark;
  supervisor.tell({ do: "apply", configuration: network.configuration(machine) });
  await supervisor.event((event) => event.event === "notice" && String(event["text"]).includes("started again"), mark);
  await supervisor.event((event) => event.event === "state" && String(event["reason"]).includes("UDP port 5406 of fd77:1::2"), mark);
  holder.kill("SIGKILL");
  await supervisor.event((event) => event.event === "state" && event["state"] === "running", mark);
  await supervisors[0]!.ask({ do: "apply", configuration: network.configuration(machines[0]!) }, "applied");
  await Promise.all(members.map((member) => member.membership([1, 2])));
  await untilLinks(members[0]!, (all) => all.length === 2 && all.every((link) => link.isConnected));
});

function incarnationOf(node: number): number {
  return members[0]!.events.findLast((event) => event.event === "members")?.members?.find((one) => one.node === node)?.incarnation ?? Number.NaN;
}
