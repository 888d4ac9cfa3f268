import type { ClusterEvent } from "../model/events.ts";
import type { AffinityRuleRecord, ClusterRecord, DatabaseValue, FaultDomainRecord, GroupRecord, GroupSetRecord, NetworkInterfaceRecord, NetworkRecord, NodeRecord, ResourceRecord, ResourceTypeRecord } from "../model/objects.ts";
import type { Weights } from "../model/votes.ts";
import type { AffinityIgnoredRow, ConnectivityRow, DeparturesRow, EventRingRow, FailbackRow, GroupRow, InterfaceRow, LeftoverRow, HoldRow, LocalTimeRow, MarkRow, NetworkRow, NodeRow, OwnerWaitRow, PositionRow, PreemptedRow, QuarantineRow, QuorumRow, RecordingRow, RefusalRow, RequestRow, ResourceRow, UnrecordedRow, ViewRow } from "./records.ts";
import type { TableKind } from "./table.ts";

/** The tables of a state: what is in each, and which of them are durable. */

export interface Rows {
  readonly cluster: ClusterRecord;
  readonly nodes: NodeRecord;
  readonly groups: GroupRecord;
  readonly resources: ResourceRecord;
  readonly resourceTypes: ResourceTypeRecord;
  readonly groupSets: GroupSetRecord;
  readonly faultDomains: FaultDomainRecord;
  readonly affinityRules: AffinityRuleRecord;
  readonly networks: NetworkRecord;
  readonly networkInterfaces: NetworkInterfaceRecord;
  readonly keys: DatabaseValue;
  readonly requests: RequestRow;
  readonly votes: Weights;
  readonly view: ViewRow;
  readonly quorum: QuorumRow;
  readonly holds: HoldRow;
  /** Groups that wait for a hold, and groups that a member of the view was seen to run. */
  readonly held: MarkRow;
  readonly holdFree: MarkRow;
  readonly position: PositionRow;
  readonly nodeRuntime: NodeRow;
  readonly groupRuntime: GroupRow;
  readonly resourceRuntime: ResourceRow;
  readonly leftovers: LeftoverRow;
  readonly refusals: RefusalRow;
  readonly eventRing: EventRingRow;
  readonly events: ClusterEvent;
  readonly unrecorded: UnrecordedRow;
  readonly recording: RecordingRow;
  readonly affinityIgnored: AffinityIgnoredRow;
  readonly ownerWaits: OwnerWaitRow;
  readonly failbacks: FailbackRow;
  readonly localTime: LocalTimeRow;
  readonly departures: DeparturesRow;
  readonly quarantines: QuarantineRow;
  readonly preempted: PreemptedRow;
  readonly connectivity: ConnectivityRow;
  readonly interfaceRuntime: InterfaceRow;
  readonly networkRuntime: NetworkRow;
}

export type TableName = keyof Rows;

export const tableKinds: Readonly<Record<TableName, TableKind>> = {
  cluster: "durable",
  nodes: "durable",
  groups: "durable",
  resources: "durable",
  resourceTypes: "durable",
  groupSets: "durable",
  faultDomains: "durable",
  affinityRules: "durable",
  networks: "durable",
  networkInterfaces: "durable",
  keys: "durable",
  requests: "durable",
  votes: "durable",
  view: "volatile",
  quorum: "volatile",
  holds: "volatile",
  held: "volatile",
  holdFree: "volatile",
  position: "volatile",
  nodeRuntime: "volatile",
  groupRuntime: "volatile",
  resourceRuntime: "volatile",
  leftovers: "volatile",
  refusals: "volatile",
  eventRing: "volatile",
  events: "volatile",
  unrecorded: "volatile",
  recording: "volatile",
  affinityIgnored: "volatile",
  ownerWaits: "volatile",
  failbacks: "volatile",
  localTime: "volatile",
  departures: "volatile",
  quarantines: "volatile",
  preempted: "volatile",
  connectivity: "volatile",
  interfaceRuntime: "volatile",
  networkRuntime: "volatile",
};

export const tableNames = Object.keys(tableKinds) as TableName[];

/** Where each stands among {@link tableNames}. */
export const tablePlaces: ReadonlyMap<string, number> = new Map(tableNames.map((name, place) => [name, place]));
/** What users write, which requests came, and how far the log is: no decision of the core reads it. */
export const UNDECIDING: ReadonlySet<TableName> = new Set(["keys", "requests", "position"]);
