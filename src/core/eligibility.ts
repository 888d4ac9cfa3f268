import type { NodeId } from "../model/identifiers.ts";
import type { GroupRecord } from "../model/objects.ts";
import { affinityOf } from "./affinity.ts";
import type { AffinityView } from "./affinity.ts";
import { roomProblem } from "./capacity.ts";
import type { StepContext } from "./context.ts";

/** Which nodes can host a group at all (reference 2.10 "Possible owners"). */

/** What keeps a group from a node. */
export interface Obstacle {
  readonly kind: "configuration" | "state" | "quarantine" | "affinity" | "room";
  /** The end of a sentence "node X …". */
  readonly text: string;
}

/** With the rules looked up already, because one question asks it of many nodes. */
export function obstacleOf(context: StepContext, group: GroupRecord, node: NodeId, affinity: AffinityView | null, ignoreAffinity: boolean): Obstacle | null {
  const never = whyNeverOn(context, group, node);
  if (never !== null) return { kind: "configuration", text: never };
  const now = whyNotNow(context, node);
  if (now !== null) return { kind: "state", text: now };
  // A node whose service dropped out too often is a member that hosts nothing (reference 1.8).
  if (context.state.tables.quarantines.has(String(node))) return { kind: "quarantine", text: "is quarantined" };
  if (affinity !== null && !ignoreAffinity && !isIgnored(context, group, node)) {
    const broken = affinity.broken(node);
    if (broken !== null) return { kind: "affinity", text: broken };
  }
  const room = roomProblem(context, group, node);
  return room === null ? null : { kind: "room", text: room };
}

/** An administrator put it there, or sent it, in spite of the rules. */
function isIgnored(context: StepContext, group: GroupRecord, node: NodeId): boolean {
  if (context.state.tables.affinityIgnored.get(group.id)?.node !== node) return false;
  const { owner, movingTo } = context.group(group.id);
  return owner === node || movingTo === node;
}

/** What keeps a group from a node now; null = nothing. */
export function obstacleFor(context: StepContext, group: GroupRecord, node: NodeId, options: { readonly ignoreAffinity?: boolean } = {}): Obstacle | null {
  return obstacleOf(context, group, node, affinityOf(context, group), options.ignoreAffinity === true);
}

/**
 * Why a node cannot take a group now, as the end of a sentence "node X …"; null = it can.
 * A node whose inventory is not known may still run leftovers: nothing is placed there (PROTOCOL rule 15).
 */
export function whyNot(context: StepContext, group: GroupRecord, node: NodeId, options: { readonly ignoreAffinity?: boolean } = {}): string | null {
  return obstacleFor(context, group, node, options)?.text ?? null;
}

/** The part of it that is the same for every group. */
function whyNotNow(context: StepContext, node: NodeId): string | null {
  const row = context.node(node);
  if (row.state === "Down") return "is down";
  if (row.state === "Joining") return "is joining";
  if (context.state.tables.nodes.get(String(node))?.paused === true) return "is paused";
  if (row.leaving) return "is about to stop";
  if (!row.inventoryKnown) return "has not reported yet what it runs";
  return null;
}

/** What the configuration says, whatever runs: null = the node is a possible owner of every resource. */
export function whyNeverOn(context: StepContext, group: GroupRecord, node: NodeId): string | null {
  if (!context.state.someResourceOf(group.id, (id) => context.state.tables.resources.get(id)?.possibleOwners?.includes(node) === false)) return null;
  for (const resource of context.resourcesOf(group.id)) {
    if (resource.possibleOwners !== null && !resource.possibleOwners.includes(node)) return `is not a possible owner of the resource '${resource.name}'`;
  }
  return null;
}

/** Preferred owners in their order, then the other nodes by number. */
export function effectiveOrder(context: StepContext, group: GroupRecord): NodeId[] {
  return [...group.preferredOwners, ...context.state.nodeIds().filter((id) => !group.preferredOwners.includes(id))];
}
