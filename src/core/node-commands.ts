import { MusterError } from "../model/errors.ts";
import { NODES_MAX } from "../model/identifiers.ts";
import type { GroupRecord, ResourceRecord } from "../model/objects.ts";
import { clusterProperties, numberPropertyOf } from "../model/properties.ts";
import { ResumeFailback } from "../model/states.ts";
import type { CommandOf, Configuring, Reaction } from "./command.ts";
import { bringBackDrained, drain, retryDrains } from "./drain.ts";
import { nodeAvailable } from "./failback.ts";
import { checkPreferredSite } from "./fault-domain-commands.ts";
import { sayChanged } from "./group-commands.ts";
import { forgetInterfacesOf } from "./network-discovery.ts";
import { checkAddresses } from "./node-addresses.ts";
import { foldName } from "./order.ts";
import { checkName, findNode, invalid, mergeProperties } from "./resolve.ts";
import { forgetQuarantine } from "./quarantine.ts";
import { ONLY } from "./state.ts";

/** Commands on nodes: pause, drain, resume (reference 2.12), stop, add and evict (1.5); and the properties of the cluster. */

export function pauseNode({ state }: Configuring, command: CommandOf<"node.pause">): Reaction {
  const node = findNode(state, command.node);
  const target = command.target === undefined ? null : findNode(state, command.target, "target");
  if (target?.id === node.id) throw invalid("target", "roles cannot be drained to the node that is drained");
  // Draining a node that is paused already is no contradiction; pausing it again is.
  if (node.paused && command.drain !== true) throw new MusterError("MUSTER_NODE_ALREADY_PAUSED", { field: "node", name: node.name });
  if (!node.paused) state.tables.nodes.put(String(node.id), { ...node, paused: true });
  return (context) => {
    const cause = node.paused ? context.entry : context.event("NodePaused", { node: node.id, text: `${node.name} is paused: it takes no further roles.`, next: `muster node resume ${node.name}` });
    for (const id of state.groupIdsOwnedBy(node.id)) context.touched.add(id);
    if (command.drain !== true) return null;
    if (context.node(node.id).state !== "Up") return `${node.name} is not up: there is nothing to drain.`;
    drain(context, node.id, { target: target?.id ?? null, force: command.force === true, retry: command.retry === true }, cause);
    return null;
  };
}

export function resumeNode({ state }: Configuring, command: CommandOf<"node.resume">): Reaction {
  const node = findNode(state, command.node);
  if (!node.paused) throw new MusterError("MUSTER_NODE_NOT_PAUSED", { field: "node", name: node.name });
  const failback = typeof command.failback === "string" ? command.failback : command.failback === true ? "FailbackGroupsImmediately" : "DoNotFailbackGroups";
  if (!(failback in ResumeFailback)) throw invalid("failback", `one of ${Object.keys(ResumeFailback).join(", ")}`);
  state.tables.nodes.put(String(node.id), { ...node, paused: false });
  return (context) => {
    const cause = context.event("NodeResumed", { node: node.id, text: `${node.name} is resumed: it takes roles again.` });
    context.setNode(node.id, { drainStatus: "NotInitiated", drain: null, failbackStatus: "NotInitiated", reason: context.reason("resumed", "It takes roles.") });
    for (const id of [...state.groupIdsOwnedBy(null), ...state.groupIdsOwnedBy(node.id)]) context.touched.add(id);
    // Roles that lie idle on other paused nodes may start here.
    for (const other of state.nodeIds()) if (state.tables.nodes.get(String(other))?.paused === true) for (const id of state.groupIdsOwnedBy(other)) context.touched.add(id);
    if (failback === "FailbackGroupsImmediately") {
      const count = bringBackDrained(context, node.id, cause);
      context.setNode(node.id, { failbackStatus: count === 0 ? "Completed" : "InProgress" });
    }
    if (failback === "FailbackGroupsPerPolicy") nodeAvailable(context, node.id);
    context.touchWaiting();
    retryDrains(context, cause);
    return null;
  };
}

/** The roles leave and the vote moves before the service of a node stops (reference 1.5 "Leave", DrainOnShutdown). */
export function shutDownNode({ state }: Configuring, command: CommandOf<"node.shutdown">): Reaction {
  const node = findNode(state, command.node);
  const drains = command.drain ?? numberPropertyOf(clusterProperties, state.tables.cluster.get(ONLY)?.properties ?? {}, "DrainOnShutdown") === 1;
  return (context) => {
    const row = context.node(node.id);
    if (row.state !== "Up") return `${node.name} is not up.`;
    if (row.leaving) return `${node.name} is about to stop already.`;
    const text = `The Cluster Service of ${node.name} is about to stop.`;
    const cause = context.event("NodeStopping", { node: node.id, text });
    context.setNode(node.id, { leaving: true, reason: context.reason("stopping", text) });
    if (drains) drain(context, node.id, { target: null, force: false, retry: false }, cause);
    return null;
  };
}

// ---- members of the configuration ----------------------------------------------------

export function addNode({ state, stamp }: Configuring, command: CommandOf<"node.add">): Reaction {
  const name = checkName(command.name);
  const ids = state.nodeIds();
  if (ids.length >= NODES_MAX) throw new MusterError("MUSTER_LIMIT", { what: "The number of nodes", limit: NODES_MAX });
  if (ids.some((id) => foldName(state.tables.nodes.get(String(id))?.name ?? "") === foldName(name))) throw new MusterError("MUSTER_NAME_IN_USE", { field: "name", name });
  const addresses = command.addresses === undefined ? undefined : checkAddresses(state, command.addresses);
  const cluster = state.tables.cluster.get(ONLY);
  const delay = numberPropertyOf(clusterProperties, cluster?.properties ?? {}, "AddEvictDelay");
  const ago = Math.floor((stamp.wallTimeMs - (cluster?.evictedAtWallMs ?? Number.NEGATIVE_INFINITY)) / 1_000);
  // A clock that was set back must not forbid it for ever.
  if (ago >= 0 && ago < delay) throw new MusterError("MUSTER_EVICTED_RECENTLY", { ago, delay });
  let id = 1;
  while (ids.includes(id)) id += 1;
  state.tables.nodes.put(String(id), { id, name, paused: false, properties: {}, ...(addresses === undefined ? {} : { addresses }) });
  return (context) => {
    context.event("NodeAdded", { node: id, text: `The node ${name} was added to the configuration.`, next: "muster node list" });
    return null;
  };
}

export function evictNode({ state, stamp }: Configuring, command: CommandOf<"node.evict">): Reaction {
  const node = findNode(state, command.node);
  if (state.nodeIds().length === 1) throw new MusterError("MUSTER_LAST_NODE", { field: "node", name: node.name });
  // What runs is not known here; a paused node has given its roles away, or its administrator has been asked twice.
  if (!node.paused && command.force !== true) throw new MusterError("MUSTER_NODE_NOT_READY_TO_EVICT", { field: "node", name: node.name });
  for (const key of state.tables.resources.keys()) {
    const resource = state.tables.resources.get(key) as ResourceRecord;
    const left = resource.possibleOwners?.filter((id) => id !== node.id) ?? null;
    if (left?.length === 0) throw new MusterError("MUSTER_ONLY_POSSIBLE_OWNER", { field: "node", node: node.name, resource: resource.name });
    if (left !== null && left.length !== resource.possibleOwners?.length) state.tables.resources.put(key, { ...resource, possibleOwners: left });
  }
  for (const key of state.tables.groups.keys()) {
    const group = state.tables.groups.get(key) as GroupRecord;
    if (group.preferredOwners.includes(node.id)) state.tables.groups.put(key, { ...group, preferredOwners: group.preferredOwners.filter((id) => id !== node.id) });
  }
  state.tables.nodes.remove(String(node.id));
  const networksFollow = forgetInterfacesOf({ state, stamp }, node.id);
  const cluster = state.tables.cluster.get(ONLY);
  if (cluster !== undefined) state.tables.cluster.put(ONLY, { ...cluster, evictedAtWallMs: stamp.wallTimeMs });
  return (context) => {
    forgetQuarantine(context, node.id);
    const cause = context.event("NodeEvicted", { text: `The node ${node.name} was evicted from the cluster.` });
    networksFollow(context);
    const row = context.node(node.id);
    if (row.state === "Down") context.state.tables.nodeRuntime.remove(String(node.id));
    // It is still there: what it runs stays its own until it has left the view.
    else context.setNode(node.id, { leaving: true, evictedName: node.name, reason: context.reason("evicted", "It was evicted and is about to leave.") });
    if (row.state === "Up") drain(context, node.id, { target: null, force: true, retry: false }, cause);
    return null;
  };
}

export function setCluster({ state }: Configuring, command: CommandOf<"cluster.set">): Reaction {
  const before = state.tables.cluster.get(ONLY);
  if (before === undefined) throw new MusterError("MUSTER_INTERNAL", { problem: "the state has no cluster" });
  checkPreferredSite(state, command.properties);
  const name = command.name === undefined ? before.name : checkName(command.name);
  state.tables.cluster.put(ONLY, { ...before, name, properties: mergeProperties(clusterProperties, before.properties, command.properties, "properties", "a cluster") });
  return (context) => {
    const renamed = name === before.name ? "" : ` Its name is now '${name}'.`;
    sayChanged(context, null, `The cluster '${before.name}' was changed.${renamed}`);
    context.touchWaiting();
    return null;
  };
}
