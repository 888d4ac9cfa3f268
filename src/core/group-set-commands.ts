import { MusterError } from "../model/errors.ts";
import type { GroupId } from "../model/identifiers.ts";
import type { GroupRecord, GroupSetRecord } from "../model/objects.ts";
import { groupSetProperties, numberPropertyOf } from "../model/properties.ts";
import type { CommandOf, Configuring, Reaction } from "./command.ts";
import { sayChanged } from "./group-commands.ts";
import { GROUP_SETS_MAX } from "./limits.ts";
import { foldName, sortedText } from "./order.ts";
import { checkName, findGroup, findGroupSet, invalid, mergeProperties } from "./resolve.ts";
import type { ClusterState } from "./state.ts";

/** Group sets, and what starts after what (reference 2.13). */

export function createGroupSet({ state, stamp }: Configuring, command: CommandOf<"groupset.create">): Reaction {
  if (state.tables.groupSets.size >= GROUP_SETS_MAX) throw new MusterError("MUSTER_LIMIT", { what: "The number of group sets", limit: GROUP_SETS_MAX });
  const empty: GroupSetRecord = { id: `s${stamp.epoch}.${stamp.index}`, name: freeSetName(state, command.name, null), groups: [], startsAfter: [], properties: {} };
  return putSet(state, empty, { ...command, groups: command.groups ?? [], startsAfter: command.startsAfter ?? [] }, `The group set '${empty.name}' was created.`);
}

export function setGroupSet({ state }: Configuring, command: CommandOf<"groupset.set">): Reaction {
  const before = findGroupSet(state, command.set);
  const renamed = { ...before, name: command.name === undefined ? before.name : freeSetName(state, command.name, before) };
  return putSet(state, renamed, command, `The group set '${before.name}' was changed.`);
}

function putSet(state: ClusterState, before: GroupSetRecord, change: Pick<CommandOf<"groupset.set">, "groups" | "startsAfter" | "properties">, text: string): Reaction {
  const properties = mergeProperties(groupSetProperties, before.properties, change.properties, "properties", "a group set");
  const groups = change.groups === undefined ? before.groups : checkMembers(state, before, change.groups);
  const set: GroupSetRecord = { ...before, groups, startsAfter: change.startsAfter === undefined ? before.startsAfter : findProviders(state, change.startsAfter, before.id), properties };
  if (numberPropertyOf(groupSetProperties, properties, "IsGlobal") === 1 && set.startsAfter.length > 0) throw invalid("startsAfter", "every group waits for a global set, so it waits for nothing itself");
  state.tables.groupSets.put(set.id, set);
  refuseCycle(state, set.id);
  return (context) => {
    sayChanged(context, null, text);
    for (const id of [...before.groups, ...set.groups, ...state.groupIdsWaitingFor(set.id)]) context.touched.add(id);
    return null;
  };
}

export function deleteGroupSet({ state }: Configuring, command: CommandOf<"groupset.delete">): Reaction {
  const set = findGroupSet(state, command.set);
  const waiters = waitersOf(state, set.id);
  if (waiters.length > 0) throw new MusterError("MUSTER_GROUP_SET_IN_USE", { field: "set", name: set.name, waiters: waiters.map((name) => `'${name}'`).join(", ") });
  state.tables.groupSets.remove(set.id);
  return (context) => {
    sayChanged(context, null, `The group set '${set.name}' was deleted.`);
    for (const id of [...set.groups, ...state.groupIdsWaitingFor(set.id)]) context.touched.add(id);
    return null;
  };
}

function waitersOf(state: ClusterState, id: string): string[] {
  const sets = state.tables.groupSets.keys().map((key) => state.tables.groupSets.get(key) as GroupSetRecord);
  const groups = state.tables.groups.keys().map((key) => state.tables.groups.get(key) as GroupRecord);
  return sortedText([...sets, ...groups].filter((one) => one.startsAfter?.includes(id) === true).map((one) => one.name));
}

function checkMembers(state: ClusterState, set: GroupSetRecord, names: unknown): GroupId[] {
  if (!Array.isArray(names)) throw invalid("groups", "a list of names of groups is required");
  const ids = names.map((name) => findGroup(state, name, "groups").id);
  for (const id of ids) {
    const other = state.setIdOf(id);
    if (other === undefined || other === set.id) continue;
    throw new MusterError("MUSTER_GROUP_IN_ANOTHER_SET", { field: "groups", group: state.tables.groups.get(id)?.name ?? id, set: state.tables.groupSets.get(other)?.name ?? other });
  }
  return sortedText(new Set(ids));
}

/** The group with what it starts after: names of groups and of group sets. */
export function checkProviders(state: ClusterState, group: GroupRecord, names: unknown): GroupRecord {
  const ids = findProviders(state, names, group.id);
  const changed: GroupRecord = { ...group, startsAfter: ids };
  if (ids.length === 0) delete (changed as { startsAfter?: readonly string[] }).startsAfter;
  state.tables.groups.put(group.id, changed);
  refuseCycle(state, group.id);
  return changed;
}

function findProviders(state: ClusterState, names: unknown, own: string): string[] {
  if (!Array.isArray(names)) throw invalid("startsAfter", "a list of names of groups and group sets is required");
  const ids = names.map((name) => {
    const set = typeof name === "string" ? state.tables.groupSets.keys().find((key) => key === name || foldName(state.tables.groupSets.get(key)?.name ?? "") === foldName(name)) : undefined;
    return set ?? findGroup(state, name, "startsAfter").id;
  });
  if (ids.includes(own)) throw new MusterError("MUSTER_START_ORDER_CYCLE", { field: "startsAfter", path: nameOf(state, own) });
  return sortedText(new Set(ids));
}

/** A group waits for what it and its set start after; a set is ready when its groups are. Nothing may wait for itself. */
function refuseCycle(state: ClusterState, from: string): void {
  const visited = new Set<string>();
  const search = (id: string, path: readonly string[]): void => {
    for (const next of followed(state, id)) {
      const extended = [...path, nameOf(state, next)];
      if (next === from) throw new MusterError("MUSTER_START_ORDER_CYCLE", { field: "startsAfter", path: extended.join(" → ") });
      if (visited.has(next)) continue;
      visited.add(next);
      search(next, extended);
    }
  };
  search(from, [nameOf(state, from)]);
}

function followed(state: ClusterState, id: string): readonly string[] {
  const set = state.tables.groupSets.get(id);
  // Whoever waits for a set waits for its groups, and they for what the set starts after.
  if (set !== undefined) return [...set.groups, ...set.startsAfter];
  const own = state.setIdOf(id);
  const globals = own !== undefined && state.globalSetIds().includes(own) ? [] : state.globalSetIds();
  return [...globals, ...(state.tables.groups.get(id)?.startsAfter ?? []), ...(own === undefined ? [] : (state.tables.groupSets.get(own)?.startsAfter ?? []))];
}

/** A deleted group is nobody's provider and in no set. */
export function forgetInStartOrder(state: ClusterState, id: GroupId): void {
  const own = state.setIdOf(id);
  const set = own === undefined ? undefined : state.tables.groupSets.get(own);
  if (set !== undefined) state.tables.groupSets.put(set.id, { ...set, groups: set.groups.filter((group) => group !== id) });
  for (const key of state.tables.groups.keys()) {
    const group = state.tables.groups.get(key) as GroupRecord;
    if (group.startsAfter?.includes(id) !== true) continue;
    const left = group.startsAfter.filter((provider) => provider !== id);
    const { startsAfter: _gone, ...rest } = group;
    state.tables.groups.put(key, left.length === 0 ? rest : { ...rest, startsAfter: left });
  }
  for (const key of state.tables.groupSets.keys()) {
    const other = state.tables.groupSets.get(key) as GroupSetRecord;
    if (other.startsAfter.includes(id)) state.tables.groupSets.put(key, { ...other, startsAfter: other.startsAfter.filter((provider) => provider !== id) });
  }
}

function nameOf(state: ClusterState, id: string): string {
  return state.tables.groupSets.get(id)?.name ?? state.tables.groups.get(id)?.name ?? id;
}

function freeSetName(state: ClusterState, value: unknown, own: GroupSetRecord | null): string {
  const name = checkName(value);
  const folded = foldName(name);
  const isTaken = state.tables.groupSets.keys().some((key) => key !== own?.id && foldName(state.tables.groupSets.get(key)?.name ?? "") === folded);
  // One list names groups and sets alike.
  if (isTaken || state.groupIdNamed(name) !== undefined) throw new MusterError("MUSTER_NAME_IN_USE", { field: "name", name });
  return name;
}
