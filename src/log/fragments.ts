import type { Member } from "../model/identifiers.ts";

/**
 * Messages that are larger than the engine carries travel in pieces. Order per sender is
 * promised, so pieces follow each other; when one is missing the rest is dropped and
 * whoever sent the message sends it again, as with any lost message.
 */

const MARK = 1;
const HEADER_BYTES = 9;
/** Bytes of one piece, header included: well below what an engine must carry. */
export const FRAGMENT_BYTES_MAX = 24 * 1024;
/** Largest message: an inventory of some ten thousand resources. */
export const FRAGMENTS_MAX = 128;

/** Cuts a message into what may be sent. A message that fits is returned as it is. */
export class Fragmenter {
  #number = 0;

  /** @throws RangeError for a message beyond all bounds */
  cut(message: Uint8Array): Uint8Array[] {
    if (message.length <= FRAGMENT_BYTES_MAX) return [message];
    const room = FRAGMENT_BYTES_MAX - HEADER_BYTES;
    const count = Math.ceil(message.length / room);
    if (count > FRAGMENTS_MAX) throw new RangeError(`a message of ${message.length} bytes`);
    this.#number = (this.#number + 1) >>> 0;
    return Array.from({ length: count }, (_, part) => {
      const piece = message.subarray(part * room, (part + 1) * room);
      const fragment = new Uint8Array(HEADER_BYTES + piece.length);
      const view = new DataView(fragment.buffer);
      view.setUint8(0, MARK);
      view.setUint32(1, this.#number);
      view.setUint16(5, part);
      view.setUint16(7, count);
      fragment.set(piece, HEADER_BYTES);
      return fragment;
    });
  }
}

/** Tells one life of a node from the others. */
export function senderOf(member: Member): string {
  return `${member.node}.${member.incarnation}`;
}

/** Puts the pieces of each sender together again. */
export class Assembler {
  readonly #open = new Map<string, { readonly number: number; readonly pieces: Uint8Array[] }>();

  /** @param sender one life of one node @returns a whole message, or null while pieces are missing */
  add(sender: string, bytes: Uint8Array): Uint8Array | null {
    if (bytes[0] !== MARK) return bytes;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const number = view.getUint32(1);
    const part = view.getUint16(5);
    const count = view.getUint16(7);
    const piece = bytes.slice(HEADER_BYTES);
    let open = this.#open.get(sender);
    if (part === 0) {
      open = { number, pieces: [] };
      this.#open.set(sender, open);
    }
    if (open === undefined || open.number !== number || open.pieces.length !== part || count > FRAGMENTS_MAX) {
      this.#open.delete(sender);
      return null;
    }
    open.pieces.push(piece);
    if (open.pieces.length < count) return null;
    this.#open.delete(sender);
    return join(open.pieces);
  }

  /** Pieces of lives that are not in the list will never be completed. */
  keepOnly(senders: readonly string[]): void {
    for (const sender of this.#open.keys()) if (!senders.includes(sender)) this.#open.delete(sender);
  }
}

function join(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    whole.set(piece, offset);
    offset += piece.length;
  }
  return whole;
}
