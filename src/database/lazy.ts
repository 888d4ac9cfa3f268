import type { DurableChange, DurableWrite } from "./contract.ts";

/** What is held at most: handing it over is not to hold the main loop up. */
const CHANGES_MAX = 1_024;
const CHARACTERS_MAX = 1024 * 1024;

/**
 * Lazy writes that wait, as one: a row that many of them change is written once. They say what is known of entries that
 * are in the log already, so that it makes no difference whether new entries come to the disk before or after them.
 */
export class LazyWrites {
  #committed = 0;
  #compactTo = 0;
  #applied = -1;
  #characters = 0;
  readonly #changes = new Map<string, DurableChange>();

  /** Whether it can wait among them: what is more than knowledge of entries keeps its place, and so does a mistake, to be found. */
  takes(write: DurableWrite): boolean {
    const { promised, accepted, truncateAfter, append, replace, metadata, apply } = write;
    const isMore = promised !== undefined || accepted !== undefined || truncateAfter !== undefined || append !== undefined || replace !== undefined || metadata !== undefined;
    return !isMore && (apply === undefined || (apply.upTo >= this.#applied && this.#changes.size + apply.changes.length <= CHANGES_MAX && this.#characters <= CHARACTERS_MAX));
  }

  /** @param characters that it has */
  add({ committed = 0, compactTo = 0, apply }: DurableWrite, characters: number): void {
    this.#committed = Math.max(committed, this.#committed);
    this.#compactTo = Math.max(compactTo, this.#compactTo);
    this.#characters += characters;
    if (apply === undefined) return;
    this.#applied = apply.upTo;
    for (const change of apply.changes) this.#changes.set(`${change.table}\0${change.key}`, change);
  }

  /** All of it. */
  get write(): DurableWrite {
    return { committed: this.#committed, compactTo: this.#compactTo, ...(this.#applied < 0 ? {} : { apply: { upTo: this.#applied, changes: [...this.#changes.values()] } }) };
  }
}

/** Whether a write brings new entries and nothing else: it need not wait for lazy ones. */
export function isAppendOnly({ promised, accepted, committed, truncateAfter, append, apply, replace, metadata, compactTo }: DurableWrite): boolean {
  return append !== undefined && [promised, accepted, committed, truncateAfter, apply, replace, metadata, compactTo].every((field) => field === undefined);
}
