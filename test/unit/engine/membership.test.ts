import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import type { Socket } from "node:net";
import { test } from "node:test";
import { sequencerName } from "../../../src/engine/local/names.ts";
import { clock, median, nodesOf, pause, TestCluster } from "./cluster.ts";
import type { TestMember } from "./cluster.ts";
import { newCluster, record, until } from "./recorder.ts";

/** Who is here: real processes that start, die, hang and stop. */

/** What a busy machine may add. */
const SLACK_MS = 3_000;

async function withCluster(settings: ConstructorParameters<typeof TestCluster>[0], run: (cluster: TestCluster) => Promise<void>): Promise<void> {
  const cluster = new TestCluster(settings);
  try {
    await run(cluster);
  } finally {
    await cluster.end();
  }
  assert.deepEqual(cluster.sockets(), [], "no socket stays");
}

function assertInOrder(member: TestMember): void {
  for (const event of member.events.filter((one) => one.event === "members")) {
    assert.deepEqual(nodesOf(event), nodesOf(event).toSorted((a, b) => a - b), "sorted by node");
    assert.ok(event.members?.some((one) => one.node === member.self.node && one.incarnation === member.self.incarnation), "self is in it");
  }
}

test("three processes form one membership", async () => {
  await withCluster({}, async (cluster) => {
    const members = await cluster.form(3);
    assert.deepEqual(cluster.generations(), [1]);
    for (const member of members) assertInOrder(member);
  });
});

test("five processes that start at once form one membership", async () => {
  await withCluster({}, async (cluster) => {
    const members = [1, 2, 3, 4, 5].map((node) => cluster.add(node));
    await Promise.all(members.map((member) => member.membership([1, 2, 3, 4, 5])));
    assert.deepEqual(cluster.generations(), [1]);
    for (const member of members) assertInOrder(member);
  });
});

test("kill -9 of a member and of the sequencer is a membership change", async (t) => {
  const times = { member: [] as number[], sequencer: [] as number[], kernel: [] as number[] };
  const trials = 7;
  await withCluster({}, async (cluster) => {
    const [one, two, three] = await cluster.form(3);
    assert.ok(one !== undefined && two !== undefined && three !== undefined);
    let members = [one, two, three];
    for (let trial = 0; trial < trials * 2; trial++) {
      const kind = trial % 2 === 0 ? "member" : "sequencer";
      const victim = members.find((member) => cluster.holdsSequencer(member) === (kind === "sequencer")) as TestMember;
      members = members.filter((member) => member !== victim);
      const rest = members.map((member) => member.self.node).sort((a, b) => a - b);
      const marks = members.map((member) => member.events.length);
      const killedAt = victim.signal("SIGKILL");
      const changes = await Promise.all(members.map((member, position) => member.membership(rest, marks[position])));
      times[kind].push(...changes.map((change) => change.at - killedAt));
      await victim.exited;
      times.kernel.push(victim.goneAt - killedAt);
      members.push(cluster.add(victim.self.node));
      await Promise.all(members.map((member) => member.membership([1, 2, 3])));
    }
  });
  t.diagnostic(`of which until the kernel has closed the dead process's descriptors: ${median(times.kernel).toFixed(1)} ms (median of ${times.kernel.length}), at most ${Math.max(...times.kernel).toFixed(1)}`);
  t.diagnostic(`kill -9 of a member: ${median(times.member).toFixed(1)} ms (median of ${times.member.length}) to onMembers, at most ${Math.max(...times.member).toFixed(1)}`);
  t.diagnostic(`kill -9 of the sequencer: ${median(times.sequencer).toFixed(1)} ms (median of ${times.sequencer.length}) to onMembers, at most ${Math.max(...times.sequencer).toFixed(1)}`);
});

test("a member that hangs is dropped, and comes back with the same incarnation when it goes on", async (t) => {
  await withCluster({ hangTimeoutMs: 600 }, async (cluster) => {
    const [one, two, three] = await cluster.form(3);
    assert.ok(one !== undefined && two !== undefined && three !== undefined);
    const marks = [one, two].map((member) => member.events.length);
    const stoppedAt = three.signal("SIGSTOP");
    const changes = await Promise.all([one, two].map((member, position) => member.membership([1, 2], marks[position])));
    for (const change of changes) assert.ok(change.at - stoppedAt < 600 + SLACK_MS, `noticed after ${change.at - stoppedAt} ms`);
    t.diagnostic(`hang time-out 600 ms: noticed after ${Math.max(...changes.map((change) => change.at - stoppedAt)).toFixed(0)} ms`);
    const mark = three.events.length;
    three.signal("SIGCONT");
    for (const member of [one, two]) await member.membership([1, 2, 3]);
    const back = await three.membership([1, 2, 3], mark);
    assert.equal(back.members?.[2]?.incarnation, three.self.incarnation);
    assert.deepEqual(cluster.generations(), [1]);
    assert.equal(three.events.some((event) => event.event === "lost"), false);
  });
});

test("a sequencer that hangs is left behind, and joins the others when it goes on", async (t) => {
  await withCluster({ hangTimeoutMs: 600 }, async (cluster) => {
    const [one, two, three] = await cluster.form(3);
    assert.ok(one !== undefined && two !== undefined && three !== undefined);
    const marks = [two, three].map((member) => member.events.length);
    const stoppedAt = one.signal("SIGSTOP");
    const changes = await Promise.all([two, three].map((member, position) => member.membership([2, 3], marks[position])));
    for (const change of changes) assert.ok(change.at - stoppedAt < 600 + SLACK_MS, `noticed after ${change.at - stoppedAt} ms`);
    t.diagnostic(`hang time-out 600 ms: new membership after ${Math.max(...changes.map((change) => change.at - stoppedAt)).toFixed(0)} ms`);
    assert.deepEqual(cluster.generations().sort(), [1, 2], "the hung one still holds its name");

    // A newcomer finds the generation that answers.
    const four = cluster.add(4);
    await four.membership([2, 3, 4]);

    const mark = one.events.length;
    one.signal("SIGCONT");
    for (const member of [two, three, four]) await member.membership([1, 2, 3, 4]);
    await one.membership([1, 2, 3, 4], mark);
    assert.deepEqual(cluster.generations(), [2]);
    assert.equal(one.events.some((event) => event.event === "lost"), false);
  });
});

test("a short pause of the sequencer changes nothing", async () => {
  await withCluster({ hangTimeoutMs: 1_500 }, async (cluster) => {
    const members = await cluster.form(3);
    const marks = members.map((member) => member.events.length);
    members[0]?.signal("SIGSTOP");
    await pause(500);
    members[0]?.signal("SIGCONT");
    await pause(1_800);
    members.forEach((member, position) => assert.equal(member.events.slice(marks[position]).some((event) => event.event === "members"), false));
  });
});

test("all hang for long and go on: one membership", async () => {
  await withCluster({ hangTimeoutMs: 400 }, async (cluster) => {
    const members = await cluster.form(3);
    for (const member of members) member.signal("SIGSTOP");
    await pause(1_500);
    for (const member of members.toReversed()) member.signal("SIGCONT");
    await pause(1_500);
    await Promise.all(members.map((member) => member.membership([1, 2, 3])));
    assert.equal(cluster.generations().length, 1);
  });
});

test("a newcomer alone beside a hung sequencer founds the next generation", async () => {
  await withCluster({ hangTimeoutMs: 400 }, async (cluster) => {
    const [one] = await cluster.form(1);
    one?.signal("SIGSTOP");
    const two = cluster.add(2);
    await two.membership([2]);
    assert.deepEqual(cluster.generations().sort(), [1, 2]);
    one?.signal("SIGCONT");
    await one?.membership([1, 2]);
    await two.membership([1, 2]);
    assert.deepEqual(cluster.generations(), [2]);
  });
});

test("stop of a member and of the sequencer: the others see it at once and nothing stays", async () => {
  await withCluster({ hangTimeoutMs: 30_000 }, async (cluster) => {
    const [one, two, three] = await cluster.form(3);
    assert.ok(one !== undefined && two !== undefined && three !== undefined);
    let at = clock();
    three.tell({ do: "stop" });
    for (const member of [one, two]) assert.ok((await member.membership([1, 2])).at - at < 10_000, "not by the silence");
    assert.equal(await three.exited, 0);
    assert.equal(cluster.sockets().some((line) => line.endsWith("-direct-3-3")), false);

    const mark = two.events.length;
    at = clock();
    one.tell({ do: "stop" });
    assert.ok((await two.membership([2], mark)).at - at < 10_000, "not by the silence");
    assert.equal(await one.exited, 0);
    two.tell({ do: "stop" });
    await two.event((event) => event.event === "stopped");
    assert.deepEqual(cluster.sockets(), []);
    assert.equal(await two.exited, 0);
  });
});

test("stop while it still looks for a sequencer: start is refused and nothing stays", async () => {
  const { clusterId, key } = newCluster();
  const silent = createServer();
  await new Promise<void>((resolve) => silent.listen({ path: sequencerName(clusterId, 1) }, resolve));
  const sockets: Socket[] = [];
  silent.on("connection", (socket) => sockets.push(socket));
  const one = record({ clusterId, key, self: { node: 1, incarnation: 1 } });
  const starting = assert.rejects(one.start(), /stopped while it started/);
  await until("a connection", () => sockets.length > 0);
  await one.engine.stop();
  await starting;
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => silent.close(resolve));
  assert.equal(readFileSync("/proc/net/unix", "latin1").includes(clusterId), false);

  // Started and stopped at once, as often as you like.
  for (let trial = 0; trial < 20; trial++) {
    const two = record({ clusterId, key, self: { node: 2, incarnation: trial } });
    const outcome = two.start().then(() => "started", () => "refused");
    if (trial % 2 === 0) await new Promise((resolve) => setTimeout(resolve, trial));
    await two.engine.stop();
    await outcome;
    assert.equal(readFileSync("/proc/net/unix", "latin1").includes(clusterId), false, `trial ${trial}`);
  }
});

test("a newer incarnation takes the place of the older, which is told", async () => {
  await withCluster({}, async (cluster) => {
    const [one, two] = await cluster.form(2);
    assert.ok(one !== undefined && two !== undefined);
    const newer = cluster.add(2, { incarnation: 50 });
    await newer.membership([1, 2]);
    const lost = await two.event((event) => event.event === "lost");
    assert.match(lost.reason ?? "", /Node 2 already runs in another process/);
    await one.event((event) => event.event === "members" && event.members?.[1]?.incarnation === 50);

    const older = cluster.add(2, { incarnation: 49 });
    assert.equal((await older.event((event) => event.event === "notStarted")).code, "MUSTER_NODE_IN_USE");
    const same = cluster.add(2, { incarnation: 50 });
    assert.equal((await same.event((event) => event.event === "notStarted")).code, "MUSTER_NODE_IN_USE");
  });
});
