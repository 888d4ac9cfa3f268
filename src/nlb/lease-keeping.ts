import type { NlbState, Turn } from "./convergence-state.ts";
import { timing } from "./convergence-state.ts";
import { LEASE_SLOTS } from "./filter-contract.ts";
import { otherMembers, peerOf } from "./hearing.ts";

/**
 * The kernel lease (PROTOCOL part 3, rule 5): armed before it is asked for, opened when all other
 * members of the map have echoed. Any step may come late: what ran out meanwhile opens nothing.
 */

/** Before a heartbeat is sent: the tick that it asks for is armed. */
export function arm(turn: Turn): void {
  const { state, nowMs, effects } = turn;
  if (state.map === null || nowMs < state.nextArmAtMs) return;
  state.tick += 1;
  state.nextArmAtMs = nowMs + timing(state).armMs;
  const slot = state.tick % LEASE_SLOTS;
  if (slot === state.pointedSlot) {
    // To arm the slot that is pointed at would open it without evidence.
    state.pointedSlot = null;
    state.gateMembers = null;
    effects.push({ do: "lease", order: { do: "close" } });
  }
  effects.push({ do: "lease", order: { do: "arm", slot, lengthMs: timing(state).leaseMs } });
}

/** Remembers which tick the heartbeat asks for. */
export function rememberSent(state: NlbState): void {
  state.sent = state.sent.filter((sent) => sent.tick > state.tick - LEASE_SLOTS);
  if (state.map !== null) state.sent.push({ sequence: state.sequence, tick: state.tick });
}

/** The newest of this host's heartbeats that all other members of the map have echoed in it; 0 = none. */
export function newestEchoed(state: NlbState): number {
  if (state.map === null) return 0;
  let newest = state.sequence;
  for (const member of otherMembers(state)) newest = Math.min(newest, peerOf(state, member)?.echoed ?? 0);
  return newest < state.firstSequence ? 0 : newest;
}

/** Opens the lease for the newest tick for which there is evidence in the present map. */
export function confirm(turn: Turn): void {
  const { state, effects } = turn;
  // Before all is let go that the map gives to others, the kernel may hold what others hold too.
  if (state.map === null || !state.isReleased) return;
  const sequence = newestEchoed(state);
  if (sequence === 0) return;
  const tick = state.sent.findLast((sent) => sent.sequence <= sequence)?.tick ?? 0;
  // An older slot belongs to a later tick by now.
  if (tick <= state.evidenced || tick <= state.tick - LEASE_SLOTS) return;
  state.evidenced = tick;
  state.pointedSlot = tick % LEASE_SLOTS;
  state.gateMembers = state.map.members;
  effects.push({ do: "lease", order: { do: "point", slot: state.pointedSlot } });
}
