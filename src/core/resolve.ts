import { MusterError } from "../model/errors.ts";
import type { NodeId } from "../model/identifiers.ts";
import type { GroupRecord, GroupSetRecord, NodeRecord, PropertyBag, PropertyValue, ResourceRecord, ResourceTypeRecord } from "../model/objects.ts";
import { validateProperties } from "../model/properties.ts";
import type { PropertyTable } from "../model/properties.ts";
import { builtInResourceTypes } from "../model/resource-types.ts";
import { NAME_LENGTH_MAX } from "./limits.ts";
import { compareText, foldName } from "./order.ts";
import type { ClusterState } from "./state.ts";

/** From what an administrator wrote to the records it means; every refusal names the field. */

const NAME = /^[A-Za-z0-9 ._-]+$/;
/** Ids look like this; no name may, or it could hide the object with that id. */
const ID = /^[adgnrs][0-9]+\.[0-9]+(\.[0-9]+)?$/i;

export function findNode(state: ClusterState, name: unknown, field = "node"): NodeRecord {
  const text = requireText(name, field);
  const folded = foldName(text);
  for (const id of state.nodeIds()) {
    const node = state.tables.nodes.get(String(id));
    if (node !== undefined && (foldName(node.name) === folded || String(id) === text)) return node;
  }
  throw new MusterError("MUSTER_NODE_NOT_FOUND", { field, name: text });
}

export function findGroup(state: ClusterState, name: unknown, field = "group"): GroupRecord {
  const text = requireText(name, field);
  const group = state.tables.groups.get(state.groupIdNamed(text) ?? text);
  if (group === undefined) throw new MusterError("MUSTER_GROUP_NOT_FOUND", { field, name: text });
  return group;
}

export function findGroupSet(state: ClusterState, name: unknown, field = "set"): GroupSetRecord {
  const text = requireText(name, field);
  const folded = foldName(text);
  for (const id of state.tables.groupSets.keys()) {
    const set = state.tables.groupSets.get(id) as GroupSetRecord;
    if (id === text || foldName(set.name) === folded) return set;
  }
  throw new MusterError("MUSTER_GROUP_SET_NOT_FOUND", { field, name: text });
}

export function findResource(state: ClusterState, name: unknown, field = "resource"): ResourceRecord {
  const text = requireText(name, field);
  const resource = state.tables.resources.get(state.resourceIdNamed(text) ?? text);
  if (resource === undefined) throw new MusterError("MUSTER_RESOURCE_NOT_FOUND", { field, name: text });
  return resource;
}

export function resourceTypes(state: ClusterState): ResourceTypeRecord[] {
  const registered = state.tables.resourceTypes.keys().map((key) => state.tables.resourceTypes.get(key) as ResourceTypeRecord);
  return [...builtInResourceTypes, ...registered].sort((left, right) => compareText(foldName(left.name), foldName(right.name)));
}

export function findType(state: ClusterState, name: unknown, field = "type"): ResourceTypeRecord {
  const text = requireText(name, field);
  const folded = foldName(text);
  const type = builtInResourceTypes.find((candidate) => foldName(candidate.name) === folded) ?? state.tables.resourceTypes.get(folded);
  if (type === undefined) {
    throw new MusterError("MUSTER_TYPE_NOT_FOUND", { field, name: text, known: resourceTypes(state).map((known) => known.name).join(", ") });
  }
  return type;
}

export function requireText(value: unknown, field: string): string {
  if (typeof value !== "string") throw invalid(field, "a text is required");
  return value;
}

export function requireBag(value: unknown, field: string): PropertyBag {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalid(field, "names with values are required");
  return value as PropertyBag;
}

/** A name for a new object or a new name for an old one. */
export function checkName(value: unknown, field = "name"): string {
  const name = requireText(value, field);
  if (name.length === 0 || name.length > NAME_LENGTH_MAX || !NAME.test(name) || name !== name.trim()) {
    throw invalid(field, `a name has 1 to ${NAME_LENGTH_MAX} of the characters A-Z a-z 0-9 . _ - and blanks inside`);
  }
  if (ID.test(name)) throw invalid(field, `'${name}' has the form of an id`);
  return name;
}

/** Node names to numbers, in the order given. */
export function checkNodes(state: ClusterState, names: unknown, field: string): NodeId[] {
  if (!Array.isArray(names)) throw invalid(field, "a list of node names is required");
  const ids = names.map((name) => findNode(state, name, field).id);
  if (new Set(ids).size !== ids.length) throw invalid(field, "a node is named twice");
  return ids;
}

/** New values over old ones, checked; what equals the default is not kept. Names are sorted, so that equal bags print alike. */
export function mergeProperties(table: PropertyTable, before: PropertyBag, change: unknown, field: string, object: string): PropertyBag {
  if (change === undefined) return before;
  const bag = requireBag(change, field);
  validateProperties(table, bag, object);
  return sortBag(table, { ...before, ...bag });
}

/** One value the core sets itself; undefined = follow the default. */
export function withProperty(table: PropertyTable, before: PropertyBag, name: string, value: PropertyValue | undefined): PropertyBag {
  const merged: Record<string, PropertyValue> = { ...before };
  if (value === undefined) delete merged[name];
  else merged[name] = value;
  return sortBag(table, merged);
}

function sortBag(table: PropertyTable, bag: PropertyBag): PropertyBag {
  const kept = Object.entries(bag).filter(([name, value]) => {
    const definition = table.find((property) => property.name === name);
    return definition?.keepDefault === true || !sameValue(definition?.default, value);
  });
  return Object.fromEntries(kept.sort(([left], [right]) => compareText(left, right)));
}

function sameValue(left: PropertyValue | undefined, right: PropertyValue): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}

export function invalid(field: string, problem: string): MusterError {
  return new MusterError("MUSTER_INVALID_ARGUMENT", { field, problem });
}
