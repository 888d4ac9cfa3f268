import type { ReportedStatus } from "../model/inputs.ts";
import type { GroupRecord, NodeRecord, ResourceRecord } from "../model/objects.ts";
import { GroupStatus, NodeStatus, ResourceStatus } from "../model/states.ts";
import type { StepContext } from "./context.ts";
import type { GroupRow, NodeRow, ResourceRow } from "./records.ts";

/** StatusInformation: what is special about an object beside its state (reference 2.2-2.4). */

const REPORTED: readonly (readonly [keyof ReportedStatus, number])[] = [
  ["locked", ResourceStatus.LockedMode],
  ["embeddedFailure", ResourceStatus.EmbeddedFailure],
  ["networkFailure", ResourceStatus.NetworkFailure],
  ["osHeartbeat", ResourceStatus.OsHeartbeat],
  ["applicationReady", ResourceStatus.ApplicationReady],
];

/** The bits after a report; what it does not mention stays. */
export function withReported(bits: number, reported: ReportedStatus): number {
  return REPORTED.reduce((sum, [name, bit]) => (reported[name] === undefined ? sum : reported[name] ? sum | bit : sum & ~bit), bits);
}

/** Bits that a group has when one of its resources has them. */
const OF_RESOURCES: readonly (readonly [number, number])[] = [
  [ResourceStatus.LockedMode, GroupStatus.LockedMode],
  [ResourceStatus.EmbeddedFailure, GroupStatus.EmbeddedFailure],
  [ResourceStatus.NetworkFailure, GroupStatus.NetworkFailure],
  [ResourceStatus.OsHeartbeat, GroupStatus.OsHeartbeat],
  [ResourceStatus.ApplicationReady, GroupStatus.ApplicationReady],
];

export function groupStatusBits(row: GroupRow, resources: readonly ResourceRow[]): number {
  let bits = 0;
  for (const resource of resources) for (const [from, to] of OF_RESOURCES) if ((resource.status & from) !== 0) bits |= to;
  if (row.queuedMove !== null) bits |= GroupStatus.WaitingInQueueForMove;
  if (row.waitsFor.length > 0) bits |= GroupStatus.WaitingForDependencies;
  if (row.startGate !== "open" && row.gateSinceMs !== null) bits |= GroupStatus.WaitingToStart;
  return bits;
}

export function nodeStatusBits(_node: NodeRecord, row: NodeRow): number {
  switch (row.drainStatus) {
    case "InProgress":
      return NodeStatus.DrainInProgress;
    case "Completed":
      return NodeStatus.DrainCompleted;
    case "Failed":
      return NodeStatus.DrainFailed;
    default:
      return NodeStatus.Normal;
  }
}

export function isLocked(row: ResourceRow): boolean {
  return (row.status & ResourceStatus.LockedMode) !== 0;
}

/** Resources of the group that must not be stopped now. */
export function lockedResources(context: StepContext, group: GroupRecord): ResourceRecord[] {
  return context.resourcesOf(group.id).filter((resource) => isLocked(context.resource(resource.id)));
}

export function sayLocked(context: StepContext, resource: ResourceRecord): void {
  const row = context.resource(resource.id);
  if (row.reason.rule !== "locked") context.setResource(resource.id, { reason: context.reason("locked", "It is locked: it goes on until its type says that it may be stopped.") });
}
