import { MusterError } from "../model/errors.ts";
import type { NodeId } from "../model/identifiers.ts";
import type { GroupSetRecord } from "../model/objects.ts";
import { groupSetProperties, numberPropertyOf } from "../model/properties.ts";
import { Deadlines } from "./deadlines.ts";
import { ZERO_HASH, addHash } from "./hash.ts";
import type { Hash } from "./hash.ts";
import { IndexMap } from "./index-map.ts";
import { foldName } from "./order.ts";
import { connectPlacement, emptyPlacementIndices, forkPlacementIndices } from "./placement-indices.ts";
import type { PlacementIndices } from "./placement-indices.ts";
import { tableKinds, tableNames, tablePlaces, UNDECIDING } from "./table-names.ts";
import type { Rows, TableName } from "./table-names.ts";
import { createGuard, Table } from "./table.ts";
import type { Changeable, PhaseGuard, TableKind } from "./table.ts";

export { tableKinds, tableNames } from "./table-names.ts";
export type { TableName } from "./table-names.ts";

/** Key of a table that has one row. */
export const ONLY = "-";
/** Key of the groups without an owner in the index by owner. */
export const NOBODY = "";
export const VIEW_DEADLINE = "view";
/** Deadlines of groups carry it before their id; those of resources are their id. */
export const HOLD_DEADLINE = "hold ";
export const GROUP_DEADLINE = "group ";
/** Key of the sets that every other group waits for, in the index of sets by group. */
const EVERY_GROUP = "*";

export type Tables = { readonly [Name in TableName]: Table<Rows[Name]> };
type AnyTable = Table<object>;

/** What follows from the tables and is kept beside them, so that no step looks at everything. */
interface Indices {
  readonly groupNames: IndexMap;
  readonly resourceNames: IndexMap;
  readonly resourcesByGroup: IndexMap;
  readonly dependents: IndexMap;
  readonly groupsByOwner: IndexMap;
  readonly groupsByTarget: IndexMap;
  readonly setsByGroup: IndexMap;
  /** Groups that wait for their start, by the group or set they wait for. */
  readonly waiters: IndexMap;
  readonly deadlines: Deadlines;
  readonly placement: PlacementIndices;
}

/**
 * The whole state of a cluster: the Cluster Database (durable) and what runs where (volatile).
 * Changed only by `step`; every node that handled the same entries holds the same.
 */
export class ClusterState {
  readonly tables: Tables;
  readonly #guard: PhaseGuard;
  readonly #indices: Indices;
  #nodeIds: readonly NodeId[] | null = null;
  #revision = 0;
  /**
   * Cluster time at which somebody looks at the state, for "how long": between entries the clock goes on.
   * Not part of the state and not used by any decision.
   */
  lookedAtMs = 0;

  constructor(guard: PhaseGuard, tables: Tables, indices: Indices) {
    this.#guard = guard;
    this.tables = tables;
    this.#indices = indices;
    this.#connect();
  }

  static empty(rehearses = false): ClusterState {
    const guard = createGuard(rehearses);
    const tables = Object.fromEntries(tableNames.map((name) => [name, new Table<object>(name, tableKinds[name], guard)])) as unknown as Tables;
    return new ClusterState(guard, tables, {
      groupNames: new IndexMap(),
      resourceNames: new IndexMap(),
      resourcesByGroup: new IndexMap(),
      dependents: new IndexMap(),
      groupsByOwner: new IndexMap(),
      groupsByTarget: new IndexMap(),
      setsByGroup: new IndexMap(),
      waiters: new IndexMap(),
      deadlines: new Deadlines(),
      placement: emptyPlacementIndices(),
    });
  }

  /** @param rehearses for a copy that is thrown away: it keeps no hash, and its list of changes no values */
  fork(rehearses = false): ClusterState {
    const guard = createGuard(rehearses);
    const tables = Object.fromEntries(tableNames.map((name) => [name, this.table(name).fork(guard)])) as unknown as Tables;
    const from = this.#indices;
    return new ClusterState(guard, tables, {
      groupNames: from.groupNames.fork(),
      resourceNames: from.resourceNames.fork(),
      resourcesByGroup: from.resourcesByGroup.fork(),
      dependents: from.dependents.fork(),
      groupsByOwner: from.groupsByOwner.fork(),
      groupsByTarget: from.groupsByTarget.fork(),
      setsByGroup: from.setsByGroup.fork(),
      waiters: from.waiters.fork(),
      deadlines: from.deadlines.fork(),
      placement: forkPlacementIndices(from.placement),
    });
  }

  table(name: TableName): AnyTable {
    return this.tables[name] as unknown as AnyTable;
  }

  // ---- steps ----------------------------------------------------------------

  begin(phase: "configure" | "react"): void {
    this.#guard.phase = phase;
  }

  /** Makes what was changed final and returns it, table by table. */
  commit(): { readonly table: TableName; readonly key: string; readonly value: string | null }[] {
    const changes: { table: TableName; key: string; value: string | null }[] = [];
    for (const changed of this.#takeChanged()) {
      const table = changed.name as TableName;
      if (!UNDECIDING.has(table)) this.#revision++;
      for (const { key, value } of changed.commit()) changes.push({ table, key, value });
    }
    this.#guard.phase = "idle";
    return changes;
  }

  rollback(): void {
    for (const table of this.#takeChanged()) table.rollback();
    this.#guard.phase = "idle";
  }

  #takeChanged(): Changeable[] {
    const changed = this.#guard.changed.splice(0);
    return changed.length < 2 ? changed : changed.sort((left, right) => tablePlaces.get(left.name)! - tablePlaces.get(right.name)!);
  }

  /** Rises whenever something changes that a decision can depend on: what was worked out at the same number still holds. */
  get revision(): number {
    return this.#revision;
  }

  get phase(): PhaseGuard["phase"] {
    return this.#guard.phase;
  }

  hash(kind: TableKind | "all"): Hash {
    if (this.#guard.rehearses) throw new MusterError("MUSTER_INTERNAL", { problem: "a rehearsal has no hash" });
    if (kind === "all") return this.#guard.sum;
    let sum = ZERO_HASH;
    for (const name of tableNames) if (tableKinds[name] === kind) sum = addHash(sum, this.table(name).hash);
    return sum;
  }

  /** How large the state is. */
  get recordCount(): number {
    return tableNames.reduce((sum, name) => sum + this.table(name).size, 0);
  }

  /** The same from all records, for tests and for an administrator who doubts. */
  recomputeHash(kind: TableKind | "all"): Hash {
    let sum = ZERO_HASH;
    for (const name of tableNames) if (kind === "all" || tableKinds[name] === kind) sum = addHash(sum, this.table(name).recomputeHash());
    return sum;
  }

  // ---- what is looked up often ------------------------------------------------

  /** In the order of their numbers. */
  nodeIds(): readonly NodeId[] {
    this.#nodeIds ??= this.tables.nodes
      .keys()
      .map(Number)
      .sort((left, right) => left - right);
    return this.#nodeIds;
  }

  groupIdNamed(name: string): string | undefined {
    return this.#indices.groupNames.of(foldName(name))[0];
  }

  resourceIdNamed(name: string): string | undefined {
    return this.#indices.resourceNames.of(foldName(name))[0];
  }

  resourceIdsOf(group: string): string[] {
    return this.#indices.resourcesByGroup.of(group);
  }

  someResourceOf(group: string, passes: (id: string) => boolean): boolean {
    return this.#indices.resourcesByGroup.some(group, passes);
  }

  resourceCountOf(group: string): number {
    return this.#indices.resourcesByGroup.count(group);
  }

  dependentIdsOf(resource: string): string[] {
    return this.#indices.dependents.of(resource);
  }

  /** Run-time state: not for use while the configuration is decided. */
  groupIdsOwnedBy(owner: NodeId | null): string[] {
    this.#mayReadVolatile();
    return this.#indices.groupsByOwner.of(owner === null ? NOBODY : String(owner));
  }

  groupIdsMovingTo(target: NodeId): string[] {
    this.#mayReadVolatile();
    return this.#indices.groupsByTarget.of(String(target));
  }

  /** The set a group is in; a group is in one at most. */
  setIdOf(group: string): string | undefined {
    return this.#indices.setsByGroup.of(group)[0];
  }

  /** Sets that every group outside of them waits for. */
  globalSetIds(): string[] {
    return this.#indices.setsByGroup.of(EVERY_GROUP);
  }

  /** Groups that wait for a group or a group set to be ready. */
  groupIdsWaitingFor(provider: string): string[] {
    this.#mayReadVolatile();
    return this.#indices.waiters.of(provider);
  }

  /** The sum over groups the node owns and groups on their way to it. */
  weighGroupsOn(node: NodeId, weigh: (id: string) => number): number {
    this.#mayReadVolatile();
    const key = String(node);
    const { groupsByOwner, groupsByTarget } = this.#indices;
    return groupsByOwner.sum(key, weigh) + groupsByTarget.sum(key, weigh);
  }

  /** What placement looks up: rules and classes by group, groups that may fail back, groups that wait. */
  get placement(): PlacementIndices {
    return this.#indices.placement;
  }

  nextDeadline(): number | null {
    this.#mayReadVolatile();
    return this.#indices.deadlines.next();
  }

  dueDeadlines(now: number): string[] {
    this.#mayReadVolatile();
    return this.#indices.deadlines.due(now);
  }

  #mayReadVolatile(): void {
    // The tables know the rule; an index of run-time state asks one of them.
    void this.tables.view.size;
  }

  #connect(): void {
    const { groupNames, resourceNames, resourcesByGroup, dependents, groupsByOwner, groupsByTarget, setsByGroup, waiters, deadlines } = this.#indices;
    const placement = connectPlacement(this.tables, this.#indices.placement, deadlines);
    this.tables.nodes.hook = (before, after, key) => {
      placement.node(before, after, key);
      this.#nodeIds = null;
    };
    this.tables.groups.hook = (before, after, key) => {
      placement.group(before, after, key);
      if (before?.name === after?.name) return;
      if (before !== undefined) groupNames.remove(foldName(before.name), key);
      if (after !== undefined) groupNames.add(foldName(after.name), key);
    };
    this.tables.resources.hook = (before, after, key) => {
      if (before?.name !== after?.name) {
        if (before !== undefined) resourceNames.remove(foldName(before.name), key);
        if (after !== undefined) resourceNames.add(foldName(after.name), key);
      }
      if (before?.group !== after?.group) {
        if (before !== undefined) resourcesByGroup.remove(before.group, key);
        if (after !== undefined) resourcesByGroup.add(after.group, key);
      }
      if (before?.dependencies !== after?.dependencies) {
        for (const provider of new Set(before?.dependencies.flat())) dependents.remove(provider, key);
        for (const provider of new Set(after?.dependencies.flat())) dependents.add(provider, key);
      }
    };
    this.tables.groupSets.hook = (before, after, key) => {
      for (const group of keysOfSet(before)) setsByGroup.remove(group, key);
      for (const group of keysOfSet(after)) setsByGroup.add(group, key);
    };
    this.tables.groupRuntime.hook = (before, after, key) => {
      if (before?.lookAtMs !== after?.lookAtMs) deadlines.set(`${GROUP_DEADLINE}${key}`, after?.lookAtMs ?? null);
      if (before?.movingTo !== after?.movingTo) {
        if (before !== undefined && before.movingTo !== null) groupsByTarget.remove(String(before.movingTo), key);
        if (after !== undefined && after.movingTo !== null) groupsByTarget.add(String(after.movingTo), key);
      }
      if (before?.waitsFor !== after?.waitsFor) {
        for (const provider of before?.waitsFor ?? []) waiters.remove(provider, key);
        for (const provider of after?.waitsFor ?? []) waiters.add(provider, key);
      }
      placement.groupRow(before, after, key);
      if (before !== undefined && after !== undefined && before.owner === after.owner) return;
      if (before !== undefined) groupsByOwner.remove(before.owner === null ? NOBODY : String(before.owner), key);
      if (after !== undefined) groupsByOwner.add(after.owner === null ? NOBODY : String(after.owner), key);
    };
    this.tables.resourceRuntime.hook = (_before, after, key) => {
      deadlines.set(key, after?.restartAtMs ?? null);
    };
    this.tables.holds.hook = (_before, after, key) => {
      deadlines.set(`${HOLD_DEADLINE}${key}`, after?.nextMs ?? null);
    };
    this.tables.view.hook = (_before, after) => {
      deadlines.set(VIEW_DEADLINE, after?.inventoryDeadlineMs ?? null);
    };
  }
}

function keysOfSet(set: GroupSetRecord | undefined): readonly string[] {
  if (set === undefined) return [];
  return numberPropertyOf(groupSetProperties, set.properties, "IsGlobal") === 1 ? [EVERY_GROUP, ...set.groups] : set.groups;
}
