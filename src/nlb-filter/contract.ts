import type { FilterLeftover, FilterPlan, LeaseOrder } from "../nlb/filter-contract.ts";

/** Clients of one rule who stay with a host, and for how long still. */
export interface AffinityEntry {
  /** The client, or the first address of its network. */
  readonly client: string;
  readonly leftMs: number;
}

/** New connections and datagrams that this host took since its tables were made, by rule key; `default` = what no rule covers. */
export type TakenCounts = Readonly<Record<string, number>>;

/**
 * The filter in the kernel of one host and adapter. Every call blocks until the kernel has it: it is for a thread of its
 * own. All throw MusterError. To one engine a call is one transaction: what was there before one that failed is there
 * still. Where a program of XDP stands before the tables, each is told by itself, the tables first: of a call that failed
 * the program may still have what was there before, and the caller gives the whole of it again.
 */
export interface KernelFilter {
  /** `nftables` or `XDP …`, and why that: for people. */
  readonly name: string;
  /** What a former life left. */
  leftover(): FilterLeftover;
  /** Carries a plan out: all of it, or nothing. The first one of a life replaces whatever a former life left. */
  apply(plan: FilterPlan): void;
  lease(order: LeaseOrder): void;
  /** Looks whether somebody took away what was loaded, and loads it anew, closed. @returns whether that was so */
  repair(): boolean;
  taken(): TakenCounts;
  /** Clients who stay with this host, of a rule with extended affinity; none for other rules. */
  staying(rule: string): readonly AffinityEntry[];
  /** Replaces the clients who stay with other hosts although their bucket is this host's. Nothing happens for a rule that the kernel does not have yet. */
  setAway(rule: string, entries: readonly AffinityEntry[]): void;
  /** Adds clients to those who stay: what this host kept before its tables were made anew. */
  addStaying(rule: string, entries: readonly AffinityEntry[]): void;
  /** Leaves nothing in the kernel. The caller sees to it that the virtual addresses are gone first. */
  remove(): void;
}
