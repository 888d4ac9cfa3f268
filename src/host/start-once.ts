import { readFileSync, rmSync } from "node:fs";
import type { NodeObserver } from "../api/node-main.ts";
import { writeWhole } from "../security/whole-file.ts";
import { clusterPaths } from "../service/cluster-files.ts";

/**
 * How the next start of the Cluster Service shall be, for a service that systemd starts: its unit has no arguments. What
 * the file asks for counts once, and soon: a forced start must never come as a surprise.
 */

export type OnceMode = "force" | "prevent";

interface StartOnce {
  readonly mode: OnceMode;
  readonly wallTimeMs: number;
  /** Taken by a service that is in no view yet, while the machine ran under this id. */
  readonly boot?: string;
}

/** From the command to the start by systemd. */
const VALID_MS = 60_000;
const BOOT_ID = "/proc/sys/kernel/random/boot_id";

/** @throws the error of the system */
export function writeStartOnce(directory: string, mode: OnceMode, wallTimeMs = Date.now()): void {
  write(directory, { mode, wallTimeMs });
}

/**
 * How this start shall be. A forced start is forgotten before it begins. That the node may only join is kept until
 * {@link keepUntilInView} lets it go: systemd starts a service anew that dies, and who may only join does so in every life
 * (PROTOCOL rule 13).
 * @param log told of a file that does not count
 * @returns undefined = as always
 */
export function takeStartOnce(directory: string, log: (line: string) => void, now = { wallTimeMs: Date.now(), boot: bootId() }): OnceMode | undefined {
  const path = clusterPaths.startOnce(directory);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    text = "";
  }
  const once = parse(text);
  const problem = once === null ? "it cannot be read" : problemOf(once, now);
  try {
    rmSync(path, { recursive: true, force: true });
  } catch (error) {
    // It would count again with the next start.
    log(`${path} is ignored, as it cannot be removed: ${(error as Error).message}`);
    return undefined;
  }
  if (once === null || problem !== null) {
    log(`${path} is ignored and removed: ${problem}`);
    return undefined;
  }
  if (once.mode === "prevent") keep(directory, { ...once, boot: now.boot }, log);
  return once.mode;
}

/** Nothing is asked for any more. It throws nothing: a file that stays is too old soon. */
export function forgetStartOnce(directory: string): void {
  try {
    rmSync(clusterPaths.startOnce(directory), { recursive: true, force: true });
  } catch {
    // Read-only, say.
  }
}

/** That a node may only join is over when it has been in a view, or when somebody stops it in good order. */
export function keepUntilInView(directory: string, observer: NodeObserver | null): NodeObserver {
  let end = (): void => undefined;
  return {
    ready: (service) => {
      observer?.ready(service);
      const look = (): void => {
        if (service.status.phase !== "active") return;
        end();
        forgetStartOnce(directory);
      };
      end = service.onChange(look);
      look();
    },
    stopping: (reason) => {
      observer?.stopping(reason);
      end();
      forgetStartOnce(directory);
    },
  };
}

function problemOf({ wallTimeMs, boot }: StartOnce, now: { readonly wallTimeMs: number; readonly boot: string }): string | null {
  if (boot !== undefined) return boot === now.boot ? null : "it is of a time before the machine was started";
  const ageMs = now.wallTimeMs - wallTimeMs;
  if (ageMs < 0) return "it is of a time that has not come; was the clock set back?";
  return ageMs > VALID_MS ? `it is ${Math.round(ageMs / 1_000)} s old, and counts for ${VALID_MS / 1_000} s` : null;
}

/** @returns null when it is no such file */
function parse(text: string): StartOnce | null {
  let found: Partial<StartOnce> | null;
  try {
    found = JSON.parse(text) as Partial<StartOnce> | null;
  } catch {
    return null;
  }
  if (typeof found !== "object" || found === null) return null;
  const { mode, wallTimeMs, boot } = found;
  if ((mode !== "force" && mode !== "prevent") || typeof wallTimeMs !== "number" || !(boot === undefined || typeof boot === "string")) return null;
  // A forced start is never kept.
  if (mode === "force" && boot !== undefined) return null;
  return { mode, wallTimeMs, ...(boot === undefined ? {} : { boot }) };
}

function keep(directory: string, once: StartOnce, log: (line: string) => void): void {
  try {
    write(directory, once);
  } catch (error) {
    log(`that this node may only join is not kept, should its service die: ${(error as Error).message}`);
  }
}

function write(directory: string, once: StartOnce): void {
  writeWhole(clusterPaths.startOnce(directory), `${JSON.stringify(once)}\n`);
}

function bootId(): string {
  return readFileSync(BOOT_ID, "utf8").trim();
}
