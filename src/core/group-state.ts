import type { GroupRecord, ResourceRecord } from "../model/objects.ts";
import type { GroupState } from "../model/states.ts";
import type { ResourceRow } from "./records.ts";
import { groupWantedOnline } from "./wanted.ts";

export interface ResourceWithRow {
  readonly record: ResourceRecord;
  readonly row: ResourceRow;
}

/**
 * The state of a group from the states of its resources (reference 2.3). A failed resource
 * whose restart is already planned counts as pending, as Windows' "DelayRestartingResource" does:
 * Failed means that nothing more happens by itself before the retry period.
 */
export function deriveGroupState(group: GroupRecord, resources: readonly ResourceWithRow[], moving: boolean): GroupState {
  if (resources.length === 0) return groupWantedOnline(group) ? "Online" : "Offline";
  // A role on its way to another node is not left failed, whatever made it go.
  if (moving) return "Pending";
  if (resources.some(({ row }) => row.state === "Failed" && row.waitsFor !== "restart")) return "Failed";
  if (resources.some(({ row }) => isPending(row) || row.waitsFor === "restart" || row.waitsFor === "copy")) return "Pending";
  if (resources.every(({ row }) => row.state === "Online")) return "Online";
  if (resources.every(({ row }) => row.state === "Offline")) return "Offline";
  return "PartialOnline";
}

export function isPending(row: ResourceRow): boolean {
  return row.state === "OnlinePending" || row.state === "OfflinePending";
}

/** Something of it may still be running on its node. */
export function isRunning(row: ResourceRow): boolean {
  return row.state === "Online" || isPending(row);
}
