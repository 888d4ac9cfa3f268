import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { LogCluster } from "./support.ts";

/** That nothing but the lack of a majority stops the log for good. */
describe("three nodes go on", () => {
  let cluster: LogCluster;

  beforeEach(() => {
    cluster = new LogCluster(3);
    cluster.members(1, 2, 3);
    cluster.settle();
  });

  /** What a service does that has left. */
  function returnOf(id: number, ...others: number[]): void {
    assert.deepEqual(cluster.at(id).left.slice(0, 1), ["leftOut"]);
    cluster.at(id).restart();
    cluster.members(id, ...others);
    for (const other of others) cluster.at(other).step({ kind: "members", members: [id, ...others].sort((a, b) => a - b).map((one) => cluster.at(one).self) });
    cluster.settle();
  }

  test("when all of them heard nobody for a while, although the engine saw no change", () => {
    for (const node of cluster.nodes) node.lost = true;
    cluster.pass(3_000);
    assert.deepEqual([1, 2, 3].map((id) => cluster.phase(id)), ["waiting", "waiting", "waiting"]);
    for (const node of cluster.nodes) node.lost = false;
    cluster.pass(3_000);
    assert.deepEqual([1, 2, 3].map((id) => cluster.view(id)), [[1, 2, 3], [1, 2, 3], [1, 2, 3]]);
    assert.deepEqual(cluster.nodes.flatMap((node) => node.left), [], "nobody had to leave");
  });

  test("when two that missed each other's views are all there is", () => {
    cluster.cut = new Set([3]);
    cluster.members(1, 2);
    cluster.members(3);
    cluster.settle();
    assert.deepEqual(cluster.view(1), [1, 2], "for 1 and 2, node 3 is gone");
    cluster.cut = new Set([2]);
    cluster.members(3, 1);
    cluster.members(2);
    // However quick node 3 is with its proposal: it is told what it missed.
    for (let round = 0; round < 3; round++) {
      cluster.at(3).nowMs += 600;
      cluster.at(3).step({ kind: "tick" });
      cluster.settle();
    }
    cluster.pass(3_000);
    returnOf(3, 1);
    cluster.pass(1_000);
    assert.deepEqual(cluster.view(3), [1, 3], "for 3, node 2 is gone");
    cluster.cut = new Set([1]);
    cluster.members(2, 3);
    cluster.members(1);
    cluster.pass(3_000);
    assert.deepEqual(cluster.at(3).left, []);
    returnOf(2, 3);
    cluster.pass(1_000);
    assert.deepEqual(cluster.view(2), [2, 3]);
  });

  test("when one returns to a node whose view it missed", () => {
    cluster.cut = new Set([3]);
    cluster.members(1, 2);
    cluster.members(3);
    cluster.settle();
    cluster.cut = new Set([2]);
    cluster.members(3, 1);
    cluster.members(2);
    cluster.pass(3_000);
    returnOf(3, 1);
    assert.deepEqual(cluster.view(1), [1, 3]);
  });

  test("without losing one whose connection alone was made anew", () => {
    cluster = new LogCluster(5);
    cluster.members(1, 2, 3, 4, 5);
    cluster.settle();
    cluster.at(5).step({ kind: "members", members: cluster.nodes.map((node) => node.self) });
    cluster.settle();
    assert.deepEqual([cluster.view(1), cluster.view(5)], [[1, 2, 3, 4, 5], [1, 2, 3, 4, 5]]);
    cluster.pass(3_000);
    assert.deepEqual(cluster.at(5).left, []);
  });

  test("and a new copy that needs long to catch up is given the time", () => {
    cluster.members(1, 2);
    cluster.settle();
    cluster.at(1).step({ kind: "request", durable: true, number: 1, payload: "a" });
    cluster.settle();
    cluster.at(3).restart();
    cluster.slow.add(3);
    cluster.members(1, 2, 3);
    cluster.pass(8_000);
    assert.deepEqual([cluster.view(1), cluster.phase(3), cluster.at(3).left], [[1, 2, 3], "forming", []]);
    const { status } = cluster.at(1).log;
    cluster.slow.clear();
    cluster.pass(300);
    assert.deepEqual(cluster.at(3).log.status, status, "it takes its place in the view that went on meanwhile");
    assert.deepEqual(cluster.payloads(1), ["a"]);
  });
});
