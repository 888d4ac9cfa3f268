import { MusterError } from "./errors.ts";
import { clusterProperties } from "./properties.ts";
import type { Weights, WeightsInForce } from "./votes.ts";

/** What Windows' heartbeat properties mean here: the token of the engine, and when a silent node is missed. */

/** The profiles a cluster is created with; the token in ms. */
export const PROFILES = { standard: 500, fast: 200 } as const;
export type Profile = keyof typeof PROFILES;

/** Below, the timers of libknet and of a busy kernel are as long as the token itself. */
export const TOKEN_MS_MIN = 100;
/** Above, a dead node would keep its roles for minutes. */
export const TOKEN_MS_MAX = 60_000;

/** corosync: token + consensus (1.2 × token). */
const DETECTION_PER_TOKEN = 2.2;
const FORMING_MS = 100;
const FORMING_PER_NODE_MS = 5;

/**
 * Worst case, in milliseconds, from the moment a node falls silent until the others have a membership without it:
 * token + consensus (1.2 × token), and what forming takes, which grows with the nodes (reference corosync 5, measured).
 */
export function detectionTimeMs(tokenMs: number, nodes: number): number {
  return Math.ceil(tokenMs * DETECTION_PER_TOKEN) + FORMING_MS + nodes * FORMING_PER_NODE_MS;
}

/** The heartbeat properties of the cluster (reference failover-clustering 1.6); a missing one has its default. */
export interface HeartbeatProperties {
  readonly SameSubnetDelay?: number;
  readonly SameSubnetThreshold?: number;
  readonly CrossSubnetDelay?: number;
  readonly CrossSubnetThreshold?: number;
  readonly CrossSiteDelay?: number;
  readonly CrossSiteThreshold?: number;
}

/** How far apart two nodes are that are not in one subnet: in another one, or in another site, which counts alone then. */
export type Distance = "CrossSubnet" | "CrossSite";

export const HEARTBEAT_PROPERTIES = ["SameSubnetDelay", "SameSubnetThreshold", "CrossSubnetDelay", "CrossSubnetThreshold", "CrossSiteDelay", "CrossSiteThreshold"] as const satisfies readonly (keyof HeartbeatProperties)[];

export interface HeartbeatToken {
  readonly tokenMs: number;
  /** What the properties ask for, where that is less or more than {@link TOKEN_MS_MIN} and {@link TOKEN_MS_MAX} allow. */
  readonly boundedFromMs: number | null;
}

/** What the heartbeat properties come to. */
export interface HeartbeatView {
  /** The engine's token as the properties ask for it. */
  readonly tokenMs: number;
  /** Worst case from the moment a node falls silent until the others have a membership without it. */
  readonly detectionMs: number;
  /** The token that the properties would ask for if it were not outside of what is possible; null = it is not. */
  readonly boundedFromMs: number | null;
  /** Nodes of one site, or of none, are in different subnets: the properties for these count too. */
  readonly spansSubnets: boolean;
  /** Nodes are in different sites: the properties for these count too. */
  readonly spansSites: boolean;
  /** The same of the token in force; another one while the change is on its way. */
  readonly inForce: { readonly tokenMs: number; readonly detectionMs: number };
}

/**
 * The token that belongs to Windows' heartbeat properties. Windows removes a node after delay × threshold; corosync
 * after 2.2 × token. So a pair that an administrator *changed* is met to the letter: token = delay × threshold / 2.2.
 * A pair that has its default stands for the profile that the cluster was created with (standard: 1.1 s, not Windows' 10
 * or 20 s): the defaults of Windows are as long as they are for heartbeats that are lost, and a token is sent again four
 * times before it counts as lost. All pairs at their defaults are therefore exactly the profile. corosync has one token
 * for all nodes: the longest of the pairs that some nodes need counts, and that of the same subnet always.
 * @param distances between nodes of this cluster
 * @throws MusterError MUSTER_INVALID_ARGUMENT when a value is outside of what Windows allows
 */
export function tokenFromHeartbeat(properties: HeartbeatProperties, distances: readonly Distance[], profileTokenMs: number = PROFILES.standard): HeartbeatToken {
  // All are checked, also those that do not count.
  const tokens = { SameSubnet: pairToken(properties, "SameSubnet", profileTokenMs), CrossSubnet: pairToken(properties, "CrossSubnet", profileTokenMs), CrossSite: pairToken(properties, "CrossSite", profileTokenMs) };
  const wanted = Math.max(tokens.SameSubnet, ...distances.map((distance) => tokens[distance]));
  const tokenMs = Math.min(TOKEN_MS_MAX, Math.max(TOKEN_MS_MIN, wanted));
  return { tokenMs, boundedFromMs: tokenMs === wanted ? null : wanted };
}

function pairToken(properties: HeartbeatProperties, pair: "SameSubnet" | Distance, profileTokenMs: number): number {
  const [delay, threshold] = (["Delay", "Threshold"] as const).map((kind) => {
    const field = `${pair}${kind}` as const;
    const { minimum = 0, maximum = 0, default: normal } = clusterProperties.find(({ name }) => name === field)!;
    const value = properties[field] ?? Number(normal);
    if (!Number.isInteger(value) || value < minimum || value > maximum) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field, problem: `a whole number from ${minimum} to ${maximum} is needed` });
    return { value, isDefault: value === normal };
  }) as [{ value: number; isDefault: boolean }, { value: number; isDefault: boolean }];
  if (delay.isDefault && threshold.isDefault) return profileTokenMs;
  return Math.floor((delay.value * threshold.value) / DETECTION_PER_TOKEN);
}

// ---- the token in the numbered weights -------------------------------------

/**
 * The token by which a node may act for itself (lease, permits): the shortest of the weights in force. An echo may have
 * been given before the newest weights were on a disk, by a node that has forgotten them since: until they are known to
 * be committed, the longer token is nobody's to use. `profileTokenMs` stands for weights that carry none.
 */
export function actingTokenMs(weights: WeightsInForce, profileTokenMs: number): number {
  return Math.min(...tokensOf(weights, profileTokenMs));
}

/** The token by which messages are sent: the shortest of all that somebody may still expect them by. */
export function sendingTokenMs(weights: WeightsInForce, profileTokenMs: number): number {
  return Math.min(...tokensOf(weights, profileTokenMs), ...formerTokensOf(weights));
}

/** The token by which others are waited for: the longest of all that somebody may still act by. */
export function waitingTokenMs(weights: WeightsInForce, profileTokenMs: number): number {
  return Math.max(...tokensOf(weights, profileTokenMs), ...formerTokensOf(weights));
}

function tokensOf(weights: WeightsInForce, profileTokenMs: number): number[] {
  return weights.length === 0 ? [profileTokenMs] : weights.map((one) => one.tokenMs ?? profileTokenMs);
}

function formerTokensOf(weights: WeightsInForce): number[] {
  return weights.flatMap(({ formerTokenMs }) => (formerTokenMs === undefined ? [] : [formerTokenMs]));
}

/** What other weights take over: a change of the votes changes no token. */
export function tokensIn({ tokenMs, formerTokenMs }: Pick<Weights, "tokenMs" | "formerTokenMs">): Pick<Weights, "tokenMs" | "formerTokenMs"> {
  return { ...(tokenMs === undefined ? {} : { tokenMs }), ...(formerTokenMs === undefined ? {} : { formerTokenMs }) };
}
