/**
 * When a node sends its ticks. Nothing of the safety of a lease rests on it: a slot is armed before its tick, opens only
 * with evidence and ends L later, however rare ticks are. It is about being open all the time, and about what that costs.
 *
 * While all is well there is a tick every two P. Whoever hears one answers at once, so that its evidence is as old when
 * the next tick comes as it was when echoes waited for a timer of P; and as most of the answers are ticks that were due
 * anyway, all nodes speak in the same moment, which wakes everybody once. A node that owns addresses and has no
 * answer after P ticks again, and so does everybody for one L after the terms have changed, or when evidence gets old.
 */
export class TickPace {
  #armedAtMs = Number.NEGATIVE_INFINITY;
  #sentAtMs = Number.NEGATIVE_INFINITY;
  #evidencedAtMs = Number.NEGATIVE_INFINITY;
  #pressedUntilMs = Number.NEGATIVE_INFINITY;
  #isEvidenced = false;
  #owns = false;

  /** How long after its last tick a node looks again. Who owns nothing lets those who own something go first. */
  beatMs(tickMs: number): number {
    return this.#owns ? tickMs : tickMs + Math.trunc(tickMs / 8);
  }

  /** Whether addresses are owned: then the gate's being closed would cost clients something. */
  own(owns: boolean): void {
    this.#owns = owns;
  }

  /** The terms have changed: peers learn of it one after the other. */
  press(nowMs: number, leaseMs: number): void {
    this.#pressedUntilMs = nowMs + leaseMs;
  }

  armed(nowMs: number): void {
    this.#armedAtMs = nowMs;
    this.#isEvidenced = false;
  }

  sent(nowMs: number): void {
    this.#sentAtMs = nowMs;
  }

  /** @param armedAtMs when the newest tick with evidence was armed; null = so long ago that its slot has another one @param isNewest it was the last one armed */
  evidenced(armedAtMs: number | null, isNewest: boolean): void {
    if (armedAtMs !== null) this.#evidencedAtMs = armedAtMs;
    this.#isEvidenced = isNewest;
  }

  /** Whether it is time for a tick: asked every {@link beatMs}, which may be a little early. */
  isDue(nowMs: number, tickMs: number): boolean {
    if (nowMs - this.#armedAtMs >= 2 * tickMs - tickMs / 4) return true;
    const isPressing = this.#owns || nowMs < this.#pressedUntilMs || nowMs - this.#evidencedAtMs > EVIDENCE_OLD * tickMs;
    return isPressing && !this.#isEvidenced;
  }

  /** What a peer's new tick is answered with at once. `nothing`: the next message is soon enough, and holds the echo too. */
  answer(nowMs: number, tickMs: number): "tick" | "echoes" | "nothing" {
    if (nowMs - this.#sentAtMs < tickMs - tickMs / 8) return "nothing";
    return nowMs - this.#armedAtMs >= (3 * tickMs) / 2 ? "tick" : "echoes";
  }
}

/** In ticks: one who is never first has its evidence with the tick after its own, some four and a half. */
const EVIDENCE_OLD = 5;
