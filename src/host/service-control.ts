import { readFileSync } from "node:fs";
import { MusterError } from "../model/errors.ts";
import { clusterPaths, readCluster, readMembers } from "../service/cluster-files.ts";
import type { ClusterConfiguration, HostSettings } from "../service/cluster-files.ts";
import { Daemon } from "./daemon.ts";
import { observeForSupervisor } from "./notify.ts";
import { DIRECTORY_DEFAULT, checkOwnAddresses } from "./settings.ts";

/** The Cluster Service of this machine. */

export type StartHow = "force" | "prevent" | undefined;

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
  const observer = await observeForSupervisor(process.env, (line) => process.stdout.write(`${line}\n`));
  // The whole of a node: no other command shall have to load it.
  const { runNode } = await import("../api/node-main.ts");
  await runNode({ directory, node: host.node, workingDirectory: "/", listen: null, endWithParent: false, ...(how === undefined ? {} : { start: how }), ...(observer === null ? {} : { observer }) });
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
  await checkStart(directory);
  await daemonOf(directory).start(["service", "run", "--directory", directory, ...(how === undefined ? [] : [`--${how}-quorum`])], how === undefined);
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
