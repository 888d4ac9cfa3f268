/** What the worker remembers of its renewals, for people. Times in ms. */
export interface LeaseFigures {
  /** Ticks armed, and tick numbers confirmed. */
  readonly armed: number;
  readonly confirmed: number;
  /** Confirmations that came after the slot before had run out: the gate had been closed in between. */
  readonly reopened: number;
  /** How much was left of the lease whenever it was renewed, over the last renewals; null = none yet. */
  readonly margin: { readonly minimumMs: number; readonly medianMs: number; readonly renewals: number } | null;
  /** Age of the newest tick with evidence; null = none yet. */
  readonly evidenceAgeMs: number | null;
  readonly ticksReceived: number;
  /** Messages that were no ticks of this cluster, and those that said they were. */
  readonly foreign: number;
  readonly malformed: number;
  /** How often somebody else had changed the gate's tables. */
  readonly repairs: number;
}

/** Renewals over which the margin is told: about three quarters of a minute. */
const RENEWALS_KEPT = 256;

export class LeaseStatistics {
  armed = 0;
  confirmed = 0;
  reopened = 0;
  ticksReceived = 0;
  foreign = 0;
  malformed = 0;
  repairs = 0;
  readonly #slots = new Map<number, { readonly armedAtMs: number; readonly leaseMs: number }>();
  readonly #marginsMs: number[] = [];
  #confirmed: { readonly armedAtMs: number; readonly leaseMs: number } | null = null;

  slotArmed(slot: number, leaseMs: number, nowMs: number): void {
    this.armed += 1;
    this.#slots.set(slot, { armedAtMs: nowMs, leaseMs });
  }

  slotPointed(slot: number, nowMs: number): void {
    this.confirmed += 1;
    if (this.#confirmed !== null) {
      const leftMs = this.#confirmed.armedAtMs + this.#confirmed.leaseMs - nowMs;
      if (leftMs <= 0) this.reopened += 1;
      this.#marginsMs.push(leftMs);
      if (this.#marginsMs.length > RENEWALS_KEPT) this.#marginsMs.shift();
    }
    this.#confirmed = this.#slots.get(slot) ?? null;
  }

  figures(nowMs: number): LeaseFigures {
    const { armed, confirmed, reopened, ticksReceived, foreign, malformed, repairs } = this;
    const sorted = [...this.#marginsMs].sort((a, b) => a - b);
    const [minimumMs] = sorted;
    const margin = minimumMs === undefined ? null : { minimumMs, medianMs: sorted[Math.trunc(sorted.length / 2)] ?? minimumMs, renewals: sorted.length };
    const evidenceAgeMs = this.#confirmed === null ? null : nowMs - this.#confirmed.armedAtMs;
    return { armed, confirmed, reopened, margin, evidenceAgeMs, ticksReceived, foreign, malformed, repairs };
  }
}
