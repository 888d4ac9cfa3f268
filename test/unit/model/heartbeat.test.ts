import assert from "node:assert/strict";
import { test } from "node:test";
import { actingTokenMs, detectionTimeMs, PROFILES, sendingTokenMs, TOKEN_MS_MAX, tokenFromHeartbeat, waitingTokenMs } from "../../../src/model/heartbeat.ts";
import type { WeightsInForce } from "../../../src/model/votes.ts";

test("the detection time covers what was measured", () => {
  // Tokens, nodes and the longest of the trials in the reference (corosync 5).
  for (const [tokenMs, nodes, measuredMs] of [[300, 3, 680], [200, 3, 482], [200, 5, 522], [100, 3, 286], [100, 5, 301], [500, 16, 1_222]] as const) {
    assert.ok(detectionTimeMs(tokenMs, nodes) >= measuredMs, `${tokenMs} ms, ${nodes} nodes`);
    assert.ok(detectionTimeMs(tokenMs, nodes) < tokenMs * 2.2 + 200);
  }
});

test("Windows' heartbeat properties as a token", () => {
  const standard = { tokenMs: PROFILES.standard, boundedFromMs: null };
  assert.deepEqual(tokenFromHeartbeat({}, []), standard);
  assert.deepEqual(tokenFromHeartbeat({ SameSubnetDelay: 1_000, SameSubnetThreshold: 10, CrossSubnetDelay: 1_000, CrossSubnetThreshold: 20 }, ["CrossSubnet"]), standard);
  // A changed pair is met to the letter.
  const { tokenMs } = tokenFromHeartbeat({ SameSubnetThreshold: 5 }, []);
  assert.ok(Math.abs(tokenMs * 2.2 - 5_000) < 3);
  assert.equal(tokenFromHeartbeat({ SameSubnetDelay: 250, SameSubnetThreshold: 3 }, []).tokenMs, 340);
  // The other pair counts only where nodes are in different subnets; the longer one wins.
  assert.deepEqual(tokenFromHeartbeat({ CrossSubnetThreshold: 40 }, []), standard);
  assert.equal(tokenFromHeartbeat({ CrossSubnetThreshold: 40 }, ["CrossSubnet"]).tokenMs, 18_181);
  assert.deepEqual(tokenFromHeartbeat({ SameSubnetDelay: 250, SameSubnetThreshold: 3 }, ["CrossSubnet"]), standard, "the unchanged pair still asks for the standard");
  assert.deepEqual(tokenFromHeartbeat({ CrossSubnetDelay: 4_000, CrossSubnetThreshold: 120 }, ["CrossSubnet"]), { tokenMs: TOKEN_MS_MAX, boundedFromMs: 218_181 });
  for (const [field, value] of [["SameSubnetDelay", 249], ["SameSubnetThreshold", 121], ["CrossSubnetDelay", 4_001], ["CrossSubnetThreshold", 2.5]] as const) {
    assert.throws(() => tokenFromHeartbeat({ [field]: value }, []), { code: "MUSTER_INVALID_ARGUMENT", message: new RegExp(`^${field}: `) });
  }
});

test("a pair at its defaults stands for the profile of the cluster", () => {
  assert.equal(tokenFromHeartbeat({}, ["CrossSubnet"], PROFILES.fast).tokenMs, PROFILES.fast);
  assert.equal(tokenFromHeartbeat({ SameSubnetThreshold: 5 }, [], PROFILES.fast).tokenMs, 2_272);
});

test("of two tokens a node acts by the shorter one and waits by the longer one", () => {
  const record = (version: number, tokenMs?: number, formerTokenMs?: number): WeightsInForce[number] => ({ version, votes: [], witness: null, ...(tokenMs === undefined ? {} : { tokenMs }), ...(formerTokenMs === undefined ? {} : { formerTokenMs }) });
  const table: readonly (readonly [string, WeightsInForce, readonly [acting: number, sending: number, waiting: number]])[] = [
    ["nothing is known", [], [500, 500, 500]],
    ["no record carries a token", [record(2), record(1)], [500, 500, 500]],
    ["a longer one, not known to be committed", [record(2, 2_000, 500), record(1)], [500, 500, 2_000]],
    ["a longer one, committed", [record(2, 2_000, 500)], [2_000, 500, 2_000]],
    ["a longer one, settling", [record(3, 2_000), record(2, 2_000, 500)], [2_000, 500, 2_000]],
    ["a longer one, settled", [record(3, 2_000)], [2_000, 2_000, 2_000]],
    ["a shorter one, not known to be committed", [record(2, 200, 500), record(1)], [200, 200, 500]],
    ["a shorter one, committed", [record(2, 200, 500)], [200, 200, 500]],
    ["a shorter one, settled", [record(3, 200)], [200, 200, 200]],
  ];
  for (const [what, weights, expected] of table) assert.deepEqual([actingTokenMs(weights, 500), sendingTokenMs(weights, 500), waitingTokenMs(weights, 500)], expected, what);
});
