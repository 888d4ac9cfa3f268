import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, readdirSync, rmSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, test } from "node:test";
import type { NodeView } from "../../src/model/views.ts";
import { Launcher } from "./support/launcher.ts";
import type { NodeAnswer } from "./support/launcher.ts";
import { kill } from "./support/processes.ts";
import { MUSTER, ROOT, Sandbox } from "./support/sandbox.ts";
import { until } from "./support/until.ts";

/** Damage: to a node's copy of the database, to its disk, to the order of things (a second process, another version). */

const sandbox = new Sandbox("127.0.17.1", "127.0.17.2", "127.0.17.3", "127.0.17.4");
afterEach(() => sandbox.killAll());
after(() => sandbox.dispose());

const SLEEPER = ["sleep", "100000"];

/** Writes over a page in the middle of a database file. */
function damage(path: string): void {
  const { size } = statSync(path);
  assert.ok(size >= 5 * 4096, `${path} has ${size} bytes`);
  const descriptor = openSync(path, "r+");
  writeSync(descriptor, Buffer.alloc(4096, "damaged "), 0, 4096, Math.floor(size / 8192) * 4096);
  closeSync(descriptor);
}

/** Appends until the disk has no room. */
function fillDisk(path: string, blockBytes: number): void {
  const descriptor = openSync(path, "a");
  const block = Buffer.alloc(blockBytes, "\n");
  try {
    for (;;) writeSync(descriptor, block);
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, "ENOSPC");
  } finally {
    closeSync(descriptor);
  }
}

async function fill(launcher: Launcher, keys: number): Promise<void> {
  for (let number = 0; number < keys; number++) {
    await launcher.client("n1").send("POST", "/v1/database/batch", { body: { operations: [{ operation: "set", key: `key ${number}`, value: { type: "string", value: "x".repeat(2_000) } }] }, timeoutMs: 20_000 });
  }
}

test("a damaged copy is found at the start: the node fetches a fresh one, gets its vote back, and hosts", async () => {
  const directory = sandbox.path("home", "damaged");
  const options = { directory, name: "damaged", options: ["--address", "127.0.17.1", "--no-restart"], program: SLEEPER };
  const first = await Launcher.start(sandbox, options);
  await fill(first, 20);
  assert.equal(await first.interrupt(), 0);
  const database = join(directory, "nodes", "n2", "database.sqlite");
  damage(database);

  const launcher = await Launcher.start(sandbox, options);
  await launcher.healthy();
  assert.ok(readdirSync(join(directory, "nodes", "n2")).includes("database.sqlite.damaged-1"), "kept as evidence");
  assert.match(readFileSync(join(directory, "nodes", "n2", "service.log"), "utf8"), /The database .*n2\/database\.sqlite is damaged: /);
  const value = await launcher.client("n2").get<{ value: string }>("/v1/database/value/key%2019", { query: { consistent: "true" } });
  assert.equal(value.value.length, 2_000);
  assert.equal((await launcher.muster("group", "move", "sleep", "n2")).exitCode, 0);

  // Its vote counts again: without n1 there are still two of three.
  kill((await launcher.node("n1")).information!.processId, "SIGKILL");
  await until("n1 is down", async () => (await launcher.get<NodeView[]>("/v1/nodes")).find((node) => node.name === "n1")?.state === "Down");
  const set = await launcher.muster("database", "set", "without n1", "yes");
  assert.equal(set.exitCode, 0, set.stderr);
  assert.equal((await launcher.group("sleep")).state, "Online");
  assert.equal(await launcher.interrupt(), 0);
  await sandbox.assertNothingLeft();
});

test("a damaged copy of a node that is alone: refused with instructions, and left as it is", async () => {
  const directory = sandbox.path("home", "alone");
  const words = ["try", "--directory", directory, "--name", "alone", "--nodes", "1", "--address", "127.0.17.2"];
  const first = await Launcher.start(sandbox, { directory, name: "alone", options: ["--nodes", "1", "--address", "127.0.17.2"], program: SLEEPER });
  await fill(first, 20);
  assert.equal(await first.interrupt(), 0);
  const database = join(directory, "nodes", "n1", "database.sqlite");
  damage(database);
  const digest = (): string => createHash("sha256").update(readFileSync(database)).digest("hex");
  const before = [digest(), ...readdirSync(join(directory, "nodes", "n1")).filter((name) => name.startsWith("database"))];
  for (let attempt = 0; attempt < 2; attempt++) {
    const result = await sandbox.muster([...words, "--", ...SLEEPER]);
    assert.equal(result.exitCode, 74, result.stderr);
    assert.match(result.stderr, /muster: The database .* is damaged \(.*\) and there is no other node to copy from\.\nRestore .* from a backup, or remove it to start an empty cluster\./);
  }
  assert.deepEqual([digest(), ...readdirSync(join(directory, "nodes", "n1")).filter((name) => name.startsWith("database"))], before);
  await sandbox.assertNothingLeft();
});

test("a disk that is full: the node leaves and says why, and rejoins when there is space again", { skip: process.getuid?.() === 0 ? false : "needs root for a small file system of its own" }, async () => {
  const directory = sandbox.path("home", "full");
  const place = join(directory, "nodes", "n2");
  mkdirSync(place, { recursive: true });
  const launcher = await Launcher.start(sandbox, {
    directory,
    name: "full",
    command: ["unshare", "--mount", "sh", "-c", `mount -t tmpfs -o size=8m tmpfs "$0" && exec "$@"`, place, process.execPath, MUSTER, "try", "--directory", directory, "--name", "full", "--address", "127.0.17.3", "--", ...SLEEPER],
  });
  const inside = `/proc/${launcher.processId}/root${place}`;
  await fill(launcher, 5);
  const { processId } = (await launcher.node("n2")).information!;
  fillDisk(join(inside, "filler"), 4096);
  // Not even its log has room.
  fillDisk(join(inside, "service.log"), 1);

  let keys = 0;
  await until("n2 leaves", async () => {
    await fill(launcher, 5);
    keys += 5;
    return (await launcher.get<NodeView[]>("/v1/nodes")).find((node) => node.name === "n2")?.state === "Down";
  });
  assert.ok(keys > 0);
  // Asked itself, it says why; for the others it is down. Its service lives.
  const status = await until("it says why", async () => {
    const result = await sandbox.muster(["status", "--connect", `unix:${inside}/api.sock`]);
    return /The disk of .* is full/.test(result.stdout + result.stderr) ? result : null;
  });
  assert.ok(status !== null);
  const words = ["status", "--directory", directory];
  const shown = await sandbox.run("nsenter", ["--mount", "--target", String(launcher.processId), process.execPath, MUSTER, ...words]);
  assert.match(shown.stdout, /^n2 +Down .*It says: The disk of .*n2\/database\.sqlite is full\./m, shown.stderr);
  assert.equal((await launcher.group("sleep")).state, "Online");
  rmSync(join(inside, "filler"));
  await launcher.healthy();
  assert.equal((await launcher.node("n2")).information!.processId, processId, "nobody had to start it again");
  assert.equal((await launcher.muster("group", "move", "sleep", "n2")).exitCode, 0);
  assert.equal(await launcher.interrupt(), 0);
  await sandbox.assertNothingLeft();
});

test("a node of another version, and a second process for a node: refused by name, nothing is disturbed", async () => {
  const launcher = await Launcher.start(sandbox, { options: ["--address", "127.0.17.4", "--no-restart"], program: SLEEPER });
  const start = (node: string, ...imports: readonly string[]): ReturnType<Sandbox["run"]> =>
    sandbox.run(process.execPath, [...imports, "--disable-warning=ExperimentalWarning", join(ROOT, "src", "api", "node-process.ts"), JSON.stringify({ directory: launcher.directory, node, workingDirectory: sandbox.directory, listen: null, endWithParent: false })]);

  // Its database is held by the first process: that is found before anything else.
  const second = await start("n3");
  assert.ok(second.exitCode === 74 || second.exitCode === 73, second.stdout);
  assert.match(second.stdout, /cannot start: (The database .* is in use by another process|Node 3 already runs)/);
  await launcher.healthy();
  assert.ok(existsSync(join(launcher.directory, "nodes", "n3", "api.sock")), "the first one still has its door");
  assert.equal((await launcher.client("n3").get<{ state: string }>("/v1/cluster")).state, "Active");

  kill((await launcher.node("n3")).information!.processId, "SIGKILL");
  await until("n3 is down", async () => (await launcher.get<NodeAnswer[]>("/v1/nodes")).find((node) => node.name === "n3")?.state === "Down");
  const generation = (await launcher.group("sleep")).generation;
  const newer = await start("n3", "--import", new URL("./support/other-version.ts", import.meta.url).href);
  assert.equal(newer.exitCode, 78, newer.stdout);
  assert.match(newer.stdout, /cannot start: Node \d speaks protocol version \d+; this node speaks \d+\. Install the same version/);
  assert.equal((await launcher.group("sleep")).generation, generation);
  const view = await launcher.get<{ members: string[] }>("/v1/cluster");
  assert.deepEqual(view.members, ["n1", "n2"]);
  assert.equal(await launcher.interrupt(), 0);
  await sandbox.assertNothingLeft();
});
