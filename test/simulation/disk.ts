import { isAppendOnly, LazyWrites } from "../../src/database/lazy.ts";
import type { DurableEntry, DurableState, DurableWrite } from "../../src/database/contract.ts";
import type { Random } from "./random.ts";
import type { Scheduler } from "./scheduler.ts";

interface Pending {
  readonly write: DurableWrite;
  readonly done: ((error: Error | null) => void) | null;
}

/**
 * A disk that keeps only what was synced. A crash drops writes that were not, except for
 * a random prefix that happened to reach the platter; the torn one after it is lost whole,
 * as a write-ahead log guarantees.
 */
export class SimulatedDisk {
  readonly #random: Random;
  readonly #scheduler: Scheduler;
  #state: DurableState;
  #rows: Map<string, { table: string; key: string; value: string }>;
  #pending: Pending[] = [];
  /** Lazy writes that may come to the disk after entries that were given later. */
  #held: DurableWrite[] = [];
  #syncing = false;
  /** Counts the lives of the process that uses it: completions of an earlier life are dropped. */
  #life = 0;
  /** Longest time one sync takes. */
  syncMaxMs = 3;

  readonly #firstRows: readonly { readonly table: string; readonly key: string; readonly value: string }[];

  constructor(scheduler: Scheduler, random: Random, storeId: string, rows: readonly { table: string; key: string; value: string }[]) {
    this.#scheduler = scheduler;
    this.#random = random;
    this.#state = emptyState(storeId);
    this.#firstRows = rows;
    this.#rows = new Map(rows.map((row) => [rowKey(row), row]));
  }

  open(): DurableState {
    this.#life++;
    this.#syncing = false;
    this.#pending = [];
    this.#held = [];
    return structuredClone({ ...this.#state, rows: [...this.#rows.values()] });
  }

  write(write: DurableWrite, done: (error: Error | null) => void): void {
    if (!isAppendOnly(write)) this.#release();
    this.#pending.push({ write, done });
    this.#startSync();
  }

  writeLazily(write: DurableWrite): void {
    if (new LazyWrites().takes(write)) this.#held.push(write);
    else {
      this.#release();
      this.#pending.push({ write, done: null });
    }
    const life = this.#life;
    this.#scheduler.after(50, () => {
      if (life !== this.#life) return;
      this.#release();
      this.#startSync();
    });
  }

  /** New entries may go before what is known of older ones. */
  #release(): void {
    for (const write of this.#held.splice(0)) this.#pending.push({ write, done: null });
  }

  /** The process dies. */
  crash(): void {
    this.#release();
    const survivors = this.#random.integer(0, this.#pending.length);
    for (const { write } of this.#pending.slice(0, survivors)) this.#apply(write);
    this.#pending = [];
    this.#held = [];
    this.#syncing = false;
    this.#life++;
  }

  /** The copy is lost; the next start makes another, with the cluster's first state and without a vote. */
  wipe(storeId: string): void {
    this.#state = emptyState(storeId);
    this.#rows = new Map(this.#firstRows.map((row) => [rowKey(row), row]));
    this.#pending = [];
    this.#held = [];
  }

  /** The disk is taken out as it is. @returns how to put it back, whatever has been in its place meanwhile */
  takeOut(storeId: string): () => void {
    const state = structuredClone(this.#state);
    const rows = new Map(this.#rows);
    this.wipe(storeId);
    return () => {
      this.#state = state;
      this.#rows = rows;
      this.#pending = [];
      this.#held = [];
    };
  }

  /** For a later {@link restore}. */
  backup(): (storeId: string) => void {
    const state = structuredClone(this.#state);
    const rows = new Map(this.#rows);
    return (storeId) => {
      this.#state = { ...state, storeId };
      this.#rows = new Map(rows);
      this.#pending = [];
      this.#held = [];
    };
  }

  get storeId(): string {
    return this.#state.storeId;
  }

  get durable(): DurableState {
    return this.#state;
  }

  rowsText(): string {
    return JSON.stringify([...this.#rows.values()].map((row) => [row.table, row.key, row.value]).sort());
  }

  #startSync(): void {
    if (this.#syncing || this.#pending.length === 0) return;
    this.#syncing = true;
    const life = this.#life;
    const batch = this.#pending.length;
    this.#scheduler.after(0.1 + this.#random.next() * this.syncMaxMs, () => {
      if (life !== this.#life) return;
      const written = this.#pending.splice(0, batch);
      for (const { write } of written) this.#apply(write);
      this.#syncing = false;
      for (const { done } of written) done?.(null);
      this.#startSync();
    });
  }

  #apply(write: DurableWrite): void {
    const state = this.#state as { -readonly [Key in keyof DurableState]: DurableState[Key] };
    if (write.replace !== undefined) {
      this.#rows = new Map(write.replace.rows.map((row) => [rowKey(row), row]));
      state.entries = [];
      state.applied = write.replace.upTo;
      state.committed = write.replace.upTo;
    }
    const entries = state.entries as DurableEntry[];
    if (write.truncateAfter !== undefined) {
      if (write.truncateAfter < state.committed) throw new Error(`disk: cut back to ${write.truncateAfter}, below the committed ${state.committed}`);
      state.entries = entries.filter((entry) => entry.sequence <= write.truncateAfter!);
    }
    for (const entry of write.append ?? []) {
      const kept = state.entries as DurableEntry[];
      const last = kept.at(-1)?.sequence ?? state.applied;
      if (entry.sequence !== last + 1) throw new Error(`disk: entry ${entry.sequence} after ${last}`);
      kept.push(entry);
    }
    if (write.apply !== undefined) {
      if (write.apply.upTo < state.applied) throw new Error(`disk: rows go back from ${state.applied} to ${write.apply.upTo}`);
      for (const change of write.apply.changes) {
        if (change.value === null) this.#rows.delete(rowKey(change));
        else this.#rows.set(rowKey(change), { table: change.table, key: change.key, value: change.value });
      }
      state.applied = write.apply.upTo;
    }
    if (write.promised !== undefined) state.promised = write.promised;
    if (write.accepted !== undefined) state.accepted = write.accepted;
    if (write.committed !== undefined) state.committed = Math.max(state.committed, write.committed);
    if (write.metadata !== undefined) state.metadata = { ...state.metadata, ...write.metadata };
    const last = (state.entries as DurableEntry[]).at(-1)?.sequence ?? state.applied;
    if (state.applied > state.committed || state.committed > last) throw new Error(`disk: applied ${state.applied}, committed ${state.committed}, last ${last}`);
    if (write.compactTo !== undefined) {
      const upTo = Math.min(write.compactTo, state.applied - KEPT_ENTRIES);
      const kept = state.entries as DurableEntry[];
      if (kept.length > 0 && kept[0]!.sequence <= upTo) state.entries = kept.filter((entry) => entry.sequence > upTo);
    }
  }
}

/** Few, so that copies are needed often. */
export const KEPT_ENTRIES = 10;

function rowKey(row: { readonly table: string; readonly key: string }): string {
  return `${row.table} ${row.key}`;
}

function emptyState(storeId: string): DurableState {
  return { storeId, fresh: true, damage: null, promised: 0, accepted: 0, committed: 0, applied: 0, entries: [], rows: [], metadata: {} };
}
