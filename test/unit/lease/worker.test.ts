import assert from "node:assert/strict";
import { test } from "node:test";
import type { LeaseTerms } from "../../../src/lease/steps.ts";
import { Bench, PARAMETERS, install, member, members, terms, tick, weights } from "./support.ts";

/** The sentences of PROTOCOL part 2 that are about the worker, one test each. */

test("1. arm slot k mod 8 with time-out L, 2. then send TICK(lease epoch, W number, k, newest tick heard from each peer)", () => {
  const bench = new Bench();
  bench.under(terms());
  bench.round();
  bench.run(bench.worker.tick(tick(3, 41)));
  bench.run(bench.worker.tick(tick(2, 17)));
  const sent = bench.round();
  assert.deepEqual(sent, { from: member(1), epoch: 5, weights: 1, number: 2, heard: [[2, 17], [3, 41]] });
  const order = bench.steps.filter((step) => step.startsWith("arm") || step === "sendTick");
  assert.deepEqual(order, ["arm 1", "sendTick", "arm 2", "sendTick"]);
  for (let k = 3; k <= 17; k++) {
    bench.round();
    assert.ok(bench.steps.includes(`arm ${k % 8}`));
  }
});

test("no terms, no tick and no slot", () => {
  const bench = new Bench();
  bench.round();
  assert.deepEqual(bench.steps.filter((step) => /arm|send|point/.test(step)), []);
});

test("3. evidence is a quorum of those that echoed at least k, 4. and only then the gate points at the slot", () => {
  const bench = new Bench();
  bench.under(terms());
  bench.round();
  assert.equal(bench.isOpen, false, "an armed slot that was never confirmed stays closed");
  bench.run(bench.worker.tick(tick(2, 1, { heard: [[3, 9]] })));
  assert.equal(bench.isOpen, false, "an echo of somebody else's tick");
  bench.run(bench.worker.tick(tick(2, 2, { heard: [[1, 1]] })));
  assert.equal(bench.isOpen, true);
  assert.deepEqual(bench.steps.filter((step) => step.startsWith("point")), ["point 1"]);
});

test("evidence needs the same lease epoch, the same W number and a listed life", () => {
  const table: readonly (readonly [string, Parameters<typeof tick>[2], boolean])[] = [
    ["all equal", {}, true],
    ["an older epoch", { epoch: 4 }, false],
    ["a newer epoch", { epoch: 6 }, false],
    ["an older W", { weights: 0 }, false],
    ["a newer W", { weights: 2 }, false],
    ["another life", { from: member(2, 2) }, false],
    ["a node that is not listed", { from: member(4) }, false],
    ["itself", { from: member(1) }, false],
  ];
  for (const [name, overrides, opens] of table) {
    const bench = new Bench();
    bench.under(terms());
    bench.round();
    bench.run(bench.worker.tick(tick(2, 1, { heard: [[1, 1]], ...overrides })));
    assert.equal(bench.isOpen, opens, name);
    assert.equal(bench.round(2 * PARAMETERS.tickMs).heard.length, opens ? 1 : 0, `${name}: echoed`);
  }
});

test("quorum(D): votes, joint weights and claims", () => {
  const table: readonly (readonly [string, Partial<LeaseTerms>, echoing: readonly number[], boolean])[] = [
    ["two of three", {}, [2], true],
    ["alone of three", {}, [], false],
    ["votes, not heads", { weights: [weights(1, [1, 1, 3])] }, [2], false],
    ["votes, not heads", { weights: [weights(1, [1, 1, 3])] }, [3], true],
    ["alone with all votes", { weights: [weights(1, [1, 0, 0])] }, [], true],
    ["without a vote, by the votes of others", { weights: [weights(1, [0, 1, 1])] }, [2, 3], true],
    ["without a vote, by one of two", { weights: [weights(1, [0, 1, 1])] }, [2], false],
    ["joint: under the new weights only", { weights: [weights(1, [1, 0, 0]), weights(0, [1, 1, 1])] }, [], false],
    ["joint: under the old weights only", { weights: [weights(1, [0, 0, 1]), weights(0, [1, 1, 1])] }, [2], false],
    ["joint: under both", { weights: [weights(1, [1, 0, 1]), weights(0, [1, 1, 1])] }, [3], true],
    ["claimed: all voting members of the view", { members: members(1, 2), weights: [weights(1, [1, 1, 1, 1])], claim: members(1, 2) }, [2], true],
    ["claimed: not all of them", { members: members(1, 2), weights: [weights(1, [1, 1, 1, 1])], claim: members(1, 2) }, [], false],
    ["the same without a claim", { members: members(1, 2), weights: [weights(1, [1, 1, 1, 1])] }, [2], false],
    ["claimed: who stood behind the claim and lost the vote must echo too", { members: members(1, 2), weights: [weights(1, [1, 0, 1])], claim: members(1, 2) }, [], false],
    ["claimed: a learner need not echo", { members: members(1, 2), weights: [weights(1, [1, 0, 1])], claim: members(1) }, [], true],
  ];
  for (const [name, overrides, echoing, opens] of table) {
    const bench = new Bench();
    bench.under(terms(overrides));
    bench.round();
    for (const node of echoing) bench.run(bench.worker.tick(tick(node, 1, { heard: [[1, 1]] })));
    assert.equal(bench.isOpen, opens, `${name}: ${echoing.join(" ")}`);
  }
});

test("while WEIGHTS is not known committed both count; when it is, the new ones alone", () => {
  const bench = new Bench();
  const joint = terms({ weights: [weights(2, [1, 0, 0]), weights(1, [1, 1, 1])] });
  bench.under(joint);
  bench.round();
  assert.equal(bench.isOpen, false);
  bench.under({ ...joint, weights: joint.weights.slice(0, 1) });
  assert.equal(bench.isOpen, true);
});

test("nothing else opens the gate: a confirmation that comes after the slot ran out opens nothing", () => {
  const bench = new Bench();
  bench.under(terms());
  bench.round();
  bench.nowMs += PARAMETERS.leaseMs;
  bench.run(bench.worker.tick(tick(2, 1, { heard: [[1, 1]] })));
  assert.equal(bench.isOpen, false);
});

test("the gate closes L after the newest confirmed slot was armed, whatever the worker does", () => {
  const bench = new Bench();
  bench.under(terms());
  bench.round();
  bench.run(bench.worker.tick(tick(2, 1, { heard: [[1, 1]] })));
  bench.nowMs += PARAMETERS.leaseMs - 1;
  assert.equal(bench.isOpen, true);
  bench.nowMs += 1;
  assert.equal(bench.isOpen, false);
});

test("a slot that comes round again is not opened by the confirmation of its former tick, nor is it armed while the gate points at it", () => {
  const bench = new Bench();
  bench.under(terms());
  bench.round(1);
  bench.run(bench.worker.tick(tick(2, 1, { heard: [[1, 1]] })));
  assert.equal(bench.isOpen, true);
  bench.round(2 * PARAMETERS.tickMs);
  for (let round = 0; round < 6; round++) bench.round(1);
  assert.equal(bench.isOpen, true, "tick 1 has not run out");
  bench.round(1);
  assert.deepEqual(bench.steps.filter((step) => step === "close" || step === "arm 1"), ["arm 1", "close", "arm 1"]);
  assert.equal(bench.isOpen, false, "tick 9 has no evidence, although its slot was pointed at");
  bench.run(bench.worker.tick(tick(3, 1, { heard: [[1, 1]] })));
  assert.equal(bench.isOpen, false, "late evidence of tick 1");
});

test("evidence of a tick under other terms is none under these", () => {
  const bench = new Bench();
  bench.under(terms());
  bench.round();
  bench.under(terms({ number: 2, epoch: 6 }));
  bench.run(bench.worker.tick(tick(2, 1, { epoch: 6, heard: [[1, 1]] })));
  assert.equal(bench.isOpen, false);
  const sent = bench.round();
  bench.run(bench.worker.tick(tick(2, 2, { epoch: 6, heard: [[1, sent.number]] })));
  assert.equal(bench.isOpen, true);
});

test("an open gate survives new terms until its slot runs out", () => {
  const bench = new Bench();
  bench.under(terms());
  bench.round();
  bench.run(bench.worker.tick(tick(2, 1, { heard: [[1, 1]] })));
  bench.under(terms({ number: 2, epoch: 6 }));
  assert.equal(bench.isOpen, true);
});

test("echo rule: lastEcho is stored before sending and before the check, and only when k is new", () => {
  const bench = new Bench();
  bench.under(terms());
  bench.round();
  bench.run(bench.worker.tick(tick(2, 7)));
  bench.steps.length = 0;
  bench.round();
  const first = bench.steps.filter((step) => /lastEcho|excludedAt|load terms|sendTick/.test(step));
  assert.deepEqual(first, ["load excludedAt", "store lastEcho", "load excludedAt", "load terms", "sendTick"]);
  const storedMs = bench.cells.get("lastEcho 2");
  assert.equal(storedMs, bench.nowMs);
  bench.steps.length = 0;
  const again = bench.round();
  assert.deepEqual(again.heard, [[2, 7]]);
  assert.equal(bench.cells.get("lastEcho 2"), storedMs, "k was not new");
  bench.run(bench.worker.tick(tick(2, 8)));
  bench.round();
  assert.equal(bench.cells.get("lastEcho 2"), bench.nowMs);
});

test("m echoes h only while it has accepted no INSTALL that excludes h", () => {
  const bench = new Bench();
  bench.under(terms());
  bench.run(bench.worker.tick(tick(2, 7)));
  bench.run(bench.worker.tick(tick(3, 7)));
  bench.run(bench.ledger.accept(install(6, [2])));
  assert.deepEqual(bench.round().heard, [[3, 7]]);
  // Between any two steps of the worker.
  for (let at = 0; at < 20; at++) {
    const other = new Bench();
    other.under(terms());
    other.run(other.worker.tick(tick(2, 7)));
    let position = 0;
    let leaseMs: number | null = null;
    other.run(other.worker.timer(), () => {
      if (position++ === at) leaseMs = other.run(other.ledger.accept(install(6, [2])))[0]!.leaseMs;
      other.nowMs += 10;
    });
    if (leaseMs === null) continue;
    const echoed = other.sent[0]!.heard.length > 0;
    const echoedAtMs = other.cells.get("lastEcho 2");
    if (echoed) assert.ok(echoedAtMs !== undefined && echoedAtMs + PARAMETERS.holdMs > 10_000 && leaseMs > 0, `step ${at}: the echo is known to the ACCEPT`);
  }
});

test("an epoch that lists the node again allows echoes again", () => {
  const bench = new Bench();
  bench.under(terms());
  bench.run(bench.ledger.accept(install(6, [2])));
  bench.under(terms({ number: 2, epoch: 7 }));
  bench.run(bench.worker.tick(tick(2, 7, { epoch: 7 })));
  assert.deepEqual(bench.round().heard, [[2, 7]]);
});

test("no echo under old terms once the main thread stands under new ones", () => {
  const bench = new Bench();
  bench.under(terms());
  bench.run(bench.worker.tick(tick(2, 7)));
  bench.cells.set("terms 0", 2);
  assert.deepEqual(bench.round().heard, []);
});

test("the owned set is untimed, passes only what the gate passes, and its change is answered after the kernel has it", () => {
  const bench = new Bench();
  bench.run(bench.worker.changeOwned(["10.0.0.7"], 4));
  assert.deepEqual(bench.steps, ["own", "answer"]);
  assert.deepEqual(bench.answers, [4]);
  assert.equal(bench.gate.passes("10.0.0.7", bench.nowMs), false);
  bench.under(terms({ weights: [weights(1, [1])] }));
  bench.round();
  assert.equal(bench.gate.passes("10.0.0.7", bench.nowMs), true);
  assert.equal(bench.gate.passes("10.0.0.8", bench.nowMs), false);
  bench.run(bench.worker.changeOwned([], 5));
  assert.equal(bench.gate.passes("10.0.0.7", bench.nowMs), false, "planned move: out of the owned set first");
});

test("a main loop that stands still for 3 s: the worker closes the gate and exits", () => {
  const bench = new Bench();
  bench.under(terms({ weights: [weights(1, [1])] }));
  bench.round();
  assert.equal(bench.isOpen, true);
  bench.nowMs += 3_000;
  bench.run(bench.worker.timer());
  assert.deepEqual([bench.isOpen, bench.worker.ended], [true, false], "not before");
  bench.nowMs += 1;
  bench.run(bench.worker.timer());
  assert.deepEqual([bench.isOpen, bench.worker.ended], [false, true]);
  assert.deepEqual(bench.exits, ["the main loop stands still"]);
  bench.run(bench.worker.changeTerms(terms({ number: 9 })));
  bench.round();
  assert.equal(bench.isOpen, false, "for good");
});

test("process only: a permit counts from before the tick was armed, and the same evidence gives it", () => {
  const bench = new Bench();
  bench.under(terms());
  bench.round();
  const armedAtMs = bench.nowMs;
  bench.nowMs += 100;
  bench.run(bench.worker.tick(tick(2, 1, { heard: [[1, 1]] })));
  assert.deepEqual(bench.permits, [armedAtMs + PARAMETERS.permitMs]);
});

test("a permit outlives the slots: evidence that is too old for the gate still gives one", () => {
  const bench = new Bench();
  bench.under(terms());
  bench.round();
  const armedAtMs = bench.nowMs;
  for (let round = 0; round < 20; round++) bench.round();
  bench.run(bench.worker.tick(tick(2, 1, { heard: [[1, 1]] })));
  assert.equal(bench.isOpen, false);
  assert.deepEqual(bench.permits, [armedAtMs + PARAMETERS.permitMs]);
});

test("a new life begins closed and owns nothing", () => {
  const bench = new Bench();
  bench.gate.own(["10.0.0.7"]);
  bench.gate.arm(3, 300, bench.nowMs);
  bench.gate.point(3);
  bench.run(bench.worker.begin());
  assert.equal(bench.isOpen, false);
  assert.deepEqual(bench.gate.owned, []);
});

test("a node vouches for its own tick by the rule for all echoes", () => {
  const bench = new Bench();
  bench.under(terms({ weights: [weights(1, [1])] }));
  bench.cells.set("terms 0", 2);
  bench.round();
  assert.equal(bench.isOpen, false, "its main thread stands under new terms, and may have acknowledged them");
});
