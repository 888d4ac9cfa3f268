import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { encodeHeartbeat } from "../../../src/nlb/heartbeat.ts";
import { HeartbeatReceiver, LIVES_MAX } from "../../../src/nlb/receiver.ts";

const seal = (bytes: Uint8Array): Uint8Array => createHmac("sha256", "key").update(bytes).digest();
const ORIGINAL = 1_000_000;

/** Hears the lives of host 2. */
function hearing(): (incarnation: number, sequence: number) => boolean {
  const receiver = new HeartbeatReceiver({ host: 1, incarnation: 5 }, 7, seal);
  return (incarnation, sequence) =>
    receiver.accept(encodeHeartbeat({
      host: 2, incarnation, cluster: 7, sequence, cleared: 0, state: "converging", wants: true, isEmpty: false, isDraining: false, reason: "none", reasonHost: 0,
      wanted: "0123456789abcdef", active: "0123456789abcdef", map: { counter: 3, proposer: 1, hash: "fedcba9876543210" }, predecessor: "00000000000000aa", isReleased: true, isTaken: false, rules: [], peers: [],
    }, seal)) !== null;
}

test("a machine with the number of another one drives it out of nobody's hearing, however often it starts", () => {
  const hears = hearing();
  assert.ok(hears(ORIGINAL, 1));
  for (let start = 1; start <= 3 * LIVES_MAX; start++) {
    assert.ok(hears(ORIGINAL + start, 1), `start ${start}`);
    assert.ok(hears(ORIGINAL, start + 1), `beside start ${start}`);
  }
  for (let start = 1; start <= 3 * LIVES_MAX; start++) assert.equal(hears(ORIGINAL + start, 1), false, `start ${start}, played again`);
  assert.equal(hears(ORIGINAL, 3 * LIVES_MAX), false, "played again");
});

test("a machine whose clock is behind is heard, also after it has started twice", () => {
  const hears = hearing();
  for (const incarnation of [ORIGINAL, ORIGINAL + 1, ORIGINAL - 500, ORIGINAL - 499]) assert.ok(hears(incarnation, 1), String(incarnation));
});

test("recordings of former lives, played at once, drive out nobody, and each counts once", () => {
  for (const order of [1, -1]) {
    const hears = hearing();
    assert.ok(hears(ORIGINAL, 1));
    const lives = Array.from({ length: 3 * LIVES_MAX }, (_, position) => ORIGINAL - 1 - position);
    for (const former of order === 1 ? lives : lives.toReversed()) hears(former, 1);
    assert.ok(hears(ORIGINAL, 2));
    for (const former of lives) assert.equal(hears(former, 1), false, String(former));
  }
});
