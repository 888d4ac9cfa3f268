import { NO_DIGEST } from "./consistency.ts";
import type { Configuration, EchoHold, NlbState, Turn } from "./convergence-state.ts";
import { timing, wantsIn } from "./convergence-state.ts";
import { followsMap, isInMap, otherMembers, peerOf } from "./hearing.ts";
import { difference, givenBy, inheritedBy, isNothing, keptUnder, union } from "./holding.ts";
import { newestEchoed } from "./lease-keeping.ts";
import type { HostLife, NlbMap } from "./map.ts";
import { isMember, mapText, sameLife, sameLives, sameMap } from "./map.ts";
import { letEverythingGo, program } from "./planning.ts";
import type { CauseName, OutReason } from "./states.ts";

/** A host adopts a map, lets go, and takes (PROTOCOL part 3, rules 2 to 4); and what makes it give up its map (rule 6). */

/** The parameters of that digest, if this host knows them. */
export function configurationFor(state: NlbState, digest: string): Configuration | null {
  if (digest === state.wanted.digest) return state.wanted;
  return digest === state.active?.digest ? state.active : null;
}

/** In it, above all before, by the set that is heard mutually here, and for parameters that are known here. */
export function mayAdopt(state: NlbState, map: NlbMap): boolean {
  return wantsIn(state) && map.id.counter > state.floor && isMember(map, state.self) && sameLives(map.members, state.candidates) && configurationFor(state, map.parameters) !== null;
}

/** A promise: from now on no echo to anybody outside of it, and none for an older one. */
export function adopt(turn: Turn, map: NlbMap): void {
  const { state, nowMs } = turn;
  const configuration = configurationFor(state, map.parameters)!;
  const cause = causeOf(state, map, configuration);
  const isNewHere = state.map === null;
  const kept = keptUnder(state, map, configuration);
  const inherited = inheritedBy(state, configuration);
  const isPlanned = state.map?.members.every((member) => isMember(map, member)) ?? false;
  state.map = map;
  state.active = configuration;
  state.floor = map.id.counter;
  state.adoptedAtMs = nowMs;
  state.firstSequence = state.sequence + 1;
  state.isReleased = false;
  state.isTaken = false;
  state.isExchanging = false;
  state.isStale = true;
  state.fetched = null;
  state.fetching = null;
  state.unreachableTimes = 0;
  state.wasConverged = false;
  state.sendSoon = true;
  for (const peer of state.peers.values()) peer.echoed = 0;
  // Leases from before may outlast the change: so adoption counts as an echo to every member.
  for (const member of otherMembers(state)) hold(turn, member);
  state.sendAtOnce = true;
  state.releasing = { kept, inherited, untilMs: nowMs + timing(state).periodMs };
  // Where a host was lost every moment counts; and what a plan that is under way holds is not known yet.
  if (!isPlanned || state.awaited !== null || isNothing(difference(state.held, kept))) release(turn);
  const hasLists = configuration.cluster.rules.some((rule) => rule.mode === "multiple" && rule.affinity !== "none" && rule.timeoutMinutes > 0);
  // Whoever is left alone asks nobody, but has to forget whom it left to those that are gone.
  state.isAffinityReady = !hasLists;
  if (cause === "newMember" && isNewHere) turn.effects.push({ do: "event", name: "NlbHostActive", cause: null, text: `Host ${state.self.host} became an active member.`, next: null });
  warnOfEqualPriorities(turn, map, configuration);
  turn.effects.push({ do: "event", name: "NlbConverging", cause, text: `Host ${state.self.host} converges on the map ${mapText(map.id)} with the hosts ${map.members.map(({ host }) => host).join(", ")}.`, next: null });
}

/**
 * What is let go is nobody's until another host takes it. So of planned changes it is let go when all members have
 * adopted the map, and who takes is waiting for that alone; after a period in any case. To let go late is always safe.
 */
export function releaseWhenDue(turn: Turn): void {
  const { state, nowMs } = turn;
  if (state.releasing === null) return;
  const isAwaited = otherMembers(state).every((member) => {
    const peer = peerOf(state, member);
    return peer !== null && sameMap(peer.heartbeat.map, state.map!.id);
  });
  // Another plan would be for the new map: it cannot hold what only the old one gave.
  if (isAwaited || state.isPlanStale || nowMs >= state.releasing.untilMs) release(turn);
}

function release(turn: Turn): void {
  const { state } = turn;
  const { kept, inherited } = state.releasing!;
  state.releasing = null;
  if (!isNothing(inherited)) {
    state.recentlyLost = union(state.recentlyLost, inherited);
    state.countsSinceLoss = 0;
  }
  program(turn, "release", kept);
}

function warnOfEqualPriorities(turn: Turn, map: NlbMap, configuration: Configuration): void {
  configuration.cluster.rules.forEach((rule, position) => {
    const priorities = map.reports[position]!.map(({ value }) => value);
    if (rule.mode !== "single" || new Set(priorities).size === priorities.length) return;
    const key = configuration.ruleKeys[position]!;
    turn.effects.push({ do: "event", name: "NlbDuplicatePriority", cause: null, text: `Two hosts have the same handling priority for the port rule '${key}'; the lower id goes before.`, next: `muster nlb rule set '${key}' --priority NUMBER` });
  });
}

/** From now on that life may be served by an echo for H at most. */
export function hold({ state, nowMs }: Turn, life: HostLife): void {
  const known: EchoHold | undefined = state.holds.find((other) => sameLife(other, life));
  // Parameters may be about to change: the longer of both lengths.
  const untilMs = nowMs + Math.max(state.wanted.timing.holdMs, timing(state).holdMs);
  if (known === undefined) state.holds.push({ host: life.host, incarnation: life.incarnation, untilMs });
  else known.untilMs = Math.max(known.untilMs, untilMs);
}

function causeOf(state: NlbState, map: NlbMap, configuration: Configuration): CauseName {
  const before = state.map;
  if (before === null) return "newMember";
  if (before.members.some((member) => !isMember(map, member))) return "memberLost";
  if (map.members.some((member) => !isMember(before, member))) return "newMember";
  if (state.active === null || state.active.digest === configuration.digest) return "modifiedParameters";
  return state.active.cluster.rules.length === configuration.cluster.rules.length ? "modifiedRules" : "numberOfRules";
}

/** Lists of extended affinity are asked for when their owners have let go. */
export function exchangeLists(turn: Turn): void {
  const { state } = turn;
  if (state.map === null || state.isAffinityReady || state.isExchanging || !state.isReleased) return;
  if (!otherMembers(state).every((member) => followsMap(state, member))) return;
  state.isExchanging = true;
  turn.effects.push({ do: "exchangeAffinity", map: state.map.id, from: otherMembers(state).map(({ host }) => host) });
}

/** What a host still waits for before it takes; null = nothing. `until` on its own clock where it is a matter of time. */
export type Waiting = { readonly for: "release" | "member" | "echo" | "hold" | "lists"; readonly host: number; readonly untilMs: number };

export function whyNotTaking(state: NlbState, nowMs: number): Waiting | null {
  const { map } = state;
  if (map === null || !state.isReleased) return { for: "release", host: state.self.host, untilMs: 0 };
  const straggler = otherMembers(state).find((member) => !followsMap(state, member));
  if (straggler !== undefined) return { for: "member", host: straggler.host, untilMs: 0 };
  // Without it a lease that was opened in an older map could be open for longer than others wait.
  if (newestEchoed(state) === 0) return { for: "echo", host: otherMembers(state).find((member) => (peerOf(state, member)?.echoed ?? 0) < state.firstSequence)?.host ?? 0, untilMs: 0 };
  const own = state.holds.filter((one) => !isInMap(state, one)).map(({ host, untilMs }) => ({ host, untilMs }));
  const told = otherMembers(state).flatMap((member) => {
    const { heardAtMs, heartbeat } = peerOf(state, member)!;
    return heartbeat.peers.filter((peer) => peer.holdLeftMs !== null).map(({ host, holdLeftMs }) => ({ host, untilMs: heardAtMs + holdLeftMs! }));
  });
  const longest = [...own, ...told].sort((a, b) => b.untilMs - a.untilMs)[0];
  if (longest !== undefined && longest.untilMs > nowMs) return { for: "hold", ...longest };
  if (!state.isAffinityReady) return { for: "lists", host: 0, untilMs: state.adoptedAtMs + 2 * timing(state).silenceMs };
  return null;
}

export function take(turn: Turn): void {
  const { state, nowMs } = turn;
  if (state.map === null || state.isTaken || (state.awaited !== null && state.awaited.purpose !== "tidy")) return;
  // What is read first after a standstill was said before it.
  if (nowMs < state.actsFromMs) return;
  exchangeLists(turn);
  const waiting = whyNotTaking(state, nowMs);
  if (waiting?.for === "lists" && waiting.untilMs <= nowMs) {
    state.isAffinityReady = true;
    turn.effects.push({ do: "event", name: "NlbAffinityLists", cause: "affinityLists", text: `Host ${state.self.host} takes its share without the affinity lists of all others: clients may change their host.`, next: "muster nlb status" });
  } else if (waiting !== null) {
    return;
  }
  const given = givenBy(state.map, state.active!, state.self.host);
  if (!isNothing(difference(given, state.held))) return program(turn, "take", given);
  state.isTaken = true;
  state.sendSoon = true;
}

/** Gives up the map and everything that is held. */
export function giveUp(turn: Turn): void {
  const { state } = turn;
  state.map = null;
  state.active = null;
  state.releasing = null;
  state.isReleased = false;
  state.isTaken = false;
  state.isExchanging = false;
  state.wasConverged = false;
  state.fetched = null;
  state.isStale = true;
  state.sendSoon = true;
  state.sent = [];
  state.nextArmAtMs = turn.nowMs;
  letEverythingGo(turn, "leave");
}

/** Takes no part any more, for a reason that {@link NlbState.out} names. */
export function stayOut(turn: Turn, reason: OutReason, host: number): void {
  const { state, nowMs } = turn;
  state.out = { reason, host, sinceMs: nowMs };
  state.brokenSinceMs = null;
  state.wholeSinceMs = null;
  state.sendSoon = true;
  if (state.map !== null || !isNothing(state.held)) giveUp(turn);
}

/** The host whose map goes before this host's, because both may serve the same clients; null = nobody. */
export function whoGoesBefore(state: NlbState): number | null {
  const { map } = state;
  if (map === null) return null;
  for (const peer of state.peers.values()) {
    const theirs = peer.heartbeat.map;
    if (!peer.isMutual || theirs.proposer === 0 || sameMap(theirs, map.id)) continue;
    // One is the successor of the other: whoever is behind will adopt, or be left without echoes.
    if (peer.heartbeat.predecessor === map.id.hash || (map.predecessor !== NO_DIGEST && map.predecessor === theirs.hash)) continue;
    // Without the echoes of all members nothing is served here: so the lease keeps the two apart.
    const inGate = state.gateMembers === null || state.gateMembers.some((member) => sameLife(member, peer));
    if (isMember(map, peer) && inGate) continue;
    const difference = theirs.proposer - map.id.proposer || map.id.counter - theirs.counter;
    if (difference < 0 || (difference === 0 && theirs.hash < map.id.hash)) return peer.host;
  }
  return null;
}
