import assert from "node:assert/strict";
import { test } from "node:test";
import { ProtectionClasses } from "../../../src/model/states.ts";
import type { ProtectionClass } from "../../../src/model/states.ts";
import type { Hold } from "../../../src/model/votes.ts";
import { HoldBook, coldHolds, combineHolds, holdSince } from "../../../src/lease/holds.ts";
import { PROTECTION, slowestProtection, waitForHold } from "../../../src/lease/protection.ts";
import { Bench, PARAMETERS, install, member, members, terms, tick, weights } from "./support.ts";

const { holdMs, permitHoldMs } = PARAMETERS;

function hold(node: number, leaseMs: number, permitMs: number, incarnation: number | null = 1): Hold {
  return { node, incarnation, leaseMs, permitMs };
}

test("hold_m[h] = max(0, lastEcho + H - now)", () => {
  assert.deepEqual([holdSince(1_000, 397, 1_000), holdSince(1_000, 397, 1_300), holdSince(1_000, 397, 1_397), holdSince(1_000, 397, 9_000)], [397, 97, 0, 0]);
});

test("never set = process start", () => {
  const bench = new Bench();
  bench.nowMs += 100;
  assert.deepEqual(bench.run(bench.ledger.accept(install(6, [3, 2]))), [hold(2, holdMs - 100, permitHoldMs - 100, null), hold(3, holdMs - 100, permitHoldMs - 100, null)]);
});

test("an echo begins the hold again; ACCEPT sets excluded[h] first and reads lastEcho[h] after", () => {
  const bench = new Bench();
  bench.under(terms());
  bench.round();
  bench.run(bench.worker.tick(tick(2, 7)));
  bench.nowMs += 200;
  bench.round();
  bench.nowMs += 50;
  bench.steps.length = 0;
  const [two, three] = bench.run(bench.ledger.accept(install(6, [2, 3])));
  assert.deepEqual([two!.leaseMs, three!.leaseMs], [holdMs - 50, holdMs - 324]);
  assert.deepEqual(bench.steps, ["store excludedAt", "store excludedAt", "load lastEcho", "load lastEcho", "readClock"]);
});

test("delivery of ACTIVE, and learning a WEIGHTS commit, set lastEcho = now for all members", () => {
  const bench = new Bench();
  bench.nowMs += 1_000;
  const view = { epoch: 5, members: members(1, 2), claim: null, weights: [weights(1, [1, 1, 1])], holds: [] };
  bench.run(bench.ledger.activeDelivered(view));
  bench.nowMs += 10;
  assert.deepEqual(bench.run(bench.ledger.accept(install(6, [2, 3]))).map((one) => one.leaseMs), [holdMs - 10, 0], "3 was no member");
  bench.nowMs += 1_000;
  bench.run(bench.ledger.weightsAppended(weights(2, [1, 1, 0])));
  assert.deepEqual(bench.run(bench.ledger.accept(install(7, [2]))).map((one) => one.leaseMs), [0], "appended is not committed");
  bench.run(bench.ledger.weightsCommitted());
  assert.deepEqual(bench.run(bench.ledger.accept(install(8, [2]))).map((one) => one.leaseMs), [holdMs]);
});

test("new terms: the cell before the message, for ACTIVE and for WEIGHTS appended; a commit is no new number", () => {
  const bench = new Bench();
  bench.run(bench.ledger.activeDelivered({ epoch: 5, members: members(1, 2), claim: members(1, 2), weights: [weights(1, [1, 1])], holds: [] }));
  bench.run(bench.ledger.weightsAppended(weights(2, [1, 0])));
  bench.run(bench.ledger.weightsCommitted());
  assert.deepEqual(bench.steps.filter((step) => /terms|post/.test(step)), ["store terms", "post", "store terms", "post", "post"]);
  assert.deepEqual(bench.posted.map((one) => [one.number, one.claim?.length, one.weights.map((each) => each.version)]), [[1, 2, [1]], [2, 2, [2, 1]], [2, 2, [2]]]);
});

test("the hold of a view is the maximum over the ACCEPTs, for every excluded member", () => {
  const accepts = [[hold(3, 100, 900), hold(4, 0, 5)], [hold(3, 250, 700, null)], [hold(5, 1, 1, 2), hold(3, 10, 20, 4)]];
  assert.deepEqual(combineHolds(accepts), [hold(3, 250, 900, null), hold(4, 0, 5), hold(5, 1, 1, 2)]);
  assert.deepEqual(combineHolds([[hold(3, 1, 1, 2)], [hold(3, 0, 0, null)], [hold(3, 5, 5, 4)]]), [hold(3, 5, 5, 4)], "the newest life");
  assert.deepEqual(combineHolds([]), []);
});

test("takers count from the delivery of ACTIVE on their own clock, and a later view does not shorten it", () => {
  const book = new HoldBook();
  book.activeDelivered([hold(3, 300, 900)], 5_000);
  assert.deepEqual(book.of(3, 5_200), hold(3, 100, 700));
  book.activeDelivered([hold(3, 50, 0), hold(4, 10, 10)], 5_200);
  assert.deepEqual(book.remaining(5_200), [hold(3, 100, 700), hold(4, 10, 10)]);
  assert.equal(book.of(3, 5_900), null);
});

test("a hold that runs is part of the next ACCEPT", () => {
  const bench = new Bench();
  bench.nowMs += 10_000;
  bench.run(bench.ledger.activeDelivered({ epoch: 5, members: members(1, 2), claim: null, weights: [weights(1, [1, 1, 1])], holds: [hold(3, 300, 900)] }));
  bench.nowMs += 100;
  assert.deepEqual(bench.run(bench.ledger.accept(install(6, [3]))), [hold(3, 200, 800, 1)]);
});

test("RELEASED cancels the hold of that life and of those before it, and of no other", () => {
  const table: readonly (readonly [known: number | null, released: number, isLeft: boolean])[] = [[4, 4, false], [4, 5, false], [4, 3, true], [null, 9, true]];
  for (const [known, released, isLeft] of table) {
    const book = new HoldBook();
    book.activeDelivered([hold(3, 300, 900, known)], 0);
    book.released(3, released);
    assert.equal(book.of(3, 1) !== null, isLeft, `${known} ${released}`);
  }
  const bench = new Bench();
  bench.run(bench.ledger.activeDelivered({ epoch: 5, members: members(1, 2, 3), claim: null, weights: [weights(1, [1, 1, 1])], holds: [] }));
  bench.ledger.released(3, member(3).incarnation);
  assert.deepEqual(bench.run(bench.ledger.accept(install(6, [2, 3]))).map((one) => one.leaseMs), [holdMs, 0]);
});

test("a life that serves is waited for, also when one with a higher number is known to have ended", () => {
  const bench = new Bench();
  const deliver = (epoch: number, life: number): void => void bench.run(bench.ledger.activeDelivered({ epoch, members: members(1, 2, 3).map((one) => (one.node === 3 ? { ...one, incarnation: life } : one)), claim: null, weights: [weights(1, [1, 1, 1])], holds: [] }));
  deliver(5, 900);
  bench.ledger.released(3, 900);
  deliver(6, 800);
  const [held] = bench.run(bench.ledger.accept(install(7, [3])));
  assert.deepEqual([held!.incarnation, held!.leaseMs], [800, holdMs]);
});

test("a cold start without run-time state holds H for every configured node not present", () => {
  assert.deepEqual(coldHolds([4, 1, 2, 3], [2, 3], PARAMETERS), [hold(1, holdMs, permitHoldMs, null), hold(4, holdMs, permitHoldMs, null)]);
});

test("protection classes: what a start waits for", () => {
  const table: readonly (readonly [readonly ProtectionClass[], number, ProtectionClass | null])[] = [
    [["gatedNetwork"], 300, "gatedNetwork"],
    [["diskReservation"], 0, null],
    [["process"], 900, "process"],
    [["machineLock"], 0, null],
    [["diskReservation", "gatedNetwork"], 300, "gatedNetwork"],
    [["gatedNetwork", "process", "machineLock"], 900, "process"],
    [[], 0, null],
  ];
  for (const [classes, waitMs, slowest] of table) {
    assert.equal(waitForHold(classes, hold(3, 300, 900)), waitMs, classes.join(" "));
    assert.equal(slowestProtection(classes, hold(3, 300, 900)), slowest, classes.join(" "));
    assert.equal(waitForHold(classes, null), 0, "nobody is held");
  }
  assert.deepEqual(Object.keys(PROTECTION).sort(), [...ProtectionClasses].sort());
  assert.equal(PROTECTION.diskReservation.before, "preempt");
  assert.equal(PROTECTION.machineLock.before, "lock");
});

test("a commit that is learned from an INSTALL is learned: hold in full", () => {
  const bench = new Bench();
  bench.run(bench.ledger.activeDelivered({ epoch: 5, members: members(1, 2, 3), claim: null, weights: [weights(1, [1, 1, 1])], holds: [] }));
  bench.nowMs += 1_000;
  assert.deepEqual(bench.run(bench.ledger.accept(install(6, [2], [weights(1, [1, 1, 1])]))).map((one) => one.leaseMs), [0]);
  assert.deepEqual(bench.run(bench.ledger.accept(install(7, [2], [weights(2, [1, 0, 0]), weights(1, [1, 1, 1])]))).map((one) => one.leaseMs), [0], "not known to be committed");
  assert.deepEqual(bench.run(bench.ledger.accept(install(8, [2], [weights(2, [1, 0, 0])]))).map((one) => one.leaseMs), [holdMs]);
  bench.nowMs += 1_000;
  assert.deepEqual(bench.run(bench.ledger.accept(install(9, [2], [weights(2, [1, 0, 0])]))).map((one) => one.leaseMs), [0], "only once");
});

test("other weights in the base are new terms before the ACCEPT", () => {
  const bench = new Bench();
  bench.run(bench.ledger.activeDelivered({ epoch: 5, members: members(1, 2, 3), claim: null, weights: [weights(1, [1, 1, 1])], holds: [] }));
  bench.steps.length = 0;
  bench.run(bench.ledger.accept(install(6, [3], [weights(2, [1, 1, 0]), weights(1, [1, 1, 1])])));
  assert.deepEqual(bench.steps.slice(0, 3), ["store terms", "post", "store excludedAt"]);
  assert.deepEqual([bench.posted.at(-1)!.epoch, bench.posted.at(-1)!.weights[0]!.version], [5, 2]);
});
