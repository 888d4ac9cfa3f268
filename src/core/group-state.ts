import type { ResourceId } from "../model/identifiers.ts";
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
 * Failed means that nothing more happens by itself before the retry period. One that an OR tolerates the failure of
 * (reference 2.8) does not count: a name on the addresses of two subnets is online with either.
 */
export function deriveGroupState(group: GroupRecord, all: readonly ResourceWithRow[], moving: boolean): GroupState {
  if (all.length === 0) return groupWantedOnline(group) ? "Online" : "Offline";
  // A role on its way to another node is not left failed, whatever made it go.
  if (moving) return "Pending";
  const resources = all.filter((resource) => resource.row.state !== "Failed" || resource.row.waitsFor === "restart" || standInsFor(resource.record, all) === null);
  if (resources.some(({ row }) => row.state === "Failed" && row.waitsFor !== "restart")) return "Failed";
  if (resources.some(({ row }) => isPending(row) || row.waitsFor === "restart" || row.waitsFor === "copy")) return "Pending";
  if (resources.every(({ row }) => row.state === "Online")) return "Online";
  if (resources.every(({ row }) => row.state === "Offline")) return "Offline";
  return "PartialOnline";
}

/**
 * What others use in the place of a resource that failed: in each clause that names it another one is online, or about
 * to be. null = somebody needs it, or nobody depends on it at all.
 */
export function standInsFor(failed: ResourceRecord, resources: readonly ResourceWithRow[]): readonly ResourceRecord[] | null {
  const clauses = resources.flatMap(({ record }) => record.dependencies.filter((clause) => clause.includes(failed.id)));
  const living = (clause: readonly ResourceId[]): ResourceWithRow | undefined => resources.find(({ record, row }) => record.id !== failed.id && clause.includes(record.id) && (row.state === "Online" || row.state === "OnlinePending" || row.waitsFor === "restart"));
  const found = clauses.map(living);
  if (found.length === 0) return null;
  const standIns = found.flatMap((one) => one?.record ?? []);
  return standIns.length === found.length ? [...new Set(standIns)] : null;
}

export function isPending(row: ResourceRow): boolean {
  return row.state === "OnlinePending" || row.state === "OfflinePending";
}

/** Something of it may still be running on its node. */
export function isRunning(row: ResourceRow): boolean {
  return row.state === "Online" || isPending(row);
}
