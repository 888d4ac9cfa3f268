import type { NodeId } from "../model/identifiers.ts";
import type { GroupRecord } from "../model/objects.ts";
import type { ClusterState } from "./state.ts";

/** Where the group ran last or was moved to (reference 2.10 "DefaultOwner"): as it is now, recorded or not; null = nowhere yet. */
export function lastOwner(state: ClusterState, group: GroupRecord): NodeId | null {
  const recorded = Number(group.properties["DefaultOwner"] ?? -1);
  return state.tables.unrecorded.get(group.id)?.node ?? (recorded < 0 ? null : recorded);
}
