import { readFileSync, readdirSync, readlinkSync } from "node:fs";

/** What /proc says. Everything that vanishes meanwhile is simply not there. */

export interface ProcessInfo {
  readonly processId: number;
  readonly parent: number;
  /** R, S, D, T (stopped); zombies are not listed. */
  readonly state: string;
  readonly startTicks: string;
}

export function readProcess(processId: number): ProcessInfo | null {
  const stat = readText(`/proc/${processId}/stat`);
  if (stat === null) return null;
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const state = fields[0] ?? "";
  return state === "Z" || state === "X" ? null : { processId, parent: Number(fields[1]), state, startTicks: fields[19] ?? "" };
}

export function listProcesses(): ProcessInfo[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => readProcess(Number(name)))
    .filter((found) => found !== null);
}

export function commandLine(processId: number): string[] {
  return (readText(`/proc/${processId}/cmdline`) ?? "").split("\0").slice(0, -1);
}

export function environment(processId: number): string[] {
  return (readText(`/proc/${processId}/environ`) ?? "").split("\0");
}

export function currentDirectory(processId: number): string {
  try {
    return readlinkSync(`/proc/${processId}/cwd`);
  } catch {
    return "";
  }
}

export function isAlive(processId: number): boolean {
  return readProcess(processId) !== null;
}

export function kill(processId: number, signal: NodeJS.Signals): void {
  try {
    process.kill(processId, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Names of abstract sockets, without the leading @. */
export function abstractSockets(): { readonly name: string; readonly inode: string; readonly isListening: boolean }[] {
  return readFileSync("/proc/net/unix", "latin1")
    .split("\n")
    .filter((line) => line.includes("@"))
    .map((line) => {
      const [, , , flags = "", , , inode = "", path = ""] = line.trim().split(/\s+/);
      return { name: path.slice(1), inode, isListening: (Number.parseInt(flags, 16) & 0x10000) !== 0 };
    });
}

/** True if the process holds the socket with this inode. */
export function holdsSocket(processId: number, inode: string): boolean {
  try {
    return readdirSync(`/proc/${processId}/fd`).some((descriptor) => {
      try {
        return readlinkSync(`/proc/${processId}/fd/${descriptor}`) === `socket:[${inode}]`;
      } catch {
        return false;
      }
    });
  } catch {
    return false;
  }
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
