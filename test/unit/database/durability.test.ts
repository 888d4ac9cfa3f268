import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { DurableState } from "../../../src/database/contract.ts";
import { createSqliteDatabase } from "../../../src/database/sqlite.ts";
import { Store } from "../../../src/database/store.ts";
import { reopen, update, withDirectory, write } from "./fixture.ts";

/** An answer means: on the disk. */

const streamer = fileURLToPath(new URL("./streamer.ts", import.meta.url));

interface Call {
  readonly name: string;
  readonly argument: string;
  readonly result: string;
  /** Lines of the trace at which the call began and returned. */
  readonly began: number;
  readonly returned: number;
}

/** Reads what `strace -f -y` wrote, joining calls that were interrupted by those of other threads. */
function readTrace(text: string): Call[] {
  const calls: Call[] = [];
  const open = new Map<string, { name: string; argument: string; began: number }>();
  text.split("\n").forEach((line, number) => {
    const whole = /^(\d+) +(\w+)\((.*)\) += (-?\d+)/.exec(line);
    const unfinished = /^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$/.exec(line);
    const resumed = /^(\d+) +<\.\.\. (\w+) resumed>.*\) += (-?\d+)/.exec(line);
    if (whole !== null) {
      const [, , name = "", argument = "", result = ""] = whole;
      calls.push({ name, argument, result, began: number, returned: number });
    } else if (unfinished !== null) {
      const [, thread = "", name = "", argument = ""] = unfinished;
      open.set(thread, { name, argument, began: number });
    } else if (resumed !== null) {
      const [, thread = "", , result = ""] = resumed;
      const begun = open.get(thread);
      if (begun !== undefined) calls.push({ ...begun, result, returned: number });
      open.delete(thread);
    }
  });
  return calls;
}

for (const outstanding of [1, 8]) {
  test(`the sync of the write-ahead log returns before the answer (${outstanding} outstanding)`, async (t) => {
    const isMissing = spawnSync("strace", ["-V"]).error !== undefined;
    if (isMissing) {
      assert.notEqual(process.env["CI"], "true", "strace is missing: in CI this test has to run (apt-get install strace)");
      t.skip("not run: strace is not installed");
      return;
    }
    await withDirectory((directory) => {
      const path = join(directory, "s");
      const trace = join(directory, "trace");
      const arguments_ = ["-f", "-y", "-s", "9000", "-e", "trace=fdatasync,fsync,pwrite64,write", "-o", trace, process.execPath, streamer, path, String(outstanding), "100", "40"];
      const run = spawnSync("strace", arguments_, { encoding: "utf8", timeout: 60_000 });
      if (run.status !== 0 && /ptrace|not permitted/i.test(run.stderr) && process.env["CI"] !== "true") {
        t.skip(`not run: strace may not trace here (${run.stderr.trim().split("\n")[0]})`);
        return Promise.resolve();
      }
      assert.equal(run.status, 0, run.stderr);
      const calls = readTrace(readFileSync(trace, "utf8"));
      const isOfLog = (call: Call): boolean => call.argument.includes(`<${path}-wal>`);
      const written = calls.filter((call) => call.name === "pwrite64" && isOfLog(call));
      const synced = calls.filter((call) => (call.name === "fdatasync" || call.name === "fsync") && isOfLog(call) && call.result === "0");
      for (let sequence = 1; sequence <= 40; sequence++) {
        const answer = calls.find((call) => call.name === "write" && call.argument.includes(`"ack ${sequence}\\n"`));
        assert.ok(answer !== undefined, `answer ${sequence}`);
        const data = written.find((call) => call.argument.includes(`<entry ${sequence}>`));
        assert.ok(data !== undefined && data.returned < answer.began, `entry ${sequence} is in the log before its answer`);
        const sync = synced.find((call) => call.began > data.returned && call.returned < answer.began);
        assert.ok(sync !== undefined, `a sync begins after entry ${sequence} was written and returns before its answer`);
      }
      t.diagnostic(`40 answers, ${synced.length} syncs of the write-ahead log`);
      if (outstanding > 1) assert.ok(synced.length < 40, "those that waited shared a sync");
      return Promise.resolve();
    });
  });
}

test("kill -9 in the middle of a stream: every acknowledged write is there", async (t) => {
  await withDirectory(async (directory) => {
    const path = join(directory, "s");
    let acknowledged = 0;
    for (let round = 0; round < 8; round++) {
      const child = spawn(process.execPath, [streamer, path, "16", round % 2 === 0 ? "100" : "9000"], { stdio: ["ignore", "pipe", "inherit"] });
      const exited = new Promise((resolve) => child.on("exit", resolve));
      const lines = createInterface({ input: child.stdout });
      const drained = new Promise((resolve) => lines.on("close", resolve));
      let isArmed = false;
      lines.on("line", (line) => {
        const [word, number] = line.split(" ");
        if (word === "ack") acknowledged = Math.max(acknowledged, Number(number));
        if (isArmed) return;
        isArmed = true;
        setTimeout(() => child.kill("SIGKILL"), Math.random() * 150);
      });
      await Promise.all([exited, drained]);
      const state = await reopen(path);
      assert.equal(state.damage, null);
      assert.ok(state.applied >= acknowledged, `round ${round}: ${acknowledged} was acknowledged, ${state.applied} is there`);
      assert.equal(state.entries.length, state.applied);
      for (const entry of state.entries) assert.ok(entry.payload.startsWith(`<entry ${entry.sequence}>x`));
      for (const row of state.rows) assert.ok(Number(row.value) > state.applied - 10 && Number(row.value) <= state.applied, "rows go with the entries");
    }
    t.diagnostic(`8 kills, ${acknowledged} acknowledged writes`);
  });
});

/** A store that was never closed: its file, its log, and how long the log was after each of its writes. */
async function unclosedStore(directory: string, writes: number): Promise<{ path: string; ends: number[]; state: DurableState }> {
  const path = join(directory, "origin");
  const database = createSqliteDatabase({ path });
  await database.open();
  const ends: number[] = [];
  for (let sequence = 1; sequence <= writes; sequence++) {
    await write(database, update(sequence, 1, 3_000 + 700 * sequence));
    ends.push(statSync(`${path}-wal`).size);
  }
  copyFileSync(path, join(directory, "crashed"));
  copyFileSync(`${path}-wal`, join(directory, "crashed-wal"));
  await database.close();
  return { path: join(directory, "crashed"), ends, state: await reopen(path) };
}

function openCopy(directory: string, path: string, log: Buffer, name: string): DurableState {
  const copy = join(directory, name);
  copyFileSync(path, copy);
  writeFileSync(`${copy}-wal`, log);
  const { store, state } = Store.open({ path: copy, keepEntries: 100, pagesMax: 0 });
  store.close();
  return state;
}

test("a torn last transaction is forgotten, and nothing before it", async () => {
  await withDirectory(async (directory) => {
    const { path, ends, state } = await unclosedStore(directory, 6);
    const log = readFileSync(`${path}-wal`);
    const [acknowledged = 0, end = 0] = ends.slice(-2);
    assert.ok(end > acknowledged + 4_000);
    for (let trial = 0; trial < 40; trial++) {
      // What the disk makes of a transaction that was not synced: cut off, or with pages missing or torn.
      let torn = Buffer.from(log);
      const at = acknowledged + Math.floor(Math.random() * (end - acknowledged));
      if (trial % 3 === 0) torn = torn.subarray(0, at);
      else if (trial % 3 === 1) torn.fill(0, at, Math.min(end, at + 512));
      else torn.fill(trial, at, end);
      const found = openCopy(directory, path, torn, `torn-${trial}`);
      assert.equal(found.damage, null, `trial ${trial} at ${at}`);
      assert.ok(found.applied === 5 || found.applied === 6, `trial ${trial}`);
      assert.deepEqual(found.entries, state.entries.slice(0, found.applied));
    }
  });
});

test("damage in the middle of the write-ahead log is not taken for a torn end", async () => {
  await withDirectory(async (directory) => {
    const { path, ends } = await unclosedStore(directory, 6);
    const log = readFileSync(`${path}-wal`);
    for (let trial = 0; trial < 40; trial++) {
      const hurt = Buffer.from(log);
      const at = Math.floor(Math.random() * (ends.at(-3) ?? 0)); // in the head or in one of the first four writes
      hurt[at] = (hurt[at] ?? 0) ^ (1 << (trial % 8));
      const name = `hurt-${trial}`;
      const found = openCopy(directory, path, hurt, name);
      assert.ok(found.damage !== null, `trial ${trial}: byte ${at} of the log`);
      assert.match(found.damage.problem, /write-ahead log/);
      assert.equal(found.fresh, true);
      assert.deepEqual(readFileSync(`${found.damage.aside}-wal`), hurt, "the evidence stays as it was");
      assert.deepEqual(readFileSync(found.damage.aside), readFileSync(path));
    }
  });
});

test("a store without its file but with its log was lost, not new", async () => {
  await withDirectory(async (directory) => {
    const { path } = await unclosedStore(directory, 3);
    const alone = join(directory, "alone");
    copyFileSync(`${path}-wal`, `${alone}-wal`);
    const state = await reopen(alone);
    assert.match(state.damage?.problem ?? "", /the file is gone/);
    assert.equal(state.applied, 0);
    assert.ok(existsSync(`${alone}.damaged-1-wal`));
  });
});
