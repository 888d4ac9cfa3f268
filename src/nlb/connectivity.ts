import type { Turn } from "./convergence-state.ts";
import { isRunning, timing } from "./convergence-state.ts";
import { isAgreed, isCompatible } from "./hearing.ts";
import type { NlbState } from "./convergence-state.ts";
import type { HostId } from "./parameters.ts";

/**
 * Not everybody hears everybody (PROTOCOL part 3, rule 6): for longer than T, and the host with
 * the fewest mutual links stands aside; of equals, the one with the highest id.
 */

/** Who has to stand aside so that the rest hear each other. */
export function whoStandsAside(hosts: readonly HostId[], isLinked: (a: HostId, b: HostId) => boolean): HostId[] {
  let left = [...hosts].sort((a, b) => a - b);
  const aside: HostId[] = [];
  for (;;) {
    const links = left.map((host) => left.filter((other) => other !== host && isLinked(host, other)).length);
    const fewest = Math.min(...links);
    if (left.length === 0 || fewest === left.length - 1) return aside;
    const leaving = left[links.lastIndexOf(fewest)]!;
    aside.push(leaving);
    left = left.filter((host) => host !== leaving);
  }
}

/** As far as this host knows: itself, whom it hears mutually, and whom those would be in a map with. */
function graph(state: NlbState): { readonly hosts: readonly HostId[]; readonly isLinked: (a: HostId, b: HostId) => boolean } {
  const self = state.self.host;
  const heard = new Map([...state.peers.values()].filter((peer) => peer.isMutual && peer.heartbeat.wants && isCompatible(state, peer.heartbeat)).map((peer) => [peer.host, peer]));
  const hosts = new Set([self, ...heard.keys()]);
  for (const peer of heard.values()) for (const other of peer.heartbeat.peers) if (other.isCandidate) hosts.add(other.host);
  const says = (a: HostId, b: HostId): boolean => {
    const peer = heard.get(a);
    // Of somebody who is not heard nothing is known, and nothing is held against it.
    return peer === undefined || peer.heartbeat.peers.some((other) => other.host === b && other.isCandidate);
  };
  const isLinked = (a: HostId, b: HostId): boolean => {
    if (a === self) return heard.has(b);
    if (b === self) return heard.has(a);
    return says(a, b) && says(b, a);
  };
  return { hosts: [...hosts], isLinked };
}

export type Standing = "stay" | "standAside" | "return";

/** What this host has to do about it now. */
export function judgeConnectivity({ state, nowMs }: Turn): Standing {
  const isAside = state.out.reason === "standsAside";
  if (!isRunning(state) || (state.out.reason !== "none" && !isAside)) {
    state.brokenSinceMs = null;
    state.wholeSinceMs = null;
    return "stay";
  }
  if (!isAside && isAgreed(state)) {
    state.brokenSinceMs = null;
    return "stay";
  }
  const { hosts, isLinked } = graph(state);
  const aside = hosts.length < 2 ? [] : whoStandsAside(hosts, isLinked);
  const { silenceMs } = timing(state);
  if (isAside) {
    state.wholeSinceMs = aside.includes(state.self.host) ? null : (state.wholeSinceMs ?? nowMs);
    return state.wholeSinceMs !== null && nowMs - state.wholeSinceMs >= silenceMs ? "return" : "stay";
  }
  state.brokenSinceMs = aside.length === 0 ? null : (state.brokenSinceMs ?? nowMs);
  return state.brokenSinceMs !== null && nowMs - state.brokenSinceMs >= silenceMs && aside.includes(state.self.host) ? "standAside" : "stay";
}
