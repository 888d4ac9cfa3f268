import type { Member } from "../../model/identifiers.ts";
import { encodeMembers, Frame, HEADER_BYTES, MEMBER_BYTES, writeMember } from "../local/frames.ts";

/** Membership lists and messages on their way from the thread to the engine, as frames, in their order. */

const FIRST_BYTES = 64 * 1024;
const BEFORE_PAYLOAD = HEADER_BYTES + MEMBER_BYTES;

export class Batch {
  #buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  members(members: readonly Member[]): void {
    const frame = encodeMembers(members);
    this.#room(frame.length);
    frame.copy(this.#buffer, this.#bytes);
    this.#bytes += frame.length;
  }

  /**
   * Where a message with its type byte goes, so that its payload need not be moved: {@link deliver} puts the header
   * over the type byte. Nothing is taken until then.
   */
  room(messageBytes: number): Buffer {
    const offset = this.#bytes + BEFORE_PAYLOAD - 1;
    this.#room(BEFORE_PAYLOAD - 1 + messageBytes);
    return this.#buffer.subarray(offset, offset + messageBytes);
  }

  /** Takes the message that was put into {@link room}. */
  deliver(from: Member, messageBytes: number): void {
    const payloadBytes = messageBytes - 1;
    this.#buffer.writeUInt32BE(1 + MEMBER_BYTES + payloadBytes, this.#bytes);
    this.#buffer[this.#bytes + HEADER_BYTES - 1] = Frame.Deliver;
    writeMember(this.#buffer, this.#bytes + HEADER_BYTES, from);
    this.#bytes += BEFORE_PAYLOAD + payloadBytes;
  }

  clear(): void {
    this.#bytes = 0;
    if (this.#buffer.length > FIRST_BYTES) this.#buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  }

  /** What is there, in memory of its own that can be handed to another thread. */
  take(): Uint8Array<ArrayBuffer> {
    const taken = new Uint8Array(this.#bytes);
    taken.set(this.#buffer.subarray(0, this.#bytes));
    this.clear();
    return taken;
  }

  #room(bytes: number): void {
    if (this.#buffer.length >= this.#bytes + bytes) return;
    const buffer = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, this.#bytes + bytes));
    this.#buffer.copy(buffer, 0, 0, this.#bytes);
    this.#buffer = buffer;
  }
}
