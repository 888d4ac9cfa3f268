import type { NodeId } from "../model/identifiers.ts";
import { isViewQuorum } from "../quorum/weights.ts";
import type { LeaseMember, LeaseTerms } from "./steps.ts";

/** quorum(D): the definition that acknowledgement and activation use too. */
export function isEvidence(terms: LeaseTerms, echoing: readonly LeaseMember[]): boolean {
  return isViewQuorum(terms.weights, echoing, terms.members, terms.claim);
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
