import type { ClusterState } from "../core/index.ts";
import type { NodeRecord } from "../model/objects.ts";
import type { KnownMember } from "./cluster-files.ts";

/** The nodes of the configuration that are machines of their own, by id. */
export function membersOf(state: ClusterState): KnownMember[] {
  return state
    .nodeIds()
    .map((id) => state.tables.nodes.get(String(id)) as NodeRecord)
    .filter((node) => node.addresses !== undefined)
    .map(({ id, name, addresses }) => ({ id, name, addresses: addresses! }))
    .sort((left, right) => left.id - right.id);
}
