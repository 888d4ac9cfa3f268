import type { Member, NodeId } from "../model/identifiers.ts";
import type { Voter } from "../model/votes.ts";
import { sameVoter } from "./weights.ts";

/** Claims on a witness (PROTOCOL rule 5): who may stand on its vote, and who may not because others did. */

/** One record of a witness: write-once, each the successor of the one before. */
export interface ClaimRecord {
  /** 0 = the record the witness was initialised with, then without a gap: creating a position is exclusive. */
  readonly position: number;
  /** Epoch that was to be formed with it. */
  readonly epoch: number;
  /** Which forced start the claimant's log descends from; 0 = none. */
  readonly lineage: number;
  readonly claimant: Member;
  /** Everybody whose votes stood behind it: nothing was acknowledged under it that one of them does not have. */
  readonly voters: readonly Voter[];
}

/** What a set that needs the vote of the witness says of itself. Each of them has promised `epoch`. */
export interface ClaimRequest {
  readonly epoch: number;
  readonly lineage: number;
  readonly claimant: Member;
  readonly voters: readonly Voter[];
  /** Highest epoch that one of their logs was accepted in. */
  readonly bestAccepted: number;
  /** The epoch each member's log was accepted in, of those whose logs have this lineage. */
  readonly accepted: readonly { readonly voter: Voter; readonly epoch: number }[];
}

export type ClaimJudgement = { readonly kind: "allowed" } | { readonly kind: "partitionInTime"; readonly claim: ClaimRecord } | { readonly kind: "outdated"; readonly claim: ClaimRecord };

/** Records of a witness that are kept; older ones are removed after each claim. */
export const CLAIMS_KEPT = 64;

/**
 * Whether a set may claim, given all records there are. The newest claim counts: who goes on must have what was
 * acknowledged under it. Somebody who stood behind a claim, never accepted its view and has promised more since
 * proves that nothing ever will be acknowledged under it; then the claim before it counts.
 */
export function judgeClaim(records: readonly ClaimRecord[], request: ClaimRequest): ClaimJudgement {
  const newestFirst = [...records].sort((a, b) => b.position - a.position);
  for (const claim of newestFirst) {
    // The number is not above what the witness has seen: another formation has overtaken this one.
    if (claim.epoch >= request.epoch) return { kind: "outdated", claim };
    if (request.lineage > claim.lineage) return { kind: "allowed" };
    if (request.lineage < claim.lineage) return { kind: "partitionInTime", claim };
    const behindIt = request.accepted.filter(({ voter }) => claim.voters.some((one) => sameVoter(one, voter)));
    if (behindIt.some(({ epoch }) => epoch >= claim.epoch) || request.bestAccepted > claim.epoch) return { kind: "allowed" };
    if (claim.position === 0 && request.bestAccepted >= claim.epoch) return { kind: "allowed" };
    if (behindIt.length === 0) return { kind: "partitionInTime", claim };
  }
  const oldest = newestFirst.at(-1);
  // With the first record gone, the claims before the kept ones are not known any more.
  return oldest === undefined ? { kind: "allowed" } : { kind: "partitionInTime", claim: oldest };
}

/** Nodes that stood behind a claim, sorted: for whom the others wait. */
export function nodesBehind(claim: ClaimRecord): NodeId[] {
  return [...new Set(claim.voters.map((voter) => voter.node))].sort((a, b) => a - b);
}
