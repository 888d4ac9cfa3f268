import { readFileSync } from "node:fs";
import { normalizeAddress } from "../network/address-text.ts";

/** Connections of TCP that the kernel tracks. Sockets the program finds by itself; what is passed on to a container has none here. */

export const TRACKING_TABLE = "/proc/net/nf_conntrack";
const CLOSING = new Set(["FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE"]);

export interface OpenFlow {
  readonly client: string;
  readonly clientPort: number;
  readonly server: string;
  readonly serverPort: number;
  readonly isClosing: boolean;
}

export interface TrackedConnection extends OpenFlow {
  /** As the kernel calls it: `ESTABLISHED`. */
  readonly state: string;
  /** Another address than that of the server when it is passed on. */
  readonly answersFrom: string;
}

/** Connections to the virtual addresses; none when the kernel has no such file. */
export function trackedConnections(virtualAddresses: readonly string[]): TrackedConnection[] {
  try {
    return parseTracked(readFileSync(TRACKING_TABLE, "latin1"), virtualAddresses);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** The kernel's text: pure. A connection counts when its server has answered. Between the two directions may stand zones and counters. */
export function parseTracked(text: string, virtualAddresses: readonly string[]): TrackedConnection[] {
  const virtual = new Set(virtualAddresses);
  return [...text.matchAll(/^ipv[46]\s+\d+\s+tcp\s+\d+\s+\d+\s+(\S+)\s+src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+) (?:[a-z-]+=\d+ )*src=(\S+) /gm)].flatMap(([, state = "", client = "", to = "", clientPort, serverPort, from = ""]) => {
    const server = normalized(to);
    if (!virtual.has(server)) return [];
    return [{ client: normalized(client), clientPort: Number(clientPort), server, serverPort: Number(serverPort), isClosing: CLOSING.has(state), state, answersFrom: normalized(from) }];
  });
}

/** There are many, and the kernel writes those of IPv4 in their one form. */
function normalized(address: string): string {
  return address.includes(":") ? normalizeAddress(address) : address;
}
