import { jhash } from "./hash.ts";
import { ruleKey, ruleText } from "./parameters.ts";
import type { ClusterParameters } from "./parameters.ts";

/**
 * What must be equal on all hosts (reference: NLB 8), as a digest that fits a heartbeat. Timing
 * belongs to it, other than in Windows: a taker waits for the lease of the lost host by its own
 * reckoning. Probes and metrics do not: a host knows best how to look at itself.
 */

/** 16 hexadecimal digits. It guards against mistakes; against forgery heartbeats are authenticated. */
export type Digest = string;
export const NO_DIGEST: Digest = "0".repeat(16);

export function digestOf(bytes: Uint8Array): Digest {
  return [0x6d757374, 0x65726e6c].map((seed) => jhash(bytes, seed).toString(16).padStart(8, "0")).join("");
}

/** By field: what has to be equal. */
function comparable(cluster: ClusterParameters): ReadonlyMap<string, string> {
  const fields = new Map<string, string>([
    ["primaryAddress", cluster.primaryAddress],
    ["subnetMask", cluster.subnetMask ?? "none"],
    ["name", cluster.name.toLowerCase()],
    ["additionalAddresses", [...cluster.additionalAddresses].sort().join(" ")],
    ["operationMode", cluster.operationMode],
    ["heartbeatPeriodMs", String(cluster.heartbeatPeriodMs)],
    ["heartbeatTolerance", String(cluster.heartbeatTolerance)],
    ["filtersIcmp", String(cluster.filtersIcmp)],
    ["number of rules", String(cluster.rules.length)],
  ]);
  for (const rule of [...cluster.rules].sort((a, b) => (ruleKey(a) < ruleKey(b) ? -1 : 1))) fields.set(`rule '${ruleKey(rule)}'`, ruleText(rule));
  return fields;
}

export function parametersDigest(cluster: ClusterParameters): Digest {
  return digestOf(new TextEncoder().encode([...comparable(cluster)].map(([field, value]) => `${field}=${value}\n`).join("")));
}

/** Rules in the one order that does not depend on how they were entered: indices in maps and heartbeats mean this order. */
export function inCanonicalOrder(cluster: ClusterParameters): ClusterParameters {
  return { ...cluster, rules: [...cluster.rules].sort((a, b) => (ruleKey(a) < ruleKey(b) ? -1 : 1)) };
}

export interface Mismatch {
  readonly field: string;
  readonly here: string;
  readonly there: string;
}

/** Where two hosts' parameters differ, in words for the one who has to repair it. */
export function mismatches(here: ClusterParameters, there: ClusterParameters): Mismatch[] {
  const [own, other] = [comparable(here), comparable(there)];
  const fields = [...new Set([...own.keys(), ...other.keys()])];
  return fields.filter((field) => own.get(field) !== other.get(field)).map((field) => ({ field, here: own.get(field) ?? "none", there: other.get(field) ?? "none" }));
}
