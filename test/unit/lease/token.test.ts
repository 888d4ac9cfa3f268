import assert from "node:assert/strict";
import { test } from "node:test";
import { forToken, leaseParameters } from "../../../src/lease/parameters.ts";
import type { Weights } from "../../../src/model/votes.ts";
import { Bench, PARAMETERS, install, members, terms, tick, weights } from "./support.ts";

/** The token changes: docs/safety.md. PARAMETERS are those of a token of 200 ms. */

const W = weights(1, [1, 1, 1]);
const LONG = forToken(PARAMETERS, 2_000);
const SHORT = forToken(PARAMETERS, 100);

function changed(version: number, tokenMs: number, formerTokenMs?: number): Weights {
  return { ...weights(version, [1, 1, 1]), tokenMs, ...(formerTokenMs === undefined ? {} : { formerTokenMs }) };
}

/** The lengths of the slots armed under these weights, and of the permits that come of them. */
function acts(inForce: readonly Weights[]): readonly [leaseMs: number, permitMs: number, tickMs: number] {
  const bench = new Bench();
  bench.under(terms({ weights: inForce }));
  let leaseMs = 0;
  bench.nowMs += 50;
  bench.run(bench.ledger.alive());
  bench.run(bench.worker.timer(), (step) => {
    if (step.do === "arm") leaseMs = step.timeoutMs;
  });
  const armedAtMs = bench.nowMs;
  bench.nowMs += 5;
  bench.run(bench.worker.tick(tick(2, 1, { weights: inForce[0]!.version, heard: [[1, 1]] })));
  assert.ok(bench.isOpen);
  return [leaseMs, bench.permits[0]! - armedAtMs, bench.worker.tickMs];
}

test("a holder acts by the shorter token until it knows of the commit, and ticks by it until the former one is forgotten", () => {
  const old = [PARAMETERS.leaseMs, PARAMETERS.permitMs, PARAMETERS.tickMs];
  assert.deepEqual(acts([W]), old);
  assert.deepEqual(acts([changed(2, 2_000, 200), W]), old);
  assert.deepEqual(acts([changed(2, 2_000, 200)]), [3_000, 5_000, PARAMETERS.tickMs]);
  assert.deepEqual(acts([changed(3, 2_000), changed(2, 2_000, 200)]), [3_000, 5_000, PARAMETERS.tickMs]);
  assert.deepEqual(acts([changed(3, 2_000)]), [3_000, 5_000, LONG.tickMs]);
  assert.deepEqual(acts([changed(2, 100, 200), W]), [150, 5_000, SHORT.tickMs]);
});

test("a permit is never shorter than the lease, and lasts as long as it was when its tick was armed", () => {
  assert.deepEqual(acts([changed(2, 60_000)]), [90_000, 90_000, 11_250]);
  const bench = new Bench();
  const joint = terms({ weights: [changed(2, 60_000, 200), W] });
  bench.under(joint);
  bench.round();
  const armedAtMs = bench.nowMs;
  bench.run(bench.worker.changeTerms({ ...joint, weights: joint.weights.slice(0, 1) }));
  bench.run(bench.worker.tick(tick(2, 1, { weights: 2, heard: [[1, 1]] })));
  assert.deepEqual(bench.permits, [armedAtMs + PARAMETERS.permitMs]);
});

test("the slots of the former length run out by themselves", () => {
  const bench = new Bench();
  bench.under(terms());
  bench.round();
  bench.run(bench.worker.tick(tick(2, 1, { heard: [[1, 1]] })));
  bench.under(terms({ number: 2, weights: [changed(2, 100, 200), W] }));
  assert.ok(bench.isOpen);
  bench.nowMs += PARAMETERS.leaseMs - 1;
  assert.ok(bench.isOpen, "no sooner");
  bench.nowMs += 2;
  assert.ok(!bench.isOpen);
});

test("holds are by the longest token, whichever way it changes", () => {
  const table: readonly (readonly [string, readonly Weights[], readonly Weights[], number])[] = [
    ["a longer one is appended", [changed(2, 2_000, 200), W], [], LONG.holdMs],
    ["a longer one is cut again", [changed(2, 2_000, 200), W], [W], LONG.holdMs],
    ["a shorter one is appended", [changed(2, 100, 200), W], [], PARAMETERS.holdMs],
    ["a shorter one is committed", [changed(2, 100, 200)], [changed(2, 100, 200)], PARAMETERS.holdMs],
    ["the former one is forgotten", [changed(3, 100)], [changed(3, 100)], SHORT.holdMs],
    ["a longer one comes with the INSTALL", [W], [changed(2, 2_000, 200)], LONG.holdMs],
  ];
  for (const [what, [newest, ...before], base, holdMs] of table) {
    const bench = new Bench();
    bench.run(bench.ledger.activeDelivered({ epoch: 5, members: members(1, 2, 3), claim: null, weights: before.length === 0 ? [newest!] : before, holds: [] }));
    if (before.length > 0) bench.run(bench.ledger.weightsAppended(newest!));
    const [hold] = bench.run(bench.ledger.accept(install(6, [2], base)));
    assert.equal(hold?.leaseMs, holdMs, what);
  }
});

test("a new life goes by what its INSTALL brings, which tells the former token", () => {
  const bench = new Bench();
  const [hold] = bench.run(bench.ledger.accept(install(6, [2], [changed(2, 100, 2_000)])));
  assert.deepEqual([hold?.leaseMs, hold?.incarnation], [LONG.holdMs, null]);
});

test("an INSTALL that brings another record under the same number changes the terms", () => {
  const bench = new Bench();
  bench.run(bench.ledger.activeDelivered({ epoch: 5, members: members(1, 2, 3), claim: null, weights: [W], holds: [] }));
  bench.run(bench.ledger.weightsAppended(weights(2, [1, 1, 0])));
  const { number } = bench.posted.at(-1)!;
  bench.run(bench.ledger.accept(install(7, [], [weights(2, [0, 1, 1]), W])));
  assert.equal(bench.posted.at(-1)!.number, number + 1);
  bench.run(bench.ledger.accept(install(8, [], [weights(2, [0, 1, 1]), W])));
  assert.equal(bench.posted.at(-1)!.number, number + 1, "the same record changes nothing");
});

test("lengths for another token keep what does not follow from it", () => {
  const base = leaseParameters({ tokenMs: 200, driftPerMille: 50, granularityMs: 70, permitMs: 1_000, killBudgetMs: 0 });
  assert.deepEqual(forToken(base, 200), base);
  assert.deepEqual(forToken(base, 1_000), { ...leaseParameters({ tokenMs: 1_000, driftPerMille: 50, granularityMs: 70, permitMs: 1_500, killBudgetMs: 0 }), bounds: base.bounds });
  assert.deepEqual(forToken(forToken(base, 60_000), 200), base);
});
