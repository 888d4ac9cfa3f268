import { tokensIn } from "../model/heartbeat.ts";
import type { NodeId } from "../model/identifiers.ts";
import type { Voter, Weights, WeightsInForce } from "../model/votes.ts";

/** Counting votes (PROTOCOL part 1 "Votes W", rules 4, 9, 10). */

/** Votes this voter has under every one of the weights. */
export function votesOf(weights: WeightsInForce, voter: Voter): number {
  let fewest = Number.MAX_SAFE_INTEGER;
  for (const one of weights) {
    const vote = one.votes.find((candidate) => candidate.node === voter.node && candidate.store === voter.store);
    fewest = Math.min(fewest, vote === undefined ? 0 : vote.votes);
  }
  return weights.length === 0 ? 0 : fewest;
}

/** Whether the copy stands in every one of the weights, with or without a vote: any other one is a learner's. */
export function isAdmitted(weights: WeightsInForce, voter: Voter): boolean {
  return weights.length > 0 && weights.every((one) => one.votes.some((vote) => vote.node === voter.node && vote.store === voter.store));
}

/** True when the voters hold more than half of all votes, the witness's included, under each of the weights (joint rule). */
export function isQuorum(weights: WeightsInForce, voters: readonly Voter[]): boolean {
  return weights.length > 0 && weights.every((one) => 2 * heldVotes(one, voters) > totalVotes(one));
}

/** The same when the witness takes their side. */
export function isQuorumWithWitness(weights: WeightsInForce, voters: readonly Voter[], witness: string): boolean {
  return weights.length > 0 && weights.every((one) => 2 * (heldVotes(one, voters) + (one.witness?.id === witness ? one.witness.votes : 0)) > totalVotes(one));
}

/**
 * quorum(D) in a view: more than half of the votes by nodes alone or, where a claim decided the view,
 * everybody who stood behind the claim and everybody of the view who votes now.
 */
export function isViewQuorum(weights: WeightsInForce, voters: readonly Voter[], members: readonly Voter[], claim: readonly Voter[] | null): boolean {
  if (claim === null) return isQuorum(weights, voters);
  const present = (voter: Voter): boolean => voters.some((one) => sameVoter(one, voter));
  if (!claim.every(present)) return isQuorum(weights, voters);
  return weights.length > 0 && weights.every((one) => 2 * heldVotes(one, voters) > totalVotes(one) || members.every((member) => votesOf([one], member) === 0 || present(member)));
}

export function sameVoter(a: Voter, b: Voter): boolean {
  return a.node === b.node && a.store === b.store;
}

/** The witness whose vote counts under one of the weights; null = none. There is never more than one (assignment.ts). */
export function votingWitness(weights: WeightsInForce): Weights["witness"] {
  return weights.find((one) => one.witness !== null && one.witness.votes > 0)?.witness ?? null;
}

/** Nodes with votes that are missing from `voters`, sorted: for whom a waiting set waits. */
export function missingVoters(weights: WeightsInForce, voters: readonly Voter[]): NodeId[] {
  const missing = new Set<NodeId>();
  for (const one of weights) {
    for (const vote of one.votes) {
      if (vote.votes > 0 && !voters.some((voter) => sameVoter(voter, vote))) missing.add(vote.node);
    }
  }
  return [...missing].sort((a, b) => a - b);
}

/** The weights after the node's copy was replaced by another one; its vote comes with the next assignment. */
export function admitStore(weights: Weights, voter: Voter): Weights {
  const others = weights.votes.filter((vote) => vote.node !== voter.node);
  const votes = [...others, { node: voter.node, store: voter.store, votes: 0 }].sort((a, b) => a.node - b.node);
  return { version: weights.version + 1, votes, witness: weights.witness, ...tokensIn(weights) };
}

export function heldVotes(weights: Weights, voters: readonly Voter[]): number {
  let held = 0;
  for (const vote of weights.votes) if (voters.some((voter) => sameVoter(voter, vote))) held += vote.votes;
  return held;
}

/** V: the sum of all votes, the witness's included. */
export function totalVotes(weights: Weights): number {
  return weights.votes.reduce((sum, vote) => sum + vote.votes, weights.witness?.votes ?? 0);
}
