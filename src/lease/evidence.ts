import type { NodeId } from "../model/identifiers.ts";
import { isQuorum } from "../quorum/weights.ts";
import type { LeaseMember, LeaseTerms } from "./steps.ts";

/**
 * quorum(D) as PROTOCOL part 1 "Votes W" has it: more than half of the votes under each of the
 * weights in force; or, in a view that a claim decided, all voting members of the view.
 */
export function isEvidence(terms: LeaseTerms, echoing: readonly LeaseMember[]): boolean {
  if (isQuorum(terms.weights, echoing)) return true;
  if (!terms.claimed) return false;
  const voting = terms.members.filter((member) => hasVote(terms, member));
  return voting.length > 0 && voting.every((member) => echoing.some((other) => other.node === member.node));
}

/**
 * The newest tick for which there is evidence; 0 = none. `echoed` is what each peer was heard to
 * echo under these very terms, `vouched` what this node vouches for by the same rule.
 */
export function newestEvidence(terms: LeaseTerms, self: NodeId, vouched: number, echoed: ReadonlyMap<NodeId, number>): number {
  const candidates = [...new Set([vouched, ...echoed.values()])].sort((a, b) => b - a);
  for (const number of candidates) {
    const echoing = terms.members.filter((member) => (member.node === self ? vouched : (echoed.get(member.node) ?? 0)) >= number);
    if (isEvidence(terms, echoing)) return number;
  }
  return 0;
}

/** A vote under any of the weights in force: leaving one out could only make evidence of less. */
function hasVote(terms: LeaseTerms, member: LeaseMember): boolean {
  return terms.weights.some((weights) => weights.votes.some((vote) => vote.node === member.node && vote.store === member.store && vote.votes > 0));
}
