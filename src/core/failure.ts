import type { EventId, NodeId, ResourceId } from "../model/identifiers.ts";
import type { GroupRecord, ResourceRecord } from "../model/objects.ts";
import { groupProperties, numberPropertyOf, resourceProperties } from "../model/properties.ts";
import { RestartAction, UNSET } from "../model/states.ts";
import type { StepContext } from "./context.ts";
import { standInsFor } from "./group-state.ts";
import { FAILOVERS_KEPT, FAILURES_KEPT } from "./limits.ts";
import { quote, startMove } from "./moving.ts";
import { nextNode, whyNot, whyNowhere } from "./placement.ts";
import type { ResourceRow } from "./records.ts";
import type { ClusterState } from "./state.ts";
import { resourceWantedOnline } from "./wanted.ts";

/** What follows from a failure: restart, failover, or staying failed (reference 2.9). */

const HOUR_MS = 3_600_000;

/** The failure was reported by its monitor, which has already ended what was left, or it was found missing. */
export function failResource(context: StepContext, id: ResourceId, why: string): void {
  const resource = context.state.tables.resources.get(id) as ResourceRecord;
  const group = context.state.tables.groups.get(resource.group) as GroupRecord;
  const groupRow = context.group(group.id);
  context.touched.add(group.id);
  const where = groupRow.owner === null ? "" : ` on ${context.nodeName(groupRow.owner)}`;
  const failed = { pendingEffect: null, processId: null, status: 0 } as const;

  const stopping = groupRow.movingTo !== null || !resourceWantedOnline(group, resource) || context.resource(id).state === "OfflinePending";
  if (stopping) {
    // It was on its way out: it is out now, and no policy follows.
    const text = `The resource '${resource.name}' failed${where} while it was being taken offline, and was ended: ${why}.`;
    context.event("ResourceFailed", { node: groupRow.owner, group: group.name, resource: resource.name, text, cause: groupRow.cause });
    context.setResource(id, { ...failed, state: "Offline", reason: context.reason("ended", `It failed while it was being taken offline, and was ended: ${why}.`) });
    return;
  }

  const event = context.event("ResourceFailed", {
    node: groupRow.owner,
    group: group.name,
    resource: resource.name,
    text: `The resource '${resource.name}' failed${where}: ${why}.`,
    next: `muster group log ${quote(group.name)}`,
  });
  const property = (name: string): number => numberPropertyOf(resourceProperties, resource.properties, name);
  const failuresMs = withinPeriod(context.resource(id).failuresMs, context.now, property("RestartPeriod")).concat(context.now).slice(-FAILURES_KEPT);
  context.setResource(id, { ...failed, state: "Failed", failuresMs, restartAtMs: null, waitsFor: null, reason: context.reason("failed", `It failed: ${why}.`) });
  context.setGroup(group.id, { cause: event });

  const action = property("RestartAction");
  const threshold = property("RestartThreshold");
  const standIns = standInsFor(resource, context.resourcesOf(group.id).map((record) => ({ record, row: context.resource(record.id) })));
  if (standIns !== null && (action === RestartAction.DontRestart || failuresMs.length > threshold)) return leaveOut(context, group, resource, standIns, why, action !== RestartAction.DontRestart);
  if (standIns === null && groupRow.returnTo !== null && goBack(context, group, resource, groupRow.returnTo, event, why)) return;
  if (action === RestartAction.DontRestart) return stayFailed(context, group, resource, event, `'${resource.name}' failed (${why}) and its RestartAction says not to restart it`, false);
  if (failuresMs.length <= threshold) return planRestart(context, group, resource, event, why, failuresMs.length, threshold);
  const used = failuresMs.length === 1 ? `'${resource.name}' failed (${why}) and may not be restarted` : `'${resource.name}' failed ${times(failuresMs.length)} within ${duration(property("RestartPeriod"))} (${why})`;
  if (action === RestartAction.RestartNoNotify) return stayFailed(context, group, resource, event, `${used} and its RestartAction says not to fail over`, true);
  failOver(context, group, resource, event, used);
}

/** It could not come online where it was moved to: first back to where it ran (reference 2.11, RETURN_TO_SOURCE); policies come after. */
function goBack(context: StepContext, group: GroupRecord, resource: ResourceRecord, source: NodeId, cause: EventId, why: string): boolean {
  context.setGroup(group.id, { returnTo: null });
  if (whyNot(context, group, source) !== null) return false;
  const text = `goes back to ${context.nodeName(source)}: '${resource.name}' failed where it was moved to (${why}).`;
  const event = context.event("GroupMoving", { node: source, group: group.name, resource: resource.name, text: `The role '${group.name}' ${text}`, cause });
  context.setGroup(group.id, { reason: context.reason("moving", `It ${text}`) });
  startMove(context, group, source, "return", event);
  return true;
}

function planRestart(context: StepContext, group: GroupRecord, resource: ResourceRecord, cause: EventId, why: string, count: number, threshold: number): void {
  const delay = numberPropertyOf(resourceProperties, resource.properties, "RestartDelay");
  const attempt = threshold >= FAILURES_KEPT ? `restart ${count}` : `restart ${count} of ${threshold}`;
  const text = `The resource '${resource.name}' is restarted in ${duration(delay)} (${attempt}).`;
  context.event("ResourceRestart", { node: context.group(group.id).owner, group: group.name, resource: resource.name, text, cause });
  context.setResource(resource.id, { restartAtMs: context.now + delay, waitsFor: "restart", reason: context.reason("restart", `It failed (${why}) and is restarted (${attempt}).`) });
  context.setGroup(group.id, { reason: context.reason("restart", `'${resource.name}' failed (${why}) and is restarted (${attempt}).`) });
}

/** The restarts on this node are used up: the next node of the list, unless the group has moved too often. */
function failOver(context: StepContext, group: GroupRecord, resource: ResourceRecord, cause: EventId, why: string): void {
  const row = context.group(group.id);
  if (row.owner === null) return;
  const { failoversMs, threshold, hours } = countedFailovers(context.state, group, row.failoversMs, context.now);
  const to = nextNode(context, group, row.owner);
  if (to === null) return stayFailed(context, group, resource, cause, `${why}, and no other node can take it: ${whyNowhere(context, group, row.owner)}`, true);
  if (failoversMs.length >= threshold) {
    const reached = threshold === 0 ? "the role may not fail over (FailoverThreshold 0)" : `the role has failed over ${times(failoversMs.length)} in ${duration(hours * HOUR_MS)} already (FailoverThreshold ${threshold})`;
    return stayFailed(context, group, resource, cause, `${why}, and ${reached}`, true, "FailoverThresholdExceeded");
  }
  const text = `from ${context.nodeName(row.owner)} to ${context.nodeName(to)}: ${why}.`;
  const event = context.event("GroupFailover", { node: to, group: group.name, resource: resource.name, text: `The role '${group.name}' fails over ${text}`, cause });
  context.setGroup(group.id, { failoversMs: [...failoversMs, context.now].slice(-FAILOVERS_KEPT), reason: context.reason("failover", `It fails over ${text}`) });
  startMove(context, group, to, "failover", event);
}

/** It stays failed, and the role goes on where it is: an OR tolerates its failure (reference 2.8). */
function leaveOut(context: StepContext, group: GroupRecord, resource: ResourceRecord, standIns: readonly ResourceRecord[], why: string, retries: boolean): void {
  const period = numberPropertyOf(resourceProperties, resource.properties, "RetryPeriodOnFailure");
  const retry = retries && period !== UNSET;
  const after = retry ? ` It is tried again in ${duration(period)}.` : "";
  const text = `It failed: ${why}. The role '${group.name}' goes on without it, with ${standIns.map((one) => `'${one.name}'`).join(", ")}.${after}`;
  context.setResource(resource.id, { ...(retry ? { restartAtMs: context.now + period, waitsFor: "retry" } : {}), reason: context.reason("spare", text, `muster resource online ${quote(resource.name)}`) });
}

/** Nothing more happens by itself before the retry period, if there is one. */
function stayFailed(context: StepContext, group: GroupRecord, resource: ResourceRecord, cause: EventId, why: string, retries: boolean, name: "GroupNotOnline" | "FailoverThresholdExceeded" = "GroupNotOnline"): void {
  const period = numberPropertyOf(resourceProperties, resource.properties, "RetryPeriodOnFailure");
  const retry = retries && period !== UNSET;
  const after = retry ? ` It is tried again in ${duration(period)}.` : "";
  const command = `muster group online ${quote(group.name)}`;
  const event = context.event(name, { node: context.group(group.id).owner, group: group.name, resource: resource.name, text: `The role '${group.name}' is left failed: ${why}.${after}`, next: command, cause });
  context.setGroup(group.id, { cause: event, reason: context.reason("failed", `${why}.${after}`, command) });
  if (retry) context.setResource(resource.id, { restartAtMs: context.now + period, waitsFor: "retry" });
}

/** The restart delay or the retry period of a failed resource has passed. */
export function attemptDue(context: StepContext, id: ResourceId): void {
  const row = context.resource(id);
  const resource = context.state.tables.resources.get(id);
  if (row.restartAtMs === null || resource === undefined) return;
  const retry = row.waitsFor === "retry";
  const group = context.state.tables.groups.get(resource.group) as GroupRecord;
  if (retry) {
    const cause = context.event("ResourceRestart", {
      node: context.group(group.id).owner,
      group: group.name,
      resource: resource.name,
      text: `The resource '${resource.name}' is tried again: its retry period has passed.`,
      cause: context.group(group.id).cause,
    });
    context.setGroup(group.id, { cause, reason: context.reason("retry", `'${resource.name}' is tried again: its retry period has passed.`) });
  }
  const reason = retry ? context.reason("retry", "It is tried again: its retry period has passed.") : row.reason;
  context.setResource(id, { state: "Offline", restartAtMs: null, waitsFor: null, reason });
  context.touched.add(group.id);
}

/** Failures that still count, the newest included in neither. The window slides. */
export function withinPeriod(times: readonly number[], now: number, periodMs: number): number[] {
  return times.filter((time) => now - time < periodMs);
}

export function countedFailures(resource: ResourceRecord, row: ResourceRow, now: number): { count: number; threshold: number; periodMs: number } {
  const periodMs = numberPropertyOf(resourceProperties, resource.properties, "RestartPeriod");
  return { count: withinPeriod(row.failuresMs, now, periodMs).length, threshold: numberPropertyOf(resourceProperties, resource.properties, "RestartThreshold"), periodMs };
}

/** A FailoverPeriod of 0 hours never forgets: a window without length would let a role tour the nodes for ever. */
export function countedFailovers(state: ClusterState, group: GroupRecord, times: readonly number[], now: number): { failoversMs: number[]; threshold: number; hours: number } {
  const hours = numberPropertyOf(groupProperties, group.properties, "FailoverPeriod");
  const configured = numberPropertyOf(groupProperties, group.properties, "FailoverThreshold");
  const threshold = configured === UNSET ? Math.max(0, state.nodeIds().length - 1) : configured;
  return { failoversMs: hours === 0 ? [...times] : withinPeriod(times, now, hours * HOUR_MS), threshold, hours };
}

function times(count: number): string {
  return count === 1 ? "once" : count === 2 ? "twice" : `${count} times`;
}

/** A length of time in words, whole numbers only. */
/** A remaining time, rounded to what people care about. */
export function roughly(ms: number): string {
  if (ms >= 2 * HOUR_MS) return `about ${Math.round(ms / HOUR_MS)} hours`;
  if (ms >= 120_000) return `about ${Math.round(ms / 60_000)} minutes`;
  if (ms >= 2_000) return `about ${Math.round(ms / 1_000)} seconds`;
  return `${ms} ms`;
}

export function duration(ms: number): string {
  for (const [unit, length] of [["hour", HOUR_MS], ["minute", 60_000], ["second", 1_000]] as const) {
    if (ms >= length && ms % length === 0) return `${ms / length} ${unit}${ms === length ? "" : "s"}`;
  }
  return `${ms} ms`;
}
