import { MusterError } from "../model/errors.ts";
import { ZERO_HASH, addHash, hashText, subtractHash } from "./hash.ts";
import type { Hash } from "./hash.ts";
import { sortedText } from "./order.ts";
import { SharedMap } from "./shared-map.ts";

/**
 * What a step is doing. *configure* decides what becomes durable and sees nothing but durable
 * records; *react* changes run-time state and sees everything. A log is replayed on nodes whose
 * run-time state is empty, and all copies of the same tag must be equal: that holds because the
 * tables refuse any other access (PROTOCOL part 1).
 */
export type Phase = "idle" | "configure" | "react";

export interface PhaseGuard {
  phase: Phase;
  /** A rehearsal is thrown away: nobody asks for its hash, and making it costs half of a step. */
  readonly rehearses: boolean;
  /** Sum of the hashes of all tables: it costs what a step changed, not what there is. */
  sum: Hash;
  /** Tables that the step has changed, in the order of their first change. */
  readonly changed: Changeable[];
}

/** A table, whatever is in it, as whoever ends a step knows it. */
export interface Changeable {
  readonly name: string;
  commit(): { readonly key: string; readonly value: string | null }[];
  rollback(): void;
}

export function createGuard(rehearses: boolean): PhaseGuard {
  return { phase: "idle", rehearses, sum: ZERO_HASH, changed: [] };
}

export type TableKind = "durable" | "volatile";

/** One record that a step changed: what it was before the step. */
type Before<Row> = Row | undefined;

/** Called for every change and, with the sides swapped, when a change is taken back. */
type Hook<Row> = (before: Row | undefined, after: Row | undefined, key: string) => void;

const hashes = new WeakMap<object, Hash>();

/**
 * Immutable records by key. While a step runs, the table remembers what each changed record was
 * before: that gives roll-back, the list of changes, and a hash that costs only what changed.
 */
export class Table<Row extends object> {
  readonly name: string;
  readonly kind: TableKind;
  readonly #guard: PhaseGuard;
  #rows: SharedMap<Row>;
  #hash: Hash;
  #before = new Map<string, Before<Row>>();
  #hook: Hook<Row> | null = null;

  constructor(name: string, kind: TableKind, guard: PhaseGuard, rows: SharedMap<Row> = new SharedMap(), hash: Hash = ZERO_HASH) {
    this.name = name;
    this.kind = kind;
    this.#guard = guard;
    this.#rows = rows;
    this.#hash = hash;
    guard.sum = addHash(guard.sum, hash);
  }

  set hook(hook: Hook<Row>) {
    this.#hook = hook;
  }

  get size(): number {
    this.#mayRead();
    return this.#rows.size;
  }

  get(key: string): Row | undefined {
    this.#mayRead();
    return this.#rows.get(key);
  }

  has(key: string): boolean {
    return this.get(key) !== undefined;
  }

  /** Sorted by code units. */
  keys(): string[] {
    this.#mayRead();
    return sortedText(this.#rows.keys());
  }

  put(key: string, row: Row): void {
    this.#mayWrite();
    const before = this.#rows.get(key);
    if (before === row) return;
    this.#remember(key, before);
    this.#rows.set(key, row);
    this.#hook?.(before, row, key);
  }

  remove(key: string): void {
    this.#mayWrite();
    const before = this.#rows.get(key);
    if (before === undefined) return;
    this.#remember(key, before);
    this.#rows.delete(key);
    this.#hook?.(before, undefined, key);
  }

  /** Ends a step: its changes become part of the hash. Returns them sorted by key; `value` is JSON, null = deleted. */
  commit(): { readonly key: string; readonly value: string | null }[] {
    if (this.#before.size === 0) return [];
    if (this.#guard.rehearses) {
      const changes = this.kind === "durable" ? sortedText(this.#before.keys()).map((key) => ({ key, value: null })) : [];
      this.#before.clear();
      return changes;
    }
    const changes: { key: string; value: string | null }[] = [];
    let hash = this.#hash;
    for (const key of this.#before.size === 1 ? this.#before.keys() : sortedText(this.#before.keys())) {
      const before = this.#before.get(key);
      const after = this.#rows.get(key);
      if (before === after) continue;
      const value = after === undefined ? null : JSON.stringify(after);
      if (before !== undefined) hash = subtractHash(hash, this.#hashOf(key, before, null));
      if (after !== undefined) hash = addHash(hash, this.#hashOf(key, after, value));
      changes.push({ key, value });
    }
    this.#setHash(hash);
    this.#before.clear();
    return changes;
  }

  /** Takes back everything since the last commit. */
  rollback(): void {
    for (const [key, before] of this.#before) {
      const after = this.#rows.get(key);
      if (before === undefined) this.#rows.delete(key);
      else this.#rows.set(key, before);
      this.#hook?.(after, before, key);
    }
    this.#before.clear();
  }

  get hash(): Hash {
    return this.#hash;
  }

  /** The hash made from all records: what {@link hash} must always equal. */
  recomputeHash(): Hash {
    let sum = ZERO_HASH;
    for (const key of this.#rows.keys()) {
      sum = addHash(sum, hashText(`${this.name}\u0000${key}\u0000${JSON.stringify(this.#rows.get(key))}`));
    }
    return sum;
  }

  /** Fills an empty table; no step, no journal. */
  load(rows: Iterable<readonly [string, Row]>): void {
    for (const [key, row] of rows) {
      this.#rows.set(key, row);
      if (!this.#guard.rehearses) this.#setHash(addHash(this.#hash, this.#hashOf(key, row, null)));
      this.#hook?.(undefined, row, key);
    }
  }

  /** Keys changed since this table was forked; null when that is not known any more. */
  changedKeys(): Iterable<string> | null {
    return this.#rows.changedKeys();
  }

  /** A table of another state that shares the records. */
  fork(guard: PhaseGuard): Table<Row> {
    return new Table<Row>(this.name, this.kind, guard, this.#rows.fork(), this.#hash);
  }

  #setHash(hash: Hash): void {
    this.#guard.sum = addHash(subtractHash(this.#guard.sum, this.#hash), hash);
    this.#hash = hash;
  }

  #remember(key: string, before: Row | undefined): void {
    if (this.#before.has(key)) return;
    if (this.#before.size === 0) this.#guard.changed.push(this);
    this.#before.set(key, before);
  }

  #hashOf(key: string, row: Row, json: string | null): Hash {
    let hash = hashes.get(row);
    if (hash === undefined) {
      hash = hashText(`${this.name}\u0000${key}\u0000${json ?? JSON.stringify(row)}`);
      hashes.set(row, hash);
    }
    return hash;
  }

  #mayRead(): void {
    if (this.kind === "volatile" && this.#guard.phase === "configure") this.#refuse("read while the configuration is decided");
  }

  #mayWrite(): void {
    const wanted: Phase = this.kind === "durable" ? "configure" : "react";
    if (this.#guard.phase !== wanted) this.#refuse(`written in the phase "${this.#guard.phase}"`);
  }

  #refuse(what: string): never {
    throw new MusterError("MUSTER_INTERNAL", { problem: `the ${this.kind} table ${this.name} was ${what}` });
  }
}
