import type { Affinity, FilterAction, FilterRule } from "../nlb/filter-contract.ts";
import { BUCKETS } from "../nlb/filter-contract.ts";

/** The lines of one rule. */

const VERSIONS = [4, 6] as const;
type Version = (typeof VERSIONS)[number];
type Share = Extract<FilterAction, { kind: "share" }>;

/** Clients of a rule whose hosts are remembered; beyond, a client goes by its bucket. */
const CLIENTS_MAX = 65_536;

/** What becomes of a new connection, or of a datagram. */
export function ruleLines({ action }: FilterRule, number: number): readonly string[] {
  if (action.kind === "drop") return ["counter drop"];
  if (action.kind === "whole") return [action.accepts ? `goto mine_${number}` : "counter drop"];
  const lines = action.extendedAffinityMs > 0 ? VERSIONS.flatMap((version) => [`${client(version, action.affinity)} @away_${number}_${version} counter drop`, `${client(version, action.affinity)} @stay_${number}_${version} goto mine_${number}`]) : [];
  if (action.owned.length > 0) lines.push(...VERSIONS.map((version) => `meta nfproto ipv${version} ${hash(version, action)} ${ranges(action.owned)} goto mine_${number}`));
  return [...lines, "counter drop"];
}

/** A new connection that is this host's. */
export function mineLines(rule: FilterRule, number: number): readonly string[] {
  return [...numberSet(rule, number), `counter name taken_${number} accept`];
}

/** Remembers that the client is this host's. A rule of its own: when the set is full, the packet goes on all the same. */
export function numberSet({ action }: FilterRule, number: number): readonly string[] {
  if (action.kind !== "share" || action.extendedAffinityMs === 0) return [];
  return VERSIONS.map((version) => `update @stay_${number}_${version} { ${client(version, action.affinity)} timeout ${action.extendedAffinityMs}ms }`);
}

/** `stay`: clients of this host; `away`: clients whose bucket is this host's and who stay with another. */
export function affinitySets({ action }: FilterRule, number: number): readonly (readonly [string, readonly string[]])[] {
  if (action.kind !== "share" || action.extendedAffinityMs === 0) return [];
  return VERSIONS.flatMap((version) => [
    [`stay_${number}_${version}`, [`type ipv${version}_addr`, "flags dynamic,timeout", `size ${CLIENTS_MAX}`]] as const,
    [`away_${number}_${version}`, [`type ipv${version}_addr`, "flags timeout", `size ${CLIENTS_MAX * 2}`]] as const,
  ]);
}

/** What is certainly another host's; null = nothing can be told from the packet alone. Fragments are for connection tracking. */
export function coldLines({ action }: FilterRule): readonly string[] | null {
  if (action.kind === "drop") return ["counter drop"];
  if (action.kind === "whole") return action.accepts || action.wasMine ? null : ["counter drop"];
  if (action.extendedAffinityMs > 0) return null;
  const foreign = foreignBuckets(action.owned, action.recentlyLost);
  if (foreign.length === 0) return null;
  return [...VERSIONS.map((version) => `meta protocol ${version === 4 ? "ip" : "ip6"} ${hash(version, action)} ${ranges(foreign)} counter drop`), "accept"];
}

function hash(version: Version, { affinity, seed }: Share): string {
  return `jhash ${hashed(version, affinity)} mod ${BUCKETS} seed 0x${seed.toString(16)}`;
}

/** nftables 1.0.6 takes no masked address here: the network is so many bits of the header. */
function hashed(version: Version, affinity: Affinity): string {
  const address = version === 4 ? "ip saddr" : "ip6 saddr";
  if (affinity === "none") return `${address} . th sport`;
  if (affinity === "single") return address;
  return version === 4 ? "@nh,96,24" : "@nh,64,64";
}

/** Whom extended affinity remembers: the client, or its network. */
function client(version: Version, affinity: Affinity): string {
  if (version === 4) return affinity === "network" ? "ip saddr & 255.255.255.0" : "ip saddr";
  return affinity === "network" ? "ip6 saddr & ffff:ffff:ffff:ffff::" : "ip6 saddr";
}

/** `{ 0-3, 7 }`: the kernel looks up an interval as fast as an element, and there are fewer of them. */
export function ranges(buckets: readonly number[]): string {
  const parts: string[] = [];
  for (let at = 0; at < buckets.length; ) {
    let end = at;
    while (buckets[end + 1] === buckets[end]! + 1) end++;
    parts.push(at === end ? `${buckets[at]}` : `${buckets[at]}-${buckets[end]}`);
    at = end + 1;
  }
  return `{ ${parts.join(", ")} }`;
}

/** The buckets that are certainly others': neither owned nor lost recently. */
export function foreignBuckets(owned: readonly number[], recentlyLost: readonly number[]): number[] {
  const mine = new Set([...owned, ...recentlyLost]);
  return Array.from({ length: BUCKETS }, (_, bucket) => bucket).filter((bucket) => !mine.has(bucket));
}
