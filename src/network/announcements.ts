import { isIPv6 } from "node:net";
import { addressBytes } from "./address-text.ts";
import { openPacketSocket, packetError } from "./duplicates.ts";
import { arpAnnouncements, neighbourAdvertisement } from "./frames.ts";
import { putU16, putU32 } from "./native-numbers.ts";
import { Family, KernelSocket, SocketType, adapterIndex } from "./sockets.ts";

/**
 * Tells the network who has an address: in a burst, because the first frames may be lost while
 * switches learn, then now and then, for those who were away, and against late frames of a former
 * holder.
 *
 * An advertisement leaves through a socket that is bound to the address, so it passes the gate, or
 * not. ARP frames leave below it: a process that was paused may send one late. The gate still
 * blocks everything else, and the holder's next announcement puts it right.
 */
const BURST_MS: readonly number[] = [0, 100, 300, 1_000, 3_000];
const REFRESH_MS = 60_000;
const PROTOCOL_ICMPV6 = 58;
const LEVEL_IPV6 = 41;
const IPV6_MULTICAST_IF = 17;
const IPV6_MULTICAST_HOPS = 18;
/** Advertisements with fewer hops left are thrown away (RFC 4861 7.1.2). */
const HOPS = 255;
const ALL_NODES = "ff02::1";

export interface Announced {
  readonly adapter: string;
  readonly hardwareAddress: string;
  readonly address: string;
}

export class Announcer {
  readonly #announced: Announced;
  readonly #socket: KernelSocket;
  readonly #onProblem: (problem: string) => void;
  #timer: NodeJS.Timeout | null = null;
  #sent = 0;

  /** Begins at once. @param onProblem an announcement could not be sent; the next one is tried all the same @throws MusterError MUSTER_NEEDS_CAPABILITY, MUSTER_ADDRESS_LOST */
  constructor(announced: Announced, onProblem: (problem: string) => void) {
    this.#announced = announced;
    this.#onProblem = onProblem;
    this.#socket = isIPv6(announced.address) ? openAdvertisementSocket(announced) : openPacketSocket(announced.adapter);
    this.#next();
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#socket.closeAside();
  }

  #next(): void {
    this.#announce();
    const elapsedMs = BURST_MS[this.#sent] ?? 0;
    this.#sent += 1;
    const nextMs = BURST_MS[this.#sent];
    this.#timer = setTimeout(() => this.#next(), nextMs === undefined ? REFRESH_MS : nextMs - elapsedMs);
  }

  #announce(): void {
    const { address, hardwareAddress, adapter } = this.#announced;
    try {
      if (isIPv6(address)) this.#socket.send(neighbourAdvertisement(hardwareAddress, address), socketAddress(ALL_NODES, adapterIndex(adapter)));
      else for (const frame of arpAnnouncements(hardwareAddress, address)) this.#socket.send(frame);
    } catch (error) {
      this.#onProblem(error instanceof Error ? error.message : String(error));
    }
  }
}

function openAdvertisementSocket({ address, adapter }: Announced): KernelSocket {
  let socket: KernelSocket | null = null;
  try {
    socket = new KernelSocket(Family.ipv6, SocketType.raw, PROTOCOL_ICMPV6);
    const index = adapterIndex(adapter);
    socket.setOption(LEVEL_IPV6, IPV6_MULTICAST_HOPS, int32(HOPS));
    socket.setOption(LEVEL_IPV6, IPV6_MULTICAST_IF, int32(index));
    socket.bind(socketAddress(address, 0));
    return socket;
  } catch (error) {
    socket?.close();
    throw packetError(error);
  }
}

/** `sockaddr_in6`. */
function socketAddress(address: string, scope: number): Uint8Array {
  const bytes = Buffer.alloc(28);
  putU16(bytes, Family.ipv6, 0);
  bytes.set(addressBytes(address), 8);
  putU32(bytes, scope, 24);
  return bytes;
}

function int32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  putU32(bytes, value, 0);
  return bytes;
}
