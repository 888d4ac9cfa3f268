import type { Member } from "../../model/identifiers.ts";
import { MEMBER_BYTES, readMember, writeMember } from "../local/frames.ts";

/** What a caller of a transfer says first: protocol version, who it is, whom it means, and of which cluster. */
export interface Greeting {
  readonly protocolVersion: number;
  readonly from: Member;
  readonly to: Member;
  readonly clusterId: string;
}

const FROM_AT = 4;
const TO_AT = FROM_AT + MEMBER_BYTES;
const CLUSTER_AT = TO_AT + MEMBER_BYTES;
export const GREETING_BYTES_MAX = 256;

export function encodeGreeting(greeting: Greeting): Buffer {
  const fixed = Buffer.alloc(CLUSTER_AT);
  fixed.writeUInt32BE(greeting.protocolVersion, 0);
  writeMember(fixed, FROM_AT, greeting.from);
  writeMember(fixed, TO_AT, greeting.to);
  return Buffer.concat([fixed, Buffer.from(greeting.clusterId)]);
}

/** @returns null when it is none */
export function decodeGreeting(body: Buffer): Greeting | null {
  if (body.length < CLUSTER_AT || body.length > GREETING_BYTES_MAX) return null;
  return { protocolVersion: body.readUInt32BE(0), from: readMember(body, FROM_AT), to: readMember(body, TO_AT), clusterId: body.toString("utf8", CLUSTER_AT) };
}
