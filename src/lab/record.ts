import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, rmdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { labExists, labNotFound } from "./errors.ts";
import type { HostPlan, NetworkOptions } from "./plan.ts";
import { isAlive } from "./processes.ts";
import type { ProcessIdentity } from "./processes.ts";

/** What is written down about labs, so that any process can go on with one. Cuts are not: the switch itself knows them. */

export interface LabRecord {
  readonly name: string;
  /** Chance, in the environment of every process of the lab. */
  readonly id: string;
  readonly createdAtMs: number;
  readonly networks: readonly NetworkOptions[];
  /** The client is the last one. */
  readonly hosts: readonly HostPlan[];
  /** Holds a directory per host. */
  readonly stateRoot: string;
  /** Per host; null = as much as the disk has. */
  readonly stateBytesMax: number | null;
  /** Directories that hosts see although they have a private one above. */
  readonly visible: readonly string[];
}

/** What was done to a host's cables; it is done again when the host is switched on. */
export interface CableState {
  readonly unplugged: boolean;
  readonly delayMs: number | null;
  readonly rateBitsPerSecond: number | null;
  readonly lossPercent: number | null;
}

export const WHOLE_CABLE: CableState = { unplugged: false, delayMs: null, rateBitsPerSecond: null, lossPercent: null };

const ROOT = "/run/muster-lab";

export const labPaths = {
  root: ROOT,
  lab: (name: string): string => join(ROOT, name),
  record: (name: string): string => join(ROOT, name, "lab.json"),
  scratch: (name: string): string => join(ROOT, name, "scratch"),
  state: (name: string): string => join(ROOT, name, "state"),
  switchProcess: (name: string): string => join(ROOT, name, "switch.json"),
  host: (name: string, host: string): string => join(ROOT, name, "hosts", host),
  init: (name: string, host: string): string => join(ROOT, name, "hosts", host, "init.json"),
  cables: (name: string, host: string): string => join(ROOT, name, "hosts", host, "cables.json"),
  paused: (name: string, host: string): string => join(ROOT, name, "hosts", host, "paused"),
};

/** Takes the name: of two who want it at once, one gets it. @throws LabError when it is taken */
export function createRecord(record: LabRecord): void {
  mkdirSync(ROOT, { recursive: true, mode: 0o755 });
  const made = mkdtempSync(join(ROOT, ".new-"));
  try {
    writeFileSync(join(made, "lab.json"), `${JSON.stringify(record, null, 2)}\n`);
    for (const host of record.hosts) mkdirSync(join(made, "hosts", host.name), { recursive: true });
    mkdirSync(join(made, "scratch"));
    renameSync(made, labPaths.lab(record.name));
  } catch (error) {
    rmSync(made, { recursive: true, force: true });
    if (["ENOTEMPTY", "EEXIST"].includes((error as NodeJS.ErrnoException).code ?? "")) throw labExists(record.name);
    throw error;
  }
}

/** @throws LabError when there is no such lab */
export function readRecord(name: string): LabRecord {
  try {
    return JSON.parse(readFileSync(labPaths.record(name), "utf8")) as LabRecord;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") throw labNotFound(name);
    throw error;
  }
}

/** Names of the labs of this machine, sorted. */
export function recordedLabs(): readonly string[] {
  if (!existsSync(ROOT)) return [];
  return readdirSync(ROOT)
    .filter((name) => existsSync(labPaths.record(name)))
    .sort();
}

/** The last lab takes the directory of all labs with it. */
export function removeRecord(name: string): void {
  rmSync(labPaths.lab(name), { recursive: true, force: true });
  try {
    rmdirSync(ROOT);
  } catch {
    // Another lab is in it, or it was never made.
  }
}

/** @returns null when none is recorded or it has ended */
export function readProcess(path: string): ProcessIdentity | null {
  const identity = readJson<ProcessIdentity>(path);
  return identity !== null && isAlive(identity) ? identity : null;
}

export function readCables(name: string, host: string): Readonly<Record<string, CableState>> {
  return readJson<Record<string, CableState>>(labPaths.cables(name, host)) ?? {};
}

/** Replaces the file as a whole: a reader sees the old or the new one. */
export function writeJson(path: string, value: unknown): void {
  const fresh = join(dirname(path), `.${process.pid}-${Math.random().toString(36).slice(2)}`);
  writeFileSync(fresh, `${JSON.stringify(value)}\n`);
  renameSync(fresh, path);
}

function readJson<Value>(path: string): Value | null {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Value;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}
