import type { StepResult } from "../core/index.ts";
import type { LogEntry } from "../log/types.ts";
import type { DatabaseValue } from "../model/objects.ts";

/** What one entry of the log changed in the free part of the Cluster Database. */
export interface DatabaseChange {
  /** Place of the entry; grows. */
  readonly at: { readonly epoch: number; readonly index: number };
  /** null = deleted. */
  readonly keys: readonly { readonly key: string; readonly value: DatabaseValue | null }[];
  /** True when changes may have been missed since the last notification: read again what matters. */
  readonly readAgain: boolean;
}

export type DatabaseListener = (change: DatabaseChange) => void;

/** Tells who watches the database of every change, in order; and when a node caught up by a copy, that some were not seen. */
export class DatabaseWatch {
  readonly #listeners = new Set<DatabaseListener>();
  #lastSequence: number | null = null;

  /** @returns how to end it */
  listen(listener: DatabaseListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  onEntry(entry: LogEntry, result: StepResult): void {
    if (entry.sequence === null) return;
    const missed = this.#lastSequence !== null && entry.sequence > this.#lastSequence + 1;
    this.#lastSequence = Math.max(this.#lastSequence ?? 0, entry.sequence);
    if (this.#listeners.size === 0) return;
    const keys = result.changes.filter((change) => change.table === "keys").map(({ key, value }) => ({ key, value: value === null ? null : (JSON.parse(value) as DatabaseValue) }));
    if (missed || keys.length > 0) this.#tell({ at: { epoch: entry.epoch, index: entry.index }, keys, readAgain: missed });
  }

  /** A view began: what this node has by now may have come in a copy. */
  onView(epoch: number, committed: number): void {
    const missed = this.#lastSequence !== null && committed > this.#lastSequence;
    this.#lastSequence = committed;
    if (missed) this.#tell({ at: { epoch, index: 0 }, keys: [], readAgain: true });
  }

  #tell(change: DatabaseChange): void {
    for (const listener of this.#listeners) listener(change);
  }
}
