import type { DurableWrite } from "./contract.ts";

/** What the store knows of itself between writes; kept in one row and checked when the file is opened. */
export interface Counters {
  promised: number;
  accepted: number;
  committed: number;
  applied: number;
  /** Sequence and epoch of the newest entry that is no longer kept (0 = none was dropped). */
  baseSequence: number;
  baseEpoch: number;
  /** Sequence of the newest entry; equals `baseSequence` when no entry is kept. */
  last: number;
  /** Number of rows, and the sums (mod 2^32) of the checksums of all rows, all entries and all metadata of the log. */
  rows: number;
  rowsSum: number;
  entriesSum: number;
  metadataSum: number;
}

export function emptyCounters(): Counters {
  return { promised: 0, accepted: 0, committed: 0, applied: 0, baseSequence: 0, baseEpoch: 0, last: 0, rows: 0, rowsSum: 0, entriesSum: 0, metadataSum: 0 };
}

/**
 * Checks a write against what is stored, before anything of it is done: a mistake of the caller must not
 * become a hole in the log.
 * @param epochAt the epoch of a stored entry
 * @returns what is wrong, or null
 */
export function problemOf(counters: Counters, write: DurableWrite, epochAt: (sequence: number) => number): string | null {
  for (const name of ["promised", "accepted", "committed", "truncateAfter", "compactTo"] as const) {
    const value = write[name];
    if (value !== undefined && !isCount(value)) return `${name} ${value} is not a whole number`;
  }
  if (write.promised !== undefined && write.promised < counters.promised) return `promised ${write.promised} is below ${counters.promised}`;
  if (write.accepted !== undefined && write.accepted < counters.accepted) return `accepted ${write.accepted} is below ${counters.accepted}`;

  let { committed, applied, last } = counters;
  let lastEpoch: number | null = null;
  const { replace, truncateAfter, append, apply } = write;
  if (replace !== undefined) {
    if (!isCount(replace.upTo) || !isCount(replace.epoch)) return "replace: upTo and epoch are whole numbers";
    for (const row of replace.rows) {
      if (typeof row.table !== "string" || typeof row.key !== "string" || typeof row.value !== "string") return "replace: a row has table, key and value";
    }
    committed = applied = last = replace.upTo;
    lastEpoch = replace.epoch;
  }
  // Committed entries may be written anew (the log knows why), but none that was here may be missing afterwards.
  const needed = Math.min(committed, last);
  if (truncateAfter !== undefined && truncateAfter < last) {
    const base = replace?.upTo ?? counters.baseSequence;
    if (truncateAfter < base) return `truncateAfter ${truncateAfter} is below what is kept (${base})`;
    last = truncateAfter;
  }
  if (append !== undefined && append.length > 0) {
    let epoch = lastEpoch ?? epochAt(last);
    for (const entry of append) {
      if (entry.sequence !== last + 1) return `append: sequence ${entry.sequence} does not follow ${last}`;
      if (!isCount(entry.epoch) || entry.epoch < epoch) return `append: epoch ${entry.epoch} of entry ${entry.sequence} is below ${epoch}`;
      if (typeof entry.payload !== "string") return `append: entry ${entry.sequence} has no payload`;
      last = entry.sequence;
      epoch = entry.epoch;
    }
  }
  if (last < needed) return `truncateAfter ${truncateAfter} would cut what is committed (${committed})`;
  committed = Math.max(committed, write.committed ?? 0);
  if (apply !== undefined) {
    if (!isCount(apply.upTo) || apply.upTo < applied) return `apply: upTo ${apply.upTo} is below ${applied}`;
    if (apply.upTo > committed) return `apply: upTo ${apply.upTo} is above what is committed (${committed})`;
    for (const change of apply.changes) {
      if (typeof change.table !== "string" || typeof change.key !== "string") return "apply: a change has table and key";
      if (change.value !== null && typeof change.value !== "string") return "apply: a value is a string or null";
    }
  }
  for (const value of Object.values(write.metadata ?? {})) {
    if (typeof value !== "string") return "metadata: a value is a string";
  }
  return null;
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
