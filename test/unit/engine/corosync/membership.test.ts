import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { TestNetwork, whyNot } from "./network.ts";
import type { TestMachine } from "./network.ts";
import { clock, median, nodesOf, pause, startMember } from "./process.ts";
import type { TestProcess } from "./process.ts";

/** Who is here, with real corosync: three machines, one link. */

const skip = whyNot();
let network: TestNetwork;
let machines: TestMachine[] = [];
let members: TestProcess[] = [];
const ALL = [1, 2, 3];

before(() => {
  if (skip !== false) return;
  network = new TestNetwork();
  machines = network.machines;
  for (const machine of machines) machine.startCorosync();
});
after(async () => {
  if (skip === false) await network.end();
});

test("three nodes form, and each hears the same of everybody, itself included", { skip }, async () => {
  members = machines.map((machine) => startMember(machine));
  await Promise.all(members.map((member) => member.membership(ALL)));
  await Promise.all(members.map((member) => member.event((event) => event.event === "started")));
  for (const member of members) member.tell({ do: "multicast", text: `from ${member.machine.node}` });
  for (const member of members) {
    for (const node of ALL) await member.event((event) => event.event === "message" && event["text"] === `from ${node}` && event.from?.node === node);
    for (const event of member.events.filter((one) => one.event === "members")) {
      assert.deepEqual(nodesOf(event), nodesOf(event).toSorted((a, b) => a - b), "sorted by node");
      assert.ok(nodesOf(event).includes(member.machine.node), "self is in it");
    }
  }
});

test("messages of each sender come in order, without gaps", { skip }, async () => {
  const count = 3_000;
  for (const member of members) {
    member.tell({ do: "quiet", quiet: true });
    member.tell({ do: "expect", count: count * members.length });
  }
  const marks = members.map((member) => member.mark);
  for (const member of members) member.tell({ do: "stream", count, bytes: 400, window: 50 });
  for (const [position, member] of members.entries()) {
    await member.event((event) => event.event === "reached", marks[position]);
    const counted = await member.ask({ do: "count" }, "count");
    assert.equal(counted["gaps"], 0);
    assert.equal(counted["seen"], count * members.length);
    member.tell({ do: "quiet", quiet: false });
  }
});

test("kill -9 of a process is a membership change at once, and its successor is another incarnation", { skip }, async (t) => {
  const times: number[] = [];
  for (let trial = 0; trial < 5; trial++) {
    const [one, two, three] = members as [TestProcess, TestProcess, TestProcess];
    const marks = [one.mark, two.mark];
    const killedAt = three.signal("SIGKILL");
    const changes = await Promise.all([one, two].map((member, position) => member.membership([1, 2], marks[position])));
    times.push(...changes.map((change) => change.at - killedAt));
    members[2] = startMember(three.machine);
    const back = await Promise.all(members.map((member) => member.membership(ALL)));
    const incarnations = new Set(back.map((event) => event.members?.[2]?.incarnation));
    assert.equal(incarnations.size, 1);
  }
  t.diagnostic(`kill -9 of a process: ${median(times).toFixed(1)} ms (median of ${times.length}) to onMembers, at most ${Math.max(...times).toFixed(1)}`);
  assert.ok(median(times) < 5_000, "corosync tells it, nobody waits for a silence");
});

test("a process that goes and comes inside of one membership of corosync is noticed", { skip }, async () => {
  const [one, two, three] = members as [TestProcess, TestProcess, TestProcess];
  const mark = one.mark;
  three.tell({ do: "stop" });
  members[2] = startMember(three.machine);
  await Promise.all(members.map((member, position) => member.event((event) => event.event === "members" && event.members?.[2] !== undefined && nodesOf(event).join() === "1,2,3" && event.members[2].incarnation > (incarnationOf(three) ?? 0), position === 0 ? mark : 0)));
  assert.ok(one.events.slice(mark).filter((event) => event.event === "members").length >= 1);
  await three.exited;
  assert.equal(two.events.some((event) => event.event === "lost"), false);
});

test("stop: the others see it at once, and the process ends", { skip }, async (t) => {
  const [one, two, three] = members as [TestProcess, TestProcess, TestProcess];
  const mark = one.mark;
  const stopped = await three.ask({ do: "stop" }, "stopped");
  const left = await one.membership([1, 2], mark);
  t.diagnostic(`left ${(left.at - stopped.at).toFixed(0)} ms after stop() was done, which took ${Number(stopped["tookMs"]).toFixed(0)} ms`);
  assert.equal(await three.exited, 0);
  members[2] = startMember(three.machine);
  await Promise.all(members.map((member) => member.membership(ALL)));
  assert.equal(two.events.some((event) => event.event === "lost"), false);
});

test("process.exit without stop, and an exception that nobody catches, end the process as they should", { skip }, async () => {
  for (const [command, code] of [[{ do: "exit", code: 7 }, 7], [{ do: "fail" }, 1], [{ do: "exit", code: 0 }, 0]] as const) {
    const [one, two, three] = members as [TestProcess, TestProcess, TestProcess];
    // With messages under way the thread is in the middle of its work.
    for (const member of [one, two]) member.tell({ do: "stream", count: 2_000, bytes: 200, window: 50 });
    for (const member of members) member.tell({ do: "quiet", quiet: true });
    const mark = one.mark;
    three.tell(command);
    assert.equal(await three.exited, code, three.errors);
    await one.membership([1, 2], mark);
    members[2] = startMember(three.machine);
    await Promise.all(members.map((member) => member.membership(ALL)));
    for (const member of members) member.tell({ do: "quiet", quiet: false });
  }
});

test("corosync is killed and comes back: alone, then everybody again, as the same incarnation", { skip }, async () => {
  const [one, , three] = members as [TestProcess, TestProcess, TestProcess];
  const marks = members.map((member) => member.mark);
  three.machine.corosync?.kill("SIGKILL");
  await three.membership([3], marks[2]);
  await one.membership([1, 2], marks[0]);
  // Alone, it still hears itself.
  three.tell({ do: "multicast", text: "to myself" });
  await three.event((event) => event.event === "message" && event["text"] === "to myself", marks[2]);
  three.machine.startCorosync();
  const back = await three.membership(ALL, marks[2]);
  assert.equal(back.members?.[2]?.incarnation, incarnationOf(three));
  await one.membership(ALL, marks[0]);
  three.tell({ do: "multicast", text: "back" });
  await one.event((event) => event.event === "message" && event["text"] === "back", marks[0]);
  assert.equal(three.events.some((event) => event.event === "lost"), false);
});

test("corosync stands still: this node's main loop goes on and is told that it is alone; the others go on without it", { skip }, async (t) => {
  const [one, two, three] = members as [TestProcess, TestProcess, TestProcess];
  const marks = members.map((member) => member.mark);
  three.tell({ do: "delay" });
  const stoppedAt = clock();
  three.machine.corosync?.kill("SIGSTOP");
  try {
    const lost = await one.membership([1, 2], marks[0]);
    await two.membership([1, 2], marks[1]);
    t.diagnostic(`the others noticed after ${(lost.at - stoppedAt).toFixed(0)} ms (token 500)`);
    three.tell({ do: "multicast", text: "into the void" });
    const alone = await three.membership([3], marks[2]);
    t.diagnostic(`it was told that it is alone after ${(alone.at - stoppedAt).toFixed(0)} ms`);
    await pause(2_000);
    const delay = await three.ask({ do: "delay" }, "delay");
    t.diagnostic(`largest delay of its event loop: ${Number(delay["maximumMs"]).toFixed(0)} ms`);
    assert.ok(Number(delay["maximumMs"]) < 1_500, "it stood still for 2,000 ms or more");
  } finally {
    three.machine.corosync?.kill("SIGCONT");
  }
  for (const [position, member] of members.entries()) await member.membership(ALL, marks[position]);
  three.tell({ do: "multicast", text: "after the pause" });
  await one.event((event) => event.event === "message" && event["text"] === "after the pause", marks[0]);
  assert.equal(members.some((member) => member.events.some((event) => event.event === "lost")), false);
});

test("corosync stood still for a moment: whoever had been away is told again", { skip }, async () => {
  const three = members[2] as TestProcess;
  const marks = members.map((member) => member.mark);
  three.machine.corosync?.kill("SIGSTOP");
  await members[0]!.membership([1, 2], marks[0]);
  three.machine.corosync?.kill("SIGCONT");
  for (const [position, member] of members.entries()) await member.membership(ALL, marks[position]);
});

test("stop and exit are not held up by a corosync that stands still", { skip }, async (t) => {
  for (const command of [{ do: "stop" }, { do: "exit", code: 5 }]) {
    const [one, , three] = members as [TestProcess, TestProcess, TestProcess];
    const mark = one.mark;
    three.machine.corosync?.kill("SIGSTOP");
    try {
      // Long enough for the thread to wait for the states of the links.
      await pause(600);
      const at = clock();
      three.tell(command);
      assert.equal(await three.exited, command.do === "exit" ? 5 : 0, three.errors);
      t.diagnostic(`${command.do}: ended after ${(clock() - at).toFixed(0)} ms`);
    } finally {
      three.machine.corosync?.kill("SIGCONT");
    }
    members[2] = startMember(three.machine);
    await members[2].membership(ALL);
    await one.membership(ALL, mark);
  }
});

test("an engine that starts while corosync stands still is alone, and joins when it goes on", { skip }, async () => {
  const three = members[2] as TestProcess;
  await three.ask({ do: "stop" }, "stopped");
  await three.exited;
  three.machine.corosync?.kill("SIGSTOP");
  try {
    members[2] = startMember(three.machine, { hangTimeoutMs: 600 });
    await members[2].membership([3]);
    await members[2].event((event) => event.event === "started");
  } finally {
    three.machine.corosync?.kill("SIGCONT");
  }
  await members[2].membership(ALL);
});

test("a link is cut and healed", { skip }, async (t) => {
  const marks = members.map((member) => member.mark);
  const cutAt = clock();
  network.cut(machines[2]!, 0);
  const [lost] = await Promise.all([members[0]!.membership([1, 2], marks[0]), members[1]!.membership([1, 2], marks[1]), members[2]!.membership([3], marks[2])]);
  network.heal(machines[2]!, 0);
  await Promise.all(members.map((member, position) => member.membership(ALL, marks[position])));
  t.diagnostic(`noticed after ${(lost.at - cutAt).toFixed(0)} ms (token 500)`);
  members[2]!.tell({ do: "multicast", text: "healed" });
  await members[0]!.event((event) => event.event === "message" && event["text"] === "healed", marks[0]);
});

test("a node of another version is refused by name of both versions, and the cluster stays as it is", { skip }, async () => {
  const three = members[2] as TestProcess;
  await three.ask({ do: "stop" }, "stopped");
  await members[0]!.membership([1, 2]);
  const marks = members.map((member) => member.mark);
  const stranger = startMember(three.machine, { protocolVersion: 2 });
  const refused = await stranger.event((event) => event.event === "notStarted");
  assert.equal(refused["code"], "MUSTER_VERSION_MISMATCH");
  assert.match(String(refused["message"]), /^Node [12] speaks protocol version 1; this node speaks 2\.$/);
  await members[0]!.event((event) => event.event === "notice" && String(event["text"]).includes("node 3 speaks protocol version 2"), marks[0]);
  assert.equal(members[0]!.events.slice(marks[0]).some((event) => event.event === "members"), false);
  await stranger.exited;
  members[2] = startMember(three.machine);
  await Promise.all(members.map((member) => member.membership(ALL)));
});

test("a newer incarnation of a node replaces the older one, which is told", { skip }, async () => {
  const [one, , three] = members as [TestProcess, TestProcess, TestProcess];
  const mark = one.mark;
  members[2] = startMember(three.machine);
  const lost = await three.event((event) => event.event === "lost");
  assert.match(String(lost["reason"]), /newer incarnation/);
  const newer = incarnationOf(members[2]);
  await one.event((event) => event.event === "members" && nodesOf(event).join() === "1,2,3" && event.members?.[2]?.incarnation === newer, mark);
  await members[2].membership(ALL);
  three.signal("SIGKILL");
});

test("the same incarnation started twice: the second one is refused", { skip }, async () => {
  const [one, , three] = members as [TestProcess, TestProcess, TestProcess];
  const mark = one.mark;
  const twin = startMember(three.machine, { self: { node: 3, incarnation: incarnationOf(three) ?? 0 } });
  const refused = await twin.event((event) => event.event === "notStarted");
  assert.equal(refused["code"], "MUSTER_NODE_IN_USE");
  assert.equal(three.events.some((event) => event.event === "lost"), false);
  three.tell({ do: "multicast", text: "still here" });
  await one.event((event) => event.event === "message" && event["text"] === "still here", mark);
  await twin.exited;
});

test("an engine for another node than corosync's is refused", { skip }, async () => {
  const wrong = startMember(machines[0]!, { self: { node: 9, incarnation: 1 } });
  const refused = await wrong.event((event) => event.event === "notStarted");
  assert.equal(refused["code"], "MUSTER_INVALID_ARGUMENT");
  assert.match(String(refused["message"]), /corosync runs as node 1 here, this is node 9/);
  await wrong.exited;
});

function incarnationOf(member: TestProcess): number | undefined {
  return member.events.findLast((event) => event.event === "members")?.members?.find((one) => one.node === member.machine.node)?.incarnation;
}
