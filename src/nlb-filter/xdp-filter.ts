import { MusterError } from "../model/errors.ts";
import type { FilterLeftover, FilterPlan, LeaseOrder } from "../nlb/filter-contract.ts";
import { monotonicNs } from "../platform/clock.ts";
import type { EngineFacts, FilterEngine } from "./choice.ts";
import { chooseEngine, readFacts } from "./choice.ts";
import type { AffinityEntry, KernelFilter, TakenCounts } from "./contract.ts";
import type { NftFilter } from "./nft-filter.ts";
import { trackedConnections } from "./xdp-connections.ts";
import { XdpFront } from "./xdp-front.ts";
import { endAfter, leftMs } from "./xdp-layout.ts";
import { LeftoverProgram } from "./xdp-program.ts";

const IN_DRIVER = "XDP in the driver";
const IN_STACK = "XDP in the kernel's stack";

/**
 * The filter with both engines: the tables of nftables are always there, and a program of XDP may decide in front of
 * them. Then they only deliver, but go on following plans and lease. So whichever engine comes first, comes or goes, there
 * is a moment in which both decide, and none in which nobody does; and no connection depends on which one it is.
 */
export class EngineFilter implements KernelFilter {
  readonly #adapter: string;
  readonly #incarnation: number;
  readonly #tables: NftFilter;
  readonly #facts: (adapter: string) => EngineFacts;
  readonly #log: (line: string) => void;
  /** Ends of the slots on CLOCK_MONOTONIC, for a program that comes later. */
  readonly #ends = new Map<number, bigint>();
  readonly #away = new Map<string, readonly (readonly [client: string, end: bigint])[]>();
  /** What programs that are gone have counted. */
  readonly #counted = new Map<string, number>();
  #wanted: FilterEngine;
  #front: XdpFront | null = null;
  #leftover: LeftoverProgram | null;
  #pointed: number | null = null;
  #plan: FilterPlan | null = null;
  #name = "nftables";
  /** One change of engines after the other. */
  #choosing: Promise<void> = Promise.resolve();
  #isInStack = false;
  /** An order to point or to close failed: what the kernel points at is not what was wanted. */
  #owesClose = false;

  /** @param facts what speaks for an engine */
  constructor(tables: NftFilter, adapter: string, incarnation: number, wanted: FilterEngine, log: (line: string) => void, facts: (adapter: string) => EngineFacts = readFacts) {
    this.#tables = tables;
    this.#adapter = adapter;
    this.#incarnation = incarnation;
    this.#wanted = wanted;
    this.#log = log;
    this.#facts = facts;
    this.#leftover = this.#findLeftover();
  }

  get name(): string {
    return this.#name;
  }

  leftover(): FilterLeftover {
    return { incarnation: this.#tables.leftover().incarnation ?? this.#leftover?.incarnation ?? null };
  }

  apply(plan: FilterPlan): void {
    this.#mending(() => this.#apply(plan));
  }

  #apply(plan: FilterPlan): void {
    const isFirst = this.#plan === null;
    this.#tables.apply(plan);
    this.#front?.apply(plan);
    // The tables decide by now: what a former life left may go. Until it has gone, this plan counts as the first one.
    this.#leftover?.remove();
    this.#leftover = null;
    this.#plan = plan;
    for (const known of [this.#away, this.#counted]) for (const key of known.keys()) if (key !== "default" && !plan.rules.some((rule) => rule.key === key)) known.delete(key);
    if (!isFirst) return;
    this.#choosing = this.#choosing.then(() => this.#choose());
  }

  lease(order: LeaseOrder): void {
    // To arm a slot that the kernel points at would open it without evidence.
    if (order.do === "arm" && this.#owesClose) this.lease({ do: "close" });
    if (order.do !== "arm") this.#owesClose = true;
    this.#mending(() => this.#order(order));
    if (order.do !== "arm") this.#owesClose = false;
  }

  repair(): boolean {
    if (!this.#tables.repair()) return false;
    this.#log("somebody took the tables of the filter away (nft flush ruleset?); they were loaded anew");
    const now = monotonicNs();
    for (const rule of this.#away.keys()) this.#tables.setAway(rule, this.#leftAway(rule, now));
    return true;
  }

  /** An order fails when the tables are gone; once they are there again it is given once more. */
  #mending(order: () => void): void {
    try {
      order();
    } catch (error) {
      if (!this.repair()) throw error;
      order();
    }
  }

  #order(order: LeaseOrder): void {
    switch (order.do) {
      case "arm": {
        // Read before the kernel is told, so that a pause in between makes it end earlier.
        const end = endAfter(monotonicNs(), order.lengthMs);
        this.#look();
        this.#tables.lease(order);
        this.#front?.arm(order.slot, end);
        this.#ends.set(order.slot, end);
        return;
      }
      case "point":
        this.#tables.lease(order);
        this.#front?.point(order.slot);
        this.#pointed = order.slot;
        return;
      case "close":
        this.#front?.point(null);
        this.#leftover?.closeLease();
        this.#tables.lease(order);
        this.#pointed = null;
    }
  }

  /** Another engine from now on, as soon as it is ready. No connection notices. What cannot be had is told by the name. */
  async use(engine: FilterEngine): Promise<void> {
    this.#wanted = engine;
    this.#choosing = this.#choosing.then(() => this.#choose());
    await this.#choosing;
  }

  /** The engine that is wanted decides by now, or has been found impossible. */
  settled(): Promise<void> {
    return this.#choosing;
  }

  taken(): TakenCounts {
    return sum([this.#tables.taken(), this.#front?.taken() ?? {}, Object.fromEntries(this.#counted)]);
  }

  staying(rule: string): readonly AffinityEntry[] {
    return this.#front === null ? this.#tables.staying(rule) : this.#front.staying(rule);
  }

  setAway(rule: string, entries: readonly AffinityEntry[]): void {
    const now = monotonicNs();
    this.#tables.setAway(rule, entries);
    this.#away.set(rule, entries.map(({ client, leftMs: left }) => [client, endAfter(now, left)]));
    this.#front?.setAway(rule, entries);
  }

  addStaying(rule: string, entries: readonly AffinityEntry[]): void {
    this.#tables.addStaying(rule, entries);
    this.#front?.addStaying(rule, entries);
  }

  remove(): void {
    this.#front?.close();
    this.#front = null;
    this.#leftover?.remove();
    this.#leftover = null;
    this.#tables.remove();
    this.#plan = null;
  }

  async #choose(): Promise<void> {
    if (this.#plan === null) return;
    const choice = chooseEngine(this.#wanted, this.#facts(this.#adapter));
    try {
      if (choice.engine === "nftables") {
        if (this.#front !== null) this.#toTables(this.#front);
        return this.#call("nftables", choice.reason);
      }
      if (this.#front !== null) return this.#call(this.#isInStack ? IN_STACK : IN_DRIVER, choice.reason);
      const front = await XdpFront.load(this.#adapter, this.#incarnation);
      // The filter may have been removed meanwhile.
      if (this.#plan === null) front.close();
      else this.#toFront(front, this.#plan, choice.mayRunInStack, choice.reason);
    } catch (error) {
      this.#call(this.#front === null ? "nftables" : this.#isInStack ? IN_STACK : IN_DRIVER, `the other engine could not be used: ${MusterError.from(error).message}`);
    }
  }

  #call(engine: string, reason: string): void {
    const name = `${engine} (${reason})`;
    if (name !== this.#name) this.#log(`the filter is ${name}`);
    this.#name = name;
  }

  /** The program comes in front of the tables; only then they leave the decision to it. */
  #toFront(front: XdpFront, plan: FilterPlan, mayRunInStack: boolean, reason: string): void {
    try {
      front.apply(plan);
      for (const [slot, end] of this.#ends) front.arm(slot, end);
      front.point(this.#pointed);
      this.#bring(front, plan);
      const inDriver = front.attach("driver");
      if (!inDriver && !mayRunInStack) {
        front.close();
        return this.#call("nftables", `${reason}, but its driver takes no program of XDP`);
      }
      if (!inDriver) front.attach("stack");
      this.#isInStack = !inDriver;
      // Who came while the program was on its way is known to the tables alone.
      this.#bring(front, plan);
      this.#tables.decide(false);
      this.#front = front;
      this.#call(inDriver ? IN_DRIVER : IN_STACK, inDriver ? reason : `${reason}; the driver of ${this.#adapter} takes no program`);
    } catch (error) {
      front.close();
      throw error;
    }
  }

  #bring(front: XdpFront, plan: FilterPlan): void {
    const now = monotonicNs();
    front.addConnections(trackedConnections(plan.virtualAddresses.map(({ address }) => address)));
    for (const rule of extended(plan)) {
      front.addStaying(rule, this.#tables.staying(rule));
      front.setAway(rule, this.#leftAway(rule, now));
    }
  }

  #leftAway(rule: string, nowNs: bigint): AffinityEntry[] {
    return (this.#away.get(rule) ?? []).map(([client, end]) => ({ client, leftMs: leftMs(end, nowNs) })).filter((entry) => entry.leftMs > 0);
  }

  /** The tables decide too; only then the program goes. They know every connection: these were tracked all the time. */
  #toTables(front: XdpFront): void {
    for (const rule of extended(this.#plan!)) this.#tables.setStaying(rule, front.staying(rule));
    this.#tables.decide(true);
    this.#leave(front);
  }

  #leave(front: XdpFront): void {
    for (const [key, count] of Object.entries(front.taken())) this.#counted.set(key, (this.#counted.get(key) ?? 0) + count);
    this.#front = null;
    front.close();
  }

  /** With every new lease: without its program a host would answer everybody. */
  #look(): void {
    if (this.#front === null || this.#front.isAttached()) return;
    this.#toTables(this.#front);
    this.#call("nftables", `somebody took the program of XDP off ${this.#adapter}`);
  }

  #findLeftover(): LeftoverProgram | null {
    try {
      return LeftoverProgram.find(this.#adapter);
    } catch (error) {
      // Without the library nothing of ours was ever loaded.
      const { code, message } = MusterError.from(error);
      if (code !== "MUSTER_LIBRARY_MISSING") this.#log(`whether ${this.#adapter} has a program of a former life is not known: ${message}`);
      return null;
    }
  }
}

function extended(plan: FilterPlan): string[] {
  return plan.rules.filter(({ action }) => action.kind === "share" && action.extendedAffinityMs > 0).map(({ key }) => key);
}

function sum(all: readonly TakenCounts[]): TakenCounts {
  const total: Record<string, number> = {};
  for (const counts of all) for (const [key, count] of Object.entries(counts)) total[key] = (total[key] ?? 0) + count;
  return total;
}
