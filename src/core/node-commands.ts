import { MusterError } from "../model/errors.ts";
import type { NodeId } from "../model/identifiers.ts";
import type { NodeRecord } from "../model/objects.ts";
import { clusterProperties } from "../model/properties.ts";
import type { CommandOf, Configuring, Reaction } from "./command.ts";
import type { StepContext } from "./context.ts";
import { sayChanged } from "./group-commands.ts";
import { quote, startMove } from "./moving.ts";
import { bestNode, effectiveOrder, whyNot, whyNowhere } from "./placement.ts";
import { findNode, mergeProperties } from "./resolve.ts";
import { ONLY } from "./state.ts";
import { wantsAnything } from "./wanted.ts";

/** Pause, drain, resume (reference 2.12), and the properties of the cluster. */

export function pauseNode({ state }: Configuring, command: CommandOf<"node.pause">): Reaction {
  const node = findNode(state, command.node);
  // Draining a node that is paused already is no contradiction; pausing it again is.
  if (node.paused && command.drain !== true) throw new MusterError("MUSTER_NODE_ALREADY_PAUSED", { field: "node", name: node.name });
  if (!node.paused) state.tables.nodes.put(String(node.id), { ...node, paused: true });
  return (context) => {
    const cause = node.paused ? context.entry : context.event("NodePaused", { node: node.id, text: `${node.name} is paused: it takes no further roles.`, next: `muster node resume ${node.name}` });
    for (const id of state.groupIdsOwnedBy(node.id)) context.touched.add(id);
    if (command.drain !== true) return null;
    if (context.node(node.id).state !== "Up") return `${node.name} is not up: there is nothing to drain.`;
    drain(context, node, cause);
    return null;
  };
}

/** Every group leaves for the best other node, in the order of the names. */
function drain(context: StepContext, node: NodeRecord, cause: string): void {
  const started = context.event("DrainStarted", { node: node.id, text: `${node.name} is being drained.`, cause });
  context.setNode(node.id, { drainStatus: "InProgress", reason: context.reason("drain", "It is being drained.") });
  context.relieved.add(node.id);
  for (const group of context.groupsByName(context.state.groupIdsOwnedBy(node.id))) {
    const to = bestNode(context, group, node.id);
    if (to === null) {
      const text = `The role '${group.name}' cannot leave ${node.name}: ${whyNowhere(context, group, node.id)}.`;
      context.event("DrainMoveFailed", { node: node.id, group: group.name, text, next: `muster why ${quote(group.name)}`, cause: started });
      continue;
    }
    leave(context, group.id, node, to, "drain", `${node.name} is being drained`, started);
  }
}

function leave(context: StepContext, id: string, from: NodeRecord | { readonly id: NodeId; readonly name: string }, to: NodeId, kind: "drain" | "failback", why: string, cause: string): void {
  const group = context.state.tables.groups.get(id);
  if (group === undefined) return;
  const text = `moves from ${from.name} to ${context.nodeName(to)}: ${why}.`;
  const event = context.event("GroupMoving", { node: to, group: group.name, text: `The role '${group.name}' ${text}`, cause });
  context.setGroup(id, { reason: context.reason("moving", `It ${text}`) });
  // The next group sees this one as gone already, so that a drain spreads.
  if (wantsAnything(context.state, id)) context.moveLoad(null, to);
  startMove(context, group, to, kind, event);
}

/** Called when a group left a node or cannot: is its drain over? */
export function settleDrain(context: StepContext, id: NodeId): void {
  const row = context.node(id);
  if (row.drainStatus !== "InProgress") return;
  const groups = context.groupsByName(context.state.groupIdsOwnedBy(id));
  if (groups.some((group) => context.group(group.id).movingTo !== null)) return;
  const name = context.nodeName(id);
  if (groups.length === 0) {
    const text = `${name} is drained: it owns no roles any more.`;
    context.setNode(id, { drainStatus: "Completed", reason: context.reason("drain", text, `muster node resume ${name}`) });
    context.event("DrainCompleted", { node: id, text, next: `muster node resume ${name}` });
    return;
  }
  const names = groups.map((group) => `'${group.name}'`).join(", ");
  const text = `${name} could not be drained: ${names} ${groups.length === 1 ? "stays" : "stay"}.`;
  const next = `muster why ${quote((groups[0] as { name: string }).name)}`;
  context.setNode(id, { drainStatus: "Failed", reason: context.reason("drain", text, next) });
  context.event("DrainFailed", { node: id, text, next });
}

export function resumeNode({ state }: Configuring, command: CommandOf<"node.resume">): Reaction {
  const node = findNode(state, command.node);
  if (!node.paused) throw new MusterError("MUSTER_NODE_NOT_PAUSED", { field: "node", name: node.name });
  state.tables.nodes.put(String(node.id), { ...node, paused: false });
  return (context) => {
    const cause = context.event("NodeResumed", { node: node.id, text: `${node.name} is resumed: it takes roles again.` });
    context.setNode(node.id, { drainStatus: "NotInitiated", reason: context.reason("resumed", "It takes roles.") });
    for (const id of [...state.groupIdsOwnedBy(null), ...state.groupIdsOwnedBy(node.id)]) context.touched.add(id);
    // Roles that lie idle on other paused nodes may start here.
    for (const other of state.nodeIds()) if (state.tables.nodes.get(String(other))?.paused === true) for (const id of state.groupIdsOwnedBy(other)) context.touched.add(id);
    if (command.failback === true) failBack(context, node, cause);
    return null;
  };
}

/** Groups that prefer this node to the one they are on come back. */
function failBack(context: StepContext, node: NodeRecord, cause: string): void {
  for (const group of context.groupsByName(context.state.tables.groups.keys())) {
    const { owner, movingTo } = context.group(group.id);
    if (owner === null || owner === node.id || movingTo !== null || !group.preferredOwners.includes(node.id)) continue;
    const order = effectiveOrder(context, group);
    if (order.indexOf(node.id) > order.indexOf(owner) || whyNot(context, group, node.id) !== null) continue;
    leave(context, group.id, { id: owner, name: context.nodeName(owner) }, node.id, "failback", `it prefers ${node.name}, which is back`, cause);
  }
}

export function setCluster({ state }: Configuring, command: CommandOf<"cluster.set">): Reaction {
  const before = state.tables.cluster.get(ONLY);
  if (before === undefined) throw new MusterError("MUSTER_INTERNAL", { problem: "the state has no cluster" });
  state.tables.cluster.put(ONLY, { ...before, properties: mergeProperties(clusterProperties, before.properties, command.properties, "properties", "a cluster") });
  return (context) => {
    sayChanged(context, null, `The cluster '${before.name}' was changed.`);
    return null;
  };
}
