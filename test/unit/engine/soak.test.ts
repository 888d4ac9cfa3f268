import assert from "node:assert/strict";
import { test } from "node:test";
import { pause, TestCluster } from "./cluster.ts";
import type { MemberEvent, TestMember } from "./cluster.ts";

/**
 * Processes that send all the time are killed, stopped, continued and started again, at random. Afterwards:
 * each sender's messages in its order and never twice; messages two members both saw in the same order; and between
 * the same memberships the same messages, up to where one of them was cut off.
 */

const SOAK_MS = Number(process.env["MUSTER_SOAK_MS"] ?? 5_000);
const SEED = Number(process.env["MUSTER_SOAK_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

/** Mulberry32: small and repeatable. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function messagesOf(member: TestMember): string[] {
  return member.events.filter((event) => event.event === "message").map((event) => event.text ?? "");
}

function assertFifo(member: TestMember): void {
  const last = new Map<string, number>();
  for (const text of messagesOf(member)) {
    const [node, incarnation, number] = text.split(".");
    const sender = `${node}.${incarnation}`;
    assert.ok(Number(number) > (last.get(sender) ?? 0), `node ${member.self.node}: ${text} after ${last.get(sender)}`);
    last.set(sender, Number(number));
  }
}

function assertSameOrder(left: TestMember, right: TestMember): number {
  const positions = new Map(messagesOf(right).map((text, position) => [text, position]));
  let last = -1;
  let common = 0;
  for (const text of messagesOf(left)) {
    const position = positions.get(text);
    if (position === undefined) continue;
    assert.ok(position > last, `nodes ${left.self.node} and ${right.self.node} differ about ${text}`);
    last = position;
    common++;
  }
  return common;
}

/** Messages between two memberships, by what begins the stretch: the members and the first message. */
function stretchesOf(member: TestMember): Map<string, string[]> {
  const stretches = new Map<string, string[]>();
  let members = "";
  let current: string[] = [];
  const keep = (): void => void (current.length > 0 && stretches.set(`${members} ${current[0]}`, current));
  for (const event of member.events as readonly MemberEvent[]) {
    if (event.event === "members") {
      keep();
      members = JSON.stringify(event.members);
      current = [];
    } else if (event.event === "message") {
      current.push(event.text ?? "");
    }
  }
  keep();
  return stretches;
}

function assertSameStretches(left: TestMember, right: TestMember): number {
  const others = stretchesOf(right);
  let compared = 0;
  for (const [key, messages] of stretchesOf(left)) {
    const other = others.get(key);
    if (other === undefined) continue;
    const length = Math.min(messages.length, other.length);
    assert.deepEqual(messages.slice(0, length), other.slice(0, length), `nodes ${left.self.node} and ${right.self.node} in ${key}`);
    compared++;
  }
  return compared;
}

test("random kills, stops and restarts under load", { timeout: SOAK_MS + 60_000 }, async (t) => {
  const random = randomFrom(SEED);
  t.diagnostic(`seed ${SEED}`);
  const cluster = new TestCluster({ hangTimeoutMs: 500 });
  try {
    const nodes = [1, 2, 3, 4];
    const start = (node: number): TestMember => {
      const member = cluster.add(node);
      member.tell({ do: "chatter", everyMs: 3, burst: 2 });
      return member;
    };
    const running = new Map(nodes.map((node) => [node, start(node)]));
    const stopped = new Set<TestMember>();
    const deeds = { kill: 0, stop: 0, leave: 0 };
    const end = performance.now() + SOAK_MS;
    await pause(500);
    while (performance.now() < end) {
      await pause(50 + random() * 350);
      const node = nodes[Math.floor(random() * nodes.length)] ?? 1;
      const member = running.get(node);
      if (member === undefined || stopped.has(member)) continue;
      const dice = random();
      if (dice < 0.3) {
        deeds.stop++;
        stopped.add(member);
        member.signal("SIGSTOP");
        setTimeout(() => {
          stopped.delete(member);
          member.signal("SIGCONT");
        }, random() * 1_500);
        continue;
      }
      if (dice < 0.5) {
        deeds.leave++;
        member.tell({ do: "stop" });
      } else {
        deeds.kill++;
        member.signal("SIGKILL");
      }
      running.delete(node);
      void member.exited.then(async () => {
        await pause(random() * 300);
        running.set(node, start(node));
      });
    }
    await pause(2_500); // longer than any stop lasts, and a restart
    await Promise.all(nodes.map((node) => running.get(node)?.membership(nodes, 0, 15_000)));
    assert.equal(cluster.generations().length, 1, "one sequencer");
    await pause(200);

    let common = 0;
    let stretches = 0;
    for (const left of cluster.members) {
      assertFifo(left);
      for (const right of cluster.members) {
        if (left === right) continue;
        common += assertSameOrder(left, right);
        stretches += assertSameStretches(left, right);
      }
      assert.equal(left.events.some((event) => event.event === "lost"), false);
    }
    const last = [...running.values()].map((member) => messagesOf(member).length);
    assert.ok(last.every((count) => count > 0), "all hear messages at the end");
    t.diagnostic(`${deeds.kill} kills, ${deeds.stop} stops, ${deeds.leave} leaves; ${cluster.members.length} processes; ${common} common messages and ${stretches} stretches compared`);
  } finally {
    for (const member of cluster.members) if (member.process.exitCode === null) member.signal("SIGCONT");
    await cluster.end();
  }
  assert.deepEqual(cluster.sockets(), []);
});
