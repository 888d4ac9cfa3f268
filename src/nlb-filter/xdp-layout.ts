import { endianness } from "node:os";
import { addressBytes, normalizeAddress } from "../network/address-text.ts";
import { putU16, putU32, u32 } from "../network/native-numbers.ts";
import type { FilterPlan, FilterRule } from "../nlb/filter-contract.ts";
import { BUCKETS } from "../nlb/filter-contract.ts";
import type { OpenFlow } from "./xdp-connections.ts";

/** What goes into the program's maps, byte by byte: pure. The other side of it is xdp/layout.h. */

export const RULES_MAX = 64;
export const DEFAULT_NUMBER = RULES_MAX;
export const LeasePlace = { pointed: 8, life: 9 } as const;
export const CLIENT_KEY_BYTES = 20;

const PLAN_BYTES = 5_656;
const FIRST_AT = 8;
const MATCHES_AT = 24;
const MATCH_BYTES = 8;
const SHARES_AT = MATCHES_AT + RULES_MAX * MATCH_BYTES;
const SHARE_BYTES = 80;
const OWNED_AT = 16;
const HOT_AT = 48;
const ANY_ADDRESS = 0xff;
const Protocols = { tcp: 1, udp: 2, both: 3 } as const;
const Actions = { drop: 0, whole: 1, share: 2 } as const;
const Affinities = { none: 0, single: 1, network: 2 } as const;
const RuleFlags = { accepts: 1, wasMine: 2 } as const;
const PlanFlags = { member: 1, defaultHost: 2, wasDefaultHost: 4, filtersIcmp: 8 } as const;
const States = { open: 0, closing: 1 } as const;
const LITTLE = endianness() === "LE";
const NS_PER_MS = 1_000_000n;

export function number32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  putU32(bytes, value >>> 0, 0);
  return bytes;
}

export function number64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  putNumber64(bytes, value, 0);
  return bytes;
}

export function readNumber64(bytes: Buffer, at: number): bigint {
  return LITTLE ? bytes.readBigUInt64LE(at) : bytes.readBigUInt64BE(at);
}

function putNumber64(bytes: Buffer, value: bigint, at: number): void {
  if (LITTLE) bytes.writeBigUInt64LE(value, at);
  else bytes.writeBigUInt64BE(value, at);
}

/** Sixteen bytes: IPv4 as ::ffff:a.b.c.d. */
export function mapped(address: string): Buffer {
  const bytes = Buffer.from(addressBytes(address));
  return bytes.length === 16 ? bytes : Buffer.concat([Buffer.alloc(10), Buffer.from([0xff, 0xff]), bytes]);
}

export function addressKey(slot: number, address: string): Buffer {
  return Buffer.concat([number32(slot), mapped(address)]);
}

export function clientKey(number: number, client: string): Buffer {
  return Buffer.concat([number32(number), mapped(client)]);
}

/** @returns the number of the rule, and the client in normal form */
export function readClientKey(bytes: Buffer): readonly [number: number, client: string] {
  const address = bytes.subarray(4, CLIENT_KEY_BYTES);
  const isFour = address.readBigUInt64BE(0) === 0n && address.readUInt32BE(8) === 0xffff;
  const groups = (): string => [0, 2, 4, 6, 8, 10, 12, 14].map((at) => address.readUInt16BE(at).toString(16)).join(":");
  return [u32(bytes, 0), isFour ? address.subarray(12).join(".") : normalizeAddress(groups())];
}

/** Milliseconds that are left until an end on CLOCK_MONOTONIC; 0 or less = over. */
export function leftMs(end: bigint, now: bigint): number {
  return Number((end - now) / NS_PER_MS);
}

export function endAfter(now: bigint, lengthMs: number): bigint {
  return now + BigInt(Math.floor(lengthMs)) * NS_PER_MS;
}

export function connectionKey({ client, clientPort, server, serverPort }: OpenFlow): Buffer {
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(clientPort, 0);
  ports.writeUInt16BE(serverPort, 2);
  return Buffer.concat([mapped(client), mapped(server), ports]);
}

export function connectionState(now: bigint, isClosing: boolean): Buffer {
  return Buffer.concat([number64(now), number64(now), number32(0), number32(isClosing ? States.closing : States.open)]);
}

/**
 * The parts of a rule, or of what no rule covers, that may have connections here: 1 for each bucket; what has no
 * buckets, or takes clients of every bucket, has but the first.
 */
export function hotParts(plan: FilterPlan, rule: FilterRule | null): Uint8Array {
  const hot = new Uint8Array(BUCKETS);
  if (!plan.isMember) return hot;
  if (rule === null) hot[0] = plan.isDefaultHost || plan.wasDefaultHost ? 1 : 0;
  else if (rule.action.kind === "whole") hot[0] = rule.action.accepts || rule.action.wasMine ? 1 : 0;
  else if (rule.action.kind === "share" && rule.action.extendedAffinityMs > 0) hot[0] = 1;
  else if (rule.action.kind === "share") for (const bucket of [...rule.action.owned, ...rule.action.recentlyLost]) hot[bucket] = 1;
  return hot;
}

/** @param numberOf below RULES_MAX, the same for as long as the rule is there */
export function encodePlan(plan: FilterPlan, numberOf: (key: string) => number): Buffer {
  const bytes = Buffer.alloc(PLAN_BYTES);
  // Rules of one address come before those of all.
  const rules = [...plan.rules.filter(({ virtualAddress }) => virtualAddress !== null), ...plan.rules.filter(({ virtualAddress }) => virtualAddress === null)];
  const flags = (plan.isMember ? PlanFlags.member : 0) | (plan.isDefaultHost ? PlanFlags.defaultHost : 0) | (plan.wasDefaultHost ? PlanFlags.wasDefaultHost : 0) | (plan.filtersIcmp ? PlanFlags.filtersIcmp : 0);
  putU32(bytes, rules.length, 0);
  putU32(bytes, flags, 4);
  if (plan.virtualAddresses.length > 0) mapped(plan.virtualAddresses[0]!.address).copy(bytes, FIRST_AT);
  rules.forEach((rule, position) => {
    putMatch(bytes.subarray(MATCHES_AT + position * MATCH_BYTES), rule, plan, numberOf(rule.key));
    putShare(bytes.subarray(SHARES_AT + position * SHARE_BYTES), rule);
  });
  return bytes;
}

function putMatch(bytes: Buffer, { virtualAddress, startPort, endPort, protocol, action }: FilterRule, plan: FilterPlan, number: number): void {
  putU16(bytes, startPort, 0);
  putU16(bytes, endPort, 2);
  bytes[4] = Protocols[protocol];
  bytes[5] = virtualAddress === null ? ANY_ADDRESS : plan.virtualAddresses.findIndex(({ address }) => address === virtualAddress);
  bytes[6] = Actions[action.kind];
  bytes[7] = number;
}

function putShare(bytes: Buffer, { action }: FilterRule): void {
  if (action.kind === "whole") bytes[5] = (action.accepts ? RuleFlags.accepts : 0) | (action.wasMine ? RuleFlags.wasMine : 0);
  if (action.kind !== "share") return;
  putU32(bytes, action.seed, 0);
  bytes[4] = Affinities[action.affinity];
  putNumber64(bytes, BigInt(action.extendedAffinityMs) * NS_PER_MS, 8);
  putBuckets(bytes, OWNED_AT, action.owned);
  putBuckets(bytes, HOT_AT, [...action.owned, ...action.recentlyLost]);
}

/** Words of 64 bits, the lowest bucket in the lowest bit of the first. */
function putBuckets(bytes: Buffer, at: number, buckets: readonly number[]): void {
  const mine = new Set(buckets);
  for (let first = 0; first < BUCKETS; first += 64) {
    let word = 0n;
    for (let bit = 0; bit < 64; bit++) if (mine.has(first + bit)) word |= 1n << BigInt(bit);
    putNumber64(bytes, word, at + first / 8);
  }
}
