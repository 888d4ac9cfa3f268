import assert from "node:assert/strict";
import { after, afterEach, test } from "node:test";
import { MusterError } from "../../src/model/errors.ts";
import type { ClusterEvent } from "../../src/model/events.ts";
import type { DatabaseOperation } from "../../src/model/inputs.ts";
import type { DatabaseValue } from "../../src/model/objects.ts";
import { Launcher } from "./support/launcher.ts";
import type { NodeAnswer } from "./support/launcher.ts";
import { kill } from "./support/processes.ts";
import { Sandbox } from "./support/sandbox.ts";
import { sleep, until } from "./support/until.ts";

/** The Cluster Database through the API: nothing acknowledged is lost, conditions hold, readers see what is newest, events have no gap. */

const sandbox = new Sandbox("127.0.14.1", "127.0.14.2");
afterEach(() => sandbox.killAll());
after(() => sandbox.dispose());

function put(launcher: Launcher, node: string, operations: readonly DatabaseOperation[]): Promise<{ readonly at: { readonly epoch: number; readonly index: number } }> {
  return launcher.client(node).send("POST", "/v1/database/batch", { body: { operations }, timeoutMs: 20_000 });
}

const set = (key: string, value: string): DatabaseOperation => ({ operation: "set", key, value: { type: "string", value } });

async function read(launcher: Launcher, node: string, key: string): Promise<string | null> {
  try {
    const { value } = await launcher.client(node).get<DatabaseValue>(`/v1/database/value/${encodeURIComponent(key)}`, { query: { consistent: "true" } });
    return String(value);
  } catch (error) {
    if (error instanceof MusterError && error.code === "MUSTER_KEY_NOT_FOUND") return null;
    throw error;
  }
}

test("kill -9 of the whole cluster in a stream of updates: every acknowledged one is there afterwards", async () => {
  const directory = sandbox.path("home", "durable");
  const start = (): Promise<Launcher> => Launcher.start(sandbox, { directory, name: "durable", options: ["--address", "127.0.14.1"], program: ["sleep", "100000"] });
  const acknowledged = new Map<string, string>();
  let total = 0;
  for (let round = 1; round <= 3; round++) {
    const launcher = await start();
    // All nodes agree on what is there, and it is what was promised.
    for (const [key, value] of acknowledged) assert.equal(await read(launcher, ["n1", "n2", "n3"][total % 3]!, key), value, `${key}, acknowledged before the power failed`);
    if (acknowledged.size > 0) {
      const keys = await Promise.all(launcher.nodeNames.map(async (node) => (await read(launcher, node, "round"), launcher.client(node).get<string[]>("/v1/database"))));
      assert.deepEqual(keys[1], keys[0]);
      assert.deepEqual(keys[2], keys[0]);
    }
    let over = false;
    const writers = Array.from({ length: 6 }, async (_, writer) => {
      const node = launcher.nodeNames[writer % 3]!;
      for (let number = 1; !over; number++) {
        const key = `round ${round}/writer ${writer}/${number % 5}`;
        const value = `${number}`;
        try {
          await put(launcher, node, [set(key, value), set("round", String(round))]);
        } catch {
          // Not acknowledged: it may be there or not, so nothing is known of the key any more.
          acknowledged.delete(key);
          return;
        }
        acknowledged.set(key, value);
        acknowledged.set("round", String(round));
        total++;
      }
    });
    const before = total;
    await until("updates are acknowledged", () => total > before + 60);
    await launcher.killEverything();
    over = true;
    await Promise.all(writers);
  }
  assert.ok(acknowledged.size > 20);
  const last = await start();
  for (const [key, value] of acknowledged) assert.equal(await read(last, "n2", key), value);
  assert.equal(await last.interrupt(), 0);
  await sandbox.assertNothingLeft();
});

test("conditions, consistent reads, and an event stream that goes on at another node", async (context) => {
  const launcher = await Launcher.start(sandbox, { options: ["--address", "127.0.14.2"], program: ["sleep", "100000"] });

  // A batch takes effect as a whole or not at all.
  await put(launcher, "n1", [set("a", "1"), set("b", "1")]);
  const tag = (): Promise<string[]> => launcher.get<NodeAnswer[]>("/v1/nodes").then((nodes) => nodes.map((node) => node.information!.tag));
  await assert.rejects(put(launcher, "n2", [set("a", "2"), { operation: "equal", key: "b", value: { type: "string", value: "9" } }, set("b", "2"), { operation: "delete", key: "a" }]), (error: MusterError) => {
    assert.equal(error.code, "MUSTER_CONDITION_FAILED");
    assert.match(error.message, /Operation 2 of the batch: the condition 'equal' on 'b' does not hold/);
    return true;
  });
  assert.deepEqual([await read(launcher, "n3", "a"), await read(launcher, "n3", "b")], ["1", "1"]);
  await put(launcher, "n3", [{ operation: "equal", key: "b", value: { type: "string", value: "1" } }, set("b", "2"), { operation: "delete", key: "a" }]);
  assert.deepEqual([await read(launcher, "n1", "a"), await read(launcher, "n2", "b")], [null, "2"]);
  const ifEqual = await launcher.muster("database", "set", "b", "3", "--if-equal", "1", "--json");
  assert.equal(ifEqual.exitCode, 113);
  assert.equal(ifEqual.error().code, "MUSTER_CONDITION_FAILED");

  // Whoever reads consistently sees what was acknowledged before, at whichever node.
  for (let number = 0; number < 30; number++) {
    await put(launcher, launcher.nodeNames[number % 3]!, [set("number", String(number))]);
    assert.equal(await read(launcher, launcher.nodeNames[(number + 1) % 3]!, "number"), String(number));
  }
  // Two who want the same: one gets it.
  const claims = await Promise.allSettled(launcher.nodeNames.map((node) => put(launcher, node, [{ operation: "notExists", key: "claim" }, set("claim", node)])));
  assert.equal(claims.filter((claim) => claim.status === "fulfilled").length, 1);
  await until("all copies are equal", async () => new Set(await tag()).size === 1);

  // Events: the node that tells is killed; the next one goes on after the last id.
  const collected: ClusterEvent[] = [];
  const first = (await launcher.get<ClusterEvent[]>("/v1/events")).at(-1)!.id;
  const controller = new AbortController();
  context.after(() => controller.abort());
  let told = "";
  const follower = (async () => {
    while (!controller.signal.aborted) {
      for (const node of ["n3", "n1", "n2"]) {
        try {
          for await (const event of launcher.client(node).events({ after: collected.at(-1)?.id ?? first }, controller.signal)) {
            collected.push(event);
            told = node;
          }
        } catch {
          // It is gone; the next one.
        }
      }
      await sleep(20);
    }
  })();
  for (let number = 0; number < 3; number++) await launcher.send("POST", "/v1/groups", { body: { name: `before ${number}` } });
  await until("n3 tells", () => told === "n3" && collected.length >= 3);
  kill((await launcher.node("n3")).information!.processId, "SIGKILL");
  for (let number = 0; number < 3; number++) await launcher.send("POST", "/v1/groups", { body: { name: `meanwhile ${number}` }, timeoutMs: 20_000 });
  await launcher.healthy();
  await launcher.send("POST", "/v1/groups", { body: { name: "at the end" } });
  await until("the last event is told", () => collected.some((event) => event.text.includes("at the end")));
  controller.abort();
  await follower;
  const all = await launcher.client("n1").get<ClusterEvent[]>("/v1/events", { query: { after: first } });
  assert.deepEqual(collected.map((event) => event.id), all.map((event) => event.id), "no gap and no repeat");
  assert.ok(collected.some((event) => event.text.includes("n3")));

  // Alone, a node neither writes nor gives an answer that may be old.
  const nodes = await launcher.get<NodeAnswer[]>("/v1/nodes");
  const [n1, ...others] = nodes;
  for (const node of others) kill(node.information!.processId, "SIGSTOP");
  const alone = { connect: `unix:${launcher.directory}/nodes/${n1!.name}/api.sock` };
  const write = await sandbox.muster(["database", "set", "k", "v", "--timeout", "4", "--connect", alone.connect, "--json"]);
  assert.ok(write.exitCode === 106 || write.exitCode === 124, `${write.exitCode}: ${write.stderr}`);
  await until("it says that it waits", async () => {
    const status = await sandbox.muster(["status", "--check", "--connect", alone.connect]);
    return status.exitCode === 1 && /not enough nodes for a majority; waiting for n2, n3/.test(status.stdout);
  });
  const late = await sandbox.muster(["database", "set", "k", "w", "--timeout", "2", "--connect", alone.connect, "--json"]);
  assert.equal(late.exitCode, 106, late.stderr);
  assert.equal(late.error().code, "MUSTER_NO_QUORUM");
  await assert.rejects(launcher.client("n1").get("/v1/database/value/b", { query: { consistent: "true", timeoutMs: "1000" } }), (error: MusterError) => error.code === "MUSTER_NO_QUORUM");
  for (const node of others) kill(node.information!.processId, "SIGCONT");
  await launcher.healthy();
  assert.equal(await read(launcher, "n2", "b"), "2");
  assert.notEqual(await read(launcher, "n2", "k"), "w", "what was refused without having been sent has changed nothing");
  assert.equal(await launcher.interrupt(), 0);
  await sandbox.assertNothingLeft();
});
