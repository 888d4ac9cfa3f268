import type { LeaveCause } from "../log/types.ts";

const DELAY_MS = 200;
/** After a failure of this node's own disk or monitor. */
export const RETRY_DELAY_MS = 5_000;
/** A life that lasted so long was no failed attempt. */
const STEADY_MS = 30_000;
/** So many short lives in a row are nothing strange: a network may fail and come back a few times. */
const SHORT_LIVES = 3;
/** Rule 12: a second divergence inside this time keeps the node out. */
const DIVERGENCE_WINDOW_MS = 600_000;

/**
 * When a node joins again after a life that ended. One that is left out again and again, because its disk is slower than
 * the others have patience, say, would end everybody's view at each attempt: its pauses grow.
 */
export class Rejoin {
  #shortLives = 0;
  #divergedAtMs: number | null = null;

  /** @param livedMs how long the life lasted @returns the pause in ms; null = it stays out until its service is started again */
  after(cause: LeaveCause | "engine" | "lease", livedMs: number, nowMs: number): number | null {
    if (cause === "diverged") {
      const isSecond = this.#divergedAtMs !== null && nowMs - this.#divergedAtMs < DIVERGENCE_WINDOW_MS;
      this.#divergedAtMs = nowMs;
      if (isSecond) return null;
    }
    if (cause === "disk") return RETRY_DELAY_MS;
    this.#shortLives = livedMs < STEADY_MS && cause !== "forced" ? this.#shortLives + 1 : 0;
    return Math.min(DELAY_MS * 2 ** Math.max(0, this.#shortLives - SHORT_LIVES), RETRY_DELAY_MS);
  }
}
