import { MusterError } from "../model/errors.ts";
import type { MoveFlags } from "../model/inputs.ts";
import type { GroupRecord } from "../model/objects.ts";
import { groupProperties, numberPropertyOf } from "../model/properties.ts";
import type { CommandOf, Configuring, Reaction } from "./command.ts";
import { ignoreAffinityOn } from "./affinity.ts";
import { forgetFailback } from "./failback.ts";
import type { StepContext } from "./context.ts";
import { changeOwner, startMove } from "./moving.ts";
import { bestNode, whyNot, whyNowhere } from "./placement.ts";
import { callOff, queueMove } from "./queued-moves.ts";
import { findGroup, findNode } from "./resolve.ts";
import { lockedResources } from "./status-bits.ts";

/** Moves that somebody asks for (reference 2.11). A move is an event: it changes nothing durable and leaves no rule behind. */
export function moveGroup({ state }: Configuring, command: CommandOf<"group.move">): Reaction {
  const group = findGroup(state, command.group);
  if (command.node !== undefined) findNode(state, command.node);
  if (numberPropertyOf(groupProperties, group.properties, "LockedFromMoving") === 1) throw new MusterError("MUSTER_GROUP_LOCKED", { field: "group", name: group.name });
  return (context) => moveAsAsked(context, group, command.node, flagsOf(command));
}

function flagsOf({ ignoreLocked, returnToSource, queue, highPriorityStart, ignoreAffinity }: CommandOf<"group.move">): MoveFlags {
  const flags = { ignoreLocked, returnToSource, queue, highPriorityStart, ignoreAffinity };
  return Object.fromEntries(Object.entries(flags).filter(([, value]) => value === true));
}

/** @throws MusterError when the group cannot go there, or is locked and the move shall not wait */
export function moveAsAsked(context: StepContext, group: GroupRecord, node: string | undefined, flags: MoveFlags): string | null {
  const { owner, movingTo } = context.group(group.id);
  const wished = node === undefined ? null : findNode(context.state, node);
  if (wished !== null && wished.id === owner) return alreadyThere(context, group, wished.name, flags);
  if (wished !== null && wished.id === movingTo) return `The role '${group.name}' is on its way to ${wished.name}.`;
  if (wished !== null) {
    const problem = whyNot(context, group, wished.id, flags);
    if (problem !== null) throw new MusterError("MUSTER_NODE_NOT_AVAILABLE", { field: "node", node: wished.name, group: group.name, reason: `${wished.name} ${problem}` });
  }
  const to = wished?.id ?? bestNode(context, group, owner, flags);
  if (to === null) throw new MusterError("MUSTER_NO_NODE_AVAILABLE", { group: group.name, reason: whyNowhere(context, group, owner) });
  const [locked] = flags.ignoreLocked === true ? [] : lockedResources(context, group);
  if (locked !== undefined && flags.queue !== true) throw new MusterError("MUSTER_RESOURCE_LOCKED", { name: locked.name });
  if (locked !== undefined) return queueMove(context, group, { to: wished?.id ?? null, flags });
  forgetFailback(context, group.id);
  if (flags.ignoreAffinity === true) ignoreAffinityOn(context, group.id, to);
  const from = owner === null ? "no node" : context.nodeName(owner);
  const text = `The role '${group.name}' moves from ${from} to ${context.nodeName(to)}: an administrator asked for it.`;
  const cause = context.event("GroupMoving", { node: to, group: group.name, text });
  context.setGroup(group.id, { reason: context.reason("moving", `It moves from ${from} to ${context.nodeName(to)}: an administrator asked for it.`) });
  if (owner === null) {
    changeOwner(context, group, to);
    context.setGroup(group.id, { cause });
  } else {
    startMove(context, group, to, "move", cause, flags);
  }
  return null;
}

function alreadyThere(context: StepContext, group: GroupRecord, node: string, flags: MoveFlags): string {
  const { movingTo, queuedMove, startGate } = context.group(group.id);
  if (movingTo !== null || queuedMove !== null) return callOff(context, group);
  if (flags.highPriorityStart === true && startGate !== "open") {
    context.setGroup(group.id, { startGate: "open", gateSinceMs: null, lookAtMs: null, waitsFor: [], startedAtMs: context.now, reason: context.reason("asked online", "An administrator asked for it to be started out of turn.") });
    context.touched.add(group.id);
    return `The role '${group.name}' is on ${node} already and is started out of turn.`;
  }
  return `The role '${group.name}' is on ${node} already: nothing to do.`;
}
