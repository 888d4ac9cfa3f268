import { accessSync, constants, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Command as Program } from "commander";
import type { ApiClient } from "../../api/client.ts";
import { LocalCluster } from "../../launcher/local-cluster.ts";
import { quoteCommandLine } from "../../model/command-line.ts";
import { MusterError } from "../../model/errors.ts";
import type { ClusterEvent } from "../../model/events.ts";
import type { GroupView, NodeView } from "../../model/views.ts";
import { path, until } from "../common.ts";
import { clock, list } from "../output.ts";

interface TryOptions {
  readonly nodes: string;
  readonly address: string;
  readonly port?: string;
  readonly name: string;
  readonly directory?: string;
  readonly restart: boolean;
}

interface Role {
  readonly group: string;
  readonly words: readonly string[];
  readonly address: string;
  readonly port: number | null;
  /** More of the type's private properties. */
  readonly health: Readonly<Record<string, string | number>>;
}

const RESTART_DELAY_MS = 3_000;
const ONLINE_LIMIT_MS = 60_000;
/** Small enough to see a hang in a demonstration, large enough to cost nothing. */
const POLL_MS = 1_000;
const DEMONSTRATION_PORT = 8080;

export function tryCommands(program: Program): void {
  program
    .command("try")
    .argument("[command...]", "the program to keep running, after --; none = a demonstration")
    .description("a cluster on this machine that keeps a program running; Ctrl-C ends it")
    .option("--nodes <count>", "how many nodes", "3")
    .option("--address <address>", "address of the role, in 127.0.0.0/8", "127.0.0.100")
    .option("--port <port>", "port the program serves: it is watched there, and gets it as PORT")
    .option("--name <name>", "name of the cluster", "demo")
    .option("--directory <dir>", "keep the cluster there; default: a temporary one")
    .option("--no-restart", "do not start nodes again that were killed")
    .passThroughOptions()
    .action(async (words: string[], options: TryOptions) => run(words, options));
}

async function run(words: readonly string[], options: TryOptions): Promise<void> {
  const role = words.length === 0 ? demonstration(options) : own(words, options);
  if (!isProgram(role.words[0]!)) throw new MusterError("MUSTER_COMMAND_NOT_FOUND", { command: role.words[0]! });
  const nodes = wholeNumber("--nodes", options.nodes, 1, 64);
  const interrupted = untilInterrupted();
  say(`Starting ${nodes} node${nodes === 1 ? "" : "s"} on this machine…`);
  const cluster = await LocalCluster.start({
    name: options.name,
    nodes,
    directory: options.directory === undefined ? null : resolve(options.directory),
    workingDirectory: process.cwd(),
    restartDelayMs: options.restart ? RESTART_DELAY_MS : null,
    onNotice: (text) => say(`${clock(Date.now())}  ${text}`),
  });
  const stopTelling = new AbortController();
  try {
    await Promise.race([setUp(cluster, role), interrupted.then(() => {})]);
    if (!interrupted.happened()) {
      await introduce(cluster, role);
      void tell(cluster, stopTelling.signal);
      await interrupted;
    }
  } catch (error) {
    await describeFailure(cluster, role);
    throw error;
  } finally {
    stopTelling.abort();
    say("Ending the role and the nodes…");
    await cluster.stop();
  }
  say("Everything is ended.");
}

function demonstration(options: TryOptions): Role {
  const program = fileURLToPath(new URL(import.meta.url.endsWith(".ts") ? "../../launcher/demonstration.ts" : "../../launcher/demonstration.js", import.meta.url));
  const port = options.port === undefined ? DEMONSTRATION_PORT : wholeNumber("--port", options.port, 1, 65535);
  return { group: "web", words: [process.execPath, program], address: options.address, port, health: { HealthCheckUrl: `http://${options.address}:${port}/` } };
}

function own(words: readonly string[], options: TryOptions): Role {
  const port = options.port === undefined ? null : wholeNumber("--port", options.port, 1, 65535);
  const name = basename(words[0]!).replace(/[^A-Za-z0-9._-]/g, "-").slice(0, 50);
  return { group: name === "" ? "role" : name, words, address: options.address, port, health: port === null ? {} : { HealthCheckUrl: `tcp://${options.address}:${port}` } };
}

/** True when the nodes will find the program: they have this directory and this environment. */
function isProgram(command: string): boolean {
  const candidates = command.includes("/") ? [resolve(command)] : (process.env["PATH"] ?? "/bin:/usr/bin").split(":").map((directory) => join(resolve(directory), command));
  return candidates.some((path) => {
    try {
      accessSync(path, constants.X_OK);
      return statSync(path).isFile();
    } catch {
      return false;
    }
  });
}

function wholeNumber(field: string, text: string, minimum: number, maximum: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < minimum || value > maximum) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field, problem: `a whole number from ${minimum} to ${maximum}` });
  return value;
}

/** Makes the role if the cluster does not have it yet, and brings it online. */
async function setUp(cluster: LocalCluster, role: Role): Promise<void> {
  const client = cluster.client();
  const groups = await client.get<GroupView[]>("/v1/groups");
  if (!groups.some((group) => group.name === role.group)) await create(client, role);
  await client.send("POST", `${path("groups", role.group)}/online`);
  const group = await until(() => client.get<GroupView>(path("groups", role.group)), (answer) => answer.state === "Online" || answer.state === "Failed", ONLINE_LIMIT_MS);
  if (group.state === "Failed") throw new MusterError("MUSTER_GROUP_FAILED", { name: group.name, reason: group.reason.text });
}

async function create(client: ApiClient, role: Role): Promise<void> {
  const polls = { LooksAlivePollInterval: POLL_MS, IsAlivePollInterval: POLL_MS };
  const environment = [`MUSTER_ADDRESS=${role.address}`, ...(role.port === null ? [] : [`PORT=${role.port}`])];
  await client.send("POST", "/v1/groups", { body: { name: role.group } });
  await client.send("POST", "/v1/resources", { body: { name: `${role.group} address`, group: role.group, type: "IP Address", privateProperties: { Address: role.address } } });
  await client.send("POST", "/v1/resources", {
    body: {
      name: `${role.group} program`,
      group: role.group,
      type: "Generic Application",
      dependency: `[${role.group} address]`,
      properties: polls,
      privateProperties: { CommandLine: quoteCommandLine(role.words), CurrentDirectory: process.cwd(), Environment: environment, ...role.health },
    },
  });
}

async function introduce(cluster: LocalCluster, role: Role): Promise<void> {
  const client = cluster.client();
  const group = await client.get<GroupView>(path("groups", role.group));
  const nodes = await client.get<(NodeView & { readonly information: { readonly processId: number } | null })[]>("/v1/nodes");
  const owner = nodes.find((node) => node.name === group.ownerNode);
  say("");
  say(`The role '${role.group}' runs on ${group.ownerNode} and is kept running by ${list(nodes.map((node) => node.name))}.`);
  if (role.port !== null) say(`  It answers at   http://${role.address}:${role.port}/`);
  say(`  The API is at   unix:${client.address}   (any node's; description: /openapi.json)`);
  say("");
  say("In another terminal, try:");
  say("  npx muster status");
  say(`  npx muster why ${role.group}`);
  say(`  npx muster what-if node ${group.ownerNode} down`);
  if (owner?.information != null) say(`  kill -9 ${owner.information.processId}          # the service of ${owner.name}: the role moves`);
  say(`  npx muster group move ${role.group}`);
  say("  npx muster events -f");
  say("Ctrl-C ends everything.");
  say("");
}

/** Prints what an onlooker wants to know, from whichever node lives. */
async function tell(cluster: LocalCluster, signal: AbortSignal): Promise<void> {
  let last: string | undefined;
  while (!signal.aborted) {
    try {
      const client = cluster.client();
      last ??= (await client.get<ClusterEvent[]>("/v1/events")).at(-1)?.id;
      for await (const event of client.events({ after: last }, signal)) {
        last = event.id;
        if (event.level !== "information" || event.resource === null) say(`${clock(event.wallTimeMs)}  ${event.text}`);
      }
    } catch {
      // That node has gone: the next one goes on where it stopped.
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function describeFailure(cluster: LocalCluster, role: Role): Promise<void> {
  try {
    const client = cluster.client();
    for await (const text of client.text(`${path("groups", role.group)}/log`, { query: { lines: "20" } })) say(text);
  } catch {
    // The error itself says enough.
  }
}

function untilInterrupted(): Promise<void> & { happened(): boolean } {
  let happened = false;
  const promise = new Promise<void>((resolve) => {
    const interrupt = (): void => {
      happened = true;
      resolve();
    };
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.on(signal, interrupt);
    }
    // Started by the same command on an older Node: it goes when that one goes.
    process.on("disconnect", interrupt);
    process.channel?.unref();
  });
  return Object.assign(promise, { happened: () => happened });
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
