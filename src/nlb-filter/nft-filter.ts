import { MusterError } from "../model/errors.ts";
import { armSlots, closeSlots, pointSlots } from "../network/lease-slots.ts";
import type { Nftables } from "../network/nftables.ts";
import type { FilterLeftover, FilterPlan, LeaseOrder } from "../nlb/filter-contract.ts";
import type { AffinityEntry, KernelFilter, TakenCounts } from "./contract.ts";
import type { Delivery } from "./delivery.ts";
import { parseAffinity, parseCounters, parseLife } from "./listing.ts";
import type { Ruleset } from "./ruleset.ts";
import { LEASE_FAMILY, filterTable, installText, lifeText, removeText, rulesetOf } from "./ruleset.ts";

const NOTHING: Ruleset = { chains: new Map(), kept: new Map() };
/** Elements in one statement: a longer one is slow to read for the library. */
const ELEMENTS_AT_ONCE = 2_000;
const VERSIONS = [4, 6] as const;
/** One in each table. */
const SMALL_PLACES = [["set inet", "life"], ["chain arp", "output"], ["chain netdev", "ingress"]] as const;

/** The filter in nftables. A change writes the chains that differ, and nothing else. */
export class NftFilter implements KernelFilter {
  readonly name = "nftables";
  readonly #nftables: Nftables;
  readonly #table: string;
  readonly #delivery: Delivery;
  readonly #incarnation: number;
  /** Numbers of rules, for the names of their chains. */
  readonly #numbers = new Map<string, number>();
  #loaded: Ruleset = NOTHING;
  #masks = false;
  #decides = true;
  #plan: FilterPlan | null = null;

  /** @param incarnation of this life: a later one finds it beside the rules */
  constructor(nftables: Nftables, delivery: Delivery, incarnation: number) {
    this.#nftables = nftables;
    this.#delivery = delivery;
    this.#table = filterTable(delivery.adapter);
    this.#incarnation = incarnation;
  }

  leftover(): FilterLeftover {
    return { incarnation: this.#isThere() ? parseLife(this.#nftables.run(`list set inet ${this.#table} life`)) : null };
  }

  apply(plan: FilterPlan): void {
    this.#load(plan, this.#plan === null || (plan.operationMode === "windowsUnicast") !== this.#masks);
  }

  /**
   * Somebody may have taken the tables away (`nft flush ruleset`). Then they are loaded anew, as the last plan says, and
   * closed: a slot that nobody armed since opens nothing.
   * @returns whether they were gone
   */
  repair(): boolean {
    if (this.#plan === null || !this.#isGone()) return false;
    this.#load(this.#plan, true);
    return true;
  }

  #load(plan: FilterPlan, isAnew: boolean): void {
    const masks = plan.operationMode === "windowsUnicast";
    const ruleset = rulesetOf(plan, this.#delivery, (key) => this.#numberOf(key), this.#decides);
    const change = this.#change(isAnew ? NOTHING : this.#loaded, ruleset);
    // A change of nothing asks the kernel for nothing, which would not say that its tables are gone.
    if (change.length === 0 && this.#isGone()) throw new MusterError("MUSTER_PACKET_FILTER", { problem: `the tables ${this.#table} are gone` });
    this.#nftables.run(isAnew ? [installText(this.#table, this.#delivery.adapter, masks), lifeText(this.#table, this.#incarnation), ...change].join("\n") : change.join("\n"));
    this.#loaded = ruleset;
    this.#masks = masks;
    this.#plan = plan;
    this.#forgetNumbers(plan);
  }

  /**
   * false = a program of XDP decides what comes by the adapter, and the tables only see to it that frames get to this
   * host. They go on following plans and lease, so that one transaction makes them decide again; and as they name
   * connections, these are tracked.
   */
  decide(decides: boolean): void {
    const before = this.#decides;
    this.#decides = decides;
    try {
      if (this.#plan !== null && decides !== before) this.apply(this.#plan);
    } catch (error) {
      this.#decides = before;
      throw error;
    }
  }

  lease(order: LeaseOrder): void {
    const families = [LEASE_FAMILY];
    // A new life closes what a former one left, if there is anything.
    if (this.#plan === null && order.do === "close" && !this.#isThere()) return;
    if (order.do === "arm") this.#nftables.run(armSlots(families, this.#table, order.slot, order.lengthMs));
    else this.#nftables.run(order.do === "point" ? pointSlots(families, this.#table, order.slot) : closeSlots(families, this.#table));
  }

  taken(): TakenCounts {
    const counts = parseCounters(this.#nftables.run(`list counters table inet ${this.#table}`));
    const byRule: Record<string, number> = { default: counts.get("taken_default") ?? 0 };
    for (const { key } of this.#plan?.rules ?? []) byRule[key] = counts.get(`taken_${this.#numbers.get(key)!}`) ?? 0;
    return byRule;
  }

  staying(rule: string): readonly AffinityEntry[] {
    const number = this.#numbers.get(rule);
    if (number === undefined) return [];
    return VERSIONS.flatMap((version) => (this.#loaded.kept.has(`inet set stay_${number}_${version}`) ? parseAffinity(this.#nftables.run(`list set inet ${this.#table} stay_${number}_${version}`)) : []));
  }

  setAway(rule: string, entries: readonly AffinityEntry[]): void {
    const number = this.#affinityNumber(rule);
    if (number === null) return;
    this.#nftables.run(VERSIONS.flatMap((version) => [`flush set inet ${this.#table} away_${number}_${version}`, ...this.#elements(`away_${number}_${version}`, entries, version)]).join("\n"));
  }

  addStaying(rule: string, entries: readonly AffinityEntry[]): void {
    const number = this.#affinityNumber(rule);
    if (number === null) return;
    const lines = VERSIONS.flatMap((version) => this.#elements(`stay_${number}_${version}`, entries, version));
    if (lines.length > 0) this.#nftables.run(lines.join("\n"));
  }

  /** Replaces the clients who stay with this host. */
  setStaying(rule: string, entries: readonly AffinityEntry[]): void {
    const number = this.#affinityNumber(rule);
    this.#nftables.run(VERSIONS.flatMap((version) => [`flush set inet ${this.#table} stay_${number}_${version}`, ...this.#elements(`stay_${number}_${version}`, entries, version)]).join("\n"));
  }

  remove(): void {
    this.#nftables.run(removeText(this.#table));
    this.#loaded = NOTHING;
    this.#decides = true;
    this.#plan = null;
  }

  #isThere(): boolean {
    return this.#nftables.run("list tables").split("\n").includes(`table inet ${this.#table}`);
  }

  /** Of each table something small: to name the tables, the library reads all that others have in theirs, which takes long. */
  #isGone(): boolean {
    try {
      for (const [where, name] of SMALL_PLACES) this.#nftables.run(`list ${where} ${this.#table} ${name}`);
      return false;
    } catch (error) {
      return MusterError.from(error).message.includes("No such file or directory");
    }
  }

  #elements(set: string, entries: readonly AffinityEntry[], version: 4 | 6): string[] {
    const ours = entries.filter(({ client }) => client.includes(":") === (version === 6));
    const lines: string[] = [];
    for (let at = 0; at < ours.length; at += ELEMENTS_AT_ONCE) {
      lines.push(`add element inet ${this.#table} ${set} { ${ours.slice(at, at + ELEMENTS_AT_ONCE).map(({ client, leftMs }) => `${client} timeout ${Math.max(1, leftMs)}ms`).join(", ")} }`);
    }
    return lines;
  }

  /** null = the kernel does not have the rule, or it has no extended affinity there (yet). */
  #affinityNumber(rule: string): number | null {
    const number = this.#numbers.get(rule);
    return number === undefined || !this.#loaded.kept.has(`inet set stay_${number}_4`) ? null : number;
  }

  #numberOf(key: string): number {
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const used = new Set(this.#numbers.values());
    let number = 0;
    while (used.has(number)) number++;
    this.#numbers.set(key, number);
    return number;
  }

  #forgetNumbers({ rules }: FilterPlan): void {
    for (const key of this.#numbers.keys()) if (!rules.some((rule) => rule.key === key)) this.#numbers.delete(key);
  }

  /** What is new first, then the chains that differ, then what nobody points at any more. */
  #change(before: Ruleset, after: Ruleset): string[] {
    const lines: string[] = [];
    for (const [name, body] of after.kept) {
      const [family, kind, own] = name.split(" ");
      if (!before.kept.has(name)) lines.push(`add ${kind} ${family} ${this.#table} ${own}${body.length === 0 ? "" : ` { ${body.join("; ")}; }`}`);
    }
    for (const name of after.chains.keys()) if (!before.chains.has(name)) lines.push(`add chain ${this.#place(name)}`);
    for (const [name, rules] of after.chains) {
      const known = before.chains.get(name);
      if (known !== undefined && known.length === rules.length && known.every((rule, position) => rule === rules[position])) continue;
      if (known !== undefined) lines.push(`flush chain ${this.#place(name)}`);
      lines.push(...rules.map((rule) => `add rule ${this.#place(name)} ${rule}`));
    }
    const gone = [...before.chains.keys()].filter((name) => !after.chains.has(name));
    // They may point at each other.
    lines.push(...gone.map((name) => `flush chain ${this.#place(name)}`), ...gone.map((name) => `delete chain ${this.#place(name)}`));
    for (const name of before.kept.keys()) {
      const [family, kind, own] = name.split(" ");
      if (!after.kept.has(name)) lines.push(`delete ${kind} ${family} ${this.#table} ${own}`);
    }
    return lines;
  }

  #place(name: string): string {
    const [family, own] = name.split(" ");
    return `${family} ${this.#table} ${own}`;
  }
}
