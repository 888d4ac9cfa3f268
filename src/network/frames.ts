import { addressBytes, hardwareAddressBytes, hardwareAddressText } from "./address-text.ts";

/** ARP frames and neighbour advertisements as bytes: pure. */

export const ETHERTYPE_ARP = 0x0806;
const ETHERTYPE_IPV4 = 0x0800;
const HARDWARE_ETHERNET = 1;
const BROADCAST = "ff:ff:ff:ff:ff:ff";
const NOBODY = "00:00:00:00:00:00";
const ETHERNET_BYTES = 14;
const ARP_BYTES = 28;
export const ArpOperation = { request: 1, reply: 2 } as const;

export interface ArpFrame {
  readonly operation: number;
  readonly senderHardware: string;
  readonly sender: string;
  readonly targetHardware: string;
  readonly target: string;
}

/** A whole Ethernet frame to everybody. */
export function encodeArp({ operation, senderHardware, sender, targetHardware, target }: ArpFrame): Buffer {
  const frame = Buffer.alloc(ETHERNET_BYTES + ARP_BYTES);
  frame.set(hardwareAddressBytes(BROADCAST), 0);
  frame.set(hardwareAddressBytes(senderHardware), 6);
  frame.writeUInt16BE(ETHERTYPE_ARP, 12);
  frame.writeUInt16BE(HARDWARE_ETHERNET, 14);
  frame.writeUInt16BE(ETHERTYPE_IPV4, 16);
  frame[18] = 6;
  frame[19] = 4;
  frame.writeUInt16BE(operation, 20);
  frame.set(hardwareAddressBytes(senderHardware), 22);
  frame.set(addressBytes(sender), 28);
  frame.set(hardwareAddressBytes(targetHardware), 32);
  frame.set(addressBytes(target), 38);
  return frame;
}

/** null = no ARP about IPv4 on Ethernet. */
export function decodeArp(frame: Buffer): ArpFrame | null {
  if (frame.length < ETHERNET_BYTES + ARP_BYTES || frame.readUInt16BE(12) !== ETHERTYPE_ARP || frame.readUInt16BE(16) !== ETHERTYPE_IPV4 || frame[18] !== 6 || frame[19] !== 4) return null;
  return {
    operation: frame.readUInt16BE(20),
    senderHardware: hardwareAddressText(frame.subarray(22, 28)),
    sender: frame.subarray(28, 32).join("."),
    targetHardware: hardwareAddressText(frame.subarray(32, 38)),
    target: frame.subarray(38, 42).join("."),
  };
}

/** Asks whether anybody has the address, without saying that anybody has it (RFC 5227 2.1.1). */
export function arpProbe(own: string, address: string): Buffer {
  return encodeArp({ operation: ArpOperation.request, senderHardware: own, sender: "0.0.0.0", targetHardware: NOBODY, target: address });
}

/** Says who has the address (RFC 5227 2.3), as a request and as an answer: some devices learn from one kind only. */
export function arpAnnouncements(own: string, address: string): Buffer[] {
  return [
    encodeArp({ operation: ArpOperation.request, senderHardware: own, sender: address, targetHardware: NOBODY, target: address }),
    encodeArp({ operation: ArpOperation.reply, senderHardware: own, sender: address, targetHardware: BROADCAST, target: address }),
  ];
}

/** Who else has, or is about to take, the address; null = the frame says nothing of it (RFC 5227 2.1.1). */
export function conflictIn(frame: ArpFrame, own: string, address: string): string | null {
  if (frame.senderHardware === own) return null;
  const holds = frame.sender === address;
  const probes = frame.sender === "0.0.0.0" && frame.target === address;
  return holds || probes ? frame.senderHardware : null;
}

const ADVERTISEMENT = 136;
/** Replace what you know. */
const OVERRIDE = 0x20000000;
const OPTION_TARGET_HARDWARE = 2;

/** An unsolicited neighbour advertisement (RFC 4861 7.2.6); the kernel fills in the checksum. */
export function neighbourAdvertisement(own: string, address: string): Buffer {
  const message = Buffer.alloc(32);
  message[0] = ADVERTISEMENT;
  message.writeUInt32BE(OVERRIDE, 4);
  message.set(addressBytes(address), 8);
  message[24] = OPTION_TARGET_HARDWARE;
  message[25] = 1;
  message.set(hardwareAddressBytes(own), 26);
  return message;
}

/** Whose hardware address an advertisement of this address names; null = it is of another one, or names none. */
export function advertisedBy(message: Buffer, address: string): string | null {
  if (message.length < 24 || message[0] !== ADVERTISEMENT || !message.subarray(8, 24).equals(addressBytes(address))) return null;
  for (let at = 24; at + 8 <= message.length; ) {
    const length = 8 * (message[at + 1] ?? 0);
    if (length === 0) return null;
    if (message[at] === OPTION_TARGET_HARDWARE) return hardwareAddressText(message.subarray(at + 2, at + 8));
    at += length;
  }
  return null;
}
