import type { Configuration, Holdings, NlbState, Turn } from "./convergence-state.ts";
import { DEFAULT_HOST_PART, isRunning } from "./convergence-state.ts";
import type { FilterAction, FilterPlan } from "./filter-contract.ts";
import { clusterHardware } from "./hardware-address.ts";
import { difference, isNothing, union } from "./holding.ts";
import { mapText } from "./map.ts";
import type { PortRule } from "./parameters.ts";
import { ruleSeed, virtualAddresses } from "./parameters.ts";

type Purpose = NonNullable<NlbState["awaited"]>["purpose"];

const MINUTE_MS = 60_000;
const PHASES: Readonly<Record<Purpose, FilterPlan["phase"]>> = { begin: "release", leave: "release", release: "release", take: "take", tidy: "tidy" };

/** Hands the filter a plan that holds just this; what was held before and is not any more may have open connections. */
export function program(turn: Turn, purpose: Purpose, holdings: Holdings): void {
  const { state } = turn;
  const lost = difference(state.held, holdings);
  if (!isNothing(lost)) state.countsSinceLoss = 0;
  state.recentlyLost = difference(union(state.recentlyLost, lost), holdings);
  state.held = holdings;
  state.planNumber += 1;
  const failures = state.awaited?.purpose === purpose ? state.awaited.failures : 0;
  state.awaited = { number: state.planNumber, purpose, failures, retryAtMs: null };
  state.isKernelEmpty = false;
  state.isPlanStale = false;
  turn.effects.push({ do: "program", plan: planOf(state, PHASES[purpose]) });
}

/** Closes the lease and lets everything go; others need not wait once that is done. */
export function letEverythingGo(turn: Turn, purpose: "begin" | "leave"): void {
  const { state } = turn;
  turn.effects.push({ do: "lease", order: { do: "close" } });
  state.pointedSlot = null;
  state.gateMembers = null;
  program(turn, purpose, new Map());
}

/** Whether what the kernel holds, and may hold, is nothing at all. */
export function isEmpty(state: NlbState): boolean {
  return state.map === null && state.pointedSlot === null && isNothing(state.held);
}

function planOf(state: NlbState, phase: FilterPlan["phase"]): FilterPlan {
  const configuration = state.active ?? state.wanted;
  const { cluster } = configuration;
  const { hardwareAddress, maskedHardwareAddress, multicastGroup } = clusterHardware(cluster.primaryAddress, cluster.operationMode, state.self.host);
  const isServing = isRunning(state) && state.isLinkUp;
  const own = (holdings: Holdings): boolean => holdings.get(DEFAULT_HOST_PART)?.[0] === 1;
  const positions = cluster.rules.map((_, position) => position).sort((a, b) => Number(cluster.rules[a]!.virtualAddress === null) - Number(cluster.rules[b]!.virtualAddress === null) || a - b);
  return {
    number: state.planNumber,
    phase,
    map: state.map === null ? "-" : mapText(state.map.id),
    isMember: isServing,
    operationMode: cluster.operationMode,
    hardwareAddress,
    maskedHardwareAddress,
    multicastGroup,
    virtualAddresses: virtualAddresses(cluster).map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
    rules: positions.map((position) => {
      const { virtualAddress, startPort, endPort, protocol } = cluster.rules[position]!;
      return { key: configuration.ruleKeys[position]!, virtualAddress, startPort, endPort, protocol, action: isServing ? actionOf(state, configuration, position) : { kind: "drop" } };
    }),
    isDefaultHost: own(state.held),
    wasDefaultHost: own(state.recentlyLost),
    filtersIcmp: cluster.filtersIcmp,
  };
}

function actionOf(state: NlbState, configuration: Configuration, position: number): FilterAction {
  const rule: PortRule = configuration.cluster.rules[position]!;
  const key = configuration.ruleKeys[position]!;
  if (rule.mode === "disabled" || state.ruleStates.get(key) === "disabled") return { kind: "drop" };
  const text = configuration.ruleTexts[position]!;
  const [held, lost] = [state.held.get(text), state.recentlyLost.get(text)];
  if (rule.mode === "single") return { kind: "whole", accepts: held?.[0] === 1, wasMine: lost?.[0] === 1 };
  const extendedAffinityMs = rule.affinity === "none" ? 0 : rule.timeoutMinutes * MINUTE_MS;
  return { kind: "share", affinity: rule.affinity, seed: ruleSeed(rule), owned: places(held), recentlyLost: places(lost), extendedAffinityMs };
}

function places(parts: Uint8Array | undefined): number[] {
  const found: number[] = [];
  parts?.forEach((part, place) => {
    if (part === 1) found.push(place);
  });
  return found;
}

/** A count that was on its way when parts were lost knows nothing of the connections that came in between. */
const COUNTS_TO_TRUST = 2;

/** Whether the newest count knows of all connections that came before parts were lost. */
export function knowsOpen(state: NlbState): boolean {
  return state.openConnections !== null && state.countsSinceLoss >= COUNTS_TO_TRUST;
}

/** Forgets lost parts of which no connection is left. @returns whether there were any */
export function forgetLost(state: NlbState): boolean {
  const configuration = state.active ?? state.wanted;
  const open = state.openConnections;
  if (open === null || !knowsOpen(state) || isNothing(state.recentlyLost)) return false;
  // Counts are by the rules that are wanted: under other keys than what was lost in this map.
  if (configuration.digest !== state.wanted.digest) return false;
  const kept = new Map([...state.recentlyLost].filter(([text]) => {
    const position = configuration.ruleTexts.indexOf(text);
    const key = text === DEFAULT_HOST_PART ? DEFAULT_HOST_PART : configuration.ruleKeys[position];
    return key !== undefined && (open[key] ?? 0) > 0;
  }));
  // What was nothing anyway is not less: the next plan names every rule again, and each would ask for another one.
  const isLess = [...state.recentlyLost].some(([text, parts]) => parts.includes(1) && !kept.has(text));
  state.recentlyLost = kept;
  return isLess;
}
