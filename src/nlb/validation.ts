import { MusterError } from "../model/errors.ts";
import { addressBytes, addressText, isUsableAddress, lengthOfMask } from "../model/addresses.ts";
import { ADDRESSES_MAX, HOSTS_MAX, RULES_MAX, TIMEOUT_MINUTES_MAX, WEIGHT_MAX, ruleKey, virtualAddresses } from "./parameters.ts";
import type { ClusterParameters, HealthProbe, HostParameters, MetricCommand, PortRule } from "./parameters.ts";

/** Checks what an administrator gave and brings addresses into one form. Each error names the field that is wrong. */

const MODES = ["unicast", "multicast", "igmpMulticast", "windowsUnicast"] as const;
const PROTOCOLS = ["tcp", "udp", "both"] as const;
const RULE_MODES = ["multiple", "single", "disabled"] as const;
const AFFINITIES = ["none", "single", "network"] as const;
const INITIAL_STATES = ["started", "stopped", "suspended"] as const;
const INTERVAL_MS: Range = [100, 3_600_000];
type Range = readonly [minimum: number, maximum: number];

/** @throws MusterError that names the field */
export function validateCluster(given: ClusterParameters): ClusterParameters {
  const primary = usableAddress(given.primaryAddress, "primaryAddress");
  const additionalAddresses = given.additionalAddresses.map((address, position) => usableAddress(address, `additionalAddresses[${position}]`));
  limit("virtual addresses", 1 + additionalAddresses.length, ADDRESSES_MAX);
  additionalAddresses.forEach((address, position) => {
    if (address === primary || additionalAddresses.indexOf(address) !== position) throw new MusterError("MUSTER_NAME_IN_USE", { field: `additionalAddresses[${position}]`, name: address });
  });
  const isIPv6 = primary.includes(":");
  if (isIPv6 && given.subnetMask !== null) throw invalid("subnetMask", "an IPv6 address has none");
  if (!isIPv6 && (given.subnetMask === null || lengthOfMask(given.subnetMask) === null)) throw invalid("subnetMask", `'${given.subnetMask ?? ""}' is no mask such as 255.255.255.0`);
  if (!isInternetName(given.name)) throw invalid("name", `'${given.name}' is no full Internet name`);
  choice(given.operationMode, MODES, "operationMode");
  range(given.heartbeatPeriodMs, [100, 10_000], "heartbeatPeriodMs");
  range(given.heartbeatTolerance, [5, 100], "heartbeatTolerance");
  const cluster = { ...given, primaryAddress: primary, additionalAddresses };
  return { ...cluster, rules: validateRules(given.rules, virtualAddresses(cluster)) };
}

/** @param addresses the virtual addresses, in normal form */
export function validateRules(given: readonly PortRule[], addresses: readonly string[]): readonly PortRule[] {
  limit("port rules", given.length, RULES_MAX);
  const rules = given.map((rule, position) => validateRule(rule, `rules[${position}]`, addresses));
  rules.forEach((rule, position) => {
    const other = rules.findIndex((earlier, place) => place < position && overlap(earlier, rule));
    if (other !== -1) throw new MusterError("MUSTER_NLB_RULE_OVERLAP", { field: `rules[${position}]`, rule: ruleKey(rule), other: ruleKey(rules[other]!) });
  });
  return rules;
}

/** Same virtual address, a port and a protocol in common. A rule of one address goes before a rule of all, which is no overlap. */
export function overlap(a: PortRule, b: PortRule): boolean {
  return a.virtualAddress === b.virtualAddress && coverSame(a, b);
}

/** Whether some port and protocol is in both. */
export function coverSame(a: PortRule, b: PortRule): boolean {
  const isProtocolShared = a.protocol === "both" || b.protocol === "both" || a.protocol === b.protocol;
  return isProtocolShared && a.startPort <= b.endPort && b.startPort <= a.endPort;
}

function validateRule(rule: PortRule, field: string, addresses: readonly string[]): PortRule {
  const virtualAddress = rule.virtualAddress === null ? null : addressText(addressBytes(rule.virtualAddress, `${field}.virtualAddress`));
  if (virtualAddress !== null && !addresses.includes(virtualAddress)) throw invalid(`${field}.virtualAddress`, `${virtualAddress} is none of the cluster's addresses (${addresses.join(", ")})`);
  range(rule.startPort, [0, 65_535], `${field}.startPort`);
  range(rule.endPort, [rule.startPort, 65_535], `${field}.endPort`);
  choice(rule.protocol, PROTOCOLS, `${field}.protocol`);
  choice(rule.mode, RULE_MODES, `${field}.mode`);
  choice(rule.affinity, AFFINITIES, `${field}.affinity`);
  range(rule.timeoutMinutes, [0, TIMEOUT_MINUTES_MAX], `${field}.timeoutMinutes`);
  if (rule.timeoutMinutes > 0 && rule.mode === "multiple" && rule.affinity === "none") throw invalid(`${field}.timeoutMinutes`, "extended affinity needs the affinity single or network");
  if (rule.probe !== null) validateProbe(rule.probe, `${field}.probe`);
  if (rule.metric !== null) validateCommand(rule.metric, `${field}.metric`);
  return { ...rule, virtualAddress };
}

function validateProbe(probe: HealthProbe, field: string): void {
  choice(probe.kind, ["tcp", "http", "command"] as const, `${field}.kind`);
  if (probe.kind === "command") return validateCommand(probe, field);
  range(probe.port, [1, 65_535], `${field}.port`);
  validateTimes(probe, field);
  if (probe.kind !== "http") return;
  if (!/^\/[\x21-\x7e]{0,1023}$/.test(probe.path)) throw invalid(`${field}.path`, "it begins with / and has no spaces");
  range(probe.expectedStatus, [100, 599], `${field}.expectedStatus`);
}

function validateCommand(given: MetricCommand, field: string): void {
  if (given.command.trim() === "" || given.command.length > 4_096 || given.command.includes("\0")) throw invalid(`${field}.command`, "it is empty, too long, or has a null character");
  validateTimes(given, field);
}

function validateTimes(given: { readonly intervalMs: number; readonly timeoutMs: number }, field: string): void {
  range(given.intervalMs, INTERVAL_MS, `${field}.intervalMs`);
  range(given.timeoutMs, [1, given.intervalMs], `${field}.timeoutMs`);
}

/** @throws MusterError that names the field */
export function validateHost(given: HostParameters, cluster: ClusterParameters): HostParameters {
  range(given.id, [1, HOSTS_MAX], "id");
  if (!/^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,253}[A-Za-z0-9])?$/.test(given.name)) throw invalid("name", `'${given.name}' is no name of a host`);
  choice(given.initialState, INITIAL_STATES, "initialState");
  limit("dedicated addresses", given.dedicatedAddresses.length, ADDRESSES_MAX);
  const dedicatedAddresses = given.dedicatedAddresses.map((address, position) => {
    const normal = usableAddress(address, `dedicatedAddresses[${position}]`);
    if (virtualAddresses(cluster).includes(normal)) throw invalid(`dedicatedAddresses[${position}]`, `${normal} is one of the cluster's addresses`);
    return normal;
  });
  const keys = new Set(cluster.rules.map(ruleKey));
  for (const [key, rule] of Object.entries(given.rules)) {
    if (!keys.has(key)) throw invalid(`rules['${key}']`, `there is no such rule; rules: ${[...keys].join(", ")}`);
    if (rule.weight !== null) range(rule.weight, [0, WEIGHT_MAX], `rules['${key}'].weight`);
    range(rule.handlingPriority, [1, HOSTS_MAX], `rules['${key}'].handlingPriority`);
  }
  return { ...given, dedicatedAddresses };
}

/**
 * All hosts of a cluster, as far as they are known in one place.
 * @throws MusterError when two have one id, or one handling priority for a rule of one host
 */
export function validateHosts(given: readonly HostParameters[], cluster: ClusterParameters): readonly HostParameters[] {
  limit("hosts", given.length, HOSTS_MAX);
  const hosts = given.map((host) => validateHost(host, cluster));
  hosts.forEach((host, position) => {
    const earlier = hosts.slice(0, position);
    if (earlier.some(({ id }) => id === host.id)) throw new MusterError("MUSTER_NAME_IN_USE", { field: `hosts[${position}].id`, name: host.id });
    for (const rule of cluster.rules.filter(({ mode }) => mode === "single")) {
      const key = ruleKey(rule);
      const rival = earlier.find((other) => priority(other, key) === priority(host, key));
      if (rival !== undefined) throw invalid(`hosts[${position}].rules['${key}'].handlingPriority`, `host ${rival.id} has ${priority(host, key)} too`);
    }
  });
  return hosts;
}

function priority(host: HostParameters, key: string): number {
  return host.rules[key]?.handlingPriority ?? host.id;
}

function usableAddress(text: string, field: string): string {
  const bytes = addressBytes(text, field);
  if (!isUsableAddress(bytes)) throw invalid(field, `${text} can be the address of no host`);
  return addressText(bytes);
}

function isInternetName(name: string): boolean {
  return name.length <= 253 && name.split(".").every((label) => /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(label));
}

function choice(value: string, allowed: readonly string[], field: string): void {
  if (!allowed.includes(value)) throw new MusterError("MUSTER_PROPERTY_RANGE", { field, value, range: allowed.join(", ") });
}

function range(value: number, [minimum, maximum]: Range, field: string): void {
  if (!Number.isSafeInteger(value) || value < minimum || value > maximum) throw new MusterError("MUSTER_PROPERTY_RANGE", { field, value, range: `whole numbers from ${minimum} to ${maximum}` });
}

function limit(what: string, count: number, most: number): void {
  if (count > most) throw new MusterError("MUSTER_LIMIT", { what: `The number of ${what}`, limit: most });
}

function invalid(field: string, problem: string): MusterError {
  return new MusterError("MUSTER_INVALID_ARGUMENT", { field, problem });
}
