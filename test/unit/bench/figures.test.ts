import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { outageMs } from "../../../bench/failover/outage.ts";
import { quantile, spreadOf } from "../../../bench/support/statistics.ts";
import { goalLines, isMet } from "../../../bench/support/table.ts";
import { chosen } from "../../../bench/support/options.ts";

/** What the benchmarks work out of what they measure. */

const reply = (receivedMs: number, node = "n1"): { begunMs: number; receivedMs: number; node: string; processId: number } => ({ begunMs: receivedMs - 1, receivedMs, node, processId: 1 });

describe("outage", () => {
  test("begins with the last answer before the fault", () => {
    assert.equal(outageMs([reply(80), reply(95), reply(600, "n2"), reply(610, "n2")], 100, 620), 505);
  });

  test("is the longest time, not the last one", () => {
    assert.equal(outageMs([reply(95), reply(400), reply(410), reply(500)], 100, 510), 305);
  });

  test("without an answer afterwards lasts until now", () => {
    assert.equal(outageMs([reply(95)], 100, 900), 805);
  });

  test("does not look at what comes before the fault", () => {
    assert.equal(outageMs([reply(10), reply(95), reply(105)], 100, 110), 10);
  });

  test("takes answers in the order in which they came", () => {
    assert.equal(outageMs([reply(95), reply(130), reply(110)], 100, 135), 20);
  });
});

describe("statistics", () => {
  test("quantiles between two values are interpolated", () => {
    assert.equal(quantile([1, 2, 3, 4], 0.5), 2.5);
    assert.deepEqual(spreadOf([5]), { count: 1, min: 5, quarter: 5, median: 5, threeQuarters: 5, max: 5 });
    assert.equal(spreadOf([9, 1, 5]).median, 5);
  });
});

describe("goals", () => {
  test("what was not measured is neither met nor missed", () => {
    const goal = { name: "x", value: null, unit: " ms", limit: 5 };
    assert.equal(isMet(goal), null);
    assert.match(goalLines([goal]), /^NOT MEASURED/);
  });

  test("at most and at least", () => {
    assert.equal(isMet({ name: "x", value: 5, unit: "", limit: 5 }), true);
    assert.equal(isMet({ name: "x", value: 6, unit: "", limit: 5 }), false);
    assert.equal(isMet({ name: "x", value: 6, unit: "", limit: 5, isAtLeast: true }), true);
  });
});

describe("--only", () => {
  test("words that speak of something else leave everything", () => {
    assert.deepEqual(chosen(["link cut", "node killed"], ["muster"]), ["link cut", "node killed"]);
    assert.deepEqual(chosen(["link cut", "node killed"], ["muster", "link"]), ["link cut"]);
  });
});
