import { endianness } from "node:os";
import { addressBytes, normalizeAddress } from "../network/address-text.ts";
import type { TrackedConnection } from "../nlb-filter/xdp-connections.ts";
import type { ClusterParameters, PortRule } from "../nlb/parameters.ts";
import { ruleKey, virtualAddresses } from "../nlb/parameters.ts";

/** Connections of TCP that are open on this host to virtual addresses, from what the kernel tells: pure. */

/** Sockets that wait for no more data do not count. */
const OVER = { listen: "0A", timeWait: "06", close: "07" } as const;
/** Of a tracked connection of which both sides have said that they end. */
const ENDED: ReadonlySet<string> = new Set(["LAST_ACK", "TIME_WAIT", "CLOSE"]);
/** What no rule covers. */
export const DEFAULT_RULE_KEY = "default";

export interface OpenConnection {
  readonly client: string;
  readonly clientPort: number;
  /** Virtual. */
  readonly address: string;
  readonly port: number;
  /** Where it is passed on to, such as a container; null = a program of this host has it. */
  readonly forwardedTo: string | null;
}

/** `/proc/net/tcp` or `/proc/net/tcp6` as text; only what is for these addresses is looked at, as there may be many others. */
export function parseSockets(text: string, virtual: readonly string[]): OpenConnection[] {
  const byHex = new Map(virtual.flatMap((address) => hexOf(address).map((hex) => [hex, address] as const)));
  const pattern = new RegExp(`^ *\\d+: (${[...byHex.keys()].join("|")}):([0-9A-F]{4}) ([0-9A-F]+):([0-9A-F]{4}) ([0-9A-F]{2}) `, "gm");
  return [...text.matchAll(pattern)].flatMap(([, address = "", port = "", client = "", clientPort = "", state]) => {
    if (state === OVER.listen || state === OVER.timeWait || state === OVER.close) return [];
    return [{ client: addressOf(client), clientPort: Number.parseInt(clientPort, 16), address: byHex.get(address)!, port: Number.parseInt(port, 16), forwardedTo: null }];
  });
}

/** Those that this host passes on have no socket here. */
export function forwarded(tracked: readonly TrackedConnection[]): OpenConnection[] {
  return tracked.filter(({ server, answersFrom, state }) => answersFrom !== server && !ENDED.has(state)).map(({ client, clientPort, server, serverPort, answersFrom }) => ({ client, clientPort, address: server, port: serverPort, forwardedTo: answersFrom }));
}

/** By rule key, and {@link DEFAULT_RULE_KEY}. */
export function countByRule(connections: readonly OpenConnection[], cluster: ClusterParameters): Record<string, number> {
  const counts: Record<string, number> = { [DEFAULT_RULE_KEY]: 0 };
  for (const rule of cluster.rules) counts[ruleKey(rule)] = 0;
  const virtual = new Set(virtualAddresses(cluster));
  for (const connection of connections) if (virtual.has(connection.address)) counts[keyOf(connection, cluster)]! += 1;
  return counts;
}

/** Key of the rule that covers a connection, or {@link DEFAULT_RULE_KEY}. */
export function keyOf({ address, port }: OpenConnection, { rules }: ClusterParameters): string {
  const covers = (rule: PortRule): boolean => rule.protocol !== "udp" && rule.startPort <= port && port <= rule.endPort;
  const rule = rules.find((one) => one.virtualAddress === address && covers(one)) ?? rules.find((one) => one.virtualAddress === null && covers(one));
  return rule === undefined ? DEFAULT_RULE_KEY : ruleKey(rule);
}

/** As the kernel writes it: words of 32 bits as the machine has them. A socket of IPv6 may have one of IPv4. */
function hexOf(address: string): string[] {
  const bytes = addressBytes(address);
  return bytes.length === 4 ? [hex(bytes), `${MAPPED}${hex(bytes)}`] : [hex(bytes)];
}

const MAPPED = "0000000000000000FFFF0000";

function hex(bytes: Uint8Array): string {
  return swapped(Buffer.from(bytes)).toString("hex").toUpperCase();
}

function addressOf(text: string): string {
  const bytes = swapped(Buffer.from(text.startsWith(MAPPED) && text.length === 32 ? text.slice(MAPPED.length) : text, "hex"));
  return bytes.length === 4 ? bytes.join(".") : normalizeAddress([0, 2, 4, 6, 8, 10, 12, 14].map((at) => bytes.readUInt16BE(at).toString(16)).join(":"));
}

function swapped(bytes: Buffer): Buffer {
  return endianness() === "LE" ? bytes.swap32() : bytes;
}
