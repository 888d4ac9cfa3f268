import { cpSync, globSync, mkdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { Lab } from "../../../src/lab/lab.ts";
import type { LabHost, LabOptions } from "../../../src/lab/lab.ts";
import { commandLine, processState } from "../../../src/lab/processes.ts";

export interface WithLabOptions extends Omit<LabOptions, "name"> {
  /** Files in the hosts whose last lines are printed when the body throws; `*` as in a shell: "/var/lib/muster/log/*". */
  readonly logs?: readonly string[];
  readonly logLines?: number;
  /** A directory that gets these files whole when the body throws. */
  readonly logsTo?: string;
}

const LOG_LINES = 30;
const NAME_PREFIX = "test-";

const open = new Set<Lab>();
let made = 0;

/** Runs the body with a lab of its own, and takes that down whatever happens. When the body throws, says on stderr how the hosts were. */
export async function withLab<Value>(options: WithLabOptions, body: (lab: Lab) => Promise<Value>): Promise<Value> {
  await removeOrphans();
  takeDownWhenInterrupted();
  const { logs = [], logLines = LOG_LINES, logsTo, ...labOptions } = options;
  const lab = await Lab.up({ ...labOptions, name: uniqueLabName() });
  open.add(lab);
  try {
    return await body(lab);
  } catch (error) {
    process.stderr.write(`${await describe(lab, logs, logLines)}\n`);
    if (logsTo !== undefined) keepLogs(lab, logs, logsTo);
    throw error;
  } finally {
    await lab.down();
    open.delete(lab);
  }
}

/** A name that no other test has, and which says whose it is. */
export function uniqueLabName(): string {
  made++;
  return `${NAME_PREFIX}${process.pid}-${made}`;
}

/** Labs whose test process was killed have nobody else to take them down. */
async function removeOrphans(): Promise<void> {
  for (const lab of await Lab.list()) {
    const owner = new RegExp(`^${NAME_PREFIX}(\\d+)-`).exec(lab.name)?.[1];
    if (owner !== undefined && processState(Number(owner)) === null) await lab.down();
  }
}

let watching = false;

/** The test runner ends a file that takes too long with SIGTERM. */
function takeDownWhenInterrupted(): void {
  if (watching) return;
  watching = true;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => void Promise.allSettled([...open].map((lab) => lab.down())).then(() => process.kill(process.pid, signal)));
  }
}

async function describe(lab: Lab, logs: readonly string[], lines: number): Promise<string> {
  const damage = await lab.damage().then(JSON.stringify, String);
  const hosts = [...lab.hosts, lab.client].flatMap((host) => {
    const state = host.isPaused ? "paused" : host.isOn ? "on" : "off";
    const processes = host.processes().map((processId) => `  ${processId} ${processState(processId) ?? "-"} ${commandLine(processId).slice(0, 160)}`);
    return [`host ${host.name}: ${state}`, ...processes, ...logs.flatMap((pattern) => tail(host, pattern, lines))];
  });
  return [`--- the lab '${lab.name}' when the test failed ---`, `cuts and cables: ${damage}`, ...hosts, "---"].join("\n");
}

/** Each file under the name of its host and its own. */
function keepLogs(lab: Lab, patterns: readonly string[], directory: string): void {
  mkdirSync(directory, { recursive: true });
  for (const host of lab.hosts) {
    for (const pattern of patterns) {
      const root = outside(host, pattern);
      for (const file of root === null ? [] : globSync(root)) cpSync(file, join(directory, `${host.name}-${basename(file)}`));
    }
  }
}

/** Reads from outside, so that a host that is paused or off can tell, too. */
function tail(host: LabHost, pattern: string, lines: number): readonly string[] {
  try {
    const root = outside(host, pattern);
    if (root === null) return [];
    return globSync(root).sort().flatMap((file) => [`  ${host.name}:${file}`, ...readFileSync(file, "utf8").trimEnd().split("\n").slice(-lines).map((line) => `    ${line}`)]);
  } catch (error) {
    return [`  ${host.name}: ${pattern}: ${(error as Error).message}`];
  }
}

function outside(host: LabHost, path: string): string | null {
  if (path.startsWith("/var/lib/muster/")) return join(host.stateDirectory, path.slice("/var/lib/muster/".length));
  if (path.startsWith("/etc/muster/")) return join(host.configurationDirectory, path.slice("/etc/muster/".length));
  return host.isOn ? join(`/proc/${host.initProcessId}/root`, path) : null;
}
