import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, randomBytes } from "node:crypto";
import type { KeyObject } from "node:crypto";
import type { Member, NodeId } from "../../model/identifiers.ts";

/** How datagrams are encrypted and made authentic, and how one that was sent again by somebody else is known. */

interface Sender {
  readonly incarnation: number;
  readonly salt: Buffer;
  readonly key: KeyObject;
  /** The newest number read of each remainder by {@link WINDOW}: an equal or a lower one was read before, or is very late. */
  readonly read: BigUint64Array;
}

/** So many may overtake one. */
const WINDOW = 256;
const CIPHER = "aes-256-gcm";
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const SALT_BYTES = 16;
const NUMBER_BYTES = 8;
const SALT_AT = 2 + 8;
const NUMBER_AT = SALT_AT + SALT_BYTES;
/** Node, incarnation, salt of the sender's life, number of the message. */
const HEADER_BYTES = NUMBER_AT + NUMBER_BYTES;
/** What a message grows by. */
export const SEAL_BYTES = HEADER_BYTES + TAG_BYTES;

export class DatagramCipher {
  readonly #clusterId: string;
  readonly #self: Member;
  readonly #clusterKey: Buffer;
  readonly #own: Sender;
  readonly #senders = new Map<NodeId, Sender>();
  #number = 0n;

  /** @param clusterKey from which each life of a node makes the key it encrypts with */
  constructor(clusterId: string, self: Member, clusterKey: Buffer) {
    this.#clusterId = clusterId;
    this.#self = self;
    this.#clusterKey = clusterKey;
    // The salt keeps two lives apart should they have one incarnation: no key is used for the same number twice.
    const salt = randomBytes(SALT_BYTES);
    this.#own = this.#sender(self, salt);
  }

  seal(payload: Uint8Array): Buffer {
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeUInt16BE(this.#self.node, 0);
    header.writeBigUInt64BE(BigInt(this.#self.incarnation), 2);
    this.#own.salt.copy(header, SALT_AT);
    header.writeBigUInt64BE(++this.#number, NUMBER_AT);
    const cipher = createCipheriv(CIPHER, this.#own.key, nonceOf(header));
    cipher.setAAD(header);
    return Buffer.concat([header, cipher.update(payload), cipher.final(), cipher.getAuthTag()]);
  }

  /** Whose it says it is; `open` proves it. */
  senderOf(message: Buffer, members: readonly Member[]): Member | null {
    if (message.length < SEAL_BYTES) return null;
    const node = message.readUInt16BE(0);
    const incarnation = message.readBigUInt64BE(2);
    return members.find((member) => member.node === node && BigInt(member.incarnation) === incarnation) ?? null;
  }

  /** @returns null for what this member did not encrypt, and for what was read before */
  open(from: Member, message: Buffer): Buffer | null {
    const salt = message.subarray(SALT_AT, NUMBER_AT);
    const known = this.#senders.get(from.node);
    const isKnown = known !== undefined && known.incarnation === from.incarnation && known.salt.equals(salt);
    const sender = isKnown ? known : this.#sender(from, Buffer.from(salt));
    const number = message.readBigUInt64BE(NUMBER_AT);
    const place = Number(number % BigInt(WINDOW));
    if (number <= sender.read[place]!) return null;
    try {
      const decipher = createDecipheriv(CIPHER, sender.key, nonceOf(message));
      decipher.setAAD(message.subarray(0, HEADER_BYTES));
      decipher.setAuthTag(message.subarray(-TAG_BYTES));
      const payload = Buffer.concat([decipher.update(message.subarray(HEADER_BYTES, -TAG_BYTES)), decipher.final()]);
      // Not before it has proved to be the sender's.
      this.#senders.set(from.node, sender);
      sender.read[place] = number;
      return payload;
    } catch {
      return null;
    }
  }

  #sender(member: Member, salt: Buffer): Sender {
    return { incarnation: member.incarnation, salt, key: this.#keyOf(member, salt), read: new BigUint64Array(WINDOW) };
  }

  #keyOf({ node, incarnation }: Member, salt: Buffer): KeyObject {
    return createSecretKey(Buffer.from(hkdfSync("sha256", this.#clusterKey, salt, `muster datagram ${this.#clusterId} ${node} ${incarnation}`, KEY_BYTES)));
  }
}

/** The number of the message: each key is one life's, which counts. */
function nonceOf(header: Buffer): Buffer {
  const nonce = Buffer.alloc(NONCE_BYTES);
  header.copy(nonce, NONCE_BYTES - NUMBER_BYTES, NUMBER_AT, HEADER_BYTES);
  return nonce;
}
