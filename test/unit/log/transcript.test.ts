import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { LogCluster } from "./support.ts";

/**
 * The rules of the log one by one, with every message and every disk in the hands of the test.
 */
describe("three nodes", () => {
  let cluster: LogCluster;

  beforeEach(() => {
    cluster = new LogCluster(3);
  });

  test("rules 2-7: a majority forms a view, the rest joins it, a minority waits and says for whom", () => {
    cluster.members(1);
    cluster.settle();
    assert.deepEqual(cluster.at(1).log.status, { phase: "waiting", waitingFor: [2, 3], reason: null });
    cluster.members(1, 2);
    cluster.settle();
    assert.equal(cluster.phase(1), "active");
    assert.equal(cluster.phase(2), "active");
    cluster.members(1, 2, 3);
    cluster.settle();
    const status = cluster.at(3).log.status;
    assert.ok(status.phase === "active");
    assert.deepEqual(status.members.map((member) => member.node), [1, 2, 3]);
    assert.equal(status.orderer, 1);
  });

  test("rule 2: no STATE before the promise is on the disk", () => {
    cluster.members(1, 2, 3);
    cluster.settle(false);
    assert.equal(cluster.nodes.every((node) => node.waiting.length === 1), true, "each waits for its disk");
    assert.equal(cluster.nodes.some((node) => node.log.status.phase === "active"), false);
    cluster.settle();
    assert.equal(cluster.phase(2), "active");
  });

  test("rules 8-9: an update is answered when a majority has it on the disk, not before", () => {
    cluster.members(1, 2, 3);
    cluster.settle();
    cluster.at(2).step({ kind: "request", durable: true, number: 1, payload: "a" });
    cluster.settle(false);
    assert.deepEqual([cluster.payloads(1), cluster.payloads(2), cluster.payloads(3)], [[], [], []]);
    cluster.at(1).sync();
    cluster.settle(false);
    assert.deepEqual(cluster.payloads(1), [], "one of three is not enough");
    cluster.at(3).sync();
    cluster.settle(false);
    assert.deepEqual([cluster.payloads(1), cluster.payloads(2), cluster.payloads(3)], [["a"], ["a"], ["a"]], "everybody sees the acknowledgements");
  });

  test("rule 9: what comes after an update waits for it", () => {
    cluster.members(1, 2, 3);
    cluster.settle();
    cluster.at(1).step({ kind: "request", durable: true, number: 1, payload: "a" });
    cluster.at(1).step({ kind: "request", durable: false, number: 0, payload: "report" });
    cluster.settle(false);
    assert.equal(cluster.at(2).applied.length, 1, "only the view itself was stepped");
    cluster.settle();
    assert.deepEqual(cluster.at(2).applied.map((entry) => entry.index), [0, 1, 2]);
  });

  test("rule 1: a membership change ends the epoch; what was not acknowledged is sent again and carried out once", () => {
    cluster.members(1, 2, 3);
    cluster.settle();
    cluster.at(3).step({ kind: "request", durable: true, number: 1, payload: "a" });
    cluster.members(1, 2, 3);
    assert.equal(cluster.phase(1), "forming");
    cluster.settle();
    assert.deepEqual([cluster.payloads(1), cluster.payloads(2), cluster.payloads(3)], [["a"], ["a"], ["a"]]);
  });

  test("rules 3, 4, 6: an entry only the dead orderer had is cut; one that a majority had stays", () => {
    cluster.members(1, 2, 3);
    cluster.settle();
    cluster.at(1).step({ kind: "request", durable: true, number: 1, payload: "kept" });
    cluster.settle();
    cluster.cut.add(1);
    cluster.at(1).step({ kind: "request", durable: true, number: 2, payload: "lost" });
    cluster.settle();
    assert.deepEqual(cluster.payloads(1), ["kept"], "node 1 has it on its disk but may not step it");
    cluster.members(2, 3);
    cluster.settle();
    cluster.at(2).step({ kind: "request", durable: true, number: 1, payload: "new" });
    cluster.settle();
    assert.deepEqual(cluster.payloads(3), ["kept", "new"]);
  });

  test("rule 3: a silent member is left out by the others, hears of it and leaves", () => {
    cluster.members(1, 2, 3);
    cluster.settle();
    cluster.cut.add(3);
    cluster.pass(1_500);
    assert.equal(cluster.phase(1), "active");
    assert.deepEqual(cluster.view(1), [1, 2]);
    assert.notEqual(cluster.phase(3), "active", "the silent one hears nobody either");
    cluster.cut.clear();
    cluster.pass(1_500);
    assert.equal(cluster.at(3).left[0], "leftOut");
  });

  test("rule 3: one that hears nobody does not send the majority away", () => {
    cluster.members(1, 2, 3);
    cluster.settle();
    cluster.cut.add(3);
    cluster.pass(3_000);
    cluster.cut.clear();
    cluster.pass(3_000);
    assert.deepEqual([cluster.at(1).left, cluster.at(2).left], [[], []]);
    assert.equal(cluster.phase(1), "active");
  });

  test("rule 3: a member that is merely slow is not left out when the rest cannot go on without it", () => {
    cluster.members(1, 2);
    for (const node of cluster.nodes) node.take();
    cluster.at(1).step({ kind: "tick" });
    cluster.at(1).nowMs += 2_000;
    cluster.at(1).step({ kind: "tick" });
    assert.deepEqual(cluster.at(1).take().filter((message) => message.kind === "propose" && message.members.length === 1), []);
  });

  test("rule 11: a read waits for an echo of a tick sent after the question", () => {
    cluster.members(1, 2, 3);
    cluster.settle();
    cluster.cut = new Set([1]);
    cluster.at(1).step({ kind: "read", id: 5 });
    cluster.settle();
    assert.deepEqual(cluster.at(1).readsReady, [], "alone it may be out of date");
    cluster.cut.clear();
    cluster.at(2).step({ kind: "read", id: 6 });
    cluster.settle();
    assert.deepEqual(cluster.at(2).readsReady, [6]);
    cluster.pass(200);
    assert.deepEqual(cluster.at(1).readsReady, [5]);
  });

  test("rule 11: an answer that another node has given already is not overlooked", () => {
    cluster.members(1, 2, 3);
    cluster.settle();
    cluster.at(2).step({ kind: "request", durable: true, number: 1, payload: "a" });
    cluster.settle(false);
    cluster.cut = new Set([1]);
    cluster.at(2).sync();
    cluster.at(3).sync();
    cluster.settle(false);
    assert.deepEqual(cluster.payloads(2), ["a"], "nodes 2 and 3 have it: its caller is answered");
    cluster.cut = new Set([3]);
    cluster.at(1).step({ kind: "read", id: 5 });
    cluster.settle(false);
    assert.deepEqual([cluster.payloads(1), cluster.at(1).readsReady], [[], []], "the orderer does not know it yet and must not answer without it");
    cluster.settle();
    assert.deepEqual([cluster.payloads(1), cluster.at(1).readsReady], [["a"], [5]]);
  });

  test("rule 11: a read whose question was lost is asked again", () => {
    cluster.members(1, 2, 3);
    cluster.settle();
    cluster.at(2).step({ kind: "read", id: 7 });
    cluster.at(2).take();
    cluster.pass(1_200);
    assert.deepEqual(cluster.at(2).readsReady, [7]);
  });

  test("rule 12: whoever differs from the orderer leaves", () => {
    cluster.members(1, 2, 3);
    cluster.settle();
    cluster.at(3).step({ kind: "stepped", index: 0, hash: "different" });
    cluster.at(1).step({ kind: "request", durable: false, number: 0, payload: "report" });
    cluster.settle();
    assert.deepEqual(cluster.at(3).left, ["diverged"]);
    assert.deepEqual(cluster.at(2).left, []);
  });

  test("permits come from ticks that a majority echoed, and stop with it", () => {
    cluster.members(1, 2, 3);
    cluster.settle();
    cluster.pass(500);
    const newest = cluster.at(1).permits.at(-1)!;
    assert.ok(newest > cluster.at(1).nowMs + 4_000, "it covers the permit length from the tick on");
    cluster.cut.add(1);
    cluster.pass(600);
    assert.equal(cluster.at(1).permits.at(-1), newest, "alone there is no new one");
  });

  test("a disk that does not answer costs the membership", () => {
    cluster.members(1, 2, 3);
    cluster.settle();
    cluster.at(2).step({ kind: "request", durable: true, number: 1, payload: "a" });
    cluster.settle(false);
    for (let passed = 0; passed < 12_000; passed += 100) {
      cluster.at(2).nowMs += 100;
      cluster.at(2).step({ kind: "tick" });
    }
    assert.ok(cluster.at(2).left.includes("disk"));
  });

  test("a request that overtook a lost one waits for its turn", () => {
    cluster.members(1, 2, 3);
    cluster.settle();
    cluster.at(2).step({ kind: "request", durable: true, number: 1, payload: "a" });
    cluster.at(2).take();
    cluster.at(2).step({ kind: "request", durable: true, number: 2, payload: "b" });
    cluster.settle();
    assert.deepEqual(cluster.payloads(1), [], "2 is not ordered before 1");
    cluster.pass(1_200);
    assert.deepEqual(cluster.payloads(1), ["a", "b"]);
  });
});
