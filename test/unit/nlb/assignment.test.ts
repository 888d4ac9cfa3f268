import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { Contender, RuleReport } from "../../../src/nlb/assignment.ts";
import { EQUAL_SHARE, assignBuckets, assignDefault, assignSingle, countingWeights } from "../../../src/nlb/assignment.ts";
import { BUCKETS } from "../../../src/nlb/filter-contract.ts";

const report = (change: Partial<RuleReport> = {}): RuleReport => ({ value: EQUAL_SHARE, capacity: 100, isHealthy: true, state: "enabled", ...change });
const contender = (host: number, change: Partial<RuleReport> = {}): Contender => ({ host, report: report(change) });
const countOf = (owners: Uint8Array, host: number): number => owners.filter((owner) => owner === host).length;

test("equal hosts get equal shares, and only what has to move moves", () => {
  const three = assignBuckets(new Uint8Array(0), [1, 2, 3], [1, 1, 1], BUCKETS);
  assert.deepEqual([1, 2, 3].map((host) => countOf(three, host)), [80, 80, 80]);
  const two = assignBuckets(three, [1, 3], [1, 1], BUCKETS);
  assert.equal(two.filter((owner, bucket) => owner !== three[bucket]).length, 80, "the lost host's");
  const again = assignBuckets(two, [1, 2, 3], [1, 1, 1], BUCKETS);
  assert.equal(again.filter((owner, bucket) => owner !== two[bucket]).length, 80);
});

test("weights are honoured within one bucket, and moves are the least, whatever comes", () => {
  const hosts = fc.uniqueArray(fc.integer({ min: 1, max: 64 }), { minLength: 1, maxLength: 64 }).map((ids) => ids.sort((a, b) => a - b));
  fc.assert(
    fc.property(hosts, fc.array(fc.integer({ min: 0, max: 100 }), { minLength: 64, maxLength: 64 }), fc.array(fc.integer({ min: 0, max: 64 }), { minLength: BUCKETS, maxLength: BUCKETS }), (ids, given, before) => {
      const weights = ids.map((_, place) => given[place]!);
      const previous = Uint8Array.from(before);
      const owners = assignBuckets(previous, ids, weights, BUCKETS);
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      if (total === 0) return assert.ok(owners.every((owner) => owner === 0));
      let gained = 0;
      ids.forEach((host, place) => {
        assert.ok(Math.abs(countOf(owners, host) - (BUCKETS * weights[place]!) / total) < 1);
        gained += Math.max(0, countOf(owners, host) - countOf(previous, host));
      });
      assert.equal(owners.filter((owner, bucket) => owner !== previous[bucket]).length, gained);
      assert.deepEqual(assignBuckets(owners, ids, weights, BUCKETS), owners, "what is fair stays");
    }),
    { numRuns: 300, seed: 5 },
  );
});

test("who is drained, disabled or not healthy counts nothing; when nobody is healthy, health is not looked at", () => {
  assert.deepEqual(countingWeights([contender(1), contender(2, { value: 10, capacity: 50 }), contender(3, { state: "draining" }), contender(4, { isHealthy: false })]), [5_000, 500, 0, 0]);
  assert.deepEqual(countingWeights([contender(1, { isHealthy: false }), contender(2, { isHealthy: false, value: 10 }), contender(3, { state: "disabled" })]), [5_000, 1_000, 0]);
});

test("one host: the lowest handling priority of those that can; the default host: the lowest that is not draining", () => {
  assert.equal(assignSingle([contender(1, { value: 9 }), contender(2, { value: 3, isHealthy: false }), contender(3, { value: 5 })]), 3);
  assert.equal(assignSingle([contender(1, { value: 9, isHealthy: false }), contender(2, { value: 3, isHealthy: false })]), 2);
  assert.equal(assignSingle([contender(1, { state: "draining" })]), 0);
  assert.equal(assignDefault([1, 2, 3], new Set([1])), 2);
  assert.equal(assignDefault([1, 2], new Set([1, 2])), 1);
});
