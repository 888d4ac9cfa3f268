import { networkInterfaces } from "node:os";
import { readFileSync } from "node:fs";
import { MusterError } from "../model/errors.ts";
import { version } from "../model/version.ts";
import { HOSTS_MAX } from "../nlb/parameters.ts";
import type { HostId } from "../nlb/parameters.ts";
import { fingerprint } from "../security/certificates.ts";
import { formatJoinToken, hashSecret, isSecretOf, newSecret } from "../security/join-token.ts";
import { writeWhole } from "../security/whole-file.ts";
import type { NlbJoinAnswer, NlbJoinRequest } from "./facade.ts";
import type { BalancedHost } from "./files.ts";
import { hostPaths, readSecrets } from "./files.ts";

const TOKENS_MAX = 64;

/** What a host keeps of a token that it made. */
interface HostToken {
  readonly hash: string;
  readonly expiresAtWallMs: number;
  /** The machine that joined with it, and the id it was given; absent = nobody did yet. */
  readonly usedBy?: { readonly machine: string; readonly host: HostId };
}

type Tokens = Record<string, HostToken>;

/** How machines become hosts: tokens that count once, on the host that made them. */
export class Admission {
  readonly #directory: string;
  readonly #configuration: () => BalancedHost;
  readonly #taken: () => readonly HostId[];

  /** @param taken ids that hosts have that are heard, this one included */
  constructor(directory: string, configuration: () => BalancedHost, taken: () => readonly HostId[]) {
    this.#directory = directory;
    this.#configuration = configuration;
    this.#taken = taken;
  }

  /** @throws MusterError MUSTER_LIMIT */
  issue(validMs: number): { readonly token: string; readonly expiresAtWallMs: number } {
    const tokens = this.#tokens();
    for (const [id, { expiresAtWallMs }] of Object.entries(tokens)) if (expiresAtWallMs < Date.now()) delete tokens[id];
    if (Object.keys(tokens).length >= TOKENS_MAX) throw new MusterError("MUSTER_LIMIT", { what: "The number of join tokens", limit: TOKENS_MAX });
    const { id, secret } = newSecret();
    const expiresAtWallMs = Date.now() + validMs;
    tokens[id] = { hash: hashSecret(secret), expiresAtWallMs };
    this.#keep(tokens);
    const { cluster, apiPort, adapter } = this.#configuration();
    const own = (networkInterfaces()[adapter] ?? []).map(({ address }) => address).filter((address) => ![cluster.primaryAddress, ...cluster.additionalAddresses].includes(address) && !address.startsWith("fe80"));
    const addresses = own.map((address) => (address.includes(":") ? `[${address}]:${apiPort}` : `${address}:${apiPort}`));
    return { token: formatJoinToken({ clusterName: cluster.name, addresses, authority: fingerprint(readFileSync(hostPaths.authority(this.#directory))), id, secret }), expiresAtWallMs };
  }

  /** @throws MusterError saying on whose side what is wrong; nothing was changed then */
  admit(request: NlbJoinRequest): NlbJoinAnswer {
    const tokens = this.#tokens();
    const stored = tokens[request.id];
    if (stored === undefined || !isSecretOf(stored, request.secret) || stored.expiresAtWallMs < Date.now()) throw new MusterError("MUSTER_JOIN_TOKEN_UNKNOWN", {});
    // The same machine may ask again: an answer that was lost costs nothing.
    if (stored.usedBy !== undefined && stored.usedBy.machine !== request.name) throw new MusterError("MUSTER_JOIN_TOKEN_USED", { node: stored.usedBy.machine });
    if (request.version !== version) throw new MusterError("MUSTER_VERSION_MISMATCH", { node: request.name, theirs: request.version, ours: version });
    // A host that has just been admitted may not be heard yet.
    const promised = Object.entries(tokens).flatMap(([id, { usedBy }]) => (usedBy === undefined || id === request.id ? [] : [usedBy.host]));
    const taken = [...this.#taken(), ...promised];
    if (request.host !== null && taken.includes(request.host)) throw new MusterError("MUSTER_NAME_IN_USE", { field: "host", name: String(request.host) });
    const host = request.host ?? stored.usedBy?.host ?? Array.from({ length: HOSTS_MAX }, (_, position) => position + 1).find((id) => !taken.includes(id));
    if (host === undefined) throw new MusterError("MUSTER_LIMIT", { what: "The number of hosts", limit: HOSTS_MAX });
    tokens[request.id] = { ...stored, usedBy: { machine: request.name, host } };
    this.#keep(tokens);
    const { clusterId, cluster, apiPort, heartbeatPort } = this.#configuration();
    return { clusterId, cluster, host, apiPort, heartbeatPort, ...readSecrets(this.#directory) };
  }

  #tokens(): Tokens {
    try {
      return JSON.parse(readFileSync(hostPaths.tokens(this.#directory), "utf8")) as Tokens;
    } catch {
      return {};
    }
  }

  #keep(tokens: Tokens): void {
    writeWhole(hostPaths.tokens(this.#directory), JSON.stringify(tokens));
  }
}
