import type { RuleReport } from "../nlb/assignment.ts";
import type { Digest } from "../nlb/consistency.ts";
import { inCanonicalOrder } from "../nlb/consistency.ts";
import type { HostLife, NlbMap } from "../nlb/map.ts";
import { proposeMap } from "../nlb/map.ts";
import type { ClusterParameters, HostId, PortRule } from "../nlb/parameters.ts";
import { ruleKey } from "../nlb/parameters.ts";
import type { BalancerSnapshot } from "./messages.ts";
import type { Trial } from "./trial.ts";

/** What commands would change in the map, by the code that makes maps: pure. */
export interface Forecast {
  readonly rules: readonly RuleForecast[];
  /** Who takes what no rule covers; 0 = nobody. */
  readonly defaultHost: { readonly before: HostId; readonly after: HostId };
}

export interface RuleForecast {
  readonly key: string;
  /** Parts of the rule: 240 buckets, or 1 of a rule of one host. */
  readonly of: number;
  readonly shares: readonly { readonly host: HostId; readonly before: number; readonly after: number }[];
  /** Parts that get another owner; 0 = nobody. */
  readonly moves: readonly { readonly from: HostId; readonly to: HostId; readonly parts: readonly number[] }[];
}

/** What a host, by what it says now, would bring into a map. */
interface Standing extends HostLife {
  readonly isRunning: boolean;
  readonly isDraining: boolean;
  readonly wanted: Digest;
  readonly reports: readonly RuleReport[];
}

/**
 * @param snapshot of a host that is in the map, if there is one
 * @param cluster its parameters; of a map, those of the map count
 * @param trials of the hosts that the command is for
 */
export function forecastOf(snapshot: BalancerSnapshot, cluster: ClusterParameters, trials: readonly Trial[]): Forecast {
  const { map } = snapshot;
  const rules = inCanonicalOrder(map === null ? cluster : snapshot.mapParameters!).rules;
  const parameters = map?.parameters ?? snapshot.wanted;
  const standings = new Map<HostId, Standing>(standingsOf(snapshot).map((one) => [one.host, one]));
  for (const trial of trials) standings.set(trial.host, trial);
  const isIn = (host: HostId): boolean => map === null || map.members.some((member) => member.host === host);
  const joins = (host: HostId): boolean => trials.some((trial) => trial.host === host && !trial.wasRunning && trial.wanted === parameters);
  const members = [...standings.values()].filter((one) => one.isRunning && (isIn(one.host) || joins(one.host)) && (map !== null || one.wanted === parameters)).sort((a, b) => a.host - b.host);
  const after = members.length === 0 ? null : nextMap(map, rules, parameters, members);
  return { rules: rules.map((rule, position) => ruleForecast(ruleKey(rule), map, after, position)), defaultHost: { before: map?.defaultHost ?? 0, after: after?.defaultHost ?? 0 } };
}

function standingsOf({ self, mode, isLinkUp, wanted, reports, peers }: BalancerSnapshot): Standing[] {
  const own = { ...self, isRunning: (mode === "started" || mode === "draining") && isLinkUp, isDraining: mode === "draining", wanted, reports };
  return [own, ...peers.map(({ host, incarnation, heartbeat }) => ({ host, incarnation, isRunning: !["stopped", "suspended", "mediaDisconnected"].includes(heartbeat.state), isDraining: heartbeat.isDraining, wanted: heartbeat.wanted, reports: heartbeat.rules }))];
}

function nextMap(map: NlbMap | null, rules: readonly PortRule[], parameters: Digest, members: readonly Standing[]): NlbMap {
  return proposeMap({
    counter: (map?.id.counter ?? 0) + 1,
    proposer: members[0]!.host,
    parameters,
    rules,
    members: members.map(({ host, incarnation, isDraining, wanted, reports }) => ({ host, incarnation, isDraining, reports: wanted === parameters && reports.length === rules.length ? reports : null })),
    base: map === null ? null : { map, rules },
  });
}

function ruleForecast(key: string, before: NlbMap | null, after: NlbMap | null, position: number): RuleForecast {
  const owned = (map: NlbMap | null): Uint8Array => map?.owners[position] ?? new Uint8Array(0);
  const count = (map: NlbMap | null, host: HostId): number => owned(map).reduce((sum, owner) => sum + Number(owner === host), 0);
  const hosts = [...new Set([...(before?.members ?? []), ...(after?.members ?? [])].map(({ host }) => host))].sort((a, b) => a - b);
  return { key, of: Math.max(owned(before).length, owned(after).length), shares: hosts.map((host) => ({ host, before: count(before, host), after: count(after, host) })), moves: movesBetween(owned(before), owned(after)) };
}

/** An empty side = nobody owns anything. */
export function movesBetween(before: Uint8Array, after: Uint8Array): RuleForecast["moves"] {
  const moves = new Map<string, { from: HostId; to: HostId; parts: number[] }>();
  for (let part = 0; part < Math.max(before.length, after.length); part++) {
    const [from, to] = [before[part] ?? 0, after[part] ?? 0];
    if (from === to) continue;
    const move = moves.get(`${from} ${to}`) ?? { from, to, parts: [] };
    move.parts.push(part);
    moves.set(`${from} ${to}`, move);
  }
  return [...moves.values()].sort((a, b) => a.from - b.from || a.to - b.to);
}
