import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync, realpathSync } from "node:fs";
import { createHash } from "node:crypto";
import { connect, createServer } from "node:net";
import type { Server } from "node:net";
import { fileURLToPath } from "node:url";
import { MusterError } from "../model/errors.ts";
import { clusterPaths, readCluster, readMembers } from "../service/cluster-files.ts";
import type { ClusterConfiguration, HostSettings } from "../service/cluster-files.ts";
import { observeForSupervisor } from "./notify.ts";
import { checkOwnAddresses } from "./settings.ts";

/** The Cluster Service of this machine: started by systemd where there is one, else as a process of its own. */

export type StartHow = "force" | "prevent" | undefined;

const UNIT = "muster.service";
const SYSTEMD_DIRECTORY = "/run/systemd/system";
const START_LIMIT_MS = 60_000;
/** Longest stop when nobody says otherwise: as DrainOnShutdown may take. */
const LOOK_MS = 100;

/** This machine's membership. @throws MusterError MUSTER_NOT_MEMBER */
export function ownMembership(directory: string): ClusterConfiguration & { readonly host: HostSettings } {
  const configuration = readCluster(directory);
  if (configuration?.host === undefined) throw new MusterError("MUSTER_NOT_MEMBER", { path: directory });
  return { ...configuration, host: configuration.host };
}

/** Runs the Cluster Service in this process until it is told to end. @throws MusterError MUSTER_NOT_MEMBER, MUSTER_SERVICE_RUNS */
export async function runService(directory: string, how: StartHow): Promise<void> {
  const { host } = ownMembership(directory);
  await claim(directory);
  const observer = await observeForSupervisor(process.env, (line) => process.stdout.write(`${line}\n`));
  // The whole of a node: no other command shall have to load it.
  const { runNode } = await import("../api/node-main.ts");
  await runNode({ directory, node: host.node, workingDirectory: "/", listen: null, endWithParent: false, ...(how === undefined ? {} : { start: how }), ...(observer === null ? {} : { observer }) });
}

/**
 * Starts the Cluster Service and waits until its API answers.
 * @throws MusterError MUSTER_SERVICE_RUNS, MUSTER_TIMEOUT, MUSTER_SERVICE_ENDED with the last line of its log, MUSTER_NOT_OWN_ADDRESS
 */
export async function startService(directory: string, how: StartHow): Promise<void> {
  const configuration = ownMembership(directory);
  const { host } = configuration;
  checkOwnAddresses(readMembers(directory, configuration).nodes.find(({ id }) => id === host.id)?.addresses ?? []);
  if (await isClaimed(directory)) throw new MusterError("MUSTER_SERVICE_RUNS", { processId: processIdOf(directory, host.node) ?? "unknown" });
  let child: ChildProcess | null = null;
  if (how === undefined && isUnitInstalled()) systemctl("start");
  else child = spawnService(directory, host.node, how);
  const deadlineMs = Date.now() + START_LIMIT_MS;
  while (!(await answers(clusterPaths.socket(directory, host.node)))) {
    if (Date.now() > deadlineMs) throw new MusterError("MUSTER_TIMEOUT", { timeoutMs: START_LIMIT_MS });
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    // Of a process of its own it is known whether it has ended, however long a busy machine takes to load it.
    const hasEnded = child === null ? !(await isClaimed(directory)) && Date.now() > deadlineMs - START_LIMIT_MS + START_GRACE_MS : child.exitCode !== null || child.signalCode !== null;
    if (hasEnded) {
      const path = clusterPaths.serviceLog(directory, host.node);
      throw new MusterError("MUSTER_SERVICE_ENDED", { problem: lastLine(path), path });
    }
  }
}

/** What systemd has just started takes a moment to say that it is there. */
const START_GRACE_MS = 10_000;

/** Stops it: its roles leave first, as DrainOnShutdown says. @returns false when it did not run */
export async function stopService(directory: string, limitMs: number): Promise<boolean> {
  const { host } = ownMembership(directory);
  if (!(await isClaimed(directory))) return false;
  const processId = processIdOf(directory, host.node);
  if (isUnitInstalled() && isUnitActive()) systemctl("stop");
  else if (processId === null) throw new MusterError("MUSTER_NOT_REACHABLE", { address: directory, problem: "the Cluster Service is starting" });
  else process.kill(processId, "SIGTERM");
  const deadlineMs = Date.now() + limitMs;
  while (await isClaimed(directory)) {
    if (Date.now() > deadlineMs) throw new MusterError("MUSTER_TIMEOUT", { timeoutMs: limitMs });
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  return true;
}

function spawnService(directory: string, node: string, how: StartHow): ChildProcess {
  const isSource = import.meta.url.endsWith(".ts");
  const program = fileURLToPath(new URL(isSource ? "../cli/main.ts" : "../cli/main.js", import.meta.url));
  const log = openSync(clusterPaths.serviceLog(directory, node), "a", 0o600);
  const words = ["service", "run", "--directory", directory, ...(how === undefined ? [] : [`--${how}-quorum`])];
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", "--max-semi-space-size=4", program, ...words], { detached: true, cwd: "/", stdio: ["ignore", log, log] });
  closeSync(log);
  child.unref();
  return child;
}

function isUnitInstalled(): boolean {
  return existsSync(SYSTEMD_DIRECTORY) && spawnSync("systemctl", ["cat", UNIT], { stdio: "ignore" }).status === 0;
}

function isUnitActive(): boolean {
  return spawnSync("systemctl", ["is-active", "--quiet", UNIT], { stdio: "ignore" }).status === 0;
}

/** @throws MusterError MUSTER_INTERNAL with systemd's words */
function systemctl(verb: "start" | "stop"): void {
  const { status, stderr } = spawnSync("systemctl", [verb, UNIT], { encoding: "utf8" });
  if (status !== 0) throw new MusterError("MUSTER_INTERNAL", { problem: `systemctl ${verb} ${UNIT}: ${stderr.trim()}` });
}

function processIdOf(directory: string, node: string): number | null {
  try {
    return (JSON.parse(readFileSync(clusterPaths.endpoint(directory, node), "utf8")) as { readonly processId: number }).processId;
  } catch {
    return null;
  }
}

function lastLine(path: string): string {
  try {
    return readFileSync(path, "utf8").trimEnd().split("\n").at(-1) ?? "";
  } catch {
    return "it has no log";
  }
}

// ---- one service for a directory -------------------------------------------------

/** Held as long as this process lives: the kernel gives the name back with it. */
async function claim(directory: string): Promise<Server> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once("error", () => reject(new MusterError("MUSTER_SERVICE_RUNS", { processId: processIdOf(directory, ownMembership(directory).host.node) ?? "unknown" })));
    server.listen({ path: claimName(directory) }, resolve);
  });
  server.unref();
  return server;
}

function claimName(directory: string): string {
  return `\0muster-service-${createHash("sha256").update(realpathSync(directory)).digest("hex").slice(0, 32)}`;
}

function isClaimed(directory: string): Promise<boolean> {
  return answers(claimName(directory));
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
