import type { LogEntry, LogRecovery, LogTag } from "./types.ts";
import type { Weights } from "../model/votes.ts";

/**
 * The durable entries of this node, as far as they are kept in memory, and the vote
 * weights that stand in them.
 */
export class EntryStore {
  #entries: LogEntry[];
  /** Sequence and epoch of the entry before the first kept one. */
  #before: { sequence: number; epoch: number };
  /** Weights in the log, oldest first; the first one is the newest committed when it was compacted. */
  #weights: { sequence: number; weights: Weights }[];

  constructor(recovery: Pick<LogRecovery, "entries" | "before" | "weights">) {
    this.#entries = [...recovery.entries];
    this.#before = { ...recovery.before };
    this.#weights = [recovery.weights];
    for (const entry of this.#entries) this.#noteWeights(entry);
  }

  get last(): number {
    return this.#before.sequence + this.#entries.length;
  }

  get first(): number {
    return this.#before.sequence + 1;
  }

  tag(accepted: number): LogTag {
    return { accepted, sequence: this.last, lastEntryEpoch: this.epochAt(this.last) ?? 0 };
  }

  /** Epoch of the entry at a sequence; undefined when it is not kept or not there. */
  epochAt(sequence: number): number | undefined {
    if (sequence === this.#before.sequence) return this.#before.epoch;
    return this.#entries[sequence - this.first]?.epoch;
  }

  at(sequence: number): LogEntry | undefined {
    return this.#entries[sequence - this.first];
  }

  append(entry: LogEntry): void {
    if (entry.sequence !== this.last + 1) throw new Error(`entry ${entry.sequence} does not follow ${this.last}`);
    this.#entries.push(entry);
    this.#noteWeights(entry);
  }

  /** Drops every entry above `sequence`. */
  truncateAfter(sequence: number): void {
    if (sequence < this.#before.sequence) throw new Error(`cannot cut back to ${sequence}, before ${this.#before.sequence}`);
    this.#entries.length = Math.min(this.#entries.length, sequence - this.#before.sequence);
    while (this.#weights.length > 1 && this.#weights.at(-1)!.sequence > sequence) this.#weights.pop();
  }

  /** Entries after `after` up to `upTo`; undefined when the first of them is no longer kept. */
  slice(after: number, upTo: number): LogEntry[] | undefined {
    if (after < this.#before.sequence) return undefined;
    return this.#entries.slice(after - this.#before.sequence, upTo - this.#before.sequence);
  }

  /** Starts again from a copy that holds everything up to `upTo`. */
  replace(upTo: number, epoch: number, weights: Weights): void {
    this.#entries = [];
    this.#before = { sequence: upTo, epoch };
    this.#weights = [{ sequence: upTo, weights }];
  }

  /** A forced start begins with votes of its own (rule 13). */
  forceWeights(weights: Weights): { sequence: number; weights: Weights } {
    const forced = { sequence: this.last, weights };
    this.#weights = [forced];
    return forced;
  }

  /** Forgets entries up to `sequence`. */
  compactTo(sequence: number): void {
    const count = Math.min(sequence - this.#before.sequence, this.#entries.length);
    if (count <= 0) return;
    const dropped = this.#entries.splice(0, count);
    const last = dropped.at(-1)!;
    this.#before = { sequence: last.sequence!, epoch: last.epoch };
    while (this.#weights.length > 1 && this.#weights[1]!.sequence <= sequence) this.#weights.shift();
  }

  /** The weights in force when everything up to `committed` is known committed: newest first, then what it replaces. */
  weightsInForce(committed: number): Weights[] {
    const inForce: Weights[] = [];
    for (let position = this.#weights.length - 1; position >= 0; position--) {
      const { sequence, weights } = this.#weights[position]!;
      inForce.push(weights);
      if (sequence <= committed) break;
    }
    return inForce;
  }

  committedWeights(committed: number): { sequence: number; weights: Weights } {
    for (let position = this.#weights.length - 1; position > 0; position--) {
      if (this.#weights[position]!.sequence <= committed) return this.#weights[position]!;
    }
    return this.#weights[0]!;
  }

  #noteWeights(entry: LogEntry): void {
    const newest = this.#weights.at(-1)!;
    // A forced start begins with newer votes than its log ends with: entries fetched behind a copy must not bring the old ones back.
    if (entry.body.type === "weights" && entry.sequence! > newest.sequence && entry.body.weights.version > newest.weights.version) {
      this.#weights.push({ sequence: entry.sequence!, weights: entry.body.weights });
    }
  }
}
