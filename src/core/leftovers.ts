import { compareOrdinalIds } from "../model/identifiers.ts";
import type { EffectId, Generation, GroupId, Member, NodeId, ResourceId } from "../model/identifiers.ts";
import type { ResourceRecord } from "../model/objects.ts";
import { whyHeld } from "./holds.ts";
import type { StepContext } from "./context.ts";
import type { LeftoverPlace, LeftoverRow } from "./records.ts";

/**
 * Copies that must end before their resource may start again anywhere (PROTOCOL rules 14, 15):
 * deleted by force, failed by hand, or found where they should not be.
 */

interface Copy {
  readonly resource: ResourceRecord;
  readonly group: GroupId;
  readonly groupName: string;
  readonly generation: Generation;
}

/** Orders the end of a copy and remembers it until its node says that it is gone. */
export function endCopy(context: StepContext, copy: Copy, node: NodeId, reason: string): EffectId {
  const { leftovers } = context.state.tables;
  const found = leftovers.get(copy.resource.id);
  const known = found?.places.find((place) => place.node === node && place.generation >= copy.generation);
  if (known !== undefined) {
    endCopyAgain(context, copy.resource.id, node);
    return known.effect;
  }
  const effect = context.order({ node, action: "terminate", ...copy, reason });
  const place: LeftoverPlace = { node, incarnation: context.node(node).incarnation ?? 0, generation: copy.generation, effect };
  leftovers.put(copy.resource.id, {
    resource: copy.resource,
    group: copy.group,
    groupName: copy.groupName,
    places: [...(found?.places ?? []).filter((other) => other.node !== node), place],
  });
  return effect;
}

/**
 * A node says that nothing of the resource is left. That counts as the end of a copy only when it
 * answers the order to end it, or a later one: anything else may be from before. Then the order is
 * given again, and the node will say so again.
 */
export function copyReportedGone(context: StepContext, resource: ResourceId, node: NodeId, effect: EffectId | null): boolean {
  const place = leftoverOf(context, resource)?.places.find((candidate) => candidate.node === node);
  if (place === undefined) return false;
  if (effect !== null && compareOrdinalIds(effect, place.effect) >= 0) copyEnded(context, resource, node);
  else endCopyAgain(context, resource, node);
  return true;
}

/** The order to end a copy once more: it may never have arrived. */
export function endCopyAgain(context: StepContext, resource: ResourceId, node: NodeId): void {
  const left = leftoverOf(context, resource);
  const place = left?.places.find((candidate) => candidate.node === node);
  if (left === undefined || place === undefined) return;
  const { group, groupName } = left;
  context.orderAgain({ id: place.effect, node, action: "terminate", group, groupName, generation: place.generation, resource: left.resource, reason: "It must end (ordered again)." });
}

/** The copy is gone, or its node is. Returns whether there was one. */
function copyEnded(context: StepContext, resource: ResourceId, node: NodeId): boolean {
  const { leftovers, resources } = context.state.tables;
  const found = leftovers.get(resource);
  if (found === undefined || !found.places.some((place) => place.node === node)) return false;
  const places = found.places.filter((place) => place.node !== node);
  if (places.length === 0) leftovers.remove(resource);
  else leftovers.put(resource, { ...found, places });
  const group = resources.get(resource)?.group;
  if (group !== undefined) context.touched.add(group);
  return true;
}

/** Ends the memory of everything the node had: it left, or came back with a new life. */
export function copiesLost(context: StepContext, node: NodeId): void {
  for (const resource of copiesOn(context, node)) copyEnded(context, resource, node);
}

export function copiesOn(context: StepContext, node: NodeId): ResourceId[] {
  const { leftovers } = context.state.tables;
  if (leftovers.size === 0) return [];
  return leftovers.keys().filter((key) => leftovers.get(key)?.places.some((place) => place.node === node) === true);
}

export function leftoverOf(context: StepContext, resource: ResourceId): LeftoverRow | undefined {
  return context.state.tables.leftovers.get(resource);
}

/**
 * The one place where a start is held back, as the end of a sentence "it waits: …"; null = it may start.
 * A copy that still runs is one reason, the hold of an excluded node (PROTOCOL part 2) is the other; the embedded
 * engine brings no holds, because a taker's monitor ends leftovers under a lock of the machine.
 */
export function whyStartWaits(context: StepContext, resource: ResourceId): string | null {
  const place = leftoverOf(context, resource)?.places[0];
  return place === undefined ? whyHeld(context, resource) : `an earlier copy on ${context.nodeName(place.node)} is still being ended`;
}

/** Stands for a resource nobody knows any more, so that a monitor can be told to end it. */
export function unknownResource(id: ResourceId): ResourceRecord {
  return { id, name: id, group: "", type: "", dependencies: [], possibleOwners: null, properties: {}, privateProperties: {} };
}

export function isCurrent(context: StepContext, member: Member): boolean {
  const row = context.node(member.node);
  return row.state !== "Down" && row.incarnation === member.incarnation;
}
