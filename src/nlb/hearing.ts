import type { RuleReport } from "./assignment.ts";
import type { NlbState, Peer, Turn } from "./convergence-state.ts";
import { isRunning, timing, wantsIn } from "./convergence-state.ts";
import { NO_DIGEST } from "./consistency.ts";
import type { Heartbeat } from "./heartbeat.ts";
import type { HostLife } from "./map.ts";
import { isMember, sameLife, sameLives, sameMap } from "./map.ts";

/** Who is heard, who hears back, and with whom this host would be in a map. */

/** A heartbeat that the receiver let through. */
export function hear(turn: Turn, heartbeat: Heartbeat): void {
  const { state, nowMs } = turn;
  if (heartbeat.host === state.self.host) return hearRival(turn, heartbeat);
  const known = state.peers.get(heartbeat.host);
  if (known === undefined) {
    state.peers.set(heartbeat.host, newPeer(heartbeat, nowMs));
  } else if (known.incarnation === heartbeat.incarnation) {
    if (heartbeat.sequence <= known.heartbeat.sequence) return;
    if (!sameReports(known.heartbeat, heartbeat)) state.isStale = true;
    known.heartbeat = heartbeat;
    known.candidates = candidatesOf(heartbeat);
    known.heardAtMs = nowMs;
  } else {
    // Two hosts with one number: whoever was here first stays, unless the new life says that it has cleared the old one.
    const isSuccessor = heartbeat.incarnation > known.incarnation && heartbeat.cleared === known.incarnation;
    const isGone = known.heardAtMs + timing(state).silenceMs <= nowMs && listsLife(heartbeat, state.self);
    if (!isSuccessor && !isGone) return;
    state.peers.set(heartbeat.host, newPeer(heartbeat, nowMs));
  }
  // What has been cleared or let go serves nothing, so nobody has to wait for it.
  state.holds = state.holds.filter((hold) => hold.host !== heartbeat.host || !(hold.incarnation === heartbeat.cleared || (heartbeat.isEmpty && hold.incarnation === heartbeat.incarnation)));
  countEcho(state, state.peers.get(heartbeat.host)!);
}

function newPeer(heartbeat: Heartbeat, nowMs: number): Peer {
  return { host: heartbeat.host, incarnation: heartbeat.incarnation, heartbeat, candidates: candidatesOf(heartbeat), heardAtMs: nowMs, isMutual: false, isCandidate: false, echoed: 0, echoGiven: 0 };
}

/** Evidence comes of echoes only that were sent in the present map, for heartbeats that were. */
function countEcho(state: NlbState, peer: Peer): void {
  const { map } = state;
  if (map === null || !peer.heartbeat.isReleased || !sameMap(peer.heartbeat.map, map.id)) return;
  const report = reportOf(peer.heartbeat, state.self);
  if (report === null || !report.isEcho || report.sequence > state.sequence) return;
  peer.echoed = Math.max(peer.echoed, report.sequence);
}

/** What that heartbeat says of this very life; null = nothing. */
export function reportOf(heartbeat: Heartbeat, life: HostLife): Heartbeat["peers"][number] | null {
  return heartbeat.peers.find((peer) => sameLife(peer, life)) ?? null;
}

function listsLife(heartbeat: Heartbeat, life: HostLife): boolean {
  return (reportOf(heartbeat, life)?.sequence ?? 0) > 0;
}

function sameReports(a: Heartbeat, b: Heartbeat): boolean {
  return a.wanted === b.wanted && a.isDraining === b.isDraining && a.rules.length === b.rules.length && a.rules.every((report, position) => sameReport(report, b.rules[position]!));
}

export function sameReport(a: RuleReport, b: RuleReport): boolean {
  return a.value === b.value && a.capacity === b.capacity && a.isHealthy === b.isHealthy && a.state === b.state;
}

/** Somebody else has this host's number. Only who hears this life too is alive: what was recorded earlier cannot name it. */
function hearRival(turn: Turn, heartbeat: Heartbeat): void {
  const { state, nowMs } = turn;
  const known = state.rival;
  if (known !== null && known.incarnation === heartbeat.incarnation && heartbeat.sequence <= known.heartbeat.sequence) return;
  const isSame = known?.incarnation === heartbeat.incarnation;
  state.rival = { ...(isSame ? known : newPeer(heartbeat, nowMs)), heartbeat, heardAtMs: nowMs, isMutual: listsLife(heartbeat, state.self) };
}

/** Whether this host is the one of two with the same number that has to go. */
export function losesToRival(state: NlbState): boolean {
  const { rival, map } = state;
  if (rival === null || !rival.isMutual) return false;
  const theirs = rival.heartbeat.map;
  const hasMap = theirs.proposer !== 0;
  if ((map !== null) !== hasMap) return hasMap;
  if (map !== null && theirs.proposer !== map.id.proposer) return theirs.proposer < map.id.proposer;
  // Who gave way already does not come back against it.
  if (isRunning(state) && state.out.reason === "none" && rival.heartbeat.reason === "duplicateHost") return false;
  return rival.incarnation < state.self.incarnation;
}

/** Forgets who was silent, and works out anew with whom a map could be. */
export function updateHearing(turn: Turn): void {
  const { state, nowMs } = turn;
  const { silenceMs } = timing(state);
  for (const [host, peer] of state.peers) if (peer.heardAtMs + silenceMs <= nowMs) state.peers.delete(host);
  if (state.rival !== null && state.rival.heardAtMs + silenceMs <= nowMs) state.rival = null;
  state.holds = state.holds.filter((hold) => hold.untilMs > nowMs);
  const wants = wantsIn(state);
  const candidates: HostLife[] = wants ? [state.self] : [];
  for (const peer of state.peers.values()) {
    const isMutual = listsLife(peer.heartbeat, state.self);
    if (isMutual !== peer.isMutual) state.sendSoon = true;
    peer.isMutual = isMutual;
    peer.isCandidate = wants && isMutual && peer.heartbeat.wants && isCompatible(state, peer.heartbeat);
    if (peer.isCandidate) candidates.push({ host: peer.host, incarnation: peer.incarnation });
  }
  candidates.sort((a, b) => a.host - b.host);
  if (sameLives(candidates, state.candidates)) return;
  state.candidates = candidates;
  state.isStale = true;
  state.sendSoon = true;
}

/**
 * Whether both can be in one map. Who serves goes on with the parameters of its map although
 * others have been given to it, until all have them; who joins must have those of the map.
 */
export function isCompatible(state: NlbState, heartbeat: Heartbeat): boolean {
  const own = state.map?.parameters ?? null;
  const theirs = heartbeat.active === NO_DIGEST ? null : heartbeat.active;
  if (own !== null && theirs !== null) return own === theirs || state.wanted.digest === heartbeat.wanted;
  if (own !== null) return heartbeat.wanted === own;
  return state.wanted.digest === (theirs ?? heartbeat.wanted);
}

function candidatesOf(heartbeat: Heartbeat): HostLife[] {
  const lives: HostLife[] = [{ host: heartbeat.host, incarnation: heartbeat.incarnation }];
  for (const peer of heartbeat.peers) if (peer.isCandidate) lives.push({ host: peer.host, incarnation: peer.incarnation });
  return lives.sort((a, b) => a.host - b.host);
}

/** All that this host would be in a map with see the same set as it does. */
export function isAgreed(state: NlbState): boolean {
  return state.candidates.every((life) => life.host === state.self.host || sameLives(state.peers.get(life.host)!.candidates, state.candidates));
}

/** Members of the present map that are heard, this host not among them. */
export function otherMembers(state: NlbState): readonly HostLife[] {
  return state.map === null ? [] : state.map.members.filter((member) => member.host !== state.self.host);
}

/** The peer that lives this very life; null = it is not heard. */
export function peerOf(state: NlbState, life: HostLife): Peer | null {
  const peer = state.peers.get(life.host);
  return peer !== undefined && peer.incarnation === life.incarnation ? peer : null;
}

/** It is in this host's present map, has let go what the map gives to others, and is heard. */
export function followsMap(state: NlbState, life: HostLife): boolean {
  const peer = peerOf(state, life);
  return state.map !== null && peer !== null && peer.heartbeat.isReleased && sameMap(peer.heartbeat.map, state.map.id);
}

/** This life is in the present map. */
export function isInMap(state: NlbState, life: HostLife): boolean {
  return state.map !== null && isMember(state.map, life);
}
