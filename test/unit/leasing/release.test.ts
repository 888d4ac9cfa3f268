import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeRelease, encodeRelease } from "../../../src/leasing/release.ts";
import { TickCodec } from "../../../src/leasing/tick-codec.ts";

test("a release is one of this cluster, whole, and no tick", () => {
  const member = { node: 64, incarnation: 1_763_700_000_000 };
  const bytes = encodeRelease("cluster", member);
  assert.deepEqual(decodeRelease("cluster", bytes), member);
  assert.equal(decodeRelease("another", bytes), null);
  assert.equal(decodeRelease("cluster", bytes.subarray(0, -1)), null);
  assert.equal(decodeRelease("cluster", Buffer.concat([bytes, Buffer.alloc(1)])), null);
  assert.equal(decodeRelease("cluster", encodeRelease("cluster", { node: 65, incarnation: 1 })), null);
  assert.equal(new TickCodec("cluster").decode(bytes).kind, "foreign");
  const tick = new TickCodec("cluster").encode({ from: { node: 1, incarnation: 2 }, epoch: 3, weights: 4, number: 5, heard: [] });
  assert.equal(decodeRelease("cluster", tick), null);
});
