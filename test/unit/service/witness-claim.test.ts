import assert from "node:assert/strict";
import { test } from "node:test";
import type { ClaimRequest } from "../../../src/quorum/claims.ts";
import type { ClaimOutcome, Witness, WitnessAnswer } from "../../../src/quorum/witness.ts";
import { WitnessClaim } from "../../../src/service/witness-claim.ts";

/** How long a claim may take (reference 4.4, QuorumArbitrationTimeMax). */

function asking() {
  const reads: ((answer: WitnessAnswer) => void)[] = [];
  const witness = { read: (done: (answer: WitnessAnswer) => void) => void reads.push(done) } as unknown as Witness;
  const outcomes: ClaimOutcome[] = [];
  const claim = new WitnessClaim();
  const ask = (nowMs: number): void => claim.ask(witness, { voters: [], epoch: 9 } as unknown as ClaimRequest, nowMs, 3_000, (outcome) => outcomes.push(outcome));
  return { claim, ask, reads, outcomes };
}

test("a witness that does not answer within QuorumArbitrationTimeMax does not help, and its late answer counts for nothing", () => {
  const { claim, ask, reads, outcomes } = asking();
  ask(1_000);
  claim.tick(3_999);
  assert.equal(outcomes.length, 0);
  claim.tick(4_000);
  assert.deepEqual(outcomes, [{ kind: "failed", reason: "it did not answer within 3 s" }]);
  reads[0]?.({ kind: "unreachable", reason: "no route" });
  claim.tick(9_000);
  assert.equal(outcomes.length, 1);
});

test("an answer in time is passed on once", () => {
  const { claim, ask, reads, outcomes } = asking();
  ask(1_000);
  reads[0]?.({ kind: "unreachable", reason: "no route" });
  claim.tick(9_000);
  assert.equal(outcomes.length, 1);
  assert.match(JSON.stringify(outcomes[0]), /no route/);
});

test("a later question takes the place of an earlier one", () => {
  const { claim, ask, reads, outcomes } = asking();
  ask(1_000);
  ask(3_000);
  reads[0]?.({ kind: "unreachable", reason: "no route" });
  claim.tick(4_500);
  assert.equal(outcomes.length, 0);
  claim.tick(6_000);
  assert.equal(outcomes.length, 1);
});
