/**
 * What the kernel of one host shall do: the contract between the convergence, which decides, and
 * the filter (nftables, or XDP), which carries out. A plan is always whole: the filter works out
 * by itself what has to change in the kernel, and carries one plan out in one transaction.
 *
 * The order is what keeps every connection (reference: data plane, chapter 5):
 *
 * 1. `release`: the plan holds nothing that the new map gives to others. The filter carries it
 *    out and says so; only then is the release announced.
 * 2. `take`: the plan holds all that the map gives to this host. It is handed out only when every
 *    member has announced its release and every lost member's lease has certainly run out.
 * 3. `tidy`: the same ownership; only what was lost recently has been forgotten.
 *
 * Whatever a plan holds is served only while the kernel lease is open ({@link LeaseOrder}).
 */

/**
 * Shares of a rule: a bucket is the smallest part of its clients that can move to another host.
 * 240 is divided without remainder by 1 to 6, 8, 10, 12, 15, 16, 20, 24, 30, 40, 48 and 60 hosts,
 * leaves 64 hosts at most 7 per cent above their fair share, and fits a byte; 60, as in the
 * recipe, gives nothing to four of 64 hosts, nor to a weight of 1 beside one of 100.
 */
export const BUCKETS = 240;

/** Lease slots of the kernel: an armed slot opens nothing before it is confirmed. */
export const LEASE_SLOTS = 8;

export type OperationMode = "unicast" | "multicast" | "igmpMulticast" | "windowsUnicast";
export type RuleProtocol = "tcp" | "udp" | "both";
export type Affinity = "none" | "single" | "network";

/**
 * How one rule is treated on this host. A pure SYN and every UDP datagram are decided by it; other
 * TCP packets pass if their connection is established here, and are dropped silently otherwise.
 */
export type FilterAction =
  /** Nothing passes, established connections neither: the rule is disabled, for all hosts or on this one. */
  | { readonly kind: "drop" }
  /** One host takes all of it. `wasMine`: connections from before may still be open here. */
  | { readonly kind: "whole"; readonly accepts: boolean; readonly wasMine: boolean }
  /** By bucket, see src/nlb/hash.ts for what is hashed. */
  | {
      readonly kind: "share";
      readonly affinity: Affinity;
      /** Seed of the hash, 32 bits unsigned. */
      readonly seed: number;
      /** Sorted, each 0 to BUCKETS - 1. */
      readonly owned: readonly number[];
      /**
       * Sorted, none of them in `owned`: lost recently ("dirty"), so connections may still be open
       * here. A path that drops before connection tracking must leave them out.
       */
      readonly recentlyLost: readonly number[];
      /** A client stays with its host that long after its last connection; 0 = off. */
      readonly extendedAffinityMs: number;
    };

export interface FilterRule {
  /** Stays the same as long as the rule means the same, whatever its place in the list. */
  readonly key: string;
  /** Normal form; null = every virtual address for which no rule of its own fits. */
  readonly virtualAddress: string | null;
  readonly startPort: number;
  readonly endPort: number;
  readonly protocol: RuleProtocol;
  readonly action: FilterAction;
}

export interface FilterAddress {
  /** Normal form. */
  readonly address: string;
  readonly family: 4 | 6;
}

export interface FilterPlan {
  /** Rises by one with each plan of a life; {@link FilterDone} names it. */
  readonly number: number;
  readonly phase: "release" | "take" | "tidy";
  /** For people who read the rule set: the map this plan is for, `-` = none. */
  readonly map: string;
  /** false = stopped or suspended: everything for the virtual addresses is dropped, established connections too. */
  readonly isMember: boolean;
  readonly operationMode: OperationMode;
  /** What ARP and neighbour discovery tell of the virtual addresses: `03:bf:0a:4d:00:0a`. */
  readonly hardwareAddress: string;
  /** In `windowsUnicast` the source address under which this host's frames leave; null otherwise. */
  readonly maskedHardwareAddress: string | null;
  /** In `igmpMulticast` the group to join; null otherwise. */
  readonly multicastGroup: string | null;
  /** The primary address first. */
  readonly virtualAddresses: readonly FilterAddress[];
  /** At most 64; no two of them match the same packet, but for rules of one address beside rules of all, which come after. */
  readonly rules: readonly FilterRule[];
  /** Takes what no rule covers. */
  readonly isDefaultHost: boolean;
  /** Connections of a former default host may still be open here. */
  readonly wasDefaultHost: boolean;
  /** true = echo requests too go to the default host alone; false = every host answers. */
  readonly filtersIcmp: boolean;
}

/**
 * The kernel lease works like the gate of the failover cluster (src/lease): a slot is armed with a
 * time-out *before* the heartbeat that asks for it is sent; it opens only when confirmed by
 * pointing at it; a confirmation that comes after the slot ran out opens nothing. So a pause
 * between reading a clock and telling the kernel cannot open it late.
 */
export type LeaseOrder =
  /** Replaces what the slot held; the slot that is pointed at is never armed. */
  | { readonly do: "arm"; readonly slot: number; readonly lengthMs: number }
  | { readonly do: "point"; readonly slot: number }
  | { readonly do: "close" };

/** The filter has carried a plan out in the kernel, or could not. */
export interface FilterDone {
  readonly number: number;
  /** null = done; otherwise what the kernel said. */
  readonly problem: string | null;
}

/** What a new life finds and must do before its first heartbeat: `close`, then an empty plan of its own. */
export interface FilterLeftover {
  /** The life that loaded what was found; null = nothing was found. The filter keeps it in the kernel beside the rules. */
  readonly incarnation: number | null;
}
