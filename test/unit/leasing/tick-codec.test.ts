import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { TICK_BYTES_MAX, TickCodec } from "../../../src/leasing/tick-codec.ts";
import type { LeaseTick } from "../../../src/lease/steps.ts";
import { NODES_MAX } from "../../../src/model/identifiers.ts";

const codec = new TickCodec("one");
const whole = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const ticks: fc.Arbitrary<LeaseTick> = fc.record({
  from: fc.record({ node: fc.integer({ min: 1, max: NODES_MAX }), incarnation: whole }, { noNullPrototype: true }),
  epoch: whole,
  weights: whole,
  number: whole,
  heard: fc.uniqueArray(fc.tuple(fc.integer({ min: 1, max: NODES_MAX }), whole), { selector: ([node]) => node, maxLength: NODES_MAX }).map((heard) => heard.sort((a, b) => a[0] - b[0])),
}, { noNullPrototype: true });

test("what is encoded is decoded, and fits", () => {
  fc.assert(
    fc.property(ticks, (tick) => {
      const bytes = codec.encode(tick);
      assert.ok(bytes.length <= TICK_BYTES_MAX);
      assert.deepEqual(codec.decode(bytes), { kind: "tick", tick });
    }),
  );
});

test("ticks of another cluster, and other bytes, are foreign", () => {
  fc.assert(fc.property(ticks, (tick) => assert.deepEqual(new TickCodec("two").decode(codec.encode(tick)), { kind: "foreign" })));
  fc.assert(fc.property(fc.uint8Array({ maxLength: 2 * TICK_BYTES_MAX }), (bytes) => assert.deepEqual(codec.decode(bytes), { kind: "foreign" })));
});

test("bytes that were changed or cut off never throw, and never give a tick that could not have been sent", () => {
  fc.assert(
    fc.property(ticks, fc.nat(), fc.integer({ min: 0, max: 255 }), fc.nat(), (tick, at, value, cut) => {
      const bytes = codec.encode(tick);
      bytes[at % bytes.length] = value;
      const decoded = codec.decode(bytes);
      if (decoded.kind === "tick") assert.deepEqual(codec.encode(decoded.tick), bytes);
      const shorter = bytes.subarray(0, cut % bytes.length);
      assert.notEqual(codec.decode(shorter).kind, "tick");
    }),
  );
});
