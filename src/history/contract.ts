import type { ClusterEvent } from "../model/events.ts";
import type { RequestId, Stamp } from "../model/inputs.ts";

/**
 * What a node remembers of what it was told and what it decided, so that a decision of last night can be explained
 * today (ARCHITECTURE 2 "History"). Each node keeps its own; it is no part of the Cluster Database and protects nothing.
 */

/** One entry of the log, as this node handled it. */
export interface HistoryEntry {
  /** `epoch.index`. */
  readonly id: string;
  readonly stamp: Stamp;
  /** Kind of the input: command, report, view… */
  readonly kind: string;
  /** JSON of the input; empty when it was too large to keep. */
  readonly input: string;
  readonly decision: Decision;
}

/** What the core made of it. */
export interface Decision {
  readonly events: readonly ClusterEvent[];
  readonly orders: readonly { readonly node: number; readonly action: string; readonly group: string; readonly resource: string; readonly reason: string }[];
  readonly moves: readonly { readonly group: string; readonly from: number | null; readonly to: number | null }[];
  readonly request: RequestId | null;
  /** Code of the refusal of a command; null = it was not refused. */
  readonly refusal: string | null;
}

/** An entry in a list: what came in, and how much followed. */
export interface HistoryLine {
  readonly id: string;
  readonly wallTimeMs: number;
  readonly kind: string;
  /** A sentence. */
  readonly text: string;
  readonly events: number;
  readonly orders: number;
  readonly moves: number;
}

export interface HistoryQuery {
  readonly sinceMs: number | null;
  readonly untilMs: number | null;
  /** Name of a role or node that the events of the decision speak of. */
  readonly about: string | null;
  /** The newest ones, oldest first. */
  readonly limit: number;
}

/** From where a moment can be played again: a state, and what was handled since. */
export interface Replayable {
  readonly snapshot: string;
  readonly entries: readonly { readonly stamp: Stamp; readonly input: string }[];
}

export interface HistoryLimits {
  /** Of the file; the oldest goes first. */
  readonly bytesMax: number;
  readonly ageMsMax: number;
}

export const HISTORY_LIMITS: HistoryLimits = { bytesMax: 64 * 1_024 * 1_024, ageMsMax: 30 * 86_400_000 };
/** A larger input is told of, but not kept. */
export const INPUT_LENGTH_MAX = 256 * 1_024;
export const LINES_MAX = 1_000;
/** Entries that may wait for the history thread; beyond, the oldest of them are given up. */
export const WAITING_MAX = 20_000;

export interface HistoryStore {
  open(): Promise<void>;
  /** Never waits and never throws: history must not hold up a cluster. */
  record(entry: HistoryEntry): void;
  /** The whole state after the entry that was recorded last. */
  keepState(snapshot: string): void;
  list(query: HistoryQuery): Promise<readonly HistoryLine[]>;
  /** null = it is not kept (any more). */
  find(id: string): Promise<HistoryEntry | null>;
  /** What is needed to know the state at a wall time; null = that is before the history begins. */
  replayable(atMs: number): Promise<Replayable | null>;
  close(): Promise<void>;
}
