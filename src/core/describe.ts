import type { GroupId, NodeId } from "../model/identifiers.ts";
import type { DatabaseValue, GroupRecord, NodeRecord, Reason, ResourceRecord } from "../model/objects.ts";
import { clusterProperties, groupProperties, nodeProperties, resourceProperties, resourceTypeProperties } from "../model/properties.ts";
import { builtInResourceTypes } from "../model/resource-types.ts";
import { EventCatalogue } from "../model/events.ts";
import type { ClusterEvent } from "../model/events.ts";
import { NodeDrainStatus, NodeStatus } from "../model/states.ts";
import type { GroupState, NodeState } from "../model/states.ts";
import { PROTOCOL_VERSION } from "../model/version.ts";
import { effectiveProperties } from "../model/views.ts";
import type { ClusterView, GroupView, NodeView, ReasonView, ResourceTypeView, ResourceView } from "../model/views.ts";
import { printDependency } from "./dependency.ts";
import { countedFailovers, countedFailures } from "./failure.ts";
import { nameOfLastOwner, placementBits, quarantinedUntil, rulesOf } from "./describe-placement.ts";
import { pathOf } from "./fault-domains.ts";
import { lastOwner } from "./last-owner.ts";
import { deriveGroupState } from "./group-state.ts";
import type { ResourceWithRow } from "./group-state.ts";
import { allNetworks } from "./network-records.ts";
import { compareText, foldName } from "./order.ts";
import { initialGroupRow, initialNodeRow, initialResourceRow } from "./records.ts";
import type { GroupRow, NodeRow } from "./records.ts";
import { findGroup, findNode, findResource, resourceTypes } from "./resolve.ts";
import { providersOf } from "./start-order.ts";
import { groupStatusBits, nodeStatusBits } from "./status-bits.ts";
import { ONLY } from "./state.ts";
import type { ClusterState } from "./state.ts";
import { knownWeights, voteOf, votesAreSettled } from "./votes.ts";
import { groupWantedOnline, resourceWantedOnline, wantsAnything } from "./wanted.ts";

/** The state as people see it: names instead of ids, values in force, reasons. Reads only. */

export function describeCluster(state: ClusterState): ClusterView {
  const cluster = state.tables.cluster.get(ONLY);
  const view = state.tables.view.get(ONLY);
  const position = state.tables.position.get(ONLY);
  const nodes = describeNodes(state);
  const groups = describeGroups(state);
  return {
    id: cluster?.id ?? "",
    name: cluster?.name ?? "",
    state: view === undefined ? "Waiting" : "Active",
    epoch: view?.epoch ?? 0,
    orderer: view === undefined ? null : nodeName(state, view.orderer),
    members: view?.members.map((member) => nodeName(state, member.node)) ?? [],
    nodes: nodes.length,
    nodesUp: nodes.filter((node) => node.state === "Up").length,
    groups: groups.length,
    groupsOnline: groups.filter((group) => group.state === "Online").length,
    problems: [...problemsOf(nodes, groups), ...networkProblems(state)],
    properties: { ...effectiveProperties(clusterProperties, cluster?.properties ?? {}), ClusterFunctionalLevel: PROTOCOL_VERSION, FixQuorum: state.tables.quorum.get(ONLY)?.forced === true ? 1 : 0, WitnessDynamicWeight: knownWeights(state).witness?.votes ?? 0 },
    clusterTimeMs: position?.clusterTimeMs ?? 0,
    wallTimeMs: position?.wallTimeMs ?? 0,
  };
}

function problemsOf(nodes: readonly NodeView[], groups: readonly GroupView[]): string[] {
  const ofNodes = nodes.filter((node) => node.state !== "Up").map((node) => `Node ${node.name} is ${node.state}: ${node.reason.text}`);
  const ofGroups = groups
    .filter((group) => group.wantedState === "Online" && group.state !== "Online")
    .map((group) => `Role ${group.name} is ${group.state}: ${group.reason.text}`);
  return [...ofNodes, ...ofGroups];
}

function networkProblems(state: ClusterState): string[] {
  return allNetworks(state).flatMap(({ id, name }) => {
    const row = state.tables.networkRuntime.get(id);
    return row?.state === "Partitioned" || row?.state === "Down" ? [`Network ${name} is ${row.state}: ${row.reason.text}`] : [];
  });
}

export function describeNodes(state: ClusterState): NodeView[] {
  return state.nodeIds().map((id) => viewOfNode(state, state.tables.nodes.get(String(id)) as NodeRecord));
}

/** @throws MusterError MUSTER_NODE_NOT_FOUND */
export function describeNode(state: ClusterState, name: string): NodeView {
  return viewOfNode(state, findNode(state, name));
}

function viewOfNode(state: ClusterState, node: NodeRecord): NodeView {
  const row = nodeRow(state, node.id);
  return {
    id: node.id,
    name: node.name,
    state: nodeStateOf(state, node),
    drainStatus: row.drainStatus,
    incarnation: row.incarnation,
    inventoryKnown: row.inventoryKnown,
    failbackStatus: row.failbackStatus,
    drainTarget: row.drain?.target === undefined || row.drain.target === null ? null : nodeName(state, row.drain.target),
    stopping: row.leaving,
    mayStop: row.leaving && row.drainStatus !== "InProgress" && votesAreSettled(state),
    faultDomain: pathOf(state, node.id),
    quarantinedUntil: quarantinedUntil(state, node.id),
    addresses: node.addresses ?? [],
    groups: namesOf(state, state.groupIdsOwnedBy(node.id)),
    reason: viewOfReason(state, row.reason),
    properties: {
      ...effectiveProperties(nodeProperties, node.properties),
      DynamicWeight: voteOf(state, node.id),
      FaultDomain: pathOf(state, node.id),
      FaultDomainId: node.faultDomain ?? "",
      NodeName: node.name,
      NodeDrainStatus: NodeDrainStatus[row.drainStatus],
      NodeHighestVersion: PROTOCOL_VERSION,
      NodeLowestVersion: PROTOCOL_VERSION,
      DrainErrorCode: row.drainStatus === "Failed" ? EventCatalogue.DrainMoveFailed.code : 0,
      NodeDrainTarget: row.drain?.target ?? -1,
      NodeFailbackStatus: NodeDrainStatus[row.failbackStatus],
      StatusInformation: nodeStatusBits(node, row) | (state.tables.quarantines.has(String(node.id)) ? NodeStatus.Quarantined : 0),
    },
  };
}

/** Paused is shown of a node that is up: a member that takes no groups (reference 2.2). */
export function nodeStateOf(state: ClusterState, node: NodeRecord): NodeState {
  const row = nodeRow(state, node.id);
  if (row.state !== "Up") return state.tables.view.get(ONLY) === undefined ? "StateUnknown" : row.state;
  return node.paused ? "Paused" : "Up";
}

export function describeGroups(state: ClusterState): GroupView[] {
  return state.tables.groups
    .keys()
    .map((id) => viewOfGroup(state, state.tables.groups.get(id) as GroupRecord))
    .sort(byName);
}

/** @throws MusterError MUSTER_GROUP_NOT_FOUND */
export function describeGroup(state: ClusterState, name: string): GroupView {
  return viewOfGroup(state, findGroup(state, name));
}

function viewOfGroup(state: ClusterState, group: GroupRecord): GroupView {
  const row = groupRow(state, group.id);
  const { failoversMs, threshold, hours } = countedFailovers(state, group, row.failoversMs, nowOf(state));
  return {
    id: group.id,
    name: group.name,
    state: groupStateOf(state, group),
    ownerNode: row.owner === null ? null : nodeName(state, row.owner),
    wantedState: groupWantedOnline(group) || wantsAnything(state, group.id) ? "Online" : "Offline",
    movingTo: row.movingTo === null ? null : nodeName(state, row.movingTo),
    queuedMoveTo: row.queuedMove === null ? null : row.queuedMove.to === null ? "best" : nodeName(state, row.queuedMove.to),
    startsAfter: providersOf(state, group).map((id) => nameOfProvider(state, id)),
    groupSet: nameOfSet(state, state.setIdOf(group.id)),
    waitsFor: row.waitsFor.map((id) => nameOfProvider(state, id)),
    preferredOwners: group.preferredOwners.map((id) => nodeName(state, id)),
    defaultOwner: nameOfLastOwner(state, group),
    affinityRules: rulesOf(state, group.id),
    resources: resourcesOf(state, group.id)
      .map(({ record }) => record.name)
      .sort(compareText),
    generation: row.generation,
    reason: viewOfReason(state, waitsForInventories(state, group, row) ?? row.reason),
    failovers: { count: failoversMs.length, threshold, periodHours: hours },
    properties: {
      ...effectiveProperties(groupProperties, group.properties),
      DefaultOwner: lastOwner(state, group) ?? -1,
      StatusInformation: groupStatusBits(row, resourcesOf(state, group.id).map((resource) => resource.row)) | placementBits(state, group),
    },
  };
}

/** After a start of the whole cluster nothing is placed before every member has said what it runs. */
function waitsForInventories(state: ClusterState, group: GroupRecord, row: GroupRow): Reason | null {
  const view = state.tables.view.get(ONLY);
  if (view === undefined || view.open || row.owner !== null || !wantsAnything(state, group.id)) return null;
  const silent = view.members.filter((member) => !nodeRow(state, member.node).inventoryKnown).map((member) => nodeName(state, member.node));
  return { text: `It waits until ${silent.join(", ")} ${silent.length === 1 ? "has" : "have"} reported what runs there.`, rule: "inventories", sinceMs: row.reason.sinceMs };
}

/** Without a view nobody knows what runs (reference 2.3, first test). */
export function groupStateOf(state: ClusterState, group: GroupRecord): GroupState {
  if (state.tables.view.get(ONLY) === undefined) return "StateUnknown";
  return deriveGroupState(group, resourcesOf(state, group.id), groupRow(state, group.id).movingTo !== null);
}

export function describeResources(state: ClusterState): ResourceView[] {
  return state.tables.resources
    .keys()
    .map((id) => viewOfResource(state, state.tables.resources.get(id) as ResourceRecord))
    .sort(byName);
}

/** @throws MusterError MUSTER_RESOURCE_NOT_FOUND */
export function describeResource(state: ClusterState, name: string): ResourceView {
  return viewOfResource(state, findResource(state, name));
}

function viewOfResource(state: ClusterState, resource: ResourceRecord): ResourceView {
  const row = state.tables.resourceRuntime.get(resource.id) ?? initialResourceRow(resource.id);
  const group = state.tables.groups.get(resource.group) as GroupRecord;
  const { owner } = groupRow(state, group.id);
  const type = resourceTypes(state).find((candidate) => candidate.name === resource.type);
  const wanted = resourceWantedOnline(group, resource);
  return {
    id: resource.id,
    name: resource.name,
    group: group.name,
    type: resource.type,
    state: state.tables.view.get(ONLY) === undefined ? "StateUnknown" : row.state,
    ownerNode: owner === null ? null : nodeName(state, owner),
    wantedState: wanted ? "Online" : "Offline",
    dependency: printDependency(state, resource.dependencies),
    dependents: state.dependentIdsOf(resource.id).map((id) => state.tables.resources.get(id)?.name ?? id),
    possibleOwners: resource.possibleOwners?.map((id) => nodeName(state, id)) ?? null,
    processId: row.processId,
    reason: viewOfReason(state, row.reason),
    failures: countedFailures(resource, row, nowOf(state)),
    nextAttemptMs: row.restartAtMs,
    properties: { ...effectiveProperties(resourceProperties, resource.properties), PersistentState: wanted ? 1 : 0, StatusInformation: row.status },
    privateProperties: effectiveProperties(type?.privateProperties ?? [], resource.privateProperties),
  };
}

export function describeResourceTypes(state: ClusterState): ResourceTypeView[] {
  return resourceTypes(state).map((type) => ({
    name: type.name,
    description: type.description,
    builtIn: builtInResourceTypes.includes(type),
    properties: effectiveProperties(resourceTypeProperties, type.properties),
    privateProperties: type.privateProperties,
  }));
}

/** One value of the free part of the Cluster Database. */
export function databaseValue(state: ClusterState, key: string): DatabaseValue | undefined {
  return state.tables.keys.get(key);
}

/** Keys that begin with the prefix, sorted. */
export function databaseKeys(state: ClusterState, prefix = ""): string[] {
  return state.tables.keys.keys().filter((key) => key.startsWith(prefix));
}

/** The events kept, oldest first. */
export function events(state: ClusterState): readonly ClusterEvent[] {
  const ring = state.tables.eventRing.get(ONLY);
  const kept: ClusterEvent[] = [];
  for (let number = ring?.first ?? 0; number < (ring?.next ?? 0); number++) {
    const event = state.tables.events.get(String(number));
    if (event !== undefined) kept.push(event);
  }
  return kept;
}

// ---- parts ---------------------------------------------------------------------

export function nameOfProvider(state: ClusterState, id: string): string {
  return nameOfSet(state, id) ?? state.tables.groups.get(id)?.name ?? id;
}

function nameOfSet(state: ClusterState, id: string | undefined): string | null {
  return id === undefined ? null : (state.tables.groupSets.get(id)?.name ?? null);
}

export function nodeName(state: ClusterState, id: NodeId): string {
  return state.tables.nodes.get(String(id))?.name ?? nodeRow(state, id).evictedName ?? `node ${id}`;
}

export function nodeRow(state: ClusterState, id: NodeId): NodeRow {
  return state.tables.nodeRuntime.get(String(id)) ?? initialNodeRow(id);
}

export function groupRow(state: ClusterState, id: GroupId): GroupRow {
  return state.tables.groupRuntime.get(id) ?? initialGroupRow(id);
}

export function resourcesOf(state: ClusterState, group: GroupId): ResourceWithRow[] {
  return state.resourceIdsOf(group).map((id) => ({
    record: state.tables.resources.get(id) as ResourceRecord,
    row: state.tables.resourceRuntime.get(id) ?? initialResourceRow(id),
  }));
}

export function nowOf(state: ClusterState): number {
  return Math.max(state.lookedAtMs, state.tables.position.get(ONLY)?.clusterTimeMs ?? 0);
}

export function viewOfReason(state: ClusterState, reason: Reason): ReasonView {
  return { text: reason.text, rule: reason.rule, sinceMs: reason.sinceMs, forMs: Math.max(0, nowOf(state) - reason.sinceMs), command: reason.command ?? null };
}

function namesOf(state: ClusterState, ids: readonly GroupId[]): string[] {
  return ids
    .map((id) => state.tables.groups.get(id)?.name)
    .filter((name) => name !== undefined)
    .sort(compareText);
}

function byName(left: { readonly name: string }, right: { readonly name: string }): number {
  return compareText(foldName(left.name), foldName(right.name)) || compareText(left.name, right.name);
}
