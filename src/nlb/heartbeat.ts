import type { RuleReport } from "./assignment.ts";
import { ByteReader, ByteWriter, Malformed } from "./bytes.ts";
import type { Digest } from "./consistency.ts";
import { NO_DIGEST } from "./consistency.ts";
import type { HostLife, MapId } from "./map.ts";
import { readReport, writeReport } from "./map.ts";
import { HOSTS_MAX, RULES_MAX } from "./parameters.ts";
import type { HostState, OutReason } from "./states.ts";
import { HOST_STATES, OUT_REASONS } from "./states.ts";

/** The heartbeat (PROTOCOL part 3, rule 1) and its bytes: at most {@link HEARTBEAT_BYTES_MAX} with 64 hosts and 64 rules. */

/** What a host says about another one. */
export interface PeerReport extends HostLife {
  /** The newest heartbeat of it that was heard; 0 = none for the silence time. */
  readonly sequence: number;
  /** It says that it hears me too. */
  readonly isMutual: boolean;
  /** I would be in a map with it. The set of these, and myself, is my mutually-heard set. */
  readonly isCandidate: boolean;
  /** That heartbeat carried the map that this one carries, and here all is released for it: this is an echo. */
  readonly isEcho: boolean;
  /** It is in my map. */
  readonly isMember: boolean;
  /** A life of it that is not in my map: what is left of H since I last sent it an echo; null = nothing, or it has said since that it serves nothing. */
  readonly holdLeftMs: number | null;
}

export interface Heartbeat extends HostLife {
  /** Tells clusters on one wire apart. */
  readonly cluster: number;
  readonly sequence: number;
  /** The former life whose rules in the kernel this life has cleared; 0 = none was found. */
  readonly cleared: number;
  readonly state: HostState;
  /** It would like to be in a map. */
  readonly wants: boolean;
  /** Its kernel serves nothing, and will not before it is in a map again. */
  readonly isEmpty: boolean;
  readonly isDraining: boolean;
  readonly reason: OutReason;
  /** Whom the reason speaks of; 0 = nobody. */
  readonly reasonHost: number;
  /** Digest of its own parameters, and of those that its map is made for. */
  readonly wanted: Digest;
  readonly active: Digest;
  /** With a counter alone: it has no map, and adopts none that is not above. */
  readonly map: MapId;
  readonly predecessor: Digest;
  /** All that the map gives to others is released in the kernel. */
  readonly isReleased: boolean;
  /** All that the map gives to it is taken. */
  readonly isTaken: boolean;
  /** For the rules of `wanted`, in canonical order. */
  readonly rules: readonly RuleReport[];
  /** By ascending host. */
  readonly peers: readonly PeerReport[];
}

export const HEARTBEAT_VERSION = 1;
export const HEARTBEAT_BYTES_MAX = 1_400;
export const AUTHENTICATION_BYTES = 32;
export const SEQUENCE_MAX = 0xffff_ffff;
const MAGIC = 0x4d4c;
const HOLD_MAX = 0xffff_ffff;

/** HMAC-SHA-256 under the key of the cluster: 32 bytes. It is handed in, because this room has no cryptography. */
export type Authenticate = (bytes: Uint8Array) => Uint8Array;

export function encodeHeartbeat(heartbeat: Heartbeat, authenticate: Authenticate): Uint8Array {
  const writer = new ByteWriter();
  writer.number(MAGIC, 2);
  writer.number(HEARTBEAT_VERSION, 1);
  writer.number(heartbeat.cluster, 4);
  writer.number(heartbeat.host, 1);
  writer.number(heartbeat.incarnation, 6);
  writer.number(heartbeat.sequence, 4);
  writer.number(heartbeat.cleared, 6);
  writer.number(HOST_STATES.indexOf(heartbeat.state), 1);
  writer.number(flags([heartbeat.wants, heartbeat.isEmpty, heartbeat.isDraining, heartbeat.isReleased, heartbeat.isTaken]), 1);
  writer.number(OUT_REASONS.indexOf(heartbeat.reason), 1);
  writer.number(heartbeat.reasonHost, 1);
  writer.digest(heartbeat.wanted);
  writer.digest(heartbeat.active);
  writer.number(heartbeat.map.counter, 4);
  writer.number(heartbeat.map.proposer, 1);
  writer.digest(heartbeat.map.hash);
  writer.digest(heartbeat.predecessor);
  writer.number(heartbeat.rules.length, 1);
  for (const report of heartbeat.rules) writeReport(writer, report);
  writer.number(heartbeat.peers.length, 1);
  for (const peer of heartbeat.peers) {
    writer.number(peer.host, 1);
    writer.number(peer.incarnation, 6);
    writer.number(flags([peer.isMutual, peer.isCandidate, peer.isEcho, peer.isMember, peer.holdLeftMs !== null]), 1);
    writer.number(peer.sequence, 4);
    if (peer.holdLeftMs !== null) writer.number(Math.min(HOLD_MAX, Math.max(0, Math.ceil(peer.holdLeftMs))), 4);
  }
  const body = writer.finish();
  const whole = new Uint8Array(body.length + AUTHENTICATION_BYTES);
  whole.set(body);
  whole.set(authenticate(body).subarray(0, AUTHENTICATION_BYTES), body.length);
  return whole;
}

export type Refusal = "malformed" | "version" | "forged" | "otherCluster" | "own" | "replayed";

/** @returns the heartbeat, or why it is none of ours; whatever the bytes are, nothing is thrown */
export function decodeHeartbeat(bytes: Uint8Array, authenticate: Authenticate): Heartbeat | Refusal {
  if (bytes.length > HEARTBEAT_BYTES_MAX || bytes.length < AUTHENTICATION_BYTES + 3) return "malformed";
  if (bytes[0] !== MAGIC >> 8 || bytes[1] !== (MAGIC & 0xff)) return "malformed";
  if (bytes[2] !== HEARTBEAT_VERSION) return "version";
  const body = bytes.subarray(0, bytes.length - AUTHENTICATION_BYTES);
  if (!isEqual(authenticate(body), bytes.subarray(body.length))) return "forged";
  try {
    return read(new ByteReader(body.subarray(3)));
  } catch (error) {
    if (error instanceof Malformed) return "malformed";
    throw error;
  }
}

function read(reader: ByteReader): Heartbeat {
  const cluster = reader.number(4);
  const host = reader.within(1, 1, HOSTS_MAX);
  const incarnation = reader.number(6);
  const sequence = reader.within(4, 1, SEQUENCE_MAX);
  const cleared = reader.number(6);
  const state = HOST_STATES[reader.within(1, 0, HOST_STATES.length - 1)]!;
  const own = reader.within(1, 0, 31);
  const reason = OUT_REASONS[reader.within(1, 0, OUT_REASONS.length - 1)]!;
  const reasonHost = reader.within(1, 0, HOSTS_MAX);
  const wanted = reader.digest();
  const active = reader.digest();
  const map = { counter: reader.number(4), proposer: reader.within(1, 0, HOSTS_MAX), hash: reader.digest() };
  // No map is no proposer and no hash: one of the two alone would be a map that nobody has made.
  if ((map.proposer === 0) !== (map.hash === NO_DIGEST)) throw new Malformed("half a map");
  const predecessor = reader.digest();
  const rules = Array.from({ length: reader.within(1, 0, RULES_MAX) }, () => readReport(reader));
  const peers: PeerReport[] = [];
  for (let left = reader.within(1, 0, HOSTS_MAX); left > 0; left--) {
    const life = { host: reader.within(1, 1, HOSTS_MAX), incarnation: reader.number(6) };
    if (life.host <= (peers.at(-1)?.host ?? 0)) throw new Malformed("peers are not in order");
    const bits = reader.within(1, 0, 31);
    const heard = reader.number(4);
    peers.push({ ...life, sequence: heard, isMutual: (bits & 1) !== 0, isCandidate: (bits & 2) !== 0, isEcho: (bits & 4) !== 0, isMember: (bits & 8) !== 0, holdLeftMs: (bits & 16) === 0 ? null : reader.number(4) });
  }
  reader.end();
  const [wants, isEmpty, isDraining, isReleased, isTaken] = [1, 2, 4, 8, 16].map((bit) => (own & bit) !== 0) as [boolean, boolean, boolean, boolean, boolean];
  return { cluster, host, incarnation, sequence, cleared, state, wants, isEmpty, isDraining, reason, reasonHost, wanted, active, map, predecessor, isReleased, isTaken, rules, peers };
}

function flags(bits: readonly boolean[]): number {
  return bits.reduce((sum, bit, position) => sum + (bit ? 1 << position : 0), 0);
}

/** Takes equally long wherever they differ. */
function isEqual(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  return left.reduce((difference, byte, position) => difference | (byte ^ right[position]!), 0) === 0;
}
