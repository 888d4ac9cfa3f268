import { MusterError } from "../model/errors.ts";
import { ETHERTYPE_ARP, arpProbe, conflictIn, decodeArp } from "./frames.ts";
import { putU16, putU32 } from "./native-numbers.ts";
import { Family, KernelSocket, SocketType, SystemCallError, adapterIndex } from "./sockets.ts";

/**
 * Duplicate detection before an IPv4 address is used (RFC 5227), in short: its times are for
 * wireless networks of strangers, ours for a failover that clients wait for. IPv6 is left to the kernel.
 */
export const FIRST_PROBING = { probes: 3, everyMs: 100 } as const;
/** An address that was the cluster's a moment ago: whoever took it since then answers at once. */
export const HANDOVER_PROBING = { probes: 1, everyMs: 10 } as const;

const NO_PROTOCOL_YET = 0;

/** `sockaddr_ll` of an adapter for ARP. */
export function packetAddress(adapter: string): Buffer {
  const address = Buffer.alloc(20);
  putU16(address, Family.packet, 0);
  address.writeUInt16BE(ETHERTYPE_ARP, 2);
  putU32(address, adapterIndex(adapter), 4);
  return address;
}

/** @throws MusterError MUSTER_NEEDS_CAPABILITY, MUSTER_ADDRESS_LOST */
export function openPacketSocket(adapter: string): KernelSocket {
  let socket: KernelSocket | null = null;
  try {
    // With a protocol from the start it would listen on all adapters, and binding it to one would wait until no
    // processor uses it any more: some 15 ms, while clients wait for the address.
    socket = new KernelSocket(Family.packet, SocketType.raw, NO_PROTOCOL_YET);
    socket.bind(packetAddress(adapter));
    return socket;
  } catch (error) {
    socket?.close();
    throw packetError(error);
  }
}

export function packetError(error: unknown): unknown {
  return error instanceof SystemCallError && error.code === "EPERM" ? new MusterError("MUSTER_NEEDS_CAPABILITY", { what: "Asking who has an address", capability: "CAP_NET_RAW" }) : error;
}

/**
 * Asks the network for another holder.
 * @returns its hardware address; null = nobody answered, or `signal` was aborted
 * @throws MusterError MUSTER_NEEDS_CAPABILITY, MUSTER_ADDRESS_LOST; SystemCallError when the adapter refuses to send
 */
export async function findOtherHolder(adapter: string, own: string, address: string, signal: AbortSignal, probing: { readonly probes: number; readonly everyMs: number } = FIRST_PROBING): Promise<string | null> {
  const socket = openPacketSocket(adapter);
  const found = Promise.withResolvers<string | null>();
  const onAbort = (): void => found.resolve(null);
  signal.addEventListener("abort", onAbort, { once: true });
  let timer: NodeJS.Timeout | undefined;
  try {
    socket.listen(
      (bytes) => {
        const frame = decodeArp(bytes);
        const holder = frame === null ? null : conflictIn(frame, own, address);
        if (holder !== null) found.resolve(holder);
      },
      (error) => found.reject(error),
    );
    let sent = 0;
    const probe = (): void => {
      if (sent++ === probing.probes || signal.aborted) return found.resolve(null);
      try {
        socket.send(arpProbe(own, address));
      } catch (error) {
        found.reject(error);
      }
      timer = setTimeout(probe, probing.everyMs);
    };
    probe();
    return await found.promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
    socket.closeAside();
  }
}
