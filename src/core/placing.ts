import type { GroupId, NodeId } from "../model/identifiers.ts";
import type { GroupRecord } from "../model/objects.ts";
import { hasPeers, peersOf } from "./affinity.ts";
import { capacityMatters } from "./capacity.ts";
import type { StepContext } from "./context.ts";
import { changeOwner, quote } from "./moving.ts";
import { awaitedOwner, endOwnerWait } from "./owner-wait.ts";
import { lastOwner } from "./last-owner.ts";
import { PREEMPTED, WAITING } from "./placement-indices.ts";
import { choose, whyNot, whyNowhere } from "./placement.ts";
import { endPreemption, makeRoom } from "./preemption.ts";
import { stopAskingIfDone } from "./recording.ts";
import { wantsAnything } from "./wanted.ts";

/** Giving a group that has no owner one, and what happens while no node can take it. */

/** Gives a group without an owner one, if a node can take it. */
export function placeGroup(context: StepContext, group: GroupRecord): boolean {
  const row = context.group(group.id);
  const wanted = wantsAnything(context.state, group.id);
  const awaited = wanted ? awaitedOwner(context, group) : null;
  if (awaited !== null) {
    sayOwnerAwaited(context, group, awaited);
    return false;
  }
  const to = choose(context, group, { situation: "start" }) ?? makeRoom(context, group);
  if (to === null) {
    // What was pushed out says so until it is back; asked for again meanwhile, it waits like any other, and is looked at again.
    if (wanted && context.group(group.id).reason.rule !== PREEMPTED) sayWaiting(context, group);
    return false;
  }
  const last = lastOwner(context.state, group);
  endPreemption(context, group.id);
  changeOwner(context, group, to);
  if (wanted) {
    const why = whyChosen(context, group, to, last);
    const event = context.event("GroupPlaced", { node: to, group: group.name, text: `The role '${group.name}' is placed on ${context.nodeName(to)}: ${why}.`, cause: row.cause });
    if (row.startGate === "byHand") return true;
    context.setGroup(group.id, { cause: event, reason: context.reason("placed", `It was placed on ${context.nodeName(to)}: ${why}.`) });
  }
  return true;
}

/** The whole ranking is the answer to "why"; this is its short form, for an event that thousands of groups may need at once. */
function whyChosen(context: StepContext, group: GroupRecord, to: NodeId, last: NodeId | null): string {
  if (group.preferredOwners.includes(to)) return "it is the first of its preferred owners that can";
  if (group.preferredOwners.length === 0 && last === to) return "it ran there last";
  const ranked = context.state.tables.faultDomains.size > 0 || hasPeers(context.state, group) || capacityMatters(context.state);
  return ranked ? "it is the best of the nodes that can" : "it has the fewest roles of the nodes that can";
}

/** No node may host it: said once, and shown until one can. */
export function sayWaiting(context: StepContext, group: GroupRecord): void {
  const row = context.group(group.id);
  const text = `No node can take it: ${whyNowhere(context, group, null)}.`;
  if (row.reason.rule === WAITING) {
    if (row.reason.text !== text) context.setGroup(group.id, { reason: { ...row.reason, text, command: commandThatHelps(context, group) } });
    return;
  }
  const event = context.event("GroupWaiting", { node: row.owner, group: group.name, text: `The role '${group.name}' waits. ${text}`, next: `muster why ${quote(group.name)}`, cause: row.cause });
  context.setGroup(group.id, { cause: event, reason: context.reason(WAITING, text, commandThatHelps(context, group)) });
}

function sayOwnerAwaited(context: StepContext, group: GroupRecord, node: NodeId): void {
  const row = context.group(group.id);
  if (row.reason.rule === "preferred owner") return;
  const text = `It waits for ${context.nodeName(node)}, its most preferred owner, to come up (ClusterGroupWaitDelay).`;
  const event = context.event("GroupWaiting", { node: null, group: group.name, text: `The role '${group.name}' waits. ${text}`, next: `muster group online ${quote(group.name)}`, cause: row.cause });
  context.setGroup(group.id, { cause: event, reason: context.reason("preferred owner", text, `muster group online ${quote(group.name)}`) });
}

/** A paused node needs only a command; a node that is down needs somebody to look. */
function commandThatHelps(context: StepContext, group: GroupRecord): string {
  const paused = context.state.nodeIds().find((id) => whyNot(context, group, id) === "is paused");
  return paused === undefined ? "muster node list" : `muster node resume ${context.nodeName(paused)}`;
}

/** What held for the node it was on does not hold for another. */
export function leavesNode(context: StepContext, group: GroupId, to: NodeId | null): void {
  const { affinityIgnored, preempted } = context.state.tables;
  const ignored = affinityIgnored.get(group);
  if (ignored !== undefined && ignored.node !== to) affinityIgnored.remove(group);
  // Whom it was pushed out for may have its room now.
  const by = preempted.get(group)?.by;
  if (by !== undefined) context.touched.add(by);
}

/** Groups that could not go anywhere are looked at again when what stood in their way has changed. Returns whether there are any. */
export function touchFreed(context: StepContext): boolean {
  const { state } = context;
  const changed = [...context.changed];
  context.changed.clear();
  const { waiting } = state.placement;
  if (changed.length === 0 || waiting.count(WAITING) === 0) return context.touched.size > 0;
  if (capacityMatters(state)) {
    // What has stopped in this very step takes no room any more.
    context.forgetLoads();
    context.touchWaiting();
  }
  for (const id of changed) {
    const group = state.tables.groups.get(id);
    if (group === undefined) continue;
    for (const peer of peersOf(state, group)) if (waiting.has(WAITING, peer.group)) context.touched.add(peer.group);
  }
  return context.touched.size > 0;
}

/** A deleted group leaves nothing behind. */
export function forgetPlacement(context: StepContext, group: GroupId): void {
  const { unrecorded, affinityIgnored, failbacks, preempted } = context.state.tables;
  for (const table of [unrecorded, affinityIgnored, failbacks, preempted]) table.remove(group);
  endOwnerWait(context, group);
  stopAskingIfDone(context);
  context.forgetLoads();
  context.touchWaiting();
  // Whoever it was to make room for, or that made room for it, goes on without it.
  for (const id of preempted.keys()) if (preempted.get(id)?.by === group) context.touched.add(id);
}
