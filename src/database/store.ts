import { randomUUID } from "node:crypto";
import { closeSync, existsSync, fdatasyncSync, openSync, rmSync, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import type { StatementSync } from "node:sqlite";
import { MusterError } from "../model/errors.ts";
import { assertOurs, Damage, load } from "./check.ts";
import type { DurableState, DurableWrite } from "./contract.ts";
import { assertWritable, fileError, hasOrphanedLog, publish, removeUnfinished, setAside, unfinishedName } from "./files.ts";
import type { Counters } from "./rules.ts";
import { problemOf } from "./rules.ts";
import { addSum, configure, entryChecksum, initialise, lockExclusively, META, metaChecksum, METADATA_PREFIX, PUT_META, rowChecksum, subtractSum } from "./schema.ts";
import { problemOfLog } from "./wal.ts";

/** SQLite's result codes (sqlite.org/rescode), without the extended part. */
const SQLITE = { BUSY: 5, LOCKED: 6, NOMEM: 7, READONLY: 8, IOERR: 10, CORRUPT: 11, FULL: 13, CANTOPEN: 14 } as const;
const SQLITE_IOERR_SHORT_READ = 522;

/** A checkpoint is made when the write-ahead log has about this many pages of 4 KiB. */
const CHECKPOINT_PAGES = 1000;
/** How many commits go by between two looks at the length of the log. */
const CHECKPOINT_LOOK_COMMITS = 64;

/** A damaged file, and a race with another process over it, and one more. */
const OPEN_ATTEMPTS = 3;

export interface StoreOptions {
  readonly path: string;
  /** Applied entries that are kept for others to catch up from, even when they need not be. */
  readonly keepEntries: number;
  /** Upper bound of the file in pages; 0 = none. */
  readonly pagesMax: number;
}

/** One open store. Everything blocks: it lives in the database thread. */
export class Store {
  readonly #path: string;
  readonly #keepEntries: number;
  readonly #database: DatabaseSync;
  readonly #counters: Counters;
  readonly #statements: Statements;
  /** The write-ahead log, open to be synced: it is the same file for as long as the store is open. */
  readonly #log: number;
  #commitsSinceLook = 0;
  /** The last entry that was stored: the next one follows it. */
  #newest: { readonly sequence: number; readonly epoch: number } | null = null;

  /**
   * Opens the store, or makes a new one when there is none or the one that is there is damaged (that one is set aside).
   * @throws MusterError MUSTER_DATABASE_UNWRITABLE, MUSTER_DATABASE_IN_USE, MUSTER_DISK_FULL, MUSTER_DATABASE_FORMAT
   */
  static open(options: StoreOptions): { store: Store; state: DurableState } {
    const { path } = options;
    assertWritable(path);
    let damage: DurableState["damage"] = null;
    // What was made anew and is damaged again is a broken disk, not a broken file.
    for (let attempt = 1; attempt <= OPEN_ATTEMPTS; attempt++) {
      try {
        if (!existsSync(path) && !hasOrphanedLog(path)) create(path, damage);
        const opened = openOnce(options);
        if (!("problem" in opened)) return opened;
        damage = opened;
      } catch (error) {
        throw named(error, path);
      }
    }
    throw new MusterError("MUSTER_DATABASE_UNWRITABLE", { path, problem: `what is written there is damaged at once (${damage?.problem})` });
  }

  constructor(options: StoreOptions, database: DatabaseSync, counters: Counters) {
    this.#path = options.path;
    this.#keepEntries = options.keepEntries;
    this.#database = database;
    this.#counters = counters;
    this.#statements = prepare(database);
    this.#log = openSync(`${options.path}-wal`, "r");
  }

  /**
   * Writes as many as it can, in order, in one transaction, and returns when they are on the disk.
   * @returns how many were written; fewer than all together with the reason why no more can be
   */
  write(writes: readonly DurableWrite[]): { written: number; error: MusterError | null } {
    let written = 0;
    let refused: MusterError | null = null;
    try {
      this.#statements.begin.run();
      for (const write of writes) {
        const problem = problemOf(this.#counters, write, (sequence) => this.#epochAt(sequence));
        if (problem !== null) {
          refused = new MusterError("MUSTER_INTERNAL", { problem: `database write refused: ${problem}` });
          break;
        }
        this.#apply(write);
        written++;
      }
      this.#putMeta(META.counters, JSON.stringify(this.#counters));
      this.#statements.commit.run();
      // SQLite leaves the commit to us (`configure`).
      fdatasyncSync(this.#log);
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      this.#newest = null;
      return { written: 0, error: named(error, this.#path) };
    }
    return { written, error: refused };
  }

  /**
   * Moves what the write-ahead log holds into the file when there is much of it.
   * @throws MusterError when the disk failed; a full disk is no failure here: the log keeps everything
   */
  checkpointIfDue(): void {
    if (++this.#commitsSinceLook < CHECKPOINT_LOOK_COMMITS) return;
    this.#commitsSinceLook = 0;
    try {
      const length = this.#database.prepare("PRAGMA wal_checkpoint(NOOP)").get() as { log: number };
      if (length.log >= CHECKPOINT_PAGES) this.#database.exec("PRAGMA wal_checkpoint(PASSIVE)");
    } catch (error) {
      const cause = named(error, this.#path);
      if (cause.code !== "MUSTER_DISK_FULL") throw cause;
    }
  }

  close(): void {
    closeSync(this.#log);
    this.#database.close();
  }

  #apply(write: DurableWrite): void {
    const counters = this.#counters;
    if (write.promised !== undefined) counters.promised = write.promised;
    if (write.replace !== undefined) this.#replace(write.replace);
    if (write.accepted !== undefined) counters.accepted = write.accepted;
    if (write.truncateAfter !== undefined && write.truncateAfter < counters.last) this.#truncate(write.truncateAfter);
    for (const entry of write.append ?? []) {
      const checksum = entryChecksum(entry);
      this.#statements.insertEntry.run(entry.sequence, entry.epoch, entry.payload, checksum);
      counters.entriesSum = addSum(counters.entriesSum, checksum);
      counters.last = entry.sequence;
      this.#newest = entry;
    }
    counters.committed = Math.max(counters.committed, write.committed ?? 0);
    if (write.apply !== undefined) {
      for (const { table, key, value } of write.apply.changes) this.#putRow(table, key, value);
      counters.applied = write.apply.upTo;
    }
    for (const [key, value] of Object.entries(write.metadata ?? {})) this.#putMetadata(METADATA_PREFIX + key, value);
    if (write.compactTo !== undefined) this.#compact(Math.min(write.compactTo, counters.applied - this.#keepEntries, counters.last));
  }

  #replace(replace: NonNullable<DurableWrite["replace"]>): void {
    const counters = this.#counters;
    this.#database.exec("DELETE FROM entries; DELETE FROM rows");
    this.#newest = null;
    counters.entriesSum = counters.rowsSum = counters.rows = 0;
    for (const { table, key, value } of replace.rows) this.#putRow(table, key, value);
    counters.committed = counters.applied = counters.last = counters.baseSequence = replace.upTo;
    counters.baseEpoch = replace.epoch;
    // A log that holds entries of an epoch was accepted in it, or later.
    counters.accepted = Math.max(counters.accepted, replace.epoch);
  }

  #truncate(after: number): void {
    const counters = this.#counters;
    this.#newest = null;
    const { sum } = this.#statements.sumAfter.get(after) as { sum: number };
    this.#statements.deleteAfter.run(after);
    counters.entriesSum = subtractSum(counters.entriesSum, sum);
    counters.last = after;
  }

  #compact(upTo: number): void {
    const counters = this.#counters;
    if (upTo <= counters.baseSequence) return;
    const { sum } = this.#statements.sumUpTo.get(upTo) as { sum: number };
    counters.baseEpoch = this.#epochAt(upTo);
    counters.baseSequence = upTo;
    this.#statements.deleteUpTo.run(upTo);
    counters.entriesSum = subtractSum(counters.entriesSum, sum);
  }

  #putRow(table: string, key: string, value: string | null): void {
    const counters = this.#counters;
    const old = this.#statements.rowChecksum.get(table, key) as { checksum: number } | undefined;
    if (old !== undefined) {
      counters.rowsSum = subtractSum(counters.rowsSum, old.checksum);
      counters.rows--;
    }
    if (value === null) {
      if (old !== undefined) this.#statements.deleteRow.run(table, key);
      return;
    }
    const checksum = rowChecksum(table, key, value);
    this.#statements.putRow.run(table, key, value, checksum);
    counters.rowsSum = addSum(counters.rowsSum, checksum);
    counters.rows++;
  }

  #putMetadata(key: string, value: string): void {
    const counters = this.#counters;
    const old = this.#statements.metaChecksum.get(key) as { checksum: number } | undefined;
    counters.metadataSum = addSum(subtractSum(counters.metadataSum, old?.checksum ?? 0), metaChecksum(key, value));
    this.#putMeta(key, value);
  }

  #putMeta(key: string, value: string): void {
    this.#statements.putMeta.run(key, value, metaChecksum(key, value));
  }

  #epochAt(sequence: number): number {
    if (sequence === this.#counters.baseSequence) return this.#counters.baseEpoch;
    if (sequence === this.#newest?.sequence) return this.#newest.epoch;
    const found = this.#statements.epochAt.get(sequence) as { epoch: number } | undefined;
    if (found === undefined) throw new Error(`entry ${sequence} is not stored`);
    return found.epoch;
  }
}

interface Statements {
  readonly begin: StatementSync;
  readonly commit: StatementSync;
  readonly putMeta: StatementSync;
  readonly metaChecksum: StatementSync;
  readonly insertEntry: StatementSync;
  readonly epochAt: StatementSync;
  readonly sumAfter: StatementSync;
  readonly deleteAfter: StatementSync;
  readonly sumUpTo: StatementSync;
  readonly deleteUpTo: StatementSync;
  readonly rowChecksum: StatementSync;
  readonly putRow: StatementSync;
  readonly deleteRow: StatementSync;
}

function prepare(database: DatabaseSync): Statements {
  return {
    begin: database.prepare("BEGIN IMMEDIATE"),
    commit: database.prepare("COMMIT"),
    putMeta: database.prepare(PUT_META),
    metaChecksum: database.prepare("SELECT checksum FROM meta WHERE key = ?"),
    insertEntry: database.prepare("INSERT INTO entries (sequence, epoch, payload, checksum) VALUES (?, ?, ?, ?)"),
    epochAt: database.prepare("SELECT epoch FROM entries WHERE sequence = ?"),
    sumAfter: database.prepare("SELECT coalesce(sum(checksum), 0) AS sum FROM entries WHERE sequence > ?"),
    deleteAfter: database.prepare("DELETE FROM entries WHERE sequence > ?"),
    sumUpTo: database.prepare("SELECT coalesce(sum(checksum), 0) AS sum FROM entries WHERE sequence <= ?"),
    deleteUpTo: database.prepare("DELETE FROM entries WHERE sequence <= ?"),
    rowChecksum: database.prepare("SELECT checksum FROM rows WHERE table_name = ? AND key = ?"),
    putRow: database.prepare("INSERT OR REPLACE INTO rows (table_name, key, value, checksum) VALUES (?, ?, ?, ?)"),
    deleteRow: database.prepare("DELETE FROM rows WHERE table_name = ? AND key = ?"),
  };
}

/** Makes a new store under a name of its own and gives it its place when it is whole. */
function create(path: string, damage: DurableState["damage"]): void {
  const unfinished = unfinishedName(path);
  try {
    const database = new DatabaseSync(unfinished);
    try {
      lockExclusively(database);
      configure(database);
      initialise(database, randomUUID(), damage === null ? null : JSON.stringify(damage));
    } finally {
      database.close();
    }
    publish(unfinished, path);
  } catch (error) {
    // Another process was faster and cleared ours away.
    if (!existsSync(path)) throw error;
  } finally {
    for (const suffix of ["", "-wal", "-journal"]) rmSync(unfinished + suffix, { force: true });
  }
}

/** @returns the open store; or what is wrong with the file, which has been set aside then */
function openOnce(options: StoreOptions): { store: Store; state: DurableState } | NonNullable<DurableState["damage"]> {
  const { path } = options;
  const identity = identityOf(path);
  let database: DatabaseSync | null = null;
  try {
    if (identity === null) throw new Damage("the file is gone, but not its write-ahead log");
    // SQLite would take an empty file for a new store; ours are never empty.
    if (statSync(path).size === 0) throw new Damage("the file is empty");
    database = new DatabaseSync(path);
    lockExclusively(database);
    assertOurs(database); // the first access
    configure(database);
    database.prepare("SELECT count(*) FROM sqlite_schema").get(); // opens the write-ahead log, if that was not done yet
    const logProblem = problemOfLog(`${path}-wal`);
    if (logProblem !== null) throw new Damage(logProblem);
    const { state, counters } = load(database, path);
    removeUnfinished(path);
    // From here on the log holds nothing of an earlier life: what wal.ts concludes rests on it.
    database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    if (options.pagesMax > 0) database.exec(`PRAGMA max_page_count = ${options.pagesMax}`);
    return { store: new Store(options, database, counters), state };
  } catch (error) {
    const failure = damageOf(error);
    try {
      if (!(failure instanceof Damage)) throw failure;
      // Another process may have put a sound store here meanwhile.
      const isOther = identityOf(path) !== identity;
      // It is moved while it is open: SQLite leaves the log of a file alone that is not in its place any more,
      // so the evidence stays as it was found.
      return { problem: failure.message, aside: isOther ? "" : setAside(path) };
    } finally {
      database?.close();
    }
  }
}

function identityOf(path: string): number | null {
  return statSync(path, { throwIfNoEntry: false })?.ino ?? null;
}

/** What SQLite says of a file that was meant to be a store and is not. */
function damageOf(error: unknown): unknown {
  if (error instanceof Damage || error instanceof MusterError) return error;
  // A number beyond what JavaScript holds, or counters that are no JSON.
  if (error instanceof RangeError || error instanceof SyntaxError) return new Damage("a record cannot be read", { cause: error });
  const code = resultCodeOf(error);
  if (code === null) return error;
  const otherwise: readonly number[] = [SQLITE.BUSY, SQLITE.LOCKED, SQLITE.NOMEM, SQLITE.READONLY, SQLITE.IOERR, SQLITE.FULL, SQLITE.CANTOPEN];
  // Read-only without a reason is what a changed byte in the head of the file makes of it; that it may be written has been tried.
  const isDamage = code === SQLITE_IOERR_SHORT_READ || code === SQLITE.READONLY;
  if (otherwise.includes(code & 0xff) && !isDamage) return error;
  return new Damage((error as Error).message, { cause: error });
}

/** Turns SQLite's errors and those of the file system into ours. */
function named(error: unknown, path: string): MusterError {
  if (error instanceof MusterError) return error;
  const code = resultCodeOf(error);
  if (code === null) {
    return (error as NodeJS.ErrnoException).syscall === undefined ? MusterError.from(error) : fileError(error, path);
  }
  switch (code & 0xff) {
    case SQLITE.BUSY:
    case SQLITE.LOCKED:
      return new MusterError("MUSTER_DATABASE_IN_USE", { path }, { cause: error });
    case SQLITE.FULL:
      return new MusterError("MUSTER_DISK_FULL", { path }, { cause: error });
    default:
      return new MusterError("MUSTER_DATABASE_UNWRITABLE", { path, problem: (error as Error).message }, { cause: error });
  }
}

function resultCodeOf(error: unknown): number | null {
  const { code, errcode } = error as { code?: string; errcode?: number };
  return code === "ERR_SQLITE_ERROR" && typeof errcode === "number" ? errcode : null;
}
