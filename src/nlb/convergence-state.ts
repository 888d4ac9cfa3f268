import type { RuleReport, RuleState } from "./assignment.ts";
import { EQUAL_SHARE } from "./assignment.ts";
import { addressBytes } from "../model/addresses.ts";
import type { Digest } from "./consistency.ts";
import { inCanonicalOrder, parametersDigest } from "./consistency.ts";
import { jhash } from "./hash.ts";
import type { Heartbeat } from "./heartbeat.ts";
import type { Effect, Mode } from "./inputs.ts";
import type { HostLife, MapId, NlbMap } from "./map.ts";
import type { ClusterParameters, HostId, HostParameters } from "./parameters.ts";
import { hostRule, ruleKey, ruleText } from "./parameters.ts";
import type { OutReason } from "./states.ts";
import type { NlbTiming } from "./timing.ts";
import { timingOf } from "./timing.ts";

/** Parameters with what follows from them. */
export interface Configuration {
  /** Rules in canonical order. */
  readonly cluster: ClusterParameters;
  readonly host: HostParameters;
  readonly digest: Digest;
  /** Tells clusters on one wire apart: hosts with another primary address are another cluster. */
  readonly tag: number;
  readonly timing: NlbTiming;
  /** Of each rule, in the same order. */
  readonly ruleTexts: readonly string[];
  readonly ruleKeys: readonly string[];
}

export interface Peer {
  readonly host: HostId;
  readonly incarnation: number;
  /** The newest one. */
  heartbeat: Heartbeat;
  /** Its mutually-heard set, as that says: itself, and whom it would be in a map with. */
  candidates: readonly HostLife[];
  heardAtMs: number;
  /** Each hears the other. */
  isMutual: boolean;
  /** This host would be in a map with it. */
  isCandidate: boolean;
  /** Newest of this host's sequences that it echoed in the present map. */
  echoed: number;
  /** Newest of its sequences that this host has echoed. */
  echoGiven: number;
}

/** Parts that the kernel holds, by rule text, 1 = held: a plan that is on its way counts as carried out for what it takes, and as not for what it releases. */
export type Holdings = ReadonlyMap<string, Uint8Array>;
/** Stands for what no rule covers. */
export const DEFAULT_HOST_PART = "default";

/** Until H has passed since the last echo to that life: so long its lease may be open. */
export interface EchoHold extends HostLife {
  untilMs: number;
}

/**
 * All that the convergence of one host knows. `step` changes it in place: it belongs to the step,
 * and is plain data that `structuredClone` can copy.
 */
export interface NlbState {
  readonly self: HostLife;
  /** The former life whose rules this one clears at its begin; 0 = none. */
  readonly cleared: number;
  wanted: Configuration;
  /** What the map is made for. */
  active: Configuration | null;
  mode: Mode;
  isLinkUp: boolean;
  /** Listening began: for H nobody takes this host in. */
  listeningSinceMs: number;
  out: { reason: OutReason; host: HostId; sinceMs: number };
  /** The kernel has confirmed that it holds nothing of a former life: heartbeats may begin. */
  hasBegun: boolean;

  /** When the last input came. */
  steppedAtMs: number;
  /** Until then it makes no map, and takes nothing: it stood still. */
  actsFromMs: number;
  sequence: number;
  nextHeartbeatAtMs: number;
  lastSentAtMs: number;
  /** Something has changed that others wait for. */
  sendSoon: boolean;
  /** The same, and it is so rare (twice for each map, and when it leaves) that it keeps no distance. */
  sendAtOnce: boolean;

  readonly peers: Map<HostId, Peer>;
  /** Another host with this one's id. */
  rival: Peer | null;
  candidates: readonly HostLife[];
  /** Since when not all hear each other; null = they do. */
  brokenSinceMs: number | null;
  /** Since when this host, standing aside, would be one of them again. */
  wholeSinceMs: number | null;
  holds: EchoHold[];

  map: NlbMap | null;
  /** Highest counter ever adopted. */
  floor: number;
  adoptedAtMs: number;
  /** Only heartbeats from this one on were sent in the present map. */
  firstSequence: number;
  /** What is kept of what is held still when the rest is let go, at the latest then, and where connections may be open that came under other parameters; null = that has been asked for. */
  releasing: { kept: Holdings; inherited: Holdings; untilMs: number } | null;
  isReleased: boolean;
  isTaken: boolean;
  /** Lists of extended affinity have been asked for. */
  isExchanging: boolean;
  isAffinityReady: boolean;
  /** Reports, parameters or members may differ from what the map was made from. */
  isStale: boolean;
  wasConverged: boolean;
  /** Of which it was said last that its parameters differ; 0 = none. */
  differingHost: HostId;
  fetched: NlbMap | null;
  fetching: { map: MapId; sinceMs: number; askedAtMs: number; asked: number } | null;
  /** How often in a row a map could not be had: each time it stays out for twice as long. */
  unreachableTimes: number;

  held: Holdings;
  /** Lost while connections may be open. */
  recentlyLost: Holdings;
  planNumber: number;
  /** The plan that the convergence waits for, and what for. */
  awaited: { number: number; purpose: "begin" | "release" | "take" | "tidy" | "leave"; failures: number; retryAtMs: number | null } | null;
  /** What the kernel has been told is no longer all: the next plan says it, ownership apart. */
  isPlanStale: boolean;
  /** Nothing is held, and the lease is closed. */
  isKernelEmpty: boolean;

  tick: number;
  nextArmAtMs: number;
  /** Which tick each recent heartbeat asked for. */
  sent: { sequence: number; tick: number }[];
  evidenced: number;
  pointedSlot: number | null;
  /** The map whose evidence opened the lease last. */
  gateMembers: readonly HostLife[] | null;

  /** By rule key. */
  readonly ruleStates: Map<string, RuleState>;
  readonly health: Map<string, { isHealthy: boolean; capacity: number }>;
  openConnections: Readonly<Record<string, number>> | null;
  /** Counts that came since parts were lost: the first may have been taken before. */
  countsSinceLoss: number;
}

/** One step: the state, the time, and what has been asked for so far. */
export interface Turn {
  readonly state: NlbState;
  readonly nowMs: number;
  readonly effects: Effect[];
}

export function configurationOf(cluster: ClusterParameters, host: HostParameters): Configuration {
  const ordered = inCanonicalOrder(cluster);
  return { cluster: ordered, host, digest: parametersDigest(ordered), tag: clusterTag(ordered), timing: timingOf(ordered), ruleTexts: ordered.rules.map(ruleText), ruleKeys: ordered.rules.map(ruleKey) };
}

/** What a host does when it comes up (reference: NLB 6). @param persisted what it did when it went down; null = unknown */
export function initialMode(host: HostParameters, persisted: Mode | null): Mode {
  if (host.retainsSuspended && persisted === "suspended") return "suspended";
  return host.initialState;
}

/**
 * @param incarnation higher than that of any former life of this host
 * @param cleared the life whose rules are in the kernel, or were when the host was last seen; 0 = none
 */
export function createState(cluster: ClusterParameters, host: HostParameters, incarnation: number, cleared: number, mode: Mode, nowMs: number): NlbState {
  return {
    self: { host: host.id, incarnation },
    cleared,
    wanted: configurationOf(cluster, host),
    active: null,
    mode,
    isLinkUp: true,
    listeningSinceMs: nowMs,
    out: { reason: "listening", host: 0, sinceMs: nowMs },
    hasBegun: false,
    steppedAtMs: nowMs,
    actsFromMs: nowMs,
    sequence: 0,
    nextHeartbeatAtMs: nowMs,
    lastSentAtMs: nowMs,
    sendSoon: false,
    sendAtOnce: false,
    peers: new Map(),
    rival: null,
    candidates: [],
    brokenSinceMs: null,
    wholeSinceMs: null,
    holds: [],
    map: null,
    floor: 0,
    adoptedAtMs: nowMs,
    firstSequence: 1,
    releasing: null,
    isReleased: false,
    isTaken: false,
    isExchanging: false,
    isAffinityReady: false,
    isStale: false,
    wasConverged: false,
    differingHost: 0,
    fetched: null,
    fetching: null,
    unreachableTimes: 0,
    held: new Map(),
    recentlyLost: new Map(),
    planNumber: 0,
    awaited: null,
    isPlanStale: false,
    isKernelEmpty: false,
    tick: 0,
    nextArmAtMs: nowMs,
    sent: [],
    evidenced: 0,
    pointedSlot: null,
    gateMembers: null,
    ruleStates: new Map(),
    health: new Map(),
    openConnections: null,
    countsSinceLoss: 0,
  };
}

export function clusterTag(cluster: ClusterParameters): number {
  return jhash(addressBytes(cluster.primaryAddress, "primaryAddress"), 0x6e6c62);
}

/** This host's word about each of its rules. */
export function ownReports(state: NlbState): RuleReport[] {
  const { cluster, host, ruleKeys } = state.wanted;
  return cluster.rules.map((rule, position) => {
    const key = ruleKeys[position]!;
    const own = hostRule(host, rule);
    const health = state.health.get(key);
    const value = rule.mode === "single" ? own.handlingPriority : (own.weight ?? EQUAL_SHARE);
    return { value, capacity: health?.capacity ?? 100, isHealthy: health?.isHealthy ?? true, state: state.ruleStates.get(key) ?? "enabled" };
  });
}

/** The timing that the map was made for; before there is one, that of the parameters. */
export function timing(state: NlbState): NlbTiming {
  return (state.active ?? state.wanted).timing;
}

/** It runs, hears long enough, and nothing speaks against its being in a map. */
export function wantsIn(state: NlbState): boolean {
  return state.hasBegun && isRunning(state) && state.isLinkUp && state.out.reason === "none";
}

export function isRunning(state: NlbState): boolean {
  return state.mode === "started" || state.mode === "draining";
}
