import assert from "node:assert/strict";
import { test } from "node:test";
import { Rejoin } from "../../../src/service/rejoin.ts";

const HOUR_MS = 3_600_000;

test("short lives in a row: the pauses grow up to a bound; a steady one begins anew", () => {
  const rejoin = new Rejoin();
  const pauses = Array.from({ length: 10 }, () => rejoin.after("leftOut", 1_000, 0));
  assert.deepEqual(pauses, [200, 200, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000]);
  assert.equal(rejoin.after("leftOut", HOUR_MS, 0), 200);
  assert.equal(rejoin.after("engine", 1_000, 0), 200);
});

test("whoever was ended by a forced start comes back at once, whoever has a sick disk later", () => {
  const rejoin = new Rejoin();
  for (let life = 0; life < 10; life++) assert.equal(rejoin.after("forced", 1_000, 0), 200);
  assert.equal(rejoin.after("disk", HOUR_MS, 0), 5_000);
});

test("a second divergence within ten minutes keeps the node out", () => {
  const rejoin = new Rejoin();
  assert.equal(rejoin.after("diverged", HOUR_MS, 0), 200);
  assert.equal(rejoin.after("diverged", HOUR_MS, 600_000), 200);
  assert.equal(rejoin.after("diverged", HOUR_MS, 1_199_999), null);
});
