import assert from "node:assert/strict";
import { existsSync, readlinkSync } from "node:fs";
import { after, afterEach, test } from "node:test";
import type { ClusterView } from "../../src/model/views.ts";
import { Launcher } from "./support/launcher.ts";
import type { NodeAnswer } from "./support/launcher.ts";
import { commandLine, isAlive, kill } from "./support/processes.ts";
import { ROOT, Sandbox } from "./support/sandbox.ts";
import { until } from "./support/until.ts";

/** The main job: one command forms a cluster that serves; Ctrl-C, or the death of the launcher, ends all of it. */

const ADDRESS = "127.0.10.1";
const PORT = 18_101;
const sandbox = new Sandbox(ADDRESS, "127.0.10.2");
afterEach(() => sandbox.killAll());
after(() => sandbox.dispose());

interface Served {
  readonly node: string;
  readonly processId: number;
}

const serves = (): Promise<Served> => fetch(`http://${ADDRESS}:${PORT}/`, { signal: AbortSignal.timeout(2_000) }).then((response) => response.json() as Promise<Served>);

test("npm start forms three nodes and serves; Ctrl-C ends everything", async () => {
  const launcher = await Launcher.start(sandbox, { command: ["npm", "start", "--silent", "--", "--address", ADDRESS, "--port", String(PORT)], currentDirectory: ROOT, environment: { MUSTER_BUILT: "", NODE_COMPILE_CACHE: sandbox.path("home", "npm") } });

  const nodes = await launcher.json<NodeAnswer[]>("node", "list");
  assert.deepEqual(nodes.map((node) => [node.name, node.state]), [["n1", "Up"], ["n2", "Up"], ["n3", "Up"]]);
  const processIds = nodes.flatMap((node) => [node.information!.processId, ...node.information!.monitorProcessIds]);
  assert.equal(new Set(processIds).size, 6, "each node has a service and a monitor of its own");
  for (const processId of processIds) assert.ok(isAlive(processId));
  for (const node of nodes) assert.ok(existsSync(`${launcher.directory}/nodes/${node.name}/database.sqlite`), "each node has a database file of its own");

  const answer = await until("the role answers", serves);
  const group = await launcher.group("web");
  assert.equal(group.state, "Online");
  assert.equal(answer.node, group.ownerNode);
  assert.equal((await launcher.resource("web program")).processId, answer.processId);

  // What is printed is enough to go on.
  assert.ok(launcher.output.includes(`It answers at   http://${ADDRESS}:${PORT}/`), launcher.output);
  assert.ok(launcher.output.includes(`unix:${launcher.directory}/nodes/n1/api.sock`), launcher.output);
  const owner = nodes.find((node) => node.name === answer.node)!;
  for (const hint of ["npx muster status", "npx muster why web", `npx muster what-if node ${owner.name} down`, `kill -9 ${owner.information!.processId}`, "npx muster group move web", "npx muster events -f"]) {
    assert.ok(launcher.output.includes(hint), `${hint} is not in: ${launcher.output}`);
  }
  assert.ok(!/warning|error/i.test(launcher.output), launcher.output);

  // The commands find it without being told where it is.
  const status = await sandbox.muster(["status", "--check"]);
  assert.equal(status.exitCode, 0, status.stdout);
  assert.match(status.stdout, /All is well\./);

  assert.equal(await launcher.interrupt(), 0);
  assert.match(launcher.output, /Everything is ended\.\n$/);
  await sandbox.assertNothingLeft();
});

test("SIGKILL of the launcher: nodes, monitors and role end by themselves; the next start clears what is left", async () => {
  const launcher = await Launcher.start(sandbox, { options: ["--address", ADDRESS, "--port", String(PORT)] });
  const { processId } = await until("the role answers", serves);
  assert.ok(sandbox.processes().length > 7);
  kill(launcher.processId, "SIGKILL");
  await until("all processes have ended", () => sandbox.processes().length === 0);
  assert.ok(!isAlive(processId));

  const status = await sandbox.muster(["status"]);
  assert.equal(status.exitCode, 102);
  assert.match(status.stderr, /^muster: No node answers .*\n.*npm start/);

  const next = await Launcher.start(sandbox, { options: ["--address", ADDRESS, "--port", String(PORT)] });
  assert.notEqual(next.clusterId, launcher.clusterId);
  await until("the role answers", serves);
  assert.equal(await next.interrupt(), 0);
  await sandbox.assertNothingLeft();
});

test("SIGTERM, and a second cluster beside the first", async () => {
  const [first, second] = await Promise.all([
    Launcher.start(sandbox, { options: ["--address", ADDRESS, "--port", String(PORT)] }),
    Launcher.start(sandbox, { name: "other", options: ["--address", "127.0.10.2", "--port", String(PORT), "--nodes", "1"] }),
  ]);
  const ambiguous = await sandbox.muster(["status", "--json"]);
  assert.equal(ambiguous.exitCode, 2);
  assert.match(ambiguous.error().message, /--cluster: several clusters run here \(demo, other\)/);
  const named = await sandbox.muster(["status", "--cluster", "other", "--json"]);
  assert.equal(named.json<{ cluster: ClusterView }>().cluster.nodes, 1);

  // The role belongs to this machine's sessions, not to the terminal.
  const { processId } = await serves();
  assert.equal(readlinkSync(`/proc/${processId}/cwd`), sandbox.directory);
  assert.ok(commandLine(processId).join(" ").includes("demonstration"));

  kill(first.processId, "SIGTERM");
  kill(second.processId, "SIGTERM");
  assert.deepEqual(await Promise.all([first.ended(), second.ended()]), [0, 0]);
  await sandbox.assertNothingLeft();
});
