import type { Member, NodeId } from "../model/identifiers.ts";
import type { Hold, Voter, Weights, WeightsInForce, WitnessVote } from "../model/votes.ts";
import type { ClaimRequest } from "../quorum/claims.ts";
import type { ClaimOutcome } from "../quorum/witness.ts";

/** Place of run-time state: the epoch it was active in and the index of the last entry stepped. */
export interface RuntimePosition {
  readonly epoch: number;
  readonly index: number;
}

/** Who asked, and the number of the request; later requests of one life have higher numbers. */
export interface Origin {
  readonly node: NodeId;
  readonly incarnation: number;
  readonly number: number;
}

/** What an entry carries: input for the core, or new vote weights (which are the log's own). */
export type EntryBody = { readonly type: "input"; readonly payload: string } | { readonly type: "weights"; readonly weights: Weights };

/** One numbered entry (rule 8). `sequence` is null for kind V, which lives in memory only. */
export interface LogEntry {
  readonly epoch: number;
  readonly index: number;
  readonly sequence: number | null;
  readonly clusterTimeMs: number;
  readonly wallTimeMs: number;
  readonly origin: Origin | null;
  readonly body: EntryBody;
}

/** The tag of a log: epoch it was last accepted in, and its last entry. */
export interface LogTag {
  readonly accepted: number;
  readonly sequence: number;
  /** Epoch of the entry at `sequence`: with it, equal ends mean equal logs. 0 for an empty log. */
  readonly lastEntryEpoch: number;
}

/** What a member says of itself in a formation (rule 2). */
export interface MemberState {
  readonly member: Member;
  readonly store: string;
  readonly tag: LogTag;
  /** Whom the view of the accepted epoch was to have. */
  readonly acceptedMembers: readonly Member[];
  /** This life has been in a view: it may be serving something. */
  readonly hasServed: boolean;
  readonly committed: number;
  /** Lowest sequence it still has as an entry. */
  readonly firstKept: number;
  /** Weights in force in its log: the newest, and its predecessor while the newest is not known committed. */
  readonly weights: readonly Weights[];
  /** Newest epoch this store has seen active. */
  readonly lastActive: number;
  readonly runtime: RuntimePosition | null;
  /** Newest cluster time it has seen. */
  readonly clusterTimeMs: number;
  /** Which forced start its log descends from; 0 = none. The higher goes before everything else (rule 13). */
  readonly lineage: number;
  /** Where the forced start found the log: what a log of another lineage holds beyond it is lost. */
  readonly forcedFrom: ForcedFrom | null;
  /** It was started to join only, and has not joined yet. */
  readonly prevented: boolean;
}

export interface ForcedFrom {
  readonly accepted: number;
  readonly sequence: number;
}

export type LogMessage =
  | { readonly kind: "propose"; readonly epoch: number; readonly members: readonly Member[] }
  | { readonly kind: "state"; readonly epoch: number; readonly to: Member; readonly state: MemberState }
  | { readonly kind: "refuse"; readonly epoch: number; readonly to: Member; readonly promised: number }
  | { readonly kind: "waiting"; readonly epoch: number; readonly members: readonly Member[]; readonly waitingFor: readonly NodeId[]; readonly reason: string | null; /** Try again after that long; null = when the membership changes. */ readonly retryMs: number | null }
  /** Said by who has no view: that it is here, the epoch it promised and what that has come to, and who may not return. */
  | { readonly kind: "present"; readonly epoch: number; readonly state: PresentState; readonly leftOut: readonly Exclusion[] }
  | { readonly kind: "install"; readonly install: Install }
  | { readonly kind: "accept"; readonly epoch: number; readonly holds: readonly Hold[] }
  | { readonly kind: "entries"; readonly epoch: number; readonly entries: readonly LogEntry[]; readonly hash: { readonly index: number; readonly value: string } | null }
  | { readonly kind: "acknowledge"; readonly epoch: number; readonly index: number }
  /** `lowest` is the lowest number still waiting at the origin: what is above it and not next has a hole before it. */
  | { readonly kind: "request"; readonly epoch: number; readonly durable: boolean; readonly origin: Origin; readonly lowest: number; readonly payload: string }
  /** Carries what must not stay lost: the sender's acknowledged index, whom the view left out and, from the orderer, the last index that the group has carried. */
  | {
      readonly kind: "tick";
      readonly epoch: number;
      readonly weights: number;
      readonly number: number;
      readonly heard: readonly (readonly [NodeId, number])[];
      readonly urgent: boolean;
      readonly acknowledged: number;
      readonly sent: number;
      readonly leftOut: readonly Member[];
    }
  | { readonly kind: "read"; readonly epoch: number; readonly id: number }
  | { readonly kind: "readAt"; readonly epoch: number; readonly to: Member; readonly id: number; readonly index: number };

/** The epoch is over for the sender; it fetches what it lacks for it; it waits (for a majority, for its disk, for ACTIVE); it asks the witness. */
export type PresentState = "over" | "fetching" | "waiting" | "claiming";

/** A life of a node that was left out of the formation of this epoch, or missed the view of it: it may not return (rule 3). */
export interface Exclusion {
  readonly member: Member;
  readonly epoch: number;
}

/** What the proposer decided (rule 6). */
export interface Install {
  readonly epoch: number;
  readonly base: LogTag;
  /** Highest sequence that any of the members knows to be committed. */
  readonly committed: number;
  /** Newest cluster time that any of the members has seen. */
  readonly clusterTimeMs: number;
  /** Holds the best log. */
  readonly source: Member;
  readonly members: readonly Member[];
  /** The copy each member holds, in the order of `members`. */
  readonly stores: readonly string[];
  /** Reachable, but not to return with this incarnation (rule 3). */
  readonly leftOut: readonly Member[];
  /** Members without a vote: their copy is not, or not yet, admitted. */
  readonly learners: readonly NodeId[];
  readonly orderer: Member;
  /** Position of the run-time state everybody goes on from; null = it starts empty. */
  readonly runtime: RuntimePosition | null;
  /** Who stood behind the claim that decided the view; null = the votes of its nodes did. */
  readonly claim: readonly Voter[] | null;
  readonly lineage: number;
  readonly forcedFrom: ForcedFrom | null;
  /** This is the forced start itself. */
  readonly forced: boolean;
  /** Members whose log held what the forced one does not: it is lost. */
  readonly discarded: readonly NodeId[];
}

export interface Clock {
  /** Monotonic. */
  readonly nowMs: number;
  readonly wallTimeMs: number;
}

export type LogInput =
  | { readonly kind: "members"; readonly members: readonly Member[] }
  | { readonly kind: "message"; readonly from: Member; readonly message: LogMessage }
  /** A message that came past the group's order. */
  | { readonly kind: "datagram"; readonly from: Member; readonly message: LogMessage }
  | { readonly kind: "tick" }
  | { readonly kind: "persisted"; readonly ticket: number }
  /** A request of this node's own service. Durable ones are numbered 1, 2, 3… and sent again until seen in an entry. */
  | { readonly kind: "request"; readonly durable: boolean; readonly number: number; readonly payload: string }
  /** This node's core has stepped all entries up to here. */
  | { readonly kind: "stepped"; readonly index: number; readonly hash: string }
  | { readonly kind: "read"; readonly id: number }
  | { readonly kind: "logFetched"; readonly epoch: number; readonly log: FetchedLog }
  | { readonly kind: "stateFetched"; readonly epoch: number; readonly position: RuntimePosition; readonly applied: number }
  | { readonly kind: "fetchFailed"; readonly epoch: number; readonly what: "log" | "state" }
  /** The core of the orderer would have these votes; numbered when it may be (rule 10). */
  | { readonly kind: "weightsWanted"; readonly weights: Weights }
  /** What came of asking the witness; counts for this epoch alone. */
  | { readonly kind: "claimed"; readonly epoch: number; readonly outcome: ClaimOutcome }
  /** How long each of those that `askHolds` names may still be serving. */
  | { readonly kind: "holds"; readonly epoch: number; readonly holds: readonly Hold[] }
  /** Send what was ordered since the last flush. */
  | { readonly kind: "flush" };

/** A piece of somebody's log; with rows when the entries wanted are no longer kept. */
export interface FetchedLog {
  readonly entries: readonly LogEntry[];
  readonly copy: LogCopy | null;
}

/** What the log knows of a copy: everything up to `upTo` is in its rows. */
export interface LogCopy {
  readonly upTo: number;
  /** Epoch of the entry at `upTo`. */
  readonly epoch: number;
  readonly weights: Weights;
  readonly clusterTimeMs: number;
}

/** Everything in one write is durable together. */
export interface LogWrite {
  readonly promised?: number;
  readonly accepted?: number;
  /** Together with `accepted`. */
  readonly acceptedMembers?: readonly Member[];
  readonly truncateAfter?: number;
  readonly append?: readonly LogEntry[];
  /** The rows of the copy fetched for this epoch replace the rows and the log. */
  readonly replaceByCopy?: LogCopy;
  /** The log descends from this forced start from now on; with the votes it begins with, where it is the forced one. */
  readonly lineage?: Lineage;
  readonly forcedWeights?: { readonly sequence: number; readonly weights: Weights };
}

export interface Lineage {
  readonly number: number;
  readonly from: ForcedFrom | null;
}

export type LogEffect =
  | { readonly kind: "send"; readonly message: LogMessage }
  /** To all members, this one included, past the group's order; only where {@link LogOptions.direct} says that there is such a way. */
  | { readonly kind: "sendDirectly"; readonly message: LogMessage }
  /** Answer with `persisted` once it is on the disk. */
  | { readonly kind: "persist"; readonly ticket: number; readonly write: LogWrite }
  /** Everything up to `sequence` is committed: remember it when convenient. */
  | { readonly kind: "committed"; readonly sequence: number; readonly lastActive: number; readonly weights: { readonly sequence: number; readonly weights: Weights } }
  | { readonly kind: "fetchLog"; readonly epoch: number; readonly from: Member; readonly after: number; readonly upTo: number }
  | { readonly kind: "fetchState"; readonly epoch: number; readonly from: Member }
  /** Ask the witness for its vote, once; answer with `claimed`. */
  | { readonly kind: "claim"; readonly epoch: number; readonly witness: WitnessVote; readonly request: ClaimRequest }
  /** The base of an INSTALL is in the log: answer with `holds`, which go into the ACCEPT. */
  | { readonly kind: "askHolds"; readonly epoch: number; readonly excluded: readonly Member[]; readonly absent: readonly NodeId[]; readonly weights: readonly Weights[] }
  /** The view begins: make the run-time state that `install.runtime` names, step `replay`, then entries follow. */
  | { readonly kind: "activate"; readonly install: Install; readonly entryZero: LogEntry; /** In force in the base. */ readonly weights: readonly Weights[]; readonly replay: readonly LogEntry[]; readonly state: "own" | "empty" | "fetched"; readonly position: RuntimePosition }
  | { readonly kind: "apply"; readonly entry: LogEntry }
  /** A durable request of this service that was applied inside a state fetched from a peer. */
  | { readonly kind: "appliedElsewhere"; readonly entry: LogEntry }
  | { readonly kind: "deactivate"; readonly reason: string }
  /** Roles may run until then (monotonic): quorum answered something sent after this was computed from. */
  | { readonly kind: "permit"; readonly untilMs: number }
  | { readonly kind: "readReady"; readonly id: number; readonly index: number }
  | { readonly kind: "readLost"; readonly id: number }
  | { readonly kind: "status"; readonly status: LogStatus }
  /** This incarnation is over; come back as a new one. */
  | { readonly kind: "leave"; readonly reason: string; readonly cause: LeaveCause };

export type LeaveCause = "leftOut" | "forced" | "diverged" | "disk" | "overflow" | "fetch";

export type LogStatus =
  | { readonly phase: "forming"; readonly reason: string }
  | { readonly phase: "waiting"; readonly waitingFor: readonly NodeId[]; /** What else stands in the way; null = votes alone. */ readonly reason: string | null }
  | { readonly phase: "active"; readonly epoch: number; readonly members: readonly Member[]; readonly learners: readonly NodeId[]; readonly orderer: NodeId };

export interface LogOptions {
  readonly self: Member;
  readonly store: string;
  /** Silence after which a formation goes on without a member (PROTOCOL: T, default 250). */
  readonly silenceMs: number;
  /** Between two ticks that nobody has asked for; how often the log is told of the time is another matter. */
  readonly tickMs: number;
  /** A member of an active view whose ticks stay away that long is treated as lost (rule 3). */
  readonly detectionMs: number;
  /** How long after an evidenced tick roles may run (PROTOCOL part 2: Lp, default 5000). */
  readonly permitMs: number;
  /** A disk that does not answer for that long costs the node its membership. */
  readonly diskLimitMs: number;
  /** Entries below the applied ones that are kept for others. */
  readonly keepEntries: number;
  /** Longest time to ask the witness, should nobody say earlier that it does not answer. */
  readonly arbitrationMs: number;
  /** How long to wait before the witness is asked again. */
  readonly claimRetryMs: number;
  /** How long a node that is not heard may still be serving (PROTOCOL part 2: H); 0 = the machine proves more. */
  readonly holdMs: number;
  /** The same for processes that only their own permit ends; absent = as long. */
  readonly permitHoldMs?: number;
  /** The engine can send datagrams past the group's order. */
  readonly direct?: boolean;
  /** The engine's token where the weights carry none; absent = the engine has no token. */
  readonly profileTokenMs?: number;
  /** What these times are under the weights in force, where the token is part of them; absent = as given here, always. */
  readonly timesUnder?: (weights: WeightsInForce) => TokenTimes;
  /** "force": the operator states that the others are down (rule 13). "prevent": join, never form. */
  readonly start?: "force" | "prevent";
}

/** The times that follow from the engine's token. */
export type TokenTimes = Pick<LogOptions, "tickMs" | "detectionMs" | "permitMs" | "holdMs" | "permitHoldMs">;

/** What the log finds on the disk at start. */
export interface LogRecovery {
  readonly promised: number;
  readonly accepted: number;
  /** Empty in a database that an earlier release wrote: then nothing is known of it. */
  readonly acceptedMembers: readonly Member[];
  readonly committed: number;
  /** Highest sequence the core's rows hold. */
  readonly applied: number;
  readonly lastActive: number;
  readonly weights: { readonly sequence: number; readonly weights: Weights };
  readonly entries: readonly LogEntry[];
  /** Cluster time that a copy brought along. */
  readonly clusterTimeMs: number;
  readonly lineage: Lineage;
  /** Sequence and epoch of the entry just before the first of `entries`. */
  readonly before: { readonly sequence: number; readonly epoch: number };
}

export const ENTRIES_PER_MESSAGE_MAX = 64;
/** Room for the frame around the payloads in one message of the engine. */
export const ENTRIES_BYTES_MAX = 24 * 1024;
export const REQUESTS_IN_FLIGHT_MAX = 128;
export const PENDING_ENTRIES_MAX = 20_000;
export const EARLY_MESSAGES_MAX = 1_000;
export const EXCLUSIONS_MAX = 256;
