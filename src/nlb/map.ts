import type { Contender, Owners, RuleReport } from "./assignment.ts";
import { assignDefault, assignRule } from "./assignment.ts";
import { ByteReader, ByteWriter, Malformed } from "./bytes.ts";
import type { Digest } from "./consistency.ts";
import { NO_DIGEST, digestOf } from "./consistency.ts";
import { BUCKETS } from "./filter-contract.ts";
import type { HostId, PortRule } from "./parameters.ts";
import { HOSTS_MAX, RULES_MAX, ruleKey, ruleText } from "./parameters.ts";

/** The map (PROTOCOL part 3, rule 2): who is in, and who owns what. Content is fetched; heartbeats carry its id. */

export interface MapId {
  readonly counter: number;
  readonly proposer: HostId;
  readonly hash: Digest;
}

/** One life of a host. */
export interface HostLife {
  readonly host: HostId;
  readonly incarnation: number;
}

export interface NlbMap {
  readonly id: MapId;
  /** Hash of the map that this one goes on from; {@link NO_DIGEST} = none. */
  readonly predecessor: Digest;
  /** Of the parameters that it is made for. */
  readonly parameters: Digest;
  /** By ascending host. */
  readonly members: readonly HostLife[];
  readonly defaultHost: HostId;
  /** For each rule, in canonical order, the owner of each part. */
  readonly owners: readonly Owners[];
  /** What it was made from: for each rule the report of each member, so that everybody can say why. */
  readonly reports: readonly (readonly RuleReport[])[];
}

export const NO_MAP: MapId = { counter: 0, proposer: 0, hash: NO_DIGEST };
export const COUNTER_MAX = 0xffff_ffff;

export function sameMap(a: MapId, b: MapId): boolean {
  return a.hash === b.hash && a.counter === b.counter && a.proposer === b.proposer;
}

export function sameLife(a: HostLife, b: HostLife): boolean {
  return a.host === b.host && a.incarnation === b.incarnation;
}

export function sameLives(a: readonly HostLife[], b: readonly HostLife[]): boolean {
  return a.length === b.length && a.every((life, position) => sameLife(life, b[position]!));
}

export function isMember(map: NlbMap, life: HostLife): boolean {
  return map.members.some((member) => sameLife(member, life));
}

/** For people: `7 by 1 (3f2a)`. */
export function mapText(id: MapId): string {
  return id.counter === 0 ? "-" : `${id.counter} by ${id.proposer} (${id.hash.slice(0, 4)})`;
}

export interface MapProposal {
  readonly counter: number;
  readonly proposer: HostId;
  readonly parameters: Digest;
  /** In canonical order. */
  readonly rules: readonly PortRule[];
  /** By ascending host; `reports` null = that host speaks of other parameters: what the base says of it stays. */
  readonly members: readonly (HostLife & { readonly reports: readonly RuleReport[] | null; readonly isDraining: boolean })[];
  readonly base: { readonly map: NlbMap; readonly rules: readonly PortRule[] } | null;
}

/** A pure function of the last map, the members, and what they report. */
export function proposeMap(proposal: MapProposal): NlbMap {
  const { base, members } = proposal;
  const reports = proposal.rules.map((rule, position) => members.map((member) => member.reports?.[position] ?? carriedOver(rule, member.host, base)));
  const owners = proposal.rules.map((rule, position) => {
    const contenders: Contender[] = members.map(({ host, isDraining }, place) => ({ host, report: isDraining ? { ...reports[position]![place]!, state: "draining" } : reports[position]![place]! }));
    return assignRule(rule, previousOwners(rule, base), contenders, BUCKETS);
  });
  const draining = new Set(members.filter(({ isDraining }) => isDraining).map(({ host }) => host));
  return withId(proposal.counter, proposal.proposer, {
    predecessor: base?.map.id.hash ?? NO_DIGEST,
    parameters: proposal.parameters,
    members: members.map(({ host, incarnation }) => ({ host, incarnation })),
    defaultHost: assignDefault(members.map(({ host }) => host), draining),
    owners,
    reports,
  });
}

function previousOwners(rule: PortRule, base: MapProposal["base"]): Owners {
  // Buckets mean something only to rules that mean the same.
  const position = base?.rules.findIndex((other) => ruleText(other) === ruleText(rule)) ?? -1;
  return position === -1 ? new Uint8Array(0) : base!.map.owners[position]!;
}

/** What is known of a host that reports for other rules. A rule that is new to it, it does not take. */
function carriedOver(rule: PortRule, host: HostId, base: MapProposal["base"]): RuleReport {
  const position = base?.rules.findIndex((other) => ruleKey(other) === ruleKey(rule)) ?? -1;
  const place = base?.map.members.findIndex((member) => member.host === host) ?? -1;
  return base?.map.reports[position]?.[place] ?? { value: 0, capacity: 0, isHealthy: false, state: "draining" };
}

/** Whether both give everything to the same hosts. */
export function sameOwnership(a: NlbMap, b: NlbMap): boolean {
  return a.parameters === b.parameters && a.defaultHost === b.defaultHost && a.owners.length === b.owners.length && a.owners.every((owners, rule) => owners.every((owner, part) => owner === b.owners[rule]![part]));
}

// ---- bytes -------------------------------------------------------------------

const STATES = ["enabled", "draining", "disabled"] as const;

function withId(counter: number, proposer: HostId, content: Omit<NlbMap, "id">): NlbMap {
  const map = { ...content, id: { counter, proposer, hash: NO_DIGEST } };
  return { ...map, id: { counter, proposer, hash: digestOf(encodeMap(map)) } };
}

/** The hash is not part of it: it is the hash of these bytes. At most 41 KiB. */
export function encodeMap(map: NlbMap): Uint8Array {
  const writer = new ByteWriter();
  writer.number(map.id.counter, 4);
  writer.number(map.id.proposer, 1);
  writer.digest(map.predecessor);
  writer.digest(map.parameters);
  writer.number(map.members.length, 1);
  for (const { host, incarnation } of map.members) {
    writer.number(host, 1);
    writer.number(incarnation, 6);
  }
  writer.number(map.defaultHost, 1);
  writer.number(map.owners.length, 1);
  map.owners.forEach((owners, rule) => {
    writer.number(owners.length, 1);
    writer.raw(owners);
    for (const report of map.reports[rule]!) writeReport(writer, report);
  });
  return writer.finish();
}

/** @returns null when it is malformed, whatever the bytes are */
export function decodeMap(bytes: Uint8Array): NlbMap | null {
  try {
    const reader = new ByteReader(bytes);
    const counter = reader.within(4, 1, COUNTER_MAX);
    const proposer = reader.within(1, 1, HOSTS_MAX);
    const predecessor = reader.digest();
    const parameters = reader.digest();
    const members = Array.from({ length: reader.within(1, 1, HOSTS_MAX) }, () => ({ host: reader.within(1, 1, HOSTS_MAX), incarnation: reader.number(6) }));
    const hosts = new Set([0, ...members.map(({ host }) => host)]);
    if (members.some(({ host }, position) => position > 0 && host <= members[position - 1]!.host)) throw new Malformed("members are not in order");
    const defaultHost = reader.within(1, 1, HOSTS_MAX);
    if (!hosts.has(defaultHost) || !hosts.has(proposer)) throw new Malformed("not a member");
    const owners: Owners[] = [];
    const reports: RuleReport[][] = [];
    for (let left = reader.within(1, 0, RULES_MAX); left > 0; left--) {
      const parts = reader.within(1, 0, BUCKETS);
      if (parts > 1 && parts !== BUCKETS) throw new Malformed(`${parts} parts`);
      const own = Uint8Array.from(reader.raw(parts));
      if (own.some((owner) => !hosts.has(owner))) throw new Malformed("owned by who is no member");
      owners.push(own);
      reports.push(members.map(() => readReport(reader)));
    }
    reader.end();
    return withId(counter, proposer, { predecessor, parameters, members, defaultHost, owners, reports });
  } catch (error) {
    if (error instanceof Malformed) return null;
    throw error;
  }
}

/** Three bytes. */
export function writeReport(writer: ByteWriter, report: RuleReport): void {
  writer.number(report.value, 1);
  writer.number(report.capacity, 1);
  writer.number(STATES.indexOf(report.state) * 2 + (report.isHealthy ? 1 : 0), 1);
}

/** @throws Malformed */
export function readReport(reader: ByteReader): RuleReport {
  const value = reader.number(1);
  if (value > 100 && value !== 255) throw new Malformed(`value ${value}`);
  const capacity = reader.within(1, 0, 100);
  const state = reader.within(1, 0, 5);
  return { value, capacity, isHealthy: state % 2 === 1, state: STATES[Math.floor(state / 2)]! };
}
