import type { GroupId, NodeId } from "../model/identifiers.ts";
import type { GroupRecord } from "../model/objects.ts";
import type { StepContext } from "./context.ts";
import { hashText, printHash } from "./hash.ts";
import { compareText } from "./order.ts";
import { wantsAnything } from "./wanted.ts";

/** Choosing a node for a group (reference 2.10). */

/**
 * Why a node cannot take a group now, as the end of a sentence "node X …"; null = it can.
 * A node whose inventory is not known may still run leftovers: nothing is placed there (PROTOCOL rule 15).
 */
export function whyNot(context: StepContext, group: GroupRecord, node: NodeId): string | null {
  return whyNeverOn(context, group, node) ?? whyNotNow(context, node);
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

/** "node1 is down, node2 is paused": for everyone who asks why a group waits. */
export function whyNowhere(context: StepContext, group: GroupRecord, except: NodeId | null): string {
  const reasons: string[] = [];
  for (const id of context.state.nodeIds()) {
    if (id === except) continue;
    const reason = whyNot(context, group, id);
    if (reason !== null) reasons.push(`${context.nodeName(id)} ${reason}`);
  }
  return reasons.length === 0 ? "there is no other node" : reasons.join(", ");
}

/** Preferred owners in their order, then the other nodes by number. */
export function effectiveOrder(context: StepContext, group: GroupRecord): NodeId[] {
  return [...group.preferredOwners, ...context.state.nodeIds().filter((id) => !group.preferredOwners.includes(id))];
}

/** After a failure: further down the list from the node it is on, round the end, never back to the top. */
export function nextNode(context: StepContext, group: GroupRecord, from: NodeId): NodeId | null {
  const order = effectiveOrder(context, group);
  const start = order.indexOf(from);
  for (let step = 1; step <= order.length; step++) {
    const candidate = order[(start + step) % order.length] as NodeId;
    if (candidate !== from && whyNot(context, group, candidate) === null) return candidate;
  }
  return null;
}

/** The first preferred owner that can; else the node with the fewest groups to serve. */
export function bestNode(context: StepContext, group: GroupRecord, except: NodeId | null): NodeId | null {
  for (const id of group.preferredOwners) {
    if (id !== except && whyNot(context, group, id) === null) return id;
  }
  const loads = context.loads((id) => wantsAnything(context.state, id));
  let best: { readonly id: NodeId; readonly load: number; readonly lot: string } | null = null;
  for (const id of context.state.nodeIds()) {
    const load = loads.get(id) ?? 0;
    if (id === except || (best !== null && load > best.load)) continue;
    if (whyNot(context, group, id) !== null) continue;
    const lot = drawLot(context, group.id, id);
    if (best === null || load < best.load || compareText(lot, best.lot) < 0) best = { id, load, lot };
  }
  return best?.id ?? null;
}

/** Spreads groups over equally loaded nodes without any order of nodes being favoured; the same on every node. */
function drawLot(context: StepContext, group: GroupId, node: NodeId): string {
  return printHash(hashText(`${context.stamp.epoch} ${group} ${node}`));
}
