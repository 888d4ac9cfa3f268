import assert from "node:assert/strict";
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, test } from "node:test";
import type { GroupView, ResourceTypeView, ResourceView } from "../../src/model/views.ts";
import { Launcher } from "./support/launcher.ts";
import type { NodeAnswer } from "./support/launcher.ts";
import { ROOT, Sandbox } from "./support/sandbox.ts";
import { until } from "./support/until.ts";

/** What is wrong has a named error and changes nothing: in commands, in the API, in directories, in users' modules. */

const sandbox = new Sandbox("127.0.16.1", "127.0.16.2", "127.0.16.3");
afterEach(() => sandbox.killAll());
after(() => sandbox.dispose());

test("commands and requests that are wrong: a named error, and nothing is changed", async () => {
  const launcher = await Launcher.start(sandbox, { options: ["--nodes", "1", "--address", "127.0.16.1"], program: ["sleep", "100000"] });
  await launcher.json("group", "create", "other");
  await launcher.json("resource", "create", "stranger", "--group", "other", "--type", "IP Address", "Address=127.0.16.2");

  const snapshot = async (): Promise<string> => {
    const [nodes, groups, resources, keys] = await Promise.all([launcher.get<NodeAnswer[]>("/v1/nodes"), launcher.get<GroupView[]>("/v1/groups"), launcher.get<ResourceView[]>("/v1/resources"), launcher.get<string[]>("/v1/database")]);
    return JSON.stringify({ states: nodes.map(({ name, state }) => [name, state]), groups, resources, keys }, (key, value: unknown) => (key === "forMs" ? undefined : value));
  };
  const before = await snapshot();
  const application = ["resource", "create", "x", "--group", "sleep", "--type", "Generic Application"];
  const cases: readonly (readonly [exitCode: number, code: string, field: string | null, words: readonly string[]])[] = [
    // names
    [105, "MUSTER_GROUP_NOT_FOUND", null, ["group", "online", "nothing"]],
    [105, "MUSTER_RESOURCE_NOT_FOUND", null, ["resource", "set", "nothing", "RestartDelay=1"]],
    [105, "MUSTER_NODE_NOT_FOUND", null, ["node", "pause", "n7"]],
    [105, "MUSTER_NODE_NOT_FOUND", null, ["group", "move", "sleep", "n7"]],
    [105, "MUSTER_NODE_NOT_FOUND", null, ["group", "create", "y", "--preferred-owners", "n1,n7"]],
    [105, "MUSTER_GROUP_NOT_FOUND", null, ["resource", "create", "x", "--group", "nothing", "--type", "Generic Application", "CommandLine=true"]],
    [105, "MUSTER_TYPE_NOT_FOUND", null, ["resource", "create", "x", "--group", "sleep", "--type", "Generic Aplication", "CommandLine=true"]],
    [65, "MUSTER_NAME_IN_USE", null, ["group", "create", "Sleep"]],
    [65, "MUSTER_NAME_IN_USE", null, ["resource", "create", "stranger", "--group", "sleep", "--type", "IP Address", "Address=127.0.16.3"]],
    [2, "MUSTER_INVALID_ARGUMENT", "name", ["group", "create", "x".repeat(65)]],
    // properties
    [2, "MUSTER_MISSING_PROPERTY", "CommandLine", application],
    [2, "MUSTER_UNKNOWN_PROPERTY", "Colour", [...application, "CommandLine=true", "Colour=red"]],
    [2, "MUSTER_PROPERTY_RANGE", "StopTimeout", [...application, "CommandLine=true", "StopTimeout=soon"]],
    [2, "MUSTER_PROPERTY_RANGE", "RestartThreshold", ["resource", "set", "sleep program", "RestartThreshold=-1"]],
    [2, "MUSTER_READ_ONLY_PROPERTY", "PersistentState", ["resource", "set", "sleep program", "PersistentState=1"]],
    [2, "MUSTER_INVALID_ARGUMENT", null, ["resource", "set", "sleep program", "no-equals-sign"]],
    // what only the type itself can tell
    [2, "MUSTER_ADDRESS_UNSUPPORTED", null, ["resource", "create", "x", "--group", "sleep", "--type", "IP Address", "Address=192.168.1.1"]],
    [2, "MUSTER_ADDRESS_UNSUPPORTED", null, ["resource", "create", "x", "--group", "sleep", "--type", "ip address", "Address=127.1"]],
    [2, "MUSTER_ADDRESS_UNSUPPORTED", null, ["resource", "set", "sleep address", "Address=::1"]],
    [2, "MUSTER_ADDRESS_UNSUPPORTED", null, ["resource", "set", "sleep address", "Address=8.8.8.8", "--dry-run"]],
    [2, "MUSTER_INVALID_ARGUMENT", "CommandLine", [...application, "CommandLine='no end"]],
    [2, "MUSTER_INVALID_ARGUMENT", "Environment", [...application, "CommandLine=true", "Environment=NOTHING"]],
    [2, "MUSTER_INVALID_ARGUMENT", "HealthCheckUrl", ["resource", "set", "sleep program", "HealthCheckUrl=gopher://x"]],
    // dependencies
    [65, "MUSTER_DEPENDENCY_CYCLE", null, ["resource", "depend", "sleep address", "[sleep program]"]],
    [65, "MUSTER_DEPENDENCY_CYCLE", null, ["resource", "depend", "sleep address", "[sleep address]"]],
    [65, "MUSTER_DEPENDENCY_OUTSIDE_GROUP", null, ["resource", "depend", "sleep program", "[stranger]"]],
    [105, "MUSTER_RESOURCE_NOT_FOUND", null, ["resource", "depend", "sleep program", "[nothing]"]],
    [2, "MUSTER_DEPENDENCY_SYNTAX", null, ["resource", "depend", "sleep program", "[sleep address] and"]],
    // states
    [113, "MUSTER_GROUP_NOT_OFFLINE", null, ["group", "delete", "sleep"]],
    [113, "MUSTER_RESOURCE_NOT_OFFLINE", null, ["resource", "delete", "sleep program"]],
    [113, "MUSTER_RESOURCE_NOT_ONLINE", null, ["resource", "fail", "stranger"]],
    [113, "MUSTER_NO_NODE_AVAILABLE", null, ["group", "move", "sleep"]],
    [113, "MUSTER_NODE_NOT_PAUSED", null, ["node", "resume", "n1"]],
  ];
  // A few at a time: each is a process of its own.
  for (let first = 0; first < cases.length; first += 4) {
    await Promise.all(
      cases.slice(first, first + 4).map(async ([exitCode, code, field, words]) => {
        const result = await launcher.muster(...words, "--json");
        assert.equal(result.exitCode, exitCode, `${words.join(" ")}: ${result.stdout}${result.stderr}`);
        const error = result.error();
        assert.equal(error.code, code, words.join(" "));
        if (field !== null) assert.equal(error.field, field, words.join(" "));
        assert.ok(!error.message.includes("{") && error.next !== "" && !error.next.includes("{"), `${error.message} ${error.next}`);
      }),
    );
  }
  assert.equal(await snapshot(), before);

  // The same doors without our own client.
  const { url } = JSON.parse(readFileSync(join(launcher.directory, "nodes", "n1", "endpoint.json"), "utf8")) as { url: string };
  const authorization = `Bearer ${readFileSync(join(launcher.directory, "token"), "utf8")}`;
  const requests: readonly (readonly [status: number, code: string, method: string, path: string, body: string | undefined])[] = [
    [400, "MUSTER_INVALID_ARGUMENT", "POST", "/v1/groups", `{"name": "x"`],
    [400, "MUSTER_INVALID_ARGUMENT", "POST", "/v1/groups", `{"name": 5}`],
    [400, "MUSTER_INVALID_ARGUMENT", "POST", "/v1/groups", `{"name": "x", "colour": "red"}`],
    [400, "MUSTER_INVALID_ARGUMENT", "POST", "/v1/groups", `{}`],
    [400, "MUSTER_INVALID_ARGUMENT", "POST", "/v1/groups", `{"__proto__": {"x": 1}, "name": "x"}`],
    [400, "MUSTER_INVALID_ARGUMENT", "POST", "/v1/groups", `[]`],
    [400, "MUSTER_INVALID_ARGUMENT", "POST", "/v1/resources", `{"name": "x", "group": "sleep", "type": "IP Address", "privateProperties": {"Address": {"a": 1}}}`],
    [400, "MUSTER_INVALID_ARGUMENT", "POST", "/v1/groups", JSON.stringify({ name: "x", properties: { Description: "x".repeat(100_000) } })],
    [400, "MUSTER_INVALID_ARGUMENT", "POST", "/v1/database/batch", `{"operations": [{"operation": "explode", "key": "a"}]}`],
    [400, "MUSTER_INVALID_ARGUMENT", "GET", "/v1/events?after=yesterday", undefined],
    [404, "MUSTER_INVALID_ARGUMENT", "GET", "/v1/nothing", undefined],
    [404, "MUSTER_GROUP_NOT_FOUND", "GET", "/v1/groups/..%2f..%2fetc", undefined],
  ];
  for (const [status, code, method, path, body] of requests) {
    const answer = await fetch(url + path, { method, body, headers: { authorization, ...(body === undefined ? {} : { "content-type": "application/json" }) } });
    const { error } = (await answer.json()) as { error: { code: string; next: string } };
    assert.deepEqual([answer.status, error.code], [status, code], `${method} ${path} ${body?.slice(0, 80)}`);
  }
  assert.equal(await snapshot(), before);

  // An address that another role has: Failed with who has it, nothing is taken away.
  await launcher.json("resource", "create", "twin", "--group", "other", "--type", "IP Address", "Address=127.0.16.1");
  const twin = await launcher.muster("resource", "online", "twin", "--json");
  assert.equal(twin.exitCode, 1);
  assert.match(twin.error().message, /127\.0\.16\.1 is already in use by the role 'sleep' of the cluster 'demo' on node n1/);
  assert.equal((await launcher.group("sleep")).state, "Online");
  assert.equal(await launcher.interrupt(), 0);
  await sandbox.assertNothingLeft();
});

test("directories: not writable, somebody else's, in use, another name; nothing is changed there", async () => {
  const home = sandbox.path("home");
  writeFileSync(join(home, "a file"), "kept");
  for (const directory of [join(home, "a file"), join(home, "a file", "below"), "/proc/muster"]) {
    const result = await sandbox.muster(["try", "--directory", directory, "--", "sleep", "1000"]);
    assert.equal(result.exitCode, 74, `${directory}: ${result.stderr}`);
    assert.match(result.stderr, /muster: The database directory .* cannot be written: /);
  }
  assert.equal(readFileSync(join(home, "a file"), "utf8"), "kept");
  const long = await sandbox.muster(["try", "--directory", join(home, "x".repeat(100)), "--", "sleep", "1000"]);
  assert.equal(long.exitCode, 2, long.stderr);
  assert.match(long.stderr, /too long for a socket's path/);

  const directory = join(home, "one");
  const options = ["--nodes", "1", "--address", "127.0.16.1"];
  const first = await Launcher.start(sandbox, { directory, name: "one", options, program: ["sleep", "100000"] });
  const files = readdirSync(directory);
  const second = await sandbox.muster(["try", "--directory", directory, "--name", "one", "--", "sleep", "1000"]);
  assert.equal(second.exitCode, 73, second.stderr);
  assert.match(second.stderr, new RegExp(`Another cluster already runs in ${directory} \\(process ${first.processId}\\)`));
  const sameName = await sandbox.muster(["try", "--name", "one", "--", "sleep", "1000"]);
  assert.equal(sameName.exitCode, 73, sameName.stderr);
  assert.deepEqual(readdirSync(directory), files);
  assert.equal((await first.group("sleep")).state, "Online");
  assert.equal(await first.interrupt(), 0);

  const renamed = await sandbox.muster(["try", "--directory", directory, "--name", "two", "--", "sleep", "1000"]);
  assert.equal(renamed.exitCode, 78, renamed.stderr);
  assert.match(renamed.stderr, /belongs to the cluster 'one', not 'two'/);

  // Killed, it leaves a link to its directory: a temporary cluster of the same name must not clear that.
  const killed = await Launcher.start(sandbox, { directory, name: "one", options, program: ["sleep", "100000"] });
  await killed.muster("database", "set", "precious", "yes");
  await killed.killEverything();
  const temporary = await Launcher.start(sandbox, { name: "one", options, program: ["sleep", "100000"] });
  assert.notEqual(temporary.clusterId, killed.clusterId);
  assert.equal(await temporary.interrupt(), 0);
  const again = await Launcher.start(sandbox, { directory, name: "one", options, program: ["sleep", "100000"] });
  assert.equal((await again.muster("database", "get", "precious")).stdout, "yes\n");
  assert.equal(await again.interrupt(), 0);
  await sandbox.assertNothingLeft();
});

test("users' resource types: broken modules are named and do not disturb; a good one carries a role", async () => {
  const directory = sandbox.path("home", "types");
  const types = join(directory, "resource-types");
  mkdirSync(types, { recursive: true });
  copyFileSync(join(ROOT, "docs", "examples", "heartbeat-file.ts"), join(types, "heartbeat-file.ts"));
  writeFileSync(join(types, "broken.mjs"), "export default {{{\n");
  writeFileSync(join(types, "wrong.mjs"), "export default { name: 'Wrong', online: 'not a function' };\n");
  writeFileSync(join(types, "ends.mjs"), "process.exit(3);\n");
  writeFileSync(join(types, "throws.mjs"), "export default { name: 'Throws', online() { throw new Error('this cannot be'); } };\n");
  const launcher = await Launcher.start(sandbox, { directory, name: "types", options: ["--address", "127.0.16.3"], program: ["sleep", "100000"] });
  await until("the good types are known", async () => (await launcher.get<ResourceTypeView[]>("/v1/resource-types")).length === 6);
  const names = (await launcher.json<ResourceTypeView[]>("resource", "types")).map((type) => type.name);
  assert.deepEqual(names.toSorted(), ["Generic Application", "Heartbeat File", "IP Address", "IPv6 Address", "Network Name", "Throws"]);
  const log = readFileSync(join(directory, "nodes", "n1", "service.log"), "utf8") + readFileSync(join(directory, "nodes", "n2", "service.log"), "utf8") + readFileSync(join(directory, "nodes", "n3", "service.log"), "utf8");
  assert.match(log, /resource type broken\.mjs was not loaded: /);
  assert.match(log, /resource type wrong\.mjs was not loaded: online: the type 'Wrong' must have a function here/);

  // Properties of users' types are checked like any other.
  await launcher.json("group", "create", "beat");
  const missing = await launcher.muster("resource", "create", "beat file", "--group", "beat", "--type", "Heartbeat File", "--json");
  assert.deepEqual([missing.exitCode, missing.error().code], [2, "MUSTER_MISSING_PROPERTY"]);
  const wrong = await launcher.muster("resource", "create", "beat file", "--group", "beat", "--type", "Wrong", "--json");
  assert.deepEqual([wrong.exitCode, wrong.error().code], [105, "MUSTER_TYPE_NOT_FOUND"]);

  const file = sandbox.path("heartbeat");
  await launcher.json("resource", "create", "beat file", "--group", "beat", "--type", "Heartbeat File", `Path=${file}`, "Interval=100");
  const online = await launcher.muster("group", "online", "beat");
  assert.equal(online.exitCode, 0, online.stderr);
  const owner = (await launcher.group("beat")).ownerNode!;
  assert.ok(readFileSync(file, "utf8").startsWith(`${owner} `));
  const other = ["n1", "n2", "n3"].find((name) => name !== owner)!;
  await launcher.json("group", "move", "beat", other);
  await until("the new owner writes", () => readFileSync(file, "utf8").startsWith(`${other} `));
  // Its owner's monitor dies: the type's work goes on elsewhere or anew.
  const { information } = await launcher.node(other);
  process.kill(information!.monitorProcessIds[0]!, "SIGKILL");
  await launcher.healthy();
  await until("somebody writes again", async () => readFileSync(file, "utf8").startsWith(`${(await launcher.group("beat")).ownerNode} `));

  await launcher.json("group", "create", "throwing");
  await launcher.json("resource", "create", "it throws", "--group", "throwing", "--type", "Throws");
  const thrown = await launcher.muster("group", "online", "throwing", "--json");
  assert.equal(thrown.exitCode, 1);
  assert.match(thrown.error().message, /this cannot be/);
  assert.equal((await launcher.group("sleep")).state, "Online", "the others are not disturbed");
  assert.equal(await launcher.interrupt(), 0);
  assert.ok(!existsSync(file), "taken offline with grace");
  await sandbox.assertNothingLeft();
});
