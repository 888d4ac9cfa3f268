import type { GroupId, NodeId } from "../model/identifiers.ts";
import type { GroupRecord } from "../model/objects.ts";
import { clusterProperties, numberPropertyOf } from "../model/properties.ts";
import type { StepContext } from "./context.ts";
import { whyNeverOn } from "./eligibility.ts";
import { ONLY } from "./state.ts";
import { wantsAnything } from "./wanted.ts";

/**
 * At a cold start a role waits up to ClusterGroupWaitDelay for the node it prefers most (reference 2.10).
 * Only while that node is not up: a cluster whose nodes are all there starts at once. A node that is paused or
 * quarantined is not waited for, because it takes no roles when it comes.
 */
export function beginOwnerWaits(context: StepContext): void {
  const { cluster, groups, ownerWaits } = context.state.tables;
  const delayMs = numberPropertyOf(clusterProperties, cluster.get(ONLY)?.properties ?? {}, "ClusterGroupWaitDelay") * 1_000;
  const missing = new Set(context.state.nodeIds().filter((node) => isMissing(context, node)));
  if (delayMs === 0 || missing.size === 0) return;
  for (const id of groups.keys()) {
    const group = groups.get(id) as GroupRecord;
    if (group.preferredOwners.length === 0 || context.group(id).owner !== null || !wantsAnything(context.state, id)) continue;
    const first = group.preferredOwners.find((node) => mayCome(context, group, node));
    if (first !== undefined && missing.has(first)) ownerWaits.put(id, { node: first, untilMs: context.now + delayMs });
  }
}

/** The node the group waits for, null = it waits no longer. */
export function awaitedOwner(context: StepContext, group: GroupRecord): NodeId | null {
  const wait = context.state.tables.ownerWaits.get(group.id);
  if (wait === undefined) return null;
  if (context.now < wait.untilMs && isMissing(context, wait.node) && mayCome(context, group, wait.node)) return wait.node;
  endOwnerWait(context, group.id);
  return null;
}

export function endOwnerWait(context: StepContext, group: GroupId): void {
  context.state.tables.ownerWaits.remove(group);
}

function isMissing(context: StepContext, node: NodeId): boolean {
  const row = context.node(node);
  return row.state !== "Up" || !row.inventoryKnown;
}

function mayCome(context: StepContext, group: GroupRecord, node: NodeId): boolean {
  const { nodes, quarantines } = context.state.tables;
  return nodes.get(String(node))?.paused === false && !quarantines.has(String(node)) && whyNeverOn(context, group, node) === null;
}
