import { createHmac, randomBytes, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { MusterError } from "../model/errors.ts";
import type { FilterEngine } from "../nlb-filter/choice.ts";
import type { Mode } from "../nlb/inputs.ts";
import type { ClusterParameters, HostParameters } from "../nlb/parameters.ts";
import { validateCluster, validateHost } from "../nlb/validation.ts";
import { certify, createAuthority, createRequest } from "../security/certificates.ts";
import { writeWhole } from "../security/whole-file.ts";

/** What a host keeps of its balancing cluster: one directory for each cluster, and each cluster on an adapter of its own. */

export const NLB_DIRECTORY_DEFAULT = "/var/lib/muster/nlb";
/** Beside those of the failover cluster (3343, 3344). */
export const NLB_API_PORT = 3_345;
/** Where Windows' remote control of NLB listens. */
export const NLB_HEARTBEAT_PORT = 2_504;

export interface BalancedHost {
  readonly format: 1;
  readonly clusterId: string;
  readonly adapter: string;
  readonly apiPort: number;
  readonly heartbeatPort: number;
  readonly engine: FilterEngine;
  readonly cluster: ClusterParameters;
  readonly host: HostParameters;
}

/** What the host was doing, and under which number; written by the agent alone. */
export interface HostLifeRecord {
  readonly incarnation: number;
  readonly mode: Mode | null;
}

/** What makes a machine a host of the cluster: it goes over an encrypted connection, to who has a token. */
export interface ClusterSecrets {
  /** 64 hexadecimal digits. */
  readonly key: string;
  /** PEM. */
  readonly authority: string;
  readonly authorityKey: string;
}

export const hostPaths = {
  configuration: (directory: string) => join(directory, "host.json"),
  life: (directory: string) => join(directory, "life.json"),
  key: (directory: string) => join(directory, "key"),
  authority: (directory: string) => join(directory, "authority.pem"),
  authorityKey: (directory: string) => join(directory, "authority.key"),
  certificate: (directory: string) => join(directory, "certificate.pem"),
  certificateKey: (directory: string) => join(directory, "certificate.key"),
  tokens: (directory: string) => join(directory, "tokens.json"),
  socket: (directory: string) => join(directory, "api.sock"),
  process: (directory: string) => join(directory, "process"),
  log: (directory: string) => join(directory, "agent.log"),
} as const;

/** @returns null = the directory holds no host @throws MusterError when the file cannot be understood */
export function readBalancedHost(directory: string): BalancedHost | null {
  const path = hostPaths.configuration(directory);
  if (!existsSync(path)) return null;
  let file: BalancedHost;
  try {
    file = JSON.parse(readFileSync(path, "utf8")) as BalancedHost;
  } catch (error) {
    throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "directory", problem: `${path} cannot be read: ${(error as Error).message}` }, { cause: error });
  }
  if (file.format !== 1) throw new MusterError("MUSTER_VERSION_MISMATCH", { node: path, theirs: String(file.format), ours: 1 });
  const cluster = validateCluster(file.cluster);
  return { ...file, cluster, host: validateHost(file.host, cluster) };
}

/** @throws MusterError MUSTER_NLB_NO_HOST */
export function balancedHost(directory: string): BalancedHost {
  const found = readBalancedHost(directory);
  if (found === null) throw new MusterError("MUSTER_NLB_NO_HOST", { path: directory });
  return found;
}

export function writeBalancedHost(directory: string, file: BalancedHost): void {
  writeWhole(hostPaths.configuration(directory), `${JSON.stringify(file, null, 2)}\n`);
}

export function readLife(directory: string): HostLifeRecord {
  try {
    return JSON.parse(readFileSync(hostPaths.life(directory), "utf8")) as HostLifeRecord;
  } catch {
    return { incarnation: 0, mode: null };
  }
}

/** @throws the error of the system: a life that is not on the disk must not begin */
export function writeLife(directory: string, life: HostLifeRecord): void {
  writeWhole(hostPaths.life(directory), JSON.stringify(life));
}

/** The same of a host that serves: a full disk is no reason to serve no more. */
export function noteLife(directory: string, life: HostLifeRecord, log: (line: string) => void): void {
  try {
    writeLife(directory, life);
  } catch (error) {
    log(`that this host is ${life.mode} could not be kept for its next start: ${(error as Error).message}`);
  }
}

export async function newSecrets(clusterId: string): Promise<ClusterSecrets> {
  const { certificate, key } = await createAuthority(clusterId);
  return { key: randomBytes(32).toString("hex"), authority: certificate, authorityKey: key };
}

export function newClusterId(): string {
  return randomUUID();
}

export function readSecrets(directory: string): ClusterSecrets {
  const text = (path: string): string => readFileSync(path, "utf8");
  return { key: text(hostPaths.key(directory)).trim(), authority: text(hostPaths.authority(directory)), authorityKey: text(hostPaths.authorityKey(directory)) };
}

/** Makes the directory of a host; the file that says it is one comes last. @throws MusterError; nothing is left then */
export async function makeBalancedHost(directory: string, file: BalancedHost, secrets: ClusterSecrets, addresses: readonly string[]): Promise<void> {
  if (readBalancedHost(directory) !== null) throw new MusterError("MUSTER_NLB_HOST_EXISTS", { path: directory });
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  try {
    const { key, request } = await createRequest(file.host.name);
    const certificate = await certify({ certificate: secrets.authority, key: secrets.authorityKey }, file.clusterId, request, file.host.name, addresses);
    for (const [path, content] of [[hostPaths.key(directory), secrets.key], [hostPaths.authority(directory), secrets.authority], [hostPaths.authorityKey(directory), secrets.authorityKey], [hostPaths.certificate(directory), certificate], [hostPaths.certificateKey(directory), key]] as const) writeWhole(path, content);
    writeBalancedHost(directory, file);
  } catch (error) {
    forgetBalancedHost(directory);
    throw error;
  }
}

/** What made this machine a host; what it logged stays. */
export function forgetBalancedHost(directory: string): void {
  const { log: _log, ...paths } = hostPaths;
  for (const path of Object.values(paths)) rmSync(path(directory), { force: true });
}

/** What hosts show each other over their encrypted connections, beside the certificate. */
export function peerToken(key: string): string {
  return createHmac("sha256", Buffer.from(key, "hex")).update("muster nlb api").digest("base64url");
}
