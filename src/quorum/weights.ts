import type { NodeId } from "../model/identifiers.ts";
import type { Voter, Weights, WeightsInForce } from "../model/votes.ts";

/** Counting votes (PROTOCOL part 1 "Votes W", rules 4, 9, 10). */

/** Votes this voter has under every one of the weights; 0 = a learner. */
export function votesOf(weights: WeightsInForce, voter: Voter): number {
  let fewest = Number.MAX_SAFE_INTEGER;
  for (const one of weights) {
    const vote = one.votes.find((candidate) => candidate.node === voter.node && candidate.store === voter.store);
    fewest = Math.min(fewest, vote === undefined ? 0 : vote.votes);
  }
  return weights.length === 0 ? 0 : fewest;
}

/** True when the voters hold more than half of all votes under each of the weights (joint rule). */
export function isQuorum(weights: WeightsInForce, voters: readonly Voter[]): boolean {
  return weights.length > 0 && weights.every((one) => 2 * heldVotes(one, voters) > totalVotes(one));
}

/** Nodes with votes that are missing from `voters`, sorted: for whom a waiting set waits. */
export function missingVoters(weights: WeightsInForce, voters: readonly Voter[]): NodeId[] {
  const missing = new Set<NodeId>();
  for (const one of weights) {
    for (const vote of one.votes) {
      const present = voters.some((voter) => voter.node === vote.node && voter.store === vote.store);
      if (vote.votes > 0 && !present) missing.add(vote.node);
    }
  }
  return [...missing].sort((a, b) => a - b);
}

/** The weights after the node's copy was replaced by another one. */
export function admitStore(weights: Weights, voter: Voter): Weights {
  const others = weights.votes.filter((vote) => vote.node !== voter.node);
  const votes = [...others, { node: voter.node, store: voter.store, votes: 1 }].sort((a, b) => a.node - b.node);
  return { version: weights.version + 1, votes, witness: weights.witness };
}

function heldVotes(weights: Weights, voters: readonly Voter[]): number {
  let held = 0;
  for (const vote of weights.votes) {
    if (voters.some((voter) => voter.node === vote.node && voter.store === vote.store)) held += vote.votes;
  }
  return held;
}

function totalVotes(weights: Weights): number {
  return weights.votes.reduce((sum, vote) => sum + vote.votes, 0);
}
