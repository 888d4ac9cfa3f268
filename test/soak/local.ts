import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { LocalCluster } from "../../src/launcher/local-cluster.ts";
import { quoteCommandLine } from "../../src/model/command-line.ts";
import type { GroupView, NodeView, ResourceView } from "../../src/model/views.ts";
import { Random } from "../simulation/random.ts";

/**
 * Real processes under random faults, for as long as you like: `npm run soak:local -- --seconds
 * 600 --seed 7`. Services, monitors and the role's program are killed and stopped at random and
 * the role is moved. The role binds no port and appends its process id to a file: two copies at
 * one time would show as ids that take turns. The choices follow from the seed, the timing does not.
 */

type Node = NodeView & { readonly information: { readonly processId: number; readonly monitorProcessIds: readonly number[] } | null };

const { values } = parseArgs({ options: { seconds: { type: "string", default: "60" }, seed: { type: "string", default: "1" } } });
const seconds = Number(values.seconds);
const seed = Number(values.seed);
const random = new Random(seed);
const directory = mkdtempSync(join(tmpdir(), "muster-soak-"));
const beats = join(directory, "beats");
const actions: string[] = [];
const stopped = new Map<number, NodeJS.Timeout>();

process.env["XDG_RUNTIME_DIR"] = directory;
writeFileSync(beats, "");
writeFileSync(join(directory, "beat.sh"), `while :; do echo $$ >> ${beats}; sleep 0.02; done\n`);
const cluster = await LocalCluster.start({ name: "soak", nodes: 3, directory: null, workingDirectory: directory, restartDelayMs: 700, onNotice: () => {} });
let problems: string[] = [];
try {
  await createRole();
  const untilMs = Date.now() + seconds * 1_000;
  while (Date.now() < untilMs) {
    await pause(300 + random.next() * 2_500);
    await act().catch(() => {});
  }
  for (const [processId, timer] of stopped) {
    clearTimeout(timer);
    signal(processId, "SIGCONT");
  }
  problems = await check();
} finally {
  await cluster.stop();
  rmSync(directory, { recursive: true, force: true });
}
for (const problem of problems) process.stdout.write(`${problem}\n`);
if (problems.length > 0) process.stdout.write(`what was done:\n${actions.join("\n")}\n`);
process.stdout.write(`seed ${seed}: ${actions.length} faults and moves in ${seconds} s, ${problems.length === 0 ? "never two copies, everything back" : "FAILED"}\n`);
process.exitCode = problems.length === 0 ? 0 : 1;

async function createRole(): Promise<void> {
  const client = cluster.client();
  // Nodes die here more often than a quarantine would bear.
  await client.send("PATCH", "/v1/cluster", { body: { properties: { QuarantineThreshold: 0 } } });
  await client.send("POST", "/v1/groups", { body: { name: "role", properties: { FailoverThreshold: 100_000 } } });
  await client.send("POST", "/v1/resources", { body: { name: "address", group: "role", type: "IP Address", privateProperties: { Address: `127.0.66.${1 + (seed % 250)}` } } });
  await client.send("POST", "/v1/resources", {
    body: {
      name: "program",
      group: "role",
      type: "Generic Application",
      dependency: "[address]",
      properties: { RestartThreshold: 100, RestartPeriod: 1_000, RestartDelay: 100, RetryPeriodOnFailure: 1_000, LooksAlivePollInterval: 500, IsAlivePollInterval: 1_000 },
      privateProperties: { CommandLine: quoteCommandLine(["sh", join(directory, "beat.sh")]) },
    },
  });
  await client.send("POST", "/v1/groups/role/online");
}

async function act(): Promise<void> {
  const client = cluster.client();
  const nodes = (await client.get<Node[]>("/v1/nodes", { timeoutMs: 2_000 })).filter((node) => node.information !== null);
  if (nodes.length === 0) return;
  const owner = nodes.find((node) => node.groups.includes("role"));
  const node = owner !== undefined && random.chance(0.7) ? owner : random.pick(nodes);
  const service = node.information!.processId;
  const monitors = node.information!.monitorProcessIds;
  const action = random.pick(["kill service", "kill monitor", "kill both", "stop service", "stop monitor", "stop both", "kill role", "stop role", "move", "move"] as const);
  actions.push(`${new Date().toISOString()} ${action} ${node.name} (service ${service}, monitor ${monitors.join(" ")})`);
  switch (action) {
    case "kill service":
      return signal(service, "SIGKILL");
    case "kill monitor":
      return monitors.forEach((id) => signal(id, "SIGKILL"));
    case "kill both":
      return [service, ...monitors].forEach((id) => signal(id, "SIGKILL"));
    case "stop service":
      return stopForAWhile([service]);
    case "stop monitor":
      return stopForAWhile(monitors);
    case "stop both":
      return stopForAWhile([service, ...monitors]);
    case "kill role":
    case "stop role": {
      const { processId } = await client.get<ResourceView>("/v1/resources/program", { timeoutMs: 2_000 });
      if (processId !== null) signal(processId, action === "kill role" ? "SIGKILL" : "SIGSTOP");
      return;
    }
    case "move":
      await client.send("POST", "/v1/groups/role/move", { body: {}, timeoutMs: 2_000 });
  }
}

function stopForAWhile(processIds: readonly number[]): void {
  const forMs = 200 + random.next() * 6_000;
  for (const processId of processIds) {
    signal(processId, "SIGSTOP");
    stopped.set(processId, setTimeout(() => {
      stopped.delete(processId);
      signal(processId, "SIGCONT");
    }, forMs));
  }
}

function signal(processId: number, name: NodeJS.Signals): void {
  try {
    process.kill(processId, name);
  } catch {
    // It has ended meanwhile.
  }
}

async function check(): Promise<string[]> {
  const found: string[] = [];
  const deadline = Date.now() + 60_000;
  for (;;) {
    const state = await Promise.all([cluster.client().get<Node[]>("/v1/nodes"), cluster.client().get<GroupView>("/v1/groups/role")]).catch(() => null);
    if (state !== null && state[0].every((node) => node.state === "Up") && state[1].state === "Online") break;
    if (Date.now() > deadline) {
      found.push(`not whole again within 60 s: ${JSON.stringify(state?.[0].map((node) => node.state))}, role ${state?.[1].state}: ${state?.[1].reason.text}`);
      break;
    }
    await pause(200);
  }
  const before = readFileSync(beats, "utf8").length;
  await pause(1_000);
  const text = readFileSync(beats, "utf8");
  if (text.length === before) found.push("the role is said to be online and does nothing");
  const copies: string[] = [];
  for (const id of text.trim().split("\n")) if (copies.at(-1) !== id) copies.push(id);
  const again = copies.filter((id, position) => copies.indexOf(id) !== position);
  if (again.length > 0) found.push(`two copies ran at one time: ${again.join(", ")}`);
  return found;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
