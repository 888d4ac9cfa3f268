import { addressBytes, normalizeAddress } from "../network/address-text.ts";
import { durationMs } from "../network/gate-state.ts";
import type { AffinityEntry } from "./contract.ts";

/** What nftables lists, read back: pure. */

/** The life kept by `lifeText`; null = none. */
export function parseLife(text: string): number | null {
  const address = /elements = \{ (\S+) \}/.exec(text)?.[1];
  if (address === undefined) return null;
  return addressBytes(address).subarray(8).reduce((sum, byte) => sum * 0x100 + byte, 0);
}

/** Packets by name of counter. */
export function parseCounters(text: string): Map<string, number> {
  return new Map([...text.matchAll(/counter (\S+) \{\s*packets (\d+)/g)].map(([, name, packets]) => [name!, Number(packets)]));
}

export function parseAffinity(text: string): AffinityEntry[] {
  return [...text.matchAll(/([0-9a-f.:]+) timeout \S+ expires (\S+?)[,\s}]/g)].map(([, client, left]) => ({ client: normalizeAddress(client!), leftMs: durationMs(left!) }));
}
