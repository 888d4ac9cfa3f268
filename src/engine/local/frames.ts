import type { Member } from "../../model/identifiers.ts";

/**
 * Frames on the sockets of the embedded engine: 4 bytes length of what follows (big-endian), 1 byte type, body.
 */

export const Frame = {
  // handshake (handshake.ts)
  Hello: 1,
  Challenge: 2,
  Proof: 3,
  Welcome: 4,
  Refused: 5,
  // member to sequencer
  Multicast: 16,
  Pong: 17,
  Leave: 18,
  // sequencer to member
  Deliver: 32,
  Members: 33,
  Ping: 34,
  Replaced: 35,
  // direct connections
  Request: 48,
  Reply: 49,
  Failure: 50,
} as const;

const LENGTH_BYTES = 4;
export const HEADER_BYTES = LENGTH_BYTES + 1;
/** A member in a frame: node (32 bits), incarnation (double: every safe integer fits). */
export const MEMBER_BYTES = 12;

/** The other side broke the rules of the protocol; its connection is dropped. */
export class MalformedFrame extends Error {
  override readonly name = "MalformedFrame";
}

/** Cuts a stream of bytes into frames. A frame that came in one piece is not copied. */
export class FrameReader {
  /** Largest body that is accepted; may be raised once the other side has proved who it is. */
  bodyBytesMax: number;
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #headerBytes = 0;
  #body: Buffer | null = null;
  #bodyBytes = 0;

  constructor(bodyBytesMax: number) {
    this.bodyBytesMax = bodyBytesMax;
  }

  /**
   * @param onFrame is called for each frame; false ends the reading (the connection is gone)
   * @throws MalformedFrame when a frame is longer than allowed
   */
  push(chunk: Buffer, onFrame: (type: number, body: Buffer) => boolean): void {
    let offset = 0;
    while (offset < chunk.length) {
      if (this.#body === null) {
        offset += this.#fillHeader(chunk, offset);
        if (this.#headerBytes < HEADER_BYTES) return;
        const length = this.#header.readUInt32BE(0) - 1;
        if (length < 0 || length > this.bodyBytesMax) throw new MalformedFrame(`a frame of ${length} bytes`);
        if (chunk.length - offset >= length) {
          this.#headerBytes = 0;
          const body = chunk.subarray(offset, offset + length);
          offset += length;
          if (!onFrame(this.#type, body)) return;
          continue;
        }
        this.#body = Buffer.allocUnsafeSlow(length);
        this.#bodyBytes = 0;
      }
      const taken = chunk.copy(this.#body, this.#bodyBytes, offset);
      offset += taken;
      this.#bodyBytes += taken;
      if (this.#bodyBytes < this.#body.length) return;
      const body = this.#body;
      this.#body = null;
      this.#headerBytes = 0;
      if (!onFrame(this.#type, body)) return;
    }
  }

  get #type(): number {
    return this.#header[LENGTH_BYTES] ?? 0;
  }

  #fillHeader(chunk: Buffer, offset: number): number {
    const taken = chunk.copy(this.#header, this.#headerBytes, offset, offset + HEADER_BYTES - this.#headerBytes);
    this.#headerBytes += taken;
    return taken;
  }
}

/** The bytes that go before a body. */
export function frameHeader(type: number, bodyBytes: number): Buffer {
  const header = Buffer.allocUnsafe(HEADER_BYTES);
  header.writeUInt32BE(bodyBytes + 1, 0);
  header[LENGTH_BYTES] = type;
  return header;
}

export function frame(type: number, body: Uint8Array = EMPTY): Buffer {
  return Buffer.concat([frameHeader(type, body.length), body]);
}

const EMPTY = new Uint8Array(0);

/** Header and sender of a delivered message; its payload follows. */
export function deliverHeader(from: Member, payloadBytes: number): Buffer {
  const header = Buffer.allocUnsafe(HEADER_BYTES + MEMBER_BYTES);
  header.writeUInt32BE(MEMBER_BYTES + payloadBytes + 1, 0);
  header[LENGTH_BYTES] = Frame.Deliver;
  writeMember(header, HEADER_BYTES, from);
  return header;
}

export function writeMember(target: Buffer, offset: number, member: Member): void {
  target.writeUInt32BE(member.node, offset);
  target.writeDoubleBE(member.incarnation, offset + 4);
}

/** @throws MalformedFrame when there is none */
export function readMember(source: Buffer, offset: number): Member {
  if (source.length < offset + MEMBER_BYTES) throw new MalformedFrame("a member is missing");
  return { node: source.readUInt32BE(offset), incarnation: source.readDoubleBE(offset + 4) };
}

export function encodeMembers(members: readonly Member[]): Buffer {
  const body = Buffer.alloc(members.length * MEMBER_BYTES);
  members.forEach((member, position) => writeMember(body, position * MEMBER_BYTES, member));
  return frame(Frame.Members, body);
}

export function decodeMembers(body: Buffer): Member[] {
  if (body.length % MEMBER_BYTES !== 0) throw new MalformedFrame("a torn list of members");
  const members: Member[] = [];
  for (let offset = 0; offset < body.length; offset += MEMBER_BYTES) members.push(readMember(body, offset));
  return members;
}
