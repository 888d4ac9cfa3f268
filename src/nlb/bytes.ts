/** Whole numbers and digests in bytes, the highest byte first. */
export class ByteWriter {
  readonly #bytes: number[] = [];

  /** @param length bytes, at most 6 */
  number(value: number, length: number): void {
    for (let position = length - 1; position >= 0; position--) this.#bytes.push(Math.floor(value / 2 ** (8 * position)) % 256);
  }

  /** 16 hexadecimal digits. */
  digest(digest: string): void {
    for (let position = 0; position < 16; position += 2) this.#bytes.push(Number.parseInt(digest.slice(position, position + 2), 16));
  }

  raw(bytes: Uint8Array): void {
    for (const byte of bytes) this.#bytes.push(byte);
  }

  finish(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}

/** Thrown by {@link ByteReader} alone, and never beyond the decoders. */
export class Malformed extends Error {}

export class ByteReader {
  readonly #bytes: Uint8Array;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** @throws Malformed when the bytes end before */
  number(length: number): number {
    let value = 0;
    for (const byte of this.raw(length)) value = value * 256 + byte;
    return value;
  }

  /** A number that must be in bounds. @throws Malformed */
  within(length: number, minimum: number, maximum: number): number {
    const value = this.number(length);
    if (value < minimum || value > maximum) throw new Malformed(`${value} is not between ${minimum} and ${maximum}`);
    return value;
  }

  digest(): string {
    return Array.from(this.raw(8), (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  raw(length: number): Uint8Array {
    if (this.#offset + length > this.#bytes.length) throw new Malformed("too short");
    const part = this.#bytes.subarray(this.#offset, this.#offset + length);
    this.#offset += length;
    return part;
  }

  /** @throws Malformed when something is left */
  end(): void {
    if (this.#offset !== this.#bytes.length) throw new Malformed("too long");
  }
}
