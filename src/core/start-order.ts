import type { GroupId } from "../model/identifiers.ts";
import type { GroupRecord, GroupSetRecord } from "../model/objects.ts";
import { clusterProperties, groupProperties, groupSetProperties, numberPropertyOf } from "../model/properties.ts";
import { ColdStartSetting, ReadySetting, ResourceStatus, UNSET } from "../model/states.ts";
import type { StepContext } from "./context.ts";
import { isRunning } from "./group-state.ts";
import { quote } from "./moving.ts";
import { sortedText } from "./order.ts";
import type { GroupRow } from "./records.ts";
import { priorityOf } from "./serve.ts";
import { ONLY } from "./state.ts";
import type { ClusterState } from "./state.ts";
import { wantsAnything } from "./wanted.ts";

/**
 * When a group may be started (reference 2.13): after the groups and sets it waits for, after its own delay, and
 * by itself only when its priority and the settings for a cold start allow it. Once it was started it is never
 * stopped for the sake of order.
 */

/** Opens the gate of a group whose turn it is. Returns whether its starts may go on. */
export function mayStart(context: StepContext, group: GroupRecord): boolean {
  const row = context.group(group.id);
  if (row.startGate === "open") return true;
  if (!wantsAnything(context.state, group.id)) return true;
  if (context.resourcesOf(group.id).some((resource) => isRunning(context.resource(resource.id)))) return open(context, group);
  if (row.startGate === "byHand") return false;

  const sinceMs = row.gateSinceMs ?? context.now;
  const waitsFor = notReady(context, group, row.startGate === "continuing");
  const untilMs = sinceMs + 1_000 * clusterNumber(context.state, "GroupDependencyTimeout");
  if (waitsFor.length > 0 && context.now < untilMs) {
    wait(context, group, sinceMs, waitsFor, Math.min(untilMs, nextReadyMs(context, waitsFor) ?? untilMs), "start order", `It waits for ${describeProviders(context, waitsFor)}.`);
    return false;
  }
  const delayMs = row.automatic ? numberPropertyOf(groupProperties, group.properties, "GroupStartDelay") : 0;
  if (context.now < sinceMs + delayMs) {
    wait(context, group, sinceMs, [], sinceMs + delayMs, "start delay", `It is started ${delayMs} ms after its turn came (GroupStartDelay).`);
    return false;
  }
  if (waitsFor.length > 0) {
    const text = `The role '${group.name}' is started although it has waited in vain for ${describeProviders(context, waitsFor)}.`;
    const cause = context.event("GroupDependencyTimeout", { node: row.owner, group: group.name, text, next: `muster why ${quote(group.name)}`, cause: row.cause });
    context.setGroup(group.id, { cause });
  }
  return open(context, group);
}

function open(context: StepContext, group: GroupRecord): true {
  context.setGroup(group.id, { startGate: "open", gateSinceMs: null, lookAtMs: null, waitsFor: [], startedAtMs: context.now });
  return true;
}

function wait(context: StepContext, group: GroupRecord, sinceMs: number, waitsFor: readonly string[], lookAtMs: number, rule: string, text: string): void {
  const row = context.group(group.id);
  const isNews = row.reason.rule !== rule;
  const cause = isNews ? context.event("GroupWaitsToStart", { node: row.owner, group: group.name, text: `The role '${group.name}' is not started yet. ${text}`, next: `muster why ${quote(group.name)}`, cause: row.cause }) : row.cause;
  const reason = row.reason.rule === rule && row.reason.text === text ? row.reason : { ...context.reason(rule, text, `muster group move ${quote(group.name)} --high-priority-start`), sinceMs: isNews ? context.now : row.reason.sinceMs };
  // The same list keeps the index of those who wait as it is.
  const same = row.waitsFor.length === waitsFor.length && row.waitsFor.every((id, position) => id === waitsFor[position]);
  if (same && row.gateSinceMs === sinceMs && row.lookAtMs === lookAtMs && row.reason === reason) return;
  context.setGroup(group.id, { gateSinceMs: sinceMs, lookAtMs, waitsFor: same ? row.waitsFor : waitsFor, cause, reason });
}

// ---- what it waits for -----------------------------------------------------------

/** Ids of the groups and sets that must be ready before a group, its set's and the global sets included. */
export function providersOf(state: ClusterState, group: GroupRecord): string[] {
  const own = state.setIdOf(group.id);
  const set = own === undefined ? undefined : state.tables.groupSets.get(own);
  const isGlobal = own !== undefined && state.globalSetIds().includes(own);
  return sortedText(new Set([...(group.startsAfter ?? []), ...(set?.startsAfter ?? []), ...(isGlobal ? [] : state.globalSetIds())]));
}

/**
 * After the loss of its node a group that was running waits only for those that are being started anew themselves:
 * a provider that was taken offline long ago did not hold it up before.
 */
function notReady(context: StepContext, group: GroupRecord, continuing: boolean): string[] {
  return providersOf(context.state, group).filter((id) => {
    const groups = groupsOf(context.state, id);
    return !isReady(context, id) && !(continuing && groups.every((member) => !isComing(context, member)));
  });
}

function isComing(context: StepContext, id: GroupId): boolean {
  const { announced, startGate } = context.group(id);
  return wantsAnything(context.state, id) && announced !== "Online" && announced !== "Failed" && startGate !== "byHand";
}

export function isReady(context: StepContext, id: string): boolean {
  const set = context.state.tables.groupSets.get(id);
  if (set === undefined) return isGroupReady(context, id, ReadySetting.Online, 0);
  const { setting, delayMs, needed } = readiness(set);
  return set.groups.filter((group) => isGroupReady(context, group, setting, delayMs)).length >= needed;
}

function isGroupReady(context: StepContext, id: GroupId, setting: number, delayMs: number): boolean {
  const row = context.group(id);
  // A role without resources has nothing that could start or show a heartbeat: nobody shall wait for that.
  if (!context.state.someResourceOf(id, () => true)) return row.announced === "Online";
  switch (setting) {
    case ReadySetting.Delay:
      // One that was found running after a start of the whole cluster was started long ago.
      return row.startedAtMs === null ? row.announced === "Online" : context.now >= row.startedAtMs + delayMs;
    case ReadySetting.OsHeartbeat:
      return hasStatus(context, id, ResourceStatus.OsHeartbeat);
    case ReadySetting.ApplicationReady:
      return hasStatus(context, id, ResourceStatus.ApplicationReady);
    default:
      return row.announced === "Online";
  }
}

function hasStatus(context: StepContext, group: GroupId, bit: number): boolean {
  return context.state.someResourceOf(group, (id) => (context.resource(id).status & bit) !== 0);
}

/** With the trigger "Delay" nothing but time makes a set ready: the next moment at which it might. */
function nextReadyMs(context: StepContext, ids: readonly string[]): number | null {
  let next: number | null = null;
  for (const id of ids) {
    const set = context.state.tables.groupSets.get(id);
    if (set === undefined || readiness(set).setting !== ReadySetting.Delay) continue;
    for (const group of set.groups) {
      const { startedAtMs } = context.group(group);
      const at = startedAtMs === null ? null : startedAtMs + readiness(set).delayMs;
      if (at !== null && at > context.now && (next === null || at < next)) next = at;
    }
  }
  return next;
}

function readiness(set: GroupSetRecord): { readonly setting: number; readonly delayMs: number; readonly needed: number } {
  const property = (name: string): number => numberPropertyOf(groupSetProperties, set.properties, name);
  const count = property("StartupCount");
  return { setting: property("StartupSetting"), delayMs: 1_000 * property("StartupDelay"), needed: count === UNSET ? set.groups.length : Math.min(count, set.groups.length) };
}

function groupsOf(state: ClusterState, id: string): readonly GroupId[] {
  return state.tables.groupSets.get(id)?.groups ?? [id];
}

/** "the group set 'infrastructure' ('database' is Pending)": for reasons and for people. */
export function describeProviders(context: StepContext, ids: readonly string[]): string {
  return ids
    .map((id) => {
      const set = context.state.tables.groupSets.get(id);
      const laggards = groupsOf(context.state, id)
        .filter((group) => context.group(group).announced !== "Online")
        .map((group) => `'${context.state.tables.groups.get(group)?.name ?? group}' is ${context.group(group).announced}`);
      if (set === undefined) return `'${context.state.tables.groups.get(id)?.name ?? id}', which is ${context.group(id).announced}`;
      const { setting, delayMs } = readiness(set);
      const detail = setting === ReadySetting.Delay ? `ready ${delayMs / 1_000} s after its start` : laggards.slice(0, 3).join(", ");
      return `the group set '${set.name}'${detail === "" ? "" : ` (${detail})`}`;
    })
    .join(", ");
}

// ---- what closes the gate ------------------------------------------------------------

/** After a start of the whole cluster, a group that nobody runs waits for its turn, or for somebody's hand. */
export function closeAtColdStart(context: StepContext, group: GroupRecord): void {
  if (context.resourcesOf(group.id).some((resource) => isRunning(context.resource(resource.id)))) return;
  const setting = numberPropertyOf(groupProperties, group.properties, "ColdStartSetting");
  if (clusterNumber(context.state, "IgnorePersistentStateOnStartup") === 1) return onlyByHand(context, group, "the cluster was told to leave its roles offline at start (IgnorePersistentStateOnStartup)");
  if (setting === ColdStartSetting.DoNotStart) return onlyByHand(context, group, "its ColdStartSetting says not to start it with the cluster");
  if (priorityOf(group) === 0) return onlyByHand(context, group, "its Priority is 0");
}

/** Its node was lost: it goes on elsewhere, by itself unless its priority is 0. */
export function closeAfterLoss(context: StepContext, group: GroupRecord, before: GroupRow): void {
  if (before.startGate !== "open") return;
  context.setGroup(group.id, { startGate: "continuing", automatic: true, gateSinceMs: null, startedAtMs: null });
  if (priorityOf(group) === 0) onlyByHand(context, group, "its Priority is 0");
}

function onlyByHand(context: StepContext, group: GroupRecord, why: string): void {
  if (!wantsAnything(context.state, group.id)) return;
  const text = `It is started by hand only: ${why}.`;
  const command = `muster group online ${quote(group.name)}`;
  const cause = context.event("GroupStartsByHand", { group: group.name, text: `The role '${group.name}' is not started: ${why}.`, next: command, cause: context.group(group.id).cause });
  context.setGroup(group.id, { startGate: "byHand", cause, reason: context.reason("by hand", text, command) });
}

/** An administrator asks for it: from now on it takes its turn. */
export function askForStart(context: StepContext, group: GroupRecord): void {
  if (context.group(group.id).startGate !== "open") context.setGroup(group.id, { startGate: "waiting", automatic: false, gateSinceMs: null, lookAtMs: null, waitsFor: [] });
}

/** It has gone offline for good: its next start is a new one. */
export function closeWhenOffline(context: StepContext, id: GroupId): void {
  context.setGroup(id, { startGate: "waiting", automatic: false, gateSinceMs: null, lookAtMs: null, waitsFor: [], startedAtMs: null });
}

function clusterNumber(state: ClusterState, name: string): number {
  return numberPropertyOf(clusterProperties, state.tables.cluster.get(ONLY)?.properties ?? {}, name);
}
