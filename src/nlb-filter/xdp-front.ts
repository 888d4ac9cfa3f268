import { MusterError } from "../model/errors.ts";
import type { FilterPlan, FilterRule } from "../nlb/filter-contract.ts";
import { BUCKETS } from "../nlb/filter-contract.ts";
import { monotonicNs } from "../platform/clock.ts";
import type { AffinityEntry, TakenCounts } from "./contract.ts";
import type { OpenFlow } from "./xdp-connections.ts";
import { CLIENT_KEY_BYTES, DEFAULT_NUMBER, LeasePlace, addressKey, clientKey, connectionKey, connectionState, encodePlan, endAfter, hotParts, leftMs, number32, number64, readClientKey, readNumber64 } from "./xdp-layout.ts";
import { Errno, bpf, checked } from "./xdp-library.ts";
import type { Place } from "./xdp-program.ts";
import { OBJECT_PATH, PROGRAM, attach, attachedProgram, detach, programId } from "./xdp-program.ts";

/** Elements that are read at once: more than any bucket of the kernel's table holds. */
const ELEMENTS_AT_ONCE = 8_192;
const Update = { any: 0n, unlessThere: 1n } as const;
const MAPS = ["plans", "active", "addresses", "nlb_lease", "connections", "staying", "away", "taken", "hot_since"] as const;
type MapName = (typeof MAPS)[number];

/** One instance of the program in src/nlb-filter/xdp, and its maps. Nothing of it is in force before it is attached. */
export class XdpFront {
  readonly #adapter: string;
  readonly #object: unknown;
  readonly #maps: Readonly<Record<MapName, number>>;
  readonly #processors: number;
  /** For tests and measurements too. */
  readonly descriptor: number;
  /** Numbers of rules, under which they count and remember clients. */
  readonly #numbers = new Map<string, number>();
  /** By number: which parts may have connections here. */
  readonly #hot = new Map<number, Uint8Array>();
  readonly #usedBefore = new Set<number>();
  readonly #away = new Map<number, readonly Buffer[]>();
  #addresses: [readonly string[], readonly string[]] = [[], []];
  #slot = 0;

  private constructor(adapter: string, object: unknown, program: string) {
    const library = bpf();
    this.#adapter = adapter;
    this.#object = object;
    this.#maps = Object.fromEntries(MAPS.map((name) => [name, checked(`the map ${name}`, library.bpf_object__find_map_fd_by_name(object, name))])) as Record<MapName, number>;
    this.#processors = checked("counting processors", library.libbpf_num_possible_cpus());
    this.descriptor = library.bpf_program__fd(library.bpf_object__find_program_by_name(object, program));
  }

  /** Does not hold up its thread. @throws MusterError MUSTER_LIBRARY_MISSING, MUSTER_NEEDS_CAPABILITY, MUSTER_XDP */
  static async load(adapter: string, incarnation: number, path = OBJECT_PATH, program = PROGRAM): Promise<XdpFront> {
    const library = bpf();
    const object: unknown = library.bpf_object__open_file(path, null);
    if (object === null) throw new MusterError("MUSTER_XDP", { problem: `${path} cannot be read` });
    try {
      const result = await new Promise<number>((resolve, reject) => library.bpf_object__load.async(object, (error, answer) => (error === null ? resolve(answer) : reject(error))));
      checked("loading the program", result);
      const front = new XdpFront(adapter, object, program);
      front.#put("nlb_lease", number32(LeasePlace.life), number64(BigInt(incarnation)));
      return front;
    } catch (error) {
      library.bpf_object__close(object);
      throw error;
    }
  }

  /** @returns false = the driver has no place for it @throws MusterError */
  attach(place: Place): boolean {
    return attach(this.#adapter, this.descriptor, place);
  }

  /** Somebody else may have taken it off, or the adapter is gone. */
  isAttached(): boolean {
    try {
      return attachedProgram(this.#adapter) === programId(this.descriptor);
    } catch {
      return false;
    }
  }

  /** Leaves nothing of it. */
  close(): void {
    if (this.isAttached()) detach(this.#adapter, programId(this.descriptor));
    bpf().bpf_object__close(this.#object);
  }

  /** Writes the configuration that is not in force, and makes it so with one word. */
  apply(plan: FilterPlan): void {
    const slot = 1 - this.#slot;
    for (const rule of plan.rules) this.#numberOf(rule.key);
    for (const address of this.#addresses[slot]!) this.#delete("addresses", addressKey(slot, address));
    const addresses = plan.virtualAddresses.map(({ address }) => address);
    this.#addresses[slot] = addresses;
    addresses.forEach((address, position) => this.#put("addresses", addressKey(slot, address), number32(position)));
    this.#heat(DEFAULT_NUMBER, plan, null);
    for (const rule of plan.rules) this.#heat(this.#numberOf(rule.key), plan, rule);
    this.#put("plans", number32(slot), encodePlan(plan, (key) => this.#numberOf(key)));
    this.#put("active", number32(0), number32(slot));
    this.#slot = slot;
    for (const key of this.#numbers.keys()) if (!plan.rules.some((rule) => rule.key === key)) this.#numbers.delete(key);
  }

  /** Connections of a part that was certainly others' until now are not those that it had before. */
  #heat(number: number, plan: FilterPlan, rule: FilterRule | null): void {
    const before = this.#hot.get(number);
    const after = hotParts(plan, rule);
    this.#hot.set(number, after);
    if (before === undefined) return;
    const parts = [...after.keys()].filter((part) => after[part] === 1 && before[part] === 0);
    if (parts.length === 0) return;
    const now = number64(monotonicNs());
    checked("noting what is taken", bpf().bpf_map_update_batch(this.#maps.hot_since, Buffer.concat(parts.map((part) => number32(number * BUCKETS + part))), Buffer.concat(parts.map(() => now)), Uint32Array.of(parts.length), null));
  }

  /** @param end on CLOCK_MONOTONIC: read before, so that a pause in between makes it end earlier */
  arm(slot: number, end: bigint): void {
    this.#put("nlb_lease", number32(slot), number64(end));
  }

  /** @param slot null = none: closed */
  point(slot: number | null): void {
    this.#put("nlb_lease", number32(LeasePlace.pointed), number64(slot === null ? 0n : BigInt(slot + 1)));
  }

  /** Connections that were open before the program came, or that only connection tracking knows. */
  addConnections(flows: readonly OpenFlow[]): void {
    const now = monotonicNs();
    for (const flow of flows) this.#put("connections", connectionKey(flow), connectionState(now, flow.isClosing), Update.unlessThere);
  }

  taken(): TakenCounts {
    const counts: Record<string, number> = { default: this.#count(DEFAULT_NUMBER) };
    for (const [key, number] of this.#numbers) counts[key] = this.#count(number);
    return counts;
  }

  staying(rule: string): readonly AffinityEntry[] {
    const number = this.#numbers.get(rule);
    if (number === undefined) return [];
    const now = monotonicNs();
    return this.#elements("staying")
      .map(([key, value]) => ({ key: readClientKey(key), leftMs: leftMs(readNumber64(value, 0), now) }))
      .filter((entry) => entry.key[0] === number && entry.leftMs > 0)
      .map((entry) => ({ client: entry.key[1], leftMs: entry.leftMs }));
  }

  addStaying(rule: string, entries: readonly AffinityEntry[]): void {
    this.#putClients("staying", this.#known(rule), entries);
  }

  setAway(rule: string, entries: readonly AffinityEntry[]): void {
    const number = this.#known(rule);
    const before = this.#away.get(number) ?? [];
    const keys = this.#putClients("away", number, entries);
    // Only now those that are no longer there: nobody who stays away is forgotten for a moment.
    const wanted = new Set(keys.map((key) => key.toString("latin1")));
    for (const key of before) if (!wanted.has(key.toString("latin1"))) this.#delete("away", key);
    this.#away.set(number, keys);
  }

  #putClients(map: "staying" | "away", number: number, entries: readonly AffinityEntry[]): Buffer[] {
    const now = monotonicNs();
    const keys = entries.map(({ client }) => clientKey(number, client));
    if (keys.length > 0) {
      const values = Buffer.concat(entries.map((entry) => number64(endAfter(now, entry.leftMs))));
      checked(`remembering ${keys.length} clients`, bpf().bpf_map_update_batch(this.#maps[map], Buffer.concat(keys), values, Uint32Array.of(keys.length), null));
    }
    return keys;
  }

  #known(rule: string): number {
    const number = this.#numbers.get(rule);
    if (number === undefined) throw new MusterError("MUSTER_INTERNAL", { problem: `the rule ${rule} is not in the plan` });
    return number;
  }

  #numberOf(key: string): number {
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const used = new Set(this.#numbers.values());
    let number = 0;
    while (used.has(number)) number++;
    if (this.#usedBefore.has(number)) this.#forget(number);
    this.#usedBefore.add(number);
    this.#numbers.set(key, number);
    return number;
  }

  /** What a rule that is gone had under this number. */
  #forget(number: number): void {
    this.#put("taken", number32(number), Buffer.alloc(8 * this.#processors));
    for (const map of ["staying", "away"] as const) for (const [key] of this.#elements(map)) if (readClientKey(key)[0] === number) this.#delete(map, key);
    this.#away.delete(number);
    this.#hot.delete(number);
    for (let part = 0; part < BUCKETS; part++) this.#put("hot_since", number32(number * BUCKETS + part), number64(0n));
  }

  #count(number: number): number {
    const values = Buffer.alloc(8 * this.#processors);
    checked("reading a counter", bpf().bpf_map_lookup_elem(this.#maps.taken, number32(number), values));
    let sum = 0n;
    for (let at = 0; at < values.length; at += 8) sum += readNumber64(values, at);
    return Number(sum);
  }

  #put(map: MapName, key: Buffer, value: Buffer, flags: bigint = Update.any): void {
    const result = bpf().bpf_map_update_elem(this.#maps[map], key, value, flags);
    if (flags === Update.unlessThere && -result === Errno.EEXIST) return;
    checked(`writing ${map}`, result);
  }

  #delete(map: MapName, key: Buffer): void {
    const result = bpf().bpf_map_delete_elem(this.#maps[map], key);
    if (-result !== Errno.ENOENT) checked(`writing ${map}`, result);
  }

  #elements(map: "staying" | "away"): (readonly [key: Buffer, value: Buffer])[] {
    const elements: (readonly [Buffer, Buffer])[] = [];
    let from: Buffer | null = null;
    for (;;) {
      const [next, keys, values, count] = [Buffer.alloc(4), Buffer.alloc(CLIENT_KEY_BYTES * ELEMENTS_AT_ONCE), Buffer.alloc(8 * ELEMENTS_AT_ONCE), Uint32Array.of(ELEMENTS_AT_ONCE)];
      const result = bpf().bpf_map_lookup_batch(this.#maps[map], from, next, keys, values, count, null);
      // ENOENT: these were the last.
      if (-result !== Errno.ENOENT) checked(`reading ${map}`, result);
      for (let position = 0; position < count[0]!; position++) elements.push([keys.subarray(position * CLIENT_KEY_BYTES, (position + 1) * CLIENT_KEY_BYTES), values.subarray(position * 8, (position + 1) * 8)]);
      if (result < 0) return elements;
      from = next;
    }
  }
}
