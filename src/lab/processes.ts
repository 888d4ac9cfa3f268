import { readFileSync, readdirSync, readlinkSync } from "node:fs";

/** Processes of this machine as /proc shows them. */

/** A process that cannot be mistaken for a later one with the same number. */
export interface ProcessIdentity {
  readonly processId: number;
  /** Since the machine was started, in ticks of its clock. */
  readonly startTicks: string;
  /** The run of the machine: numbers and ticks begin again with each. */
  readonly bootId: string;
}

/** Everything that belongs to a lab carries this in its environment, so that it is found when nothing else is known. */
export const LAB_VARIABLE = "MUSTER_LAB";

const START_TICKS_FIELD = 22;
const STATE_FIELD = 3;

/** @returns null when there is no such process */
export function identify(processId: number): ProcessIdentity | null {
  const startTicks = statField(processId, START_TICKS_FIELD);
  return startTicks === null ? null : { processId, startTicks, bootId: bootId() };
}

/** False for a zombie, too: all it had is gone already, only nobody has asked how it ended. */
export function isAlive(identity: ProcessIdentity): boolean {
  const now = identify(identity.processId);
  const state = processState(identity.processId);
  return now !== null && state !== "Z" && state !== "X" && now.startTicks === identity.startTicks && now.bootId === identity.bootId;
}

function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

/** The letter of proc(5), T for a stopped one. @returns null when there is no such process */
export function processState(processId: number): string | null {
  return statField(processId, STATE_FIELD);
}

function statField(processId: number, field: number): string | null {
  try {
    const text = readFileSync(`/proc/${processId}/stat`, "latin1");
    // The second field is the program's name in brackets, which may hold blanks and brackets itself.
    return text.slice(text.lastIndexOf(")") + 2).split(" ")[field - 3] ?? null;
  } catch {
    return null;
  }
}

export function commandLine(processId: number): string {
  try {
    return readFileSync(`/proc/${processId}/cmdline`, "utf8").replace(/\0+$/, "").replaceAll("\0", " ");
  } catch {
    return "";
  }
}

export function allProcesses(): readonly number[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .sort((a, b) => a - b);
}

/** Processes in the process namespace of the given one, itself left out; a zombie has no namespace any more. */
export function processesBeside(processId: number): readonly number[] {
  const wanted = namespaceOf(processId);
  if (wanted === null) return [];
  return allProcesses().filter((candidate) => candidate !== processId && namespaceOf(candidate) === wanted);
}

function namespaceOf(processId: number): string | null {
  try {
    return readlinkSync(`/proc/${processId}/ns/pid`);
  } catch {
    return null;
  }
}

/** Processes that were started with the variable of this lab. */
export function processesOfLab(id: string): readonly number[] {
  return allProcesses().filter((processId) => {
    try {
      return readFileSync(`/proc/${processId}/environ`, "latin1").split("\0").includes(`${LAB_VARIABLE}=${id}`);
    } catch {
      return false;
    }
  });
}

/** SIGKILL or another signal; a process that has gone meanwhile is no error. */
export function sendSignal(processId: number, signal: NodeJS.Signals): void {
  try {
    process.kill(processId, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
