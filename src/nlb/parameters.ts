import type { Affinity, OperationMode, RuleProtocol } from "./filter-contract.ts";
import { jhash } from "./hash.ts";

/** What an administrator sets (reference: NLB 5 to 7): for the cluster, equal on all hosts, and for each host. */

export const HOSTS_MAX = 64;
export const RULES_MAX = 64;
/** Of virtual addresses, the primary one included. */
export const ADDRESSES_MAX = 64;
export const WEIGHT_MAX = 100;
/** What counts as the weight of a host that takes an equal share. */
export const EQUAL_WEIGHT = 50;
export const TIMEOUT_MINUTES_MAX = 240;

export type HostId = number;

export type HealthProbe =
  | { readonly kind: "tcp"; readonly port: number; readonly intervalMs: number; readonly timeoutMs: number }
  | { readonly kind: "http"; readonly port: number; readonly path: string; readonly expectedStatus: number; readonly intervalMs: number; readonly timeoutMs: number }
  | { readonly kind: "command"; readonly command: string; readonly intervalMs: number; readonly timeoutMs: number };

/** A program that prints 0 to 100: how much of its weight the host can carry now. */
export interface MetricCommand {
  readonly command: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

export interface PortRule {
  /** null = every virtual address for which no rule of its own fits. */
  readonly virtualAddress: string | null;
  readonly startPort: number;
  readonly endPort: number;
  readonly protocol: RuleProtocol;
  readonly mode: "multiple" | "single" | "disabled";
  /** Counts in the mode multiple only. */
  readonly affinity: Affinity;
  /** Extended affinity; 0 = off. Counts in the mode multiple with an affinity only. */
  readonly timeoutMinutes: number;
  /** Without one the host counts as healthy. */
  readonly probe: HealthProbe | null;
  readonly metric: MetricCommand | null;
}

export interface ClusterParameters {
  /** Also one of the virtual addresses; names the cluster. */
  readonly primaryAddress: string;
  /** For an IPv4 primary address; null for IPv6. */
  readonly subnetMask: string | null;
  /** The full Internet name. */
  readonly name: string;
  readonly additionalAddresses: readonly string[];
  readonly operationMode: OperationMode;
  readonly heartbeatPeriodMs: number;
  /** Heartbeats missed before a host counts as lost. */
  readonly heartbeatTolerance: number;
  readonly filtersIcmp: boolean;
  readonly rules: readonly PortRule[];
}

/** What a host has to say about one rule. */
export interface HostRule {
  /** 0 to 100; null = an equal share. */
  readonly weight: number | null;
  /** In the mode single the host with the lowest number takes everything. */
  readonly handlingPriority: number;
}

export interface HostParameters {
  /** 1 to 64, unique; the lowest of the members is the default host. */
  readonly id: HostId;
  readonly name: string;
  /** Never balanced. */
  readonly dedicatedAddresses: readonly string[];
  readonly initialState: "started" | "stopped" | "suspended";
  /** A host that went down while suspended comes back suspended. */
  readonly retainsSuspended: boolean;
  /** By rule key; a rule that is not named has {@link defaultHostRule}. */
  readonly rules: Readonly<Record<string, HostRule>>;
}

/** Two profiles of heartbeats: the default, and the timing of Windows. */
export const HEARTBEAT_PROFILES = {
  default: { heartbeatPeriodMs: 100, heartbeatTolerance: 5 },
  classic: { heartbeatPeriodMs: 1_000, heartbeatTolerance: 5 },
} as const;

/** The one rule of a new cluster: everything, by client. */
export const DEFAULT_RULE: PortRule = { virtualAddress: null, startPort: 0, endPort: 65_535, protocol: "both", mode: "multiple", affinity: "single", timeoutMinutes: 0, probe: null, metric: null };

export function defaultHostRule(id: HostId): HostRule {
  // Unique without anybody having to think of it.
  return { weight: null, handlingPriority: id };
}

/** Names a rule by what it matches, as Windows does; `tcp all:80-80`. */
export function ruleKey(rule: Pick<PortRule, "virtualAddress" | "startPort" | "endPort" | "protocol">): string {
  const address = rule.virtualAddress ?? "all";
  return `${rule.protocol} ${address.includes(":") ? `[${address}]` : address}:${rule.startPort}-${rule.endPort}`;
}

/** Every field that decides what the rule does in the kernel: two rules with equal text mean the same. */
export function ruleText(rule: PortRule): string {
  const sharing = rule.mode === "multiple" ? ` ${rule.affinity} ${rule.affinity === "none" ? 0 : rule.timeoutMinutes}` : "";
  return `${ruleKey(rule)} ${rule.mode}${sharing}`;
}

/** The {@link ruleKey} of a rule with this {@link ruleText}: its protocol, and where. */
export function keyOfText(text: string): string {
  return text.split(" ", 2).join(" ");
}

/** From the rule alone, so that it keeps its buckets when others come and go. */
export function ruleSeed(rule: PortRule): number {
  return jhash(new TextEncoder().encode(`${ruleKey(rule)} ${rule.affinity}`), 0x6e6c62);
}

export function hostRule(host: HostParameters, rule: PortRule): HostRule {
  return host.rules[ruleKey(rule)] ?? defaultHostRule(host.id);
}

/** The primary address first. */
export function virtualAddresses(cluster: ClusterParameters): readonly string[] {
  return [cluster.primaryAddress, ...cluster.additionalAddresses];
}

/** How many parts of a rule can belong to different hosts. */
export function partsOf(rule: PortRule, buckets: number): number {
  if (rule.mode === "disabled") return 0;
  return rule.mode === "single" ? 1 : buckets;
}
