import assert from "node:assert/strict";
import { test } from "node:test";
import { isQuorum } from "../../../src/quorum/weights.ts";
import type { Weights } from "../../../src/model/votes.ts";

/** What a majority has on its disks, by the votes alone. */
function committed(weights: readonly Weights[], acknowledged: readonly (number | null)[]): number {
  const indices = [...new Set(acknowledged.filter((index) => index !== null))].sort((a, b) => b - a);
  return indices.find((index) => isQuorum(weights, acknowledged.flatMap((at, position) => (at !== null && at >= index ? [{ node: position + 1, store: "s" }] : [])))) ?? 0;
}

function among(...nodes: number[]): Weights {
  return { version: 1, votes: nodes.map((node) => ({ node, store: "s", votes: 1 })), witness: null };
}

/** Facts of the majority tables of etcd's raft (quorum/testdata): acknowledged index per node, and what is committed. */
const TABLE: readonly (readonly [readonly (number | null)[], number])[] = [
  [[null], 0],
  [[12], 12],
  [[null, null], 0],
  [[12, null], 0],
  [[12, 5], 5],
  [[null, null, null], 0],
  [[12, null, null], 0],
  [[12, 5, null], 5],
  [[12, 5, 6], 6],
  [[12, 5, 4], 5],
  [[5, 5, null], 5],
  [[5, 5, 12], 5],
  [[100, 101, 103], 101],
  [[101, 104, 103, 103, null], 103],
  [[101, 102, 103, 103, null], 102],
];

test("plain majorities commit what other people's tables say", () => {
  for (const [acknowledged, expected] of TABLE) {
    assert.equal(committed([among(...acknowledged.map((_, position) => position + 1))], acknowledged), expected, JSON.stringify(acknowledged));
  }
});

test("under two weights at once the lower of both is committed", () => {
  for (const [acknowledged] of TABLE) {
    const old = among(...acknowledged.map((_, position) => position + 1).slice(0, 3));
    const all = among(...acknowledged.map((_, position) => position + 1));
    assert.equal(committed([all, old], acknowledged), Math.min(committed([all], acknowledged), committed([old], acknowledged)), JSON.stringify(acknowledged));
  }
});
