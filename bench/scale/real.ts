import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Lab } from "../../src/lab/lab.ts";
import { standardNetworks } from "../../src/lab/plan.ts";
import { nowMs } from "../../test/lab/support/clock.ts";
import { withLab } from "../../test/lab/support/with-lab.ts";
import { apiOf, joinNode, muster, untilUp } from "../failover/muster.ts";
import { busyPercent, memoryMb, processesOf } from "../support/cost.ts";
import { talk } from "../support/options.ts";
import { pause, until } from "../support/wait.ts";

/** Nodes as they are, on hosts of a lab that share this machine. */

const MARKER = fileURLToPath(new URL("./programs/marker.mjs", import.meta.url));
const QUIET_MS = 10_000;
const IDLE_SECONDS = 15;
const LIMIT_MS = 180_000;
/** Commands on their way at once while roles are made. */
const MAKERS = 8;
const FAILURES_ALLOWED = 10_000;
const NO_SUCH_PROCESS = "\0";

export interface RealFigures {
  readonly joinMs: number[];
  readonly idlePercent: number[];
  readonly memoryMb: number[];
  /** From the loss of their node until the last role was online elsewhere, and until the first was. */
  readonly lastRoleMs: number[];
  readonly firstRoleMs: number[];
}

interface Mark {
  readonly mark: string;
  readonly node: string;
  readonly atMs: number;
}

export function noFigures(): RealFigures {
  return { joinMs: [], idlePercent: [], memoryMb: [], lastRoleMs: [], firstRoleMs: [] };
}

/**
 * @param figures is filled as they are measured: what was measured before a failure counts
 * @throws Error when something does not come in time; nothing is left then
 */
export async function measureReal(nodes: number, roles: number, trials: number, figures: RealFigures): Promise<void> {
  const shared = mkdtempSync(join(tmpdir(), "muster-bench-scale-"));
  try {
    await withLab({ hosts: nodes, networks: standardNetworks(1), visible: [shared] }, async (lab) => {
      for (const host of lab.hosts) {
        const directory = join(host.stateDirectory, "resource-types");
        mkdirSync(directory, { recursive: true });
        cpSync(MARKER, join(directory, "marker.mjs"));
      }
      await form(lab, figures.joinMs);
      await pause(QUIET_MS);
      const lists = (): readonly (readonly number[])[] => lab.hosts.map((host) => processesOf(host, NO_SUCH_PROCESS));
      figures.idlePercent.push(...(await busyPercent(lists, IDLE_SECONDS)));
      figures.memoryMb.push(...lists().map(memoryMb));
      talk(`  idle: ${figures.idlePercent.map((percent) => percent.toFixed(1)).join(" ")} % of a core`);
      const file = join(shared, "marks");
      await makeRoles(lab, roles, file);
      for (let trial = 0; trial < trials; trial++) {
        const { lastMs, firstMs } = await loseNode(lab, roles, file, lab.hosts[1 + (trial % (nodes - 1))]!.name);
        figures.lastRoleMs.push(lastMs);
        figures.firstRoleMs.push(firstMs);
        talk(`  ${roles} roles: the first after ${firstMs.toFixed(0)} ms, the last after ${lastMs.toFixed(0)} ms`);
      }
    });
  } finally {
    rmSync(shared, { recursive: true, force: true });
  }
}

async function form(lab: Lab, joinMs: number[]): Promise<void> {
  await muster(lab, "n1", "cluster", "create", "--name", "bench", "--profile", "standard");
  for (const [position, host] of lab.hosts.slice(1).entries()) {
    const begunMs = performance.now();
    await joinNode(lab, "n1", host.name).catch((error: unknown) => {
      throw new Error(`after ${position + 1} nodes had come together: ${(error as Error).message}`, { cause: error });
    });
    await untilUp(lab, position + 2);
    joinMs.push(performance.now() - begunMs);
    talk(`  ${host.name} has joined after ${(joinMs.at(-1)! / 1_000).toFixed(1)} s`);
  }
}

async function makeRoles(lab: Lab, roles: number, file: string): Promise<void> {
  const api = apiOf(lab, "n1");
  await api.send("PATCH", "/v1/cluster", { body: { properties: { QuarantineThreshold: 0 } } });
  await until("the type 'Marker' is known", LIMIT_MS, async () => (await api.get<readonly { readonly name: string }[]>("/v1/resource-types")).some(({ name }) => name === "Marker"));
  const names = Array.from({ length: roles }, (_, number) => `role-${number}`);
  await Promise.all(
    Array.from({ length: MAKERS }, async (_, maker) => {
      for (const name of names.filter((_name, number) => number % MAKERS === maker)) {
        await api.send("POST", "/v1/groups", { body: { name } });
        await api.send("PATCH", `/v1/groups/${name}`, { body: { properties: { FailoverThreshold: FAILURES_ALLOWED } } });
        await api.send("POST", "/v1/resources", { body: { name, group: name, type: "Marker", privateProperties: { File: file, Mark: name } } });
      }
    }),
  );
}

/** Brings all roles together on one node, switches it off, and on again. */
async function loseNode(lab: Lab, roles: number, file: string, node: string): Promise<{ readonly lastMs: number; readonly firstMs: number }> {
  const api = apiOf(lab, "n1");
  const groups = (): Promise<readonly { readonly name: string; readonly state: string; readonly ownerNode: string | null }[]> => api.get("/v1/groups");
  await until(`all roles are on ${node}`, LIMIT_MS, async () => {
    const elsewhere = (await groups()).filter((group) => group.name.startsWith("role-") && (group.state !== "Online" || group.ownerNode !== node));
    for (const group of elsewhere) {
      const verb = group.state === "Online" ? "move" : "online";
      await api.send("POST", `/v1/groups/${group.name}/${verb}`, { body: { node } }).catch(() => undefined);
    }
    return elsewhere.length === 0;
  }, 500);
  await pause(QUIET_MS / 2);
  const fromMs = nowMs();
  await lab.powerOff(node);
  const marksElsewhere = (): ReadonlyMap<string, number> => {
    const first = new Map<string, number>();
    const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n") : [];
    for (const line of lines.filter((text) => text.endsWith("}"))) {
      const { mark, node: where, atMs } = JSON.parse(line) as Mark;
      if (atMs > fromMs && where !== node && !first.has(mark)) first.set(mark, atMs);
    }
    return first;
  };
  await until(`${roles} roles are online elsewhere`, LIMIT_MS, async () => marksElsewhere().size === roles, 100);
  const times = [...marksElsewhere().values()].map((atMs) => atMs - fromMs);
  await lab.powerOn(node);
  await muster(lab, node, "node", "start");
  await untilUp(lab, lab.hosts.length);
  return { lastMs: Math.max(...times), firstMs: Math.min(...times) };
}
