import { readFileSync } from "node:fs";
import { normalizeAddress } from "../network/address-text.ts";
import type { ClusterParameters, PortRule } from "../nlb/parameters.ts";
import { ruleKey, virtualAddresses } from "../nlb/parameters.ts";

/** Connections of TCP that are open on this host to virtual addresses, from the kernel's own table of sockets. */

const STATE = { listen: "0A", timeWait: "06", close: "07" } as const;
/** What no rule covers. */
const DEFAULT = "default";

export interface OpenConnection {
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
}

/** @throws the error of the system */
export function openConnections(): OpenConnection[] {
  return ["/proc/net/tcp", "/proc/net/tcp6"].flatMap((path) => parseSockets(readFileSync(path, "utf8")));
}

/** The kernel's table as text: pure. Sockets that wait for no more data do not count. */
export function parseSockets(text: string): OpenConnection[] {
  return text.split("\n").slice(1).flatMap((line) => {
    const [, local, remote, state] = line.trim().split(/\s+/);
    if (local === undefined || remote === undefined || state === STATE.listen || state === STATE.timeWait || state === STATE.close) return [];
    const [localAddress, localPort] = place(local);
    const [remoteAddress, remotePort] = place(remote);
    return [{ localAddress, localPort, remoteAddress, remotePort }];
  });
}

/** By rule key, and `default`. */
export function countByRule(connections: readonly OpenConnection[], cluster: ClusterParameters): Record<string, number> {
  const virtual = new Set(virtualAddresses(cluster));
  const counts: Record<string, number> = { [DEFAULT]: 0 };
  for (const rule of cluster.rules) counts[ruleKey(rule)] = 0;
  for (const { localAddress, localPort } of connections) {
    if (!virtual.has(localAddress)) continue;
    const rule = ruleFor(cluster.rules, localAddress, localPort);
    counts[rule === null ? DEFAULT : ruleKey(rule)]! += 1;
  }
  return counts;
}

function ruleFor(rules: readonly PortRule[], address: string, port: number): PortRule | null {
  const covers = (rule: PortRule): boolean => rule.protocol !== "udp" && rule.startPort <= port && port <= rule.endPort;
  return rules.find((rule) => rule.virtualAddress === address && covers(rule)) ?? rules.find((rule) => rule.virtualAddress === null && covers(rule)) ?? null;
}

/** `0100007F:0050`: words of 32 bits as the machine has them, the port as people write it. IPv4 in IPv6 counts as IPv4. */
function place(text: string): readonly [address: string, port: number] {
  const [address = "", port = ""] = text.split(":");
  const bytes = Buffer.from(address, "hex");
  for (let at = 0; at + 4 <= bytes.length; at += 4) bytes.subarray(at, at + 4).reverse();
  const isMapped = bytes.length === 16 && bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff;
  const plain = isMapped ? bytes.subarray(12) : bytes;
  return [plain.length === 4 ? plain.join(".") : normalizeAddress(groups(plain)), Number.parseInt(port, 16)];
}

function groups(bytes: Buffer): string {
  return [0, 2, 4, 6, 8, 10, 12, 14].map((at) => bytes.readUInt16BE(at).toString(16)).join(":");
}
