import { addressBytes, hardwareAddressText, normalizeAddress } from "./address-text.ts";
import { i32, putU16, putU32, u16, u32 } from "./native-numbers.ts";

/** The route netlink's messages about links and addresses, as far as they are used here: pure. */

const HEADER_BYTES = 16;
const LINK_BYTES = 16;
const ADDRESS_BYTES = 8;
const Type = { error: 2, done: 3, newLink: 16, deleteLink: 17, getLink: 18, newAddress: 20, deleteAddress: 21, getAddress: 22 } as const;
const Flag = { request: 1, acknowledge: 4, exclusive: 0x200, create: 0x400, dump: 0x300 } as const;
const LinkFlag = { up: 1, loopback: 8, lowerUp: 0x10000 } as const;
export const AddressFlag = { noDuplicateTest: 0x02, duplicate: 0x08, tentative: 0x40, noPrefixRoute: 0x200 } as const;
const LinkAttribute = { address: 1, name: 3 } as const;
const AddressAttribute = { address: 1, local: 2, cacheInfo: 6, flags: 8, protocol: 11 } as const;
const FAMILY_IPV4 = 2;
const FAMILY_IPV6 = 10;
const FOREVER = 0xffffffff;
/**
 * Says who put an address there (kernel 5.18 and newer show it): what a dead process left is found
 * by it. 1 to 3 are the kernel's own.
 */
export const ADDRESS_PROTOCOL = 77;
/** The same for network load balancing: neither takes away what the other put there. */
export const BALANCED_ADDRESS_PROTOCOL = 78;

/** Links, IPv4 and IPv6 addresses are told to who is in these groups. */
export const WATCHED_GROUPS = 1 | 0x10 | 0x100;

export interface Link {
  readonly index: number;
  readonly name: string;
  /** Empty when it has none. */
  readonly hardwareAddress: string;
  readonly loopback: boolean;
  /** Switched on, and something is plugged in. */
  readonly isUp: boolean;
}

export interface LinkAddress {
  readonly link: number;
  readonly address: string;
  readonly prefixLength: number;
  readonly flags: number;
  /** Who put it there; 0 = not said. */
  readonly protocol: number;
}

export type NetlinkMessage =
  | { readonly kind: "link"; readonly sequence: number; readonly link: Link; readonly gone: boolean }
  | { readonly kind: "address"; readonly sequence: number; readonly address: LinkAddress; readonly gone: boolean }
  /** End of an answer. `errno`: 0 = done. */
  | { readonly kind: "end"; readonly sequence: number; readonly errno: number };

// ---- requests ----------------------------------------------------------------

export function dumpLinks(sequence: number): Buffer {
  return message(Type.getLink, Flag.request | Flag.dump, sequence, Buffer.alloc(LINK_BYTES));
}

export function dumpAddresses(sequence: number): Buffer {
  return message(Type.getAddress, Flag.request | Flag.dump, sequence, Buffer.alloc(ADDRESS_BYTES));
}

/**
 * @param noPrefixRoute makes no route to the subnet @param preferred an IPv6 address that is not is never chosen as the source
 *   of a connection @param untested the kernel does not ask for another holder of an IPv6 address, which takes it seconds
 */
export function addAddressRequest(sequence: number, wanted: { readonly link: number; readonly address: string; readonly prefixLength: number; readonly noPrefixRoute: boolean; readonly preferred: boolean; readonly untested?: boolean; readonly protocol: number }): Buffer {
  const bytes = addressBytes(wanted.address);
  const flags = Buffer.alloc(4);
  putU32(flags, (wanted.noPrefixRoute ? AddressFlag.noPrefixRoute : 0) | (wanted.untested === true ? AddressFlag.noDuplicateTest : 0), 0);
  const parts = [addressHeader(wanted.link, bytes, wanted.prefixLength), attribute(AddressAttribute.local, bytes), attribute(AddressAttribute.address, bytes), attribute(AddressAttribute.flags, flags), attribute(AddressAttribute.protocol, Uint8Array.of(wanted.protocol))];
  if (!wanted.preferred) parts.push(attribute(AddressAttribute.cacheInfo, lifetimes(0, FOREVER)));
  return message(Type.newAddress, Flag.request | Flag.acknowledge | Flag.create | Flag.exclusive, sequence, Buffer.concat(parts));
}

export function removeAddressRequest(sequence: number, { link, address, prefixLength }: Pick<LinkAddress, "link" | "address" | "prefixLength">): Buffer {
  const bytes = addressBytes(address);
  return message(Type.deleteAddress, Flag.request | Flag.acknowledge, sequence, Buffer.concat([addressHeader(link, bytes, prefixLength), attribute(AddressAttribute.local, bytes), attribute(AddressAttribute.address, bytes)]));
}

function lifetimes(preferredSeconds: number, validSeconds: number): Buffer {
  const bytes = Buffer.alloc(16);
  putU32(bytes, preferredSeconds, 0);
  putU32(bytes, validSeconds, 4);
  return bytes;
}

function addressHeader(link: number, address: Uint8Array, prefixLength: number): Buffer {
  const header = Buffer.alloc(ADDRESS_BYTES);
  header[0] = address.length === 4 ? FAMILY_IPV4 : FAMILY_IPV6;
  header[1] = prefixLength;
  putU32(header, link, 4);
  return header;
}

/** One message of netlink, with its header. */
export function message(type: number, flags: number, sequence: number, body: Buffer): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + body.length);
  putU32(bytes, bytes.length, 0);
  putU16(bytes, type, 4);
  putU16(bytes, flags, 6);
  putU32(bytes, sequence, 8);
  body.copy(bytes, HEADER_BYTES);
  return bytes;
}

/** One attribute, filled up to a whole number of words. */
export function attribute(type: number, value: Uint8Array): Buffer {
  const bytes = Buffer.alloc(aligned(4 + value.length));
  putU16(bytes, 4 + value.length, 0);
  putU16(bytes, type, 2);
  bytes.set(value, 4);
  return bytes;
}

function aligned(length: number): number {
  return (length + 3) & ~3;
}

// ---- answers and news ----------------------------------------------------------

/** What of one datagram is of use; a message that is cut off ends it. */
export function decodeMessages(bytes: Buffer): NetlinkMessage[] {
  const messages: NetlinkMessage[] = [];
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    const length = u32(bytes, at);
    if (length < HEADER_BYTES || at + length > bytes.length) break;
    const decoded = decodeMessage(u16(bytes, at + 4), u32(bytes, at + 8), bytes.subarray(at + HEADER_BYTES, at + length));
    if (decoded !== null) messages.push(decoded);
    at += aligned(length);
  }
  return messages;
}

function decodeMessage(type: number, sequence: number, body: Buffer): NetlinkMessage | null {
  switch (type) {
    case Type.error:
      return { kind: "end", sequence, errno: body.length >= 4 ? -i32(body, 0) : 0 };
    case Type.done:
      return { kind: "end", sequence, errno: 0 };
    case Type.newLink:
    case Type.deleteLink:
      return body.length < LINK_BYTES ? null : { kind: "link", sequence, link: decodeLink(body), gone: type === Type.deleteLink };
    case Type.newAddress:
    case Type.deleteAddress: {
      const address = body.length < ADDRESS_BYTES ? null : decodeAddress(body);
      return address === null ? null : { kind: "address", sequence, address, gone: type === Type.deleteAddress };
    }
    default:
      return null;
  }
}

function decodeLink(body: Buffer): Link {
  const attributes = attributesOf(body.subarray(LINK_BYTES));
  const flags = u32(body, 8);
  const hardware = attributes.get(LinkAttribute.address);
  return {
    index: i32(body, 4),
    name: (attributes.get(LinkAttribute.name) ?? Buffer.alloc(0)).toString("utf8").replace(/\0.*$/s, ""),
    hardwareAddress: hardware?.length === 6 ? hardwareAddressText(hardware) : "",
    loopback: (flags & LinkFlag.loopback) !== 0,
    isUp: (flags & LinkFlag.up) !== 0 && (flags & LinkFlag.lowerUp) !== 0,
  };
}

function decodeAddress(body: Buffer): LinkAddress | null {
  const attributes = attributesOf(body.subarray(ADDRESS_BYTES));
  // On a link with two ends ADDRESS is the other one.
  const bytes = attributes.get(AddressAttribute.local) ?? attributes.get(AddressAttribute.address);
  if (bytes === undefined || (bytes.length !== 4 && bytes.length !== 16)) return null;
  const wide = attributes.get(AddressAttribute.flags);
  const text = bytes.length === 4 ? bytes.join(".") : Array.from({ length: 8 }, (_, group) => bytes.readUInt16BE(2 * group).toString(16)).join(":");
  return { link: u32(body, 4), address: normalizeAddress(text), prefixLength: body[1] ?? 0, flags: wide?.length === 4 ? u32(wide, 0) : (body[2] ?? 0), protocol: attributes.get(AddressAttribute.protocol)?.[0] ?? 0 };
}

function attributesOf(bytes: Buffer): Map<number, Buffer> {
  const attributes = new Map<number, Buffer>();
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = u16(bytes, at);
    if (length < 4 || at + length > bytes.length) break;
    attributes.set(u16(bytes, at + 2) & 0x3fff, bytes.subarray(at + 4, at + length));
    at += aligned(length);
  }
  return attributes;
}
