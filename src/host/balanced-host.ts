import { networkInterfaces } from "node:os";
import { readFileSync, writeFileSync } from "node:fs";
import { ApiClient } from "../api/client.ts";
import { MusterError } from "../model/errors.ts";
import { version } from "../model/version.ts";
import type { NlbJoinAnswer, NlbJoinRequest } from "../nlb-host/facade.ts";
import { NLB_DIRECTORY_DEFAULT, balancedHost, forgetBalancedHost, hostPaths, makeBalancedHost, newClusterId, newSecrets, readBalancedHost } from "../nlb-host/files.ts";
import type { BalancedHost } from "../nlb-host/files.ts";
import type { ClusterParameters, HostId, HostParameters } from "../nlb/parameters.ts";
import { validateCluster, validateHost } from "../nlb/validation.ts";
import { fingerprint } from "../security/certificates.ts";
import { parseJoinToken } from "../security/join-token.ts";
import { Daemon } from "./daemon.ts";
import { openTeller } from "./notify.ts";

/** This machine as a host of a balancing cluster: becoming one, running, and being none any more. */

const ASK_LIMIT_MS = 20_000;
const STOP_LIMIT_MS = 30_000;

export interface NewHost {
  readonly directory: string;
  readonly adapter: string;
  readonly name: string;
  /** null = the first that is free; of a new cluster 1. */
  readonly id: HostId | null;
  readonly dedicatedAddresses: readonly string[];
}

export type Ports = Pick<BalancedHost, "apiPort" | "heartbeatPort">;

/** What a new cluster would be; nothing is written. @throws MusterError that names the field, MUSTER_NLB_HOST_EXISTS */
export function newBalancingCluster(host: NewHost, given: ClusterParameters, ports: Ports): { readonly file: BalancedHost; readonly addresses: readonly string[] } {
  refuseHost(host.directory);
  const cluster = validateCluster(given);
  const addresses = addressesOf(host.adapter, cluster);
  return { file: { format: 1, clusterId: newClusterId(), adapter: host.adapter, ...ports, engine: "auto", cluster, host: validateHost(parametersOf(host, host.id ?? 1), cluster) }, addresses };
}

/** @throws MusterError as {@link newBalancingCluster}; nothing is left then */
export async function createBalancingCluster(host: NewHost, given: ClusterParameters, ports: Ports): Promise<BalancedHost> {
  const { file, addresses } = newBalancingCluster(host, given, ports);
  await makeBalancedHost(host.directory, file, await newSecrets(file.clusterId), addresses);
  return file;
}

/**
 * Everything about joining but the joining: the token is not used, and nothing is written.
 * @returns the cluster, which of its addresses answers, and those of the adapter @throws MusterError of this machine, MUSTER_OTHER_CLUSTER, MUSTER_NOT_REACHABLE
 */
export async function checkBalancingJoin(host: NewHost, tokenText: string): Promise<{ readonly cluster: string; readonly address: string; readonly addresses: readonly string[] }> {
  refuseHost(host.directory);
  const token = parseJoinToken(tokenText);
  const addresses = addressesOf(host.adapter, { primaryAddress: "", additionalAddresses: [] });
  const { address } = await firstOf(token.addresses, token.authority, async (client) => {
    // Who signed the certificate is known by then; without the token of a host nobody is told more.
    await client.get("/v1/nlb/status", { timeoutMs: ASK_LIMIT_MS }).catch((error: unknown) => {
      if (MusterError.from(error).code !== "MUSTER_UNAUTHORIZED") throw error;
    });
  });
  return { cluster: token.clusterName, address, addresses };
}

/** @throws MusterError of the cluster, or of this machine; nothing is left then */
export async function joinBalancingCluster(host: NewHost, tokenText: string): Promise<BalancedHost> {
  refuseHost(host.directory);
  const token = parseJoinToken(tokenText);
  const body: NlbJoinRequest = { id: token.id, secret: token.secret, name: host.name, host: host.id, version };
  const { answer } = await firstOf(token.addresses, token.authority, (client) => client.send<NlbJoinAnswer>("POST", "/v1/nlb/join", { body, timeoutMs: ASK_LIMIT_MS }));
  if (fingerprint(answer.authority) !== token.authority) throw new MusterError("MUSTER_OTHER_CLUSTER", { address: token.addresses.join(", "), cluster: token.clusterName });
  const { clusterId, cluster, apiPort, heartbeatPort, key, authority, authorityKey } = answer;
  const file: BalancedHost = { format: 1, clusterId, adapter: host.adapter, apiPort, heartbeatPort, engine: "auto", cluster, host: validateHost(parametersOf(host, answer.host), cluster) };
  await makeBalancedHost(host.directory, file, { key, authority, authorityKey }, addressesOf(host.adapter, cluster));
  return file;
}

/** @throws MusterError of the first that answers, or MUSTER_NOT_REACHABLE naming all */
async function firstOf<Answer>(addresses: readonly string[], authority: string, ask: (client: ApiClient) => Promise<Answer>): Promise<{ readonly answer: Answer; readonly address: string }> {
  const problems: string[] = [];
  for (const address of addresses) {
    const client = new ApiClient({ url: `https://${address}`, token: null, trust: { fingerprint: authority } });
    try {
      return { answer: await ask(client), address };
    } catch (error) {
      const known = MusterError.from(error);
      if (known.code !== "MUSTER_NOT_REACHABLE") throw known;
      problems.push(`${address}: ${known.message}`);
    }
  }
  throw new MusterError("MUSTER_NOT_REACHABLE", { address: addresses.join(", "), problem: problems.join(" ") || "the token names no address" });
}

/** Runs the host in this process until it is told to end. @throws MusterError MUSTER_NLB_NO_HOST, MUSTER_SERVICE_RUNS */
export async function runHost(directory: string): Promise<void> {
  balancedHost(directory);
  await daemonOf(directory).claim();
  const observer = await openTeller(process.env, (line) => process.stdout.write(`${line}\n`));
  writeFileSync(hostPaths.process(directory), String(process.pid), { mode: 0o600 });
  const { runBalancedHost } = await import("../nlb-api/host-main.ts");
  await runBalancedHost(directory, observer);
}

/** Starts it and waits until it answers; the host itself starts as its parameters say. @throws MusterError with the last line of its log */
export function startHost(directory: string): Promise<void> {
  balancedHost(directory);
  return daemonOf(directory).start(["nlb", "run", "--directory", directory]);
}

/** @returns false when it did not run */
export function stopHost(directory: string): Promise<boolean> {
  balancedHost(directory);
  return daemonOf(directory).stop(STOP_LIMIT_MS);
}

export function isHostRunning(directory: string): Promise<boolean> {
  return daemonOf(directory).isRunning();
}

/**
 * Stops it and forgets what made this machine a host, with what a host that ended without a word left in the kernel.
 * @param say told of what could not be taken away
 * @returns false when it did not run
 */
export async function removeHost(directory: string, say: (line: string) => void): Promise<boolean> {
  const ran = await stopHost(directory);
  // Whatever supervises it starts it no more from here on.
  await daemonOf(directory).claim();
  const { clearLeftovers } = await import("../nlb-host/leftovers.ts");
  try {
    await clearLeftovers(directory, say);
  } catch (error) {
    // It is no host any more all the same: an adapter that is gone has nothing left.
    say(`what the host left in the kernel could not be looked for: ${MusterError.from(error).message}`);
  }
  forgetBalancedHost(directory);
  return ran;
}

function daemonOf(directory: string): Daemon {
  return new Daemon({ name: "The balancing host", kind: "nlb", unit: "muster-nlb.service", unitDirectory: NLB_DIRECTORY_DEFAULT, directory, socket: hostPaths.socket(directory), log: hostPaths.log(directory), processId: () => processIdOf(directory) });
}

function processIdOf(directory: string): number | null {
  try {
    return Number(readFileSync(hostPaths.process(directory), "utf8"));
  } catch {
    return null;
  }
}

function refuseHost(directory: string): void {
  if (readBalancedHost(directory) !== null) throw new MusterError("MUSTER_NLB_HOST_EXISTS", { path: directory });
}

function parametersOf({ name, dedicatedAddresses }: NewHost, id: HostId): HostParameters {
  return { id, name, dedicatedAddresses, initialState: "started", retainsSuspended: true, rules: {} };
}

/** By which the others reach this host. @throws MusterError when the adapter has none */
function addressesOf(adapter: string, { primaryAddress, additionalAddresses }: Pick<ClusterParameters, "primaryAddress" | "additionalAddresses">): string[] {
  const infos = networkInterfaces()[adapter];
  if (infos === undefined) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "--adapter", problem: `there is no adapter ${adapter} with an address; there are: ${Object.keys(networkInterfaces()).join(", ")}` });
  const own = infos.map(({ address }) => address).filter((address) => address !== primaryAddress && !additionalAddresses.includes(address));
  if (own.length === 0) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "--adapter", problem: `${adapter} has no address of its own; heartbeats and the other hosts need one` });
  return own;
}
