import { MusterError } from "../model/errors.ts";
import { inCanonicalOrder, parametersDigest } from "../nlb/consistency.ts";
import { proposeMap } from "../nlb/map.ts";
import type { ClusterParameters, HostParameters, PortRule } from "../nlb/parameters.ts";
import { defaultHostRule, ruleKey, ruleText } from "../nlb/parameters.ts";
import { validateCluster, validateHost } from "../nlb/validation.ts";
import type { ClusterChange, HostChange } from "./facade.ts";
import type { BalancerSnapshot } from "./messages.ts";

/** What an administrator asks for, worked out: pure. */

/** @throws MusterError that names the field, or MUSTER_NLB_RULE_NOT_FOUND */
export function changedCluster(before: ClusterParameters, change: ClusterChange): ClusterParameters {
  return validateCluster(changed(before, change));
}

function changed(before: ClusterParameters, change: ClusterChange): ClusterParameters {
  switch (change.kind) {
    case "set":
      return { ...before, ...change.values };
    case "addRule":
      return { ...before, rules: [...before.rules, change.rule] };
    case "setRule": {
      const position = positionOf(before.rules, change.rule);
      return { ...before, rules: before.rules.map((rule, place) => (place === position ? { ...rule, ...change.values } : rule)) };
    }
    case "deleteRule": {
      const position = positionOf(before.rules, change.rule);
      return { ...before, rules: before.rules.filter((_, place) => place !== position) };
    }
  }
}

function positionOf(rules: readonly PortRule[], key: string): number {
  const position = rules.findIndex((rule) => ruleKey(rule) === key);
  if (position === -1) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "rule", problem: `there is no rule '${key}'; rules: ${rules.map((rule) => `'${ruleKey(rule)}'`).join(", ") || "none"}` });
  return position;
}

/** What a host has to say about rules goes with the rules, also when what they match is changed. */
export function hostAfter(host: HostParameters, before: ClusterParameters, after: ClusterParameters): HostParameters {
  const rules: Record<string, HostParameters["rules"][string]> = {};
  after.rules.forEach((rule, position) => {
    const key = ruleKey(rule);
    const former = after.rules.length === before.rules.length ? before.rules[position] : undefined;
    const own = host.rules[key] ?? (former === undefined ? undefined : host.rules[ruleKey(former)]);
    if (own !== undefined) rules[key] = own;
  });
  return { ...host, rules };
}

/** @throws MusterError that names the field */
export function changedHost(host: HostParameters, change: Omit<HostChange, "engine">, cluster: ClusterParameters): HostParameters {
  const { rules = {}, ...values } = change;
  const merged = { ...host.rules };
  for (const [key, own] of Object.entries(rules)) merged[key] = { ...(host.rules[key] ?? defaultHostRule(host.id)), ...own };
  return validateHost({ ...host, ...values, rules: merged }, cluster);
}

/** Parts that would change hands, by rule, if all hosts had these parameters now; null = there is no map to go on from. */
export function movesOf({ map, mapParameters }: Pick<BalancerSnapshot, "map" | "mapParameters">, after: ClusterParameters): Record<string, number> | null {
  if (map === null || mapParameters === null) return null;
  const rules = inCanonicalOrder(after).rules;
  const former = inCanonicalOrder(mapParameters).rules;
  const members = map.members.map((life, place) => ({
    ...life,
    reports: rules.map((rule) => {
      const position = former.findIndex((other) => ruleKey(other) === ruleKey(rule));
      return position === -1 ? { value: rule.mode === "single" ? life.host : 255, capacity: 100, isHealthy: true, state: "enabled" as const } : map.reports[position]![place]!;
    }),
    isDraining: false,
  }));
  const next = proposeMap({ counter: map.id.counter + 1, proposer: map.id.proposer, parameters: parametersDigest(after), rules, members, base: { map, rules: former } });
  return Object.fromEntries(
    rules.map((rule, position) => {
      const known = former.findIndex((other) => ruleText(other) === ruleText(rule));
      const owners = next.owners[position]!;
      const before = known === -1 ? null : map.owners[known]!;
      return [ruleKey(rule), owners.reduce((sum: number, owner, part) => sum + Number(owner !== (before?.[part] ?? 0)), 0)];
    }),
  );
}
