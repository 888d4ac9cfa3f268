import { MusterError } from "../model/errors.ts";

/**
 * The lengths of time that safety rests on (PROTOCOL part 2). Whole milliseconds and per mille,
 * rounded so that a hold never gets shorter than the formula.
 */
export interface LeaseParameters {
  readonly tokenMs: number;
  /** L: how long an armed slot of the gate stays open. */
  readonly leaseMs: number;
  /** P: the shortest time from one tick to the next. */
  readonly tickMs: number;
  /** A member whose ticks stay away that long is treated as lost (rule 3). */
  readonly detectionMs: number;
  /** H: after that a lease of which the last echo was given now has certainly run out. */
  readonly holdMs: number;
  /** g: how late the kernel's timers may be. It is part of H. */
  readonly granularityMs: number;
  /** Lp: for processes that only their own deadline ends. */
  readonly permitMs: number;
  /** The same as H for the permit, with the time that killing takes. */
  readonly permitHoldMs: number;
  /** Main loop that stands still for longer: the worker closes the gate and exits. */
  readonly mainLoopLimitMs: number;
  /** What does not follow from the token. */
  readonly bounds: Required<Omit<LeaseSettings, "tokenMs">>;
}

export interface LeaseSettings {
  /** corosync's token: what one lost rotation takes. */
  readonly tokenMs: number;
  /** Bound on how much a clock's rate differs from real time, in thousandths. */
  readonly driftPerMille?: number;
  /** g: how late the kernel's timers may be. */
  readonly granularityMs?: number;
  readonly permitMs?: number;
  /** How long the end of a killed process tree may take. */
  readonly killBudgetMs?: number;
}

/** Slots of the gate: tick k arms slot k mod 8, and the ticks of one lease fill them once. */
export const GATE_SLOTS = 8;
export const MAIN_LOOP_LIMIT_MS = 3_000;
export const DEFAULT_DRIFT_PER_MILLE = 100;
/** Kernel timers at HZ 250; HZ 100 needs {@link GRANULARITY_HZ_100_MS}. */
export const GRANULARITY_HZ_250_MS = 30;
export const GRANULARITY_HZ_100_MS = 70;
export const DEFAULT_PERMIT_MS = 5_000;
export const DEFAULT_KILL_BUDGET_MS = 1_000;

const LIMITS: Readonly<Record<keyof LeaseSettings, readonly [minimum: number, maximum: number]>> = {
  tokenMs: [50, 60_000],
  driftPerMille: [0, 500],
  granularityMs: [1, 1_000],
  permitMs: [100, 600_000],
  killBudgetMs: [0, 60_000],
};

/** L, P, H and the rest from the token (PROTOCOL part 2: L = 1.5 x token, P = L/8, silence after 2.2 x token). */
export function leaseParameters(settings: LeaseSettings): LeaseParameters {
  const { tokenMs, driftPerMille = DEFAULT_DRIFT_PER_MILLE, granularityMs = GRANULARITY_HZ_250_MS, killBudgetMs = DEFAULT_KILL_BUDGET_MS } = settings;
  const { permitMs = Math.max(DEFAULT_PERMIT_MS, Number.isFinite(tokenMs) ? leaseFor(tokenMs) : 0) } = settings;
  const given = { tokenMs, driftPerMille, granularityMs, permitMs, killBudgetMs };
  for (const field of Object.keys(LIMITS) as (keyof LeaseSettings)[]) {
    const [minimum, maximum] = LIMITS[field];
    const value = given[field];
    if (!Number.isSafeInteger(value) || value < minimum || value > maximum) throw new MusterError("MUSTER_PROPERTY_RANGE", { field, value, range: `whole numbers from ${minimum} to ${maximum}` });
  }
  const leaseMs = leaseFor(tokenMs);
  // A permit that ends before the lease would make processes flap where the gate stays open.
  if (permitMs < leaseMs) throw new MusterError("MUSTER_PROPERTY_RANGE", { field: "permitMs", value: permitMs, range: `at least the lease (${leaseMs} ms)` });
  return {
    tokenMs,
    leaseMs,
    tickMs: Math.trunc(leaseMs / GATE_SLOTS),
    detectionMs: divideUp(11 * tokenMs, 5),
    holdMs: holdFor(leaseMs, driftPerMille, granularityMs),
    granularityMs,
    permitMs,
    permitHoldMs: holdFor(permitMs, driftPerMille, granularityMs) + killBudgetMs,
    mainLoopLimitMs: MAIN_LOOP_LIMIT_MS,
    bounds: { driftPerMille, granularityMs, permitMs: settings.permitMs ?? DEFAULT_PERMIT_MS, killBudgetMs },
  };
}

/** The same for another token. A permit is never shorter than the lease. @throws MusterError MUSTER_PROPERTY_RANGE */
export function forToken({ bounds }: Pick<LeaseParameters, "bounds">, tokenMs: number): LeaseParameters {
  const made = leaseParameters({ ...bounds, tokenMs, permitMs: Math.max(bounds.permitMs, leaseFor(tokenMs)) });
  return { ...made, bounds };
}

function leaseFor(tokenMs: number): number {
  return divideUp(3 * tokenMs, 2);
}

/** H = L(1+rho)/(1-rho) + g: the holder's clock may be slow by rho, and the taker's fast by rho. */
export function holdFor(lengthMs: number, driftPerMille: number, granularityMs: number): number {
  return divideUp(lengthMs * (1_000 + driftPerMille), 1_000 - driftPerMille) + granularityMs;
}

function divideUp(dividend: number, divisor: number): number {
  return Math.trunc((dividend + divisor - 1) / divisor);
}
