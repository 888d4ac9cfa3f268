import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Member } from "../../model/identifiers.ts";
import { NODES_MAX } from "../../model/identifiers.ts";
import type { Channel } from "./channel.ts";
import { Frame, frame, MalformedFrame, MEMBER_BYTES, readMember, writeMember } from "./frames.ts";
import { GRACE_MS } from "./timing.ts";

/**
 * Abstract sockets have no permissions: anybody on the machine may bind or connect. So both sides first prove
 * that they hold the key of the cluster, by HMAC-SHA256 over everything said: roles, versions, members, both
 * nonces, and the name of the socket (so that a stranger cannot pass our words on to a socket of another name).
 *
 *   caller  Hello(role, version, member, nonce)
 *   callee  Challenge(version, member, nonce, proof)
 *   caller  Proof(proof)
 *   callee  Welcome | Refused(reason)
 *
 * Layout of Hello and Challenge never changes, so that different versions can tell each other.
 */

export const Role = { member: 1, probe: 2, direct: 3 } as const;
export type Role = (typeof Role)[keyof typeof Role];

export const Refusal = { key: 1, version: 2, replaced: 3, busy: 4 } as const;

/** What every party of a cluster shares. */
export interface Credentials {
  readonly key: Buffer;
  readonly self: Member;
  readonly protocolVersion: number;
}

export interface Peer {
  readonly member: Member;
  readonly role: Role;
  readonly protocolVersion: number;
}

export type CallFailure =
  /** The other side does not hold the key, or speaks something else. */
  | { readonly kind: "unproven" }
  | { readonly kind: "version"; readonly node: number; readonly theirs: number }
  /** A newer incarnation of this node is a member. */
  | { readonly kind: "replaced" }
  | { readonly kind: "busy" };

export const HANDSHAKE_BODY_BYTES_MAX = 128;
const MAGIC = Buffer.from("MUST");
const NONCE_BYTES = 32;
/** magic, role, version, member */
const HEAD_BYTES = 4 + 1 + 4 + MEMBER_BYTES;

/** The calling side. Exactly one of the callbacks is called, at once when the last frame is there; none when the channel closes. */
export function call(
  channel: Channel,
  socketName: string,
  role: Role,
  credentials: Credentials,
  onWelcome: (peer: Peer) => void,
  onFailure: (failure: CallFailure) => void,
): void {
  const hello = encodeHead(role, credentials);
  let peer: Peer | null = null;
  channel.onFrame = (type, body) => {
    if (type === Frame.Challenge && peer === null) {
      const challenge = body.subarray(0, HEAD_BYTES + NONCE_BYTES);
      const found = decodeHead(challenge);
      const said = [hello, challenge];
      if (found === null || !isProof(body.subarray(challenge.length), proof("callee", credentials.key, socketName, said))) {
        return onFailure({ kind: "unproven" });
      }
      peer = found;
      if (found.protocolVersion !== credentials.protocolVersion) {
        return onFailure({ kind: "version", node: found.member.node, theirs: found.protocolVersion });
      }
      channel.send(frame(Frame.Proof, proof("caller", credentials.key, socketName, said)));
      channel.flush();
      return;
    }
    if (peer === null) return onFailure({ kind: "unproven" });
    if (type === Frame.Welcome) return onWelcome(peer);
    if (type !== Frame.Refused) throw new MalformedFrame(`frame ${type} in a handshake`);
    switch (body[0]) {
      case Refusal.replaced:
        return onFailure({ kind: "replaced" });
      case Refusal.busy:
        return onFailure({ kind: "busy" });
      default:
        return onFailure({ kind: "unproven" });
    }
  };
  channel.send(frame(Frame.Hello, hello));
  channel.flush();
}

/**
 * The called side. `onPeer` is called when the caller has proved the key and speaks our version; it answers with
 * {@link welcome} or {@link refuse}. A caller that fails is told and closed.
 */
export function answer(channel: Channel, socketName: string, credentials: Credentials, onPeer: (peer: Peer) => void): void {
  let said: Buffer[] = [];
  let peer: Peer | null = null;
  channel.onFrame = (type, body) => {
    if (type === Frame.Hello && peer === null) {
      peer = decodeHead(body);
      if (peer === null) return channel.close("not a greeting of ours");
      const challenge = encodeHead(Role.member, credentials);
      said = [Buffer.from(body), challenge];
      channel.send(frame(Frame.Challenge, Buffer.concat([challenge, proof("callee", credentials.key, socketName, said)])));
      channel.flush();
      return;
    }
    if (type !== Frame.Proof || peer === null) return channel.close("not a handshake of ours");
    if (!isProof(body, proof("caller", credentials.key, socketName, said))) return refuse(channel, Refusal.key);
    if (peer.protocolVersion !== credentials.protocolVersion) return refuse(channel, Refusal.version);
    onPeer(peer);
  };
}

export function welcome(channel: Channel): void {
  channel.send(frame(Frame.Welcome));
}

export function refuse(channel: Channel, refusal: number): void {
  channel.send(frame(Frame.Refused, Uint8Array.of(refusal)));
  void channel.finish(GRACE_MS);
}

/** Magic, role, version, member and a new nonce. */
function encodeHead(role: Role, credentials: Credentials): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  MAGIC.copy(head, 0);
  head[4] = role;
  head.writeUInt32BE(credentials.protocolVersion, 5);
  writeMember(head, 9, credentials.self);
  return Buffer.concat([head, randomBytes(NONCE_BYTES)]);
}

function decodeHead(body: Buffer): Peer | null {
  if (body.length !== HEAD_BYTES + NONCE_BYTES || body.compare(MAGIC, 0, 4, 0, 4) !== 0) return null;
  const role = body[4];
  if (role !== Role.member && role !== Role.probe && role !== Role.direct) return null;
  const member = readMember(body, 9);
  if (member.node < 1 || member.node > NODES_MAX || !Number.isSafeInteger(member.incarnation)) return null;
  return { role, protocolVersion: body.readUInt32BE(5), member };
}

function proof(side: "caller" | "callee", key: Buffer, socketName: string, said: readonly Buffer[]): Buffer {
  const hmac = createHmac("sha256", key);
  hmac.update(`muster ${side} ${socketName.length} ${socketName}`);
  for (const part of said) hmac.update(part);
  return hmac.digest();
}

function isProof(given: Buffer, expected: Buffer): boolean {
  return given.length === expected.length && timingSafeEqual(given, expected);
}
