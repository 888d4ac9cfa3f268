import { readFileSync } from "node:fs";
import { normalizeAddress } from "../network/address-text.ts";

/** Connections of TCP that the kernel tracks. Sockets the program finds by itself; what is passed on to a container has none here. */

const TABLE = "/proc/net/nf_conntrack";
const CLOSING = new Set(["FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE"]);

export interface OpenFlow {
  readonly client: string;
  readonly clientPort: number;
  readonly server: string;
  readonly serverPort: number;
  readonly isClosing: boolean;
}

/** Connections to the virtual addresses; none when the kernel has no such file. */
export function trackedConnections(virtualAddresses: readonly string[]): OpenFlow[] {
  try {
    return parseTracked(readFileSync(TABLE, "utf8"), virtualAddresses);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** The kernel's text: pure. A connection counts when its server has answered. */
export function parseTracked(text: string, virtualAddresses: readonly string[]): OpenFlow[] {
  const virtual = new Set(virtualAddresses);
  return [...text.matchAll(/^ipv[46]\s+\d+\s+tcp\s+\d+\s+\d+\s+(\S+)\s+src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+) (?!\[UNREPLIED\])/gm)].flatMap(([, state = "", client = "", server = "", clientPort, serverPort]) => {
    const flow = { client: normalizeAddress(client), clientPort: Number(clientPort), server: normalizeAddress(server), serverPort: Number(serverPort), isClosing: CLOSING.has(state) };
    return virtual.has(flow.server) ? [flow] : [];
  });
}
