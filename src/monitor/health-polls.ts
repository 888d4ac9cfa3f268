import { clampTimerMs, monotonicMs } from "./clock.ts";
import type { Health } from "./resource-type.ts";

export interface PollIntervals {
  readonly looksAliveMs: number;
  readonly isAliveMs: number;
}

export interface HealthPollsOptions {
  /** Rejects when it fails or does not answer in time: that counts as not alive, and nothing more is asked. */
  readonly looksAlive: () => Promise<Health>;
  readonly isAlive: () => Promise<Health>;
  readonly intervals: () => PollIntervals;
  readonly onUnhealthy: (reason: string) => void;
}

/**
 * LooksAlive and IsAlive of one resource (reference 2.9): LooksAlive false makes it ask IsAlive at once;
 * IsAlive false is final. One call at a time.
 */
export class HealthPolls {
  readonly #options: HealthPollsOptions;
  #timer: NodeJS.Timeout | null = null;
  #looksAliveAtMs = 0;
  #isAliveAtMs = 0;
  #polling = false;
  #stopped = false;

  constructor(options: HealthPollsOptions) {
    this.#options = options;
  }

  /** Begins, or begins anew with changed intervals. */
  start(): void {
    const { looksAliveMs, isAliveMs } = this.#options.intervals();
    this.#looksAliveAtMs = monotonicMs() + looksAliveMs;
    this.#isAliveAtMs = monotonicMs() + isAliveMs;
    if (!this.#polling) this.#schedule();
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #schedule(): void {
    if (this.#stopped) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const nextMs = Math.min(this.#looksAliveAtMs, this.#isAliveAtMs);
    this.#timer = setTimeout(() => void this.#poll(), clampTimerMs(Math.ceil(nextMs - monotonicMs())));
  }

  async #poll(): Promise<void> {
    this.#polling = true;
    const thorough = monotonicMs() >= this.#isAliveAtMs;
    const problem = thorough ? await this.#ask("IsAlive", this.#options.isAlive) : await this.#askBoth();
    this.#polling = false;
    if (this.#stopped) return;
    if (problem !== null) {
      this.stop();
      this.#options.onUnhealthy(problem);
      return;
    }
    const { looksAliveMs, isAliveMs } = this.#options.intervals();
    const nowMs = monotonicMs();
    if (thorough) this.#isAliveAtMs = nowMs + isAliveMs;
    // A thorough check that went well is a cheap one as well.
    this.#looksAliveAtMs = nowMs + looksAliveMs;
    this.#schedule();
  }

  async #askBoth(): Promise<string | null> {
    let answered = false;
    const cheap = await this.#ask("LooksAlive", async () => {
      const health = await this.#options.looksAlive();
      answered = true;
      return health;
    });
    if (cheap === null || this.#stopped) return null;
    // One that threw or hangs is not asked a second question: the calls would overlap.
    if (!answered) return cheap;
    return this.#ask("IsAlive", this.#options.isAlive);
  }

  async #ask(entry: string, call: () => Promise<Health>): Promise<string | null> {
    try {
      const health = await call();
      if (health === true) return null;
      if (typeof health === "object" && health !== null) return health.reason;
      return `${entry} says it is not alive`;
    } catch (error) {
      return `${entry} failed: ${error instanceof Error ? error.message : String(error)}`;
    }
  }
}
