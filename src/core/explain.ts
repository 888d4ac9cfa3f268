import type { GroupRecord } from "../model/objects.ts";
import { UNSET } from "../model/states.ts";
import type { ExplainedNode, ExplainedResource, Explanation } from "../model/views.ts";
import { describeGroup, groupRow, nodeName, nowOf, resourcesOf } from "./describe.ts";
import { contextOf } from "./looking.ts";
import { countedFailures, duration, roughly } from "./failure.ts";
import { rankNodes } from "./placement.ts";
import { findGroup } from "./resolve.ts";
import type { ClusterState } from "./state.ts";

/** "Why?": the state of a group, the rule that made it so, the facts, and what would change it. */
export function explainGroup(state: ClusterState, name: string): Explanation {
  const group = findGroup(state, name);
  const view = describeGroup(state, group.id);
  const resources = explainResources(state, group);
  const nodes = explainNodes(state, group);
  const where = view.ownerNode === null ? "" : ` on ${view.ownerNode}`;
  const copy = resources.find((resource) => resource.reason.startsWith("It waits: an earlier copy"));
  const summary = view.state === "Online" ? `'${group.name}' is online${where}. ${cameThere(view.reason.text)}`.trim() : `'${group.name}' is ${inWords(view.state)}${where}: ${copy?.reason ?? view.reason.text}`;
  return {
    group: group.name,
    state: view.state,
    ownerNode: view.ownerNode,
    summary,
    rule: view.reason.rule,
    sinceMs: view.reason.sinceMs,
    forMs: view.reason.forMs,
    nodes,
    resources,
    failovers: view.failovers,
    whatWouldChangeIt: changes(state, group, nodes, resources),
    command: view.reason.command,
  };
}

function cameThere(text: string): string {
  return text.startsWith("All its resources") ? "" : text;
}

function inWords(state: string): string {
  const words: Readonly<Record<string, string>> = { PartialOnline: "partly online", StateUnknown: "in an unknown state" };
  return words[state] ?? state.toLowerCase();
}

function explainNodes(state: ClusterState, group: GroupRecord): ExplainedNode[] {
  const context = contextOf(state);
  const { owner } = groupRow(state, group.id);
  return rankNodes(context, group, { situation: owner === null ? "start" : "best" }).map(({ node, obstacle, place }) => ({
    node: nodeName(state, node),
    canHost: obstacle === null,
    isOwner: node === owner,
    reason: obstacle?.text ?? `can host it; ${place}`,
  }));
}

function explainResources(state: ClusterState, group: GroupRecord): ExplainedResource[] {
  return resourcesOf(state, group.id).map(({ record, row }) => ({
    resource: record.name,
    state: row.state,
    reason: row.reason.text,
    sinceMs: row.reason.sinceMs,
    failures: countedFailures(record, row, nowOf(state)),
    nextAttemptMs: row.restartAtMs,
  }));
}

function changes(state: ClusterState, group: GroupRecord, nodes: readonly ExplainedNode[], resources: readonly ExplainedResource[]): string[] {
  const view = describeGroup(state, group.id);
  const sentences: string[] = [];
  for (const resource of resources) {
    if (resource.nextAttemptMs !== null) sentences.push(`'${resource.resource}' is tried again in ${roughly(Math.max(0, resource.nextAttemptMs - nowOf(state)))}.`);
  }
  if (view.state === "Online") {
    const others = nodes.filter((node) => node.canHost && !node.isOwner).map((node) => node.node);
    sentences.push(others.length === 0 ? "If its node fails, no other node can take it now." : `If its node fails, it goes to ${others.length === 1 ? others[0] : `one of ${others.join(", ")}`}.`);
    for (const resource of resources) {
      sentences.push(`If '${resource.resource}' fails: ${resourceAllows(resource.failures)}`);
    }
  }
  if (view.reason.rule === "waiting") {
    const coming = nodes.filter((node) => !node.canHost && !node.reason.startsWith("is not a possible owner")).map((node) => `${node.node}, which ${node.reason}`);
    sentences.push(`It starts as soon as one of these can take it: ${coming.join("; ")}.`);
  }
  if (view.waitsFor.length > 0) {
    const timeoutMs = groupRow(state, group.id).lookAtMs;
    sentences.push(`It starts when ${view.waitsFor.map((name) => `'${name}'`).join(", ")} ${view.waitsFor.length === 1 ? "is" : "are"} ready${timeoutMs === null ? "" : `, and is looked at again in ${roughly(Math.max(0, timeoutMs - nowOf(state)))}`}.`);
  }
  if (view.reason.rule === "by hand") sentences.push("It is started by an administrator's command and by nothing else.");
  if (view.queuedMoveTo !== null) sentences.push("Its queued move begins as soon as nothing of it is locked.");
  if (view.wantedState === "Offline") sentences.push("It stays offline until an administrator brings it online.");
  if (view.movingTo !== null) sentences.push(`It goes to ${view.movingTo} once everything is offline on ${view.ownerNode ?? "its node"}.`);
  return sentences;
}

/** What follows from the next failure: the end of a sentence. */
export function resourceAllows({ count, threshold, periodMs }: ExplainedResource["failures"]): string {
  const left = threshold - count;
  const allowed = threshold >= UNSET ? "any number of restarts" : left <= 0 ? "no further restart" : left === 1 ? "one further restart" : `${left} further restarts`;
  return `${allowed} on this node within ${duration(periodMs)}.`;
}
