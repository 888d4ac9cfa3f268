import { createSocket } from "node:dgram";
import type { RemoteInfo, Socket } from "node:dgram";

/** Heartbeats stay on the wire of their cluster. */
const HOPS = 1;
/** Between attempts while the adapter or its address is not there. */
const RETRY_MS = 500;
/** In a row: fewer periods than a host listens for before it would found a map alone. */
const SEND_FAILURES_MAX = 3;
const GROUP_IPV6 = "ff02::6e6c";

/**
 * Heartbeats over UDP multicast, from the dedicated address (reference: NLB data plane 8): no privileges, no raw
 * frames, and they take the very adapter whose loss they are to show.
 */
export class HeartbeatSocket {
  readonly #port: number;
  readonly #onMessage: (bytes: Uint8Array, from: string) => void;
  readonly #onOpen: () => void;
  readonly #log: (line: string) => void;
  /** Bound, or on its way to be. */
  #socket: Socket | null = null;
  #place: { readonly address: string; readonly group: string; readonly adapter: string } | null = null;
  #retry: NodeJS.Timeout | null = null;
  #isOpen = false;
  #sendFailures = 0;
  #said = "";

  /** @param onOpen told when {@link isOpen} has changed */
  constructor(port: number, onMessage: (bytes: Uint8Array, from: string) => void, onOpen: () => void, log: (line: string) => void) {
    this.#port = port;
    this.#onMessage = onMessage;
    this.#onOpen = onOpen;
    this.#log = log;
  }

  /** Whether others can be heard, and can hear this host, as far as its own kernel knows. Another address does not change it, if it can be used. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** @param address dedicated, of the adapter; null = there is none now @param primary the cluster's primary address, which names the group */
  use(adapter: string, address: string | null, primary: string): void {
    const group = address?.includes(":") === true ? `${GROUP_IPV6}%${adapter}` : groupOf(primary);
    const place = address === null ? null : { address, group, adapter };
    if (place === null) this.#say(`${adapter} has no address of its own that they could come from`);
    if (JSON.stringify(place) === JSON.stringify(this.#place) && (place === null || this.#socket !== null || this.#retry !== null)) return;
    this.#place = place;
    this.#open();
  }

  /** Lost when there is no socket: as on any other bad wire. @returns resolves when the kernel has it, or has refused it */
  send(bytes: Uint8Array): Promise<void> {
    const [socket, place] = [this.#socket, this.#place];
    if (socket === null || place === null || !this.#isOpen) return Promise.resolve();
    return new Promise((resolve) => {
      socket.send(bytes, this.#port, place.group, (error) => {
        this.#sendFailures = error === null ? 0 : this.#sendFailures + 1;
        // Few that are refused are few that are lost; meanwhile the others are heard.
        if (error !== null && this.#sendFailures >= SEND_FAILURES_MAX) this.#failed(socket, error);
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
    if (place === null) return this.#setOpen(false);
    const isSix = place.address.includes(":");
    const socket = createSocket({ type: isSix ? "udp6" : "udp4", reuseAddr: true });
    this.#socket = socket;
    socket.on("error", (error) => this.#failed(socket, error));
    socket.on("message", (bytes: Buffer, from: RemoteInfo) => this.#onMessage(bytes, from.address.split("%")[0]!));
    socket.bind(this.#port, () => {
      if (this.#socket !== socket) return;
      try {
        socket.setMulticastInterface(isSix ? `::%${place.adapter}` : place.address);
        socket.addMembership(place.group, isSix ? `::%${place.adapter}` : place.address);
        socket.setMulticastTTL(HOPS);
        socket.setMulticastLoopback(false);
        this.#said = "";
        this.#sendFailures = 0;
        this.#setOpen(true);
      } catch (error) {
        this.#failed(socket, error as Error);
      }
    });
  }

  #failed(socket: Socket, error: Error): void {
    if (this.#socket !== socket) return;
    this.#say(error.message);
    this.#shut();
    this.#retry = setTimeout(() => this.#open(), RETRY_MS);
    this.#setOpen(false);
  }

  #say(problem: string): void {
    if (problem !== this.#said) this.#log(`heartbeats: ${problem}`);
    this.#said = problem;
  }

  #setOpen(isOpen: boolean): void {
    if (isOpen === this.#isOpen) return;
    this.#isOpen = isOpen;
    this.#onOpen();
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
