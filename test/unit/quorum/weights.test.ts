import assert from "node:assert/strict";
import { test } from "node:test";
import { admitStore, isAdmitted, isQuorum, missingVoters, votesOf } from "../../../src/quorum/weights.ts";
import type { Voter, Weights } from "../../../src/model/votes.ts";

function equalWeights(nodes: number, version = 1): Weights {
  return { version, votes: Array.from({ length: nodes }, (_, position) => ({ node: position + 1, store: `s${position + 1}`, votes: 1 })), witness: null };
}

function voters(...nodes: (number | string)[]): Voter[] {
  return nodes.map((node) => (typeof node === "number" ? { node, store: `s${node}` } : { node: Number(node.slice(0, 1)), store: node.slice(2) }));
}

test("more than half of the votes is a quorum, half is not", () => {
  const table: readonly (readonly [number, readonly number[], boolean])[] = [
    [1, [1], true],
    [2, [1], false],
    [2, [1, 2], true],
    [3, [2], false],
    [3, [1, 3], true],
    [4, [1, 2], false],
    [4, [1, 2, 4], true],
    [5, [1, 2], false],
    [5, [3, 4, 5], true],
    [3, [], false],
  ];
  for (const [nodes, present, expected] of table) {
    assert.equal(isQuorum([equalWeights(nodes)], voters(...present)), expected, `${present.join(" ")} of ${nodes}`);
  }
});

test("a vote belongs to the node and its store", () => {
  const weights = [equalWeights(3)];
  assert.equal(votesOf(weights, { node: 2, store: "s2" }), 1);
  assert.equal(votesOf(weights, { node: 2, store: "another" }), 0);
  assert.equal(isQuorum(weights, voters(1, "2:another")), false);
});

test("unequal votes are counted, and a node without votes adds nothing", () => {
  const weights: Weights = { version: 1, votes: [{ node: 1, store: "s1", votes: 3 }, { node: 2, store: "s2", votes: 1 }, { node: 3, store: "s3", votes: 0 }], witness: null };
  assert.equal(isQuorum([weights], voters(1)), true);
  assert.equal(isQuorum([weights], voters(2, 3)), false);
});

test("while new weights are not known committed a decision needs both", () => {
  const before = equalWeights(3);
  const after = admitStore(before, { node: 3, store: "new" });
  const admitted = after.votes.find((vote) => vote.node === 3);
  assert.deepEqual(admitted, { node: 3, store: "new", votes: 0 }, "a copy is admitted first, and given its vote by the next assignment");
  assert.equal(after.version, 2);
  assert.equal(isAdmitted([after, before], { node: 3, store: "new" }), false);
  assert.equal(isAdmitted([after], { node: 3, store: "new" }), true);
  const voting: Weights = { ...after, version: 3, votes: after.votes.map((vote) => ({ ...vote, votes: 1 })) };
  assert.equal(isQuorum([voting, before], voters(1, 2)), true, "the two that have votes in both");
  assert.equal(isQuorum([voting, before], voters(1, "3:new")), false, "node 3 does not count under the old weights");
  assert.equal(isQuorum([voting], voters(1, "3:new")), true, "it does once they are committed");
  assert.equal(votesOf([voting, before], { node: 3, store: "new" }), 0);
});

test("adding a voter never ends a quorum", () => {
  const before = equalWeights(5);
  const weights = [admitStore(before, { node: 5, store: "new" }), before];
  const all = [...voters(1, 2, 3, 4, 5), { node: 5, store: "new" }];
  for (let set = 0; set < 1 << all.length; set++) {
    const chosen = all.filter((_, position) => (set & (1 << position)) !== 0);
    if (!isQuorum(weights, chosen)) continue;
    for (const added of all) assert.equal(isQuorum(weights, [...chosen, added]), true);
  }
});

test("two quorums always share a voter", () => {
  for (let nodes = 1; nodes <= 6; nodes++) {
    const all = voters(...Array.from({ length: nodes }, (_, position) => position + 1));
    const subsets = Array.from({ length: 1 << nodes }, (_, set) => all.filter((_voter, position) => (set & (1 << position)) !== 0));
    const quorums = subsets.filter((subset) => isQuorum([equalWeights(nodes)], subset));
    for (const a of quorums) for (const b of quorums) assert.ok(a.some((voter) => b.includes(voter)));
  }
});

test("who is missing is named in order", () => {
  assert.deepEqual(missingVoters([equalWeights(4)], voters(3)), [1, 2, 4]);
  assert.deepEqual(missingVoters([equalWeights(2)], voters(1, "2:another")), [2]);
});

test("no weights means no quorum", () => {
  assert.equal(isQuorum([], voters(1)), false);
  assert.equal(votesOf([], { node: 1, store: "s1" }), 0);
});
