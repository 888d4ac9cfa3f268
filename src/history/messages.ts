import type { ErrorBody } from "../model/errors.ts";
import type { HistoryEntry, HistoryLimits, HistoryLine, HistoryQuery, Replayable } from "./contract.ts";

/** What the main thread and the history thread say to each other. */

export interface WorkerOptions {
  readonly path: string;
  readonly limits: HistoryLimits;
}

export type Question = { readonly what: "list"; readonly query: HistoryQuery } | { readonly what: "find"; readonly id: string } | { readonly what: "replayable"; readonly atMs: number };
export type Answer = readonly HistoryLine[] | HistoryEntry | Replayable | null;

export type ToWorker =
  | { readonly type: "record"; readonly entries: readonly HistoryEntry[]; readonly snapshot: string | null }
  | { readonly type: "ask"; readonly number: number; readonly question: Question }
  | { readonly type: "close" };

export type FromWorker =
  | { readonly type: "opened" }
  | { readonly type: "recorded"; readonly count: number }
  | { readonly type: "answer"; readonly number: number; readonly answer: Answer }
  | { readonly type: "failed"; readonly number: number | null; readonly error: ErrorBody }
  | { readonly type: "closed" };
