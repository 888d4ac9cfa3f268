/**
 * A 64-bit hash in two 32-bit lanes. It finds copies that differ by mistake (PROTOCOL rule 12);
 * it is not meant to withstand somebody who wants two states to look alike.
 * Integer arithmetic only, so that every machine computes the same.
 */
export interface Hash {
  readonly high: number;
  readonly low: number;
}

export const ZERO_HASH: Hash = { high: 0, low: 0 };

/** FNV-1a over the code units in two lanes with different offsets and multipliers, mixed at the end. */
export function hashText(text: string): Hash {
  let high = 0x811c9dc5 | 0;
  let low = 0x2f0b4a27 | 0;
  for (let position = 0; position < text.length; position++) {
    const unit = text.charCodeAt(position);
    high = Math.imul(high ^ unit, 0x01000193);
    low = Math.imul(low ^ unit, 0x5bd1e995);
    low ^= low >>> 15;
  }
  return { high: mix(high ^ low), low: mix(low + Math.imul(high, 0x9e3779b1)) };
}

/** Sums are independent of order, and what was added can be taken away again. */
export function addHash(left: Hash, right: Hash): Hash {
  return { high: (left.high + right.high) | 0, low: (left.low + right.low) | 0 };
}

export function subtractHash(left: Hash, right: Hash): Hash {
  return { high: (left.high - right.high) | 0, low: (left.low - right.low) | 0 };
}

export function printHash(hash: Hash): string {
  return (hash.high >>> 0).toString(16).padStart(8, "0") + (hash.low >>> 0).toString(16).padStart(8, "0");
}

/** Every bit of the input reaches every bit of the result. */
function mix(value: number): number {
  let bits = value | 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x7feb352d);
  bits = Math.imul(bits ^ (bits >>> 15), 0x846ca68b);
  return (bits ^ (bits >>> 16)) | 0;
}
