import type { GroupSetRecord } from "../model/objects.ts";
import { groupSetProperties } from "../model/properties.ts";
import { GroupSetStatus, ResourceStatus } from "../model/states.ts";
import { effectiveProperties } from "../model/views.ts";
import type { GroupSetView } from "../model/views.ts";
import { groupRow, nameOfProvider, resourcesOf } from "./describe.ts";
import { contextOf } from "./looking.ts";
import { compareText, foldName } from "./order.ts";
import { findGroupSet } from "./resolve.ts";
import { describeProviders, isReady } from "./start-order.ts";
import type { ClusterState } from "./state.ts";

/** Group sets as people see them (reference 2.7, 2.13). */
export function describeGroupSets(state: ClusterState): GroupSetView[] {
  return state.tables.groupSets
    .keys()
    .map((id) => viewOfSet(state, state.tables.groupSets.get(id) as GroupSetRecord))
    .sort((left, right) => compareText(foldName(left.name), foldName(right.name)));
}

/** @throws MusterError MUSTER_GROUP_SET_NOT_FOUND */
export function describeGroupSet(state: ClusterState, name: string): GroupSetView {
  return viewOfSet(state, findGroupSet(state, name));
}

function viewOfSet(state: ClusterState, set: GroupSetRecord): GroupSetView {
  const context = contextOf(state);
  const ready = state.tables.view.size > 0 && isReady(context, set.id);
  return {
    id: set.id,
    name: set.name,
    groups: set.groups.map((id) => nameOfProvider(state, id)).sort(compareText),
    startsAfter: set.startsAfter.map((id) => nameOfProvider(state, id)).sort(compareText),
    isReady: ready,
    waiting: state.groupIdsWaitingFor(set.id).map((id) => nameOfProvider(state, id)).sort(compareText),
    reason: ready ? "Everything that starts after it may start." : `What starts after it waits for ${describeProviders(context, [set.id])}.`,
    properties: { ...effectiveProperties(groupSetProperties, set.properties), Name: set.name, StatusInformation: statusBits(state, set) },
  };
}

function statusBits(state: ClusterState, set: GroupSetRecord): number {
  const states = set.groups.map((id) => groupRow(state, id).announced);
  const has = (bit: number): boolean => set.groups.length > 0 && set.groups.every((id) => resourcesOf(state, id).some(({ row }) => (row.status & bit) !== 0));
  let bits = 0;
  if (states.includes("Pending")) bits |= GroupSetStatus.GroupsPending;
  if (states.length > 0 && states.every((one) => one === "Online")) bits |= GroupSetStatus.GroupsOnline;
  if (has(ResourceStatus.OsHeartbeat)) bits |= GroupSetStatus.OsHeartbeat;
  if (has(ResourceStatus.ApplicationReady)) bits |= GroupSetStatus.ApplicationReady;
  return bits;
}
