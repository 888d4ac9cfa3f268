import { fetched, follow, propose } from "./proposing.ts";
import { giveUp, releaseWhenDue, stayOut, take, whoGoesBefore } from "./adopting.ts";
import { halt, listen, obey } from "./commands.ts";
import { judgeConnectivity } from "./connectivity.ts";
import type { NlbState, Turn } from "./convergence-state.ts";
import { configurationOf, isRunning, timing } from "./convergence-state.ts";
import type { FilterDone } from "./filter-contract.ts";
import { hear, isCompatible, losesToRival, updateHearing } from "./hearing.ts";
import type { Effect, Input } from "./inputs.ts";
import { confirm, newestEchoed } from "./lease-keeping.ts";
import { mapText, sameMap } from "./map.ts";
import { forgetLost, isEmpty, letEverythingGo, program } from "./planning.ts";
import { isConverged, isDrained, sendWhenDue } from "./sending.ts";

/** The convergence of one host (PROTOCOL part 3): a step for every input. No clock, no chance: the same inputs give the same effects. */

/** Attempts to program the kernel before the host gives up. */
const ATTEMPTS_MAX = 5;
/** In silence times: how long a map may be out of reach, and how long the host then stays out, the first time. */
const UNREACHABLE_AFTER = 4;
const UNREACHABLE_FOR = 10;
/** Each coming back that fails costs all members their lease for a moment. */
const UNREACHABLE_FOR_MOST_MS = 300_000;

/**
 * @param state changed in place: it belongs to the step
 * @param nowMs the host's monotonic clock, read after the input came
 * @returns what to do, in this order
 */
export function step(state: NlbState, input: Input, nowMs: number): Effect[] {
  const turn: Turn = { state, nowMs, effects: [] };
  noteStandstill(turn);
  receive(turn, input);
  settle(turn);
  return turn.effects;
}

/** In periods: a tick comes every period, so who missed one stood still. */
const STANDSTILL_AFTER = 2;

/** Who stood still cannot tell the silence of others from its own: what they said meanwhile may not have been read yet. */
function noteStandstill({ state, nowMs }: Turn): void {
  const { periodMs } = timing(state);
  if (nowMs - state.steppedAtMs > STANDSTILL_AFTER * periodMs) state.actsFromMs = nowMs + periodMs;
  state.steppedAtMs = nowMs;
}

function receive(turn: Turn, input: Input): void {
  const { state } = turn;
  switch (input.kind) {
    case "begin":
      return letEverythingGo(turn, "begin");
    case "tick":
      return;
    case "heartbeat":
      return hear(turn, input.heartbeat);
    case "map":
      return fetched(turn, input.map);
    case "filterDone":
      return filterDone(turn, input.done);
    case "affinityReady":
      if (state.map !== null && sameMap(input.map, state.map.id)) state.isAffinityReady = true;
      return;
    case "configuration":
      state.wanted = configurationOf(input.cluster, input.host);
      // Those that are known were counted by other rules.
      state.countsSinceLoss = 0;
      state.isStale = true;
      state.sendSoon = true;
      // Without a map no other plan would come, and the kernel goes on answering for addresses.
      if (state.map === null) state.isPlanStale = true;
      turn.effects.push({ do: "event", name: "NlbParametersChanged", cause: "modifiedParameters", text: `Host ${state.self.host} has read its parameters again.`, next: null });
      return;
    case "command":
      return obey(turn, input.request, input.command);
    case "health":
      return noteHealth(turn, input.rule, input.isHealthy, input.capacity);
    case "connections":
      state.openConnections = input.open;
      state.countsSinceLoss += 1;
      return;
    case "link":
      if (input.isUp === state.isLinkUp) return;
      state.isLinkUp = input.isUp;
      // What is not heard may be owned by others; who cannot be heard owns nothing.
      return input.isUp ? listen(turn) : giveUp(turn);
  }
}

function noteHealth(turn: Turn, rule: string, isHealthy: boolean, capacity: number): void {
  const { state } = turn;
  const known = state.health.get(rule) ?? { isHealthy: true, capacity: 100 };
  if (known.isHealthy === isHealthy && known.capacity === capacity) return;
  state.health.set(rule, { isHealthy, capacity: Math.min(100, Math.max(0, Math.trunc(capacity))) });
  state.isStale = true;
  state.sendSoon = true;
  if (known.isHealthy !== isHealthy) turn.effects.push({ do: "event", name: "NlbHealthChanged", cause: null, text: `Host ${state.self.host} is ${isHealthy ? "healthy again" : "not healthy"} for the port rule '${rule}'.`, next: isHealthy ? null : `muster nlb why '${rule}'` });
}

function filterDone(turn: Turn, done: FilterDone): void {
  const { state, nowMs } = turn;
  const { awaited } = state;
  // An older plan is overtaken by the one that is waited for.
  if (awaited === null || done.number !== awaited.number) return;
  if (done.problem !== null) {
    awaited.failures += 1;
    awaited.retryAtMs = nowMs + timing(state).periodMs;
    if (awaited.failures === ATTEMPTS_MAX) {
      turn.effects.push({ do: "event", name: "NlbFilterFailed", cause: null, text: `The kernel refused the filter of host ${state.self.host}: ${done.problem}`, next: "nft list ruleset" });
      if (isRunning(state)) stayOut(turn, "filterFailed", state.self.host);
    }
    return;
  }
  state.awaited = null;
  if (isEmpty(state)) {
    state.isKernelEmpty = true;
    state.hasBegun = true;
  }
  if (awaited.purpose === "release") state.isReleased = true;
  // From now on it is nobody's; and who leaves may have no other moment to say so.
  if (awaited.purpose === "release" || awaited.purpose === "leave") state.sendAtOnce = true;
  if (awaited.purpose === "take") state.isTaken = true;
  state.sendSoon = true;
}

/** Everything that follows from what is known now. */
function settle(turn: Turn): void {
  const { state, nowMs } = turn;
  retry(turn);
  if (!state.hasBegun) return;
  if (isRunning(state)) reconsider(turn);
  updateHearing(turn);
  standAsideOrReturn(turn);
  giveWay(turn);
  follow(turn);
  propose(turn);
  releaseWhenDue(turn);
  echoSoon(state);
  confirm(turn);
  take(turn);
  if (forgetLost(state)) state.isPlanStale = true;
  if (state.isPlanStale && state.awaited === null && state.releasing === null) program(turn, "tidy", state.held);
  if (isDrained(state)) halt(turn, "stopped");
  if (state.fetching !== null && nowMs - state.fetching.sinceMs >= UNREACHABLE_AFTER * timing(state).silenceMs) unreachable(turn);
  noteDifference(turn);
  announceConverged(turn);
  sendWhenDue(turn);
}

/** The kernel said no: the same once more. */
function retry(turn: Turn): void {
  const { state, nowMs } = turn;
  const { awaited } = state;
  if (awaited?.retryAtMs == null || nowMs < awaited.retryAtMs) return;
  // With it the order to close may have been left out.
  if (awaited.purpose === "begin" || awaited.purpose === "leave") return letEverythingGo(turn, awaited.purpose);
  program(turn, awaited.purpose, state.held);
}

/** Whether what kept this host out still does. */
function reconsider(turn: Turn): void {
  const { state, nowMs } = turn;
  const { reason, sinceMs } = state.out;
  const comeBack = (): void => {
    state.out = { reason: "none", host: 0, sinceMs: nowMs };
    state.sendSoon = true;
  };
  if (losesToRival(state) && state.rival !== null) {
    if (reason === "duplicateHost") return;
    turn.effects.push({ do: "event", name: "NlbDuplicateHost", cause: "duplicateHostId", text: `Another host has the id ${state.self.host} too; this one stays out.`, next: "muster nlb host set --id NUMBER" });
    return stayOut(turn, "duplicateHost", state.self.host);
  }
  // Both may have given way, each at another time: then the one that goes before comes back.
  const isRivalOut = state.rival === null || (state.rival.isMutual && state.rival.heartbeat.reason === "duplicateHost");
  if (reason === "duplicateHost" && isRivalOut) return listen(turn);
  if (reason === "filterFailed" && state.awaited === null) return listen(turn);
  if (!state.isLinkUp) return;
  if (reason === "listening" && nowMs - state.listeningSinceMs >= state.wanted.timing.holdMs) comeBack();
  if (reason === "mapUnreachable" && (nowMs - sinceMs >= unreachableForMs(state) || isNobodyServing(turn))) comeBack();
}

function unreachableForMs(state: NlbState): number {
  const firstMs = UNREACHABLE_FOR * timing(state).silenceMs;
  return Math.max(firstMs, Math.min(UNREACHABLE_FOR_MOST_MS, firstMs * 2 ** (state.unreachableTimes - 1)));
}

/** Then there is no lease that coming back could cost anybody; they may be those who cannot fetch from who is gone. */
function isNobodyServing({ state, nowMs }: Turn): boolean {
  return nowMs - state.out.sinceMs >= UNREACHABLE_AFTER * timing(state).silenceMs && [...state.peers.values()].every(({ heartbeat }) => heartbeat.map.proposer === 0);
}

function standAsideOrReturn(turn: Turn): void {
  const { state, nowMs } = turn;
  const standing = judgeConnectivity(turn);
  if (standing === "stay") return;
  if (standing === "standAside") {
    stayOut(turn, "standsAside", 0);
    turn.effects.push({ do: "event", name: "NlbStandsAside", cause: "memberLost", text: `Host ${state.self.host} does not hear all the others, or they not it, and stands aside.`, next: "muster nlb status" });
  } else {
    state.out = { reason: "none", host: 0, sinceMs: nowMs };
    state.wholeSinceMs = null;
    state.sendSoon = true;
  }
  updateHearing(turn);
}

/** Two that converged apart hear each other: the map of the lower proposer stays (rule 6). */
function giveWay(turn: Turn): void {
  const { state } = turn;
  const before = whoGoesBefore(state);
  if (before === null) return;
  turn.effects.push({ do: "event", name: "NlbPartitionHealed", cause: "newMember", text: `Host ${state.self.host} gives way to the map of host ${before}: the two had converged apart from each other.`, next: null });
  giveUp(turn);
}

/** Somebody waits for the first echo in this map. */
function echoSoon(state: NlbState): void {
  const { map } = state;
  if (map === null || !state.isReleased) return;
  for (const peer of state.peers.values()) if (peer.echoGiven < peer.heartbeat.sequence && !peer.heartbeat.isTaken && sameMap(peer.heartbeat.map, map.id)) state.sendSoon = true;
}

/** Says once of each host whose parameters keep it, or this one, out. */
function noteDifference(turn: Turn): void {
  const { state } = turn;
  const differing = isRunning(state) ? [...state.peers.values()].find((peer) => peer.isMutual && peer.heartbeat.wants && !isCompatible(state, peer.heartbeat)) : undefined;
  if ((differing?.host ?? 0) === state.differingHost) return;
  state.differingHost = differing?.host ?? 0;
  if (differing === undefined) return;
  const isCount = differing.heartbeat.rules.length !== state.wanted.cluster.rules.length;
  turn.effects.push({ do: "event", name: isCount ? "NlbRuleCountDiffers" : "NlbRulesDiffer", cause: isCount ? "numberOfRules" : "modifiedRules", text: `Host ${differing.host} has ${isCount ? `${differing.heartbeat.rules.length} port rules, this one ${state.wanted.cluster.rules.length}` : "other parameters than this one"}: they are not in one map until these are equal.`, next: `muster nlb sync --dry-run --from ${differing.host}` });
}

function unreachable(turn: Turn): void {
  const { state } = turn;
  turn.effects.push({ do: "event", name: "NlbMapUnreachable", cause: "unknown", text: `Host ${state.self.host} cannot get the map ${mapText(state.fetching!.map)} and stays out for a while.`, next: "muster nlb status" });
  state.fetching = null;
  state.unreachableTimes += 1;
  stayOut(turn, "mapUnreachable", 0);
}

function announceConverged(turn: Turn): void {
  const { state } = turn;
  const converged = isConverged(state) && newestEchoed(state) > 0;
  if (converged === state.wasConverged) return;
  state.wasConverged = converged;
  if (!converged) return;
  const isDefault = state.map!.defaultHost === state.self.host;
  turn.effects.push({ do: "event", name: isDefault ? "NlbConvergedDefault" : "NlbConverged", cause: null, text: `Host ${state.self.host} converged${isDefault ? " as the default host" : ""} with the hosts ${state.map!.members.map(({ host }) => host).join(", ")}.`, next: null });
}

/** When a tick is due at the latest, on the host's monotonic clock, after a step at `nowMs`; heartbeats of others and confirmations may come before. */
export function nextWakeMs(state: NlbState, nowMs: number): number {
  const { silenceMs, periodMs, extraMs } = timing(state);
  const moments = [state.nextHeartbeatAtMs];
  moments.push(state.actsFromMs);
  if (state.releasing !== null) moments.push(state.releasing.untilMs);
  if (state.sendSoon) moments.push(state.lastSentAtMs + extraMs);
  for (const peer of state.peers.values()) moments.push(peer.heardAtMs + silenceMs);
  for (const hold of state.holds) moments.push(hold.untilMs);
  for (const member of state.peers.values()) for (const report of member.heartbeat.peers) if (report.holdLeftMs !== null) moments.push(member.heardAtMs + report.holdLeftMs);
  if (state.awaited?.retryAtMs != null) moments.push(state.awaited.retryAtMs);
  if (state.out.reason === "listening") moments.push(state.listeningSinceMs + state.wanted.timing.holdMs);
  if (state.map === null) moments.push(state.out.sinceMs + 2 * periodMs);
  if (state.fetching !== null) moments.push(state.fetching.askedAtMs + 2 * periodMs);
  // What was due before has been looked at.
  return Math.min(nowMs + periodMs, ...moments.filter((moment) => moment > nowMs));
}
