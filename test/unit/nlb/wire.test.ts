import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import * as fc from "fast-check";
import type { Heartbeat } from "../../../src/nlb/heartbeat.ts";
import { HEARTBEAT_BYTES_MAX, decodeHeartbeat, encodeHeartbeat } from "../../../src/nlb/heartbeat.ts";
import { decodeMap, encodeMap, proposeMap } from "../../../src/nlb/map.ts";
import { HeartbeatReceiver } from "../../../src/nlb/receiver.ts";
import { rule } from "./support.ts";

const RUNS = Number(process.env["FUZZ_RUNS"] ?? 2_000);
const seal = (bytes: Uint8Array): Uint8Array => createHmac("sha256", "key").update(bytes).digest();
const otherSeal = (bytes: Uint8Array): Uint8Array => createHmac("sha256", "other").update(bytes).digest();

function heartbeat(change: Partial<Heartbeat> = {}): Heartbeat {
  return {
    host: 2, incarnation: 1_700_000_000_123, cluster: 7, sequence: 1, cleared: 0, state: "converging", wants: true, isEmpty: false, isDraining: false, reason: "none", reasonHost: 0,
    wanted: "0123456789abcdef", active: "0123456789abcdef", map: { counter: 3, proposer: 1, hash: "fedcba9876543210" }, predecessor: "00000000000000aa", isReleased: true, isTaken: false,
    rules: [{ value: 255, capacity: 100, isHealthy: true, state: "enabled" }],
    peers: [{ host: 1, incarnation: 5, sequence: 9, isMutual: true, isCandidate: true, isEcho: true, isMember: true, holdLeftMs: null }, { host: 3, incarnation: 6, sequence: 0, isMutual: false, isCandidate: false, isEcho: false, isMember: false, holdLeftMs: 321 }],
    ...change,
  };
}

const largest = heartbeat({
  rules: Array.from({ length: 64 }, () => ({ value: 100, capacity: 100, isHealthy: true, state: "draining" as const })),
  peers: Array.from({ length: 64 }, (_, position) => ({ host: position + 1, incarnation: 2 ** 48 - 1, sequence: 2 ** 32 - 1, isMutual: true, isCandidate: true, isEcho: true, isMember: true, holdLeftMs: 2 ** 32 - 1 })),
});

test("what is sent is read, and the largest fits one packet", () => {
  for (const one of [heartbeat(), largest]) {
    const bytes = encodeHeartbeat(one, seal);
    assert.ok(bytes.length <= HEARTBEAT_BYTES_MAX, `${bytes.length} bytes`);
    assert.deepEqual(decodeHeartbeat(bytes, seal), one);
  }
});

test("forged, replayed, foreign, own and malformed heartbeats are refused and counted", () => {
  const receiver = new HeartbeatReceiver({ host: 1, incarnation: 5 }, 7, seal);
  const accepts = (one: Heartbeat, by = seal): boolean => receiver.accept(encodeHeartbeat(one, by)) !== null;
  assert.equal(accepts(heartbeat()), true);
  assert.equal(accepts(heartbeat()), false, "again");
  assert.equal(accepts(heartbeat({ sequence: 5 })), true);
  assert.equal(accepts(heartbeat({ sequence: 4 })), false, "late");
  assert.equal(accepts(heartbeat({ sequence: 9 }), otherSeal), false);
  assert.equal(accepts(heartbeat({ sequence: 9, cluster: 8 })), false);
  assert.equal(accepts(heartbeat({ host: 1, incarnation: 5 })), false);
  assert.equal(accepts(heartbeat({ incarnation: 1_800_000_000_000 })), true, "a new life");
  assert.equal(accepts(heartbeat({ incarnation: 1_900_000_000_000 })), true, "one more");
  assert.equal(accepts(heartbeat({ sequence: 5 })), false, "a former life, again");
  assert.equal(receiver.accept(new Uint8Array(100)), null);
  assert.deepEqual(receiver.refused, { malformed: 1, version: 0, forged: 1, otherCluster: 1, own: 1, replayed: 3 });
  assert.equal(receiver.accepted, 4);
});

test(`${RUNS} changed packets and random bytes: no bit may differ, nothing is thrown`, () => {
  const good = encodeHeartbeat(heartbeat(), seal);
  fc.assert(fc.property(fc.nat(good.length * 8 - 1), (bit) => {
    const changed = Uint8Array.from(good);
    changed[bit >> 3]! ^= 1 << (bit & 7);
    assert.equal(typeof decodeHeartbeat(changed, seal), "string");
  }), { numRuns: RUNS, seed: 3 });
  fc.assert(fc.property(fc.uint8Array({ maxLength: 1_500 }), (bytes) => assert.equal(typeof decodeHeartbeat(bytes, seal), "string")), { numRuns: RUNS, seed: 4 });
});

test(`${RUNS} packets that whoever has the key could send: read as they were meant, or malformed`, () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), (content) => {
    const body = Uint8Array.of(0x4d, 0x4c, 1, ...content);
    const decoded = decodeHeartbeat(Uint8Array.of(...body, ...seal(body)), seal);
    if (typeof decoded !== "string") assert.deepEqual(decodeHeartbeat(encodeHeartbeat(decoded, seal), seal), decoded);
    else assert.equal(decoded, "malformed");
  }), { numRuns: RUNS, seed: 6 });
});

test("maps are read as they were written; other bytes are none, or another map", () => {
  const map = proposeMap({ counter: 4, proposer: 1, parameters: "0123456789abcdef", rules: [rule(), rule({ startPort: 90, endPort: 90, mode: "single" }), rule({ startPort: 91, endPort: 91, mode: "disabled" })], base: null, members: [1, 5, 64].map((id) => ({ host: id, incarnation: 9, isDraining: id === 1, reports: null })) });
  const bytes = encodeMap(map);
  assert.deepEqual(decodeMap(bytes), map);
  assert.equal(decodeMap(bytes.subarray(1)), null);
  fc.assert(fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (place, change) => {
    const changed = Uint8Array.from(bytes);
    changed[place]! ^= change;
    assert.notEqual(decodeMap(changed)?.id.hash, map.id.hash);
  }), { numRuns: RUNS, seed: 7 });
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (random) => void decodeMap(random)), { numRuns: RUNS, seed: 8 });
});
