import type { EventId, NodeId } from "../model/identifiers.ts";
import type { MoveFlags } from "../model/inputs.ts";
import type { GroupRecord } from "../model/objects.ts";
import type { StepContext } from "./context.ts";
import { isRunning } from "./group-state.ts";
import { bestNode, choose, nextNode, whyNot } from "./placement.ts";
import { leavesNode } from "./placing.ts";
import { makeRoom } from "./preemption.ts";
import { initialResourceRow } from "./records.ts";
import type { MoveKind } from "./records.ts";
import { closeAfterLoss } from "./start-order.ts";
import { wantsAnything } from "./wanted.ts";

/** Changing the owner of a group (reference 2.11). */

/** The owner changes once everything is offline on the old one; `advanceGroup` sees to both. */
export function startMove(context: StepContext, group: GroupRecord, to: NodeId, kind: MoveKind, cause: EventId, flags: MoveFlags = {}): void {
  const { owner, startGate } = context.group(group.id);
  context.setGroup(group.id, {
    movingTo: to,
    moveKind: kind,
    cause,
    ignoreLocked: flags.ignoreLocked === true,
    returnTo: flags.returnToSource === true ? owner : null,
    queuedMove: null,
    startGate: flags.highPriorityStart === true ? "open" : startGate,
  });
  context.touched.add(group.id);
}

/** True when nothing of the group can still run on its owner. */
export function isStopped(context: StepContext, group: GroupRecord): boolean {
  return context.resourcesOf(group.id).every((resource) => !isRunning(context.resource(resource.id)));
}

/** Hands the group to its new owner, or keeps it when that one is gone and nobody else can take it. */
export function finishMove(context: StepContext, group: GroupRecord): void {
  const row = context.group(group.id);
  const wished = row.movingTo as NodeId;
  const from = row.owner;
  const problem = whyNot(context, group, wished);
  const to = problem === null ? wished : from !== null && row.moveKind === "failover" ? nextNode(context, group, from) : bestNode(context, group, from);
  if (to === null) {
    const text = `The role '${group.name}' stays on ${from === null ? "no node" : context.nodeName(from)}: ${context.nodeName(wished)} ${problem}, and no other node can take it.`;
    const event = context.event(row.moveKind === "drain" ? "DrainMoveFailed" : "GroupMoveGivenUp", { node: from, group: group.name, text, next: `muster why ${quote(group.name)}`, cause: row.cause });
    for (const resource of context.resourcesOf(group.id)) {
      context.setResource(resource.id, { ...initialResourceRow(resource.id), lastEffect: context.resource(resource.id).lastEffect, reason: context.reason("stays", "The move was given up; it goes on where it was.") });
    }
    context.setGroup(group.id, { movingTo: null, moveKind: null, ignoreLocked: false, returnTo: null, cause: event, reason: context.reason("move cancelled", text) });
    if (from !== null) context.relieved.add(from);
    return;
  }
  changeOwner(context, group, to);
}

/**
 * A new owner and a new generation: whatever ran before is over. Restart counters begin anew,
 * because a failure on one node says nothing about another.
 */
export function changeOwner(context: StepContext, group: GroupRecord, to: NodeId | null): void {
  const row = context.group(group.id);
  for (const resource of context.resourcesOf(group.id)) {
    const before = context.resource(resource.id);
    const reason = before.state === "Offline" ? before.reason : context.reason("owner changed", "It was ended with its role's change of node.");
    const servedUntilMs = before.state === "Online" ? context.now : before.servedUntilMs;
    context.setResource(resource.id, { ...initialResourceRow(resource.id), servedUntilMs, reason });
  }
  if (row.owner !== null && row.owner !== to) context.relieved.add(row.owner);
  leavesNode(context, group.id, to);
  context.setGroup(group.id, {
    owner: to,
    movingTo: null,
    moveKind: null,
    ignoreLocked: false,
    drainedFrom: row.moveKind === "drain" ? row.owner : null,
    generation: to === null ? row.generation : context.generation,
  });
  context.touched.add(group.id);
}

/** Failed resources get another attempt with counters at zero. */
export function restartHere(context: StepContext, group: GroupRecord): void {
  for (const resource of context.resourcesOf(group.id)) {
    const row = context.resource(resource.id);
    if (row.state !== "Failed" && row.failuresMs.length === 0) continue;
    context.setResource(resource.id, {
      failuresMs: [],
      restartAtMs: null,
      waitsFor: null,
      ...(row.state === "Failed" ? { state: "Offline" as const, reason: context.reason("new attempt", "A new attempt was ordered.") } : {}),
    });
  }
}

/** The node it moves to is lost while it is still being stopped: it goes elsewhere, or `finishMove` decides. */
export function targetLost(context: StepContext, group: GroupRecord, why: string, cause: EventId): void {
  const { owner, movingTo, moveKind } = context.group(group.id);
  if (owner === null || movingTo === null || whyNot(context, group, movingTo) === null) return;
  const to = moveKind === "failover" ? nextNode(context, group, owner) : bestNode(context, group, owner);
  if (to === null) return;
  const text = `goes to ${context.nodeName(to)} instead of ${context.nodeName(movingTo)}: ${why}.`;
  const event = context.event("GroupMoving", { node: to, group: group.name, text: `The role '${group.name}' ${text}`, cause });
  context.setGroup(group.id, { movingTo: to, cause: event, reason: context.reason("moving", `It ${text}`) });
}

/**
 * The owner is lost, with everything that ran there: in this very step the group gets another
 * one (PROTOCOL part 1; reference 2.9 "node leaves": no counter of failures is touched).
 */
export function ownerLost(context: StepContext, group: GroupRecord, why: string, cause: EventId): void {
  const row = context.group(group.id);
  const lost = row.owner as NodeId;
  const wished = row.movingTo !== null && whyNot(context, group, row.movingTo) === null ? row.movingTo : null;
  const to = wished ?? choose(context, group, { situation: "nodeLost", from: lost }) ?? makeRoom(context, group);
  changeOwner(context, group, to);
  context.setGroup(group.id, { returnTo: null, queuedMove: null, drainedFrom: null });
  closeAfterLoss(context, group, row);
  if (!wantsAnything(context.state, group.id)) {
    context.setGroup(group.id, { cause });
    return;
  }
  if (to === null) {
    context.setGroup(group.id, { cause });
    return;
  }
  if (context.group(group.id).startGate === "byHand") return;
  const text = `The role '${group.name}' fails over from ${context.nodeName(lost)} to ${context.nodeName(to)}: ${why}.`;
  const event = context.event("GroupFailover", { node: to, group: group.name, text, cause });
  context.setGroup(group.id, { cause: event, reason: context.reason("node lost", `It fails over from ${context.nodeName(lost)} to ${context.nodeName(to)}: ${why}.`) });
}

/** A name as one word of a shell command. */
export function quote(name: string): string {
  return name.includes(" ") ? `'${name}'` : name;
}
