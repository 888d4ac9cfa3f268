import { addressBytes, hardwareAddressBytes } from "../../../src/network/address-text.ts";

/** Ethernet frames for tests of the filter, byte by byte and with their checksums: pure. */

export const Tcp = { fin: 1, syn: 2, rst: 4, ack: 16 } as const;
export const Protocol = { hopByHop: 0, icmp: 1, tcp: 6, udp: 17, fragment: 44, icmpv6: 58, sctp: 132 } as const;

export interface Flow {
  readonly client: string;
  readonly clientPort: number;
  readonly server: string;
  readonly serverPort: number;
}

interface Ip {
  readonly client: string;
  readonly server: string;
  readonly protocol: number;
  readonly identification?: number;
  /** In bytes. */
  readonly fragmentOffset?: number;
  readonly hasMore?: boolean;
  readonly hopByHop?: boolean;
  readonly sequence?: number;
}

const SENDER = "0a:00:00:00:00:02";

export function tcpFrame(hardware: string, flow: Flow, flags: number, extra: Partial<Ip> = {}): Buffer {
  const segment = Buffer.alloc(20);
  segment.writeUInt16BE(flow.clientPort, 0);
  segment.writeUInt16BE(flow.serverPort, 2);
  segment.writeUInt32BE(extra.sequence ?? 1_000, 4);
  segment[12] = 0x50;
  segment[13] = flags;
  segment.writeUInt16BE(1_000, 14);
  segment.writeUInt16BE(checksumWithAddresses(flow, Protocol.tcp, segment), 16);
  return frame(hardware, { ...flow, protocol: Protocol.tcp, ...extra }, segment);
}

export function udpDatagram(flow: Flow, bytes = 8): Buffer {
  const datagram = Buffer.alloc(8 + bytes);
  datagram.writeUInt16BE(flow.clientPort, 0);
  datagram.writeUInt16BE(flow.serverPort, 2);
  datagram.writeUInt16BE(datagram.length, 4);
  datagram.writeUInt16BE(checksumWithAddresses(flow, Protocol.udp, datagram), 6);
  return datagram;
}

export function udpFrame(hardware: string, flow: Flow, extra: Partial<Ip> = {}): Buffer {
  return frame(hardware, { ...flow, protocol: Protocol.udp, ...extra }, udpDatagram(flow));
}

/** One datagram in three frames. */
export function udpFragments(hardware: string, flow: Flow, identification: number): Buffer[] {
  const datagram = udpDatagram(flow, 64);
  return [0, 24, 48].map((at) => frame(hardware, { ...flow, protocol: Protocol.udp, identification, fragmentOffset: at, hasMore: at < 48 }, datagram.subarray(at, at === 48 ? undefined : at + 24)));
}

export function icmpFrame(hardware: string, client: string, server: string, type: number): Buffer {
  const message = Buffer.alloc(16);
  message[0] = type;
  const isSix = server.includes(":");
  message.writeUInt16BE(isSix ? checksumWithAddresses({ client, server }, Protocol.icmpv6, message) : checksum(message), 2);
  return frame(hardware, { client, server, protocol: isSix ? Protocol.icmpv6 : Protocol.icmp }, message);
}

export function otherFrame(hardware: string, client: string, server: string): Buffer {
  return frame(hardware, { client, server, protocol: Protocol.sctp }, Buffer.alloc(12));
}

function frame(hardware: string, ip: Ip, payload: Buffer): Buffer {
  const isSix = ip.server.includes(":");
  const head = Buffer.alloc(14);
  head.set(hardwareAddressBytes(hardware), 0);
  head.set(hardwareAddressBytes(SENDER), 6);
  head.writeUInt16BE(isSix ? 0x86dd : 0x0800, 12);
  return Buffer.concat([head, ...(isSix ? six(ip, payload) : [four(ip, payload)]), payload]);
}

function four({ client, server, protocol, identification = 1, fragmentOffset = 0, hasMore = false }: Ip, payload: Buffer): Buffer {
  const header = Buffer.alloc(20);
  header[0] = 0x45;
  header.writeUInt16BE(20 + payload.length, 2);
  header.writeUInt16BE(identification & 0xffff, 4);
  header.writeUInt16BE((hasMore ? 0x2000 : 0) | (fragmentOffset / 8), 6);
  header[8] = 64;
  header[9] = protocol;
  header.set(addressBytes(client), 12);
  header.set(addressBytes(server), 16);
  header.writeUInt16BE(checksum(header), 10);
  return header;
}

function six({ client, server, protocol, identification, fragmentOffset = 0, hasMore = false, hopByHop = false }: Ip, payload: Buffer): Buffer[] {
  const extensions: Buffer[] = [];
  let next = protocol;
  if (identification !== undefined) {
    const extension = Buffer.alloc(8);
    extension[0] = next;
    extension.writeUInt16BE(fragmentOffset | (hasMore ? 1 : 0), 2);
    extension.writeUInt32BE(identification, 4);
    extensions.unshift(extension);
    next = Protocol.fragment;
  }
  if (hopByHop) {
    // Six bytes of padding.
    extensions.unshift(Buffer.from([next, 0, 1, 4, 0, 0, 0, 0]));
    next = Protocol.hopByHop;
  }
  const header = Buffer.alloc(40);
  header[0] = 0x60;
  header.writeUInt16BE(payload.length + extensions.reduce((sum, one) => sum + one.length, 0), 4);
  header[6] = next;
  header[7] = 255;
  header.set(addressBytes(client), 8);
  header.set(addressBytes(server), 24);
  return [header, ...extensions];
}

function checksumWithAddresses({ client, server }: { readonly client: string; readonly server: string }, protocol: number, payload: Buffer): number {
  const tail = Buffer.alloc(8);
  tail.writeUInt32BE(payload.length, 0);
  tail.writeUInt32BE(protocol, 4);
  return checksum(Buffer.concat([addressBytes(client), addressBytes(server), tail, payload]));
}

function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += (bytes[at]! << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
