import { whyNotTaking } from "./adopting.ts";
import type { NlbState } from "./convergence-state.ts";
import { isRunning, timing } from "./convergence-state.ts";
import { isAgreed, isCompatible } from "./hearing.ts";
import { mapText } from "./map.ts";
import { hostState } from "./sending.ts";
import type { HostState } from "./states.ts";
import { HostStateCode } from "./states.ts";

/** The state of a host as its own convergence sees it, the reason, and the one command that helps. */
export interface HostReason {
  readonly state: HostState;
  /** Windows' number. */
  readonly code: number;
  readonly reason: string;
  /** null = nothing has to be done. */
  readonly next: string | null;
}

export function whyHost(state: NlbState, nowMs: number): HostReason {
  const now = hostState(state);
  return { state: now, code: HostStateCode[now], ...reasonOf(state, now, nowMs) };
}

type Reason = Pick<HostReason, "reason" | "next">;

function reasonOf(state: NlbState, now: HostState, nowMs: number): Reason {
  const { self, map } = state;
  switch (now) {
    case "stopped":
      return { reason: `Load balancing is stopped on host ${self.host}.`, next: "muster nlb start" };
    case "suspended":
      return { reason: `Load balancing is suspended on host ${self.host}: every command but resume is refused.`, next: "muster nlb resume" };
    case "mediaDisconnected":
      return { reason: "The adapter has no link, or heartbeats cannot be sent over it: the log says which.", next: "ip address show" };
    case "draining":
      return { reason: `Host ${self.host} takes no new connections and stops when the last one has ended${openText(state)}.`, next: "muster nlb start" };
    case "converged":
    case "default":
      return { reason: `In the map ${mapText(map!.id)} with the hosts ${map!.members.map(({ host }) => host).join(", ")}.`, next: null };
    case "converging":
      return whyConverging(state, nowMs);
  }
}

function openText(state: NlbState): string {
  if (state.openConnections === null) return "";
  return ` (${Object.values(state.openConnections).reduce((sum, open) => sum + open, 0)} open)`;
}

function whyConverging(state: NlbState, nowMs: number): Reason {
  if (!state.hasBegun) return { reason: "The kernel has not confirmed yet that it holds nothing of a former life.", next: "nft list ruleset" };
  const { out } = state;
  switch (out.reason) {
    case "listening":
      return { reason: `It listens for ${Math.max(0, state.listeningSinceMs + state.wanted.timing.holdMs - nowMs)} ms more, so that no lease from before is open any more.`, next: null };
    case "standsAside":
      return { reason: "It does not hear all the others, or they not it; the host with the fewest links stands aside.", next: "ping the dedicated addresses of the other hosts; muster nlb status" };
    case "duplicateHost":
      return { reason: `Another host has the id ${state.self.host} too.`, next: "muster nlb host set --id NUMBER" };
    case "filterFailed":
      return { reason: "The kernel refuses the filter.", next: "nft list ruleset" };
    case "mapUnreachable":
      return { reason: "The map could not be fetched from the others, although their heartbeats arrive; it tries again, after twice as long each time.", next: "check that TCP between the dedicated addresses is not filtered; then muster nlb stop and muster nlb start, so that it tries at once" };
    default:
      return state.map === null ? whyNoMap(state) : whyNotConverged(state, nowMs);
  }
}

function whyNoMap(state: NlbState): Reason {
  const differs = [...state.peers.values()].find((peer) => peer.isMutual && peer.heartbeat.wants && !isCompatible(state, peer.heartbeat));
  if (differs !== undefined) return { reason: `Host ${differs.host} has other parameters${differs.heartbeat.rules.length === state.wanted.cluster.rules.length ? "" : ` (${differs.heartbeat.rules.length} port rules there, ${state.wanted.cluster.rules.length} here)`}: this host is kept out until they are equal.`, next: `muster nlb sync --dry-run --from ${differs.host}` };
  if (!isAgreed(state)) return { reason: "Not all hosts see the same others yet.", next: null };
  return { reason: "It waits for a map that has it in.", next: null };
}

function whyNotConverged(state: NlbState, nowMs: number): Reason {
  const waiting = whyNotTaking(state, nowMs);
  switch (waiting?.for) {
    case "release":
      return { reason: "The kernel has not confirmed yet that it has let go what the map gives to others.", next: null };
    case "member":
      return { reason: `Host ${waiting.host} has not let go yet what the map gives to others.`, next: `muster nlb why ${waiting.host}` };
    case "echo":
      return { reason: `Host ${waiting.host} has not answered a heartbeat in this map yet.`, next: null };
    case "hold":
      return { reason: `The lease of host ${waiting.host}, which is not in the map, may be open for ${waiting.untilMs - nowMs} ms more.`, next: null };
    case "lists":
      return { reason: "The lists of the extended affinity are still being read in.", next: null };
    default: {
      const other = state.map!.members.find(({ host }) => host !== state.self.host && state.peers.get(host)?.heartbeat.isTaken !== true);
      return other === undefined ? { reason: "The kernel is being told what this host takes.", next: null } : { reason: `Host ${other.host} has not taken its share yet.`, next: `muster nlb why ${other.host}` };
    }
  }
}

/** A host that no heartbeat comes from, as another one sees it. */
export function whySilent(state: NlbState, host: number, nowMs: number): string {
  if (!isRunning(state)) return "This host takes no part, and knows only what it hears.";
  const hold = state.holds.filter((one) => one.host === host).sort((a, b) => b.untilMs - a.untilMs)[0];
  const left = hold === undefined || hold.untilMs <= nowMs ? "" : ` Its lease may be open for ${hold.untilMs - nowMs} ms more.`;
  return `No heartbeat of host ${host} for ${timing(state).silenceMs} ms.${left}`;
}
