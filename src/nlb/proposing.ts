import type { RuleReport } from "./assignment.ts";
import { adopt, configurationFor, mayAdopt } from "./adopting.ts";
import type { NlbState, Peer, Turn } from "./convergence-state.ts";
import { ownReports, timing, wantsIn } from "./convergence-state.ts";
import type { Configuration } from "./convergence-state.ts";
import { followsMap, isAgreed, otherMembers, peerOf } from "./hearing.ts";
import type { MapId, NlbMap } from "./map.ts";
import { isMember, proposeMap, sameLives, sameMap, sameOwnership } from "./map.ts";
import { NO_DIGEST } from "./consistency.ts";

/** The lowest host of those that hear each other proposes (PROTOCOL part 3, rule 2); everybody gets what was proposed. */

/** So long a host that wants a map waits for others that want one. */
const FOUNDING_PERIODS = 2;

export function propose(turn: Turn): void {
  const { state, nowMs } = turn;
  const { candidates, map } = state;
  if (!wantsIn(state) || candidates[0]?.host !== state.self.host || nowMs < state.actsFromMs) return;
  const peers = candidates.slice(1).map((life) => peerOf(state, life)!);
  const isSame = map !== null && sameLives(map.members, candidates);
  const isOvertaken = peers.some((peer) => peer.heartbeat.map.counter >= state.floor && !(map !== null && sameMap(peer.heartbeat.map, map.id)));
  if (isSame && !isOvertaken && !state.isStale) return;
  // Whoever sees others would not adopt, and would be without echoes until then.
  if (!isAgreed(state) || (map === null && isKeptFromFounding(turn))) return;
  const isSettling = isSame && !isOvertaken && !otherMembers(state).every((member) => followsMap(state, member));
  if (isSettling && nowMs - state.adoptedAtMs < timing(state).silenceMs) return;
  const configuration = common(state, peers);
  if (configuration === null) return;
  const base = chooseBase(turn, peers);
  if (base === "awaited") return;
  const own = ownReports(state);
  const proposal = proposeMap({
    counter: Math.max(state.floor, ...peers.map((peer) => peer.heartbeat.map.counter)) + 1,
    proposer: state.self.host,
    parameters: configuration.digest,
    rules: configuration.cluster.rules,
    members: candidates.map((life) => {
      const peer = life.host === state.self.host ? null : peerOf(state, life)!;
      return { ...life, reports: reportsFor(configuration, peer === null ? own : peer.heartbeat.rules, peer?.heartbeat.wanted ?? state.wanted.digest), isDraining: peer === null ? state.mode === "draining" : peer.heartbeat.isDraining };
    }),
    base,
  });
  state.isStale = false;
  if (isSame && !isOvertaken && sameOwnership(proposal, map)) return;
  adopt(turn, proposal);
  state.isStale = false;
}

/** Reports say something about the rules only that they were made for. */
function reportsFor(configuration: Configuration, reports: readonly RuleReport[], digest: string): readonly RuleReport[] | null {
  return digest === configuration.digest && reports.length === configuration.cluster.rules.length ? reports : null;
}

/** Parameters that all of them know: the wanted ones when all want the same, else those of the present map; without one here, the others' is for what this host wants. */
function common(state: NlbState, peers: readonly Peer[]): Configuration | null {
  if (peers.every((peer) => peer.heartbeat.wanted === state.wanted.digest)) return state.wanted;
  const digest = state.map?.parameters ?? state.wanted.digest;
  const isKnown = peers.every(({ heartbeat }) => heartbeat.active === digest || (heartbeat.active === NO_DIGEST && heartbeat.wanted === digest));
  return isKnown ? configurationFor(state, digest) : null;
}

/**
 * Without a map, beside hosts that serve by other parameters, or that come first with other ones,
 * this host would be a second cluster on the wire. And whoever has just begun to want a map waits
 * until others that began at the same moment have said so: else each would found its own.
 */
function isKeptFromFounding({ state, nowMs }: Turn): boolean {
  if (nowMs - state.out.sinceMs < FOUNDING_PERIODS * timing(state).periodMs) return true;
  return [...state.peers.values()].some((peer) => {
    if (!peer.isMutual || peer.isCandidate) return false;
    return peer.heartbeat.map.proposer !== 0 || (peer.heartbeat.wants && peer.host < state.self.host);
  });
}

type Base = { readonly map: NlbMap; readonly rules: Configuration["cluster"]["rules"] };

/**
 * The map to go on from: the newest of this host's line; without one, that of the lowest
 * proposer. Its content may have to be fetched first.
 */
function chooseBase(turn: Turn, peers: readonly Peer[]): Base | null | "awaited" {
  const { state, nowMs } = turn;
  const { map } = state;
  const others = peers.filter(({ heartbeat }) => heartbeat.map.proposer !== 0);
  const newer = map === null ? others : others.filter((peer) => peer.heartbeat.map.counter > map.id.counter && isMember(map, peer));
  const inOrder = [...newer].sort((a, b) => (map === null ? a.heartbeat.map.proposer - b.heartbeat.map.proposer : 0) || b.heartbeat.map.counter - a.heartbeat.map.counter);
  const [best] = inOrder;
  if (best === undefined) {
    state.fetching = null;
    return withRules(state, map);
  }
  if (state.fetched !== null && sameMap(state.fetched.id, best.heartbeat.map)) return withRules(state, state.fetched);
  fetch(turn, inOrder, best.heartbeat.map);
  // Rather start anew than not at all; on this host's own map it would keep what the newer one may have given to others.
  return nowMs - state.fetching!.sinceMs < timing(state).silenceMs ? "awaited" : null;
}

function withRules(state: NlbState, map: NlbMap | null): Base | null {
  const configuration = map === null ? null : configurationFor(state, map.parameters);
  return configuration === null ? null : { map: map!, rules: configuration.cluster.rules };
}

/** Asks for the content of a map; when no answer came, the next one of those that have it. */
function fetch(turn: Turn, peers: readonly Peer[], map: MapId): void {
  const { state, nowMs } = turn;
  if (state.fetching === null || !sameMap(state.fetching.map, map)) {
    state.fetching = { map, sinceMs: state.fetching?.sinceMs ?? nowMs, askedAtMs: nowMs, asked: 1 };
  } else {
    if (nowMs - state.fetching.askedAtMs < 2 * timing(state).periodMs) return;
    state.fetching.askedAtMs = nowMs;
    state.fetching.asked += 1;
  }
  const having = peers.filter(({ heartbeat }) => sameMap(heartbeat.map, map));
  turn.effects.push({ do: "fetchMap", from: having[(state.fetching.asked - 1) % having.length]!.host, map });
}

/** Gets the newest map of those that this host would be in one with, and adopts it when it may. */
export function follow(turn: Turn): void {
  const { state } = turn;
  // Whoever is the lowest adopts only what it proposed itself.
  if (!wantsIn(state) || state.candidates[0]?.host === state.self.host) return;
  const having = state.candidates
    .flatMap((life) => (life.host === state.self.host ? [] : [peerOf(state, life)!]))
    .filter(({ heartbeat }) => heartbeat.map.proposer !== 0 && heartbeat.map.counter > state.floor)
    // From the proposer if it still has it, as others may be on their way to another one.
    .sort((a, b) => b.heartbeat.map.counter - a.heartbeat.map.counter || Number(b.host === b.heartbeat.map.proposer) - Number(a.host === a.heartbeat.map.proposer));
  const [newest] = having;
  if (newest === undefined) {
    state.fetching = null;
    return;
  }
  if (state.fetched === null || !sameMap(state.fetched.id, newest.heartbeat.map)) return fetch(turn, having, newest.heartbeat.map);
  if (mayAdopt(state, state.fetched)) adopt(turn, state.fetched);
}

/** The content of a map came. */
export function fetched(turn: Turn, map: NlbMap): void {
  const { state } = turn;
  if (state.fetching === null || !sameMap(state.fetching.map, map.id)) return;
  state.fetching = null;
  state.fetched = map;
}
