import { EventCatalogue } from "../model/events.ts";
import type { ClusterEvent, EventName } from "../model/events.ts";
import { generationAt, ordinalId } from "../model/identifiers.ts";
import type { EffectId, EventId, Generation, GroupId, NodeId, ResourceId } from "../model/identifiers.ts";
import type { CoreRequest, Effect, Stamp } from "../model/inputs.ts";
import type { GroupRecord, Reason, ResourceRecord } from "../model/objects.ts";
import { EVENTS_KEPT } from "./limits.ts";
import { WAITING } from "./placement-indices.ts";
import { noteOwner } from "./recording.ts";
import { initialGroupRow, initialNodeRow, initialResourceRow } from "./records.ts";
import type { GroupRow, NodeRow, ResourceRow, ViewRow } from "./records.ts";
import { ONLY } from "./state.ts";
import type { ClusterState } from "./state.ts";

/** A group got another owner; null = none. */
export interface OwnerChange {
  readonly group: GroupId;
  readonly from: NodeId | null;
  readonly to: NodeId | null;
}

export interface EventFields {
  readonly node?: NodeId | null;
  readonly group?: string | null;
  readonly resource?: string | null;
  readonly text: string;
  readonly next?: string | null;
  readonly cause?: EventId | null;
}

/** One step while it reacts: the state, the entry, and what the step has ordered and said so far. */
export class StepContext {
  readonly state: ClusterState;
  readonly stamp: Stamp;
  /** Cluster time of this step; it never goes back. */
  readonly now: number;
  readonly effects: Effect[] = [];
  readonly events: ClusterEvent[] = [];
  readonly ownerChanges: OwnerChange[] = [];
  /** Commands the state gives rise to; the service of the orderer sends them. */
  readonly requests: CoreRequest[] = [];
  /** Groups that must be looked at before the step ends. */
  readonly touched = new Set<GroupId>();
  /** Nodes that gave a group away: a drain may be complete. */
  readonly relieved = new Set<NodeId>();
  /** Nodes to which a move ended, well or not: a failback may be complete. */
  readonly returning = new Set<NodeId>();
  /** Groups that are somewhere else or in another state than before: others may be able to go where they could not. */
  readonly changed = new Set<GroupId>();
  readonly #memory = new Map<string, unknown>();
  #loads: { readonly weigh: (group: GroupId) => number; readonly byNode: Map<NodeId, number> } | null = null;

  constructor(state: ClusterState, stamp: Stamp) {
    this.state = state;
    this.stamp = stamp;
    this.now = Math.max(stamp.clusterTimeMs, state.tables.position.get(ONLY)?.clusterTimeMs ?? 0);
  }

  /** The entry itself, as a cause. */
  get entry(): EventId {
    return ordinalId(this.stamp.epoch, this.stamp.index, 0);
  }

  /** A later step always gives a higher one. */
  get generation(): Generation {
    return generationAt(this.stamp.epoch, this.stamp.index);
  }

  // ---- rows -----------------------------------------------------------------

  get view(): ViewRow | undefined {
    return this.state.tables.view.get(ONLY);
  }

  node(id: NodeId): NodeRow {
    return this.state.tables.nodeRuntime.get(String(id)) ?? initialNodeRow(id);
  }

  group(id: GroupId): GroupRow {
    return this.state.tables.groupRuntime.get(id) ?? initialGroupRow(id);
  }

  resource(id: ResourceId): ResourceRow {
    return this.state.tables.resourceRuntime.get(id) ?? initialResourceRow(id);
  }

  setNode(id: NodeId, change: Partial<NodeRow>): void {
    this.state.tables.nodeRuntime.put(String(id), { ...this.node(id), ...change });
  }

  setGroup(id: GroupId, change: Partial<GroupRow>): void {
    const before = this.group(id);
    const after = { ...before, ...change };
    if (before.movingTo !== null && before.movingTo !== after.movingTo) this.returning.add(before.movingTo);
    if (before.announced !== after.announced || before.startedAtMs !== after.startedAtMs) this.touchWaiters(id);
    if (before.owner !== after.owner) {
      this.ownerChanges.push({ group: id, from: before.owner, to: after.owner });
      noteOwner(this, id, after.owner);
    }
    if (before.owner !== after.owner || before.movingTo !== after.movingTo) this.#moveLoad(id, before, after);
    if (before.owner !== after.owner || before.movingTo !== after.movingTo || before.announced !== after.announced) this.changed.add(id);
    this.state.tables.groupRuntime.put(id, after);
  }

  /** Those that wait for the group, or for the set it is in, look again. */
  touchWaiters(id: GroupId): void {
    for (const waiting of this.state.groupIdsWaitingFor(id)) this.touched.add(waiting);
    const set = this.state.setIdOf(id);
    if (set !== undefined) for (const waiting of this.state.groupIdsWaitingFor(set)) this.touched.add(waiting);
  }

  setResource(id: ResourceId, change: Partial<ResourceRow>): void {
    const before = this.resource(id);
    const ends = before.state === "Online" && change.state !== undefined && change.state !== "Online";
    this.state.tables.resourceRuntime.put(id, { ...before, ...(ends ? { servedUntilMs: this.now } : {}), ...change });
  }

  resourcesOf(group: GroupId): ResourceRecord[] {
    return this.state.resourceIdsOf(group).map((id) => this.state.tables.resources.get(id) as ResourceRecord);
  }

  /** Groups that exist, in the order of their names: the order in which they are served. */
  groupsByName(ids: readonly GroupId[]): GroupRecord[] {
    return ids
      .map((id) => this.state.tables.groups.get(id))
      .filter((group) => group !== undefined)
      .sort((left, right) => (left.name < right.name ? -1 : left.name > right.name ? 1 : 0));
  }

  nodeName(id: NodeId): string {
    return this.state.tables.nodes.get(String(id))?.name ?? this.node(id).evictedName ?? `node ${id}`;
  }

  /** What follows from the configuration alone cannot change while a step reacts: it is worked out once per step. */
  once<Value>(name: string, make: () => Value): Value {
    if (!this.#memory.has(name)) this.#memory.set(name, make());
    return this.#memory.get(name) as Value;
  }

  /** The weight of what each node serves or is about to: added up once per step, then kept. */
  loads(weigh: (group: GroupId) => number): ReadonlyMap<NodeId, number> {
    if (this.#loads === null) {
      const byNode = new Map<NodeId, number>();
      for (const id of this.state.nodeIds()) byNode.set(id, this.state.weighGroupsOn(id, weigh));
      this.#loads = { weigh, byNode };
    }
    return this.#loads.byNode;
  }

  /** After a change of what counts, beside a change of owner. */
  forgetLoads(): void {
    this.#loads = null;
  }

  #moveLoad(id: GroupId, before: GroupRow, after: GroupRow): void {
    if (this.#loads === null) return;
    const { weigh, byNode } = this.#loads;
    const weight = weigh(id);
    for (const node of placesOf(before)) byNode.set(node, (byNode.get(node) ?? 0) - weight);
    for (const node of placesOf(after)) byNode.set(node, (byNode.get(node) ?? 0) + weight);
  }

  /** Groups that say that no node can take them are looked at again. */
  touchWaiting(): void {
    for (const id of this.state.placement.waiting.of(WAITING)) this.touched.add(id);
  }

  // ---- what the step says and orders ------------------------------------------

  reason(rule: string, text: string, command?: string): Reason {
    return command === undefined ? { text, rule, sinceMs: this.now } : { text, rule, sinceMs: this.now, command };
  }

  event(name: EventName, fields: EventFields): EventId {
    const definition = EventCatalogue[name];
    const id = ordinalId(this.stamp.epoch, this.stamp.index, this.events.length + 1);
    const event: ClusterEvent = {
      id,
      code: definition.code,
      level: definition.level,
      cause: fields.cause ?? this.entry,
      wallTimeMs: this.stamp.wallTimeMs,
      clusterTimeMs: this.now,
      node: fields.node === undefined || fields.node === null ? null : this.nodeName(fields.node),
      group: fields.group ?? null,
      resource: fields.resource ?? null,
      text: fields.text,
      next: fields.next ?? null,
    };
    this.events.push(event);
    this.#remember(event);
    return id;
  }

  order(order: Omit<Effect, "id">): EffectId {
    const id = ordinalId(this.stamp.epoch, this.stamp.index, this.effects.length + 1);
    this.effects.push({ id, ...order });
    return id;
  }

  /** The same order once more; its id makes sure that it is carried out once. */
  orderAgain(effect: Effect): void {
    this.effects.push(effect);
  }

  #remember(event: ClusterEvent): void {
    const { eventRing, events } = this.state.tables;
    const ring = eventRing.get(ONLY) ?? { first: 0, next: 0 };
    events.put(String(ring.next), event);
    const next = ring.next + 1;
    let first = ring.first;
    for (; next - first > EVENTS_KEPT; first++) events.remove(String(first));
    eventRing.put(ONLY, { first, next });
  }
}

/** A group on its way counts on both nodes. */
function placesOf(row: GroupRow): Set<NodeId> {
  return new Set([row.owner, row.movingTo].filter((node) => node !== null));
}
