import { spawn, spawnSync } from "node:child_process";
import { closeSync, fdatasyncSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { Agent, get, request } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { ApiClient } from "../src/api/client.ts";
import { LocalCluster } from "../src/launcher/local-cluster.ts";
import { quoteCommandLine } from "../src/model/command-line.ts";
import type { GroupView, NodeView } from "../src/model/views.ts";
import { goal, print, summarize } from "./report.ts";
import type { CaseResult, Goal } from "./report.ts";

/**
 * Figures of a cluster on one machine: `npm run bench:local [-- --json] [-- --trials 15]`.
 * Beside each figure stands a baseline of the same run: what the machine takes for the part
 * that is not ours.
 */

const ADDRESS = "127.0.99.1";
const PORT = 8099;
const POLL_MS = 5;
const UPDATES_MS = 5_000;

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const demonstration = join(root, "src", "launcher", "demonstration.ts");
const { values } = parseArgs({ options: { json: { type: "boolean" }, trials: { type: "string" } } });
const trials = Math.max(3, Number(values.trials ?? 15));

interface Answer {
  readonly node: string;
  readonly processId: number;
}
type Node = NodeView & { readonly information: { readonly processId: number; readonly monitorProcessIds: readonly number[] } | null };

const results: CaseResult[] = [];
const goals: Goal[] = [];
process.env["XDG_RUNTIME_DIR"] = mkdtempSync(join(tmpdir(), "muster-bench-"));
try {
  await benchmark();
} finally {
  rmSync(process.env["XDG_RUNTIME_DIR"], { recursive: true, force: true });
}
print("local", results, goals, values.json ?? false);

async function benchmark(): Promise<void> {
  talk("baselines: starting the role's program, syncing the disk");
  results.push(summarize("baseline: start of the role's program until it answers", "ms", await repeat(trials, startOfProgram)));
  results.push(summarize("baseline: one write of 512 bytes and fdatasync", "ms", syncTimes()));
  talk("start");
  results.push(summarize("npm start until the role answers", "ms", await repeat(3, startTime)));
  const cluster = await LocalCluster.start({ name: "bench", nodes: 3, directory: null, workingDirectory: root, restartDelayMs: 500, onNotice: () => {} });
  try {
    await createRole(cluster.client());
    talk("kill -9 of the owner's service");
    const failover = summarize("kill -9 of the owner's service until another node answers", "ms", await repeat(trials, () => failoverTime(cluster)));
    results.push(failover);
    goals.push(goal("failover after kill -9, median, ms", failover.median, "<= 300"));
    talk("planned move");
    const move = summarize("planned move: gap seen by the client", "ms", await repeat(trials, () => moveGap(cluster)));
    results.push(move);
    const programStart = results[0]!.median;
    goals.push(goal("planned move without the program's own start, median, ms", Math.max(0, move.median - programStart), "<= 100"));
    talk("updates");
    for (const writers of [1, 64]) await updates(cluster, writers);
    talk("memory");
    await memory(cluster);
  } finally {
    await cluster.stop();
  }
}

async function repeat(count: number, trial: () => Promise<number>): Promise<number[]> {
  const measured: number[] = [];
  for (let n = 0; n < count; n++) measured.push(await trial());
  return measured;
}

async function startOfProgram(): Promise<number> {
  const startedMs = performance.now();
  const child = spawn(process.execPath, [demonstration], { env: { ...process.env, MUSTER_ADDRESS: ADDRESS, PORT: String(PORT) }, stdio: "ignore" });
  await untilAnswer(() => true);
  const tookMs = performance.now() - startedMs;
  const exited = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await exited;
  return tookMs;
}

function syncTimes(): number[] {
  const directory = mkdtempSync(join(tmpdir(), "muster-bench-sync-"));
  const file = openSync(join(directory, "file"), "w");
  const block = Buffer.alloc(512, 1);
  const times: number[] = [];
  for (let n = 0; n < 300; n++) {
    const startedMs = performance.now();
    writeSync(file, block);
    fdatasyncSync(file);
    times.push(performance.now() - startedMs);
  }
  closeSync(file);
  rmSync(directory, { recursive: true });
  return times;
}

async function startTime(): Promise<number> {
  const startedMs = performance.now();
  const child = spawn("npm", ["start", "--silent", "--", "--address", ADDRESS, "--port", String(PORT), "--name", "benchstart"], { cwd: root, stdio: "ignore" });
  await untilAnswer(() => true, 60_000);
  const tookMs = performance.now() - startedMs;
  const exited = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGINT");
  await exited;
  return tookMs;
}

async function createRole(client: ApiClient): Promise<void> {
  await client.send("POST", "/v1/groups", { body: { name: "web" } });
  await client.send("POST", "/v1/resources", { body: { name: "address", group: "web", type: "IP Address", privateProperties: { Address: ADDRESS } } });
  await client.send("POST", "/v1/resources", {
    body: { name: "program", group: "web", type: "Generic Application", dependency: "[address]", privateProperties: { CommandLine: quoteCommandLine([process.execPath, demonstration]), Environment: [`MUSTER_ADDRESS=${ADDRESS}`, `PORT=${PORT}`] } },
  });
  await client.send("POST", "/v1/groups/web/online");
  await untilAnswer(() => true);
}

async function failoverTime(cluster: LocalCluster): Promise<number> {
  await healthy(cluster);
  const before = (await ask())!;
  const nodes = await cluster.client().get<Node[]>("/v1/nodes");
  const owner = nodes.find((node) => node.name === before.node)!;
  const killedMs = performance.now();
  process.kill(owner.information!.processId, "SIGKILL");
  await untilAnswer((answer) => answer.node !== before.node);
  return performance.now() - killedMs;
}

/** Longest time between two good answers while the role moves. */
async function moveGap(cluster: LocalCluster): Promise<number> {
  await healthy(cluster);
  const before = (await ask())!;
  let lastMs = performance.now();
  let gapMs = 0;
  const moved = cluster.client().send("POST", "/v1/groups/web/move", { body: {} });
  for (;;) {
    const answer = await ask();
    if (answer === null) {
      await pause(POLL_MS);
      continue;
    }
    gapMs = Math.max(gapMs, performance.now() - lastMs);
    lastMs = performance.now();
    if (answer.node !== before.node) break;
    await pause(POLL_MS);
  }
  await moved;
  return gapMs;
}

async function healthy(cluster: LocalCluster): Promise<void> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const view = await Promise.all([cluster.client().get<Node[]>("/v1/nodes"), cluster.client().get<GroupView>("/v1/groups/web")]).catch(() => null);
    if (view !== null && view[0].every((node) => node.state === "Up" && node.information !== null) && view[1].state === "Online" && (await ask())?.node === view[1].ownerNode) break;
    if (Date.now() > deadline) throw new Error("the cluster did not become healthy within 60 s");
    await pause(50);
  }
  // Not in the middle of what the last trial left: files of the killed node, connections.
  await pause(300);
}

async function updates(cluster: LocalCluster, writers: number): Promise<void> {
  await healthy(cluster);
  const endpoint = cluster.client().endpoint;
  const socketPath = "socket" in endpoint ? endpoint.socket : "";
  const agent = new Agent({ keepAlive: true, maxSockets: writers });
  const latencies: number[] = [];
  const untilMs = performance.now() + UPDATES_MS;
  const startedMs = performance.now();
  await Promise.all(
    Array.from({ length: writers }, async (_, writer) => {
      for (let n = 0; performance.now() < untilMs; n++) {
        const sentMs = performance.now();
        await update(socketPath, agent, `bench/${writer}`, n);
        latencies.push(performance.now() - sentMs);
      }
    }),
  );
  const seconds = (performance.now() - startedMs) / 1_000;
  agent.destroy();
  const perSecond = latencies.length / seconds;
  results.push(summarize(`updates acknowledged per second, ${writers} writer${writers === 1 ? "" : "s"}`, "1/s", [perSecond]));
  const latency = summarize(`time of one acknowledged update, ${writers} writer${writers === 1 ? "" : "s"}`, "ms", latencies);
  results.push(latency);
}

function update(socketPath: string, agent: Agent, key: string, value: number): Promise<void> {
  const body = JSON.stringify({ operations: [{ operation: "set", key, value: { type: "number", value } }] });
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, agent, method: "POST", path: "/v1/database/batch", headers: { "content-type": "application/json", "content-length": Buffer.byteLength(body) } }, (response) => {
      response.resume();
      response.on("end", () => (response.statusCode === 200 ? resolve() : reject(new Error(`status ${response.statusCode}`))));
    });
    call.on("error", reject);
    call.end(body);
  });
}

async function memory(cluster: LocalCluster): Promise<void> {
  await pause(3_000);
  const nodes = await cluster.client().get<Node[]>("/v1/nodes");
  const services = nodes.map((node) => node.information!.processId);
  const monitors = nodes.flatMap((node) => node.information!.monitorProcessIds);
  for (const [name, processIds] of [["service", services], ["monitor", monitors]] as const) {
    results.push(summarize(`memory of a ${name}: RSS`, "MiB", processIds.map((id) => kibibytes(`/proc/${id}/status`, "VmRSS") / 1_024)));
    results.push(summarize(`memory of a ${name}: PSS`, "MiB", processIds.map((id) => kibibytes(`/proc/${id}/smaps_rollup`, "Pss") / 1_024)));
  }
  const bare = spawnSync(process.execPath, ["-e", "process.stdout.write(String(process.memoryUsage.rss()))"], { encoding: "utf8" });
  results.push(summarize("baseline: memory of a bare Node process: RSS", "MiB", [Number(bare.stdout) / 1_048_576]));
}

function kibibytes(path: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(readFileSync(path, "utf8"))?.[1] ?? 0);
}

/** One question to the role; null when it does not answer. */
function ask(): Promise<Answer | null> {
  return new Promise((resolve) => {
    const call = get({ host: ADDRESS, port: PORT, path: "/", agent: false, timeout: 200 }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (part: string) => (text += part));
      response.on("end", () => resolve(response.statusCode === 200 ? (JSON.parse(text) as Answer) : null));
      response.on("error", () => resolve(null));
    });
    call.on("timeout", () => call.destroy());
    call.on("error", () => resolve(null));
  });
}

async function untilAnswer(wanted: (answer: Answer) => boolean, limitMs = 30_000): Promise<Answer> {
  const deadline = Date.now() + limitMs;
  for (;;) {
    const answer = await ask();
    if (answer !== null && wanted(answer)) return answer;
    if (Date.now() > deadline) throw new Error(`no answer of the role within ${limitMs} ms`);
    await pause(POLL_MS);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function talk(text: string): void {
  process.stderr.write(`${text}…\n`);
}
