import type { InventoryItem, ReportedState, ReportedStatus } from "../../src/model/inputs.ts";
import type { Member } from "../../src/model/identifiers.ts";
import { compareOrdinalIds } from "../../src/model/identifiers.ts";
import type { ResourceRecord } from "../../src/model/objects.ts";
import type { MonitorOrder, MonitorReport } from "../../src/monitor/contract.ts";
import { BrokenInvariant } from "./checker.ts";
import type { Slot, World } from "./world.ts";

/** A copy of a resource that runs, whoever may still know of it. */
interface Copy {
  readonly resource: ResourceRecord;
  readonly generation: number;
  readonly owner: Member;
  /** Epoch in which the owner was active when it started the copy. */
  readonly slot: Slot;
  ended: () => void;
}

/**
 * All that runs on the one machine of an embedded cluster. A lock per resource shows whether an
 * older copy still runs; who takes over ends it first. The lock makes two copies impossible, so
 * what is checked is that it is only ever *needed* against nodes that are out of the view.
 */
export class Machine {
  readonly #world: World;
  readonly #copies = new Map<string, Copy>();

  constructor(world: World) {
    this.#world = world;
  }

  running(): readonly { readonly resource: string; readonly node: number; readonly generation: number }[] {
    return [...this.#copies.values()].map((copy) => ({ resource: copy.resource.name, node: copy.owner.node, generation: copy.generation }));
  }

  /** @returns false when a newer copy runs: the order is too old */
  start(copy: Copy): boolean {
    const older = this.#copies.get(copy.resource.id);
    if (older !== undefined) {
      if (older.generation > copy.generation) return false;
      this.#mustBeOut(older, copy);
      this.#world.trace.add(this.#world.scheduler.nowMs, copy.owner.node, "fence", `${copy.resource.name} of n${older.owner.node}`);
      this.end(older);
      older.ended();
    }
    this.#copies.set(copy.resource.id, copy);
    return true;
  }

  end(copy: Copy): void {
    if (this.#copies.get(copy.resource.id) === copy) this.#copies.delete(copy.resource.id);
  }

  #mustBeOut(older: Copy, taker: Copy): void {
    const holder = older.slot;
    if (holder === taker.slot || holder.member === null || holder.member.incarnation !== older.owner.incarnation || holder.backlog !== null) return;
    const status = holder.process?.status;
    const takerStatus = taker.slot.process?.status;
    if (status?.phase !== "active" || takerStatus?.phase !== "active" || status.epoch !== takerStatus.epoch) return;
    throw new BrokenInvariant(`node ${taker.owner.node} was told to start ${taker.resource.name} while node ${older.owner.node}, active in the same view, still runs it`);
  }
}

type Level = { -readonly [Key in keyof InventoryItem]: InventoryItem[Key] } & { copy: Copy | null; status?: ReportedStatus };

/** What a type says of a resource that is well. */
const WELL: ReportedStatus = { locked: false, embeddedFailure: false, osHeartbeat: true, applicationReady: true };

/** A resource monitor with resources that start, stop and fail as the seed wants. */
export class SimulatedMonitor {
  readonly #world: World;
  readonly #machine: Machine;
  readonly #slot: Slot;
  readonly #member: Member;
  readonly #report: (report: MonitorReport) => void;
  readonly #levels = new Map<string, Level>();
  #permitUntilMs = 0;
  #ended = false;

  constructor(world: World, machine: Machine, slot: Slot, member: Member, report: (report: MonitorReport) => void) {
    this.#world = world;
    this.#machine = machine;
    this.#slot = slot;
    this.#member = member;
    this.#report = report;
    this.#watchPermit();
  }

  inventory(): readonly InventoryItem[] {
    return [...this.#levels.values()].filter((level) => level.state !== "offline" || level.permitEnded === true).map(({ copy: _copy, status: _status, ...item }) => item);
  }

  order(order: MonitorOrder): void {
    if (this.#ended) return;
    if (order.kind === "permit") this.#permitUntilMs = Math.max(this.#permitUntilMs, order.untilMs);
    if (order.kind === "online") this.#online(order);
    if (order.kind === "offline") this.#offline(order.resource, order.generation, order.effect, 1 + this.#world.random.next() * 30);
    if (order.kind === "terminate") this.#offline(order.resource, order.generation, order.effect, 0);
  }

  /** One of the resources that run fails by itself. */
  failOne(): void {
    const online = [...this.#levels.values()].filter((level) => level.state === "online");
    if (online.length > 0) this.#set(this.#world.random.pick(online), "failed", "the process ended");
  }

  /** A type says something else beside the state of one of its resources. */
  changeStatus(): void {
    const { random } = this.#world;
    const online = [...this.#levels.values()].filter((level) => level.state === "online");
    if (online.length === 0) return;
    const level = random.pick(online);
    const flag = random.pick(["locked", "locked", "embeddedFailure", "networkFailure", "osHeartbeat", "applicationReady"] as const);
    level.status = { ...level.status, [flag]: level.status?.[flag] !== true };
    this.#tell(level, "");
  }

  /** Nothing is locked, nothing is wrong inside. */
  becomeWell(): void {
    for (const level of this.#levels.values()) {
      if (level.state !== "online") continue;
      level.status = WELL;
      this.#tell(level, "");
    }
  }

  /** The monitor is killed, and what it runs with it; its successor knows of nothing. */
  die(): void {
    for (const level of this.#levels.values()) if (level.copy !== null) this.#machine.end(level.copy);
    this.#levels.clear();
  }

  /** The service is gone: everything is killed, at once or a little later. */
  end(lateMs: number): void {
    this.#ended = true;
    const kill = (): void => {
      for (const level of this.#levels.values()) if (level.copy !== null) this.#machine.end(level.copy);
    };
    if (lateMs === 0) kill();
    else this.#world.scheduler.after(lateMs, kill);
  }

  #online(order: Extract<MonitorOrder, { kind: "online" }>): void {
    const { resource, generation, effect } = order;
    const known = this.#levels.get(resource.id);
    // Seen before, or overtaken: it is answered with how it stands.
    if (known?.effect != null && compareOrdinalIds(effect, known.effect) <= 0) return this.#tell(known, "");
    if (this.#world.clockOf(this.#slot).nowMs > order.startBeforeMs) return this.#tell({ resource: resource.id, generation, state: "offline", effect, processId: null, copy: null }, "the order is too old");
    if (known?.copy != null) this.#machine.end(known.copy);
    const level: Level = { resource: resource.id, generation, state: "onlinePending", effect, processId: null, copy: null };
    this.#levels.set(resource.id, level);
    this.#tell(level, "");
    this.#later(2 + this.#world.random.next() * 80, () => {
      if (this.#levels.get(resource.id) !== level || level.effect !== effect || level.state !== "onlinePending") return;
      if (this.#world.random.chance(this.#world.isCalm ? 0 : 0.05)) return this.#set(level, "failed", "it did not start");
      const copy: Copy = { resource, generation, owner: this.#member, slot: this.#slot, ended: () => this.#set(level, "failed", "ended by the new owner") };
      if (!this.#machine.start(copy)) return this.#set(level, "failed", "superseded");
      level.copy = copy;
      level.processId = 1_000 + this.#world.random.integer(0, 999);
      if (this.#world.isCalm || this.#world.random.chance(0.5)) level.status = WELL;
      this.#set(level, "online", "");
    });
  }

  #offline(resource: string, generation: number, effect: string, delayMs: number): void {
    const level = this.#levels.get(resource);
    if (level?.effect != null && compareOrdinalIds(effect, level.effect) < 0) return this.#tell(level, "");
    if (level === undefined || level.generation > generation) return this.#tell({ resource, generation, state: "offline", effect, processId: null, copy: null }, "");
    level.effect = effect;
    if (level.copy === null) return this.#set(level, "offline", "");
    if (delayMs > 0) this.#set(level, "offlinePending", "");
    this.#later(delayMs, () => {
      if (this.#levels.get(resource) === level && level.effect === effect) this.#set(level, "offline", "");
    });
  }

  #set(level: Level, state: ReportedState, reason: string, permitEnded = false): void {
    if (this.#ended || this.#levels.get(level.resource) !== level) return;
    level.state = state;
    if (permitEnded) level.permitEnded = true;
    else delete level.permitEnded;
    if (state === "failed" || state === "offline") {
      if (level.copy !== null) this.#machine.end(level.copy);
      level.copy = null;
      level.processId = null;
      delete level.status;
    }
    this.#tell(level, reason);
  }

  #tell(level: Level, reason: string): void {
    const { copy: _copy, ...item } = level;
    this.#report({ kind: "state", ...item, reason });
  }

  #later(delayMs: number, action: () => void): void {
    this.#world.scheduler.after(delayMs, () => {
      if (!this.#ended) action();
    });
  }

  #watchPermit(): void {
    this.#later(100, () => {
      if (this.#world.clockOf(this.#slot).nowMs > this.#permitUntilMs) {
        for (const level of this.#levels.values()) if (level.copy !== null) this.#set(level, "offline", "the permit ran out", true);
      }
      this.#watchPermit();
    });
  }
}
