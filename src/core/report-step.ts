import type { EffectId } from "../model/identifiers.ts";
import { compareOrdinalIds } from "../model/identifiers.ts";
import type { ReportInput } from "../model/inputs.ts";
import type { ResourceRecord } from "../model/objects.ts";
import type { StepContext } from "./context.ts";
import { endStray } from "./copies.ts";
import { failResource } from "./failure.ts";
import { endedWithPermit } from "./permit-end.ts";
import { seenRunning } from "./holds.ts";
import { copyReportedGone, endCopy, isCurrent } from "./leftovers.ts";
import { orderPendingAgain } from "./inventory-step.ts";
import type { ResourceRow } from "./records.ts";
import { isPendingOrOnline, noteStatus, trimEnd } from "./reported-status.ts";

/**
 * What a monitor says of a resource. Reports are levels: the same one may come again and changes
 * nothing then; what answers an older order is out of date.
 */
export function reactToReport(context: StepContext, input: ReportInput): void {
  if (!isCurrent(context, input.from)) return;
  const node = input.from.node;
  const gone = input.state === "offline" || input.state === "failed";
  const resource = context.state.tables.resources.get(input.resource);
  const group = resource === undefined ? undefined : context.group(resource.group);
  if (resource === undefined || group === undefined || group.owner !== node || (group.generation !== input.generation && !(gone && answersOrder(context, input)))) {
    if (gone) copyReportedGone(context, input.resource, node, input.effect);
    else endStray(context, input.resource, input.generation, node);
    return;
  }
  const row = context.resource(resource.id);
  if (gone && copyReportedGone(context, resource.id, node, input.effect) && !isPendingOrOnline(row)) return;
  if (input.effect !== null && row.lastEffect !== null && compareOrdinalIds(input.effect, row.lastEffect) < 0) return;
  context.touched.add(resource.group);
  apply(context, input, resource, row);
  if (input.state === "online") seenRunning(context, resource.group);
  if (input.status !== undefined) noteStatus(context, resource, input.status, { node, generation: input.generation, reason: input.reason });
}

/**
 * A copy of an earlier generation that ended by the owner's order, or by a later one, says its own generation.
 * Without this, a role that left a node and came back before anything was started there would end for ever.
 */
function answersOrder(context: StepContext, input: ReportInput): boolean {
  const row = context.state.tables.resourceRuntime.get(input.resource);
  return row !== undefined && row.pendingEffect !== null && answers(input.effect, row.pendingEffect);
}

function apply(context: StepContext, input: ReportInput, resource: ResourceRecord, row: ResourceRow): void {
  switch (input.state) {
    case "online":
      return reportedOnline(context, input, resource, row);
    case "offline":
      return reportedOffline(context, input, resource, row);
    case "failed":
      return reportedFailed(context, input, resource, row);
    default:
      // Progress: only the process may be news.
      if (input.processId !== null && row.processId !== input.processId && isPendingOrOnline(row)) context.setResource(row.id, { processId: input.processId });
  }
}

function reportedOnline(context: StepContext, input: ReportInput, resource: ResourceRecord, row: ResourceRow): void {
  if (row.state === "Online") {
    if (row.processId !== input.processId) context.setResource(row.id, { processId: input.processId });
    return;
  }
  // On its way out: what ends it will be reported. And only the answer to an order to start counts as one.
  if (row.state === "OfflinePending" || (row.pendingEffect !== null && input.effect !== row.pendingEffect)) return;
  const group = context.group(resource.group);
  const where = context.nodeName(input.from.node);
  context.setResource(row.id, {
    state: "Online",
    pendingEffect: null,
    lastEffect: input.effect ?? row.lastEffect,
    processId: input.processId,
    restartAtMs: null,
    waitsFor: null,
    reason: context.reason("online", `It is online on ${where}.`),
  });
  context.event("ResourceOnline", { node: input.from.node, group: context.state.tables.groups.get(resource.group)?.name ?? null, resource: resource.name, text: `The resource '${resource.name}' is online on ${where}.`, cause: group.cause });
}

/**
 * While an order is under way, only its own answer proves that nothing runs: any other report may
 * be from before it. Then the end is made sure of before the resource may start anywhere.
 */
function reportedFailed(context: StepContext, input: ReportInput, resource: ResourceRecord, row: ResourceRow): void {
  if (!isPendingOrOnline(row)) return;
  const unproven = row.pendingEffect !== null && !answers(input.effect, row.pendingEffect);
  if (unproven && row.state === "OfflinePending") {
    orderPendingAgain(context, resource, input.from.node);
    return;
  }
  if (unproven) {
    const group = context.state.tables.groups.get(resource.group);
    const effect = endCopy(context, { resource, group: resource.group, groupName: group?.name ?? "", generation: input.generation }, input.from.node, "It failed while it was being brought online.");
    context.setResource(row.id, { lastEffect: effect });
  }
  failResource(context, row.id, input.reason === "" ? "no reason was given" : trimEnd(input.reason));
}

function reportedOffline(context: StepContext, input: ReportInput, resource: ResourceRecord, row: ResourceRow): void {
  if (row.state === "Online" || (row.state === "OnlinePending" && input.effect !== null)) {
    if (input.permitEnded === true) endedWithPermit(context, resource);
    else failResource(context, row.id, "it went offline by itself");
    return;
  }
  if (row.state !== "OfflinePending") return;
  if (row.pendingEffect !== null && !answers(input.effect, row.pendingEffect)) {
    orderPendingAgain(context, resource, input.from.node);
    return;
  }
  const where = context.nodeName(input.from.node);
  context.setResource(row.id, { state: "Offline", status: 0, pendingEffect: null, processId: null, reason: context.reason("offline", row.reason.rule === "provider failed" ? "It was ended because a resource it depends on failed." : "It was taken offline.") });
  context.event("ResourceOffline", {
    node: input.from.node,
    group: context.state.tables.groups.get(resource.group)?.name ?? null,
    resource: resource.name,
    text: `The resource '${resource.name}' is offline on ${where}.`,
    cause: context.group(resource.group).cause,
  });
}

/** Orders of a resource are never carried out out of turn: what became of a later one says as much. */
function answers(effect: EffectId | null, order: EffectId): boolean {
  return effect !== null && compareOrdinalIds(effect, order) >= 0;
}
