import type { TakenCounts } from "../nlb-filter/contract.ts";
import type { NlbState } from "../nlb/convergence-state.ts";
import { ownReports, timing } from "../nlb/convergence-state.ts";
import type { Refusal } from "../nlb/heartbeat.ts";
import type { HostId } from "../nlb/parameters.ts";
import { hostState } from "../nlb/sending.ts";
import { whyHost } from "../nlb/why.ts";
import type { BalancerSnapshot } from "./messages.ts";

export interface AroundState {
  readonly addresses: ReadonlyMap<HostId, string>;
  readonly taken: TakenCounts;
  readonly engine: string;
  readonly sent: number;
  readonly accepted: number;
  readonly refused: Readonly<Record<Refusal, number>>;
}

/** What people and other hosts may see of a balancer. */
export function snapshotOf(state: NlbState, nowMs: number, around: AroundState): BalancerSnapshot {
  const { leaseMs, holdMs } = timing(state);
  const { reason, next } = whyHost(state, nowMs);
  return {
    self: state.self,
    mode: state.mode,
    state: hostState(state),
    why: { reason, next },
    out: state.out,
    nowMs,
    isLinkUp: state.isLinkUp,
    map: state.map,
    mapParameters: state.map === null ? null : (state.active?.cluster ?? null),
    wanted: state.wanted.digest,
    reports: ownReports(state),
    peers: [...state.peers.values()].sort((a, b) => a.host - b.host).map((peer) => ({ host: peer.host, incarnation: peer.incarnation, address: around.addresses.get(peer.host) ?? null, heardAgoMs: nowMs - peer.heardAtMs, isMutual: peer.isMutual, heartbeat: peer.heartbeat })),
    ruleStates: Object.fromEntries(state.ruleStates),
    health: Object.fromEntries([...state.health].map(([rule, { isHealthy, capacity }]) => [rule, { isHealthy, capacity }])),
    taken: around.taken,
    openConnections: state.openConnections,
    engine: around.engine,
    heartbeats: { sent: around.sent, accepted: around.accepted, refused: around.refused },
    lease: { leaseMs, holdMs, isOpen: state.pointedSlot !== null },
  };
}
