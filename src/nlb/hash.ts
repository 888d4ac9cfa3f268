import type { Affinity } from "./filter-contract.ts";
import { BUCKETS } from "./filter-contract.ts";

/**
 * Which bucket a client is in: the very hash that nftables' `jhash` expression computes (Jenkins'
 * lookup3 as the kernel has it), so that a command can say which host takes a packet and that the
 * kernel, this function and an XDP program agree. Little-endian machines; on others the kernel's
 * jhash loads whole words the other way round.
 */

const START = 0xdeadbeef;

/** jhash(key, length, seed) of the kernel: 32 bits unsigned. */
export function jhash(key: Uint8Array, seed: number): number {
  let a = (START + key.length + seed) | 0;
  let b = a;
  let c = a;
  let offset = 0;
  let left = key.length;
  while (left > 12) {
    a = (a + word(key, offset)) | 0;
    b = (b + word(key, offset + 4)) | 0;
    c = (c + word(key, offset + 8)) | 0;
    a = (a - c) ^ rotate(c, 4);
    c = (c + b) | 0;
    b = (b - a) ^ rotate(a, 6);
    a = (a + c) | 0;
    c = (c - b) ^ rotate(b, 8);
    b = (b + a) | 0;
    a = (a - c) ^ rotate(c, 16);
    c = (c + b) | 0;
    b = (b - a) ^ rotate(a, 19);
    a = (a + c) | 0;
    c = (c - b) ^ rotate(b, 4);
    b = (b + a) | 0;
    offset += 12;
    left -= 12;
  }
  if (left === 0) return c >>> 0;
  a = (a + word(key, offset)) | 0;
  b = (b + word(key, offset + 4)) | 0;
  c = (c + word(key, offset + 8)) | 0;
  c = ((c ^ b) - rotate(b, 14)) | 0;
  a = ((a ^ c) - rotate(c, 11)) | 0;
  b = ((b ^ a) - rotate(a, 25)) | 0;
  c = ((c ^ b) - rotate(b, 16)) | 0;
  a = ((a ^ c) - rotate(c, 4)) | 0;
  b = ((b ^ a) - rotate(a, 14)) | 0;
  c = ((c ^ b) - rotate(b, 24)) | 0;
  return c >>> 0;
}

/** Four bytes, the first the lowest; what lies beyond the end counts as zero. */
function word(key: Uint8Array, offset: number): number {
  return (key[offset] ?? 0) | ((key[offset + 1] ?? 0) << 8) | ((key[offset + 2] ?? 0) << 16) | ((key[offset + 3] ?? 0) << 24);
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

/** nftables' `mod N`: not a remainder but (hash * N) >> 32. */
export function scale(hash: number, buckets: number = BUCKETS): number {
  return Math.floor((hash * buckets) / 0x1_0000_0000);
}

/**
 * What is hashed, as nftables lays it out: `ip saddr . th sport` (the port padded to four bytes),
 * `ip saddr`, `@nh,96,24` (the upper 24 bits) and for IPv6 `ip6 saddr . th sport`, `ip6 saddr`,
 * `@nh,64,64` (the upper 64 bits).
 * @param client 4 or 16 bytes
 * @param port needed for affinity none only
 */
export function hashKey(client: Uint8Array, port: number, affinity: Affinity): Uint8Array {
  if (affinity === "single") return client;
  if (affinity === "network") return client.subarray(0, client.length === 4 ? 3 : 8);
  const key = new Uint8Array(client.length + 4);
  key.set(client);
  key[client.length] = port >> 8;
  key[client.length + 1] = port & 0xff;
  return key;
}

/** The bucket of a client in a rule: 0 to BUCKETS - 1. */
export function bucketOf(client: Uint8Array, port: number, affinity: Affinity, seed: number, buckets: number = BUCKETS): number {
  return scale(jhash(hashKey(client, port, affinity), seed), buckets);
}
