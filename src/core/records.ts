import type { ErrorBody } from "../model/errors.ts";
import type { EffectId, EventId, Generation, GroupId, Member, NodeId, ResourceId } from "../model/identifiers.ts";
import type { ConnectivityInput, Effect, MoveFlags } from "../model/inputs.ts";
import type { GroupRuntime, NodeRuntime, Reason, ResourceRecord, ResourceRuntime } from "../model/objects.ts";
import type { GroupState, NetworkInterfaceState, NetworkState, NodeDrainStatus } from "../model/states.ts";

/** The rows of the core that are nobody else's business. */

// ---- durable ---------------------------------------------------------------

/** Which requests of a node were handled: a request sent twice is applied once (PROTOCOL rule 8). */
export interface RequestRow {
  readonly incarnation: number;
  /** Requests of a node come in the order of their numbers. */
  readonly highest: number;
  /** Of those that failed, the newest; oldest first. */
  readonly failures: readonly (readonly [number, ErrorBody])[];
}

// ---- volatile --------------------------------------------------------------

/** The active view. */
export interface ViewRow {
  readonly epoch: number;
  /** Full members: they vote and may host. */
  readonly members: readonly Member[];
  readonly learners: readonly NodeId[];
  readonly orderer: NodeId;
  /** Nothing is started before it is true: with empty run-time state the inventories come first (PROTOCOL rule 15). */
  readonly open: boolean;
  /** Until then the inventories of all members are awaited; null once open. */
  readonly inventoryDeadlineMs: number | null;
}

/** What the votes depend on beside the configuration. */
export interface QuorumRow {
  /** The copies of the full members. */
  readonly stores: readonly (readonly [NodeId, string])[];
  /** The view stands on the vote of the witness. */
  readonly claimed: boolean;
  /** Started by force, and a majority of the configured nodes has not been there since (FixQuorum). */
  readonly forced: boolean;
  /** null = nobody has looked after it yet. */
  readonly witness: WitnessRow | null;
  readonly sinceMs: number;
}

export interface WitnessRow {
  /** Of the configuration it speaks of. */
  readonly id: string;
  readonly state: "online" | "failed";
  readonly reason: string;
  readonly sinceMs: number;
}

/** A node that was left out and may still be serving (PROTOCOL part 2); in cluster time. */
export interface HoldRow {
  readonly node: NodeId;
  /** null = any life of it. */
  readonly incarnation: number | null;
  readonly leaseUntilMs: number;
  readonly permitUntilMs: number;
  /** Which of them ends next. */
  readonly nextMs: number | null;
}

/** Marks a group, in the epoch in which it was noted. */
export interface MarkRow {
  readonly epoch: number;
}

/** The entry handled last. */
export interface PositionRow {
  readonly epoch: number;
  readonly index: number;
  readonly clusterTimeMs: number;
  readonly wallTimeMs: number;
}

export interface EventRingRow {
  /** Number of the oldest event kept. */
  readonly first: number;
  /** Number the next one gets. */
  readonly next: number;
}

export interface NodeRow extends NodeRuntime {
  /** How its roles leave, while a drain runs or after one failed; null = nobody asked. */
  readonly drain: DrainOrder | null;
  readonly failbackStatus: NodeDrainStatus;
  /** Its service is about to stop: it takes nothing any more, and goes once it owns nothing. */
  readonly leaving: boolean;
  /** The name it had, of a node that was evicted and has not left the view yet; null = it is configured. */
  readonly evictedName: string | null;
}

export interface DrainOrder {
  /** null = each role goes to its best node. */
  readonly target: NodeId | null;
  /** Also what cannot go gracefully. */
  readonly force: boolean;
  /** After a failure it is tried again when another node can take roles. */
  readonly retry: boolean;
}

/** Why a group changes its node. */
export type MoveKind = "move" | "failover" | "drain" | "failback" | "return";

/**
 * Whether the group may be started now (reference 2.13): *waiting* for its turn, *continuing* after its node was
 * lost, *byHand* only, or *open*.
 */
export type StartGate = "waiting" | "continuing" | "byHand" | "open";

/** A move that waits until nothing of the group is locked (reference 2.11). */
export interface QueuedMove {
  /** null = the best node of that moment. */
  readonly to: NodeId | null;
  readonly flags: MoveFlags;
}

export interface GroupRow extends GroupRuntime {
  readonly moveKind: MoveKind | null;
  /** What is locked is ended rather than respected. */
  readonly ignoreLocked: boolean;
  /** Where it goes first when it cannot come online after a move. */
  readonly returnTo: NodeId | null;
  readonly queuedMove: QueuedMove | null;
  /** The node it left because that was drained: a resume brings it back. */
  readonly drainedFrom: NodeId | null;
  readonly startGate: StartGate;
  /** Started by the cluster itself, not by a command: GroupStartDelay counts. */
  readonly automatic: boolean;
  /** Since when it would start if it might; null = it does not want to. */
  readonly gateSinceMs: number | null;
  /** When its turn must be looked at again; null = nothing depends on time. */
  readonly lookAtMs: number | null;
  /** Ids of the groups and group sets it waits for. */
  readonly waitsFor: readonly string[];
  /** When it was given its start; null = it is offline. */
  readonly startedAtMs: number | null;
  /** The state that was last announced by an event. */
  readonly announced: GroupState;
  /** The event that set the group in motion: cause of what follows. */
  readonly cause: EventId | null;
}

export interface ResourceRow extends ResourceRuntime {
  /** Bits of its StatusInformation (reference 2.4), as its type reported them. */
  readonly status: number;
  /** The order given last; what answers an older one is out of date. */
  readonly lastEffect: EffectId | null;
  /** What it ordered, should it have to be said again. */
  readonly pendingAction: Effect["action"];
  /** The restart delay or the retry period that `restartAtMs` ends, or the end of an earlier copy elsewhere. */
  readonly waitsFor: "restart" | "retry" | "copy" | null;
  /** Cluster time at which it was online last; null = it has not been since nobody knows what ran, or is. */
  readonly servedUntilMs: number | null;
}

/**
 * A copy of a resource that must end: deleted by force, failed by hand, or found on a node that
 * should not have it. While one is known, the resource is started nowhere.
 */
export interface LeftoverRow {
  readonly resource: ResourceRecord;
  readonly group: GroupId;
  readonly groupName: string;
  readonly places: readonly LeftoverPlace[];
}

export interface LeftoverPlace {
  readonly node: NodeId;
  readonly incarnation: number;
  readonly generation: Generation;
  /** The order to end it, given again when the copy is still reported. */
  readonly effect: EffectId;
}

/** A group got an owner that its DefaultOwner does not say yet. */
export interface UnrecordedRow {
  readonly node: NodeId;
}

/** When the configuration is asked to remember what the state has found, and how often it was asked in vain. */
export interface RecordingRow {
  readonly atMs: number;
  readonly tries: number;
}

/** An administrator put the group there in spite of the affinity rules; true as long as it stays on that node. */
export interface AffinityIgnoredRow {
  readonly node: NodeId;
}

/** After a cold start the group waits for this node (ClusterGroupWaitDelay). */
export interface OwnerWaitRow {
  readonly node: NodeId;
  readonly untilMs: number;
}

/** The group shall go back to this node, from that time on; null = as soon as it is online. */
export interface FailbackRow {
  readonly node: NodeId;
  readonly atMs: number | null;
}

/** Cluster local time, as the orderer told it last. */
export interface LocalTimeRow {
  readonly utcOffsetMinutes: number;
}

/** Cluster times at which a node dropped out, oldest first; bounded. */
export interface DeparturesRow {
  readonly timesMs: readonly number[];
}

/** In force now; null = until an administrator clears it. */
export interface QuarantineRow {
  readonly untilMs: number | null;
  readonly untilWallMs: number | null;
  /** The configuration knows it. */
  readonly recorded: boolean;
}

/** Pushed out by a role of higher priority (reference 2.10 "Preemption"). */
export interface PreemptedRow {
  readonly by: GroupId;
}

/** What a member said last of its interfaces, in the present view. */
export interface ConnectivityRow {
  readonly node: NodeId;
  readonly incarnation: number;
  readonly interfaces: ConnectivityInput["interfaces"];
}

export interface InterfaceRow {
  readonly id: string;
  readonly state: NetworkInterfaceState;
  readonly reason: Reason;
}

export interface NetworkRow {
  readonly id: string;
  readonly state: NetworkState;
  readonly reason: Reason;
}

/** Failures of commands that depend on run-time state and therefore cannot be durable. */
export interface RefusalRow {
  readonly incarnation: number;
  readonly failures: readonly (readonly [number, ErrorBody])[];
}

const UNTOUCHED: Reason = { text: "It has not been brought online yet.", rule: "initial", sinceMs: 0 };

const NOT_TOLD: Reason = { text: "Not all nodes have told yet what they reach.", rule: "initial", sinceMs: 0 };

export function initialInterfaceRow(id: string): InterfaceRow {
  return { id, state: "StateUnknown", reason: NOT_TOLD };
}

export function initialNetworkRow(id: string): NetworkRow {
  return { id, state: "StateUnknown", reason: NOT_TOLD };
}

export function initialNodeRow(id: NodeId): NodeRow {
  return { id, state: "Down", incarnation: null, inventoryKnown: false, drainStatus: "NotInitiated", drain: null, failbackStatus: "NotInitiated", leaving: false, evictedName: null, reason: { text: "It has not joined yet.", rule: "initial", sinceMs: 0 } };
}

export function initialGroupRow(id: GroupId): GroupRow {
  return {
    id,
    owner: null,
    generation: 0,
    failoversMs: [],
    movingTo: null,
    moveKind: null,
    ignoreLocked: false,
    returnTo: null,
    queuedMove: null,
    drainedFrom: null,
    startGate: "waiting",
    automatic: true,
    gateSinceMs: null,
    lookAtMs: null,
    waitsFor: [],
    startedAtMs: null,
    announced: "Offline",
    cause: null,
    reason: UNTOUCHED,
  };
}

export function initialResourceRow(id: ResourceId): ResourceRow {
  return { id, state: "Offline", status: 0, pendingEffect: null, lastEffect: null, pendingAction: "online", failuresMs: [], restartAtMs: null, waitsFor: null, servedUntilMs: null, processId: null, reason: UNTOUCHED };
}
