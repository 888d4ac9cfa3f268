import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { after, afterEach, test } from "node:test";
import type { ResourceView } from "../../src/model/views.ts";
import { Appender } from "./support/appender.ts";
import { Launcher } from "./support/launcher.ts";
import type { NodeAnswer } from "./support/launcher.ts";
import { commandLine, environment, isAlive, kill, listProcesses } from "./support/processes.ts";
import { MUSTER, Sandbox } from "./support/sandbox.ts";
import { until } from "./support/until.ts";

/** `muster try -- PROGRAM`: real programs as roles, and what people expect around them. */

const sandbox = new Sandbox("127.0.11.1", "127.0.11.2", "127.0.11.3", "127.0.11.4", "127.0.11.5");
afterEach(() => sandbox.killAll());
after(() => sandbox.dispose());

const read = (url: string): Promise<string> => fetch(url, { signal: AbortSignal.timeout(2_000) }).then((response) => response.text());

test("python3 -m http.server serves the working directory, on a single node", async () => {
  const place = sandbox.path("home", "with a space");
  mkdirSync(place);
  writeFileSync(`${place}/hello.txt`, "hello from here\n");
  const launcher = await Launcher.start(sandbox, {
    options: ["--nodes", "1", "--address", "127.0.11.1", "--port", "18111"],
    program: ["python3", "-m", "http.server", "--bind", "127.0.11.1", "18111"],
    currentDirectory: place,
  });
  assert.deepEqual(launcher.nodeNames, ["n1"]);
  assert.equal(await until("it answers", () => read("http://127.0.11.1:18111/hello.txt")), "hello from here\n");
  // What it writes is at hand; with one line per request.
  await until("the request is in its output", async () => /GET \/hello\.txt/.test((await launcher.muster("group", "log", "python3")).stdout));
  assert.equal(await launcher.interrupt(), 0);
  await sandbox.assertNothingLeft();
});

test("five nodes: a Node server with words that need quotes, an environment and a relative file", async () => {
  const words = ["two words", `it's "quoted"`, "back\\slash", "", "$HOME `id` *", "ünïcödé", "--port", "-x"];
  writeFileSync(
    sandbox.path("server.mjs"),
    `import { createServer } from "node:http"; import { readFileSync } from "node:fs";
     console.log("started with", process.argv.length - 2, "words");
     createServer((request, response) => {
       console.log("asked for", request.url);
       response.end(JSON.stringify({ words: process.argv.slice(2), mine: process.env.OF_THE_CALLER, port: process.env.PORT, address: process.env.MUSTER_ADDRESS, node: process.env.MUSTER_NODE, file: readFileSync("relative.txt", "utf8"), directory: process.cwd(), processId: process.pid }));
     }).listen(Number(process.env.PORT), process.env.MUSTER_ADDRESS);`,
  );
  writeFileSync(sandbox.path("relative.txt"), "found");
  const launcher = await Launcher.start(sandbox, {
    options: ["--nodes", "5", "--address", "127.0.11.2", "--port", "18112"],
    program: [process.execPath, "server.mjs", ...words],
    environment: { OF_THE_CALLER: "a value\nof two lines" },
  });
  assert.equal(launcher.nodeNames.length, 5);
  const url = "http://127.0.11.2:18112/";
  const served = JSON.parse(await read(url)) as Record<string, unknown>;
  const owner = (await launcher.group("node")).ownerNode;
  const { processId, ...rest } = served;
  assert.deepEqual(rest, { words, mine: "a value\nof two lines", port: "18112", address: "127.0.11.2", node: owner, file: "found", directory: sandbox.directory });
  assert.deepEqual(commandLine(Number(processId)).slice(2), words);
  // Nothing of the monitor's own business is handed on.
  assert.ok(!environment(Number(processId)).some((variable) => variable.startsWith("MUSTER_MONITOR=") || variable.startsWith("NODE_CHANNEL_FD=")));

  // The log, whole and followed.
  const log = await launcher.muster("group", "log", "node");
  assert.equal(log.exitCode, 0, log.stderr);
  assert.match(log.stdout, /started with 8 words/);
  const json = await launcher.json<{ group: string; lines: string[] }>("group", "log", "node", "-n", "3");
  assert.equal(json.group, "node");
  assert.ok(json.lines.length > 0);
  const follower = spawn(process.execPath, [MUSTER, "group", "log", "node", "-f", "-n", "0", "--directory", launcher.directory], { env: sandbox.environment(), stdio: ["ignore", "pipe", "inherit"] });
  let followed = "";
  follower.stdout.setEncoding("utf8").on("data", (text: string) => (followed += text));
  await until("what is new is followed", async () => {
    await read(`${url}follow-me`);
    return followed.includes("asked for /follow-me");
  });
  assert.ok(!followed.includes("started with"), "-n 0 shows only what is new");

  // Every node can host it, and the log goes on.
  const before = new Set<string>();
  for (const { name } of await launcher.get<NodeAnswer[]>("/v1/nodes")) {
    const moved = await launcher.muster("group", "move", "node", name);
    assert.equal(moved.exitCode, 0, moved.stderr);
    await until(`it answers from ${name}`, async () => (JSON.parse(await read(url)) as { node: string }).node === name);
    before.add(name);
  }
  assert.equal(before.size, 5);
  await until("the follower sees the new copy start", () => followed.includes("started with"));
  kill(follower.pid!, "SIGINT");

  // Two of five may die.
  const nodes = await launcher.get<NodeAnswer[]>("/v1/nodes");
  for (const node of nodes.slice(3)) kill(node.information!.processId, "SIGKILL");
  await until("it answers from a node that lives", async () => ["n1", "n2", "n3"].includes((JSON.parse(await read(url)) as { node: string }).node));
  await launcher.healthy();
  assert.equal(await launcher.interrupt(), 0);
  await sandbox.assertNothingLeft();
});

test("nginx, with its own workers; they end with the role", async () => {
  const place = sandbox.path("home", "nginx");
  mkdirSync(`${place}/www`, { recursive: true });
  writeFileSync(`${place}/www/index.html`, "nginx is here\n");
  writeFileSync(
    `${place}/nginx.conf`,
    `daemon off; worker_processes 2; pid ${place}/nginx.pid; error_log stderr;
     events { worker_connections 64; }
     http { access_log off; client_body_temp_path ${place}/body; proxy_temp_path ${place}/proxy; fastcgi_temp_path ${place}/fastcgi; uwsgi_temp_path ${place}/uwsgi; scgi_temp_path ${place}/scgi;
       server { listen 127.0.11.3:18113; root ${place}/www; } }\n`,
  );
  // A master that is root gives its workers another user, who has to get at the files.
  await sandbox.run("chmod", ["a+x", sandbox.directory, sandbox.path("home")]);
  const launcher = await Launcher.start(sandbox, { options: ["--address", "127.0.11.3", "--port", "18113"], program: ["nginx", "-p", place, "-c", `${place}/nginx.conf`] });
  const url = "http://127.0.11.3:18113/";
  assert.equal(await until("nginx answers", () => read(url)), "nginx is here\n");

  const master = (await launcher.resource("nginx program")).processId!;
  const workers = listProcesses().filter(({ parent }) => parent === master).map(({ processId }) => processId);
  assert.equal(workers.length, 2);
  // Its workers hold the port: a master that dies must not leave them.
  kill(master, "SIGKILL");
  await until("the old workers are gone", () => !workers.some(isAlive));
  assert.equal(await until("nginx answers again", () => read(url)), "nginx is here\n");
  const owner = (await launcher.group("nginx")).ownerNode;
  kill((await launcher.node(owner!)).information!.processId, "SIGKILL");
  await until("nginx answers from another node", async () => (await launcher.group("nginx")).ownerNode !== owner && (await read(url)) === "nginx is here\n");
  assert.equal(await launcher.interrupt(), 0);
  await sandbox.assertNothingLeft();
});

test("a program that binds no port, in a directory that is kept", async () => {
  const appender = new Appender(sandbox, "kept");
  const directory = sandbox.path("home", "kept");
  const options = { directory, name: "kept", options: ["--address", "127.0.11.4"], program: appender.program };
  const launcher = await Launcher.start(sandbox, options);
  appender.watch();
  const first = await appender.writes();
  const program = await launcher.json<ResourceView>("resource", "show", "sh program");
  assert.equal(program.processId, first);
  assert.ok(!launcher.output.includes("It answers at"), "nothing answers without a port");
  assert.equal(await launcher.interrupt(), 0);
  assert.ok(!isAlive(first));
  await sandbox.assertNothingLeft();
  assert.ok(readdirSync(directory).includes("cluster.json"));

  // The same directory again: the same cluster, and the role is not made a second time.
  const again = await Launcher.start(sandbox, options);
  assert.equal(again.clusterId, launcher.clusterId);
  assert.notEqual(await appender.writes(), first);
  assert.equal((await again.get<ResourceView[]>("/v1/resources")).length, 2);
  const output = readFileSync(`${directory}/output/${program.id}.log`, "utf8");
  assert.match(output, /\[muster /);
  assert.equal(await again.interrupt(), 0);
  appender.unwatch();
  appender.assertSingle();
  await sandbox.assertNothingLeft();
});

test("a program that does not exist, and command lines that are wrong: a named error, an exit code, nothing left", async () => {
  const missing = await sandbox.muster(["try", "--address", "127.0.11.5", "--", "no-such-program-at-all", "x"]);
  assert.equal(missing.exitCode, 127, missing.stderr);
  assert.match(missing.stderr, /muster: The program 'no-such-program-at-all' was not found\./);
  await sandbox.assertNothingLeft();

  for (const [words, problem] of [
    [["--nodes", "0"], /--nodes: a whole number from 1 to 64/],
    [["--nodes", "three"], /--nodes: a whole number/],
    [["--port", "70000"], /--port: a whole number from 1 to 65535/],
    [["--name", "no good"], /name: 1 to 15 letters/],
    [["--nodes", "1", "--address", "10.0.0.1"], /Address: 10\.0\.0\.1 is not a loopback address/],
    [["--addres", "127.0.0.1"], /unknown option '--addres'/],
  ] as const) {
    const result = await sandbox.muster(["try", ...words, "--", "sleep", "1000"]);
    assert.equal(result.exitCode, 2, `${words.join(" ")}: ${result.stderr}`);
    assert.match(result.stderr, problem);
    assert.ok(!/ {4}at /.test(result.stderr), "no stack trace");
    await sandbox.assertNothingLeft();
  }

  // A program that ends at once: the reason has its exit code and its last line.
  const broken = await sandbox.muster(["try", "--nodes", "1", "--address", "127.0.11.5", "--", "sh", "-c", "echo cannot find my configuration; exit 3"]);
  assert.equal(broken.exitCode, 1, broken.stderr);
  assert.match(broken.stderr, /exited with code 3; its last line: cannot find my configuration/);
  await sandbox.assertNothingLeft();
});
