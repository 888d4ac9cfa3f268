import { existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, realpathSync, rmSync, rmdirSync, symlinkSync } from "node:fs";
import { createServer } from "node:net";
import type { Server } from "node:net";
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { MusterError } from "../model/errors.ts";

/** Where embedded clusters of this user are found: one entry per cluster that runs. */

const RUNNING_FILE = "running.json";

function runtimeRootPath(): string {
  const base = process.env["XDG_RUNTIME_DIR"];
  return base === undefined || base === "" ? join(tmpdir(), `muster-${process.getuid?.() ?? 0}`) : join(base, "muster");
}

/** Made when it is not there. @throws MusterError when the directory belongs to somebody else */
export function runtimeRoot(): string {
  const uid = process.getuid?.() ?? 0;
  const root = runtimeRootPath();
  try {
    makeDirectory(root);
  } catch (error) {
    throw new MusterError("MUSTER_DATABASE_UNWRITABLE", { path: root, problem: (error as Error).message }, { cause: error });
  }
  const found = lstatSync(root);
  if (!found.isDirectory() || found.uid !== uid || (found.mode & 0o077) !== 0) {
    throw new MusterError("MUSTER_DATABASE_UNWRITABLE", { path: root, problem: "it must be a directory of this user that nobody else may enter" });
  }
  return root;
}

/** The last cluster that ends takes the directory with it. */
export function forgetRuntimeRootIfEmpty(): void {
  try {
    rmdirSync(runtimeRootPath());
  } catch {
    // Another cluster is in it, or it was never made.
  }
}

/** With its parents. Node's own way never returns for a path below /proc. @throws the error of the system */
export function makeDirectory(path: string): void {
  if (existsSync(path) && lstatSync(realpathSync(path)).isDirectory()) return;
  if (!existsSync(dirname(path))) makeDirectory(dirname(path));
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    // Somebody else may have made it meanwhile.
    if ((error as NodeJS.ErrnoException).code !== "EEXIST" || !lstatSync(path).isDirectory()) throw error;
  }
}

export function runningFile(directory: string): string {
  return join(directory, RUNNING_FILE);
}

/** Names and directories of the clusters that run for this user, sorted. */
export function runningClusters(): readonly { readonly name: string; readonly directory: string }[] {
  if (!existsSync(runtimeRootPath())) return [];
  const root = runtimeRoot();
  return readdirSync(root)
    .sort()
    .map((name) => ({ name, directory: join(root, name) }))
    .filter(({ directory }) => existsSync(runningFile(directory)) && isClaimed(directory));
}

/** True while a cluster runs in the directory; what a killed one has left does not count. */
function isClaimed(directory: string): boolean {
  try {
    return readFileSync("/proc/net/unix", "latin1").includes(`@${claimName(directory)}\n`);
  } catch {
    // There is no such directory.
    return false;
  }
}

/**
 * The place of a temporary cluster, empty. A name under which a cluster in another directory was found before it
 * was killed is only a link: that cluster is not touched.
 * @throws MusterError MUSTER_DIRECTORY_IN_USE
 */
export function temporaryDirectory(name: string): string {
  const directory = join(runtimeRoot(), name);
  if (isClaimed(directory)) throw new MusterError("MUSTER_DIRECTORY_IN_USE", { path: realpathSync(directory), processId: readProcessId(directory) });
  // Removes a link, not where it leads.
  rmSync(directory, { recursive: true, force: true });
  return directory;
}

/** Makes a cluster in another directory findable by its name. @returns how to undo it */
export function linkCluster(name: string, directory: string): () => void {
  const link = join(runtimeRoot(), name);
  if (isClaimed(link) && realpathSync(link) !== realpathSync(directory)) return () => {};
  rmSync(link, { force: true, recursive: true });
  symlinkSync(directory, link);
  return () => rmSync(link, { force: true });
}

/**
 * Holds a directory for one cluster. The claim is an abstract socket: it goes with the process.
 * @throws MusterError MUSTER_DIRECTORY_IN_USE
 */
export async function claimDirectory(directory: string): Promise<Server> {
  const claim = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    claim.once("error", () => reject(new MusterError("MUSTER_DIRECTORY_IN_USE", { path: directory, processId: readProcessId(directory) })));
    claim.listen({ path: `\0${claimName(directory)}` }, resolve);
  });
  return claim;
}

function claimName(directory: string): string {
  return `muster-directory-${createHash("sha256").update(realpathSync(directory)).digest("hex").slice(0, 32)}`;
}

function readProcessId(directory: string): string {
  try {
    return String((JSON.parse(readFileSync(runningFile(directory), "utf8")) as { readonly processId: number }).processId);
  } catch {
    return "unknown";
  }
}
