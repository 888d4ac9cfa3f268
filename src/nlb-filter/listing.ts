import { normalizeAddress } from "../network/address-text.ts";
import type { AffinityEntry } from "./contract.ts";

/** What nftables lists, read back: pure. */

const UNITS_MS: Readonly<Record<string, number>> = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };

/** The life kept by `lifeText`; null = none. */
export function parseLife(text: string): number | null {
  const address = /elements = \{ (\S+) \}/.exec(text)?.[1];
  if (address === undefined) return null;
  const groups = expand(address);
  return groups.slice(4).reduce((sum, group) => sum * 0x1_0000 + group, 0);
}

/** Packets by name of counter. */
export function parseCounters(text: string): Map<string, number> {
  return new Map([...text.matchAll(/counter (\S+) \{\s*packets (\d+)/g)].map(([, name, packets]) => [name!, Number(packets)]));
}

export function parseAffinity(text: string): AffinityEntry[] {
  return [...text.matchAll(/([0-9a-f.:]+) timeout \S+ expires (\S+?)[,\s}]/g)].map(([, client, left]) => ({ client: normalizeAddress(client!), leftMs: parseTime(left!) }));
}

/** `1h2m3s456ms` */
export function parseTime(text: string): number {
  let sum = 0;
  for (const [, count, unit] of text.matchAll(/(\d+)(ms|d|h|m|s)/g)) sum += Number(count) * UNITS_MS[unit!]!;
  return sum;
}

function expand(address: string): number[] {
  const [left = "", right] = address.split("::");
  const parse = (part: string): number[] => (part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16)));
  if (right === undefined) return parse(left);
  const head = parse(left);
  const tail = parse(right);
  return [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => 0), ...tail];
}
