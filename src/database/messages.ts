import type { ErrorBody } from "../model/errors.ts";
import type { DurableState, DurableWrite } from "./contract.ts";

/** What the main thread and the database thread say to each other. Numbers of writes start at 1 and have no holes. */

/** Handed to the thread when it starts. */
export interface WorkerOptions {
  readonly path: string;
  readonly keepEntries: number;
  /** Upper bound of the file, for tests of a full disk; 0 = none. */
  readonly pagesMax: number;
}

export type ToWorker =
  | { readonly type: "writes"; readonly first: number; readonly writes: readonly DurableWrite[] }
  | { readonly type: "close" };

export type FromWorker =
  | { readonly type: "opened"; readonly state: DurableState }
  | { readonly type: "notOpened"; readonly error: ErrorBody }
  /** Every write up to this one is on the disk. */
  | { readonly type: "written"; readonly upTo: number }
  /** Every write up to `upTo` is on the disk; no later one is, and none will be taken. */
  | { readonly type: "failed"; readonly upTo: number; readonly error: ErrorBody }
  | { readonly type: "closed" };
