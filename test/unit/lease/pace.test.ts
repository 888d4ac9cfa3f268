import assert from "node:assert/strict";
import { test } from "node:test";
import { TickPace } from "../../../src/lease/pace.ts";
import { Bench, PARAMETERS, terms, tick } from "./support.ts";

const { tickMs, leaseMs } = PARAMETERS;

/** One that owns an address, long after the terms changed, with evidence for what it armed at 0. */
function holder(): TickPace {
  const pace = new TickPace();
  pace.own(true);
  pace.armed(0);
  pace.sent(0);
  pace.evidenced(0, true);
  return pace;
}

test("while all is well there is a tick every two P", () => {
  const pace = holder();
  assert.equal(pace.isDue(tickMs, tickMs), false);
  assert.equal(pace.isDue(2 * tickMs - 1, tickMs), true, "timers may be early");
});

test("who owns something and has no answer asks again after P; who owns nothing waits, unless terms have changed or evidence is old", () => {
  const pace = holder();
  pace.armed(2 * tickMs);
  assert.equal(pace.isDue(3 * tickMs, tickMs), true);
  pace.own(false);
  assert.equal(pace.isDue(3 * tickMs, tickMs), false);
  assert.equal(pace.isDue(4 * tickMs, tickMs), true);
  pace.press(3 * tickMs, leaseMs);
  assert.equal(pace.isDue(3 * tickMs, tickMs), true);
  const late = holder();
  late.own(false);
  late.armed(5 * tickMs);
  assert.equal(late.isDue(5 * tickMs, tickMs), false);
  assert.equal(late.isDue(6 * tickMs, tickMs), true, "evidence of six P ago");
});

test("who owns nothing lets the others go first", () => {
  const pace = holder();
  assert.equal(pace.beatMs(80), 80);
  pace.own(false);
  assert.equal(pace.beatMs(80), 90);
});

test("an answer is given at once, but not sooner than a P after the last message", () => {
  const pace = holder();
  assert.equal(pace.answer(tickMs / 2, tickMs), "nothing");
  assert.equal(pace.answer(tickMs, tickMs), "echoes");
  assert.equal(pace.answer(2 * tickMs, tickMs), "tick", "it would be due soon");
});

test("a peer's tick is answered with the same number again and newer echoes, which nobody answers", () => {
  const bench = new Bench();
  bench.under(terms());
  const own = bench.round();
  bench.nowMs += tickMs;
  bench.steps.length = 0;
  bench.run(bench.worker.tick(tick(2, 7, { heard: [[1, 1]] })));
  assert.equal(bench.isOpen, true);
  assert.deepEqual(bench.sent.at(-1), { ...own, heard: [[2, 7]] });
  assert.deepEqual(bench.steps.filter((step) => /arm|lastEcho|excludedAt|load terms|sendTick/.test(step)), ["load excludedAt", "store lastEcho", "load excludedAt", "load terms", "sendTick"], "by the echo rule, and without a new slot");
  bench.nowMs += tickMs;
  const count = bench.sent.length;
  bench.run(bench.worker.tick(tick(2, 7, { heard: [[1, 1]] })));
  assert.equal(bench.sent.length, count, "it was not new");
});

test("under new terms the answer is a tick of its own: an older number is nobody's evidence", () => {
  const bench = new Bench();
  bench.under(terms());
  bench.round();
  bench.under(terms({ number: 2, epoch: 6 }));
  bench.nowMs += tickMs;
  bench.run(bench.worker.tick(tick(2, 1, { epoch: 6, heard: [[1, 1]] })));
  assert.equal(bench.isOpen, false);
  assert.deepEqual([bench.sent.at(-1)!.number, bench.sent.at(-1)!.epoch], [2, 6]);
});
