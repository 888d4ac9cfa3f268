import { MusterError } from "../model/errors.ts";
import type { GroupRecord } from "../model/objects.ts";
import { ignoreAffinityOn } from "./affinity.ts";
import type { CommandOf, Configuring, Reaction } from "./command.ts";
import type { StepContext } from "./context.ts";
import { quote, restartHere, startMove } from "./moving.ts";
import { bestNode, whyNot } from "./placement.ts";
import type { QueuedMove } from "./records.ts";
import { findGroup } from "./resolve.ts";
import { lockedResources } from "./status-bits.ts";

/** Moves that wait, and moves that are called off (reference 2.11). */

export function queueMove(context: StepContext, group: GroupRecord, move: QueuedMove): string {
  const names = lockedResources(context, group).map((resource) => `'${resource.name}'`);
  const where = move.to === null ? "its best node" : context.nodeName(move.to);
  const text = `The move of the role '${group.name}' to ${where} waits: ${names.join(", ")} ${names.length === 1 ? "is" : "are"} locked.`;
  const next = `muster group cancel ${quote(group.name)}`;
  const cause = context.event("OperationBlocked", { node: context.group(group.id).owner, group: group.name, text, next });
  context.setGroup(group.id, { queuedMove: move, cause, reason: context.reason("move queued", `Its move to ${where} waits: ${names.join(", ")} ${names.length === 1 ? "is" : "are"} locked.`, next) });
  return text;
}

/** Begins a queued move as soon as nothing is locked; gives it up when nobody can take the group any more. */
export function tryQueuedMove(context: StepContext, group: GroupRecord, move: QueuedMove): boolean {
  if (lockedResources(context, group).length > 0) return false;
  const { owner, cause } = context.group(group.id);
  const to = move.to !== null && whyNot(context, group, move.to, move.flags) === null ? move.to : move.to === null ? bestNode(context, group, owner, move.flags) : null;
  if (to === null || to === owner) {
    const text = `The queued move of the role '${group.name}' did not take place: ${to === owner ? "it is there already" : move.to === null ? "no other node can take it" : `${context.nodeName(move.to)} ${whyNot(context, group, move.to)}`}.`;
    const event = context.event("QueuedMoveGivenUp", { node: owner, group: group.name, text, next: `muster why ${quote(group.name)}`, cause });
    context.setGroup(group.id, { queuedMove: null, cause: event, reason: context.reason("move cancelled", text) });
    return true;
  }
  const text = `moves from ${owner === null ? "no node" : context.nodeName(owner)} to ${context.nodeName(to)}: an administrator asked for it, and nothing is locked any more.`;
  const event = context.event("GroupMoving", { node: to, group: group.name, text: `The role '${group.name}' ${text}`, cause });
  context.setGroup(group.id, { reason: context.reason("moving", `It ${text}`) });
  if (move.flags.ignoreAffinity === true) ignoreAffinityOn(context, group.id, to);
  startMove(context, group, to, "move", event, move.flags);
  return true;
}

/** Ends a move that is queued or under way: the group stays, or comes back up, where it is. */
export function cancelMove({ state }: Configuring, command: CommandOf<"group.cancel">): Reaction {
  const group = findGroup(state, command.group);
  return (context) => {
    const { movingTo, queuedMove } = context.group(group.id);
    if (movingTo === null && queuedMove === null) throw new MusterError("MUSTER_NOTHING_TO_CANCEL", { field: "group", name: group.name });
    return callOff(context, group);
  };
}

export function callOff(context: StepContext, group: GroupRecord): string {
  const { owner, movingTo, queuedMove, cause } = context.group(group.id);
  const target = movingTo ?? queuedMove?.to ?? null;
  const move = target === null ? "The move" : `The move to ${context.nodeName(target)}`;
  const where = owner === null ? "where it is" : `on ${context.nodeName(owner)}`;
  const text = `The role '${group.name}' stays ${where}: ${move.replace("The", "the")} was called off.`;
  const event = context.event(movingTo === null ? "QueuedMoveGivenUp" : "GroupMoving", { node: owner, group: group.name, text, cause });
  context.setGroup(group.id, { movingTo: null, moveKind: null, ignoreLocked: false, returnTo: null, queuedMove: null, cause: event, reason: context.reason("move cancelled", `${move} was called off.`) });
  if (movingTo !== null) restartHere(context, group);
  if (owner !== null) context.relieved.add(owner);
  context.touched.add(group.id);
  return text;
}
