import type { NodeId } from "./identifiers.ts";
import type { WitnessRecord } from "./objects.ts";

/**
 * Votes (PROTOCOL part 1 "Votes W"). A vote belongs to a node *and* its store: a copy that was
 * lost, wiped or restored has none until it is admitted again.
 */
export interface Weights {
  /** Counts the changes; each is an entry of the log. */
  readonly version: number;
  /** Every admitted copy, with 0 for those that do not vote now. */
  readonly votes: readonly Vote[];
  /** null = no witness is configured. */
  readonly witness: WitnessVote | null;
  /** The engine's token, from which the lengths of the lease follow; absent = that of the profile the cluster was created with. */
  readonly tokenMs?: number;
  /** The token before this one, while somebody may still act by it: others are waited for by the longer of the two. */
  readonly formerTokenMs?: number;
}

export interface Vote {
  readonly node: NodeId;
  readonly store: string;
  readonly votes: number;
}

export interface WitnessVote {
  /** Which witness: a vote belongs to one configuration of it, not to whichever is configured. */
  readonly id: string;
  readonly votes: number;
  /** How to reach it: a set that forms needs it before anybody has a view, and its own rows may be older than its weights. */
  readonly record?: WitnessRecord;
}

/** A node with the copy it holds. */
export interface Voter {
  readonly node: NodeId;
  readonly store: string;
}

/** The weights a decision must satisfy: the newest, and its predecessor while the newest is not known committed. */
export type WeightsInForce = readonly Weights[];

/** How long a node that was left out may still be serving, counted from the delivery of ACTIVE (PROTOCOL part 2). */
export interface Hold {
  readonly node: NodeId;
  readonly incarnation: number | null;
  /** For what the kernel gate protects. */
  readonly leaseMs: number;
  /** For processes that only their own permit ends. */
  readonly permitMs: number;
}
