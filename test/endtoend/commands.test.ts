import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import type { ClusterEvent } from "../../src/model/events.ts";
import type { Explanation, GroupView, Plan, ResourceTypeView, ResourceView } from "../../src/model/views.ts";
import { Launcher } from "./support/launcher.ts";
import type { NodeAnswer } from "./support/launcher.ts";
import { kill } from "./support/processes.ts";
import { MUSTER, Sandbox } from "./support/sandbox.ts";
import type { CommandResult } from "./support/sandbox.ts";
import { sleep, until } from "./support/until.ts";

/** Every command as a person and as a program would use it: what goes to stdout, what to stderr, exit codes, dry runs. */

const ADDRESS = "127.0.15.1";
const sandbox = new Sandbox(ADDRESS, "127.0.15.2");
let launcher: Launcher;

before(async () => {
  launcher = await Launcher.start(sandbox, { options: ["--address", ADDRESS, "--port", "18151"] });
});
after(() => sandbox.dispose());

/** Runs a command for people; it must succeed. */
async function run(...words: readonly string[]): Promise<CommandResult> {
  const result = await launcher.muster(...words);
  assert.equal(result.exitCode, 0, `muster ${words.join(" ")}: ${result.stderr}`);
  // eslint-disable-next-line no-control-regex
  assert.ok(!/\u001b/.test(result.stdout + result.stderr), "no colours in a pipe");
  return result;
}

async function fails(exitCode: number, code: string, ...words: readonly string[]): Promise<CommandResult> {
  const result = await launcher.muster(...words, "--json");
  assert.equal(result.exitCode, exitCode, `muster ${words.join(" ")}: ${result.stderr}`);
  assert.equal(result.stdout, "", "errors do not go to stdout");
  assert.equal(result.error().code, code);
  return result;
}

/** All that a dry run must not change. */
async function snapshot(): Promise<unknown> {
  const [nodes, groups, resources, keys] = await Promise.all([launcher.get<NodeAnswer[]>("/v1/nodes"), launcher.get<GroupView[]>("/v1/groups"), launcher.get<ResourceView[]>("/v1/resources"), launcher.get<string[]>("/v1/database")]);
  return JSON.parse(JSON.stringify({ nodes: nodes.map(({ information, ...node }) => ({ ...node, tag: information?.tag })), groups, resources, keys }, (key, value: unknown) => (key === "forMs" ? undefined : value)));
}

const PLANS_MAX = 4;

/**
 * What the cluster records by itself a second after a role got its node may fall between two looks, once per role.
 * What a dry run changed it would change each time.
 */
async function planned(words: readonly string[]): Promise<Plan> {
  for (let attempt = 1; ; attempt++) {
    const before = await snapshot();
    const plan = await launcher.json<Plan>(...words, "--dry-run");
    const after = await snapshot();
    if (isDeepStrictEqual(after, before)) return plan;
    if (attempt === PLANS_MAX) assert.deepEqual(after, before, `--dry-run of ${words.join(" ")} changed something, ${PLANS_MAX} times`);
  }
}

/** A dry run changes nothing; done in earnest, the same groups end in the same states at the same places. */
async function plannedAndDone(...words: readonly string[]): Promise<Plan> {
  const plan = await planned(words);
  const last = (await launcher.get<ClusterEvent[]>("/v1/events")).at(-1)!.id;
  const done = await launcher.muster(...words);
  assert.equal(done.exitCode, 0, done.stderr);
  for (const planned of plan.groups) {
    await until(`${planned.group} is as planned after ${words.join(" ")}`, async () => {
      const group = (await launcher.get<GroupView[]>("/v1/groups")).find((candidate) => candidate.name === planned.group);
      return (group?.state ?? null) === planned.after && (planned.after === null || group?.ownerNode === planned.ownerNode);
    });
  }
  const events = await launcher.client("n1").get<ClusterEvent[]>("/v1/events", { query: { after: last } });
  const codes = (list: readonly ClusterEvent[]): number[] => list.map((event) => event.code);
  assert.deepEqual(codes(plan.events).toSorted(), codes(events.slice(0, plan.events.length)).toSorted(), `what was told differs from the plan of ${words.join(" ")}`);
  return plan;
}

test("reading: status, nodes, groups, resources, why, what-if, types, exit codes", async () => {
  const nodes = await launcher.json<NodeAnswer[]>("node", "list");
  const { ownerNode } = await launcher.json<GroupView>("group", "show", "web");
  const [status, nodeList, node, groups, group, resources, resource, types, why, events, log, keys, exitCodes, help] = await Promise.all([
    run("status"), run("node", "list"), run("node", "show", "n2"), run("group", "list"), run("group", "show", "web"), run("resource", "list", "--group", "web"),
    run("resource", "show", "web program"), run("resource", "types"), run("why", "web"), run("events"), run("group", "log", "web"), run("database", "list"), sandbox.muster(["exit-codes"]), sandbox.muster(["--help"]),
  ]);
  for (const result of [status, nodeList, node, groups, group, resources, resource, types, why, events, log]) {
    assert.notEqual(result.stdout, "");
    assert.equal(result.stderr, "", "data goes to stdout alone");
  }
  assert.match(status.stdout, /Cluster demo: 3 of 3 nodes up, 1 of 1 roles online/);
  assert.ok(status.stdout.split("\n").length < 24, "one screen");
  for (const { name, information } of nodes) assert.match(nodeList.stdout, new RegExp(`^${name} +Up .*${information!.processId} +${information!.monitorProcessIds[0]!}`, "m"));
  assert.match(node.stdout, /Service: process \d+, version/);
  assert.match(groups.stdout, new RegExp(`^web +Online +${ownerNode}`, "m"));
  assert.match(group.stdout, /web program +Generic Application +Online/);
  assert.match(resources.stdout, /web address +web +IP Address +Online/);
  assert.match(resource.stdout, /Depends on: \[web address\]/);
  assert.match(types.stdout, /Generic Application: .*[^]*CommandLine +\(required\)/);
  assert.match(why.stdout, new RegExp(`${ownerNode} \\(owner\\) +yes`));
  assert.match(events.stdout, /joined the active view/);
  assert.equal(keys.stdout, "");
  assert.match(exitCodes.stdout, /^105 .*MUSTER_GROUP_NOT_FOUND/m);
  assert.equal(help.exitCode, 0);

  const plan = await launcher.json<Plan>("what-if", "node", ownerNode!, "down");
  assert.deepEqual(plan.moves.map((move) => [move.group, move.from]), [["web", ownerNode]]);
  assert.match((await run("what-if", "node", ownerNode!, "down")).stdout, /^ROLE +FROM +TO +WHY\nweb /);
  assert.match((await run("what-if", "resource", "web program", "fails")).stdout, /restarted/);
  assert.equal((await launcher.json<Explanation>("why", "web")).ownerNode, ownerNode);
  const all = await launcher.json<ResourceTypeView[]>("resource", "types");
  assert.deepEqual(all.map((type) => type.name).toSorted(), ["Generic Application", "IP Address", "IPv6 Address", "Network Name"]);
  const some = await launcher.json<ClusterEvent[]>("events", "--level", "warning");
  assert.ok(some.every((event) => event.level !== "information"));
});

test("changing: each verb is planned by --dry-run, and then happens so", async () => {
  await plannedAndDone("group", "create", "second role", "--preferred-owners", "n2,n3", "Description=made by a test");
  await plannedAndDone("resource", "create", "sleeper", "--group", "second role", "--type", "Generic Application", "CommandLine=sleep 100000", "RestartThreshold=5");
  await plannedAndDone("resource", "create", "its address", "--group", "second role", "--type", "ip address", "Address=127.0.15.2");
  await plannedAndDone("resource", "depend", "sleeper", "[its address]");
  const online = await plannedAndDone("group", "online", "second role");
  assert.deepEqual(online.groups.map((group) => [group.group, group.after, group.ownerNode]), [["second role", "Online", "n2"]]);
  await plannedAndDone("group", "set", "second role", "FailoverThreshold=9");
  await plannedAndDone("resource", "set", "sleeper", "RestartDelay=10", "--possible-owners", "n1,n2,n3");
  const move = await plannedAndDone("group", "move", "second role", "n3");
  assert.deepEqual(move.moves.map((one) => [one.from, one.to]), [["n2", "n3"]]);
  await plannedAndDone("resource", "offline", "sleeper");
  await plannedAndDone("resource", "online", "sleeper");
  const fail = await launcher.json<Plan>("resource", "fail", "sleeper", "--dry-run");
  assert.deepEqual(fail.moves, []);
  const before = (await launcher.resource("sleeper")).processId;
  await run("resource", "fail", "sleeper");
  await until("it is restarted", async () => {
    const now = await launcher.resource("sleeper");
    return now.state === "Online" && now.processId !== before;
  });
  const drain = await plannedAndDone("node", "pause", "n3", "--drain");
  assert.deepEqual(drain.moves.map((one) => [one.group, one.from, one.to]).filter(([group]) => group === "second role"), [["second role", "n3", "n2"]]);
  assert.match((await run("status")).stdout, /^n3 +Paused/m);
  await fails(113, "MUSTER_NODE_ALREADY_PAUSED", "node", "pause", "n3");
  await fails(113, "MUSTER_NODE_NOT_AVAILABLE", "group", "move", "second role", "n3");
  await plannedAndDone("node", "resume", "n3");
  await fails(113, "MUSTER_GROUP_NOT_OFFLINE", "group", "delete", "second role");
  await fails(113, "MUSTER_RESOURCE_HAS_DEPENDENTS", "resource", "delete", "its address", "--force");
  await plannedAndDone("group", "offline", "second role");
  await plannedAndDone("resource", "delete", "sleeper");
  const done = await run("group", "delete", "second role");
  assert.equal(done.stdout, "");
  assert.equal(done.stderr, "The role 'second role' was deleted.\n");

  await plannedAndDone("database", "set", "a/b", "a value with spaces");
  assert.equal((await run("database", "get", "a/b")).stdout, "a value with spaces\n");
  assert.deepEqual(await launcher.json("database", "list", "a/"), ["a/b"]);
  await fails(113, "MUSTER_CONDITION_FAILED", "database", "set", "a/b", "x", "--if-absent");
  await plannedAndDone("database", "delete", "a/b");
  await fails(105, "MUSTER_KEY_NOT_FOUND", "database", "get", "a/b");
});

test("errors have a name, an exit code and a next step; nothing is printed to stdout", async () => {
  await Promise.all([
    fails(105, "MUSTER_GROUP_NOT_FOUND", "group", "show", "nothing"),
    fails(105, "MUSTER_NODE_NOT_FOUND", "node", "show", "n9"),
    fails(105, "MUSTER_RESOURCE_NOT_FOUND", "resource", "online", "nothing"),
    fails(65, "MUSTER_NAME_IN_USE", "group", "create", "WEB"),
    fails(2, "MUSTER_INVALID_ARGUMENT", "what-if", "node", "n1", "explodes"),
    fails(2, "MUSTER_INVALID_ARGUMENT", "group", "online", "web", "--timeout", "soon"),
  ]);
  const plain = await launcher.muster("why", "nothing");
  assert.equal(plain.stderr, "muster: There is no group named 'nothing'.\nGroups: muster group list\n");
  for (const words of [["no-such-command"], ["group", "show"], ["status", "--no-such-option"], ["resource", "create", "x", "--group", "web"]]) {
    const wrong = await sandbox.muster(words);
    assert.equal(wrong.exitCode, 2, `${words.join(" ")}: ${wrong.stderr}`);
    assert.match(wrong.stderr, /^error: /);
    assert.equal(wrong.stdout, "");
  }
  const nobody = await sandbox.muster(["status", "--directory", sandbox.path("home"), "--json"]);
  assert.deepEqual([nobody.exitCode, nobody.error().code], [102, "MUSTER_NOT_REACHABLE"]);
  const other = await sandbox.muster(["status", "--cluster", "other", "--json"]);
  assert.deepEqual([other.exitCode, other.error().code], [102, "MUSTER_NOT_REACHABLE"]);
});

test("--connect: a socket, a URL with the token, a wrong one, none, and nonsense", async () => {
  const directory = `${launcher.directory}/nodes/n2`;
  const { url, socket } = JSON.parse(readFileSync(`${directory}/endpoint.json`, "utf8")) as { url: string; socket: string };
  const token = readFileSync(`${launcher.directory}/token`, "utf8");
  // Elsewhere, where nobody knows the cluster.
  const elsewhere = { XDG_RUNTIME_DIR: sandbox.path("home") };
  const ask = (connect: string, more: Readonly<Record<string, string>> = {}): Promise<CommandResult> => sandbox.muster(["node", "list", "--json", "--connect", connect], { environment: { ...elsewhere, ...more } });
  const [unix, right, wrong, none, scheme, closed, absent, variable] = await Promise.all([
    ask(`unix:${socket}`), ask(url, { MUSTER_TOKEN: token }), ask(url, { MUSTER_TOKEN: "wrong" }), ask(url), ask("ftp://127.0.0.1"), ask("http://127.0.15.1:9"), ask("unix:/no/such/socket"),
    sandbox.muster(["node", "list", "--json"], { environment: { ...elsewhere, MUSTER_CONNECT: `unix:${socket}` } }),
  ]);
  for (const good of [unix, right, variable]) assert.equal(good.json<NodeAnswer[]>().length, 3, good.stderr);
  for (const refused of [wrong, none]) assert.deepEqual([refused.exitCode, refused.error().code], [77, "MUSTER_UNAUTHORIZED"]);
  assert.equal(scheme.exitCode, 2);
  for (const unreachable of [closed, absent]) assert.deepEqual([unreachable.exitCode, unreachable.error().code], [102, "MUSTER_NOT_REACHABLE"]);
  // On the machine of the cluster the token is found by itself.
  assert.equal((await sandbox.muster(["status", "--connect", url])).exitCode, 0);
  // A browser on this machine has no token.
  const page = await fetch(`${url}/v1/cluster`);
  assert.equal(page.status, 401);
  const description = await (await fetch(`${url}/openapi.json`, { headers: { authorization: `Bearer ${token}` } })).json() as { openapi: string; paths: Record<string, unknown> };
  assert.equal(description.openapi, "3.1.0");
  assert.ok("/v1/groups/{group}/move" in description.paths);
});

test("a node that hangs does not keep commands from answering; events -f goes on when nodes die; pipes may close", async () => {
  const follower = spawn(process.execPath, [MUSTER, "events", "-f", "--json", "--directory", launcher.directory], { env: sandbox.environment(), stdio: ["ignore", "pipe", "pipe"] });
  let followed = "";
  let talk = "";
  follower.stdout.setEncoding("utf8").on("data", (text: string) => (followed += text));
  follower.stderr.setEncoding("utf8").on("data", (text: string) => (talk += text));
  const ids = (): string[] => followed.split("\n").filter((line) => line.endsWith("}")).map((line) => (JSON.parse(line) as ClusterEvent).id);
  await until("it follows", () => ids().length > 3);

  const { information } = await launcher.node("n1");
  kill(information!.processId, "SIGSTOP");
  const results = await Promise.all([run("status"), run("group", "show", "web"), run("database", "set", "while", "it hangs"), run("node", "list")]);
  assert.match(results[0].stdout, /Cluster demo/);
  kill(information!.processId, "SIGCONT");
  await launcher.healthy();

  // One after the other, until it was the one that tells.
  for (const name of ["n1", "n2", "n3"]) {
    if (talk.includes("looking for another")) break;
    kill((await launcher.node(name)).information!.processId, "SIGKILL");
    await launcher.healthy();
    await sleep(200);
  }
  assert.match(talk, /The node that told has gone; looking for another/);
  await run("group", "create", "the last one");
  await until("the last event is followed", () => followed.includes("the last one"));
  const all = await launcher.get<ClusterEvent[]>("/v1/events");
  assert.deepEqual(ids(), all.map((event) => event.id).slice(-ids().length), "no gap and no repeat");
  kill(follower.pid!, "SIGTERM");

  for (const words of ["events", "resource types", "status"]) {
    const piped = await sandbox.run("sh", ["-c", `"$1" "$2" ${words} --directory "$3" | head -1`, "sh", process.execPath, MUSTER, launcher.directory], { environment: { NO_COLOR: "1" } });
    assert.equal(piped.stdout.split("\n").length, 2);
    assert.equal(piped.stderr, "");
  }
});

test("Ctrl-C leaves nothing", async () => {
  assert.equal(await launcher.interrupt(), 0);
  await sandbox.assertNothingLeft();
});
