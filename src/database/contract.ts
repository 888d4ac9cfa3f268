/**
 * One durable copy of the log and of the applied Cluster Database per node
 * (PROTOCOL part 1 "Durable per node"; ARCHITECTURE 4). Only `database/` touches the file.
 */

/** A durable entry of the log. `epoch` is the one it was first appended in; sequences have no holes. */
export interface DurableEntry {
  readonly sequence: number;
  readonly epoch: number;
  /** JSON of the stamped input. */
  readonly payload: string;
}

/** One row of the applied database: a durable record of the core. null = deleted. */
export interface DurableChange {
  readonly table: string;
  readonly key: string;
  /** JSON of the record. */
  readonly value: string | null;
}

/** What is found when the file is opened. */
export interface DurableState {
  readonly storeId: string;
  /** True when the copy was made anew (first start, or set aside as damaged): it has no vote until re-admitted. */
  readonly fresh: boolean;
  /** Where a damaged file was put, with what was wrong; null when all was well. */
  readonly damage: { readonly problem: string; readonly aside: string } | null;
  readonly promised: number;
  /** Epoch of the log as a whole: the last one this node accepted. */
  readonly accepted: number;
  /** Highest sequence known to be committed. */
  readonly committed: number;
  /** Highest sequence whose changes are in the rows; never above `committed`. */
  readonly applied: number;
  /** Entries above `applied`, and as many below as are kept for others to catch up. */
  readonly entries: readonly DurableEntry[];
  readonly rows: readonly { readonly table: string; readonly key: string; readonly value: string }[];
  /** JSON the log keeps beside it (vote weights and the like). */
  readonly metadata: Readonly<Record<string, string>>;
}

/** All of one write is durable together or not at all. Fields that are absent stay as they are. */
export interface DurableWrite {
  readonly promised?: number;
  readonly accepted?: number;
  readonly committed?: number;
  /** Drop entries with a higher sequence; done before `append`. */
  readonly truncateAfter?: number;
  readonly append?: readonly DurableEntry[];
  readonly apply?: { readonly upTo: number; readonly changes: readonly DurableChange[] };
  /** Replace rows and log by a copy from another node: everything up to `upTo` is in `rows`. */
  readonly replace?: { readonly upTo: number; readonly epoch: number; readonly rows: readonly { readonly table: string; readonly key: string; readonly value: string }[] };
  readonly metadata?: Readonly<Record<string, string>>;
  /** Entries up to here need not be kept. */
  readonly compactTo?: number;
}

export interface Database {
  /**
   * @throws MusterError MUSTER_DATABASE_UNWRITABLE, MUSTER_DATABASE_IN_USE, MUSTER_DISK_FULL
   */
  open(): Promise<DurableState>;
  /**
   * Queues a write. Writes are done in order; those that wait while one is being synced share the next sync.
   * `done` is called after the data is on the disk (fdatasync), or with an error after which the
   * database takes no more writes.
   */
  write(write: DurableWrite, done: (error: Error | null) => void): void;
  /**
   * Like {@link write} but need not be synced by itself (used for what can be made again from the log): it is written within
   * 50 ms, and before any later write but those that only append entries. What is known of entries waits for others of its kind.
   */
  writeLazily(write: DurableWrite): void;
  close(): Promise<void>;
}
