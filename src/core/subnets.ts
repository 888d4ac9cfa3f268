/** Addresses and the subnets they are in, as whole numbers; text that two nodes write differently becomes the same here. */

export interface Subnet {
  readonly version: 4 | 6;
  /** The address as people write it, in one form. */
  readonly address: string;
  /** `address/length` of the address itself. */
  readonly text: string;
  readonly length: number;
  /** `address/length` of the subnet. */
  readonly prefix: string;
}

/** `address/length` taken apart; null = it is none. */
export function parseSubnet(text: string): Subnet | null {
  const match = /^([0-9a-fA-F:.]{2,45})\/([0-9]{1,3})$/.exec(text);
  if (match === null) return null;
  const [, addressText = "", lengthText = ""] = match;
  const version = addressText.includes(":") ? 6 : 4;
  const value = version === 4 ? parseIPv4(addressText) : parseIPv6(addressText);
  const bits = version === 4 ? 32 : 128;
  const length = Number(lengthText);
  if (value === null || length > bits) return null;
  const print = version === 4 ? printIPv4 : printIPv6;
  const shift = BigInt(bits - length);
  const address = print(value);
  return { version, address, length, text: `${address}/${length}`, prefix: `${print((value >> shift) << shift)}/${length}` };
}

/** Whether an address is in the subnet `address/length`. */
export function isInside(address: string, prefix: string): boolean {
  const [, length = ""] = prefix.split("/");
  return parseSubnet(`${address}/${length}`)?.prefix === prefix;
}

/** 24 -> 255.255.255.0 */
export function maskOf(length: number): string {
  return printIPv4(((1n << BigInt(length)) - 1n) << BigInt(32 - length));
}

function parseIPv4(text: string): bigint | null {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^[0-9]{1,3}$/.test(part) && Number(part) <= 255)) return null;
  return parts.reduce((sum, part) => (sum << 8n) | BigInt(part), 0n);
}

function parseIPv6(text: string): bigint | null {
  const sides = text.split("::");
  if (sides.length > 2) return null;
  const [left = [], right = []] = sides.map((side) => (side === "" ? [] : side.split(":")));
  const missing = 8 - left.length - right.length;
  if (sides.length === 1 ? missing !== 0 : missing < 1) return null;
  const groups = [...left, ...Array.from({ length: missing }, () => "0"), ...right];
  if (!groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return null;
  return groups.reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n);
}

function printIPv4(value: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 255n)).join(".");
}

/** The longest run of zeros is left out, the first of equals (RFC 5952). */
function printIPv6(value: bigint): string {
  const groups = Array.from({ length: 8 }, (_, position) => ((value >> BigInt(16 * (7 - position))) & 0xffffn).toString(16));
  let best = { start: 0, length: 0 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (groups[start + length] === "0") length += 1;
    if (length > best.length) best = { start, length };
  }
  if (best.length < 2) return groups.join(":");
  return `${groups.slice(0, best.start).join(":")}::${groups.slice(best.start + best.length).join(":")}`;
}
