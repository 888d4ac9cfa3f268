import type { GroupId } from "../model/identifiers.ts";
import type { GroupRecord, ResourceRecord } from "../model/objects.ts";
import { groupProperties, numberPropertyOf } from "../model/properties.ts";
import type { ClusterState } from "./state.ts";

/** What the administrator wants, from the configuration alone (reference 2.5 "Meaning of PersistentState"). */

export function groupWantedOnline(group: GroupRecord): boolean {
  return numberPropertyOf(groupProperties, group.properties, "PersistentState") === 1;
}

/** A resource's own wish stands above its group's. */
export function resourceWantedOnline(group: GroupRecord, resource: ResourceRecord): boolean {
  const own = resource.properties["PersistentState"];
  return own === undefined ? groupWantedOnline(group) : own === 1;
}

/** True when anything of the group shall be online; an empty group has only its own wish. */
export function wantsAnything(state: ClusterState, id: GroupId): boolean {
  const group = state.tables.groups.get(id);
  if (group === undefined) return false;
  if (state.resourceCountOf(id) === 0) return groupWantedOnline(group);
  return state.someResourceOf(id, (resource) => resourceWantedOnline(group, state.tables.resources.get(resource) as ResourceRecord));
}
