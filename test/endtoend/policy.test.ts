import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import type { Explanation, GroupView, NodeView, ResourceView } from "../../src/model/views.ts";
import type { ClusterView } from "../../src/model/views.ts";
import { Appender } from "./support/appender.ts";
import { Launcher } from "./support/launcher.ts";
import { isAlive, kill } from "./support/processes.ts";
import { Sandbox } from "./support/sandbox.ts";
import { until } from "./support/until.ts";

/** What the properties say follows from a failure: a restart, another node, in the end Failed with what to do about it. */

const ADDRESS = "127.0.13.1";
const URL = `http://${ADDRESS}:18131/`;
const sandbox = new Sandbox(ADDRESS);
let launcher: Launcher;

before(async () => {
  launcher = await Launcher.start(sandbox, { options: ["--address", ADDRESS, "--port", "18131"] });
});
after(() => sandbox.dispose());

interface Status {
  readonly cluster: ClusterView;
  readonly nodes: readonly NodeView[];
  readonly groups: readonly GroupView[];
}

/** A role of one program. */
async function create(group: string, words: readonly string[], ...properties: readonly string[]): Promise<void> {
  await launcher.json("group", "create", group);
  await launcher.json("resource", "create", `${group} program`, "--group", group, "--type", "Generic Application", `CommandLine=${words.map((word) => `"${word}"`).join(" ")}`, ...properties);
}

test("a role that hangs is found by its health check and started again on the same node", async () => {
  const ask = (path: string): Promise<{ node: string; processId: number }> => fetch(`${URL}${path}`, { signal: AbortSignal.timeout(1_000) }).then((response) => response.json() as Promise<{ node: string; processId: number }>);
  const before = await until("it answers", () => ask(""));
  await assert.rejects(ask("hang"), "it was asked to hang");
  const after = await until("it answers again", async () => {
    const answer = await ask("");
    return answer.processId !== before.processId ? answer : null;
  });
  assert.equal(after.node, before.node);
  assert.ok(!isAlive(before.processId));
  const events = await launcher.muster("events", "--group", "web");
  assert.match(events.stdout, /health check: .* did not answer within 2000 ms/);
  assert.match((await launcher.muster("group", "log", "web")).stdout, /asked to hang/);
});

test("restart on the same node, then the other nodes, then Failed: the reason and the next step in status, why and group show", async () => {
  const appender = new Appender(sandbox, "policy");
  appender.watch();
  await create("short", appender.program);
  const online = await launcher.muster("group", "online", "short");
  assert.equal(online.exitCode, 0, online.stderr);

  const places: string[] = [];
  for (let kills = 0; kills < 6; kills++) {
    const processId = await appender.writes();
    places.push((await launcher.group("short")).ownerNode!);
    kill(processId, "SIGKILL");
    await until("it is gone", () => !isAlive(processId));
  }
  assert.equal(places[0], places[1], "restarted on its node first");
  assert.equal(places[2], places[3]);
  assert.equal(places[4], places[5]);
  assert.equal(new Set(places).size, 3, `each node was tried: ${places.join(", ")}`);

  await until("it is left failed", async () => (await launcher.group("short")).state === "Failed");
  assert.deepEqual(appender.copies(), []);
  appender.unwatch();
  appender.assertSingle();

  const shown = await launcher.json<GroupView>("group", "show", "short");
  assert.equal(shown.state, "Failed");
  assert.equal(shown.ownerNode, places[5]);
  assert.match(shown.reason.text, /'short program' failed twice within 15 minutes \(its process \d+ was killed by SIGKILL.*failed over twice in 6 hours already \(FailoverThreshold 2\)/);
  assert.equal(shown.reason.command, "muster group online short");
  const status = await launcher.muster("status", "--check");
  assert.equal(status.exitCode, 1);
  assert.match(status.stdout, /Not healthy:\n.*short/);
  assert.match(status.stdout, /^short +Failed/m);
  const why = await launcher.muster("why", "short");
  assert.match(why.stdout, /Next: muster group online short/);
  const explained = await launcher.json<Explanation>("why", "short");
  assert.deepEqual([explained.state, explained.failovers.count, explained.command], ["Failed", 2, "muster group online short"]);
  assert.equal((await launcher.json<ResourceView>("resource", "show", "short program")).failures.count, 2);
  assert.ok((await launcher.json<Status>("status")).cluster.problems.some((problem) => problem.includes("short")));

  // The one command that is shown helps.
  const again = await launcher.muster("group", "online", "short");
  assert.equal(again.exitCode, 0, again.stderr);
  const processId = await appender.writes();
  assert.equal((await launcher.json<GroupView>("group", "show", "short")).failovers.count, 0, "counted from zero");
  const gone = await launcher.muster("group", "delete", "short", "--force");
  assert.equal(gone.exitCode, 0, gone.stderr);
  await until("a deleted role has no process", () => !isAlive(processId));
});

test("a role that fails at once wherever it goes ends as Failed; once it is mended, online tries again", async () => {
  const broken = sandbox.path("broken");
  writeFileSync(broken, "");
  await create("mended", ["sh", "-c", `test ! -e ${broken} || { echo the thing is broken; exit 7; }; sleep 1000`]);
  const failed = await launcher.muster("group", "online", "mended", "--json");
  assert.equal(failed.exitCode, 1);
  assert.equal(failed.error().code, "MUSTER_GROUP_FAILED");
  assert.match(failed.error().message, /exited with code 7; its last line: the thing is broken.*failed over twice/);
  assert.match(failed.error().next, /muster why mended; its output: muster group log mended/);
  assert.match((await launcher.muster("group", "log", "mended")).stdout, /the thing is broken/);

  rmSync(broken);
  const online = await launcher.muster("group", "online", "mended", "--json");
  assert.equal(online.exitCode, 0, online.stderr);
  assert.equal(online.json<GroupView>().state, "Online");
  const program = await launcher.json<ResourceView>("resource", "show", "mended program");
  assert.ok(isAlive(program.processId!));
  assert.equal((await launcher.muster("group", "offline", "mended")).exitCode, 0);
  assert.ok(!isAlive(program.processId!), "offline says so when it is");
});

test("a role whose properties say so stays failed, or stays on its node", async () => {
  await create("stays", ["sh", "-c", "sleep 1000"], "RestartAction=0");
  assert.equal((await launcher.muster("group", "online", "stays")).exitCode, 0);
  const { processId, ownerNode } = await launcher.json<ResourceView>("resource", "show", "stays program");
  kill(processId!, "SIGKILL");
  const failed = await until("it is failed", async () => {
    const group = await launcher.group("stays");
    return group.state === "Failed" ? group : null;
  });
  assert.equal(failed.ownerNode, ownerNode);
  assert.match(failed.reason.text, /RestartAction says not to restart/);
  assert.equal((await launcher.muster("group", "delete", "stays", "--force")).exitCode, 0);
});

test("Ctrl-C with roles in all states leaves nothing", async () => {
  assert.equal(await launcher.interrupt(), 0);
  await sandbox.assertNothingLeft();
});
