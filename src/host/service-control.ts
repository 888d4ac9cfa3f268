import { readFileSync } from "node:fs";
import { MusterError } from "../model/errors.ts";
import { clusterPaths, readCluster, readMembers } from "../service/cluster-files.ts";
import type { ClusterConfiguration, HostSettings } from "../service/cluster-files.ts";
import { Daemon } from "./daemon.ts";
import { observeForSupervisor } from "./notify.ts";
import { DIRECTORY_DEFAULT, checkOwnAddresses } from "./settings.ts";
import { forgetStartOnce, keepUntilInView, takeStartOnce, writeStartOnce } from "./start-once.ts";
import type { OnceMode } from "./start-once.ts";

/** The Cluster Service of this machine. */

export type StartHow = OnceMode | undefined;

/** This machine's membership. @throws MusterError MUSTER_NOT_MEMBER */
export function ownMembership(directory: string): ClusterConfiguration & { readonly host: HostSettings } {
  const configuration = readCluster(directory);
  if (configuration?.host === undefined) throw new MusterError("MUSTER_NOT_MEMBER", { path: directory });
  return { ...configuration, host: configuration.host };
}

/** Runs the Cluster Service in this process until it is told to end. @throws MusterError MUSTER_NOT_MEMBER, MUSTER_SERVICE_RUNS */
export async function runService(directory: string, how: StartHow): Promise<void> {
  const { host } = ownMembership(directory);
  await daemonOf(directory).claim();
  const log = (line: string): void => void process.stdout.write(`${line}\n`);
  const once = takeStartOnce(directory, log);
  const mode = how ?? once;
  if (once !== undefined && how === undefined) log(once === "force" ? "it is started by force: it forms the cluster alone" : "it may only join, until it has been in a view");
  const observer = keepUntilInView(directory, await observeForSupervisor(process.env, log));
  // The whole of a node: no other command shall have to load it.
  const { runNode } = await import("../api/node-main.ts");
  await runNode({ directory, node: host.node, workingDirectory: "/", listen: null, endWithParent: false, ...(mode === undefined ? {} : { start: mode }), observer });
}

/**
 * Whether it could be started. Nothing is changed.
 * @returns what would start it: a unit of systemd; null = nobody but this command
 * @throws MusterError MUSTER_NOT_MEMBER, MUSTER_NOT_OWN_ADDRESS, MUSTER_SERVICE_RUNS
 */
export async function checkStart(directory: string): Promise<{ readonly node: string; readonly cluster: string; readonly unit: string | null }> {
  const configuration = ownMembership(directory);
  const { host, clusterName } = configuration;
  checkOwnAddresses(readMembers(directory, configuration).nodes.find(({ id }) => id === host.id)?.addresses ?? []);
  const daemon = daemonOf(directory);
  await daemon.refuseRunning();
  return { node: host.node, cluster: clusterName, unit: daemon.unit };
}

/** @throws MusterError MUSTER_NOT_MEMBER */
export function isServiceRunning(directory: string): Promise<boolean> {
  return daemonOf(directory).isRunning();
}

/**
 * Starts the Cluster Service and waits until its API answers.
 * @throws MusterError MUSTER_SERVICE_RUNS, MUSTER_TIMEOUT, MUSTER_SERVICE_ENDED with the last line of its log, MUSTER_NOT_OWN_ADDRESS
 */
export async function startService(directory: string, how: StartHow): Promise<void> {
  const { unit } = await checkStart(directory);
  // What somebody asked for earlier, and what came to nothing, is over.
  forgetStartOnce(directory);
  const words = ["service", "run", "--directory", directory];
  if (how === undefined || unit === null) return daemonOf(directory).start(how === undefined ? words : [...words, `--${how}-quorum`]);
  writeStartOnce(directory, how);
  try {
    await daemonOf(directory).start(words);
  } catch (error) {
    // Who did not start by force when asked to shall not do so later. Who may only join, may.
    if (how === "force") forgetStartOnce(directory);
    throw error;
  }
}

/** Stops it: its roles leave first, as DrainOnShutdown says. @returns false when it did not run */
export function stopService(directory: string, limitMs: number): Promise<boolean> {
  return daemonOf(directory).stop(limitMs);
}

/** @throws MusterError MUSTER_NOT_MEMBER */
function daemonOf(directory: string): Daemon {
  const { host } = ownMembership(directory);
  return new Daemon({ name: "The Cluster Service", kind: "service", unit: "muster.service", unitDirectory: DIRECTORY_DEFAULT, directory, socket: clusterPaths.socket(directory, host.node), log: clusterPaths.serviceLog(directory, host.node), processId: () => processIdOf(directory, host.node) });
}

function processIdOf(directory: string, node: string): number | null {
  try {
    return (JSON.parse(readFileSync(clusterPaths.endpoint(directory, node), "utf8")) as { readonly processId: number }).processId;
  } catch {
    return null;
  }
}
