import type { Socket } from "node:dgram";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { isIPv6 } from "node:net";
import type { LeaseChannel } from "./channel.ts";

/**
 * Ticks as plain datagrams. Nothing proves who sent one but its address: it is for networks on
 * which nobody else can send, such as loopback and namespaces. Clusters use their engine's channel.
 */
export interface UdpDescription {
  readonly kind: "udp";
  readonly address: string;
  readonly port: number;
  readonly peers: readonly { readonly address: string; readonly port: number }[];
}

export class UdpChannel implements LeaseChannel {
  readonly #description: UdpDescription;
  readonly #socket: Socket;

  constructor(description: UdpDescription) {
    this.#description = description;
    this.#socket = createSocket(isIPv6(description.address) ? "udp6" : "udp4");
  }

  async start(onMessage: (bytes: Uint8Array) => void): Promise<void> {
    const { address, port, peers } = this.#description;
    this.#socket.on("message", (bytes, from) => {
      if (peers.some((peer) => peer.address === from.address && peer.port === from.port)) onMessage(bytes);
    });
    this.#socket.bind({ address, port, exclusive: true });
    await once(this.#socket, "listening");
    // A lost datagram is a lost tick; the next one comes soon.
    this.#socket.on("error", () => undefined);
  }

  send(bytes: Uint8Array): void {
    for (const { address, port } of this.#description.peers) this.#socket.send(bytes, port, address, () => undefined);
  }

  close(): void {
    this.#socket.close();
  }
}
