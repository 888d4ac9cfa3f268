import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { judgeClaim } from "../../../src/quorum/claims.ts";
import type { ClaimRecord, ClaimRequest } from "../../../src/quorum/claims.ts";
import { claim } from "../../../src/quorum/witness.ts";
import type { ClaimOutcome, Witness, WitnessAnswer, WitnessWrite } from "../../../src/quorum/witness.ts";
import { isQuorum, isViewQuorum } from "../../../src/quorum/weights.ts";
import type { Voter, Weights } from "../../../src/model/votes.ts";

const voter = (node: number): Voter => ({ node, store: `s${node}` });

function record(position: number, epoch: number, nodes: readonly number[], lineage = 0): ClaimRecord {
  return { position, epoch, lineage, claimant: { node: nodes[0] ?? 1, incarnation: 1 }, voters: nodes.map(voter) };
}

/** A set that asks: node -> the epoch its log was accepted in. */
function request(epoch: number, logs: Readonly<Record<number, number>>, lineage = 0): ClaimRequest {
  const accepted = Object.entries(logs).map(([node, at]) => ({ voter: voter(Number(node)), epoch: at }));
  return { epoch, lineage, claimant: { node: accepted[0]!.voter.node, incarnation: 5 }, voters: accepted.map((one) => one.voter), bestAccepted: Math.max(...accepted.map((one) => one.epoch)), accepted };
}

const FIRST = record(0, 3, []);

describe("who may claim", () => {
  test("who comes from a view as new as the newest claim", () => {
    assert.equal(judgeClaim([FIRST], request(5, { 1: 3, 2: 3 })).kind, "allowed");
    assert.equal(judgeClaim([FIRST, record(1, 6, [1, 2])], request(9, { 3: 7, 4: 7 })).kind, "allowed", "a later view that nodes decided alone had everything");
  });

  test("who stood behind the newest claim and accepted its view", () => {
    assert.equal(judgeClaim([FIRST, record(1, 6, [1, 2])], request(9, { 2: 6, 4: 3 })).kind, "allowed");
  });

  test("not who was without: partition in time", () => {
    const judged = judgeClaim([FIRST, record(1, 6, [1, 2])], request(9, { 3: 3, 4: 3 }));
    assert.equal(judged.kind, "partitionInTime");
  });

  test("who stood behind a claim that came to nothing is judged by the claim before it", () => {
    // A and B acknowledged under claim 6; B and C claimed 8 and never formed it; C knows nothing of 6.
    const claims = [FIRST, record(1, 6, [1, 2]), record(2, 8, [2, 3])];
    assert.equal(judgeClaim(claims, request(9, { 3: 3, 4: 3 })).kind, "partitionInTime", "C stood behind the newest claim, but not behind the one that counts");
    assert.equal(judgeClaim(claims, request(9, { 2: 6, 4: 3 })).kind, "allowed");
  });

  test("a copy that took the place of one that stood behind the claim does not count for it", () => {
    const claims = [FIRST, { ...record(1, 6, [1]), voters: [{ node: 1, store: "lost" }] }];
    assert.equal(judgeClaim(claims, request(9, { 1: 3 })).kind, "partitionInTime");
  });

  test("a number that the witness has seen passed is out of date", () => {
    assert.equal(judgeClaim([FIRST, record(1, 9, [1, 2])], request(9, { 1: 6, 2: 6 })).kind, "outdated");
  });

  test("a forced start goes before what was claimed before it, and nothing older goes before a forced start", () => {
    assert.equal(judgeClaim([FIRST, record(1, 6, [1, 2])], request(9, { 3: 3 }, 700)).kind, "allowed");
    assert.equal(judgeClaim([FIRST, record(1, 6, [1, 2], 700)], request(9, { 1: 6 })).kind, "partitionInTime");
  });

  test("when the first record is no longer kept, a chain of claims that came to nothing proves nothing", () => {
    assert.equal(judgeClaim([record(70, 8, [2, 3]), record(71, 9, [2, 3])], request(12, { 3: 3 })).kind, "partitionInTime");
  });
});

describe("quorum in a claimed view", () => {
  const weights: Weights = { version: 2, votes: [1, 2, 3, 4].map((node) => ({ node, store: `s${node}`, votes: 1 })), witness: { id: "w", votes: 1 } };
  const members = [voter(1), voter(2)];

  test("everybody who votes, and no fewer", () => {
    assert.equal(isQuorum([weights], members), false, "the witness never counts");
    assert.equal(isViewQuorum([weights], members, members, null), false, "nobody claimed");
    assert.equal(isViewQuorum([weights], members, members, members), true);
    assert.equal(isViewQuorum([weights], [voter(1)], members, members), false);
  });

  test("who stood behind the claim is needed even when new weights took its vote", () => {
    const without: Weights = { version: 3, votes: weights.votes.map((vote) => ({ ...vote, votes: vote.node === 2 ? 0 : 1 })), witness: weights.witness };
    assert.equal(isViewQuorum([without], [voter(1)], members, members), false, "else node 2 could claim later without what node 1 acknowledged");
  });
});

/** A witness whose readers may see the past, and whose answers may get lost. */
class TestWitness implements Witness {
  records: ClaimRecord[] = [FIRST];
  seen: readonly ClaimRecord[] | null = null;
  loseAnswers = false;
  answer: WitnessAnswer | null = null;

  initialise(_first: ClaimRecord, done: (result: WitnessWrite) => void): void {
    done({ kind: "exists" });
  }

  read(done: (answer: WitnessAnswer) => void): void {
    done(this.answer ?? { kind: "records", records: this.seen ?? this.records });
  }

  append(added: ClaimRecord, done: (result: WitnessWrite) => void): void {
    if (this.records.some((known) => known.position === added.position)) return done({ kind: "exists" });
    this.records.push(added);
    done(this.loseAnswers ? { kind: "unknown", reason: "no answer" } : { kind: "created" });
  }
}

function outcomeOf(witness: Witness, asked: ClaimRequest): ClaimOutcome {
  let outcome: ClaimOutcome | undefined;
  claim(witness, asked, (result) => (outcome = result));
  return outcome!;
}

describe("CLAIM", () => {
  test("one of two halves wins, and the other is refused from then on", () => {
    const witness = new TestWitness();
    assert.equal(outcomeOf(witness, request(5, { 1: 3, 2: 3 })).kind, "won");
    const other = outcomeOf(witness, request(6, { 3: 3, 4: 3 }));
    assert.deepEqual([other.kind, other.kind === "refused" && other.waitsFor], ["refused", [1, 2]]);
  });

  test("a listing that lags does not let both halves win", () => {
    const witness = new TestWitness();
    witness.seen = [FIRST];
    assert.equal(outcomeOf(witness, request(5, { 1: 3, 2: 3 })).kind, "won");
    assert.equal(outcomeOf(witness, request(6, { 3: 3, 4: 3 })).kind, "lost", "its own record would be the second one after the same");
  });

  test("an answer that got lost is found by reading back", () => {
    const witness = new TestWitness();
    witness.loseAnswers = true;
    assert.equal(outcomeOf(witness, request(5, { 1: 3, 2: 3 })).kind, "won");
    witness.seen = [FIRST, witness.records[1]!];
    assert.equal(outcomeOf(witness, request(8, { 1: 5, 2: 5 })).kind, "failed", "who cannot see whether it was written has not won");
    witness.seen = null;
    assert.equal(outcomeOf(witness, request(9, { 1: 5, 2: 5 })).kind, "won", "what came to nothing does not stand in the way");
  });

  test("a witness without its records is not trusted", () => {
    const witness = new TestWitness();
    witness.records = [];
    assert.equal(outcomeOf(witness, request(5, { 1: 3 })).kind, "failed");
    witness.answer = { kind: "missing" };
    assert.equal(outcomeOf(witness, request(5, { 1: 3 })).kind, "failed");
    witness.answer = { kind: "unreachable", reason: "no route" };
    assert.deepEqual(outcomeOf(witness, request(5, { 1: 3 })), { kind: "failed", reason: "no route" });
  });
});
