import type { GroupId, NodeId } from "../model/identifiers.ts";
import type { GroupRecord } from "../model/objects.ts";
import { groupProperties, numberPropertyOf } from "../model/properties.ts";
import type { StepContext } from "./context.ts";
import { deriveGroupState } from "./group-state.ts";
import { startMove } from "./moving.ts";
import { rankNodes } from "./placement.ts";
import { ONLY } from "./state.ts";

/**
 * Failback (reference 2.10): a role with a list of preferred owners and AutoFailbackType 1 goes back when
 * the best of its list comes up. Only that starts it: a role that an administrator moved away, or that
 * failed over from a node that stayed up, is where it is on somebody's word or for a reason, and stays until
 * the node comes up anew. So nothing goes to and fro.
 */

const MINUTE_MS = 60_000;
const DAY_MINUTES = 1_440;

/** A node can host roles that could not be there before: it came up, was resumed, or is no longer quarantined. */
export function nodeAvailable(context: StepContext, node: NodeId): void {
  for (const group of context.groupsByName(context.state.placement.failbackGroups.of(String(node)))) {
    if (!wouldGoBack(context, group, node)) continue;
    // Whether it is time is known when a deadline is met: only that entry tells the local time.
    context.state.tables.failbacks.put(group.id, { node, atMs: hasWindow(group) ? context.now : null });
    failBackWhenOnline(context, group);
  }
}

/** Called when a group has become online, too: what could not go back until then may go now. */
export function failBackWhenOnline(context: StepContext, group: GroupRecord): void {
  const { failbacks } = context.state.tables;
  const row = failbacks.get(group.id);
  if (row === undefined || row.atMs !== null) return;
  if (!isOnline(context, group)) return;
  if (hasWindow(group)) failbacks.put(group.id, { ...row, atMs: context.now });
  else goBack(context, group, row.node);
}

/** The deadline of a failback: its window has begun, or it is to be found out when it does. */
export function failBackDue(context: StepContext, id: GroupId): void {
  const { failbacks, groups } = context.state.tables;
  const row = failbacks.get(id);
  const group = groups.get(id);
  if (row === undefined || row.atMs === null || group === undefined) return;
  const waitMs = hasWindow(group) ? untilWindowMs(context, group) : 0;
  if (waitMs > 0) failbacks.put(id, { ...row, atMs: context.now + waitMs });
  else if (!isOnline(context, group)) failbacks.put(id, { ...row, atMs: null });
  else goBack(context, group, row.node);
}

/** An administrator has decided where it is. */
export function forgetFailback(context: StepContext, group: GroupId): void {
  context.state.tables.failbacks.remove(group);
}

function goBack(context: StepContext, group: GroupRecord, to: NodeId): void {
  forgetFailback(context, group.id);
  const { owner } = context.group(group.id);
  if (owner === null || !wouldGoBack(context, group, to)) return;
  const text = `moves from ${context.nodeName(owner)} to ${context.nodeName(to)}: it prefers ${context.nodeName(to)}, which is back.`;
  const event = context.event("GroupMoving", { node: to, group: group.name, text: `The role '${group.name}' ${text}` });
  context.setGroup(group.id, { reason: context.reason("moving", `It ${text}`) });
  startMove(context, group, to, "failback", event);
}

/** The node is the best of its preferred owners that can have it, and better than where it is. */
function wouldGoBack(context: StepContext, group: GroupRecord, node: NodeId): boolean {
  const { owner, movingTo } = context.group(group.id);
  if (owner === null || owner === node || movingTo !== null) return false;
  if (numberPropertyOf(groupProperties, group.properties, "AutoFailbackType") !== 1) return false;
  if (numberPropertyOf(groupProperties, group.properties, "LockedFromMoving") === 1) return false;
  const ranked = rankNodes(context, group, { situation: "failback" }).filter(({ node: other, obstacle }) => obstacle === null || other === owner);
  const best = ranked.find((candidate) => candidate.obstacle === null && (candidate.node === owner || group.preferredOwners.includes(candidate.node)));
  return best?.node === node;
}

function isOnline(context: StepContext, group: GroupRecord): boolean {
  const resources = context.resourcesOf(group.id).map((record) => ({ record, row: context.resource(record.id) }));
  return deriveGroupState(group, resources, context.group(group.id).movingTo !== null) === "Online";
}

// ---- the window, in hours of the cluster's local time ---------------------------

/** Both ends must be set (reference 2.5). */
function hasWindow(group: GroupRecord): boolean {
  const { start, end } = windowOf(group);
  return start >= 0 && end >= 0 && start !== end;
}

function windowOf(group: GroupRecord): { readonly start: number; readonly end: number } {
  return {
    start: numberPropertyOf(groupProperties, group.properties, "FailbackWindowStart"),
    end: numberPropertyOf(groupProperties, group.properties, "FailbackWindowEnd"),
  };
}

/** 0 = it is open now. It may go round midnight. */
function untilWindowMs(context: StepContext, group: GroupRecord): number {
  const { start, end } = windowOf(group);
  const offset = context.state.tables.localTime.get(ONLY)?.utcOffsetMinutes ?? 0;
  const { wallTimeMs } = context.stamp;
  const minutes = Math.floor(wallTimeMs / MINUTE_MS) + offset;
  const ofDay = ((minutes % DAY_MINUTES) + DAY_MINUTES) % DAY_MINUTES;
  const hour = Math.floor(ofDay / 60);
  const open = start < end ? hour >= start && hour < end : hour >= start || hour < end;
  if (open) return 0;
  const wait = (start * 60 - ofDay + DAY_MINUTES) % DAY_MINUTES;
  return wait * MINUTE_MS - (wallTimeMs % MINUTE_MS);
}
