import { MusterError } from "./errors.ts";

/** Addresses as text and as bytes. */

/** 4 bytes in the order of the network; null = it is none. No leading zeros, as they mean octal to some programs. */
export function parseIPv4(text: string): Uint8Array | null {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255)) return null;
  return Uint8Array.from(parts, Number);
}

/** 16 bytes; null = it is none, or one with a zone. */
export function parseIPv6(text: string): Uint8Array | null {
  if (text.length > 45 || !text.includes(":")) return null;
  const whole = embeddedToGroups(text);
  if (whole === null) return null;
  const sides = whole.split("::");
  if (sides.length > 2) return null;
  const [leading, trailing] = [groupsOf(sides[0]!), groupsOf(sides[1] ?? "")];
  if (leading === null || trailing === null) return null;
  const given = leading.length + trailing.length;
  if (sides.length === 2 ? given > 7 : given !== 8) return null;
  const groups = [...leading, ...Array.from({ length: 8 - given }, () => 0), ...trailing];
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff]));
}

function groupsOf(side: string): number[] | null {
  if (side === "") return [];
  const groups = side.split(":");
  return groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group)) ? groups.map((group) => Number.parseInt(group, 16)) : null;
}

/** The last 32 bits of an IPv6 address may be written like an IPv4 one. */
function embeddedToGroups(text: string): string | null {
  const position = text.lastIndexOf(":");
  const last = text.slice(position + 1);
  if (!last.includes(".")) return text;
  const bytes = parseIPv4(last);
  if (bytes === null) return null;
  return `${text.slice(0, position + 1)}${((bytes[0]! << 8) | bytes[1]!).toString(16)}:${((bytes[2]! << 8) | bytes[3]!).toString(16)}`;
}

/**
 * 4 or 16 bytes in the order of the network.
 * @param field what to name in the error
 * @throws MusterError MUSTER_INVALID_ARGUMENT when it is no address, or one with a zone
 */
export function addressBytes(text: string, field: string): Uint8Array {
  const bytes = parseIPv4(text) ?? parseIPv6(text);
  if (bytes === null) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field, problem: `'${text}' is no address` });
  return bytes;
}

/** One form for each address, so that two ways to write it compare as equal (RFC 5952). */
export function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
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

/** Multicast, unspecified, loopback and, for IPv4, broadcast: no host can be reached there. */
export function isUsableAddress(bytes: Uint8Array): boolean {
  const [first = 0] = bytes;
  if (bytes.length === 4) return first !== 0 && first !== 127 && first < 224;
  const isLow = bytes.subarray(0, 15).every((byte) => byte === 0);
  return first !== 0xff && !(isLow && bytes[15]! <= 1);
}

/** Bits of a mask such as 255.255.255.0; null = it is none. */
export function lengthOfMask(mask: string): number | null {
  const bytes = parseIPv4(mask);
  if (bytes === null) return null;
  const bits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, "0")).join("");
  return /^1*0*$/.test(bits) ? bits.replaceAll("0", "").length : null;
}
