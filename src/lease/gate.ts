import { GATE_SLOTS } from "./parameters.ts";

/**
 * The kernel's side of the lease as a model: slots with time-outs by the kernel's clock, the slot
 * that the gate points at, and the set of owned addresses. Open if and only if the pointed slot
 * is armed and has not run out. The simulator runs on it, and the real gate must do the same.
 *
 * The kernel counts in jiffies: a time-out is rounded up to whole ones, so an element lives up to
 * one jiffy longer than asked for. g in H pays for that.
 */
export class GateModel {
  readonly #jiffyMs: number;
  /** The jiffy at which the slot runs out; null = never armed. */
  readonly #expiresAtJiffy: (number | null)[] = Array.from({ length: GATE_SLOTS }, () => null);
  #pointed: number | null = null;
  #owned: ReadonlySet<string> = new Set();

  constructor(jiffyMs = 4) {
    this.#jiffyMs = jiffyMs;
  }

  /** Replaces what the slot held, as delete and add in one transaction do: a plain add would not prolong it. */
  arm(slot: number, timeoutMs: number, nowMs: number): void {
    this.#expiresAtJiffy[slot] = Math.floor(nowMs / this.#jiffyMs) + Math.ceil(timeoutMs / this.#jiffyMs);
  }

  /** Opens nothing by itself when the slot has run out. */
  point(slot: number): void {
    this.#pointed = slot;
  }

  close(): void {
    this.#pointed = null;
  }

  own(addresses: readonly string[]): void {
    this.#owned = new Set(addresses);
  }

  isOpen(nowMs: number): boolean {
    const expiresAtJiffy = this.#pointed === null ? null : this.#expiresAtJiffy[this.#pointed]!;
    return expiresAtJiffy !== null && Math.floor(nowMs / this.#jiffyMs) < expiresAtJiffy;
  }

  /** Whether traffic of this address passes. */
  passes(address: string, nowMs: number): boolean {
    return this.#owned.has(address) && this.isOpen(nowMs);
  }

  get owned(): readonly string[] {
    return [...this.#owned];
  }
}
