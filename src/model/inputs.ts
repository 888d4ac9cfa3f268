import type { EffectId, Generation, GroupId, Member, NodeId, ResourceId } from "./identifiers.ts";
import type { DatabaseValue, PropertyBag, ResourceRecord, ResourceTypeRecord } from "./objects.ts";

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
export type CoreInput = ViewInput | CommandInput | ReportInput | InventoryInput | DueInput;

/** Entry 0 of an epoch: who is in the view. */
export interface ViewInput {
  readonly kind: "view";
  readonly members: readonly Member[];
  /** Present but without a complete copy yet: no vote, hosts nothing. */
  readonly learners: readonly NodeId[];
  readonly orderer: NodeId;
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
  /** The order this answers; null for a change nobody ordered (a failure). */
  readonly effect: EffectId | null;
  readonly state: ReportedState;
  /** For people; required when the state is failed. */
  readonly reason: string;
  readonly processId: number | null;
}

export type ReportedState = "online" | "offline" | "failed" | "onlinePending" | "offlinePending";

/** What a node has, sent after each ACTIVE (rule 15). Resources that are offline are not listed. */
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
}

/** A deadline of the state has passed; the clock is in the stamp. */
export interface DueInput {
  readonly kind: "due";
}

// ---- commands: what an administrator can ask -------------------------------

/** Objects are named by name or id in commands; the core resolves them. */
export type Command =
  | { readonly verb: "group.create"; readonly name: string; readonly properties?: PropertyBag; readonly preferredOwners?: readonly string[] }
  | { readonly verb: "group.delete"; readonly group: string; readonly force?: boolean }
  | { readonly verb: "group.set"; readonly group: string; readonly properties?: PropertyBag; readonly preferredOwners?: readonly string[]; readonly name?: string }
  | { readonly verb: "group.online"; readonly group: string }
  | { readonly verb: "group.offline"; readonly group: string }
  | { readonly verb: "group.move"; readonly group: string; readonly node?: string }
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
  | { readonly verb: "resource.online"; readonly resource: string }
  | { readonly verb: "resource.offline"; readonly resource: string }
  | { readonly verb: "resource.fail"; readonly resource: string }
  | { readonly verb: "node.pause"; readonly node: string; readonly drain?: boolean }
  | { readonly verb: "node.resume"; readonly node: string; readonly failback?: boolean }
  | { readonly verb: "cluster.set"; readonly properties: PropertyBag }
  /** Makes a type known or replaces its description; services send it for modules they find. */
  | { readonly verb: "type.register"; readonly type: ResourceTypeRecord }
  | { readonly verb: "database.batch"; readonly operations: readonly DatabaseOperation[] };

/** Commands of one batch take effect together or not at all (reference 1.4, 5.2.4). */
export type DatabaseOperation =
  | { readonly operation: "set"; readonly key: string; readonly value: DatabaseValue }
  | { readonly operation: "delete"; readonly key: string }
  | { readonly operation: "exists" | "notExists"; readonly key: string }
  | { readonly operation: "equal" | "notEqual" | "greater" | "less"; readonly key: string; readonly value: DatabaseValue };

// ---- what a step orders ----------------------------------------------------

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
  /** Why, for the log of the monitor and of the role. */
  readonly reason: string;
}
