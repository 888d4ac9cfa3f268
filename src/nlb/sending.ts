import { NO_DIGEST } from "./consistency.ts";
import type { NlbState, Peer, Turn } from "./convergence-state.ts";
import { DEFAULT_HOST_PART, isRunning, ownReports, timing, wantsIn } from "./convergence-state.ts";
import { hold } from "./adopting.ts";
import { isInMap, otherMembers, followsMap, peerOf } from "./hearing.ts";
import type { Heartbeat, PeerReport } from "./heartbeat.ts";
import { isNothing } from "./holding.ts";
import { arm, confirm, rememberSent } from "./lease-keeping.ts";
import { NO_MAP, sameMap } from "./map.ts";
import { knowsOpen } from "./planning.ts";
import type { HostState } from "./states.ts";

/** What a host tells the others: when its period is over, and sooner when others wait for it. */

export function sendWhenDue(turn: Turn): void {
  const { state, nowMs } = turn;
  if (!state.hasBegun) return;
  const isDue = nowMs >= state.nextHeartbeatAtMs;
  if (!isDue && !state.sendAtOnce && !(state.sendSoon && nowMs >= state.lastSentAtMs + timing(state).extraMs)) return;
  const { periodMs } = timing(state);
  // After a pause the periods that were missed are not made up for.
  if (isDue) state.nextHeartbeatAtMs = Math.max(state.nextHeartbeatAtMs + periodMs, nowMs + periodMs / 2);
  arm(turn);
  state.sequence += 1;
  state.lastSentAtMs = nowMs;
  state.sendSoon = false;
  state.sendAtOnce = false;
  turn.effects.push({ do: "send", heartbeat: heartbeatOf(turn) });
  rememberSent(state);
  // A host that is alone in its map is its own evidence.
  confirm(turn);
}

function heartbeatOf(turn: Turn): Heartbeat {
  const { state } = turn;
  const { map, self } = state;
  return {
    ...self,
    cluster: state.wanted.tag,
    sequence: state.sequence,
    cleared: state.cleared,
    state: hostState(state),
    wants: wantsIn(state),
    isEmpty: state.isKernelEmpty && map === null,
    isDraining: state.mode === "draining",
    reason: isRunning(state) ? state.out.reason : "none",
    reasonHost: state.out.host,
    wanted: state.wanted.digest,
    active: map?.parameters ?? NO_DIGEST,
    map: map?.id ?? { ...NO_MAP, counter: state.floor },
    predecessor: map?.predecessor ?? NO_DIGEST,
    isReleased: map !== null && state.isReleased,
    isTaken: map !== null && state.isTaken,
    rules: ownReports(state),
    peers: reports(turn),
  };
}

function reports(turn: Turn): PeerReport[] {
  const { state } = turn;
  const heard = [...state.peers.values()].map((peer) => reportOn(turn, peer));
  if (state.rival !== null) heard.push({ host: state.rival.host, incarnation: state.rival.incarnation, sequence: state.rival.heartbeat.sequence, isMutual: state.rival.isMutual, isCandidate: false, isEcho: false, isMember: false, holdLeftMs: null });
  const silent = state.holds.filter(({ host }) => !heard.some((peer) => peer.host === host));
  const gone = new Map(silent.map((one) => [one.host, one]));
  for (const { host, incarnation } of gone.values()) {
    const left = holdLeft(turn, host);
    if (left !== null) heard.push({ host, incarnation, sequence: 0, isMutual: false, isCandidate: false, isEcho: false, isMember: isInMap(state, { host, incarnation }), holdLeftMs: left });
  }
  return heard.sort((a, b) => a.host - b.host);
}

function reportOn(turn: Turn, peer: Peer): PeerReport {
  const { state } = turn;
  const { host, incarnation, heartbeat } = peer;
  const isOfMap = isInMap(state, peer);
  const isEcho = isOfMap && state.isReleased && sameMap(heartbeat.map, state.map!.id);
  if (isEcho && heartbeat.sequence > peer.echoGiven) {
    // Before it is sent: an echo that goes out later is one of a tick that was armed before now.
    hold(turn, { host, incarnation });
    peer.echoGiven = heartbeat.sequence;
  }
  return { host, incarnation, sequence: heartbeat.sequence, isMutual: peer.isMutual, isCandidate: peer.isCandidate, isEcho, isMember: isOfMap, holdLeftMs: holdLeft(turn, host) };
}

/** Of lives that are not in the map, the longest; null = none. */
function holdLeft({ state, nowMs }: Turn, host: number): number | null {
  const left = state.holds.filter((one) => one.host === host && !isInMap(state, one)).map(({ untilMs }) => untilMs - nowMs);
  const longest = Math.max(0, ...left);
  return longest > 0 ? longest : null;
}

/** All members have let go and taken what this map says. */
export function isConverged(state: NlbState): boolean {
  if (state.map === null || !state.isTaken) return false;
  return otherMembers(state).every((member) => followsMap(state, member) && state.peers.get(member.host)!.heartbeat.isTaken);
}

/** The state that Windows would show (reference: NLB 3). */
export function hostState(state: NlbState): HostState {
  if (state.mode === "suspended") return "suspended";
  if (state.mode === "stopped") return "stopped";
  if (!state.isLinkUp) return "mediaDisconnected";
  if (state.mode === "draining") return "draining";
  if (!isConverged(state)) return "converging";
  return state.map!.defaultHost === state.self.host ? "default" : "converged";
}

/** Whether this host owns nothing that another one could take, and has nothing open: the end of its draining. */
export function isDrained(state: NlbState): boolean {
  if (state.mode !== "draining" || !ownsNothing(state) || (state.map !== null && !isConverged(state))) return false;
  return knowsOpen(state) && Object.values(state.openConnections!).every((open) => open === 0);
}

/** When all are draining, one of them stays the default host until it stops: nobody is left to take that. */
function ownsNothing(state: NlbState): boolean {
  const areAllDraining = otherMembers(state).every((member) => peerOf(state, member)?.heartbeat.isDraining === true);
  return isNothing(areAllDraining ? new Map([...state.held].filter(([text]) => text !== DEFAULT_HOST_PART)) : state.held);
}
