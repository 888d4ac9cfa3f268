import { addressBytes as bytesOf, addressText } from "../model/addresses.ts";
import { MusterError } from "../model/errors.ts";

export { lengthOfMask } from "../model/addresses.ts";

/** Addresses of adapters, as text and as bytes: pure. */

/**
 * 4 or 16 bytes in the order of the network.
 * @throws MusterError MUSTER_INVALID_ARGUMENT when it is no address, or one with a zone
 */
export function addressBytes(address: string): Uint8Array {
  return bytesOf(address, "Address");
}

/** One form for each address, so that two ways to write it compare as equal (RFC 5952). */
export function normalizeAddress(address: string): string {
  return addressText(addressBytes(address));
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

/** `02:00:5e:10:00:01` from six bytes. */
export function hardwareAddressText(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(":");
}

export function hardwareAddressBytes(text: string): Uint8Array {
  const bytes = Uint8Array.from(text.split(":"), (part) => Number.parseInt(part, 16));
  if (bytes.length !== 6 || !/^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/.test(text)) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "hardwareAddress", problem: `'${text}' is none` });
  return bytes;
}
