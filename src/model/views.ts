import type { ErrorBody } from "./errors.ts";
import type { ClusterEvent } from "./events.ts";
import type { HeartbeatView } from "./heartbeat.ts";
import type { Command } from "./inputs.ts";
import type { PropertyBag, PropertyValue } from "./objects.ts";
import type { PropertyTable } from "./properties.ts";
import type { AffinityRuleType, FaultDomainType, GroupState, NetworkInterfaceState, NetworkState, NodeDrainStatus, NodeState, ResourceState, WitnessKind } from "./states.ts";

/**
 * What every interface shows: the command line with `--json`, the API, the console.
 * Objects are named by their names; values are those in force, defaults included.
 */

/** Why something is as it is. */
export interface ReasonView {
  readonly text: string;
  /** Short name of the rule that decided. */
  readonly rule: string;
  /** Cluster time. */
  readonly sinceMs: number;
  /** Wall time now minus this = how long it has been so. */
  readonly forMs: number;
  /** The one command that helps, where something is wrong. */
  readonly command: string | null;
}

export interface ClusterView {
  readonly id: string;
  readonly name: string;
  /** Active = a view is active and roles are served. */
  readonly state: "Active" | "Waiting";
  readonly epoch: number;
  readonly orderer: string | null;
  readonly members: readonly string[];
  readonly nodes: number;
  readonly nodesUp: number;
  readonly groups: number;
  readonly groupsOnline: number;
  /** Whole sentences about what is not as it should be; empty = healthy. */
  readonly problems: readonly string[];
  readonly properties: Readonly<Record<string, PropertyValue>>;
  /** How soon a silent node is missed; null or absent = the engine of this cluster does not go by these properties. */
  readonly heartbeat?: HeartbeatView | null;
  readonly clusterTimeMs: number;
  readonly wallTimeMs: number;
}

export interface NodeView {
  readonly id: number;
  readonly name: string;
  readonly state: NodeState;
  readonly drainStatus: NodeDrainStatus;
  readonly incarnation: number | null;
  readonly inventoryKnown: boolean;
  /** How far the roles that had left it for a drain are back. */
  readonly failbackStatus: NodeDrainStatus;
  /** Where its roles are drained to, when somebody named a node. */
  readonly drainTarget: string | null;
  /** Its service is about to stop; `mayStop` when nothing is to be waited for any more. */
  readonly stopping: boolean;
  readonly mayStop: boolean;
  /** "Site:…", "Rack:…", "Chassis:…": where it stands, the outermost first. */
  readonly faultDomain: readonly string[];
  /** It is a member but hosts nothing: until this wall time in milliseconds, or "cleared" = until somebody does; null = it is not. */
  readonly quarantinedUntil: number | "cleared" | null;
  /** Where the other nodes reach it, one address in each of the cluster's links; empty with the embedded engine. */
  readonly addresses: readonly string[];
  /** Names of the groups it owns. */
  readonly groups: readonly string[];
  readonly reason: ReasonView;
  readonly properties: Readonly<Record<string, PropertyValue>>;
}

export interface GroupView {
  readonly id: string;
  readonly name: string;
  readonly state: GroupState;
  readonly ownerNode: string | null;
  readonly wantedState: "Online" | "Offline";
  readonly movingTo: string | null;
  /** A move waits until nothing is locked: the node, or "best". */
  readonly queuedMoveTo: string | null;
  /** Names of the groups and group sets it starts after, its set's included. */
  readonly startsAfter: readonly string[];
  readonly groupSet: string | null;
  /** Those of them it waits for now. */
  readonly waitsFor: readonly string[];
  readonly preferredOwners: readonly string[];
  /** Where it ran last or was moved to. */
  readonly defaultOwner: string | null;
  /** Names of the affinity rules it is in. */
  readonly affinityRules: readonly string[];
  readonly resources: readonly string[];
  readonly generation: number;
  readonly reason: ReasonView;
  /** Failovers by failure inside FailoverPeriod. */
  readonly failovers: { readonly count: number; readonly threshold: number; readonly periodHours: number };
  readonly properties: Readonly<Record<string, PropertyValue>>;
}

export interface ResourceView {
  readonly id: string;
  readonly name: string;
  readonly group: string;
  readonly type: string;
  readonly state: ResourceState;
  readonly ownerNode: string | null;
  readonly wantedState: "Online" | "Offline";
  /** As people write it; empty = depends on nothing. */
  readonly dependency: string;
  readonly dependents: readonly string[];
  /** null = every node. */
  readonly possibleOwners: readonly string[] | null;
  readonly processId: number | null;
  readonly reason: ReasonView;
  /** Failures inside RestartPeriod. */
  readonly failures: { readonly count: number; readonly threshold: number; readonly periodMs: number };
  /** Cluster time of the next attempt, null = none is planned. */
  readonly nextAttemptMs: number | null;
  readonly properties: Readonly<Record<string, PropertyValue>>;
  readonly privateProperties: Readonly<Record<string, PropertyValue>>;
}

export interface GroupSetView {
  readonly id: string;
  readonly name: string;
  readonly groups: readonly string[];
  /** Names of what its groups start after. */
  readonly startsAfter: readonly string[];
  readonly isReady: boolean;
  /** Names of groups that wait for it now. */
  readonly waiting: readonly string[];
  readonly reason: string;
  readonly properties: Readonly<Record<string, PropertyValue>>;
}

/** A subnet that nodes share. */
export interface NetworkView {
  readonly id: string;
  readonly name: string;
  readonly state: NetworkState;
  /** `address/length`. */
  readonly prefixes: readonly string[];
  /** Names of its interfaces: node - adapter. */
  readonly interfaces: readonly string[];
  readonly reason: ReasonView;
  readonly properties: Readonly<Record<string, PropertyValue>>;
}

/** An adapter of a node. */
export interface NetworkInterfaceView {
  readonly id: string;
  readonly name: string;
  readonly node: string;
  readonly network: string;
  readonly adapter: string;
  readonly addresses: readonly string[];
  readonly state: NetworkInterfaceState;
  readonly reason: ReasonView;
  readonly properties: Readonly<Record<string, PropertyValue>>;
}

/** Which roles shall be together or apart. */
export interface AffinityRuleView {
  readonly id: string;
  readonly name: string;
  readonly type: AffinityRuleType;
  readonly groups: readonly string[];
  readonly enabled: boolean;
  readonly soft: boolean;
  /** What is not as the rule wants it now, in sentences; empty = it is kept. */
  readonly violations: readonly string[];
}

/** A site, rack or chassis. */
export interface FaultDomainView {
  readonly id: string;
  readonly name: string;
  readonly type: FaultDomainType;
  readonly parent: string | null;
  readonly location: string;
  readonly description: string;
  /** Names of the domains and nodes that stand directly in it. */
  readonly children: readonly string[];
}

export interface ResourceTypeView {
  readonly name: string;
  readonly description: string;
  readonly builtIn: boolean;
  readonly properties: Readonly<Record<string, PropertyValue>>;
  readonly privateProperties: PropertyTable;
}

// ---- quorum ------------------------------------------------------------------

export interface QuorumNodeView {
  readonly node: string;
  readonly present: boolean;
  /** NodeWeight: what the administrator allows. */
  readonly weight: number;
  /** DynamicWeight: the vote it has now. */
  readonly vote: number;
  readonly reason: string;
}

export interface QuorumWitnessView {
  readonly kind: WitnessKind;
  readonly state: "Online" | "Failed" | "Unknown";
  readonly vote: number;
  readonly reason: string;
  readonly sinceMs: number;
  readonly properties: Readonly<Record<string, PropertyValue>>;
}

export interface QuorumView {
  readonly type: "NodeMajority" | "NodeAndWitnessMajority";
  /** Windows' number of it. */
  readonly typeNumber: number;
  readonly dynamicQuorum: boolean;
  /** V, what of it is needed, and what is here. */
  readonly votes: number;
  readonly needed: number;
  readonly held: number;
  readonly nodes: readonly QuorumNodeView[];
  readonly witness: QuorumWitnessView | null;
  readonly claimed: boolean;
  readonly forced: boolean;
  /** Counts the changes of the votes. */
  readonly change: number;
  readonly sinceMs: number;
  readonly forMs: number;
  /** null without a view. */
  readonly survives: {
    readonly nodes: readonly string[];
    readonly notNodes: readonly string[];
    readonly witness: boolean | null;
    readonly pairs: number;
    readonly pairsTotal: number;
    readonly oneByOneAtLeast: number;
    readonly oneByOneAtMost: number;
  } | null;
  /** What can be lost next, in words. */
  readonly sentences: readonly string[];
}

export interface QuorumExplanation {
  readonly summary: string;
  readonly rule: string;
  readonly sinceMs: number;
  readonly forMs: number;
  readonly nodes: readonly QuorumNodeView[];
  readonly witness: QuorumWitnessView | null;
  readonly canBeLost: readonly string[];
  readonly whatWouldChangeIt: readonly string[];
  readonly command: string | null;
}

// ---- why ---------------------------------------------------------------------

export interface Explanation {
  readonly group: string;
  readonly state: GroupState;
  readonly ownerNode: string | null;
  /** One sentence. */
  readonly summary: string;
  readonly rule: string;
  readonly sinceMs: number;
  readonly forMs: number;
  readonly nodes: readonly ExplainedNode[];
  readonly resources: readonly ExplainedResource[];
  readonly failovers: { readonly count: number; readonly threshold: number; readonly periodHours: number };
  /** Whole sentences: events that would change the state. */
  readonly whatWouldChangeIt: readonly string[];
  readonly command: string | null;
}

/** "Why?" of one object: the sentence, the facts, and what would change it. */
interface PartExplanation {
  readonly summary: string;
  readonly rule: string;
  readonly sinceMs: number;
  readonly forMs: number;
  readonly facts: readonly string[];
  readonly whatWouldChangeIt: readonly string[];
  readonly command: string | null;
}

export interface NodeExplanation extends PartExplanation {
  readonly node: string;
  readonly state: NodeState;
}

export interface ResourceExplanation extends PartExplanation {
  readonly resource: string;
  readonly group: string;
  readonly state: ResourceState;
}

export interface ExplainedNode {
  readonly node: string;
  readonly canHost: boolean;
  readonly isOwner: boolean;
  /** Why not, or why it comes where it does in the order. */
  readonly reason: string;
}

export interface ExplainedResource {
  readonly resource: string;
  readonly state: ResourceState;
  readonly reason: string;
  readonly sinceMs: number;
  readonly failures: { readonly count: number; readonly threshold: number; readonly periodMs: number };
  readonly nextAttemptMs: number | null;
}

// ---- what if -----------------------------------------------------------------

export type Hypothesis =
  | { readonly what: "nodeDown"; readonly node: string }
  | { readonly what: "nodeUp"; readonly node: string }
  /** All at the same moment. */
  | { readonly what: "nodesDown"; readonly nodes: readonly string[] }
  /** These nodes on one side, all others on the other. */
  | { readonly what: "networkCut"; readonly nodes: readonly string[] }
  | { readonly what: "witness"; readonly state: "lost" | "back" }
  | { readonly what: "resourceFails"; readonly resource: string }
  | { readonly what: "command"; readonly command: Command };

export interface PlannedMove {
  readonly group: string;
  readonly from: string | null;
  readonly to: string | null;
  readonly reason: string;
}

export interface PlannedState {
  readonly group: string;
  readonly before: GroupState | null;
  readonly after: GroupState | null;
  readonly ownerNode: string | null;
}

/** What would happen if all resources do as they are told. */
export interface Plan {
  /** Every change of owner, in order. */
  readonly moves: readonly PlannedMove[];
  /** Groups whose state or owner would be another one; null = the group does not exist. */
  readonly groups: readonly PlannedState[];
  readonly events: readonly ClusterEvent[];
  /** Cluster time that would pass until nothing more happens. */
  readonly durationMs: number;
  /** In the end no set of nodes may go on: no role is served. */
  readonly stopped: boolean;
  /** False when the plan was cut off at its limits. */
  readonly quiet: boolean;
  readonly notes: readonly string[];
  /** For a change of heartbeat properties: what they would come to. */
  readonly heartbeat?: HeartbeatView;
}

export type DryRun = { readonly plan: Plan; readonly error: null } | { readonly plan: null; readonly error: ErrorBody };

/** `a` as a bag with defaults filled in; kept here so that all views agree. */
export function effectiveProperties(table: PropertyTable, bag: PropertyBag): Record<string, PropertyValue> {
  return Object.fromEntries(table.map((property) => [property.name, bag[property.name] ?? property.default]));
}

/** What is told of the lease of one node (PROTOCOL part 2). */
export interface LeaseView {
  readonly node: string;
  readonly tokenMs: number;
  /** By which others are waited for: the longer one while the token changes, else the same. */
  readonly waitingTokenMs: number;
  readonly leaseMs: number;
  readonly tickMs: number;
  readonly granularityMs: number;
  readonly holdMs: number;
  readonly permitMs: number;
  readonly permitHoldMs: number;
  readonly detectionMs: number;
  readonly gate: { readonly open: boolean; readonly leftMs: number; readonly owned: readonly string[]; readonly clustered: readonly string[]; readonly droppedPackets: number } | null;
  readonly margin: { readonly minimumMs: number; readonly medianMs: number; readonly renewals: number } | null;
  readonly evidenceAgeMs: number | null;
  readonly epoch: number | null;
  readonly confirmed: number;
  readonly reopened: number;
  readonly repairs: number;
  readonly realTime: { readonly priority: number | null; readonly problems: readonly string[] };
  readonly holds: readonly { readonly node: string; readonly leaseMs: number; readonly permitMs: number }[];
}
