import type { HostId, PortRule } from "./parameters.ts";
import { EQUAL_WEIGHT, partsOf } from "./parameters.ts";

/**
 * Who owns what of a rule: a pure function of who owned it before, of the members, and of what
 * they report. The same on every host, although only one of them uses it and the others adopt.
 */

/** 0 = nobody. */
export type Owners = Uint8Array;

/** What a host reports about a rule, in every heartbeat. */
export interface RuleReport {
  /** In the mode multiple the load weight, 0 to 100, {@link EQUAL_SHARE} = an equal one; in the mode single the handling priority. */
  readonly value: number;
  /** 0 to 100: how much of its weight the host can carry now. */
  readonly capacity: number;
  readonly isHealthy: boolean;
  readonly state: RuleState;
}

export type RuleState = "enabled" | "draining" | "disabled";
export const EQUAL_SHARE = 255;

/** A report and who it is of, by ascending host. */
export interface Contender {
  readonly host: HostId;
  readonly report: RuleReport;
}

/** Weight of a host that takes part in full: percents of its load weight, so that a capacity of 1 still counts. */
export function effectiveWeight(report: RuleReport): number {
  const weight = report.value === EQUAL_SHARE ? EQUAL_WEIGHT : report.value;
  return weight * report.capacity;
}

/** Neither drained nor disabled on that host. */
export function takesNew(report: RuleReport): boolean {
  return report.state === "enabled";
}

/**
 * The weight with which each contender counts. Who is not healthy counts nothing, unless nobody
 * is healthy: then health is not looked at, because a refusal from everybody helps no client.
 */
export function countingWeights(contenders: readonly Contender[]): number[] {
  const willing = contenders.map(({ report }) => (takesNew(report) ? effectiveWeight({ ...report, capacity: 100 }) : 0));
  const healthy = contenders.map(({ report }) => (takesNew(report) && report.isHealthy ? effectiveWeight(report) : 0));
  return healthy.some((weight) => weight > 0) ? healthy : willing;
}

/** Buckets of each host by its weight: largest remainder; of equal remainders, who has more now keeps it. */
export function quotas(weights: readonly number[], have: readonly number[], buckets: number): number[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  if (total === 0) return weights.map(() => 0);
  const given = weights.map((weight) => Math.floor((buckets * weight) / total));
  const rest = buckets - given.reduce((sum, count) => sum + count, 0);
  const order = weights
    .map((weight, position) => ({ position, remainder: (buckets * weight) % total, keeps: have[position]! > given[position]! }))
    .sort((a, b) => b.remainder - a.remainder || Number(b.keeps) - Number(a.keeps) || a.position - b.position);
  for (const { position } of order.slice(0, rest)) given[position]! += 1;
  return given;
}

/**
 * Moves as few buckets as the weights allow: everybody keeps what it has up to its quota.
 * @param previous empty = there was none
 * @param hosts ascending, with the weight of each at the same place
 */
export function assignBuckets(previous: Owners, hosts: readonly HostId[], weights: readonly number[], buckets: number): Owners {
  const owners = new Uint8Array(buckets);
  const have = hosts.map((host) => previous.reduce((count, owner) => count + (owner === host ? 1 : 0), 0));
  const left = new Map(quotas(weights, have, buckets).map((quota, position) => [hosts[position]!, quota]));
  for (let bucket = 0; bucket < buckets; bucket++) {
    const owner = previous[bucket] ?? 0;
    const quota = left.get(owner) ?? 0;
    if (quota === 0) continue;
    owners[bucket] = owner;
    left.set(owner, quota - 1);
  }
  const waiting = hosts.filter((host) => left.get(host)! > 0);
  for (let bucket = 0; bucket < buckets && waiting.length > 0; bucket++) {
    if (owners[bucket] !== 0) continue;
    const [host] = waiting as [HostId];
    owners[bucket] = host;
    left.set(host, left.get(host)! - 1);
    if (left.get(host) === 0) waiting.shift();
  }
  return owners;
}

/** Whoever takes all of a rule: the lowest handling priority of those that are healthy, else of those that are willing; of equals, the lowest id. */
export function assignSingle(contenders: readonly Contender[]): HostId {
  const willing = contenders.filter(({ report }) => takesNew(report));
  const healthy = willing.filter(({ report }) => report.isHealthy);
  const [first] = [...(healthy.length > 0 ? healthy : willing)].sort((a, b) => a.report.value - b.report.value || a.host - b.host);
  return first?.host ?? 0;
}

/** The owners of one rule's parts. */
export function assignRule(rule: PortRule, previous: Owners, contenders: readonly Contender[], buckets: number): Owners {
  const parts = partsOf(rule, buckets);
  if (parts === 0) return new Uint8Array(0);
  if (rule.mode === "single") return Uint8Array.of(assignSingle(contenders));
  return assignBuckets(previous.length === parts ? previous : new Uint8Array(0), contenders.map(({ host }) => host), countingWeights(contenders), parts);
}

/** Takes what no rule covers: the lowest id of those that are not draining, else the lowest. */
export function assignDefault(hosts: readonly HostId[], draining: ReadonlySet<HostId>): HostId {
  return hosts.find((host) => !draining.has(host)) ?? hosts[0] ?? 0;
}
