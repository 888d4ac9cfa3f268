import { MusterError } from "../model/errors.ts";
import { addressBytes, addressText } from "../model/addresses.ts";
import type { RuleReport } from "./assignment.ts";
import { countingWeights } from "./assignment.ts";
import type { FilterPlan } from "./filter-contract.ts";
import { bucketOf } from "./hash.ts";
import type { NlbMap } from "./map.ts";
import { mapText } from "./map.ts";
import type { ClusterParameters, HostId, PortRule } from "./parameters.ts";
import { ruleKey, ruleSeed, virtualAddresses } from "./parameters.ts";

/** Which host takes a packet, and why: the order of decisions of the filter (reference: NLB 2), in words. */

export interface Question {
  readonly client: string;
  /** Needed where the rule has no affinity. */
  readonly clientPort: number | null;
  readonly address: string;
  readonly port: number;
  readonly protocol: "tcp" | "udp";
}

export interface Answer {
  /** null = nobody: the packet is dropped by all. */
  readonly host: HostId | null;
  /** Key of the rule that decides; null = none covers it. */
  readonly rule: string | null;
  readonly bucket: number | null;
  /** One sentence for each step, in order. */
  readonly steps: readonly string[];
}

/**
 * Answers for a new connection or a datagram: connections that are open stay where they are.
 * @param cluster the parameters that the map is made for, rules in canonical order
 * @param dedicated addresses of hosts that are never balanced, by address in normal form
 * @throws MusterError MUSTER_INVALID_ARGUMENT when an address is none or a port is missing
 */
export function whoTakes(question: Question, cluster: ClusterParameters, map: NlbMap, dedicated: ReadonlyMap<string, HostId> = new Map()): Answer {
  const client = addressBytes(question.client, "client");
  const address = addressText(addressBytes(question.address, "address"));
  if (!Number.isInteger(question.port) || question.port < 0 || question.port > 65_535) throw new MusterError("MUSTER_PROPERTY_RANGE", { field: "port", value: question.port, range: "whole numbers from 0 to 65535" });
  const owner = dedicated.get(address);
  if (owner !== undefined) return { host: owner, rule: null, bucket: null, steps: [`${address} is a dedicated address of host ${owner}: it is never balanced.`] };
  if (!virtualAddresses(cluster).includes(address)) return { host: null, rule: null, bucket: null, steps: [`${address} is none of the cluster's addresses (${virtualAddresses(cluster).join(", ")}).`] };
  const steps = [`${address} is a virtual address; the map ${mapText(map.id)} has the hosts ${map.members.map(({ host }) => host).join(", ")}.`];
  const position = ruleFor(cluster.rules, address, question.port, question.protocol);
  if (position === -1) return { host: map.defaultHost, rule: null, bucket: null, steps: [...steps, `No port rule covers ${question.protocol} port ${question.port}.`, `What no rule covers goes to the default host: ${map.defaultHost}.`] };
  const rule = cluster.rules[position]!;
  const owners = map.owners[position]!;
  const key = ruleKey(rule);
  steps.push(`The port rule '${key}' covers it${rule.virtualAddress === null ? "" : " (a rule of this very address goes before a rule of all)"}.`);
  if (rule.mode === "disabled") return { host: null, rule: key, bucket: null, steps: [...steps, "The rule is disabled: all hosts drop it."] };
  if (rule.mode === "single") {
    const host = owners[0] === 0 ? null : owners[0]!;
    const why = host === null ? "No host takes it: all have the rule drained or disabled." : `One host takes all of it: ${host}, which has the lowest handling priority (${map.reports[position]?.[map.members.findIndex((member) => member.host === host)]?.value}) of those that are enabled and healthy.`;
    return { host, rule: key, bucket: null, steps: [...steps, why] };
  }
  if (rule.affinity === "none" && question.clientPort === null) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "clientPort", problem: `the rule '${key}' has no affinity, so the client's port decides too` });
  const bucket = bucketOf(client, question.clientPort ?? 0, rule.affinity, ruleSeed(rule), owners.length);
  const hashed = { none: `the client ${question.client} and its port ${question.clientPort}`, single: `the client ${question.client}`, network: `the network of the client ${question.client} (the upper ${client.length === 4 ? 24 : 64} bits)` }[rule.affinity];
  const host = owners[bucket] === 0 ? null : owners[bucket]!;
  steps.push(`The affinity is ${rule.affinity}: ${hashed} hashes to bucket ${bucket} of ${owners.length}.`, host === null ? `Nobody owns the bucket: no host takes new connections of this rule.` : `Host ${host} owns the bucket (${shareText(map, position, host)}).`);
  if (rule.timeoutMinutes > 0 && rule.affinity !== "none") steps.push(`Extended affinity: a client that another host has served within ${rule.timeoutMinutes} minutes stays there.`);
  return { host, rule: key, bucket, steps };
}

/** The rule of that very address, else one of all; -1 = none. */
function ruleFor(rules: readonly PortRule[], address: string, port: number, protocol: "tcp" | "udp"): number {
  const covers = (rule: PortRule): boolean => port >= rule.startPort && port <= rule.endPort && (rule.protocol === "both" || rule.protocol === protocol);
  const own = rules.findIndex((rule) => rule.virtualAddress === address && covers(rule));
  return own === -1 ? rules.findIndex((rule) => rule.virtualAddress === null && covers(rule)) : own;
}

function shareText(map: NlbMap, rule: number, host: HostId): string {
  const owners = map.owners[rule]!;
  const owned = owners.reduce((count, owner) => count + (owner === host ? 1 : 0), 0);
  return `it has ${owned} of ${owners.length}, ${((100 * owned) / owners.length).toFixed(1)} %`;
}

/** Why a host has the share of a rule that it has. */
export function whyShare(cluster: ClusterParameters, map: NlbMap, rule: string, host: HostId): string {
  const position = cluster.rules.findIndex((other) => ruleKey(other) === rule);
  const place = map.members.findIndex((member) => member.host === host);
  if (position === -1) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "rule", problem: `there is no rule '${rule}'` });
  if (place === -1) return `Host ${host} is not in the map ${mapText(map.id)}: it has no share of '${rule}'. See: muster nlb why ${host}`;
  const reports = map.reports[position]!;
  const report = reports[place]!;
  if (cluster.rules[position]!.mode === "disabled") return `The rule '${rule}' is disabled on all hosts.`;
  if (report.state !== "enabled") return `The rule is ${report.state} on host ${host}: it takes no new connections. Enable it: muster nlb enable '${rule}'`;
  if (cluster.rules[position]!.mode === "single") return map.owners[position]![0] === host ? `Host ${host} takes all of it: the lowest handling priority (${report.value}) of those that can.` : `Host ${map.owners[position]![0]} goes before: it has the lower handling priority. Change it: on host ${host}: muster nlb rule set '${rule}' --priority NUMBER`;
  const nobody = reports.every((one: RuleReport) => one.state !== "enabled" || !one.isHealthy);
  if (!report.isHealthy && !nobody) return `Host ${host} is not healthy for the rule: its probe fails. Look at the service on that host; the probe repeats by itself.`;
  const weights = countingWeights(map.members.map((member, at) => ({ host: member.host, report: reports[at]! })));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const capacity = report.capacity === 100 ? "" : `, of which the metric leaves ${report.capacity} %`;
  return `Host ${host} counts ${weights[place]} of ${total} (weight ${report.value === 255 ? "equal" : report.value}${capacity})${nobody ? "; nobody is healthy, so health is not looked at" : ""}: ${shareText(map, position, host)}.`;
}

/** What this very host's kernel does with a packet of a new connection, by the plan it was given. */
export function verdictOf(plan: FilterPlan, question: Question): boolean {
  const client = addressBytes(question.client, "client");
  const address = addressText(addressBytes(question.address, "address"));
  if (!plan.isMember || !plan.virtualAddresses.some((one) => one.address === address)) return false;
  // The plan has rules of one address before those of all.
  const rule = plan.rules.find((one) => (one.virtualAddress === null || one.virtualAddress === address) && question.port >= one.startPort && question.port <= one.endPort && (one.protocol === "both" || one.protocol === question.protocol));
  if (rule === undefined) return plan.isDefaultHost;
  const { action } = rule;
  if (action.kind === "drop") return false;
  if (action.kind === "whole") return action.accepts;
  return action.owned.includes(bucketOf(client, question.clientPort ?? 0, action.affinity, action.seed));
}
