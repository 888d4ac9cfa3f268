import type { DatabaseSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import type { DurableEntry } from "./contract.ts";
import { emptyCounters } from "./rules.ts";

/** The layout of a store. */

/** Says in the header of the file whose it is: "MUST". */
export const APPLICATION_ID = 0x4d555354;
/** Raised when the layout changes in a way an older release cannot read. */
export const FORMAT = 1;

/** Keys of the table meta; what the log keeps there has `METADATA_PREFIX` before it. */
export const META = { format: "format", storeId: "storeId", damage: "damage", counters: "counters" } as const;
export const METADATA_PREFIX = "log:";

/** As SQLite keeps them, to the letter. */
export const TABLES: Readonly<Record<string, string>> = {
  meta: "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL, checksum INTEGER NOT NULL) STRICT, WITHOUT ROWID",
  entries: "CREATE TABLE entries (sequence INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, payload TEXT NOT NULL, checksum INTEGER NOT NULL) STRICT",
  rows: "CREATE TABLE rows (table_name TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, checksum INTEGER NOT NULL, PRIMARY KEY (table_name, key)) STRICT, WITHOUT ROWID",
};

/**
 * Comes before anything else is done: with exclusive locking the index of the write-ahead log stays in memory, and
 * a second process is shut out from the first access on, for as long as this one runs.
 */
export function lockExclusively(database: DatabaseSync): void {
  database.exec("PRAGMA locking_mode = EXCLUSIVE");
}

/** Sets how the store is written. */
export function configure(database: DatabaseSync): void {
  database.exec("PRAGMA journal_mode = WAL");
  // Checkpoints and a new log are synced by SQLite, which calls fsync. Commits are synced by the store, with fdatasync: that need not
  // write when the file was changed, and takes about two thirds of the time.
  database.exec("PRAGMA synchronous = NORMAL");
  database.exec("PRAGMA cell_size_check = ON");
  database.exec("PRAGMA trusted_schema = OFF");
  // Checkpoints are made after the answers have been given (Store.checkpointIfDue); this is the net below.
  database.exec("PRAGMA wal_autocheckpoint = 8000");
}

/** Fills a new, empty file. */
export function initialise(database: DatabaseSync, storeId: string, damage: string | null): void {
  database.exec("BEGIN IMMEDIATE");
  database.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
  for (const sql of Object.values(TABLES)) database.exec(sql);
  putMeta(database, META.format, String(FORMAT));
  putMeta(database, META.storeId, storeId);
  putMeta(database, META.counters, JSON.stringify(emptyCounters()));
  if (damage !== null) putMeta(database, META.damage, damage);
  database.exec("COMMIT");
}

export const PUT_META = "INSERT INTO meta (key, value, checksum) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value, checksum = excluded.checksum";

function putMeta(database: DatabaseSync, key: string, value: string): void {
  database.prepare(PUT_META).run(key, value, metaChecksum(key, value));
}

export function metaChecksum(key: string, value: string): number {
  return crc32(value, crc32(`meta ${key}\0`));
}

export function entryChecksum(entry: DurableEntry): number {
  return crc32(entry.payload, crc32(`entry ${entry.sequence} ${entry.epoch}\0`));
}

export function rowChecksum(table: string, key: string, value: string): number {
  return crc32(value, crc32(`row ${table}\0${key}\0`));
}

/** Sums of checksums are kept modulo 2^32. */
export function addSum(sum: number, more: number): number {
  return (sum + more) % 2 ** 32;
}

export function subtractSum(sum: number, less: number): number {
  return (((sum - less) % 2 ** 32) + 2 ** 32) % 2 ** 32;
}
