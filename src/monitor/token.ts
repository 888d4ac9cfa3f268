import { createHash } from "node:crypto";
import type { Generation, NodeId, ResourceId } from "../model/identifiers.ts";

/**
 * How the processes of a role are recognized, whoever started them and however far they went:
 *
 * - by the environment variable MUSTER_ROLE_TOKEN, which children inherit;
 * - by a *mark*: an odd value of the resource limit "max file locks", which Linux has not enforced
 *   since 2.4 and which is inherited even by a daemon that starts a new session, closes all files and
 *   clears its environment. An unprivileged process can lower it but never raise it.
 */
export const ROLE_TOKEN_VARIABLE = "MUSTER_ROLE_TOKEN";

/** Names a monitor process (and its guard): `cluster:node:incarnation`. Removed from what roles inherit. */
export const MONITOR_VARIABLE = "MUSTER_MONITOR";

export interface RoleToken {
  readonly clusterId: string;
  readonly resource: ResourceId;
  readonly generation: Generation;
}

/** `cluster:resource:generation`; no character that a line, a list of words or this form could be confused by. */
export function formatRoleToken(token: RoleToken): string {
  return `${rolePrefix(token.clusterId, token.resource)}${token.generation}`;
}

/** What all tokens of a resource start with. */
export function rolePrefix(clusterId: string, resource: ResourceId): string {
  return `${encodePart(clusterId)}:${encodePart(resource)}:`;
}

/** @returns null when the text is not a token */
export function parseRoleToken(text: string): RoleToken | null {
  const parts = text.split(":");
  if (parts.length !== 3) return null;
  const generation = Number(parts[2]);
  if (!Number.isSafeInteger(generation)) return null;
  try {
    return { clusterId: decodeURIComponent(parts[0] ?? ""), resource: decodeURIComponent(parts[1] ?? ""), generation };
  } catch {
    return null;
  }
}

export function formatMonitorToken(clusterId: string, node: NodeId, incarnation: number): string {
  return `${monitorPrefix(clusterId, node)}${incarnation}`;
}

/** What the names of all monitors of a node start with; without a node: of all nodes of the cluster. */
export function monitorPrefix(clusterId: string, node: NodeId | null): string {
  return node === null ? `${encodePart(clusterId)}:` : `${encodePart(clusterId)}:${node}:`;
}

/** encodeURIComponent leaves only letters, digits and -_.!~*'() : of these the quotes and stars go as well. */
function encodePart(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*~]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}

/**
 * The mark of a resource and generation, below 2^62: the upper half is the resource's, so that leftovers
 * of any generation are found; the lower half is the generation's lower 32 bits.
 */
export function roleMark(token: RoleToken): bigint {
  return (resourceMark(token.clusterId, token.resource) << 32n) | BigInt.asUintN(32, BigInt(token.generation));
}

/** The part of {@link roleMark} that all generations of a resource share; never 0. */
export function resourceMark(clusterId: string, resource: ResourceId): bigint {
  const digest = createHash("sha256").update(rolePrefix(clusterId, resource)).digest();
  return BigInt(digest.readUInt32BE(0) & 0x3fffffff) | 1n;
}
