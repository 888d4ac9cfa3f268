import type { GroupId, NodeId } from "../model/identifiers.ts";
import type { GroupRecord } from "../model/objects.ts";
import { UNSET } from "../model/states.ts";
import type { StepContext } from "./context.ts";
import { isRunning } from "./group-state.ts";
import { LIMITED } from "./placement-indices.ts";
import type { ClusterState } from "./state.ts";
import { wantsAnything } from "./wanted.ts";

/**
 * How much each node serves. Until resources measure what they need, an administrator states it: the
 * GroupWeight of a role (1 when nothing is said, so that weights count roles) and the NodeCapacity of a node.
 */

export function weightOf(group: GroupRecord | undefined): number {
  return Number(group?.properties["GroupWeight"] ?? 1);
}

/** null = it has room for everything. */
function capacityOf(state: ClusterState, node: NodeId): number | null {
  const capacity = Number(state.tables.nodes.get(String(node))?.properties["NodeCapacity"] ?? UNSET);
  return capacity === UNSET ? null : capacity;
}

/** Whether any node has a limit: without one nothing of this costs anything. */
export function capacityMatters(state: ClusterState): boolean {
  return state.placement.limited.count(LIMITED) > 0;
}

/** What the nodes serve or are about to: roles that shall be online, or still run, and are not pushed out. */
export function loadsOf(context: StepContext): ReadonlyMap<NodeId, number> {
  return context.loads((id: GroupId) => (counts(context, id) ? weightOf(context.state.tables.groups.get(id)) : 0));
}

function counts(context: StepContext, id: GroupId): boolean {
  if (context.state.tables.preempted.has(id)) return false;
  return wantsAnything(context.state, id) || context.state.someResourceOf(id, (resource) => isRunning(context.resource(resource)));
}

/** What the group itself adds to the loads, and where. */
export function ownLoad(context: StepContext, group: GroupRecord): { readonly weight: number; readonly nodes: readonly (NodeId | null)[] } {
  const { owner, movingTo } = context.group(group.id);
  return counts(context, group.id) ? { weight: weightOf(group), nodes: [owner, movingTo] } : { weight: 0, nodes: [] };
}

/** What the node serves beside the group. */
function loadWithout(context: StepContext, group: GroupRecord, node: NodeId): number {
  const own = ownLoad(context, group);
  return (loadsOf(context).get(node) ?? 0) - (own.nodes.includes(node) ? own.weight : 0);
}

/** How much would have to go for the group to fit; 0 or less = it fits. */
export function lackingRoom(context: StepContext, group: GroupRecord, node: NodeId): number {
  if (!capacityMatters(context.state)) return 0;
  const capacity = capacityOf(context.state, node);
  return capacity === null ? 0 : loadWithout(context, group, node) + weightOf(group) - capacity;
}

/** The end of a sentence "node X …"; null = the group fits. */
export function roomProblem(context: StepContext, group: GroupRecord, node: NodeId): string | null {
  if (lackingRoom(context, group, node) <= 0) return null;
  return `has no room for it (it weighs ${weightOf(group)}, ${loadWithout(context, group, node)} of ${capacityOf(context.state, node)} are taken)`;
}
