import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { createSqliteDatabase } from "../../../src/database/sqlite.ts";
import { MusterError } from "../../../src/model/errors.ts";
import { reopen, update, withDirectory, withStore, write } from "./fixture.ts";

/** Directories that cannot be written, a second process, a full disk, a thread that dies. */

const isRoot = process.getuid?.() === 0;

test("places that cannot be written are named, and nothing is left there", async () => {
  await withDirectory(async (directory) => {
    writeFileSync(join(directory, "file"), "not a directory");
    mkdirSync(join(directory, "folder"));
    for (const [path, problem] of [
      [join(directory, "missing", "s"), /no such directory/],
      [join(directory, "file", "s"), /not a directory/],
      [join(directory, "folder"), /it is a directory/],
      ["/proc/muster.sqlite", /cannot be written/],
      [join(directory, "n".repeat(300)), /too long/],
    ] as const) {
      const database = createSqliteDatabase({ path });
      await assert.rejects(database.open(), (error: MusterError) => error.code === "MUSTER_DATABASE_UNWRITABLE" && problem.test(error.message), path);
      await database.close();
      await assert.rejects(write(database, update(1)));
    }
    assert.deepEqual(readdirSync(directory).sort(), ["file", "folder"]);
  });
});

test("a directory without permission (or, for root, made immutable) is unwritable", async (t) => {
  await withDirectory(async (directory) => {
    const folder = join(directory, "locked");
    mkdirSync(folder);
    const path = join(folder, "s");
    await withStore({ path }, (database) => write(database, update(1)));
    if (isRoot && spawnSync("chattr", ["+i", folder]).status !== 0) {
      t.skip("not run: this is root, and the file system knows no immutable directories");
      return;
    }
    if (!isRoot) chmodSync(folder, 0o555);
    try {
      await assert.rejects(reopen(path), { code: "MUSTER_DATABASE_UNWRITABLE" });
      await assert.rejects(reopen(join(folder, "new")), { code: "MUSTER_DATABASE_UNWRITABLE" });
    } finally {
      if (isRoot) spawnSync("chattr", ["-i", folder]);
      else chmodSync(folder, 0o755);
    }
    assert.equal((await reopen(path)).applied, 1);
  });
});

const opener = fileURLToPath(new URL("./opener.ts", import.meta.url));

test("a second process and a second opening in the same process are shut out, and change nothing", async () => {
  await withDirectory(async (directory) => {
    const path = join(directory, "s");
    await withStore({ path }, async (database) => {
      await write(database, update(1));
      const other = spawnSync(process.execPath, [opener, path], { encoding: "utf8" });
      assert.equal(other.stdout.trim(), "MUSTER_DATABASE_IN_USE", other.stderr);
      await assert.rejects(reopen(path), { code: "MUSTER_DATABASE_IN_USE" });
      await write(database, update(2));
      // SQLite's lock would be gone if anything in this process had opened and closed the file.
      assert.equal(spawnSync(process.execPath, [opener, path], { encoding: "utf8" }).stdout.trim(), "MUSTER_DATABASE_IN_USE");
    });
    assert.equal((await reopen(path)).applied, 2);
    assert.deepEqual(readdirSync(directory), ["s"]);
  });
});

test("several that make the same new store at once: one has it, the other is shut out", async () => {
  await withDirectory(async (directory) => {
    for (let trial = 0; trial < 5; trial++) {
      const path = join(directory, `s${trial}`);
      const two = [createSqliteDatabase({ path }), createSqliteDatabase({ path }), createSqliteDatabase({ path })];
      const answers = await Promise.allSettled(two.map((database) => database.open()));
      await Promise.all(two.map((database) => database.close()));
      const winners = answers.filter((answer) => answer.status === "fulfilled");
      assert.equal(winners.length, 1);
      for (const answer of answers) if (answer.status === "rejected") assert.equal((answer.reason as MusterError).code, "MUSTER_DATABASE_IN_USE", (answer.reason as MusterError).message);
      const state = await reopen(path);
      assert.equal(state.storeId, (winners[0] as PromiseFulfilledResult<{ storeId: string }>).value.storeId);
      assert.equal(state.damage, null);
    }
  });
});

test("a file that may not grow: the write fails by name, nothing is half-written, all before it is there", async () => {
  await withDirectory(async (directory) => {
    const path = join(directory, "s");
    let written = 0;
    await withStore({ path, pagesMax: 60 }, async (database) => {
      await assert.rejects(
        async () => {
          for (;;) await write(database, update(++written, 1, 2_000));
        },
        { code: "MUSTER_DISK_FULL" },
      );
      await assert.rejects(write(database, update(written + 1)), { code: "MUSTER_DISK_FULL" });
    });
    const state = await reopen(path);
    assert.equal(state.applied, written - 1);
    assert.equal(state.entries.length, written - 1);
    await withStore({ path }, (database) => write(database, update(written)));
  });
});

test("a full disk, for real: a file system of 1 MiB", async (t) => {
  await withDirectory((directory) => {
    const script = 'mount -t tmpfs -o size=1m tmpfs "$1" && exec "$2" "$3" "$1/s" fill';
    const run = spawnSync("unshare", [isRoot ? "-m" : "-rm", "sh", "-c", script, "sh", directory, process.execPath, opener], { encoding: "utf8", timeout: 60_000 });
    if (run.status !== 0 && !run.stdout.startsWith("{")) {
      t.skip(`not run: no mount name space here (${run.stderr.trim().split("\n")[0] ?? run.error?.message})`);
      return Promise.resolve();
    }
    const result = JSON.parse(run.stdout) as { code: string; written: number; applied: number; entries: number; whileFull: string; afterwards: string };
    assert.equal(result.code, "MUSTER_DISK_FULL");
    assert.ok(result.written > 50);
    assert.equal(result.applied, result.written, "all that was acknowledged, and no more");
    assert.equal(result.entries, result.written);
    assert.equal(result.whileFull, "MUSTER_DISK_FULL", "opening on a full disk says so");
    assert.equal(result.afterwards, "written");
    return Promise.resolve();
  });
});

test("a queue that is full answers busy, and takes nothing more, so that there is no hole", async () => {
  await withDirectory(async (directory) => {
    const path = join(directory, "s");
    await withStore({ path, queueWritesMax: 100 }, async (database) => {
      const answers = await Promise.allSettled(Array.from({ length: 105 }, (_, n) => write(database, update(n + 1))));
      assert.deepEqual(answers.slice(0, 100).filter((answer) => answer.status !== "fulfilled"), []);
      for (const answer of answers.slice(100)) assert.equal(((answer as PromiseRejectedResult).reason as MusterError).code, "MUSTER_BUSY");
      await assert.rejects(write(database, update(101)), { code: "MUSTER_BUSY" });
    });
    assert.equal((await reopen(path)).applied, 100);
  });
});

test("when the thread dies, everything that waits is told, and what comes after", async () => {
  await withDirectory(async (directory) => {
    const workerFile = join(directory, "worker.mjs");
    writeFileSync(
      workerFile,
      `import { parentPort } from "node:worker_threads";
       parentPort.postMessage({ type: "opened", state: {} });
       parentPort.on("message", ({ writes }) => { if (writes.length > 1) throw new Error("the thread dies"); });`,
    );
    const database = createSqliteDatabase({ path: join(directory, "s"), workerUrl: pathToFileURL(workerFile) });
    await database.open();
    const first = write(database, update(1));
    await new Promise((resolve) => setTimeout(resolve, 50));
    const more = [write(database, update(2)), write(database, update(3))];
    for (const answer of await Promise.allSettled([first, ...more])) {
      assert.equal(answer.status, "rejected");
      assert.match(String((answer as PromiseRejectedResult).reason), /the thread dies/);
    }
    await assert.rejects(write(database, update(4)), /the thread dies/);
    await database.close();
    assert.equal(existsSync(join(directory, "s")), false);
  });
});

test("a store of a newer release is left alone", async () => {
  await withDirectory(async (directory) => {
    const path = join(directory, "s");
    await reopen(path);
    const { DatabaseSync } = await import("node:sqlite");
    const { metaChecksum } = await import("../../../src/database/schema.ts");
    const file = new DatabaseSync(path);
    file.prepare("UPDATE meta SET value = '2', checksum = ? WHERE key = 'format'").run(metaChecksum("format", "2"));
    file.exec("CREATE TABLE more (than, we, know)");
    file.close();
    await assert.rejects(reopen(path), { code: "MUSTER_DATABASE_FORMAT" });
    assert.deepEqual(readdirSync(directory), ["s"]);
  });
});
