import type { EventId, GroupId, NodeId } from "../model/identifiers.ts";
import type { GroupRecord } from "../model/objects.ts";
import { groupProperties, numberPropertyOf } from "../model/properties.ts";
import type { StepContext } from "./context.ts";
import { quote, startMove } from "./moving.ts";
import { bestNode, whyNot, whyNowhere } from "./placement.ts";
import type { DrainOrder, MoveKind } from "./records.ts";
import { compareStart } from "./serve.ts";
import { lockedResources } from "./status-bits.ts";

/** Roles leave a node that is paused or about to stop, and come back when it is resumed (reference 2.12). */

export function drain(context: StepContext, id: NodeId, order: DrainOrder, cause: EventId): void {
  const name = context.nodeName(id);
  const started = context.event("DrainStarted", { node: id, text: `${name} is being drained.`, cause });
  context.setNode(id, { drainStatus: "InProgress", drain: order, reason: context.reason("drain", "It is being drained.") });
  context.relieved.add(id);
  for (const group of ownedInOrder(context, id)) drainGroup(context, group, id, order, started);
}

/** High priority first: those that matter most are where they shall be first. */
function ownedInOrder(context: StepContext, id: NodeId): GroupRecord[] {
  return context.groupsByName(context.state.groupIdsOwnedBy(id)).sort(compareStart);
}

function drainGroup(context: StepContext, group: GroupRecord, from: NodeId, order: DrainOrder, cause: EventId): void {
  const name = context.nodeName(from);
  const problem = whyItStays(context, group, order);
  const target = order.target !== null && whyNot(context, group, order.target) === null ? order.target : null;
  const to = target ?? bestNode(context, group, from);
  if (problem !== null || to === null) {
    const why = problem ?? whyNowhere(context, group, from);
    context.event("DrainMoveFailed", { node: from, group: group.name, text: `The role '${group.name}' cannot leave ${name}: ${why}.`, next: `muster why ${quote(group.name)}`, cause });
    return;
  }
  const ignoreLocked = order.force ? { ignoreLocked: true } : {};
  leave(context, group.id, from, to, "drain", `${name} is being drained`, cause, ignoreLocked);
}

/** What only force overcomes. */
function whyItStays(context: StepContext, group: GroupRecord, order: DrainOrder): string | null {
  if (order.force) return null;
  if (numberPropertyOf(groupProperties, group.properties, "LockedFromMoving") === 1) return "it is locked from moving (LockedFromMoving)";
  const locked = lockedResources(context, group)[0];
  return locked === undefined ? null : `the resource '${locked.name}' is locked`;
}

export function leave(context: StepContext, id: GroupId, from: NodeId, to: NodeId, kind: MoveKind, why: string, cause: EventId, flags: { readonly ignoreLocked?: boolean } = {}): void {
  const group = context.state.tables.groups.get(id);
  if (group === undefined) return;
  const text = `moves from ${context.nodeName(from)} to ${context.nodeName(to)}: ${why}.`;
  const event = context.event("GroupMoving", { node: to, group: group.name, text: `The role '${group.name}' ${text}`, cause });
  context.setGroup(id, { reason: context.reason("moving", `It ${text}`) });
  // From now on it counts on both nodes, so that a drain spreads.
  startMove(context, group, to, kind, event, flags);
}

/** Called when a group left a node or cannot: is its drain over? */
export function settleDrain(context: StepContext, id: NodeId): void {
  const row = context.node(id);
  if (row.drainStatus !== "InProgress") return;
  const groups = context.groupsByName(context.state.groupIdsOwnedBy(id));
  if (groups.some((group) => context.group(group.id).movingTo !== null)) return;
  const name = context.nodeName(id);
  const resume = row.leaving ? undefined : `muster node resume ${name}`;
  if (groups.length === 0) {
    const text = `${name} is drained: it owns no roles any more.`;
    context.setNode(id, { drainStatus: "Completed", reason: context.reason("drain", text, resume) });
    context.event("DrainCompleted", { node: id, text, next: resume ?? null });
    return;
  }
  const names = groups.map((group) => `'${group.name}'`).join(", ");
  const again = row.drain?.retry === true ? " It is tried again when another node can take roles." : "";
  const text = `${name} could not be drained: ${names} ${groups.length === 1 ? "stays" : "stay"}.${again}`;
  const next = `muster why ${quote((groups[0] as { name: string }).name)}`;
  context.setNode(id, { drainStatus: "Failed", reason: context.reason("drain", text, next) });
  context.event("DrainFailed", { node: id, text, next });
}

/** A node can take roles again: drains that failed and shall be retried go on. */
export function retryDrains(context: StepContext, cause: EventId): void {
  for (const id of context.state.nodeIds()) {
    const { drainStatus, drain: order } = context.node(id);
    if (drainStatus === "Failed" && order !== null && order.retry) drain(context, id, order, cause);
  }
}

/** Brings back what left a node because it was drained. Returns how many roles set out. */
export function bringBackDrained(context: StepContext, id: NodeId, cause: EventId): number {
  const name = context.nodeName(id);
  const drained = context.groupsByName(context.state.tables.groups.keys()).filter((group) => context.group(group.id).drainedFrom === id);
  let count = 0;
  for (const group of drained.sort(compareStart)) {
    const { owner, movingTo } = context.group(group.id);
    if (owner === null || owner === id || movingTo !== null || whyNot(context, group, id) !== null) continue;
    leave(context, group.id, owner, id, "failback", `${name}, which it had left for a drain, is back`, cause);
    count += 1;
  }
  return count;
}

/** Called when a move to the node has ended: are all that were to come back there? */
export function settleFailback(context: StepContext, id: NodeId): void {
  if (context.node(id).failbackStatus !== "InProgress") return;
  if (context.state.groupIdsMovingTo(id).some((group) => context.group(group).moveKind === "failback")) return;
  context.setNode(id, { failbackStatus: "Completed" });
}
