import type { GroupId, NodeId } from "../model/identifiers.ts";
import type { GroupRecord } from "../model/objects.ts";
import { clusterProperties, numberPropertyOf } from "../model/properties.ts";
import { lackingRoom, weightOf } from "./capacity.ts";
import type { StepContext } from "./context.ts";
import { quote } from "./moving.ts";
import { PREEMPTED } from "./placement-indices.ts";
import { rankNodes } from "./placement.ts";
import { priorityOf } from "./serve.ts";
import { ONLY } from "./state.ts";
import { wantsAnything } from "./wanted.ts";

/**
 * Preemption (reference 2.10): a role that fits nowhere may push out roles of lower priority. They go
 * offline and wait until there is room; what they shall be is not changed by it.
 */

interface Sacrifice {
  readonly node: NodeId;
  readonly victims: readonly GroupRecord[];
}

/** Makes room for the group on some node. Returns that node, or null when nothing may be pushed out for it. */
export function makeRoom(context: StepContext, group: GroupRecord): NodeId | null {
  if (!wantsAnything(context.state, group.id) || priorityOf(group) < limit(context, "MinimumPreemptorPriority")) return null;
  let best: Sacrifice | null = null;
  for (const { node, obstacle } of rankNodes(context, group, { situation: "best" })) {
    if (obstacle?.kind !== "room") continue;
    const victims = victimsOn(context, group, node);
    if (victims !== null && (best === null || costs(victims) < costs(best.victims) || (costs(victims) === costs(best.victims) && victims.length < best.victims.length))) best = { node, victims };
  }
  if (best === null) return null;
  for (const victim of best.victims) pushOut(context, victim, group);
  return best.node;
}

/** The lowest priority that would do, and no more roles than needed; null = not even all of them would make room. */
function victimsOn(context: StepContext, group: GroupRecord, node: NodeId): GroupRecord[] | null {
  const never = limit(context, "MinimumNeverPreemptPriority");
  const candidates = context
    .groupsByName(context.state.groupIdsOwnedBy(node))
    .filter((other) => other.id !== group.id && priorityOf(other) < priorityOf(group) && priorityOf(other) < never && weightOf(other) > 0)
    .filter((other) => wantsAnything(context.state, other.id) && !isPreempted(context, other.id))
    .sort((left, right) => priorityOf(left) - priorityOf(right));
  let lacking = lackingRoom(context, group, node);
  const victims: GroupRecord[] = [];
  for (const victim of candidates) {
    if (lacking <= 0) break;
    victims.push(victim);
    lacking -= weightOf(victim);
  }
  return lacking <= 0 ? victims : null;
}

/** How dear it is: the highest priority that would go. */
function costs(victims: readonly GroupRecord[]): number {
  return victims.reduce((highest, victim) => Math.max(highest, priorityOf(victim)), 0);
}

function pushOut(context: StepContext, victim: GroupRecord, by: GroupRecord): void {
  const { owner } = context.group(victim.id);
  const text = `is taken offline to make room for '${by.name}', which has a higher priority; it comes back when there is room.`;
  const cause = context.event("GroupPreempted", { node: owner, group: victim.name, text: `The role '${victim.name}' ${text}`, next: `muster why ${quote(victim.name)}` });
  context.state.tables.preempted.put(victim.id, { by: by.id });
  context.setGroup(victim.id, { movingTo: null, moveKind: null, cause, reason: context.reason(PREEMPTED, `It ${text}`) });
  context.forgetLoads();
  context.touched.add(victim.id);
}

export function isPreempted(context: StepContext, group: GroupId): boolean {
  return context.state.tables.preempted.has(group);
}

/** It has room again, or is not wanted any more. */
export function endPreemption(context: StepContext, group: GroupId): void {
  if (!isPreempted(context, group)) return;
  context.state.tables.preempted.remove(group);
  context.forgetLoads();
}

/** Why a role that has its node is not started there yet; null = it may be. Its room is still taken by those who make it. */
export function whyRoomIsTaken(context: StepContext, group: GroupRecord, node: NodeId | null): string | null {
  const { preempted } = context.state.tables;
  if (preempted.size === 0) return null;
  for (const id of preempted.keys()) {
    if (preempted.get(id)?.by === group.id && context.group(id).owner === node) return `'${context.state.tables.groups.get(id)?.name ?? id}' makes room for it`;
  }
  return null;
}

function limit(context: StepContext, name: string): number {
  return numberPropertyOf(clusterProperties, context.state.tables.cluster.get(ONLY)?.properties ?? {}, name);
}
