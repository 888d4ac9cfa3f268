import { randomBytes, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { MusterError } from "../model/errors.ts";
import { writeWhole } from "../security/whole-file.ts";
import { NODES_MAX } from "../model/identifiers.ts";
import type { Weights } from "../model/votes.ts";

/**
 * The directory of a cluster: who belongs to it, the keys, and where everything lies. With the embedded engine one
 * directory holds all nodes; where nodes are machines, each has its own.
 */

export interface ClusterConfiguration {
  readonly format: 1;
  readonly clusterId: string;
  /** As it was named when it was created; what it is called now stands in its database. */
  readonly clusterName: string;
  /**
   * With whom it was created; never changed, because the log begins with them. `store` names the first copy of
   * the database of each: only that one has a vote from the start.
   */
  readonly nodes: readonly FoundingNode[];
  /** What this machine is in it; absent = the embedded engine, all nodes on this machine. */
  readonly host?: HostSettings;
}

export interface FoundingNode {
  readonly id: number;
  readonly name: string;
  readonly store: string;
  readonly addresses?: readonly string[];
}

export interface HostSettings {
  /** Which node this machine is. */
  readonly node: string;
  readonly id: number;
  /** corosync's token by the profile that the cluster was created with; the cluster's properties may ask for another one. */
  readonly tokenMs: number;
  /** Where the API answers, with TLS. */
  readonly apiPort: number;
  /** Where bulk transfer between nodes goes. */
  readonly transferPort: number;
}

/** The nodes there are now and how to reach them, as far as this machine has heard: what it needs to find the others. */
export interface KnownMembers {
  /** corosync's token in force. */
  readonly tokenMs: number;
  readonly nodes: readonly KnownMember[];
}

export interface KnownMember {
  readonly id: number;
  readonly name: string;
  readonly addresses: readonly string[];
}

/** A Unix socket's path has 108 bytes with its end. */
const SOCKET_PATH_BYTES_MAX = 107;

export const clusterPaths = {
  configuration: (directory: string) => join(directory, "cluster.json"),
  key: (directory: string) => join(directory, "key"),
  token: (directory: string) => join(directory, "token"),
  members: (directory: string) => join(directory, "members.json"),
  /** How the next start of the service shall be, once. */
  startOnce: (directory: string) => join(directory, "start-once.json"),
  authority: (directory: string) => join(directory, "authority.pem"),
  authorityKey: (directory: string) => join(directory, "authority.key"),
  certificate: (directory: string) => join(directory, "certificate.pem"),
  certificateKey: (directory: string) => join(directory, "certificate.key"),
  corosync: (directory: string) => join(directory, "corosync"),
  engineKey: (directory: string) => join(directory, "engine.key"),
  node: (directory: string, node: string) => join(directory, "nodes", node),
  database: (directory: string, node: string) => join(directory, "nodes", node, "database.sqlite"),
  history: (directory: string, node: string) => join(directory, "nodes", node, "history.sqlite"),
  initialStore: (directory: string, node: string) => join(directory, "nodes", node, "initial-store"),
  serviceLog: (directory: string, node: string) => join(directory, "nodes", node, "service.log"),
  socket: (directory: string, node: string) => join(directory, "nodes", node, "api.sock"),
  endpoint: (directory: string, node: string) => join(directory, "nodes", node, "endpoint.json"),
  resourceTypes: (directory: string) => join(directory, "resource-types"),
} as const;

/** It is also a file name, and later a host name. @throws MusterError */
export function checkClusterName(name: string): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9-]{0,14}$/.test(name)) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "name", problem: "1 to 15 letters, digits and -, not starting with -" });
}

/** Makes the files of a new cluster. @throws MusterError naming what is wrong; nothing is left then that was not there */
export function createCluster(directory: string, clusterName: string, nodeNames: readonly string[]): ClusterConfiguration {
  checkClusterName(clusterName);
  if (nodeNames.length < 1 || nodeNames.length > NODES_MAX) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "nodes", problem: `from 1 to ${NODES_MAX}` });
  if (Buffer.byteLength(clusterPaths.socket(directory, nodeNames.at(-1)!)) > SOCKET_PATH_BYTES_MAX) {
    throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "directory", problem: `${directory} is too long for a socket's path` });
  }
  const configuration: ClusterConfiguration = {
    format: 1,
    clusterId: randomUUID(),
    clusterName,
    nodes: nodeNames.map((name, position) => ({ id: position + 1, name, store: randomUUID() })),
  };
  try {
    for (const node of configuration.nodes) {
      mkdirSync(clusterPaths.node(directory, node.name), { recursive: true, mode: 0o700 });
      writeFileSync(clusterPaths.initialStore(directory, node.name), node.store, { mode: 0o600 });
    }
    mkdirSync(clusterPaths.resourceTypes(directory), { recursive: true, mode: 0o700 });
    writeFileSync(clusterPaths.key(directory), randomBytes(32).toString("hex"), { mode: 0o600 });
    writeFileSync(clusterPaths.token(directory), randomBytes(24).toString("base64url"), { mode: 0o600 });
    // Last: a directory with this file is a whole cluster.
    writeFileSync(clusterPaths.configuration(directory), `${JSON.stringify(configuration, null, 2)}\n`, { mode: 0o600 });
  } catch (error) {
    throw new MusterError("MUSTER_DATABASE_UNWRITABLE", { path: directory, problem: (error as Error).message }, { cause: error });
  }
  return configuration;
}

/** The cluster in a directory, or null when there is none. @throws MusterError when the file cannot be understood */
export function readCluster(directory: string): ClusterConfiguration | null {
  const path = clusterPaths.configuration(directory);
  if (!existsSync(path)) return null;
  let configuration: ClusterConfiguration;
  try {
    configuration = JSON.parse(readFileSync(path, "utf8")) as ClusterConfiguration;
  } catch (error) {
    throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "directory", problem: `${path} cannot be read: ${(error as Error).message}` }, { cause: error });
  }
  if (configuration.format !== 1) throw new MusterError("MUSTER_VERSION_MISMATCH", { node: path, theirs: String(configuration.format), ours: 1 });
  return configuration;
}

/** The nodes this machine knows; a cluster that was just created has its founders. */
export function readMembers(directory: string, configuration: ClusterConfiguration): KnownMembers {
  const path = clusterPaths.members(directory);
  if (existsSync(path)) {
    try {
      return JSON.parse(readFileSync(path, "utf8")) as KnownMembers;
    } catch {
      // It can be had from the others again; the founders may be among them.
    }
  }
  return { tokenMs: configuration.host?.tokenMs ?? 0, nodes: configuration.nodes.map(({ id, name, addresses }) => ({ id, name, addresses: addresses ?? [] })) };
}

/** Replaced as a whole: a machine that loses its power here has the old list or the new one. */
export function writeMembers(directory: string, members: KnownMembers): void {
  writeWhole(clusterPaths.members(directory), `${JSON.stringify(members, null, 2)}\n`);
}

export function readKey(directory: string): Buffer {
  return Buffer.from(readFileSync(clusterPaths.key(directory), "utf8"), "hex");
}

/** The name of the node's first copy, while it has not been made; null afterwards. */
export function readInitialStore(directory: string, node: string): string | null {
  const path = clusterPaths.initialStore(directory, node);
  return existsSync(path) ? readFileSync(path, "utf8") : null;
}

export function forgetInitialStore(directory: string, node: string): void {
  rmSync(clusterPaths.initialStore(directory, node), { force: true });
}

export function initialWeights(configuration: ClusterConfiguration): Weights {
  return { version: 1, votes: configuration.nodes.map((node) => ({ node: node.id, store: node.store, votes: 1 })), witness: null };
}

/** Everything that made this machine a node: its configuration first, its copy of the database too. Types of users stay. */
export function forgetMembership(directory: string, node: string): void {
  const paths = [clusterPaths.configuration, clusterPaths.members, clusterPaths.key, clusterPaths.token, clusterPaths.engineKey, clusterPaths.authority, clusterPaths.authorityKey, clusterPaths.certificate, clusterPaths.certificateKey, clusterPaths.startOnce];
  for (const path of paths) rmSync(path(directory), { force: true });
  for (const path of [clusterPaths.node(directory, node), clusterPaths.corosync(directory)]) rmSync(path, { recursive: true, force: true });
}
