import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** Reading /proc. Everything is synchronous: a scan is a few milliseconds and must not interleave with itself. */

export interface ProcessEntry {
  readonly processId: number;
  readonly parent: number;
  readonly processGroup: number;
  readonly session: number;
  /** One letter: R, S, D, T (stopped), t (traced), Z (ended, not waited for), X. */
  readonly state: string;
  readonly threads: number;
  /** Clock ticks after boot; with the process id it names one process for ever. */
  readonly startTicks: number;
}

const KERNEL_THREADS_PARENT = 2;

/** @returns null when there is no such process */
export function readProcess(processId: number): ProcessEntry | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${processId}/stat`, "latin1");
  } catch {
    return null;
  }
  // The program's name stands in parentheses and may hold anything; the fields after the last one are safe.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return {
    processId,
    state: fields[0] ?? "X",
    parent: Number(fields[1]),
    processGroup: Number(fields[2]),
    session: Number(fields[3]),
    threads: Number(fields[17]),
    startTicks: Number(fields[19]),
  };
}

/** All processes but the kernel's. */
export function readProcesses(): ProcessEntry[] {
  const entries: ProcessEntry[] = [];
  for (const name of readdirSync("/proc")) {
    const processId = Number(name);
    if (!Number.isInteger(processId)) continue;
    const entry = readProcess(processId);
    if (entry !== null && entry.parent !== KERNEL_THREADS_PARENT && entry.processId !== KERNEL_THREADS_PARENT) entries.push(entry);
  }
  return entries;
}

/** True when nothing of the process runs or holds anything any more: it only waits to be waited for. */
export function hasEnded(entry: ProcessEntry): boolean {
  // The first thread of a process may have ended while others still run and hold its files.
  return entry.state === "X" || (entry.state === "Z" && entry.threads <= 1);
}

/** Value of a variable in the environment the process was started with; null when absent or not ours to read. */
export function readVariable(processId: number, name: string): string | null {
  let environment: string;
  try {
    environment = readFileSync(`/proc/${processId}/environ`, "latin1");
  } catch {
    return null;
  }
  const start = environment.startsWith(`${name}=`) ? 0 : environment.indexOf(`\0${name}=`) + 1;
  if (start === 0 && !environment.startsWith(`${name}=`)) return null;
  const from = start + name.length + 1;
  const end = environment.indexOf("\0", from);
  return environment.slice(from, end === -1 ? undefined : end);
}

/** The hard limit "max file locks": null = unlimited or not readable. */
export function readFileLocksLimit(processId: number | "self"): bigint | null {
  let limits: string;
  try {
    limits = readFileSync(`/proc/${processId}/limits`, "latin1");
  } catch {
    return null;
  }
  const found = /^Max file locks +\S+ +(\d+)/m.exec(limits);
  return found?.[1] === undefined ? null : BigInt(found[1]);
}

/** Processes that hold a flock(2) on the file through a descriptor of their own or an inherited one. */
export function readLockHolders(path: string): number[] {
  const holders: number[] = [];
  for (const { processId } of readProcesses()) {
    if (holdsLock(processId, path)) holders.push(processId);
  }
  return holders;
}

function holdsLock(processId: number, path: string): boolean {
  let descriptors: string[];
  try {
    descriptors = readdirSync(`/proc/${processId}/fd`);
  } catch {
    return false;
  }
  for (const descriptor of descriptors) {
    try {
      if (readlinkSync(`/proc/${processId}/fd/${descriptor}`) !== path) continue;
      // A description that only waits for the lock has no such line.
      if (readFileSync(`/proc/${processId}/fdinfo/${descriptor}`, "latin1").includes("FLOCK")) return true;
    } catch {
      continue;
    }
  }
  return false;
}

/** This process and all it descends from: never to be ended as somebody's leftover. */
export function ownLineage(): Set<number> {
  const lineage = new Set<number>([1]);
  for (let processId = process.pid; processId > 1 && !lineage.has(processId); ) {
    lineage.add(processId);
    processId = readProcess(processId)?.parent ?? 0;
  }
  return lineage;
}
