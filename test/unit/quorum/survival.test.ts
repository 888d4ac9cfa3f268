import assert from "node:assert/strict";
import { test } from "node:test";
import { survivalOf } from "../../../src/quorum/survival.ts";
import { Votes, choices } from "./support.ts";

test("what can be lost agrees with losing it", () => {
  for (let nodes = 1; nodes <= 7; nodes++) {
    for (const witness of [false, true]) {
      const survival = survivalOf(new Votes(nodes, witness).rules);
      for (const [node] of choices(nodes, 1)) assert.equal(survival.spare.includes(node!), new Votes(nodes, witness).lose(node!), `${nodes} nodes, witness ${witness}: without ${node}`);
      const survived = choices(nodes, 2).filter((pair) => new Votes(nodes, witness).lose(...pair)).length;
      assert.deepEqual([survival.pairs.total, survival.pairs.survived], [choices(nodes, 2).length, survived], `${nodes} nodes, witness ${witness}`);
    }
  }
});

test("one after the other, at the worst and at best", () => {
  const rows: readonly (readonly [number, boolean, number, number])[] = [
    [1, false, 0, 0],
    [2, false, 0, 1],
    [2, true, 1, 1],
    [3, false, 1, 2],
    [3, true, 2, 2],
    [4, false, 2, 3],
    [5, false, 3, 4],
    [5, true, 4, 4],
    [64, true, 63, 63],
  ];
  for (const [nodes, witness, atLeast, atMost] of rows) assert.deepEqual(survivalOf(new Votes(nodes, witness).rules).oneByOne, { atLeast, atMost }, `${nodes} nodes, witness ${witness}`);
});

test("the loss of the witness", () => {
  assert.equal(survivalOf(new Votes(4, true).rules).survivesWitness, true);
  assert.equal(survivalOf(new Votes(3, true).rules).survivesWitness, null, "it has no vote");
  const alone = new Votes(4, true);
  alone.rules = { ...alone.rules, nodes: alone.rules.nodes.map((node) => ({ ...node, active: node.id <= 2 })) };
  assert.equal(survivalOf(alone.rules).survivesWitness, false, "two of four stand on the witness until the votes are assigned anew");
});

test("64 nodes: what can be lost is worked out, not tried out", () => {
  const { rules } = new Votes(64, true);
  // The best of some: what else runs on the machine does not count.
  const took = Array.from({ length: 20 }, () => {
    const startedMs = performance.now();
    survivalOf(rules);
    return performance.now() - startedMs;
  });
  assert.ok(Math.min(...took) < 100, `${Math.min(...took)} ms`);
});
