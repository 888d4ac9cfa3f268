import { randomBytes, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { checkClusterName, clusterPaths, forgetMembership, readCluster, writeMembers } from "../service/cluster-files.ts";
import type { ClusterConfiguration, KnownMembers } from "../service/cluster-files.ts";
import { MusterError } from "../model/errors.ts";
import { writeWhole } from "../security/whole-file.ts";
import { certify, createAuthority, createRequest } from "../security/certificates.ts";
import { checkNodeName, defaultPorts, tokenOf } from "./settings.ts";
import type { Profile } from "../model/heartbeat.ts";

export interface NewCluster {
  readonly directory: string;
  readonly clusterName: string;
  readonly node: string;
  /** Of this machine, one in each network that joins the nodes. */
  readonly addresses: readonly string[];
  readonly profile: Profile;
}

/** The engine's secret; corosync takes 128 to 4096 bytes. */
const ENGINE_KEY_BYTES = 256;

/** @throws MusterError naming what would be refused @returns corosync's token in milliseconds */
export function checkNewCluster({ directory, clusterName, node, profile }: NewCluster): number {
  checkClusterName(clusterName);
  checkNodeName(node);
  refuseMember(directory);
  return tokenOf(profile);
}

/**
 * Makes a cluster of which this machine is the first and only node, with a certificate authority of its own.
 * @throws MusterError naming what is wrong; nothing is left then that was not there
 */
export async function createHostCluster(options: NewCluster): Promise<ClusterConfiguration> {
  const { directory, clusterName, node, addresses } = options;
  const tokenMs = checkNewCluster(options);
  const clusterId = randomUUID();
  const authority = await createAuthority(clusterId);
  const { key, request } = await createRequest(node);
  const certificate = await certify(authority, clusterId, request, node, addresses);
  const store = randomUUID();
  const configuration: ClusterConfiguration = {
    format: 1,
    clusterId,
    clusterName,
    nodes: [{ id: 1, name: node, store, addresses }],
    host: { node, id: 1, tokenMs, ...defaultPorts },
  };
  writeMembership(directory, configuration, {
    members: { tokenMs, nodes: [{ id: 1, name: node, addresses }] },
    key: randomBytes(32).toString("hex"),
    token: randomBytes(24).toString("base64url"),
    engineKey: randomBytes(ENGINE_KEY_BYTES),
    authority: authority.certificate,
    authorityKey: authority.key,
    certificate,
    certificateKey: key,
    initialStore: store,
  });
  return configuration;
}

/** @throws MusterError MUSTER_ALREADY_MEMBER */
export function refuseMember(directory: string): void {
  const found = readCluster(directory);
  if (found !== null) throw new MusterError("MUSTER_ALREADY_MEMBER", { node: found.host?.node ?? "?", cluster: found.clusterName, path: directory });
}

export interface MembershipFiles {
  readonly members: KnownMembers;
  readonly key: string;
  readonly token: string;
  readonly engineKey: Buffer;
  readonly authority: string;
  readonly authorityKey: string;
  readonly certificate: string;
  readonly certificateKey: string;
  /** Name of the first copy of the database; null = one that gets its vote later. */
  readonly initialStore: string | null;
}

/** All files of this machine's membership, or none of them. @throws MusterError MUSTER_DATABASE_UNWRITABLE */
export function writeMembership(directory: string, configuration: ClusterConfiguration, files: MembershipFiles): void {
  const node = configuration.host!.node;
  try {
    // What an interrupted farewell left: an old copy of a database would have a say in the new cluster.
    forgetMembership(directory, node);
    mkdirSync(clusterPaths.node(directory, node), { recursive: true, mode: 0o700 });
    mkdirSync(clusterPaths.resourceTypes(directory), { recursive: true, mode: 0o700 });
    const contents: [string, string | Buffer][] = [
      [clusterPaths.key(directory), files.key],
      [clusterPaths.token(directory), files.token],
      [clusterPaths.engineKey(directory), files.engineKey],
      [clusterPaths.authority(directory), files.authority],
      [clusterPaths.authorityKey(directory), files.authorityKey],
      [clusterPaths.certificate(directory), files.certificate],
      [clusterPaths.certificateKey(directory), files.certificateKey],
    ];
    if (files.initialStore !== null) contents.push([clusterPaths.initialStore(directory, node), files.initialStore]);
    for (const [path, content] of contents) writeFileSync(path, content, { mode: 0o600 });
    writeMembers(directory, files.members);
    // Last: a directory with this file is a whole membership.
    writeWhole(clusterPaths.configuration(directory), `${JSON.stringify(configuration, null, 2)}\n`);
  } catch (error) {
    if (!existsSync(clusterPaths.configuration(directory))) forgetMembership(directory, node);
    throw new MusterError("MUSTER_DATABASE_UNWRITABLE", { path: directory, problem: (error as Error).message }, { cause: error });
  }
}

/** This machine is no node any more; the cluster may still count on it. @throws MusterError MUSTER_NOT_MEMBER */
export async function forgetOwnMembership(directory: string, onProblem: (text: string) => void): Promise<void> {
  const found = readCluster(directory);
  if (found?.host === undefined) throw new MusterError("MUSTER_NOT_MEMBER", { path: directory });
  // The kernel's doors are loaded by those who need them alone.
  const { forgetNode } = await import("../service/farewell.ts");
  await forgetNode(directory, found, found.host.node, onProblem);
}
