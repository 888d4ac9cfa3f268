import { readFileSync } from "node:fs";
import { knownWeights } from "../core/index.ts";
import type { ClusterState } from "../core/index.ts";
import { MusterError } from "../model/errors.ts";
import type { Command, DatabaseOperation } from "../model/inputs.ts";
import type { DatabaseValue } from "../model/objects.ts";
import { PROTOCOL_VERSION } from "../model/version.ts";
import { certify, fingerprint, fingerprintOfRequest } from "../security/certificates.ts";
import { formatJoinToken, hashSecret, isSecretOf, newSecret } from "../security/join-token.ts";
import type { StoredToken } from "../security/join-token.ts";
import { clusterPaths } from "./cluster-files.ts";
import type { ClusterConfiguration, FoundingNode, HostSettings, KnownMembers } from "./cluster-files.ts";
import { membersOf } from "./members.ts";

/** What a machine that wants to join says of itself. */
export interface JoinRequest {
  readonly id: string;
  readonly secret: string;
  readonly node: string;
  /** Where the others will reach it, one address in each link. */
  readonly addresses: readonly string[];
  /** PEM: the request to certify its key. */
  readonly request: string;
  readonly protocolVersion: number;
  readonly wallTimeMs: number;
}

/** Everything a machine needs to be a node. */
export interface JoinAnswer {
  readonly clusterId: string;
  readonly clusterName: string;
  readonly founders: readonly FoundingNode[];
  readonly members: KnownMembers;
  readonly host: HostSettings;
  readonly key: string;
  readonly token: string;
  /** Base64. */
  readonly engineKey: string;
  readonly authority: string;
  readonly authorityKey: string;
  readonly certificate: string;
}

export interface JoiningOptions {
  readonly directory: string;
  readonly configuration: ClusterConfiguration;
  readonly state: () => ClusterState;
  /** Resolves when `state()` is as new as the cluster. */
  readonly read: () => Promise<void>;
  readonly command: (command: Command) => Promise<unknown>;
  readonly tokenMs: () => number;
}

const PREFIX = "muster/join-tokens/";
/** Certificates, time windows and logs of two machines shall mean the same moment. */
/** After these a command may have been carried out, or may be later. */
const MAY_BE_DONE: readonly string[] = ["MUSTER_TIMEOUT", "MUSTER_NO_QUORUM"];
const CLOCKS_APART_MAX_MS = 30_000;
const TOKENS_MAX = 64;

/** How machines become nodes: tokens that count once, and what is handed to who shows one. */
export class Joining {
  readonly #options: JoiningOptions;
  /** One at a time: a second request with the same token sees what came of the first. */
  #queue: Promise<unknown> = Promise.resolve();

  constructor(options: JoiningOptions) {
    this.#options = options;
  }

  /**
   * Makes a token and keeps what it is known by in the Cluster Database.
   * @throws MusterError MUSTER_NO_HOST_CLUSTER, MUSTER_LIMIT
   */
  async issue(validMs: number): Promise<{ readonly token: string; readonly expiresAtWallMs: number }> {
    const { apiPort } = this.#host();
    const { directory, state, command } = this.#options;
    const { id, secret } = newSecret();
    const expiresAtWallMs = Date.now() + validMs;
    const expired = this.#tokens().filter(([, stored]) => stored.expiresAtWallMs < Date.now());
    if (this.#tokens().length - expired.length >= TOKENS_MAX) throw new MusterError("MUSTER_LIMIT", { what: "The number of join tokens", limit: TOKENS_MAX });
    const operations: DatabaseOperation[] = [...expired.map(([key]) => ({ operation: "delete", key }) as const), { operation: "set", key: `${PREFIX}${id}`, value: valueOf({ hash: hashSecret(secret), expiresAtWallMs }) }];
    await command({ verb: "database.batch", operations });
    const addresses = membersOf(state()).flatMap((member) => member.addresses.map((address) => hostPort(address, apiPort)));
    const clusterName = state().tables.cluster.get("-")?.name ?? this.#options.configuration.clusterName;
    return { token: formatJoinToken({ clusterName, addresses, authority: fingerprint(readFileSync(clusterPaths.authority(directory))), id, secret }), expiresAtWallMs };
  }

  /**
   * Adds the machine to the configuration and hands it what it needs. The same machine may ask again with the same
   * key: an answer that was lost costs nothing.
   * @throws MusterError saying on whose side what is wrong; nothing was changed then
   */
  admit(request: JoinRequest): Promise<JoinAnswer> {
    const admitted = this.#queue.then(() => this.#admit(request));
    this.#queue = admitted.catch(() => undefined);
    return admitted;
  }

  async #admit(request: JoinRequest): Promise<JoinAnswer> {
    this.#host();
    const { configuration, state, read, command } = this.#options;
    if (request.protocolVersion !== PROTOCOL_VERSION) throw new MusterError("MUSTER_VERSION_MISMATCH", { node: request.node, theirs: request.protocolVersion, ours: PROTOCOL_VERSION });
    const apartMs = Math.abs(Date.now() - request.wallTimeMs);
    if (apartMs > CLOCKS_APART_MAX_MS) throw new MusterError("MUSTER_CLOCKS_APART", { node: request.node, seconds: Math.round(apartMs / 1_000), limit: CLOCKS_APART_MAX_MS / 1_000 });
    await read();
    const key = `${PREFIX}${request.id}`;
    const stored = this.#tokens().find(([name]) => name === key)?.[1];
    if (stored === undefined || !isSecretOf(stored, request.secret) || stored.expiresAtWallMs < Date.now()) throw new MusterError("MUSTER_JOIN_TOKEN_UNKNOWN", {});
    const usedBy = { key: await fingerprintOfRequest(request.request), node: request.node };
    if (stored.usedBy !== undefined && (stored.usedBy.key !== usedBy.key || stored.usedBy.node !== usedBy.node)) throw new MusterError("MUSTER_JOIN_TOKEN_USED", { node: stored.usedBy.node });
    const used: StoredToken = { ...stored, usedBy };
    if (stored.usedBy === undefined) {
      // Another node of the cluster may be asked with the same token at the same moment.
      await command({ verb: "database.batch", operations: [{ operation: "equal", key, value: valueOf(stored) }, { operation: "set", key, value: valueOf(used) }] }).catch((error: unknown) => {
        throw MusterError.from(error).code === "MUSTER_CONDITION_FAILED" ? new MusterError("MUSTER_JOIN_TOKEN_USED", { node: "another machine" }) : error;
      });
    }
    const known = membersOf(state()).find((member) => member.name === request.node);
    if (stored.usedBy === undefined || known === undefined) {
      try {
        await command({ verb: "node.add", name: request.node, addresses: request.addresses });
      } catch (error) {
        // What was refused has not used the token up; what may have been done has.
        const mayBeDone = MAY_BE_DONE.includes(MusterError.from(error).code);
        if (!mayBeDone) await command({ verb: "database.batch", operations: [{ operation: "equal", key, value: valueOf(used) }, { operation: "set", key, value: valueOf(stored) }] }).catch(() => undefined);
        throw error;
      }
    }
    return this.#answer(request, configuration);
  }

  async #answer(request: JoinRequest, configuration: ClusterConfiguration): Promise<JoinAnswer> {
    const { directory, state, tokenMs } = this.#options;
    const nodes = membersOf(state());
    const self = nodes.find((member) => member.name === request.node);
    if (self === undefined) throw new MusterError("MUSTER_NODE_NOT_FOUND", { name: request.node });
    const text = (path: string): string => readFileSync(path, "utf8");
    const authority = { certificate: text(clusterPaths.authority(directory)), key: text(clusterPaths.authorityKey(directory)) };
    return {
      clusterId: configuration.clusterId,
      clusterName: configuration.clusterName,
      founders: configuration.nodes,
      members: { tokenMs: knownWeights(state()).tokenMs ?? tokenMs(), nodes },
      host: { ...this.#host(), node: self.name, id: self.id, tokenMs: tokenMs() },
      key: text(clusterPaths.key(directory)).trim(),
      token: text(clusterPaths.token(directory)).trim(),
      engineKey: readFileSync(clusterPaths.engineKey(directory)).toString("base64"),
      authority: authority.certificate,
      authorityKey: authority.key,
      certificate: await certify(authority, configuration.clusterId, request.request, self.name, self.addresses),
    };
  }

  #host(): HostSettings {
    const { host } = this.#options.configuration;
    if (host === undefined) throw new MusterError("MUSTER_NO_HOST_CLUSTER", {});
    return host;
  }

  #tokens(): [string, StoredToken][] {
    const { keys } = this.#options.state().tables;
    return keys
      .keys()
      .filter((key) => key.startsWith(PREFIX))
      .flatMap((key) => {
        const stored = storedFrom(keys.get(key)!);
        return stored === null ? [] : [[key, stored] as [string, StoredToken]];
      });
  }
}

function valueOf(stored: StoredToken): DatabaseValue {
  return { type: "string", value: JSON.stringify(stored) };
}

/** null for what somebody else put there. */
function storedFrom({ value }: DatabaseValue): StoredToken | null {
  try {
    const stored = JSON.parse(String(value)) as StoredToken;
    return typeof stored.hash === "string" && stored.hash.length === 64 && typeof stored.expiresAtWallMs === "number" ? stored : null;
  } catch {
    return null;
  }
}

/** Addresses of IPv6 stand in brackets. */
export function hostPort(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
