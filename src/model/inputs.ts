import type { EffectId, Generation, GroupId, Member, NodeId, ResourceId } from "./identifiers.ts";
import type { DatabaseValue, PropertyBag, ProviderRecord, ResourceRecord, ResourceTypeRecord } from "./objects.ts";
import type { AffinityRuleType, FaultDomainType, ResumeFailback, WitnessKind } from "./states.ts";
import type { Hold, Weights } from "./votes.ts";

/** What the log stamps on every entry before the core sees it. Time comes from here and nowhere else. */
export interface Stamp {
  readonly epoch: number;
  readonly index: number;
  /** Cluster time: base of the epoch + the orderer's monotonic elapsed time. Deadlines count in it. */
  readonly clusterTimeMs: number;
  /** The orderer's wall clock, for people and for events. */
  readonly wallTimeMs: number;
}

/** Everything the core can be asked to handle. Kind "D" is durable, "V" lives in memory (PROTOCOL rule 8). */
export type CoreInput = ViewInput | CommandInput | WeightsInput | ReportInput | InventoryInput | DueInput | WitnessInput | ReleasedInput | ConnectivityInput;

/** Entry 0 of an epoch: who is in the view. */
export interface ViewInput {
  readonly kind: "view";
  readonly members: readonly Member[];
  /** Present but without a complete copy yet: no vote, hosts nothing. */
  readonly learners: readonly NodeId[];
  readonly orderer: NodeId;
  /** The copy each member holds, in the order of `members`; absent in inputs of the first release. */
  readonly stores?: readonly string[];
  /** The votes of the nodes did not decide it: a claim on the witness did. */
  readonly claimed?: boolean;
  /** An administrator forced it (PROTOCOL rule 13); the cluster stays forced until a majority is up. */
  readonly forced?: boolean;
  /** Members whose copies held what the forced one does not: that is lost. */
  readonly discarded?: readonly NodeId[];
  /** Nodes that were left out and may still be serving. */
  readonly holds?: readonly Hold[];
  /** Nobody knows what ran before: every configured node that is not here may be serving for that long. */
  readonly holdAbsentMs?: number;
  /** The same for processes that only their own permit ends; absent = as long. */
  readonly holdAbsentPermitMs?: number;
}

/** New votes are in force (PROTOCOL rule 10). Durable. */
export interface WeightsInput {
  readonly kind: "weights";
  readonly weights: Weights;
}

/** A level: what the node that looks after the witness knows of it. */
export interface WitnessInput {
  readonly kind: "witness";
  readonly from: Member;
  /** Of the configuration it speaks of. */
  readonly witness: string;
  readonly state: "online" | "failed";
  /** For people; required when it failed. */
  readonly reason: string;
}

/** The monitor of a dead service has closed the gate and ended everything: nobody needs to wait for that life (PROTOCOL part 2). */
export interface ReleasedInput {
  readonly kind: "released";
  readonly from: Member;
  readonly released: Member;
}

/** A level: the interfaces of a node, and whom it hears through each (reference 1.6). */
export interface ConnectivityInput {
  readonly kind: "connectivity";
  readonly from: Member;
  readonly interfaces: readonly { readonly interface: string; readonly linkUp: boolean; readonly hears: readonly NodeId[] }[];
}

export interface CommandInput {
  readonly kind: "command";
  /** `node.incarnation.number` of the asking service: a request sent twice is applied once. */
  readonly requestId: RequestId;
  readonly command: Command;
}

export interface RequestId {
  readonly node: NodeId;
  readonly incarnation: number;
  readonly number: number;
}

/** A level, not an edge: what a resource is now, sent again until seen in an entry (rule 15). */
export interface ReportInput {
  readonly kind: "report";
  readonly from: Member;
  readonly resource: ResourceId;
  readonly generation: Generation;
  /** The newest order that this is the outcome of, also when nobody ordered what has happened since (a failure); null = none. */
  readonly effect: EffectId | null;
  readonly state: ReportedState;
  /** For people; required when the state is failed. */
  readonly reason: string;
  readonly processId: number | null;
  /** Absent = as before. What the type says beside the state (reference 2.4, 2.9). */
  readonly status?: ReportedStatus;
  /** Offline because the permit of its node ran out: nothing was wrong with it. */
  readonly permitEnded?: true;
}

export interface ReportedStatus {
  /** It must not be moved or taken offline now (a backup runs, for example). */
  readonly locked?: boolean;
  /** The application inside failed although the resource itself runs. */
  readonly embeddedFailure?: boolean;
  readonly networkFailure?: boolean;
  readonly osHeartbeat?: boolean;
  readonly applicationReady?: boolean;
}

export type ReportedState = "online" | "offline" | "failed" | "onlinePending" | "offlinePending";

/** What a node has, sent after each ACTIVE (rule 15). Resources that are offline are not listed, but for those that its permit ended. */
export interface InventoryInput {
  readonly kind: "inventory";
  readonly from: Member;
  readonly resources: readonly InventoryItem[];
}

export interface InventoryItem {
  readonly resource: ResourceId;
  readonly generation: Generation;
  readonly state: ReportedState;
  readonly effect: EffectId | null;
  readonly processId: number | null;
  /** Absent = its type has said nothing beside the state. */
  readonly status?: ReportedStatus;
  readonly permitEnded?: true;
}

/** A deadline of the state has passed; the clock is in the stamp. */
export interface DueInput {
  readonly kind: "due";
  /** How far the orderer's local time is from UTC now, in minutes, east positive: hours of the day are cluster local time. Absent = as before, at first UTC. */
  readonly utcOffsetMinutes?: number;
}

// ---- commands: what an administrator can ask -------------------------------

/** Objects are named by name or id in commands; the core resolves them. */
export type Command =
  | { readonly verb: "group.create"; readonly name: string; readonly properties?: PropertyBag; readonly preferredOwners?: readonly string[] }
  | { readonly verb: "group.delete"; readonly group: string; readonly force?: boolean }
  | { readonly verb: "group.set"; readonly group: string; readonly properties?: PropertyBag; readonly preferredOwners?: readonly string[]; readonly name?: string; readonly startsAfter?: readonly string[] }
  /** On its owner, on `node`, or on the best possible node. */
  | { readonly verb: "group.online"; readonly group: string; readonly node?: string; readonly bestPossible?: boolean; readonly ignoreLocked?: boolean; readonly ignoreAffinity?: boolean }
  | { readonly verb: "group.offline"; readonly group: string; readonly ignoreLocked?: boolean }
  | ({ readonly verb: "group.move"; readonly group: string; readonly node?: string } & MoveFlags)
  /** Ends a move that is queued or under way (reference 2.11). */
  | { readonly verb: "group.cancel"; readonly group: string }
  | {
      readonly verb: "resource.create";
      readonly name: string;
      readonly group: string;
      readonly type: string;
      readonly properties?: PropertyBag;
      readonly privateProperties?: PropertyBag;
      readonly dependency?: string;
      readonly possibleOwners?: readonly string[];
    }
  | { readonly verb: "resource.delete"; readonly resource: string; readonly force?: boolean }
  | { readonly verb: "resource.set"; readonly resource: string; readonly properties?: PropertyBag; readonly privateProperties?: PropertyBag; readonly possibleOwners?: readonly string[] | null; readonly name?: string }
  | { readonly verb: "resource.depend"; readonly resource: string; readonly dependency: string }
  /** Takes the resource, and all it depends on or that depends on it, to another group. */
  | { readonly verb: "resource.move"; readonly resource: string; readonly group: string }
  | { readonly verb: "resource.online"; readonly resource: string; readonly ignoreLocked?: boolean }
  | { readonly verb: "resource.offline"; readonly resource: string; readonly ignoreLocked?: boolean }
  | { readonly verb: "resource.fail"; readonly resource: string }
  | { readonly verb: "node.add"; readonly name: string; readonly addresses?: readonly string[] }
  | { readonly verb: "node.evict"; readonly node: string; readonly force?: boolean }
  | { readonly verb: "node.set"; readonly node: string; readonly properties?: PropertyBag; /** null = none. */ readonly faultDomain?: string | null }
  /** `target`: where the drained roles go; `force`: also those that cannot go gracefully. */
  | { readonly verb: "node.pause"; readonly node: string; readonly drain?: boolean; readonly target?: string; readonly force?: boolean; readonly retry?: boolean }
  /** true = FailbackGroupsImmediately. */
  | { readonly verb: "node.resume"; readonly node: string; readonly failback?: boolean | ResumeFailback }
  /** Its service is about to stop: its roles leave (DrainOnShutdown) and its vote moves; the node's view says when it may go. */
  | { readonly verb: "node.shutdown"; readonly node: string; readonly drain?: boolean }
  | { readonly verb: "node.clearQuarantine"; readonly node: string }
  | { readonly verb: "cluster.set"; readonly properties?: PropertyBag; readonly name?: string }
  /** null = no witness (reference 4.1). */
  | { readonly verb: "quorum.set"; readonly witness: { readonly kind: WitnessKind; readonly properties: PropertyBag } | null }
  | { readonly verb: "groupset.create"; readonly name: string; readonly groups?: readonly string[]; readonly properties?: PropertyBag; readonly startsAfter?: readonly string[] }
  | { readonly verb: "groupset.delete"; readonly set: string }
  | { readonly verb: "groupset.set"; readonly set: string; readonly name?: string; readonly properties?: PropertyBag; readonly groups?: readonly string[]; readonly startsAfter?: readonly string[] }
  | { readonly verb: "affinity.create"; readonly name: string; readonly type: AffinityRuleType; readonly groups?: readonly string[]; readonly enabled?: boolean; readonly soft?: boolean }
  | { readonly verb: "affinity.delete"; readonly rule: string }
  | { readonly verb: "affinity.set"; readonly rule: string; readonly name?: string; readonly type?: AffinityRuleType; readonly groups?: readonly string[]; readonly enabled?: boolean; readonly soft?: boolean }
  | { readonly verb: "faultdomain.create"; readonly name: string; readonly type: FaultDomainType; readonly parent?: string | null; readonly location?: string; readonly description?: string }
  | { readonly verb: "faultdomain.delete"; readonly domain: string }
  | { readonly verb: "faultdomain.set"; readonly domain: string; readonly name?: string; readonly parent?: string | null; readonly location?: string; readonly description?: string }
  /** Services tell what interfaces they have; networks follow from the subnets. Replaces what the node had. */
  | { readonly verb: "network.discover"; readonly node: string; readonly interfaces: readonly { readonly adapter: string; readonly hardwareAddress: string; readonly addresses: readonly string[]; readonly defaultGateway: boolean }[] }
  | { readonly verb: "network.set"; readonly network: string; readonly name?: string; readonly properties?: PropertyBag }
  /**
   * What the state has found and the configuration shall remember (default owners, quarantines): the core asks for it
   * in {@link CoreRequest}, the orderer's service sends it.
   */
  | { readonly verb: "core.record"; readonly defaultOwners?: readonly (readonly [GroupId, NodeId])[]; readonly quarantines?: readonly { readonly node: NodeId; readonly untilWallMs: number | null }[] }
  /** Makes a type known or replaces its description; services send it for modules they find. */
  | { readonly verb: "type.register"; readonly type: ResourceTypeRecord }
  | { readonly verb: "database.batch"; readonly operations: readonly DatabaseOperation[] };

/** How a move is carried out (reference 2.11). */
export interface MoveFlags {
  /** Also what is locked; it is ended. */
  readonly ignoreLocked?: boolean;
  /** When it cannot come online there: back to where it was first. */
  readonly returnToSource?: boolean;
  /** When a resource is locked: wait until it is not, instead of refusing. */
  readonly queue?: boolean;
  /** Started on the target ahead of priorities and start order. */
  readonly highPriorityStart?: boolean;
  readonly ignoreAffinity?: boolean;
}

/** Commands of one batch take effect together or not at all (reference 1.4, 5.2.4). */
export type DatabaseOperation =
  | { readonly operation: "set"; readonly key: string; readonly value: DatabaseValue }
  | { readonly operation: "delete"; readonly key: string }
  | { readonly operation: "exists" | "notExists"; readonly key: string }
  | { readonly operation: "equal" | "notEqual" | "greater" | "less"; readonly key: string; readonly value: DatabaseValue };

// ---- what a step orders ----------------------------------------------------

/** A command that the state itself gives rise to; the service of the orderer sends it. Asked again in every view until it is done. */
export type CoreRequest = Extract<Command, { readonly verb: "core.record" }>;

/** An order to one node. Only that node carries it out; its monitor is idempotent by id (rule 14). */
export interface Effect {
  readonly id: EffectId;
  readonly node: NodeId;
  readonly action: "online" | "offline" | "terminate";
  readonly group: GroupId;
  readonly groupName: string;
  readonly generation: Generation;
  /** The whole record, so that a monitor needs nothing else; for offline and terminate it may be one that was just deleted. */
  readonly resource: ResourceRecord;
  /** It was online a moment ago, here or elsewhere: its type may take shortcuts. */
  readonly handover?: true;
  /** With an online order: what the resource depends on; absent = nothing. */
  readonly providers?: readonly ProviderRecord[];
  /** Why, for the log of the monitor and of the role. */
  readonly reason: string;
}
