import assert from "node:assert/strict";
import { test } from "node:test";
import type { Weights } from "../../../src/model/votes.ts";
import { LogCluster } from "./support.ts";

/** The token is part of the numbered weights (docs/safety.md, "The token changes"). Here silence counts twice the token. */

function withToken(cluster: LogCluster, tokenMs: number, formerTokenMs: number): Weights {
  const current = cluster.at(1).log.settledWeights!;
  const weights: Weights = { ...current, version: current.version + 1, tokenMs, formerTokenMs };
  cluster.at(1).step({ kind: "weightsWanted", weights });
  cluster.settle();
  return weights;
}

function started(): LogCluster {
  const cluster = new LogCluster(3);
  cluster.members(1, 2, 3);
  cluster.settle();
  return cluster;
}

function tokens(cluster: LogCluster): unknown[] {
  return cluster.nodes.map((node) => [node.log.settledWeights?.tokenMs, node.log.settledWeights?.formerTokenMs]);
}

function everywhere(tokenMs: number, formerTokenMs?: number): unknown[] {
  return [1, 2, 3].map(() => [tokenMs, formerTokenMs]);
}

for (const [tokenMs, formerTokenMs, waitMs] of [[2_000, 500, 4_000], [200, 500, 1_000]] as const) {
  test(`from ${formerTokenMs} to ${tokenMs} ms: the former token is forgotten when nobody can act by it any more`, () => {
    const cluster = started();
    withToken(cluster, tokenMs, formerTokenMs);
    assert.deepEqual(tokens(cluster), everywhere(tokenMs, formerTokenMs));
    cluster.pass(waitMs);
    assert.deepEqual(tokens(cluster), everywhere(tokenMs, formerTokenMs), "not before");
    cluster.pass(200);
    assert.deepEqual(tokens(cluster), everywhere(tokenMs));
    assert.deepEqual(cluster.view(1), [1, 2, 3], "nobody was missed");
  });
}

test("a new view counts the time anew: only its own orderer knows of the commit since when", () => {
  const cluster = started();
  withToken(cluster, 200, 500);
  cluster.pass(800);
  cluster.cut = new Set([1]);
  cluster.members(2, 3);
  cluster.settle();
  assert.deepEqual(cluster.view(2), [2, 3]);
  cluster.pass(900);
  assert.equal(cluster.at(2).log.settledWeights?.formerTokenMs, 500);
  cluster.pass(300);
  assert.deepEqual([cluster.at(2).log.settledWeights?.tokenMs, cluster.at(2).log.settledWeights?.formerTokenMs], [200, undefined]);
});

test("silence counts by the token in force", () => {
  const cluster = started();
  withToken(cluster, 3_000, 500);
  cluster.pass(7_000);
  assert.deepEqual(tokens(cluster), everywhere(3_000));
  cluster.at(3).lost = true;
  cluster.pass(4_000);
  assert.deepEqual(cluster.view(1), [1, 2, 3]);
  cluster.pass(4_000);
  assert.deepEqual(cluster.view(1), [1, 2]);
});

test("a forced start takes the tokens over", () => {
  const cluster = started();
  withToken(cluster, 2_000, 500);
  cluster.at(2).restart("force");
  cluster.at(2).step({ kind: "members", members: [cluster.at(2).self] });
  cluster.cut = new Set([2]);
  cluster.pass(500);
  assert.deepEqual(cluster.view(2), [2]);
  const [weights] = cluster.at(2).log.weights;
  assert.deepEqual([weights?.votes.length, weights?.tokenMs, weights?.formerTokenMs], [1, 2_000, 500]);
});
