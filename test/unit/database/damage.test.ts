import assert from "node:assert/strict";
import { copyFileSync, existsSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import type { DurableState } from "../../../src/database/contract.ts";
import { Store } from "../../../src/database/store.ts";
import { reopen, update, withDirectory, withStore, write } from "./fixture.ts";

/** A damaged file is found at the start, set aside, and replaced by a new, empty store that says so. */

const PAGE_BYTES = 4096;

function open(path: string): DurableState {
  const { store, state } = Store.open({ path, keepEntries: 100, pagesMax: 0 });
  store.close();
  return state;
}

async function makeStore(path: string, writes: number): Promise<void> {
  await withStore({ path, keepEntries: 30 }, async (database) => {
    await write(database, { promised: 2, accepted: 2, metadata: { weights: "{}" } });
    const last = await Promise.all(Array.from({ length: writes }, (_, n) => write(database, update(n + 1, 2, 300))));
    assert.equal(last.length, writes);
    await write(database, { compactTo: writes - 10 });
  });
}

const kinds: [string, (path: string) => void][] = [
  ["empty", (path) => truncateSync(path, 0)],
  ["cut in the middle", (path) => truncateSync(path, 3 * PAGE_BYTES + 100)],
  ["cut to its first page", (path) => truncateSync(path, PAGE_BYTES)],
  ["zeroed", (path) => writeFileSync(path, Buffer.alloc(8 * PAGE_BYTES))],
  ["a text", (path) => writeFileSync(path, "this is not a database\n".repeat(500))],
  ["a page of zeros inside", (path) => overwrite(path, 2 * PAGE_BYTES, Buffer.alloc(PAGE_BYTES))],
  ["an SQLite file of somebody else", (path) => makeForeign(path)],
];

function overwrite(path: string, offset: number, bytes: Buffer): void {
  const content = readFileSync(path);
  bytes.copy(content, offset);
  writeFileSync(path, content);
}

function makeForeign(path: string): void {
  truncateSync(path, 0);
  const database = new DatabaseSync(path);
  database.exec("CREATE TABLE meta (key, value, checksum); INSERT INTO meta VALUES (1, 2, 3)");
  database.close();
}

for (const [what, hurt] of kinds) {
  test(`a damaged file (${what}) is set aside and a fresh store made`, async () => {
    await withDirectory(async (directory) => {
      const path = join(directory, "s");
      await makeStore(path, 60);
      const { storeId } = await reopen(path);
      hurt(path);
      const evidence = readFileSync(path);

      const state = await reopen(path);
      assert.equal(state.fresh, true);
      assert.equal(state.damage?.aside, `${path}.damaged-1`);
      assert.ok((state.damage?.problem ?? "").length > 5);
      assert.notEqual(state.storeId, storeId);
      assert.deepEqual([state.promised, state.committed, state.entries.length, state.rows.length], [0, 0, 0, 0]);
      assert.deepEqual(readFileSync(`${path}.damaged-1`), evidence, "the evidence is untouched");

      // Until it has taken part in a view it is known where it comes from.
      assert.deepEqual((await reopen(path)).damage, state.damage);
      await withStore({ path }, (database) => write(database, { promised: 9, accepted: 9 }));
      assert.equal((await reopen(path)).damage, null);

      truncateSync(path, 0);
      assert.equal((await reopen(path)).damage?.aside, `${path}.damaged-2`);
    });
  });
}

test("a changed bit anywhere is found, or does not matter: never another state", async (t) => {
  await withDirectory(async (directory) => {
    const path = join(directory, "s");
    await makeStore(path, 60);
    const good = readFileSync(path);
    const expected = open(path);
    let found = 0;
    const trials = 150;
    for (let trial = 0; trial < trials; trial++) {
      const copy = join(directory, `c${trial}`);
      const hurt = Buffer.from(good);
      // Every fourth in the header of the file, where it is richest in meaning.
      const at = Math.floor(Math.random() * (trial % 4 === 0 ? 100 : hurt.length));
      hurt[at] = (hurt[at] ?? 0) ^ (1 << Math.floor(Math.random() * 8));
      writeFileSync(copy, hurt);
      const state = open(copy);
      if (state.damage === null) assert.deepEqual(state, expected, `byte ${at}`);
      else found++;
    }
    t.diagnostic(`${trials} changed bits: ${found} found, ${trials - found} in bytes without meaning`);
    assert.ok(found > trials / 4);
  });
});

test("a page that fell back to an older version is found", async () => {
  await withDirectory(async (directory) => {
    const path = join(directory, "s");
    await makeStore(path, 60);
    const older = readFileSync(path);
    await withStore({ path }, (database) => Promise.all(Array.from({ length: 60 }, (_, n) => write(database, update(n + 61, 2, 300)))));
    const newer = readFileSync(path);
    const expected = open(path);
    let found = 0;
    for (let offset = 0; offset < older.length; offset += PAGE_BYTES) {
      const page = older.subarray(offset, offset + PAGE_BYTES);
      if (page.equals(newer.subarray(offset, offset + PAGE_BYTES))) continue;
      const copy = join(directory, `c${offset}`);
      copyFileSync(path, copy);
      overwrite(copy, offset, Buffer.from(page));
      const state = open(copy);
      if (state.damage === null) assert.deepEqual(state, expected, `page at ${offset}`);
      else found++;
    }
    assert.ok(found >= 3, `${found} found`);
  });
});

test("a record that is missing as a whole is found", async () => {
  await withDirectory(async (directory) => {
    for (const deletion of [
      "DELETE FROM meta WHERE key = 'log:weights'",
      "DELETE FROM meta WHERE key = 'counters'",
      "DELETE FROM rows WHERE key = 'r7'",
      "DELETE FROM entries WHERE sequence = 55",
      "DELETE FROM entries WHERE sequence = 60",
      "DROP TABLE rows",
    ]) {
      const path = join(directory, deletion.replaceAll(/\W/g, ""));
      await makeStore(path, 60);
      const database = new DatabaseSync(path);
      database.exec(deletion);
      database.close();
      assert.notEqual(open(path).damage, null, deletion);
    }
  });
});

test("several stores that are damaged at the same time do not disturb each other", async () => {
  await withDirectory(async (directory) => {
    const paths = ["a", "b", "c"].map((name) => join(directory, name));
    await Promise.all(paths.map((path) => makeStore(path, 20)));
    for (const path of paths) truncateSync(path, 5_000);
    const states = await Promise.all(paths.map(reopen));
    states.forEach((state, position) => assert.equal(state.damage?.aside, `${paths[position]}.damaged-1`));
    assert.equal(new Set(states.map((state) => state.storeId)).size, 3);
    assert.equal(existsSync(`${paths[0]}-wal`), false);
  });
});
