import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { MusterError } from "../model/errors.ts";

/**
 * What an administrator carries from a node of the cluster to a machine that is to join: where to ask, how to know that
 * it is the right cluster that answers, and a secret that counts once.
 */
export interface JoinToken {
  readonly clusterName: string;
  /** HOST:PORT of nodes that answer. */
  readonly addresses: readonly string[];
  /** Of the certificate of the cluster's authority. */
  readonly authority: string;
  readonly id: string;
  readonly secret: string;
}

/** What the Cluster Database keeps of a token: enough to know it again, too little to make it. */
export interface StoredToken {
  readonly hash: string;
  readonly expiresAtWallMs: number;
  /** Fingerprint of the key that joined with it, and the node's name; absent = it has not been used. */
  readonly usedBy?: { readonly key: string; readonly node: string };
}

const PREFIX = "muster-join-1.";
const TEXT_LENGTH_MAX = 4_096;

export function newSecret(): { readonly id: string; readonly secret: string } {
  return { id: randomBytes(6).toString("hex"), secret: randomBytes(24).toString("base64url") };
}

export function formatJoinToken(token: JoinToken): string {
  return `${PREFIX}${Buffer.from(JSON.stringify([token.clusterName, token.addresses, token.authority, token.id, token.secret])).toString("base64url")}`;
}

/** @throws MusterError MUSTER_INVALID_ARGUMENT naming the token */
export function parseJoinToken(text: string): JoinToken {
  const invalid = (): MusterError => new MusterError("MUSTER_INVALID_ARGUMENT", { field: "token", problem: "it is no join token, or not all of it; make one on a node of the cluster: muster node token" });
  if (!text.startsWith(PREFIX) || text.length > TEXT_LENGTH_MAX) throw invalid();
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(text.slice(PREFIX.length), "base64url").toString());
  } catch {
    throw invalid();
  }
  if (!Array.isArray(parts) || parts.length !== 5) throw invalid();
  const [clusterName, addresses, authority, id, secret] = parts as unknown[];
  if (![clusterName, authority, id, secret].every((part) => typeof part === "string")) throw invalid();
  if (!Array.isArray(addresses) || addresses.length === 0 || !addresses.every((address) => typeof address === "string")) throw invalid();
  return { clusterName, addresses, authority, id, secret } as JoinToken;
}

export function hashSecret(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}

export function isSecretOf(stored: Pick<StoredToken, "hash">, secret: string): boolean {
  return timingSafeEqual(Buffer.from(hashSecret(secret), "hex"), Buffer.from(stored.hash, "hex"));
}
