import type { Generation, EffectId, GroupId, NodeId, ResourceId } from "./identifiers.ts";
import type { PropertyTable } from "./properties.ts";
import type { AffinityRuleType, FaultDomainType, NodeDrainStatus, ProtectionClass, ResourceState, WitnessKind } from "./states.ts";

/**
 * The records the core keeps. *Durable* ones are the Cluster Database: every change is an
 * entry of the log. *Volatile* ones are run-time state: rebuilt from reports after a cold start.
 * Records are never changed in place.
 */

export type PropertyValue = string | number | boolean | readonly string[];
/** Values that differ from the default, by Windows' property names (reference 2.5-2.7, 3.3). */
export type PropertyBag = Readonly<Record<string, PropertyValue>>;

// ---- durable ---------------------------------------------------------------

export interface ClusterRecord {
  readonly id: string;
  readonly name: string;
  readonly properties: PropertyBag;
  /** Absent or null = the nodes alone decide. */
  readonly witness?: WitnessRecord | null;
  /** Wall time of the last evict: a node is added AddEvictDelay later at the earliest. */
  readonly evictedAtWallMs?: number;
}

/** What breaks a tie (reference 4.4). Its own properties depend on the kind. */
export interface WitnessRecord {
  /** New with each configuration. */
  readonly id: string;
  readonly kind: WitnessKind;
  readonly properties: PropertyBag;
}

export interface NodeRecord {
  readonly id: NodeId;
  readonly name: string;
  /** Persisted by "pause": a paused node stays paused across restarts (reference 2.12). */
  readonly paused: boolean;
  readonly properties: PropertyBag;
  /** Id of the fault domain it stands in; absent = none. */
  readonly faultDomain?: string;
  /** Where the other nodes reach it, one address in each of the cluster's links; absent with the embedded engine. */
  readonly addresses?: readonly string[];
  /** It hosts nothing until then (reference 1.8); null = until an administrator clears it; absent = it was never quarantined. */
  readonly quarantinedUntilWallMs?: number | null;
}

export interface GroupRecord {
  readonly id: GroupId;
  readonly name: string;
  readonly preferredOwners: readonly NodeId[];
  readonly properties: PropertyBag;
  /** Ids of groups and group sets that must be ready before this one starts (reference 2.13); absent = none. */
  readonly startsAfter?: readonly string[];
}

/** Groups that start together, before those that wait for the set (reference 2.13). */
export interface GroupSetRecord {
  readonly id: string;
  readonly name: string;
  readonly groups: readonly GroupId[];
  /** Ids of group sets that must be ready before the groups of this one start. */
  readonly startsAfter: readonly string[];
  readonly properties: PropertyBag;
}

/** Which groups shall be together or apart (reference 2.10). */
export interface AffinityRuleRecord {
  readonly id: string;
  readonly name: string;
  readonly type: AffinityRuleType;
  readonly groups: readonly GroupId[];
  readonly enabled: boolean;
  /** It may be violated rather than leave a group offline. */
  readonly soft: boolean;
}

/** A site, rack or chassis (reference 2.14). */
export interface FaultDomainRecord {
  readonly id: string;
  readonly name: string;
  readonly type: FaultDomainType;
  /** A fault domain of a higher level; null = none. */
  readonly parent: string | null;
  readonly location: string;
  readonly description: string;
}

/** One subnet that nodes share (reference 2.7). */
export interface NetworkRecord {
  readonly id: string;
  readonly name: string;
  /** `address/length`, what makes it this network. */
  readonly prefixes: readonly string[];
  readonly properties: PropertyBag;
}

/** An adapter of a node on a network. */
export interface NetworkInterfaceRecord {
  readonly id: string;
  readonly node: NodeId;
  readonly network: string;
  readonly adapter: string;
  readonly hardwareAddress: string;
  /** `address/length`. */
  readonly addresses: readonly string[];
  readonly properties: PropertyBag;
}

export interface ResourceRecord {
  readonly id: ResourceId;
  readonly name: string;
  readonly group: GroupId;
  readonly type: string;
  /** AND of ORs over resource ids; empty = depends on nothing (reference 2.8). */
  readonly dependencies: readonly (readonly ResourceId[])[];
  /** null = every node. */
  readonly possibleOwners: readonly NodeId[] | null;
  readonly properties: PropertyBag;
  readonly privateProperties: PropertyBag;
}

/** What a resource depends on, as whoever runs the resource is told of it. */
export interface ProviderRecord {
  readonly resource: ResourceRecord;
  readonly isOnline: boolean;
}

/** What a cluster knows of a resource type: enough to check properties without loading its code. */
export interface ResourceTypeRecord {
  readonly name: string;
  readonly description: string;
  /** Values that differ from the defaults of {@link import("./properties.ts").resourceTypeProperties}. */
  readonly properties: PropertyBag;
  readonly privateProperties: PropertyTable;
  /** What keeps two nodes from running it at once, where the engine spans machines; absent = its process alone. */
  readonly protection?: ProtectionClass;
}

/** One value of the free part of the Cluster Database (reference 5.2.4). */
export interface DatabaseValue {
  readonly type: "string" | "number" | "binary" | "multiString";
  readonly value: string | number | readonly string[];
}

// ---- volatile --------------------------------------------------------------

/** Why something is as it is: the sentence, the place in the log, since when (cluster time), and what helps. */
export interface Reason {
  readonly text: string;
  readonly rule: string;
  readonly sinceMs: number;
  readonly command?: string;
}

export interface NodeRuntime {
  readonly id: NodeId;
  readonly state: "Up" | "Down" | "Joining";
  readonly incarnation: number | null;
  /** False from the moment a node enters a view until its inventory was handled (rule 15). */
  readonly inventoryKnown: boolean;
  readonly drainStatus: NodeDrainStatus;
  readonly reason: Reason;
}

export interface GroupRuntime {
  readonly id: GroupId;
  readonly owner: NodeId | null;
  readonly generation: Generation;
  /** Failovers by failure inside FailoverPeriod, cluster times in ms, oldest first; bounded. */
  readonly failoversMs: readonly number[];
  /** Where the group goes once it is offline on its owner; null = it stays. */
  readonly movingTo: NodeId | null;
  readonly reason: Reason;
}

export interface ResourceRuntime {
  readonly id: ResourceId;
  readonly state: ResourceState;
  /** The order last given for this resource; its report ends it. */
  readonly pendingEffect: EffectId | null;
  /** Failures inside RestartPeriod, cluster times in ms, oldest first; bounded. */
  readonly failuresMs: readonly number[];
  /** Cluster time at which the restart delay or retry period ends, null = none runs. */
  readonly restartAtMs: number | null;
  readonly processId: number | null;
  readonly reason: Reason;
}
