import type { NodeId, ResourceId } from "../model/identifiers.ts";
import type { InventoryInput, InventoryItem } from "../model/inputs.ts";
import type { ResourceRecord } from "../model/objects.ts";
import { compareOrdinalIds } from "../model/identifiers.ts";
import type { StepContext } from "./context.ts";
import { endStray } from "./copies.ts";
import { retryDrains } from "./drain.ts";
import { nodeAvailable } from "./failback.ts";
import { failResource } from "./failure.ts";
import { endedWithPermit } from "./permit-end.ts";
import { cleanInventory, seenRunning, whyHeld } from "./holds.ts";
import { copiesOn, endCopyAgain, isCurrent } from "./leftovers.ts";
import { handoverOf } from "./handover.ts";
import { withProviders } from "./providers.ts";
import { initialResourceRow } from "./records.ts";
import { compareText } from "./order.ts";
import { noteStatus } from "./reported-status.ts";
import { openWhenAllReported, touchWaitingGroups } from "./view-step.ts";

/** What a node really has, after each new view (PROTOCOL rule 15): adopted where it fits, ended where it does not. */
export function reactToInventory(context: StepContext, input: InventoryInput): void {
  if (!isCurrent(context, input.from)) return;
  const node = input.from.node;
  const items = new Map<ResourceId, InventoryItem>();
  for (const item of [...input.resources].sort((left, right) => compareText(left.resource, right.resource))) {
    if (item.state !== "offline") items.set(item.resource, item);
  }
  // Absence ends no copy: an order to start it may have been on its way.
  const ending = copiesOn(context, node);
  for (const resource of ending) endCopyAgain(context, resource, node);
  if (items.size === 0) cleanInventory(context, node, input.from.incarnation);
  const wasKnown = context.node(node).inventoryKnown;
  const wasOpen = context.view?.open === true;
  context.setNode(node, { inventoryKnown: true });

  for (const item of items.values()) {
    if (ending.includes(item.resource)) continue;
    if (belongs(context, item, node)) {
      adopt(context, item, node);
      noteItemStatus(context, item, node);
      if (item.state === "online") seenRunning(context, context.state.tables.resources.get(item.resource)!.group);
    }
    else if (item.state !== "failed") endStray(context, item.resource, item.generation, node);
  }
  for (const group of context.groupsByName(context.state.groupIdsOwnedBy(node))) {
    for (const resource of context.resourcesOf(group.id)) {
      const item = items.get(resource.id);
      const { generation } = context.group(group.id);
      // A failure of an earlier stay says nothing of this one.
      const isFormer = item?.state === "failed" && item.generation !== generation;
      const ended = input.resources.find((one) => one.resource === resource.id && one.permitEnded === true && one.generation === generation) ?? null;
      if (item === undefined || isFormer) missing(context, resource, node, ended);
    }
  }
  // At a cold start every role is where it was found or is placed anew: nothing goes back.
  if (!wasKnown && wasOpen) nodeAvailable(context, node);
  if (!wasKnown) {
    touchWaitingGroups(context);
    retryDrains(context, context.entry);
  }
  openWhenAllReported(context);
}

/** Whether the item is the current copy. Groups nobody owns yet take what runs; before the start the newest wins. */
function belongs(context: StepContext, item: InventoryItem, node: NodeId): boolean {
  const resource = context.state.tables.resources.get(item.resource);
  if (resource === undefined) return false;
  const row = context.group(resource.group);
  if (row.owner === node && row.generation === item.generation) return true;
  if (item.state === "failed" || context.node(node).state !== "Up") return false;
  const starting = context.view?.open !== true;
  if (row.owner !== null && !(starting && item.generation > row.generation)) return false;
  if (row.owner === null && item.generation < row.generation) return false;
  takeOver(context, resource, item, node);
  return true;
}

/** The group is where it runs: its owner and generation are those of the copy. What an older claim left is ended. */
function takeOver(context: StepContext, resource: ResourceRecord, item: InventoryItem, node: NodeId): void {
  const before = context.group(resource.group);
  const group = context.state.tables.groups.get(resource.group);
  if (group === undefined) return;
  const older = context.resourcesOf(group.id).filter((other) => context.resource(other.id).state !== "Offline");
  context.setGroup(group.id, { owner: node, generation: item.generation, movingTo: null, moveKind: null });
  for (const other of older) {
    if (before.owner !== null) endStray(context, other.id, before.generation, before.owner);
    context.setResource(other.id, initialResourceRow(other.id));
  }
  const text = `The role '${group.name}' is adopted where it runs, on ${context.nodeName(node)}.`;
  const cause = context.event("GroupPlaced", { node, group: group.name, text });
  context.setGroup(group.id, { cause, reason: context.reason("adopted", `It was found running on ${context.nodeName(node)}.`) });
  context.touched.add(group.id);
}

/** A status that was reported before stands in the inventory too: a state that is made anew learns it there. */
function noteItemStatus(context: StepContext, item: InventoryItem, node: NodeId): void {
  const resource = context.state.tables.resources.get(item.resource);
  if (resource === undefined || item.status === undefined) return;
  noteStatus(context, resource, item.status, { node, generation: item.generation, reason: "its node still reports it" });
}

/** The state a node reports for a resource of a group it owns. */
function adopt(context: StepContext, item: InventoryItem, node: NodeId): void {
  const resource = context.state.tables.resources.get(item.resource) as ResourceRecord;
  const row = context.resource(item.resource);
  context.touched.add(resource.group);
  const unheard = row.pendingEffect !== null && (item.effect === null || compareOrdinalIds(item.effect, row.pendingEffect) < 0);
  if (unheard && row.pendingEffect !== null) {
    orderPendingAgain(context, resource, node);
    return;
  }
  const settled = { pendingEffect: null, lastEffect: item.effect ?? row.lastEffect, processId: item.processId };
  switch (item.state) {
    case "online":
      if (row.state === "OfflinePending") orderPendingAgain(context, resource, node);
      else context.setResource(row.id, { ...settled, state: "Online", restartAtMs: null, waitsFor: null, reason: row.state === "Online" ? row.reason : context.reason("online", `It runs on ${context.nodeName(node)}.`) });
      return;
    case "onlinePending":
    case "offlinePending": {
      const state = item.state === "onlinePending" ? "OnlinePending" : "OfflinePending";
      const pendingAction = state === "OnlinePending" ? "online" : row.state === state ? row.pendingAction : "offline";
      const reason = row.state === state ? row.reason : context.reason("adopted", `Its node reports that it is ${item.state === "onlinePending" ? "coming online" : "going offline"}.`);
      context.setResource(row.id, { ...settled, state, pendingEffect: item.effect, pendingAction, restartAtMs: null, waitsFor: null, reason });
      return;
    }
    case "failed":
      if (row.state === "Online" || row.state === "OnlinePending" || row.state === "OfflinePending") failResource(context, row.id, "its node reports it as failed");
      return;
    case "offline":
  }
}

/** A resource of the node's groups that the node does not list, or only as `ended` by its permit. */
function missing(context: StepContext, resource: ResourceRecord, node: NodeId, ended: InventoryItem | null): void {
  const row = context.resource(resource.id);
  switch (row.state) {
    case "Online":
      if (ended === null) failResource(context, resource.id, "it does not run any more");
      else endedWithPermit(context, resource);
      return;
    case "OnlinePending":
    case "OfflinePending":
      // Absence does not answer an order: an earlier one may still be on its way to the monitor.
      orderPendingAgain(context, resource, node);
      return;
    default:
  }
}

/**
 * The order never arrived, or its answer is on its way: the same order once more does no harm,
 * because a monitor answers one that it has seen with how it stands now (PROTOCOL rule 14).
 */
export function orderPendingAgain(context: StepContext, resource: ResourceRecord, node: NodeId): void {
  const row = context.resource(resource.id);
  const group = context.group(resource.group);
  if (row.pendingEffect === null) return;
  // Its answer may have reached nobody but a node that was left out, which has gone on from there; the order follows when that can serve no more.
  if (row.pendingAction === "online" && whyHeld(context, resource.id) !== null) return;
  context.orderAgain({
    id: row.pendingEffect,
    node,
    action: row.pendingAction,
    group: resource.group,
    groupName: context.state.tables.groups.get(resource.group)?.name ?? "",
    generation: group.generation,
    resource,
    ...(row.pendingAction === "online" ? withProviders(context.state, resource) : {}),
    reason: `${row.reason.text} (ordered again)`,
    ...(row.pendingAction === "online" ? handoverOf(context, row) : {}),
  });
}
