import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { DurableWrite } from "../../../src/database/contract.ts";
import { createSqliteDatabase } from "../../../src/database/sqlite.ts";
import { reopen, update, withDirectory, withStore, write } from "./fixture.ts";

/** What is written is what is found. */

const FORWARD = { promised: 3, accepted: 3 };

test("a new store is fresh and empty; it stays fresh until it has taken part in a view", async () => {
  await withDirectory(async (directory) => {
    const path = join(directory, "cluster.sqlite");
    const first = await reopen(path);
    assert.match(first.storeId, /^[0-9a-f-]{36}$/);
    assert.deepEqual({ ...first, storeId: "" }, { storeId: "", fresh: true, damage: null, promised: 0, accepted: 0, committed: 0, applied: 0, entries: [], rows: [], metadata: {} });
    await withStore({ path }, (database) => write(database, { promised: 5 }));
    const second = await reopen(path);
    assert.equal(second.storeId, first.storeId);
    assert.equal(second.promised, 5);
    assert.equal(second.fresh, true, "a promise is not yet a part in a view");
    await withStore({ path }, (database) => write(database, { accepted: 5 }));
    assert.equal((await reopen(path)).fresh, false);
    assert.deepEqual(readdirSync(directory), ["cluster.sqlite"], "nothing lies beside a closed store");
  });
});

test("entries, rows, counters and metadata come back", async () => {
  await withDirectory(async (directory) => {
    const path = join(directory, "s");
    await withStore({ path }, async (database) => {
      await write(database, { ...FORWARD, metadata: { weights: '{"1":1}', other: "x" } });
      await write(database, {
        append: [
          { sequence: 1, epoch: 1, payload: '"eins"' },
          { sequence: 2, epoch: 3, payload: '"zwei é 漢 🜁 \u0000 end"' },
        ],
      });
      await write(database, {
        committed: 2,
        apply: {
          upTo: 1,
          changes: [
            { table: "groups", key: "g", value: "{}" },
            { table: "groups", key: "h", value: "[]" },
            { table: "Groups", key: "g", value: "other table" },
          ],
        },
      });
      await write(database, { apply: { upTo: 2, changes: [{ table: "groups", key: "h", value: null }, { table: "none", key: "there", value: null }, { table: "groups", key: "g", value: "2" }] }, metadata: { other: "y" } });
    });
    const state = await reopen(path);
    assert.deepEqual({ ...state, storeId: "" }, {
      storeId: "",
      fresh: false,
      damage: null,
      promised: 3,
      accepted: 3,
      committed: 2,
      applied: 2,
      entries: [
        { sequence: 1, epoch: 1, payload: '"eins"' },
        { sequence: 2, epoch: 3, payload: '"zwei é 漢 🜁 \u0000 end"' },
      ],
      rows: [
        { table: "Groups", key: "g", value: "other table" },
        { table: "groups", key: "g", value: "2" },
      ],
      metadata: { weights: '{"1":1}', other: "y" },
    });
  });
});

test("truncate comes before append, in one write", async () => {
  await withDirectory(async (directory) => {
    const path = join(directory, "s");
    await withStore({ path }, async (database) => {
      await write(database, { append: [1, 2, 3, 4].map((sequence) => ({ sequence, epoch: 1, payload: `${sequence}` })), committed: 2 });
      await write(database, { truncateAfter: 2, append: [{ sequence: 3, epoch: 2, payload: "new" }] });
      await write(database, { truncateAfter: 99 });
    });
    const state = await reopen(path);
    assert.deepEqual(state.entries.map((entry) => entry.payload), ["1", "2", "new"]);
  });
});

test("what is committed only grows; rows may be ahead of the entries; committed entries may be written anew", async () => {
  await withDirectory(async (directory) => {
    const path = join(directory, "s");
    const entries = (epoch: number, ...sequences: number[]) => sequences.map((sequence) => ({ sequence, epoch, payload: `${epoch}` }));
    await withStore({ path }, async (database) => {
      await write(database, { append: entries(1, 1, 2, 3, 4), committed: 2 });
      await write(database, { committed: 1, apply: { upTo: 2, changes: [] } });
      // A state fetched from another node: its rows are those of entry 6, which comes later.
      await write(database, { committed: 6, apply: { upTo: 6, changes: [{ table: "t", key: "k", value: "6" }] } });
    });
    const ahead = await reopen(path);
    assert.deepEqual([ahead.committed, ahead.applied, ahead.entries.length], [6, 6, 4]);
    await withStore({ path, keepEntries: 0 }, async (database) => {
      await write(database, { truncateAfter: 2, append: entries(2, 3, 4, 5, 6, 7) });
      await write(database, { compactTo: 100 });
    });
    const state = await reopen(path);
    assert.deepEqual(state.entries, entries(2, 7));
  });
});

test("a copy from another node replaces log and rows, and lowers what was committed", async () => {
  await withDirectory(async (directory) => {
    const path = join(directory, "s");
    await withStore({ path }, async (database) => {
      for (let sequence = 1; sequence <= 20; sequence++) await write(database, update(sequence));
      await write(database, { promised: 9, replace: { upTo: 7, epoch: 4, rows: [{ table: "groups", key: "only", value: "1" }] }, append: [{ sequence: 8, epoch: 4, payload: "8" }] });
    });
    const state = await reopen(path);
    assert.deepEqual([state.committed, state.applied, state.accepted], [7, 7, 4]);
    assert.deepEqual(state.rows, [{ table: "groups", key: "only", value: "1" }]);
    assert.deepEqual(state.entries, [{ sequence: 8, epoch: 4, payload: "8" }]);
  });
});

test("compaction drops what need not be kept, and keeps some for others", async () => {
  await withDirectory(async (directory) => {
    const path = join(directory, "s");
    await withStore({ path, keepEntries: 10 }, async (database) => {
      for (let sequence = 1; sequence <= 50; sequence++) await write(database, update(sequence));
      await write(database, { compactTo: 20 });
      await write(database, { compactTo: 15 });
    });
    assert.equal((await reopen(path)).entries[0]?.sequence, 21, "not more than the log allows");
    await withStore({ path, keepEntries: 10 }, (database) => write(database, { compactTo: 50 }));
    assert.equal((await reopen(path)).entries[0]?.sequence, 41, "ten are kept");
    await withStore({ path, keepEntries: 0 }, async (database, state) => {
      assert.equal(state.entries.length, 10);
      await write(database, { compactTo: 50 });
      await write(database, { append: [{ sequence: 51, epoch: 1, payload: "51" }] });
    });
    assert.deepEqual((await reopen(path)).entries.map((entry) => entry.sequence), [51]);
  });
});

const refused: [string, DurableWrite, RegExp][] = [
  ["a hole in the log", { append: [{ sequence: 6, epoch: 2, payload: "" }] }, /sequence 6 does not follow 4/],
  ["an entry twice", { append: [{ sequence: 4, epoch: 2, payload: "" }] }, /sequence 4 does not follow 4/],
  ["a hole inside", { append: [{ sequence: 5, epoch: 2, payload: "" }, { sequence: 7, epoch: 2, payload: "" }] }, /sequence 7 does not follow 5/],
  ["an epoch that falls", { append: [{ sequence: 5, epoch: 1, payload: "" }] }, /epoch 1 of entry 5 is below 2/],
  ["a promise that falls", { promised: 1 }, /promised 1 is below 2/],
  ["an accepted epoch that falls", { accepted: 1 }, /accepted 1 is below 2/],
  ["a cut of what is committed", { truncateAfter: 2 }, /would cut what is committed/],
  ["applying what is not committed", { apply: { upTo: 4, changes: [] } }, /above what is committed/],
  ["a cut of what is committed, not filled again", { truncateAfter: 1, append: [{ sequence: 2, epoch: 2, payload: "" }] }, /would cut what is committed/],
  ["applying backwards", { apply: { upTo: 1, changes: [] } }, /below 2/],
  ["a number that is none", { promised: Number.NaN }, /not a whole number/],
  ["a value that is no string", { metadata: { x: 1 as unknown as string } }, /a value is a string/],
];
for (const [what, bad, problem] of refused) {
  test(`refused: ${what}; what came before is kept, and nothing more is taken`, async () => {
    await withDirectory(async (directory) => {
      const path = join(directory, "s");
      await withStore({ path }, async (database) => {
        await write(database, { promised: 2, accepted: 2, append: [1, 2, 3, 4].map((sequence) => ({ sequence, epoch: 2, payload: "p" })), committed: 3, apply: { upTo: 2, changes: [] } });
        const before = write(database, { metadata: { kept: "yes" } });
        const wrong = write(database, { ...bad, metadata: { ...bad.metadata, half: "no" } });
        const after = write(database, { metadata: { after: "no" } });
        const answers = await Promise.allSettled([before, wrong, after]);
        assert.deepEqual(answers.map((answer) => answer.status), ["fulfilled", "rejected", "rejected"]);
        assert.match(String((answers[1] as PromiseRejectedResult).reason), problem);
        await assert.rejects(write(database, { metadata: { later: "no" } }), problem);
      });
      const state = await reopen(path);
      assert.deepEqual(state.metadata, { kept: "yes" });
      assert.equal(state.entries.length, 4);
    });
  });
}

test("a lazy write comes to the disk by itself, and before any later write", async () => {
  await withDirectory(async (directory) => {
    const path = join(directory, "s");
    const database = createSqliteDatabase({ path });
    await database.open();
    database.writeLazily({ metadata: { lazy: "1" } });
    database.writeLazily({ metadata: { lazy: "2" } });
    const before = performance.now();
    await write(database, { metadata: { next: "1" } });
    assert.ok(performance.now() - before < 40, "a write does not wait for the lazy one's time");
    database.writeLazily({ metadata: { lazy: "3" } });
    await new Promise((resolve) => setTimeout(resolve, 150));
    database.writeLazily({ metadata: { closing: "1" } });
    await database.close();
    assert.deepEqual((await reopen(path)).metadata, { lazy: "3", next: "1", closing: "1" });
  });
});

test("close writes what waits; afterwards nothing is taken; closing twice is closing once", async () => {
  await withDirectory(async (directory) => {
    const path = join(directory, "s");
    const database = createSqliteDatabase({ path });
    await database.open();
    const answers = Array.from({ length: 500 }, (_, n) => write(database, update(n + 1)));
    await Promise.all([database.close(), database.close()]);
    await Promise.all(answers);
    await assert.rejects(write(database, update(501)), /not open/);
    assert.equal((await reopen(path)).applied, 500);
    assert.equal(existsSync(`${path}-wal`), false);
  });
});

test("answers come in the order of the writes, and one caller's mistake does not hold up the others", async (t) => {
  await withDirectory(async (directory) => {
    await withStore({ path: join(directory, "s") }, async (database) => {
      const order: number[] = [];
      const uncaught: unknown[] = [];
      const listener = (error: unknown): void => void uncaught.push(error);
      process.setUncaughtExceptionCaptureCallback(listener);
      t.after(() => process.setUncaughtExceptionCaptureCallback(null));
      await new Promise<void>((resolve) => {
        for (let n = 1; n <= 100; n++) {
          database.write(update(n), () => {
            order.push(n);
            if (n === 50) throw new Error("a mistake of the caller");
            if (n === 100) resolve();
          });
        }
      });
      await new Promise((resolve) => setTimeout(resolve, 10));
      assert.deepEqual(order, Array.from({ length: 100 }, (_, n) => n + 1));
      assert.equal(uncaught.length, 1);
    });
  });
});

test("a large snapshot goes in and comes back", async () => {
  await withDirectory(async (directory) => {
    const path = join(directory, "s");
    const rows = Array.from({ length: 20_000 }, (_, n) => ({ table: "values", key: `key ${n}`, value: JSON.stringify({ n, filler: "y".repeat(500) }) }));
    await withStore({ path }, (database) => write(database, { replace: { upTo: 123_456, epoch: 7, rows } }));
    const state = await reopen(path);
    assert.equal(state.rows.length, 20_000);
    assert.equal(state.applied, 123_456);
    assert.equal(state.fresh, false);
  });
});

test("writes per second with one and with 64 outstanding", async (t) => {
  await withDirectory(async (directory) => {
    await withStore({ path: join(directory, "s") }, async (database) => {
      let sequence = 0;
      for (const outstanding of [1, 64]) {
        const startedAt = performance.now();
        const tookMs: number[] = [];
        const writer = async (): Promise<void> => {
          while (performance.now() - startedAt < 1_000) {
            const at = performance.now();
            await write(database, update(++sequence));
            tookMs.push(performance.now() - at);
          }
        };
        await Promise.all(Array.from({ length: outstanding }, writer));
        tookMs.sort((a, b) => a - b);
        const seconds = (performance.now() - startedAt) / 1000;
        const at = (share: number): string => (tookMs[Math.floor((tookMs.length - 1) * share)] ?? 0).toFixed(2);
        t.diagnostic(`${outstanding} outstanding: ${Math.round(tookMs.length / seconds)} writes/s, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`);
      }
    });
  });
});
