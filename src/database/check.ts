import type { DatabaseSync } from "node:sqlite";
import { MusterError } from "../model/errors.ts";
import type { DurableEntry, DurableState } from "./contract.ts";
import type { Counters } from "./rules.ts";
import { emptyCounters } from "./rules.ts";
import { addSum, APPLICATION_ID, entryChecksum, FORMAT, META, metaChecksum, METADATA_PREFIX, rowChecksum, TABLES } from "./schema.ts";

/**
 * Reads a whole store and checks it: SQLite's own structure, a checksum of every record, sums over all of them
 * (a page that fell back to an older version has good checksums of its own), and counters that fit the log.
 */

/** The file cannot be trusted; the message says why. */
export class Damage extends Error {
  override readonly name = "Damage";

  constructor(problem: string, options?: ErrorOptions) {
    // It may quote what was found in the file.
    super(problem.replaceAll(/[^\x20-\x7e]+/g, "?"), options);
  }
}

export interface Loaded {
  readonly state: DurableState;
  readonly counters: Counters;
}

/** @throws Damage when the file is somebody else's */
export function assertOurs(database: DatabaseSync): void {
  const found = Object.values(database.prepare("PRAGMA application_id").get() ?? {})[0];
  if (found !== APPLICATION_ID) throw new Damage("it is not a Cluster Database");
}

/**
 * @throws Damage
 * @throws MusterError MUSTER_DATABASE_FORMAT when a newer release wrote it
 */
export function load(database: DatabaseSync, path: string): Loaded {
  const verdict = Object.values(database.prepare("PRAGMA quick_check(1)").get() ?? {})[0];
  if (verdict !== "ok") throw new Damage(`SQLite finds: ${String(verdict)}`);

  assertFormat(database, path);
  assertTables(database);
  const meta = loadMeta(database);
  const counters = loadCounters(meta);
  const entries = loadEntries(database, counters);
  const rows = loadRows(database, counters);

  const metadata = metadataOf(meta, counters);
  // A copy that has never been part of an accepted view is as new as on its first day, however often it was opened.
  const fresh = counters.accepted === 0 && counters.last === 0;
  const damage = meta.get(META.damage);
  const state: DurableState = {
    storeId: meta.get(META.storeId) ?? "",
    fresh,
    damage: fresh && damage !== undefined ? (JSON.parse(damage) as DurableState["damage"]) : null,
    promised: counters.promised,
    accepted: counters.accepted,
    committed: counters.committed,
    applied: counters.applied,
    entries,
    rows,
    metadata,
  };
  return { state, counters };
}

/** Comes before the tables are looked at: those of a newer release may be others. */
function assertFormat(database: DatabaseSync, path: string): void {
  const found = database.prepare("SELECT value, checksum FROM meta WHERE key = ?").get(META.format) as { value?: string; checksum?: number } | undefined;
  if (typeof found?.value !== "string" || found.checksum !== metaChecksum(META.format, found.value)) throw new Damage("its format cannot be read");
  if (Number(found.value) > FORMAT) throw new MusterError("MUSTER_DATABASE_FORMAT", { path, found: found.value, known: FORMAT });
}

/** A changed letter in the definition of a table is no damage to SQLite, but another table to us. */
function assertTables(database: DatabaseSync): void {
  const found = database.prepare("SELECT name, sql FROM sqlite_schema").all() as { name: string; sql: string }[];
  const isSame = found.length === Object.keys(TABLES).length && found.every(({ name, sql }) => TABLES[name] === sql);
  if (!isSame) throw new Damage("its tables are not those of a Cluster Database");
}

function loadMeta(database: DatabaseSync): Map<string, string> {
  const meta = new Map<string, string>();
  for (const { key, value, checksum } of database.prepare("SELECT key, value, checksum FROM meta").iterate() as Iterable<{ key: string; value: string; checksum: number }>) {
    if (checksum !== metaChecksum(key, value)) throw new Damage(`the checksum of '${key}' is wrong`);
    meta.set(key, value);
  }
  if (!meta.has(META.storeId) || !meta.has(META.counters)) throw new Damage("its head is incomplete");
  return meta;
}

function metadataOf(meta: ReadonlyMap<string, string>, counters: Counters): Record<string, string> {
  const metadata: Record<string, string> = {};
  let sum = 0;
  for (const [key, value] of meta) {
    if (!key.startsWith(METADATA_PREFIX)) continue;
    metadata[key.slice(METADATA_PREFIX.length)] = value;
    sum = addSum(sum, metaChecksum(key, value));
  }
  if (sum !== counters.metadataSum) throw new Damage("what the log keeps beside it is not what was written last");
  return metadata;
}

function loadCounters(meta: ReadonlyMap<string, string>): Counters {
  const counters: Counters = { ...emptyCounters(), ...(JSON.parse(meta.get(META.counters) ?? "{}") as Partial<Counters>) };
  for (const [name, value] of Object.entries(counters)) {
    if (!Number.isSafeInteger(value) || value < 0) throw new Damage(`its counter '${name}' is ${value}`);
  }
  const { applied, committed, last, baseSequence } = counters;
  // Rows may be ahead of the entries: a state fetched from another node can be.
  if (applied > committed || baseSequence > applied || baseSequence > last) {
    throw new Damage(`its counters do not fit: base ${baseSequence}, applied ${applied}, committed ${committed}, last ${last}`);
  }
  return counters;
}

function loadEntries(database: DatabaseSync, counters: Counters): DurableEntry[] {
  const entries: DurableEntry[] = [];
  let sequence = counters.baseSequence;
  let epoch = counters.baseEpoch;
  let sum = 0;
  for (const found of database.prepare("SELECT sequence, epoch, payload, checksum FROM entries ORDER BY sequence").iterate() as Iterable<DurableEntry & { checksum: number }>) {
    const entry: DurableEntry = { sequence: found.sequence, epoch: found.epoch, payload: found.payload };
    if (found.checksum !== entryChecksum(entry)) throw new Damage(`the checksum of entry ${entry.sequence} is wrong`);
    if (entry.sequence !== sequence + 1) throw new Damage(`entry ${entry.sequence} follows entry ${sequence}`);
    if (entry.epoch < epoch) throw new Damage(`entry ${entry.sequence} is of epoch ${entry.epoch}, after one of ${epoch}`);
    sequence = entry.sequence;
    epoch = entry.epoch;
    sum = addSum(sum, found.checksum);
    entries.push(entry);
  }
  if (sequence !== counters.last) throw new Damage(`its last entry is ${sequence} and should be ${counters.last}`);
  if (sum !== counters.entriesSum) throw new Damage("an entry is not the one that was written last");
  return entries;
}

function loadRows(database: DatabaseSync, counters: Counters): DurableState["rows"] {
  const rows: { table: string; key: string; value: string }[] = [];
  let sum = 0;
  const statement = database.prepare('SELECT table_name AS "table", key, value, checksum FROM rows ORDER BY table_name, key');
  for (const { table, key, value, checksum } of statement.iterate() as Iterable<{ table: string; key: string; value: string; checksum: number }>) {
    if (checksum !== rowChecksum(table, key, value)) throw new Damage(`the checksum of ${table} '${key}' is wrong`);
    sum = addSum(sum, checksum);
    rows.push({ table, key, value });
  }
  if (rows.length !== counters.rows) throw new Damage(`it holds ${rows.length} rows and should hold ${counters.rows}`);
  if (sum !== counters.rowsSum) throw new Damage("a row is not the one that was written last");
  return rows;
}
