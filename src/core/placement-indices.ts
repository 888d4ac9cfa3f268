import type { GroupRecord } from "../model/objects.ts";
import { groupProperties, numberPropertyOf } from "../model/properties.ts";
import type { Deadlines } from "./deadlines.ts";
import { IndexMap } from "./index-map.ts";
import { foldName } from "./order.ts";
import type { GroupRow } from "./records.ts";
import type { Tables } from "./state.ts";

/** What placement looks up, kept beside the tables so that choosing a node does not look at all groups. */
export interface PlacementIndices {
  /** From a group to the affinity rules that name it. */
  readonly rulesByGroup: IndexMap;
  /** From an anti-affinity class name, folded, to the groups that have it. */
  readonly groupsByClass: IndexMap;
  /** From a node to the groups that may fail back to it by themselves. */
  readonly failbackGroups: IndexMap;
  /** Under {@link WAITING}: the groups that say that no node can take them. */
  readonly waiting: IndexMap;
  /** Under {@link LIMITED}: the nodes whose capacity an administrator has stated. */
  readonly limited: IndexMap;
}

/** Rules of reasons as well. */
export const WAITING = "waiting";
export const PREEMPTED = "preempted";
export const LIMITED = "limited";

const OWNER_WAIT = "owner ";
const FAILBACK = "failback ";
const QUARANTINE = "quarantine ";

/** A deadline of placement, from its key; null = it is somebody else's. */
export function placementDeadline(key: string): { readonly kind: "ownerWait" | "failback" | "quarantine"; readonly id: string } | null {
  if (key.startsWith(OWNER_WAIT)) return { kind: "ownerWait", id: key.slice(OWNER_WAIT.length) };
  if (key.startsWith(FAILBACK)) return { kind: "failback", id: key.slice(FAILBACK.length) };
  if (key.startsWith(QUARANTINE)) return { kind: "quarantine", id: key.slice(QUARANTINE.length) };
  return null;
}

export function emptyPlacementIndices(): PlacementIndices {
  return { rulesByGroup: new IndexMap(), groupsByClass: new IndexMap(), failbackGroups: new IndexMap(), waiting: new IndexMap(), limited: new IndexMap() };
}

export function forkPlacementIndices(from: PlacementIndices): PlacementIndices {
  return {
    rulesByGroup: from.rulesByGroup.fork(),
    groupsByClass: from.groupsByClass.fork(),
    failbackGroups: from.failbackGroups.fork(),
    waiting: from.waiting.fork(),
    limited: from.limited.fork(),
  };
}

interface PlacementHooks {
  group(before: GroupRecord | undefined, after: GroupRecord | undefined, key: string): void;
  groupRow(before: GroupRow | undefined, after: GroupRow | undefined, key: string): void;
  node(before: { readonly properties: GroupRecord["properties"] } | undefined, after: { readonly properties: GroupRecord["properties"] } | undefined, key: string): void;
}

/** Connects the tables that only placement has; the hooks of shared ones are for their owner to call. */
export function connectPlacement(tables: Tables, indices: PlacementIndices, deadlines: Deadlines): PlacementHooks {
  tables.affinityRules.hook = (before, after, key) => {
    for (const group of before?.groups ?? []) indices.rulesByGroup.remove(group, key);
    for (const group of after?.groups ?? []) indices.rulesByGroup.add(group, key);
  };
  tables.ownerWaits.hook = (_before, after, key) => {
    deadlines.set(`${OWNER_WAIT}${key}`, after?.untilMs ?? null);
  };
  tables.failbacks.hook = (_before, after, key) => {
    deadlines.set(`${FAILBACK}${key}`, after?.atMs ?? null);
  };
  tables.quarantines.hook = (_before, after, key) => {
    deadlines.set(`${QUARANTINE}${key}`, after?.untilMs ?? null);
  };
  return {
    group(before, after, key) {
      const properties = before?.properties !== after?.properties;
      if (properties) {
        for (const name of classesOf(before)) indices.groupsByClass.remove(name, key);
        for (const name of classesOf(after)) indices.groupsByClass.add(name, key);
      }
      if (!properties && before?.preferredOwners === after?.preferredOwners) return;
      for (const node of failbackNodes(before)) indices.failbackGroups.remove(node, key);
      for (const node of failbackNodes(after)) indices.failbackGroups.add(node, key);
    },
    groupRow(before, after, key) {
      const waited = isWaiting(before);
      const waits = isWaiting(after);
      if (waited && !waits) indices.waiting.remove(WAITING, key);
      if (!waited && waits) indices.waiting.add(WAITING, key);
    },
    node(before, after, key) {
      const limited = before?.properties["NodeCapacity"] !== undefined;
      const limits = after?.properties["NodeCapacity"] !== undefined;
      if (limited && !limits) indices.limited.remove(LIMITED, key);
      if (!limited && limits) indices.limited.add(LIMITED, key);
    },
  };
}

/** What was pushed out waits like what never had a node. */
function isWaiting(row: GroupRow | undefined): boolean {
  return row?.reason.rule === WAITING || row?.reason.rule === PREEMPTED;
}

/** Names that differ only in case are one class. */
export function classesOf(group: GroupRecord | undefined): readonly string[] {
  const names = group?.properties["AntiAffinityClassNames"];
  return Array.isArray(names) ? [...new Set(names.map((name: string) => foldName(name)))] : [];
}

function failbackNodes(group: GroupRecord | undefined): readonly string[] {
  if (group === undefined || numberPropertyOf(groupProperties, group.properties, "AutoFailbackType") !== 1) return [];
  return group.preferredOwners.map(String);
}
