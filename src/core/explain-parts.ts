import type { NodeExplanation, ResourceExplanation } from "../model/views.ts";
import { describeNode, describeResource, nodeRow, nowOf } from "./describe.ts";
import { resourceAllows } from "./explain.ts";
import { roughly } from "./failure.ts";
import { findNode, findResource } from "./resolve.ts";
import { ONLY } from "./state.ts";
import type { ClusterState } from "./state.ts";
import { voteOf } from "./votes.ts";

/** "Why?" of nodes and of single resources. */

export function explainNode(state: ClusterState, name: string): NodeExplanation {
  const node = findNode(state, name);
  const view = describeNode(state, node.name);
  const row = nodeRow(state, node.id);
  const view0 = state.tables.view.get(ONLY);
  const facts = [
    voteOf(state, node.id) > 0 ? "It votes." : "It has no vote now (muster quorum show).",
    view.groups.length === 0 ? "It owns no roles." : `It owns ${view.groups.length === 1 ? "the role" : `${view.groups.length} roles:`} ${view.groups.slice(0, 10).join(", ")}${view.groups.length > 10 ? "…" : ""}.`,
  ];
  if (view0?.orderer === node.id) facts.push("It orders the log of this view.");
  if (node.paused) facts.push("An administrator paused it: it takes no further roles.");
  if (row.state !== "Down" && !row.inventoryKnown) facts.push("It has not reported yet what it runs, so nothing is placed there.");
  if (row.drain !== null) facts.push(`A drain was ordered${view.drainTarget === null ? "" : ` to ${view.drainTarget}`}${row.drain.force ? ", by force" : ""}${row.drain.retry ? ", to be retried" : ""}; it is ${view.drainStatus}.`);
  const changes: string[] = [];
  if (row.state === "Down") changes.push("It is a member again as soon as its Cluster Service runs and reaches the others.");
  if (row.state === "Joining") changes.push("It becomes a member when its copy of the database is complete.");
  if (node.paused) changes.push(`It takes roles again after: muster node resume ${node.name}`);
  if (row.leaving) changes.push(view.mayStop ? "Its service may be stopped now; nothing is waited for." : "Its service may be stopped when its roles have left and its vote has moved.");
  if (row.state === "Up" && view.groups.length > 0) changes.push(`What its loss would do: muster what-if node ${node.name} down`);
  return { node: node.name, state: view.state, summary: `${node.name} is ${view.state}. ${view.reason.text}`, rule: view.reason.rule, sinceMs: view.reason.sinceMs, forMs: view.reason.forMs, facts, whatWouldChangeIt: changes, command: view.reason.command };
}

export function explainResource(state: ClusterState, name: string): ResourceExplanation {
  const record = findResource(state, name);
  const view = describeResource(state, record.id);
  const facts = [`It shall be ${view.wantedState.toLowerCase()}, in the role '${view.group}'${view.ownerNode === null ? ", which nobody owns" : `, which ${view.ownerNode} owns`}.`];
  if (view.dependency !== "") facts.push(`It depends on ${view.dependency}.`);
  for (const id of record.dependencies.flat()) {
    const provider = describeResource(state, id);
    if (provider.state !== "Online") facts.push(`'${provider.name}' is ${provider.state}: ${provider.reason.text}`);
  }
  if (view.dependents.length > 0) facts.push(`${view.dependents.map((one) => `'${one}'`).join(", ")} ${view.dependents.length === 1 ? "depends" : "depend"} on it.`);
  if (view.possibleOwners !== null) facts.push(`It may run on ${view.possibleOwners.join(", ")} only.`);
  const changes: string[] = [];
  if (view.nextAttemptMs !== null) changes.push(`It is tried again in ${roughly(Math.max(0, view.nextAttemptMs - nowOf(state)))}.`);
  if (view.state === "Online") changes.push(`If it fails: ${resourceAllows(view.failures)}`);
  if (view.wantedState === "Offline") changes.push("It stays offline until an administrator brings it, or its role, online.");
  return { resource: view.name, group: view.group, state: view.state, summary: `'${view.name}' is ${view.state}. ${view.reason.text}`, rule: view.reason.rule, sinceMs: view.reason.sinceMs, forMs: view.reason.forMs, facts, whatWouldChangeIt: changes, command: view.reason.command };
}
