import { createSocket } from "node:dgram";
import { closeSync, fsyncSync, openSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import { isIP } from "node:net";
import { dirname, join } from "node:path";

/** What the supervisor of corosync looks at and does on its machine. */

/** Services of corosync that clients talk to; the names are in the names of their shared memory. */
const SERVICES = "cpg|cmap|cfg|quorum|votequorum";
/** Shared memory of a connection: `qb-<server>-<client>-<descriptor>-<chance>`; of a daemon: `qb-corosync-<pid>-blackbox-…`. */
const CONNECTION = /^qb-(\d+)-\d+-\d+-\w+$/;
const BLACKBOX = /^qb-corosync-(\d+)-blackbox-(?:header|data)$/;
const OF_COROSYNC = new RegExp(`^qb-(?:request|response|event)-(?:${SERVICES})-(?:header|data)$`);
/** Younger ones may be a connection of a corosync that this process cannot see. */
const LEFTOVER_AGE_MS = 5_000;
/** Sockets without which nobody can use corosync; libqb pads names with zeros, which the kernel shows as `@`. */
const READY = ["cpg", "cmap", "cfg"].map((name) => new RegExp(`@${name}@*$`, "m"));
const LISTENING = "00010000";

/** Whether a corosync of this network namespace takes connections. */
export function isListening(): boolean {
  const table = readFileSync("/proc/net/unix", "latin1")
    .split("\n")
    .filter((line) => line.split(/\s+/)[3] === LISTENING)
    .join("\n");
  return READY.every((pattern) => pattern.test(table));
}

export interface ProcessFound {
  readonly pid: number;
  readonly words: readonly string[];
}

/** The corosync that holds the lock file, if it is alive and really is one. */
export function lockHolder(lockFile: string): ProcessFound | null {
  let pid: number;
  try {
    pid = Number(readFileSync(lockFile, "utf8").trim());
  } catch {
    return null; // nobody ever started, or it went in order
  }
  return isCorosync(pid) ? { pid, words: wordsOf(pid) } : null;
}

/** Whether this process number is a corosync that runs; a zombie does not. */
export function isCorosync(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    const status = readFileSync(`/proc/${pid}/stat`, "latin1");
    const nameEnd = status.lastIndexOf(")");
    return status.slice(status.indexOf("(") + 1, nameEnd) === "corosync" && status[nameEnd + 2] !== "Z";
  } catch {
    return false; // it is gone
  }
}

function wordsOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, -1);
  } catch {
    return [];
  }
}

/** The configuration file that a corosync was started with, as far as its words say. */
export function configurationOf(found: ProcessFound): string | null {
  const at = found.words.indexOf("-c");
  return at < 0 ? null : (found.words[at + 1] ?? null);
}

/**
 * Whether another program holds the UDP port of an address. An address that is not there (yet) is not held: corosync
 * binds it all the same.
 */
export function isPortHeld(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket(isIP(address) === 6 ? "udp6" : "udp4");
    const finish = (isHeld: boolean): void => {
      socket.close();
      resolve(isHeld);
    };
    socket.once("error", (error: NodeJS.ErrnoException) => finish(error.code === "EADDRINUSE"));
    socket.bind({ address, port, exclusive: true }, () => finish(false));
  });
}

/**
 * Removes what corosyncs that are gone left in shared memory: 8 MB for each, 3 MB for each connection (reference
 * corosync 1). What other programs that use libqb left is not touched.
 * @returns how many
 */
export function removeLeftovers(directory: string): number {
  let removed = 0;
  for (const name of readdirSync(directory)) {
    const blackbox = BLACKBOX.exec(name)?.[1];
    const connection = CONNECTION.exec(name)?.[1];
    const server = Number(blackbox ?? connection ?? Number.NaN);
    if (Number.isNaN(server) || isCorosync(server)) continue;
    const path = join(directory, name);
    try {
      if (Date.now() - statSync(path).mtimeMs < LEFTOVER_AGE_MS) continue;
      if (blackbox === undefined && !readdirSync(path).every((file) => OF_COROSYNC.test(file))) continue;
      rmSync(path, { recursive: true, force: true });
      removed++;
    } catch {
      // Somebody else has removed it.
    }
  }
  return removed;
}

/** The file has its old or its new content, whatever happens meanwhile; never more rights than `mode`. */
export function writeAtomically(path: string, content: string | Uint8Array, mode: number): void {
  const draft = `${path}.new`;
  rmSync(draft, { force: true });
  const descriptor = openSync(draft, "wx", mode);
  try {
    writeSync(descriptor, typeof content === "string" ? Buffer.from(content) : content);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(draft, path);
  const directory = openSync(dirname(path), "r");
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
