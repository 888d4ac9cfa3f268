import { isIPv4, isIPv6 } from "node:net";
import { MusterError } from "../model/errors.ts";

/** Addresses as text and as bytes: pure. */

/**
 * 4 or 16 bytes in the order of the network.
 * @throws MusterError MUSTER_INVALID_ARGUMENT when it is no address, or one with a zone
 */
export function addressBytes(address: string): Uint8Array {
  if (isIPv4(address)) return Uint8Array.from(address.split("."), Number);
  if (!isIPv6(address) || address.includes("%")) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "Address", problem: `'${address}' is no address` });
  const bytes = new Uint8Array(16);
  const [left = "", right = ""] = embeddedToGroups(address).split("::");
  const groupsOf = (side: string): number[] => (side === "" ? [] : side.split(":").map((group) => Number.parseInt(group, 16)));
  const leading = groupsOf(left);
  const trailing = groupsOf(right);
  leading.forEach((group, position) => putGroup(bytes, position, group));
  trailing.forEach((group, position) => putGroup(bytes, 8 - trailing.length + position, group));
  return bytes;
}

/** The last 32 bits of an IPv6 address may be written like an IPv4 one. */
function embeddedToGroups(address: string): string {
  const position = address.lastIndexOf(":");
  const last = address.slice(position + 1);
  if (!last.includes(".")) return address;
  const [a = 0, b = 0, c = 0, d = 0] = last.split(".").map(Number);
  return `${address.slice(0, position + 1)}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
}

function putGroup(bytes: Uint8Array, position: number, group: number): void {
  bytes[2 * position] = group >> 8;
  bytes[2 * position + 1] = group & 0xff;
}

/** One form for each address, so that two ways to write it compare as equal (RFC 5952). */
export function normalizeAddress(address: string): string {
  const bytes = addressBytes(address);
  return bytes.length === 4 ? bytes.join(".") : printIPv6(bytes);
}

/** The longest run of zeros is left out, the first of equals. */
function printIPv6(bytes: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, position) => (((bytes[2 * position] ?? 0) << 8) | (bytes[2 * position + 1] ?? 0)).toString(16));
  let best = { start: 0, length: 0 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (groups[start + length] === "0") length += 1;
    if (length > best.length) best = { start, length };
  }
  if (best.length < 2) return groups.join(":");
  return `${groups.slice(0, best.start).join(":")}::${groups.slice(best.start + best.length).join(":")}`;
}

/** Whether the address is in the subnet `of`/`length`. */
export function isInSubnet(address: string, of: string, length: number): boolean {
  const left = addressBytes(address);
  const right = addressBytes(of);
  if (left.length !== right.length || length > 8 * left.length) return false;
  return left.every((byte, position) => {
    const bits = Math.min(8, Math.max(0, length - 8 * position));
    const mask = (0xff00 >> bits) & 0xff;
    return (byte & mask) === ((right[position] ?? 0) & mask);
  });
}

/** 255.255.255.0 -> 24; null = it is no mask. */
export function lengthOfMask(mask: string): number | null {
  if (!isIPv4(mask)) return null;
  const bits = Array.from(addressBytes(mask), (byte) => byte.toString(2).padStart(8, "0")).join("");
  return /^1*0*$/.test(bits) ? bits.indexOf("0") === -1 ? 32 : bits.indexOf("0") : null;
}

/** `02:00:5e:10:00:01` from six bytes. */
export function hardwareAddressText(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(":");
}

export function hardwareAddressBytes(text: string): Uint8Array {
  const bytes = Uint8Array.from(text.split(":"), (part) => Number.parseInt(part, 16));
  if (bytes.length !== 6 || !/^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/.test(text)) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "hardwareAddress", problem: `'${text}' is none` });
  return bytes;
}
