import type { Member } from "../../model/identifiers.ts";
import { NODES_MAX } from "../../model/identifiers.ts";
import { Frame, MEMBER_BYTES, readMember, writeMember } from "../local/frames.ts";

/**
 * What processes of a group say about themselves before anything else. Every message begins with its type:
 * `Frame.Hello` or `Frame.Multicast`. The layout of a hello never changes, so that versions can tell each other:
 *
 *   type (1)  magic (4)  protocol version (32 bits)  member (12)  connection (8, chance)  flags (1)
 */
export interface Hello {
  readonly member: Member;
  readonly protocolVersion: number;
  /** Tells a process its own hello, whatever number corosync knows it by. */
  readonly connection: string;
  /** The sender has told its service of a membership: it is one of us, not one who asks. */
  readonly isWelcome: boolean;
  /** The sender misses somebody's hello. */
  readonly wantsAnswer: boolean;
}

export const HELLO_BYTES = 1 + 4 + 4 + MEMBER_BYTES + 8 + 1;
export const CONNECTION_BYTES = 8;
const MAGIC = Buffer.from("MUST");
const VERSION_AT = 5;
const MEMBER_AT = 9;
const CONNECTION_AT = MEMBER_AT + MEMBER_BYTES;
const FLAGS_AT = CONNECTION_AT + CONNECTION_BYTES;
const WELCOME = 1;
const WANTS_ANSWER = 2;

export function encodeHello(hello: Hello): Buffer {
  const message = Buffer.alloc(HELLO_BYTES);
  message[0] = Frame.Hello;
  MAGIC.copy(message, 1);
  message.writeUInt32BE(hello.protocolVersion, VERSION_AT);
  writeMember(message, MEMBER_AT, hello.member);
  message.write(hello.connection, CONNECTION_AT, "hex");
  message[FLAGS_AT] = (hello.isWelcome ? WELCOME : 0) | (hello.wantsAnswer ? WANTS_ANSWER : 0);
  return message;
}

/** @returns null when it is none of ours; later versions may add to its end */
export function decodeHello(message: Buffer): Hello | null {
  if (message.length < HELLO_BYTES || message[0] !== Frame.Hello || message.compare(MAGIC, 0, 4, 1, 5) !== 0) return null;
  const member = readMember(message, MEMBER_AT);
  if (member.node < 1 || member.node > NODES_MAX || !Number.isSafeInteger(member.incarnation)) return null;
  const flags = message[FLAGS_AT] ?? 0;
  return {
    member,
    protocolVersion: message.readUInt32BE(VERSION_AT),
    connection: message.toString("hex", CONNECTION_AT, FLAGS_AT),
    isWelcome: (flags & WELCOME) !== 0,
    wantsAnswer: (flags & WANTS_ANSWER) !== 0,
  };
}
