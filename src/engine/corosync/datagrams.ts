import { createSocket } from "node:dgram";
import type { Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import { DATAGRAM_BYTES_MAX } from "../contract.ts";
import type { Member, NodeId } from "../../model/identifiers.ts";
import { DatagramCipher } from "./datagram-cipher.ts";

export interface DatagramOptions {
  /** Of the cluster. */
  readonly key: Buffer;
  /** The same on all nodes. */
  readonly port: number;
  /** Where a node is reached, the best way first; none = not known. */
  readonly addressesOf: (node: NodeId) => readonly string[];
}

interface Surroundings {
  readonly clusterId: string;
  readonly self: Member;
  readonly onDatagram: (from: Member, payload: Uint8Array) => void;
  readonly onNotice: (text: string) => void;
}

/** A burst of entries is to find room while the loop is busy. */
const RECEIVE_BUFFER_BYTES = 1024 * 1024;

/** Small messages from each member to each other, past corosync: no token is waited for, and nothing is promised. */
export class Datagrams {
  readonly #options: DatagramOptions & Surroundings;
  readonly #cipher: DatagramCipher;
  readonly #sockets = new Map<"IPv4" | "IPv6", Socket>();
  #members: readonly Member[] = [];

  constructor(options: DatagramOptions & Surroundings) {
    this.#options = options;
    this.#cipher = new DatagramCipher(options.clusterId, options.self, options.key);
  }

  /** Without its port this node sends and hears no datagrams; corosync carries everything then. */
  start(): void {
    const { port, onNotice } = this.#options;
    for (const family of ["IPv4", "IPv6"] as const) {
      const socket = createSocket(family === "IPv4" ? { type: "udp4" } : { type: "udp6", ipv6Only: true });
      this.#sockets.set(family, socket);
      socket.on("error", (error) => {
        onNotice(`datagrams (${family}, port ${port}): ${error.message}`);
        this.#sockets.delete(family);
        socket.close();
      });
      socket.on("message", (message) => this.#receive(message));
      socket.bind(port, () => socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES));
    }
  }

  /** Only those are sent to and listened to. */
  follow(members: readonly Member[]): void {
    this.#members = members;
  }

  /** To all other members; one that is too long is lost, like any other. */
  send(payload: Uint8Array): void {
    if (payload.length > DATAGRAM_BYTES_MAX) return;
    const message = this.#cipher.seal(payload);
    for (const { node } of this.#members) {
      const [address] = node === this.#options.self.node ? [] : this.#options.addressesOf(node);
      // What cannot be sent is lost.
      if (address !== undefined) this.#sockets.get(isIPv6(address) ? "IPv6" : "IPv4")?.send(message, this.#options.port, address, () => undefined);
    }
  }

  close(): void {
    for (const socket of this.#sockets.values()) socket.close();
    this.#sockets.clear();
    this.#members = [];
  }

  #receive(message: Buffer): void {
    const from = this.#cipher.senderOf(message, this.#members);
    if (from === null || from.node === this.#options.self.node) return;
    const payload = this.#cipher.open(from, message);
    if (payload !== null) this.#options.onDatagram(from, payload);
  }
}
