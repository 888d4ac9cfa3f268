import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Database, DurableState, DurableWrite } from "../../../src/database/contract.ts";
import { createSqliteDatabase } from "../../../src/database/sqlite.ts";
import type { SqliteDatabaseOptions } from "../../../src/database/sqlite.ts";

/** Runs with a directory of its own, which is gone afterwards. */
export async function withDirectory(run: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "muster-database-"));
  try {
    await run(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Opens a store, runs, closes it. */
export async function withStore<Result>(options: SqliteDatabaseOptions, run: (database: Database, state: DurableState) => Promise<Result>): Promise<Result> {
  const database = createSqliteDatabase(options);
  try {
    return await run(database, await database.open());
  } finally {
    await database.close();
  }
}

export function reopen(path: string): Promise<DurableState> {
  return withStore({ path }, (_, state) => Promise.resolve(state));
}

export function write(database: Database, what: DurableWrite): Promise<void> {
  return new Promise((resolve, reject) => database.write(what, (error) => (error === null ? resolve() : reject(error))));
}

/** A write as the log makes them: an entry, committed and applied. */
export function update(sequence: number, epoch = 1, size = 100): DurableWrite {
  const payload = JSON.stringify({ sequence, filler: "x".repeat(size) });
  return {
    append: [{ sequence, epoch, payload }],
    committed: sequence,
    apply: { upTo: sequence, changes: [{ table: "resources", key: `r${sequence % 50}`, value: JSON.stringify({ sequence }) }] },
  };
}
