import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { ResourceView } from "../../src/model/views.ts";
import { Appender } from "./support/appender.ts";
import { Launcher } from "./support/launcher.ts";
import type { NodeAnswer } from "./support/launcher.ts";
import { isAlive, kill, readProcess } from "./support/processes.ts";
import { Sandbox } from "./support/sandbox.ts";
import { sleep, until } from "./support/until.ts";

/**
 * One cluster, one role that binds no port (so that nothing but the cluster keeps a second copy from running), and
 * everything that can be killed or stopped, one after the other. After each: exactly one copy, no orphan, the
 * node is back, has caught up, and hosts the role again.
 */

const sandbox = new Sandbox("127.0.12.1");
const appender = new Appender(sandbox, "failures");
let launcher: Launcher;

before(async () => {
  launcher = await Launcher.start(sandbox, { options: ["--address", "127.0.12.1"], program: appender.program });
  appender.watch();
  // The counters of the policy are another test's.
  await launcher.json("resource", "set", "sh program", "RestartThreshold=1000");
  await launcher.json("group", "set", "sh", "FailoverThreshold=1000");
  // Nodes die here more often than a quarantine would bear.
  await launcher.json("cluster", "set", "QuarantineThreshold=0");
});
after(() => sandbox.dispose());

interface Victims {
  readonly node: string;
  readonly service: number;
  readonly monitor: number;
  /** The role's process. */
  readonly role: number;
}

async function processesOf(name: string): Promise<Omit<Victims, "role">> {
  const { information } = await launcher.node(name);
  return { node: name, service: information!.processId, monitor: information!.monitorProcessIds[0]! };
}

/** The owner, once the role writes. */
async function owner(): Promise<Victims> {
  const role = await appender.writes();
  const { ownerNode } = await launcher.group("sh");
  return { ...(await processesOf(ownerNode!)), role };
}

/** Everything is as it should be: the old copy is gone, one new one writes, all nodes serve, and the one that was hit can host. */
async function recovers(hit: Omit<Victims, "role">, gone: readonly number[]): Promise<void> {
  await until("what was to end has ended", () => gone.every((processId) => !isAlive(processId)));
  await appender.writes();
  await launcher.healthy();
  const role = await appender.writes();
  const program = await launcher.resource("sh program");
  assert.equal(program.state, "Online");
  assert.equal(program.processId, role);
  await assertNoOrphans();
  if ((await launcher.group("sh")).ownerNode !== hit.node) {
    const moved = await launcher.muster("group", "move", "sh", hit.node);
    assert.equal(moved.exitCode, 0, moved.stderr);
    await until("the role has left the other node", () => !isAlive(role));
  }
  await appender.writes();
  assert.equal((await launcher.group("sh")).ownerNode, hit.node);
  assert.equal((await launcher.node(hit.node)).information!.tag, (await launcher.node("n1")).information!.tag, "its copy of the database has caught up");
}

/** Only the launcher, three services, three monitors with their guards, and the role. */
async function assertNoOrphans(): Promise<void> {
  await until("no orphans", async () => {
    const nodes = await launcher.get<NodeAnswer[]>("/v1/nodes");
    const monitors = nodes.flatMap((node) => node.information?.monitorProcessIds ?? []);
    const known = new Set([launcher.processId, ...nodes.map((node) => node.information?.processId), ...monitors, ...appender.copies()]);
    // Guards belong to their monitor, `sleep` to the role.
    const strangers = sandbox.processes().filter((processId) => !known.has(processId) && !known.has(readProcess(processId)?.parent ?? 0));
    if (strangers.length > 0) throw new Error(`processes ${strangers.join(", ")}`);
    return true;
  });
}

test("kill -9 of the owner's service", async () => {
  const hit = await owner();
  kill(hit.service, "SIGKILL");
  await recovers(hit, [hit.service, hit.monitor, hit.role]);
});

test("kill -9 of the owner's monitor", async () => {
  const hit = await owner();
  kill(hit.monitor, "SIGKILL");
  await recovers(hit, [hit.monitor, hit.role]);
  assert.equal((await processesOf(hit.node)).service, hit.service, "the service goes on");
});

test("kill -9 of both together; the events say what happened", async () => {
  const hit = await owner();
  kill(hit.monitor, "SIGKILL");
  kill(hit.service, "SIGKILL");
  await recovers(hit, [hit.service, hit.monitor, hit.role]);
  const events = await launcher.muster("events", "--group", "sh");
  assert.match(events.stdout, new RegExp(`The role 'sh' fails over from ${hit.node} to n\\d: ${hit.node} is down`));
  const resources = await launcher.json<ResourceView[]>("resource", "list", "--group", "sh");
  assert.deepEqual(resources.map((resource) => resource.state), ["Online", "Online"]);
});

test("kill -9 of the role's process", async () => {
  const hit = await owner();
  kill(hit.role, "SIGKILL");
  await recovers(hit, [hit.role]);
  assert.deepEqual(await processesOf(hit.node), { node: hit.node, service: hit.service, monitor: hit.monitor });
});

test("kill -9 of the node that holds the sequencer", async () => {
  const hit = await processesOf(await launcher.sequencerNode());
  kill(hit.service, "SIGKILL");
  await recovers(hit, [hit.service, hit.monitor]);
});

test("kill -9 of the node that orders the log, while it owns the role", async () => {
  const orderer = (await launcher.get<NodeAnswer[]>("/v1/nodes")).find((node) => node.information?.isOrderer)!;
  if ((await launcher.group("sh")).ownerNode !== orderer.name) await launcher.json("group", "move", "sh", orderer.name);
  const hit = await owner();
  assert.equal(hit.node, orderer.name);
  kill(hit.service, "SIGKILL");
  await recovers(hit, [hit.service, hit.monitor, hit.role]);
});

/** Stops processes, waits until the role runs elsewhere or anew, lets them go on, and proves that nothing bad comes of it. */
async function stopAndContinue(hit: Omit<Victims, "role">, processIds: readonly number[], taken: () => Promise<boolean>, gone: readonly number[]): Promise<void> {
  for (const processId of processIds) kill(processId, "SIGSTOP");
  await until("the role was taken over", taken);
  const role = await appender.writes();
  for (const processId of processIds) kill(processId, "SIGCONT");
  // The stale one has every chance to do harm now.
  await sleep(1_000);
  assert.ok(appender.copies().length <= 1, "at most one copy");
  await recovers(hit, gone);
  assert.ok(role > 0);
}

test("SIGSTOP of the owner's service", async () => {
  const hit = await owner();
  await stopAndContinue(hit, [hit.service], async () => (await launcher.group("sh")).ownerNode !== hit.node, [hit.monitor, hit.role]);
});

test("SIGSTOP of the owner's monitor", async () => {
  const hit = await owner();
  await stopAndContinue(hit, [hit.monitor], () => Promise.resolve(!isAlive(hit.role)), [hit.monitor, hit.role]);
});

test("SIGSTOP of both", async () => {
  const hit = await owner();
  await stopAndContinue(hit, [hit.service, hit.monitor], async () => (await launcher.group("sh")).ownerNode !== hit.node, [hit.monitor, hit.role]);
});

test("SIGSTOP of the role's process", async () => {
  const hit = await owner();
  await stopAndContinue(hit, [hit.role], () => Promise.resolve(!isAlive(hit.role)), [hit.role]);
});

test("SIGSTOP of the node that holds the sequencer", async () => {
  const hit = await processesOf(await launcher.sequencerNode());
  const others = (): Promise<boolean> => launcher.get<NodeAnswer[]>("/v1/nodes").then((nodes) => nodes.find((node) => node.name === hit.node)?.state === "Down");
  await stopAndContinue(hit, [hit.service], others, [hit.monitor]);
});

test("Ctrl-C: exit code 0, nothing left, and never two copies", async () => {
  assert.equal(await launcher.interrupt(), 0);
  appender.unwatch();
  appender.assertSingle();
  await sandbox.assertNothingLeft();
});
