import { MusterError } from "../model/errors.ts";
import type { GroupRecord, ResourceRecord } from "../model/objects.ts";
import { groupProperties, numberPropertyOf, resourceProperties } from "../model/properties.ts";
import { GroupType } from "../model/states.ts";
import type { CommandOf, Configuring, Reaction } from "./command.ts";
import type { StepContext } from "./context.ts";
import { providersFirst } from "./dependency.ts";
import { isRunning } from "./group-state.ts";
import { endCopy } from "./leftovers.ts";
import { leaveAffinityRules } from "./affinity-commands.ts";
import { ignoreAffinityOn } from "./affinity.ts";
import { checkPreferredSite } from "./fault-domain-commands.ts";
import { endOwnerWait } from "./owner-wait.ts";
import { forgetPlacement } from "./placing.ts";
import { GROUPS_MAX } from "./limits.ts";
import { quote, restartHere } from "./moving.ts";
import { foldName } from "./order.ts";
import { checkName, checkNodes, findGroup, findNode, invalid, mergeProperties, withProperty } from "./resolve.ts";
import { checkProviders, forgetInStartOrder } from "./group-set-commands.ts";
import { moveAsAsked } from "./move-commands.ts";
import { askForStart } from "./start-order.ts";
import type { ClusterState } from "./state.ts";
import { groupWantedOnline, wantsAnything } from "./wanted.ts";

/** Commands on groups (reference 2.5, 2.10, 2.11). */

export function createGroup({ state, stamp }: Configuring, command: CommandOf<"group.create">): Reaction {
  checkPreferredSite(state, command.properties);
  const name = freeGroupName(state, command.name, null);
  if (state.tables.groups.size >= GROUPS_MAX) throw new MusterError("MUSTER_LIMIT", { what: "The number of roles", limit: GROUPS_MAX });
  const group: GroupRecord = {
    id: `g${stamp.epoch}.${stamp.index}`,
    name,
    preferredOwners: command.preferredOwners === undefined ? [] : checkNodes(state, command.preferredOwners, "preferredOwners"),
    properties: mergeProperties(groupProperties, {}, command.properties, "properties", "a group"),
  };
  state.tables.groups.put(group.id, group);
  return (context) => {
    sayChanged(context, group.name, `The role '${group.name}' was created.`);
    context.setGroup(group.id, {});
    context.touched.add(group.id);
    return null;
  };
}

export function deleteGroup({ state }: Configuring, command: CommandOf<"group.delete">): Reaction {
  const group = findGroup(state, command.group);
  const resources = state.resourceIdsOf(group.id).map((id) => state.tables.resources.get(id) as ResourceRecord);
  if (command.force !== true && (groupWantedOnline(group) || wantsAnything(state, group.id))) {
    throw new MusterError("MUSTER_GROUP_NOT_OFFLINE", { field: "group", name: group.name });
  }
  if (numberPropertyOf(groupProperties, group.properties, "GroupType") === GroupType.CoreCluster) throw invalid("group", `'${group.name}' is the core group: it has the cluster's own address. To give that up, say first that it is none: muster group set ${quote(group.name)} GroupType=9999`);
  for (const resource of resources) state.tables.resources.remove(resource.id);
  const set = state.setIdOf(group.id);
  state.tables.groups.remove(group.id);
  forgetInStartOrder(state, group.id);
  leaveAffinityRules(state, group.id);
  return (context) => {
    for (const resource of providersFirst(resources).reverse()) forgetResource(context, group, resource);
    const { owner } = context.group(group.id);
    for (const provider of set === undefined ? [group.id] : [group.id, set]) for (const waiting of state.groupIdsWaitingFor(provider)) context.touched.add(waiting);
    state.tables.groupRuntime.remove(group.id);
    forgetPlacement(context, group.id);
    if (owner !== null) context.relieved.add(owner);
    sayChanged(context, group.name, `The role '${group.name}' was deleted.`);
    return null;
  };
}

/** A deleted resource: what runs of it is ended, and stays known until it has. */
export function forgetResource(context: StepContext, group: GroupRecord, resource: ResourceRecord): void {
  const { owner, generation } = context.group(group.id);
  const row = context.resource(resource.id);
  if (owner !== null && isRunning(row)) endCopy(context, { resource, group: group.id, groupName: group.name, generation }, owner, "It was deleted.");
  context.state.tables.resourceRuntime.remove(resource.id);
}

export function setGroup({ state }: Configuring, command: CommandOf<"group.set">): Reaction {
  const before = findGroup(state, command.group);
  checkPreferredSite(state, command.properties);
  const changed: GroupRecord = {
    ...before,
    name: command.name === undefined ? before.name : freeGroupName(state, command.name, before),
    preferredOwners: command.preferredOwners === undefined ? before.preferredOwners : checkNodes(state, command.preferredOwners, "preferredOwners"),
    properties: mergeProperties(groupProperties, before.properties, command.properties, "properties", "a group"),
  };
  const group = command.startsAfter === undefined ? changed : checkProviders(state, changed, command.startsAfter);
  state.tables.groups.put(group.id, group);
  return (context) => {
    const renamed = group.name === before.name ? "" : ` Its name is now '${group.name}'.`;
    const cause = sayChanged(context, group.name, `The role '${before.name}' was changed.${renamed}`);
    if (groupWantedOnline(before) !== groupWantedOnline(group)) {
      const wish = groupWantedOnline(group) ? "online" : "offline";
      if (groupWantedOnline(group)) askForStart(context, group);
      context.setGroup(group.id, { cause, reason: context.reason(`asked ${wish}`, `An administrator changed it: it shall be ${wish}.`) });
    }
    context.touched.add(group.id);
    // Its rules, weight or priority may have been what kept others waiting.
    context.touchWaiting();
    return null;
  };
}

/** Wanted online from now on, with every resource; a role that had failed gets a new attempt with counters at zero. */
export function groupOnline({ state }: Configuring, command: CommandOf<"group.online">): Reaction {
  const group = wish(state, findGroup(state, command.group), 1);
  const node = command.node === undefined ? null : findNode(state, command.node);
  return (context) => {
    askForStart(context, group);
    endOwnerWait(context, group.id);
    if (command.ignoreAffinity === true) ignoreAffinityOn(context, group.id, node?.id ?? context.group(group.id).owner);
    const nowhere = command.ignoreAffinity === true && context.group(group.id).owner === null;
    if (node !== null || command.bestPossible === true || nowhere) moveBefore(context, group, node?.name, command.ignoreAffinity === true);
    const row = context.group(group.id);
    const busy = row.announced === "Online" && context.resourcesOf(group.id).every((resource) => context.resource(resource.id).state === "Online");
    if (busy && row.owner !== null) return `The role '${group.name}' is online already.`;
    const cause = sayChanged(context, group.name, `The role '${group.name}' shall be online.`);
    restartHere(context, group);
    context.setGroup(group.id, { failoversMs: [], cause, reason: context.reason("asked online", "An administrator asked for it to be online.") });
    context.touched.add(group.id);
    return null;
  };
}

/**
 * Online on a named or on the best node: it goes there first. What it shall be is written already, so a node that
 * cannot take it is a remark here; whoever asks is told before (`service/command-check.ts`).
 */
function moveBefore(context: StepContext, group: GroupRecord, node: string | undefined, ignoreAffinity: boolean): void {
  const { owner } = context.group(group.id);
  if (node !== undefined && owner !== null && context.nodeName(owner) === node) return;
  try {
    moveAsAsked(context, group, node, ignoreAffinity ? { ignoreAffinity } : {});
  } catch (error) {
    const problem = MusterError.from(error);
    if (problem.code !== "MUSTER_NODE_NOT_AVAILABLE" && problem.code !== "MUSTER_NO_NODE_AVAILABLE") throw error;
    context.event("GroupMoveGivenUp", { node: owner, group: group.name, text: `The role '${group.name}' is started where it is: ${problem.message}`, next: `muster why ${quote(group.name)}` });
  }
}

export function groupOffline({ state }: Configuring, command: CommandOf<"group.offline">): Reaction {
  const group = wish(state, findGroup(state, command.group), 0);
  return (context) => {
    if (context.resourcesOf(group.id).every((resource) => context.resource(resource.id).state === "Offline") && context.group(group.id).announced === "Offline") {
      context.setGroup(group.id, { reason: context.reason("offline", "It shall be offline.", `muster group online ${quote(group.name)}`) });
      return `The role '${group.name}' is offline already.`;
    }
    const cause = sayChanged(context, group.name, `The role '${group.name}' shall be offline.`);
    context.setGroup(group.id, { cause, ignoreLocked: command.ignoreLocked === true, reason: context.reason("asked offline", "An administrator asked for it to be offline.") });
    context.touched.add(group.id);
    return null;
  };
}

/** The wish for the whole group ends the wishes for single resources. */
function wish(state: ClusterState, before: GroupRecord, value: 0 | 1): GroupRecord {
  const group = groupWantedOnline(before) === (value === 1) ? before : { ...before, properties: withProperty(groupProperties, before.properties, "PersistentState", value) };
  state.tables.groups.put(group.id, group);
  for (const id of state.resourceIdsOf(group.id)) {
    const resource = state.tables.resources.get(id) as ResourceRecord;
    if (resource.properties["PersistentState"] === undefined) continue;
    state.tables.resources.put(id, { ...resource, properties: withProperty(resourceProperties, resource.properties, "PersistentState", undefined) });
  }
  return group;
}

function freeGroupName(state: ClusterState, value: unknown, own: GroupRecord | null): string {
  const name = checkName(value);
  const taken = state.groupIdNamed(name);
  const isSet = state.tables.groupSets.keys().some((id) => foldName(state.tables.groupSets.get(id)?.name ?? "") === foldName(name));
  if (isSet || (taken !== undefined && taken !== own?.id)) throw new MusterError("MUSTER_NAME_IN_USE", { field: "name", name });
  return name;
}

export function sayChanged(context: StepContext, group: string | null, text: string, resource: string | null = null): string {
  return context.event("ConfigurationChanged", { group, resource, text });
}

