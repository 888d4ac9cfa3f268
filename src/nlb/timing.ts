import { LEASE_SLOTS } from "./filter-contract.ts";
import type { ClusterParameters } from "./parameters.ts";

/** The lengths of time that the map rests on (PROTOCOL part 3): whole milliseconds, rounded so that a hold never gets shorter. */
export interface NlbTiming {
  /** p: from one heartbeat to the next. */
  readonly periodMs: number;
  /** T: a host that was silent for that long is lost. */
  readonly silenceMs: number;
  /** L: how long an armed slot of the kernel lease lasts. */
  readonly leaseMs: number;
  /** From one arming to the next: the slots come round no sooner than a lease runs out. */
  readonly armMs: number;
  /** H: so long after its last echo a host's lease has certainly run out. */
  readonly holdMs: number;
  /** Heartbeats out of turn come no closer together. */
  readonly extraMs: number;
}

/** Bound on how much a clock's rate differs from real time, in thousandths. */
export const DRIFT_PER_MILLE = 100;
/** g: how late the kernel's timers may be, at HZ 250. */
export const GRANULARITY_MS = 30;

/** L = T + 2p, so that survivors do not go dark before they agree; H = L(1+rho)/(1-rho) + g, as for the lease of part 2. */
export function timingOf(cluster: Pick<ClusterParameters, "heartbeatPeriodMs" | "heartbeatTolerance">, granularityMs: number = GRANULARITY_MS): NlbTiming {
  const periodMs = cluster.heartbeatPeriodMs;
  const silenceMs = periodMs * cluster.heartbeatTolerance;
  const leaseMs = silenceMs + 2 * periodMs;
  return {
    periodMs,
    silenceMs,
    leaseMs,
    armMs: Math.max(periodMs, Math.ceil(leaseMs / (LEASE_SLOTS - 1))),
    holdMs: Math.ceil((leaseMs * (1_000 + DRIFT_PER_MILLE)) / (1_000 - DRIFT_PER_MILLE)) + granularityMs,
    extraMs: Math.ceil(periodMs / 10),
  };
}
