import { MusterError } from "../model/errors.ts";
import type { EffectId, ResourceId } from "../model/identifiers.ts";
import type { GroupRecord, ResourceRecord } from "../model/objects.ts";
import type { StepContext } from "./context.ts";
import { handoverOf } from "./handover.ts";
import { providersFirst } from "./dependency.ts";
import { deriveGroupState, isRunning } from "./group-state.ts";
import { whyStartWaits } from "./leftovers.ts";
import { bestNode, whyNot } from "./placement.ts";
import { failBackWhenOnline } from "./failback.ts";
import { changeOwner, finishMove, isStopped, quote } from "./moving.ts";
import { placeGroup, sayWaiting } from "./placing.ts";
import { endPreemption, isPreempted, makeRoom, whyRoomIsTaken } from "./preemption.ts";
import { withProviders } from "./providers.ts";
import type { GroupRow, ResourceRow } from "./records.ts";
import { isLocked, sayLocked } from "./status-bits.ts";
import { tryQueuedMove } from "./queued-moves.ts";
import { closeWhenOffline, mayStart } from "./start-order.ts";
import { resourceWantedOnline, wantsAnything } from "./wanted.ts";

/** Placing, starting where it is placed, and the end of a move may follow each other in one step. */
const ROUNDS_MAX = 8;

/**
 * Brings a group one step nearer to what is wanted: compares what each resource should be with
 * what it is, and gives every order that can be given now. Called whenever anything about the
 * group changed; when nothing is to be done it does nothing.
 */
export function advanceGroup(context: StepContext, id: string): void {
  const group = context.state.tables.groups.get(id);
  if (group === undefined) return;
  if (context.view?.open === true) {
    for (let round = 0; advanceOnce(context, group); round++) {
      if (round === ROUNDS_MAX) throw new MusterError("MUSTER_INTERNAL", { problem: `the group ${group.name} does not come to rest` });
    }
  }
  announce(context, group);
}

/** Returns true when the group must be looked at again at once. */
function advanceOnce(context: StepContext, group: GroupRecord): boolean {
  if (!wantsAnything(context.state, group.id)) endPreemption(context, group.id);
  const row = context.group(group.id);
  if (row.owner === null) return placeGroup(context, group);
  if (isPreempted(context, group.id) && isStopped(context, group)) {
    changeOwner(context, group, null);
    return true;
  }
  if (row.movingTo === null && mustBePlacedAnew(context, group, row)) return replace(context, group, row);
  if (row.queuedMove !== null && tryQueuedMove(context, group, row.queuedMove)) return true;
  const resources = providersFirst(context.resourcesOf(group.id));
  forgetFailuresNobodyMinds(context, group, resources);
  const staying = decideWhatStays(context, group, row, resources);
  stopTheRest(context, group, row, resources, staying);
  if (row.movingTo !== null) {
    if (!isStopped(context, group)) return false;
    finishMove(context, group);
    return true;
  }
  if (isPreempted(context, group.id)) return false;
  // Insisting holds for what is stopped now, not for the next time.
  if (row.ignoreLocked && !resources.some((resource) => isRunning(context.resource(resource.id)) && !staying.has(resource.id))) context.setGroup(group.id, { ignoreLocked: false });
  if (mayStart(context, group)) startWhatCan(context, group, context.group(group.id), resources, staying);
  return false;
}

/** It shall run, nothing of it does, and its owner may not start anything (it is paused, or no longer a possible owner). */
function mustBePlacedAnew(context: StepContext, group: GroupRecord, row: GroupRow): boolean {
  if (row.owner === null || !wantsAnything(context.state, group.id) || whyNot(context, group, row.owner) === null) return false;
  // A restart in place goes on even on a paused node: its roles stay, and stay watched (reference 2.12).
  return context.resourcesOf(group.id).every((resource) => {
    const { state, reason } = context.resource(resource.id);
    return state === "Offline" && reason.rule !== "restart" && reason.rule !== "stays";
  });
}

function replace(context: StepContext, group: GroupRecord, row: GroupRow): boolean {
  if (bestNode(context, group, row.owner) === null && makeRoom(context, group) === null) {
    sayWaiting(context, group);
    return false;
  }
  // The room may have been made where it is.
  if (row.owner !== null && whyNot(context, group, row.owner) === null) return true;
  return placeGroup(context, group);
}

/** A resource that shall be offline is offline, also when it failed before: its monitor ended it. */
function forgetFailuresNobodyMinds(context: StepContext, group: GroupRecord, resources: readonly ResourceRecord[]): void {
  for (const resource of resources) {
    const row = context.resource(resource.id);
    if (resourceWantedOnline(group, resource)) continue;
    if (row.waitsFor === "copy") context.setResource(resource.id, { waitsFor: null });
    if (row.state !== "Failed") continue;
    context.setResource(resource.id, { state: "Offline", restartAtMs: null, waitsFor: null, reason: context.reason("not wanted", "It had failed, and is not wanted online any more.") });
  }
}

/** Resources that are online or coming, are wanted, and keep the providers they need. Providers come first. */
function decideWhatStays(context: StepContext, group: GroupRecord, row: GroupRow, resources: readonly ResourceRecord[]): ReadonlySet<ResourceId> {
  const staying = new Set<ResourceId>();
  if (row.movingTo !== null || isPreempted(context, group.id)) return staying;
  for (const resource of resources) {
    const { state } = context.resource(resource.id);
    if (state !== "Online" && state !== "OnlinePending") continue;
    if (resourceWantedOnline(group, resource) && providersReady(context, resource, staying)) staying.add(resource.id);
  }
  return staying;
}

/** Every clause has a provider that is online and stays so (reference 2.8). */
function providersReady(context: StepContext, resource: ResourceRecord, staying: ReadonlySet<ResourceId>): boolean {
  return resource.dependencies.every((clause) => clause.some((provider) => staying.has(provider) && context.resource(provider).state === "Online"));
}

/** Dependents before providers: a provider waits until nothing that must stop stands on it. */
function stopTheRest(context: StepContext, group: GroupRecord, row: GroupRow, resources: readonly ResourceRecord[], staying: ReadonlySet<ResourceId>): void {
  const broken = brokenByFailure(context, resources, staying);
  for (const resource of [...resources].reverse()) {
    const { state } = context.resource(resource.id);
    if ((state !== "Online" && state !== "OnlinePending") || staying.has(resource.id)) continue;
    const waits = context.state.dependentIdsOf(resource.id).some((dependent) => isRunning(context.resource(dependent)) && !staying.has(dependent));
    if (waits) continue;
    // What is locked is kept until it is not, unless somebody insists or what it needs has failed.
    const locked = isLocked(context.resource(resource.id));
    if (locked && !row.ignoreLocked && !broken.has(resource.id)) {
      sayLocked(context, resource);
      continue;
    }
    if (broken.has(resource.id)) stop(context, group, row, resource, "terminate", "provider failed", "A resource it depends on failed.");
    else if (locked) stop(context, group, row, resource, "terminate", "locked", `It is ended although it is locked: an administrator insisted.`);
    else if (row.movingTo !== null || isPreempted(context, group.id)) stop(context, group, row, resource, "offline", "moving", row.reason.text);
    else if (resourceWantedOnline(group, resource)) stop(context, group, row, resource, "offline", "provider stopped", "A resource it depends on goes offline.");
    else stop(context, group, row, resource, "offline", "not wanted", "It shall be offline.");
  }
}

/** Resources that lost a provider by failure, directly or through others. */
function brokenByFailure(context: StepContext, resources: readonly ResourceRecord[], staying: ReadonlySet<ResourceId>): ReadonlySet<ResourceId> {
  const broken = new Set<ResourceId>();
  for (const resource of resources) {
    const lost = resource.dependencies.some(
      (clause) =>
        !clause.some((provider) => staying.has(provider)) &&
        clause.some((provider) => broken.has(provider) || context.resource(provider).state === "Failed"),
    );
    if (lost) broken.add(resource.id);
  }
  return broken;
}

function stop(context: StepContext, group: GroupRecord, row: GroupRow, resource: ResourceRecord, action: "offline" | "terminate", rule: string, why: string): void {
  if (row.owner === null) return;
  const effect = context.order({ node: row.owner, action, group: group.id, groupName: group.name, generation: row.generation, resource, reason: why });
  context.setResource(resource.id, { state: "OfflinePending", pendingEffect: effect, lastEffect: effect, pendingAction: action, reason: context.reason(rule, why) });
}

function startWhatCan(context: StepContext, group: GroupRecord, row: GroupRow, resources: readonly ResourceRecord[], staying: ReadonlySet<ResourceId>): void {
  for (const resource of resources) {
    const resourceRow = context.resource(resource.id);
    if (resourceRow.state !== "Offline" || !resourceWantedOnline(group, resource)) continue;
    const provider = whyWaits(context, resource, staying);
    const copy = provider === null ? (whyStartWaits(context, resource.id) ?? whyRoomIsTaken(context, group, row.owner)) : null;
    if (provider !== null) sayResourceWaits(context, resourceRow, provider, null);
    else if (copy !== null) sayResourceWaits(context, resourceRow, copy, "copy");
    else startResource(context, group, row, resource);
  }
}

function whyWaits(context: StepContext, resource: ResourceRecord, staying: ReadonlySet<ResourceId>): string | null {
  if (providersReady(context, resource, staying)) return null;
  const missing = resource.dependencies.find((clause) => !clause.some((provider) => staying.has(provider) && context.resource(provider).state === "Online")) ?? [];
  const names = missing.map((provider) => `'${context.state.tables.resources.get(provider)?.name ?? provider}'`);
  return `${names.join(" or ")} must be online first`;
}

function sayResourceWaits(context: StepContext, row: ResourceRow, waits: string, waitsFor: "copy" | null): void {
  const text = `It waits: ${waits}.`;
  if (row.reason.text !== text || row.waitsFor !== waitsFor) context.setResource(row.id, { waitsFor, reason: context.reason("waits", text) });
}

function startResource(context: StepContext, group: GroupRecord, row: GroupRow, resource: ResourceRecord): EffectId | null {
  if (row.owner === null) return null;
  const before = context.resource(resource.id);
  const why = before.reason.rule === "restart" || before.reason.rule === "retry" ? before.reason.text : row.reason.text;
  const effect = context.order({ node: row.owner, action: "online", group: group.id, groupName: group.name, generation: row.generation, resource, ...handoverOf(context, before), ...withProviders(context.state, resource), reason: why });
  context.setResource(resource.id, {
    state: "OnlinePending",
    pendingEffect: effect,
    lastEffect: effect,
    pendingAction: "online",
    waitsFor: null,
    processId: null,
    reason: context.reason("starting", `It is being brought online on ${context.nodeName(row.owner)}.`),
  });
  return effect;
}

/** Says it once when the group as a whole has become online or offline, and keeps the reason in step with the state. */
function announce(context: StepContext, group: GroupRecord): void {
  const row = context.group(group.id);
  const resources = context.resourcesOf(group.id).map((record) => ({ record, row: context.resource(record.id) }));
  const state = deriveGroupState(group, resources, row.movingTo !== null);
  if (state === row.announced && state !== "PartialOnline" && (state !== "Online" || row.reason.rule !== "online")) return;
  const where = row.owner === null ? "" : ` on ${context.nodeName(row.owner)}`;
  switch (state) {
    case "Online": {
      const failed = resources.filter((resource) => resource.row.state !== "Online").map((resource) => `'${resource.record.name}'`);
      const text = failed.length === 0 ? `All its resources are online${where}.` : `It is online${where}, without ${failed.join(", ")}, which failed; what depends on ${failed.length === 1 ? "it has another" : "them has others"}.`;
      if (state === row.announced) {
        if (row.reason.text !== text) context.setGroup(group.id, { reason: context.reason("online", text, failed.length === 0 ? undefined : `muster group show ${quote(group.name)}`) });
        return;
      }
      if (row.returnTo !== null) context.setGroup(group.id, { returnTo: null });
      const cause = context.event("GroupOnline", { node: row.owner, group: group.name, text: `The role '${group.name}' is online${where}.`, cause: row.cause });
      context.setGroup(group.id, { announced: state, cause, reason: context.reason("online", text) });
      failBackWhenOnline(context, group);
      return;
    }
    case "Offline": {
      if (wantsAnything(context.state, group.id)) {
        context.setGroup(group.id, { announced: state });
        return;
      }
      const command = `muster group online ${quote(group.name)}`;
      closeWhenOffline(context, group.id);
      const cause = context.event("GroupOffline", { node: row.owner, group: group.name, text: `The role '${group.name}' is offline.`, cause: row.cause });
      context.setGroup(group.id, { announced: state, cause, reason: context.reason("offline", "It shall be offline.", command) });
      return;
    }
    case "PartialOnline": {
      const missing = resources.filter((resource) => resource.row.state !== "Online").map((resource) => `'${resource.record.name}'`);
      const text = `${missing.join(", ")} ${missing.length === 1 ? "is" : "are"} offline.`;
      if (state === row.announced && (row.reason.rule !== "partial" || row.reason.text === text)) return;
      context.setGroup(group.id, { announced: state, reason: context.reason("partial", text, `muster group online ${quote(group.name)}`) });
      return;
    }
    default:
      // Pending and Failed: whoever caused them has given the reason.
      context.setGroup(group.id, { announced: state });
  }
}
