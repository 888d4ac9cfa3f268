import { setTimeout as sleep } from "node:timers/promises";
import { advertisedBy } from "./frames.ts";
import { Family, KernelSocket, SocketType } from "./sockets.ts";

/** Longest wait for the advertisement whose arrival made the kernel say "duplicate": it is in a queue already. */
const HOLDER_WAIT_MS = 50;
const PROTOCOL_ICMPV6 = 58;
const ICMP6_FILTER = 1;
const FILTER_BYTES = 32;
const ADVERTISEMENT = 136;

/**
 * Listens for the neighbour advertisements of others about one address. The kernel tests an IPv6
 * address for duplicates itself, but does not say who answered.
 */
export class AdvertisementWatch {
  readonly #socket: KernelSocket | null;
  #holder: string | null = null;

  /** Without the right to listen nothing is heard; the kernel's test is the same. */
  constructor(address: string) {
    this.#socket = open();
    this.#socket?.listen((message) => (this.#holder ??= advertisedBy(message, address)), () => undefined);
  }

  /** The hardware address of who has it; null = not heard. */
  async holder(): Promise<string | null> {
    if (this.#holder === null) await sleep(HOLDER_WAIT_MS);
    return this.#holder;
  }

  close(): void {
    this.#socket?.close();
  }
}

function open(): KernelSocket | null {
  let socket: KernelSocket | null = null;
  try {
    socket = new KernelSocket(Family.ipv6, SocketType.raw, PROTOCOL_ICMPV6);
    // A bit that is set blocks: everything but advertisements.
    const filter = Buffer.alloc(FILTER_BYTES, 0xff);
    const word = ADVERTISEMENT >> 5;
    filter.set(Buffer.from(Uint32Array.of(~(1 << (ADVERTISEMENT & 31)) >>> 0).buffer), 4 * word);
    socket.setOption(PROTOCOL_ICMPV6, ICMP6_FILTER, filter);
    return socket;
  } catch {
    socket?.close();
    return null;
  }
}
