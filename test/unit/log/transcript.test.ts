import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import type { Member } from "../../../src/model/identifiers.ts";
import { ReplicatedLog } from "../../../src/log/log.ts";
import type { LogEffect, LogEntry, LogInput, LogMessage } from "../../../src/log/types.ts";
import type { Weights } from "../../../src/log/weights.ts";

/**
 * The rules of the log one by one, with every message and every disk in the hands of the test.
 */
class Node {
  readonly self: Member;
  readonly log: ReplicatedLog;
  readonly applied: LogEntry[] = [];
  readonly left: string[] = [];
  readonly permits: number[] = [];
  readonly readsReady: number[] = [];
  /** Writes that are on their way to the disk. */
  waiting: Extract<LogEffect, { kind: "persist" }>[] = [];
  sent: LogMessage[] = [];
  fetches: Extract<LogEffect, { kind: "fetchState" | "fetchLog" }>[] = [];
  nowMs = 0;

  constructor(node: number, weights: Weights) {
    this.self = { node, incarnation: 10 + node };
    this.log = new ReplicatedLog(
      { self: this.self, store: `s${node}`, silenceMs: 250, tickMs: 100, detectionMs: 1_000, permitMs: 5_000, diskLimitMs: 10_000, keepEntries: 100 },
      { promised: 0, accepted: 0, committed: 0, applied: 0, lastActive: 0, weights: { sequence: 0, weights }, entries: [], before: { sequence: 0, epoch: 0 } },
    );
  }

  step(input: LogInput): void {
    for (const effect of this.log.step({ nowMs: this.nowMs, wallTimeMs: 1_000_000 + this.nowMs }, input)) {
      if (effect.kind === "send") this.sent.push(effect.message);
      if (effect.kind === "persist") this.waiting.push(effect);
      if (effect.kind === "fetchState" || effect.kind === "fetchLog") this.fetches.push(effect);
      if (effect.kind === "apply") {
        this.applied.push(effect.entry);
        this.step({ kind: "stepped", index: effect.entry.index, hash: "equal" });
      }
      if (effect.kind === "leave") this.left.push(effect.cause);
      if (effect.kind === "permit") this.permits.push(effect.untilMs);
      if (effect.kind === "readReady") this.readsReady.push(effect.id);
    }
  }

  sync(): void {
    const written = this.waiting;
    this.waiting = [];
    for (const { ticket } of written) this.step({ kind: "persisted", ticket });
  }

  take(): LogMessage[] {
    this.step({ kind: "flush" });
    const sent = this.sent;
    this.sent = [];
    return sent;
  }
}

describe("three nodes", () => {
  let nodes: Node[];
  let cut: Set<number>;

  beforeEach(() => {
    const weights: Weights = { version: 1, votes: [1, 2, 3].map((node) => ({ node, store: `s${node}`, votes: 1 })) };
    nodes = [1, 2, 3].map((node) => new Node(node, weights));
    cut = new Set();
  });

  function members(...ids: number[]): void {
    for (const node of nodes) {
      if (ids.includes(node.self.node)) node.step({ kind: "members", members: ids.map((id) => nodes[id - 1]!.self) });
    }
  }

  /** Delivers what was sent, and what that leads to; disks answer unless `disks` is false. */
  function answerFetches(): void {
    for (const node of nodes) {
      for (const fetch of node.fetches.splice(0)) {
        const source = nodes[fetch.from.node - 1]!.log;
        if (fetch.kind === "fetchState") node.step({ kind: "stateFetched", epoch: fetch.epoch, position: source.runtime!, applied: source.committed });
        else node.step({ kind: "logFetched", epoch: fetch.epoch, log: { entries: source.readLog(fetch.after, fetch.upTo)!, copy: null } });
      }
    }
  }

  function settle(disks = true): void {
    for (let round = 0; round < 50; round++) {
      answerFetches();
      if (disks) for (const node of nodes) node.sync();
      const deliveries = nodes.flatMap((node) => node.take().map((message) => ({ from: node, message })));
      for (const { from, message } of deliveries) {
        for (const node of nodes) {
          if (cut.has(node.self.node) !== cut.has(from.self.node)) continue;
          node.step({ kind: "message", from: from.self, message });
        }
      }
      if (deliveries.length === 0 && (!disks || nodes.every((node) => node.waiting.length === 0))) return;
    }
    assert.fail("it does not settle");
  }

  function pass(ms: number): void {
    for (let passed = 0; passed < ms; passed += 100) {
      for (const node of nodes) {
        node.nowMs += 100;
        node.step({ kind: "tick" });
      }
      settle();
    }
  }

  const phase = (id: number): string => nodes[id - 1]!.log.status.phase;
  const payloads = (id: number): string[] => nodes[id - 1]!.applied.filter((entry) => entry.sequence !== null).map((entry) => (entry.body.type === "input" ? entry.body.payload : "weights"));

  test("rules 2-7: a majority forms a view, the rest joins it, a minority waits and says for whom", () => {
    members(1);
    settle();
    assert.deepEqual(nodes[0]!.log.status, { phase: "waiting", waitingFor: [2, 3] });
    members(1, 2);
    settle();
    assert.equal(phase(1), "active");
    assert.equal(phase(2), "active");
    members(1, 2, 3);
    settle();
    const status = nodes[2]!.log.status;
    assert.ok(status.phase === "active");
    assert.deepEqual(status.members.map((member) => member.node), [1, 2, 3]);
    assert.equal(status.orderer, 1);
  });

  test("rule 2: no STATE before the promise is on the disk", () => {
    members(1, 2, 3);
    settle(false);
    assert.equal(nodes.every((node) => node.waiting.length === 1), true, "each waits for its disk");
    assert.equal(nodes.some((node) => node.log.status.phase === "active"), false);
    settle();
    assert.equal(phase(2), "active");
  });

  test("rules 8-9: an update is answered when a majority has it on the disk, not before", () => {
    members(1, 2, 3);
    settle();
    nodes[1]!.step({ kind: "request", durable: true, number: 1, payload: "a" });
    settle(false);
    assert.deepEqual([payloads(1), payloads(2), payloads(3)], [[], [], []]);
    nodes[0]!.sync();
    settle(false);
    assert.deepEqual(payloads(1), [], "one of three is not enough");
    nodes[2]!.sync();
    settle(false);
    assert.deepEqual([payloads(1), payloads(2), payloads(3)], [["a"], ["a"], ["a"]], "everybody sees the acknowledgements");
  });

  test("rule 9: what comes after an update waits for it", () => {
    members(1, 2, 3);
    settle();
    nodes[0]!.step({ kind: "request", durable: true, number: 1, payload: "a" });
    nodes[0]!.step({ kind: "request", durable: false, number: 0, payload: "report" });
    settle(false);
    assert.equal(nodes[1]!.applied.length, 1, "only the view itself was stepped");
    settle();
    assert.deepEqual(nodes[1]!.applied.map((entry) => entry.index), [0, 1, 2]);
  });

  test("rule 1: a membership change ends the epoch; what was not acknowledged is sent again and carried out once", () => {
    members(1, 2, 3);
    settle();
    nodes[2]!.step({ kind: "request", durable: true, number: 1, payload: "a" });
    members(1, 2, 3);
    assert.equal(phase(1), "forming");
    settle();
    assert.deepEqual([payloads(1), payloads(2), payloads(3)], [["a"], ["a"], ["a"]]);
  });

  test("rules 3, 4, 6: an entry only the dead orderer had is cut; one that a majority had stays", () => {
    members(1, 2, 3);
    settle();
    nodes[0]!.step({ kind: "request", durable: true, number: 1, payload: "kept" });
    settle();
    cut.add(1);
    nodes[0]!.step({ kind: "request", durable: true, number: 2, payload: "lost" });
    settle();
    assert.deepEqual(payloads(1), ["kept"], "node 1 has it on its disk but may not step it");
    members(2, 3);
    settle();
    nodes[1]!.step({ kind: "request", durable: true, number: 1, payload: "new" });
    settle();
    assert.deepEqual(payloads(3), ["kept", "new"]);
  });

  test("rule 3: a silent member is left out by the others, hears of it and leaves", () => {
    members(1, 2, 3);
    settle();
    cut.add(3);
    pass(1_500);
    assert.equal(phase(1), "active");
    assert.deepEqual(nodes[0]!.log.status.phase === "active" && nodes[0]!.log.status.members.map((member) => member.node), [1, 2]);
    assert.notEqual(phase(3), "active", "the silent one hears nobody either");
    cut.clear();
    pass(1_500);
    assert.equal(nodes[2]!.left[0], "leftOut");
  });

  test("rule 3: one that hears nobody does not send the majority away", () => {
    members(1, 2, 3);
    settle();
    cut.add(3);
    pass(3_000);
    cut.clear();
    pass(3_000);
    assert.deepEqual([nodes[0]!.left, nodes[1]!.left], [[], []]);
    assert.equal(phase(1), "active");
  });

  test("rule 3: a member that is merely slow is not left out when the rest cannot go on without it", () => {
    members(1, 2);
    for (const node of nodes) node.take();
    nodes[0]!.step({ kind: "tick" });
    nodes[0]!.nowMs += 2_000;
    nodes[0]!.step({ kind: "tick" });
    assert.deepEqual(nodes[0]!.take().filter((message) => message.kind === "propose" && message.members.length === 1), []);
  });

  test("rule 11: a read waits for an echo of a tick sent after the question", () => {
    members(1, 2, 3);
    settle();
    cut = new Set([1]);
    nodes[0]!.step({ kind: "read", id: 5 });
    settle();
    assert.deepEqual(nodes[0]!.readsReady, [], "alone it may be out of date");
    cut.clear();
    nodes[1]!.step({ kind: "read", id: 6 });
    settle();
    assert.deepEqual(nodes[1]!.readsReady, [6]);
    pass(200);
    assert.deepEqual(nodes[0]!.readsReady, [5]);
  });

  test("rule 12: whoever differs from the orderer leaves", () => {
    members(1, 2, 3);
    settle();
    nodes[2]!.step({ kind: "stepped", index: 0, hash: "different" });
    nodes[0]!.step({ kind: "request", durable: false, number: 0, payload: "report" });
    settle();
    assert.deepEqual(nodes[2]!.left, ["diverged"]);
    assert.deepEqual(nodes[1]!.left, []);
  });

  test("permits come from ticks that a majority echoed, and stop with it", () => {
    members(1, 2, 3);
    settle();
    pass(500);
    const newest = nodes[0]!.permits.at(-1)!;
    assert.ok(newest > nodes[0]!.nowMs + 4_000, "it covers the permit length from the tick on");
    cut.add(1);
    pass(600);
    assert.equal(nodes[0]!.permits.at(-1), newest, "alone there is no new one");
  });

  test("a disk that does not answer costs the membership", () => {
    members(1, 2, 3);
    settle();
    nodes[1]!.step({ kind: "request", durable: true, number: 1, payload: "a" });
    settle(false);
    for (let passed = 0; passed < 12_000; passed += 100) {
      nodes[1]!.nowMs += 100;
      nodes[1]!.step({ kind: "tick" });
    }
    assert.ok(nodes[1]!.left.includes("disk"));
  });

  test("a request that overtook a lost one waits for its turn", () => {
    members(1, 2, 3);
    settle();
    nodes[1]!.step({ kind: "request", durable: true, number: 1, payload: "a" });
    nodes[1]!.take();
    nodes[1]!.step({ kind: "request", durable: true, number: 2, payload: "b" });
    settle();
    assert.deepEqual(payloads(1), [], "2 is not ordered before 1");
    pass(1_200);
    assert.deepEqual(payloads(1), ["a", "b"]);
  });
});
