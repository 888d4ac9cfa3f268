import { createSocket } from "node:dgram";
import type { RemoteInfo, Socket } from "node:dgram";

/** Heartbeats stay on the wire of their cluster. */
const HOPS = 1;
/** Between attempts while the adapter or its address is not there. */
const RETRY_MS = 500;
const GROUP_IPV6 = "ff02::6e6c";

/**
 * Heartbeats over UDP multicast, from the dedicated address (reference: NLB data plane 8): no privileges, no raw
 * frames, and they take the very adapter whose loss they are to show.
 */
export class HeartbeatSocket {
  readonly #port: number;
  readonly #onMessage: (bytes: Uint8Array, from: string) => void;
  readonly #log: (line: string) => void;
  #socket: Socket | null = null;
  #place: { readonly address: string; readonly group: string; readonly adapter: string } | null = null;
  #retry: NodeJS.Timeout | null = null;
  #said = "";

  constructor(port: number, onMessage: (bytes: Uint8Array, from: string) => void, log: (line: string) => void) {
    this.#port = port;
    this.#onMessage = onMessage;
    this.#log = log;
  }

  /** @param address dedicated, of the adapter; null = there is none now @param primary the cluster's primary address, which names the group */
  use(adapter: string, address: string | null, primary: string): void {
    const group = address?.includes(":") === true ? `${GROUP_IPV6}%${adapter}` : groupOf(primary);
    const place = address === null ? null : { address, group, adapter };
    if (JSON.stringify(place) === JSON.stringify(this.#place) && this.#socket !== null) return;
    this.#place = place;
    this.#open();
  }

  /** Lost when there is no socket: as on any other bad wire. @returns resolves when the kernel has it, or has refused it */
  send(bytes: Uint8Array): Promise<void> {
    const [socket, place] = [this.#socket, this.#place];
    if (socket === null || place === null) return Promise.resolve();
    return new Promise((resolve) => {
      socket.send(bytes, this.#port, place.group, (error) => {
        if (error !== null) this.#failed(error);
        resolve();
      });
    });
  }

  close(): void {
    this.#place = null;
    this.#shut();
  }

  #open(): void {
    this.#shut();
    const place = this.#place;
    if (place === null) return;
    const isSix = place.address.includes(":");
    const socket = createSocket({ type: isSix ? "udp6" : "udp4", reuseAddr: true });
    socket.on("error", (error) => this.#failed(error));
    socket.on("message", (bytes: Buffer, from: RemoteInfo) => this.#onMessage(bytes, from.address.split("%")[0]!));
    socket.bind(this.#port, () => {
      try {
        socket.setMulticastInterface(isSix ? `::%${place.adapter}` : place.address);
        socket.addMembership(place.group, isSix ? `::%${place.adapter}` : place.address);
        socket.setMulticastTTL(HOPS);
        socket.setMulticastLoopback(false);
        this.#socket = socket;
        this.#said = "";
      } catch (error) {
        socket.close();
        this.#failed(error as Error);
      }
    });
  }

  #failed(error: Error): void {
    if (error.message !== this.#said) this.#log(`heartbeats: ${error.message}`);
    this.#said = error.message;
    this.#shut();
    if (this.#place !== null) this.#retry = setTimeout(() => this.#open(), RETRY_MS);
  }

  #shut(): void {
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
    try {
      this.#socket?.close();
    } catch {
      // It has closed itself.
    }
    this.#socket = null;
  }
}

/** A group of the site's own range, from the last bytes of the primary address; clusters that share one are told apart by their key. */
function groupOf(primary: string): string {
  const [c = "0", d = "1"] = primary.includes(":") ? [] : primary.split(".").slice(2);
  return `239.254.${c}.${d}`;
}
