import { addressBytes, addressText } from "../model/addresses.ts";
import { MusterError } from "../model/errors.ts";
import type { RuleReport } from "../nlb/assignment.ts";
import { EQUAL_SHARE } from "../nlb/assignment.ts";
import { inCanonicalOrder, parametersDigest } from "../nlb/consistency.ts";
import type { Heartbeat } from "../nlb/heartbeat.ts";
import { proposeMap } from "../nlb/map.ts";
import type { ClusterParameters, HostId, HostParameters, HostRule, PortRule } from "../nlb/parameters.ts";
import { defaultHostRule, hostRule, ruleKey, ruleText, virtualAddresses } from "../nlb/parameters.ts";
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
    case "addAddress":
      return { ...before, additionalAddresses: [...before.additionalAddresses, change.address] };
    case "removeAddress": {
      const address = knownAddress(before, change.address);
      refuseRemoval(before, address);
      return { ...before, additionalAddresses: before.additionalAddresses.filter((other) => other !== address) };
    }
    case "replaceAddress": {
      const address = knownAddress(before, change.address);
      if (address === before.primaryAddress) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "address", problem: `${address} is the primary address, by which hosts and switches know the cluster; add the new one (muster nlb vip add), and make a cluster of its own for it if it must be the primary one` });
      const other = normalAddress(change.to, "to");
      return { ...before, additionalAddresses: before.additionalAddresses.map((one) => (one === address ? other : one)), rules: before.rules.map((rule) => (rule.virtualAddress === address ? { ...rule, virtualAddress: other } : rule)) };
    }
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

/** @throws MusterError MUSTER_INVALID_ARGUMENT when it is none of the cluster's */
function knownAddress(cluster: ClusterParameters, text: string): string {
  const address = normalAddress(text, "address");
  if (!virtualAddresses(cluster).includes(address)) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "address", problem: `${address} is none of the cluster's addresses (${virtualAddresses(cluster).join(", ")})` });
  return address;
}

function normalAddress(text: string, field: string): string {
  return addressText(addressBytes(text, field));
}

/** @throws MusterError saying what has to be done first */
function refuseRemoval({ primaryAddress, additionalAddresses, rules }: ClusterParameters, address: string): void {
  const refusal = (problem: string): MusterError => new MusterError("MUSTER_INVALID_ARGUMENT", { field: "address", problem });
  if (address === primaryAddress) throw refusal(`${address} is ${additionalAddresses.length === 0 ? "the last address" : "the primary address, which names the cluster"}: it goes with the cluster alone (muster nlb destroy)`);
  const naming = rules.filter(({ virtualAddress }) => virtualAddress === address).map((rule) => `'${ruleKey(rule)}'`);
  if (naming.length > 0) throw refusal(`the rule${naming.length === 1 ? "" : "s"} ${naming.join(", ")} name${naming.length === 1 ? "s" : ""} ${address}; first delete ${naming.length === 1 ? "it" : "them"} (muster nlb rule delete ${naming[0]}), or give another address (muster nlb rule set ${naming[0]} --address ADDRESS)`);
}

/** @param dedicated addresses of hosts, by address @throws MusterError when one of the cluster's addresses is a host's own */
export function refuseDedicated(cluster: ClusterParameters, dedicated: ReadonlyMap<string, HostId>): void {
  for (const address of virtualAddresses(cluster)) {
    const owner = dedicated.get(address);
    if (owner !== undefined) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "address", problem: `${address} is the dedicated address of host ${owner}` });
  }
}

function positionOf(rules: readonly PortRule[], key: string): number {
  const position = rules.findIndex((rule) => ruleKey(rule) === key);
  if (position === -1) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "rule", problem: `there is no rule '${key}'; rules: ${rules.map((rule) => `'${ruleKey(rule)}'`).join(", ") || "none"}` });
  return position;
}

/**
 * What a host has to say about rules goes with the rules, also when what they match is changed.
 * @param added a rule that is new, and this host's word about it
 * @throws MusterError when one of the cluster's addresses is dedicated here
 */
export function hostAfter(host: HostParameters, before: ClusterParameters, after: ClusterParameters, added: { readonly rule: PortRule; readonly own: Partial<HostRule> } | null = null): HostParameters {
  const rules: Record<string, HostParameters["rules"][string]> = {};
  after.rules.forEach((rule, position) => {
    const key = ruleKey(rule);
    const former = after.rules.length === before.rules.length ? before.rules[position] : undefined;
    const own = host.rules[key] ?? (former === undefined ? undefined : host.rules[ruleKey(former)]);
    if (own !== undefined) rules[key] = own;
  });
  return changedHost({ ...host, rules }, added === null ? {} : { rules: { [ruleKey(added.rule)]: added.own } }, after);
}

/** @throws MusterError that names the field */
export function changedHost(host: HostParameters, change: Omit<HostChange, "engine">, cluster: ClusterParameters): HostParameters {
  const { rules = {}, ...values } = change;
  const merged = { ...host.rules };
  for (const [key, own] of Object.entries(rules)) merged[key] = { ...(host.rules[key] ?? defaultHostRule(host.id)), ...own };
  return validateHost({ ...host, ...values, rules: merged }, cluster);
}

/** Whose parameters count when nobody says: of those that serve by a map the lowest one, else of all. null = nobody is heard. */
export function whoIsRight(peers: readonly { readonly host: HostId; readonly heartbeat: Pick<Heartbeat, "map"> }[]): HostId | null {
  // Who has no map tells the counter of its last one.
  const serves = ({ heartbeat }: (typeof peers)[number]): number => Number(heartbeat.map.proposer !== 0);
  return [...peers].sort((a, b) => serves(b) - serves(a) || a.host - b.host)[0]?.host ?? null;
}

/** What of a snapshot says who is in the map, and who drains. */
type Seen = Pick<BalancerSnapshot, "self" | "mode" | "map" | "mapParameters"> & { readonly peers: readonly { readonly host: HostId; readonly heartbeat: Pick<Heartbeat, "isDraining"> }[] };

/**
 * Parts that would change hands, by rule, if all hosts had these parameters now; null = there is no map to go on from.
 * @param own this host's parameters with them
 */
export function movesOf({ map, mapParameters, self, mode, peers }: Seen, before: ClusterParameters, after: ClusterParameters, own: HostParameters): Record<string, number> | null {
  if (map === null || mapParameters === null) return null;
  const rules = inCanonicalOrder(after).rules;
  const former = inCanonicalOrder(mapParameters).rules;
  const draining = new Set([...(mode === "draining" ? [self.host] : []), ...peers.filter(({ heartbeat }) => heartbeat.isDraining).map(({ host }) => host)]);
  const members = map.members.map((life, place) => ({
    ...life,
    reports: rules.map((rule) => {
      const key = keyBefore(before, after, rule);
      const position = former.findIndex((other) => ruleKey(other) === key);
      const known = position === -1 ? undefined : map.reports[position]![place]!;
      return { capacity: 100, isHealthy: true, state: "enabled" as const, ...known, value: life.host === self.host ? valueOf(hostRule(own, rule), rule) : valueFrom(known, former[position], rule, life.host) };
    }),
    isDraining: draining.has(life.host),
  }));
  const next = proposeMap({ counter: map.id.counter + 1, proposer: map.id.proposer, parameters: parametersDigest(after), rules, members, base: { map, rules: former } });
  return Object.fromEntries(
    rules.map((rule, position) => {
      const known = former.findIndex((other) => ruleText(other) === ruleText(rule));
      const owners = next.owners[position]!;
      const held = known === -1 ? null : map.owners[known]!;
      return [ruleKey(rule), owners.reduce((sum: number, owner, part) => sum + Number(owner !== (held?.[part] ?? 0)), 0)];
    }),
  );
}

/** Under which key hosts know the rule, as {@link hostAfter} carries their word over. */
function keyBefore(before: ClusterParameters, after: ClusterParameters, rule: PortRule): string {
  const key = ruleKey(rule);
  if (before.rules.some((other) => ruleKey(other) === key) || before.rules.length !== after.rules.length) return key;
  return ruleKey(before.rules[after.rules.findIndex((other) => ruleKey(other) === key)]!);
}

function valueOf({ weight, handlingPriority }: HostRule, { mode }: PortRule): number {
  return mode === "single" ? handlingPriority : (weight ?? EQUAL_SHARE);
}

/** Another host reports a weight or a priority, as its rule has it; what it would report of the other kind is not known, and taken for the default. */
function valueFrom(known: RuleReport | undefined, former: PortRule | undefined, rule: PortRule, host: HostId): number {
  if (known !== undefined && former !== undefined && (former.mode === "single") === (rule.mode === "single")) return known.value;
  return valueOf(defaultHostRule(host), rule);
}
