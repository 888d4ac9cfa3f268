import { clampTimerMs } from "./clock.ts";

/** A pending call made no progress within PendingTimeout (reference 2.9). */
export class PendingTimeoutError extends Error {
  override readonly name = "PendingTimeoutError";
}

/**
 * Watches the calls into one resource: a pending call without progress for PendingTimeout is given up by its
 * caller; one that is still running after DeadlockTimeout without progress, given up or not, is a deadlock.
 */
export class EntryCalls {
  readonly #deadlockMs: () => number;
  readonly #onDeadlock: (entry: string) => void;
  readonly #restarts = new Set<() => void>();

  constructor(deadlockMs: () => number, onDeadlock: (entry: string) => void) {
    this.#deadlockMs = deadlockMs;
    this.#onDeadlock = onDeadlock;
  }

  /** All limits of the calls that run count from now again. */
  progress(): void {
    for (const restart of this.#restarts) restart();
  }

  /**
   * Calls an entry point.
   * @param limitMs longest time without progress
   * @throws PendingTimeoutError, or what the entry point throws
   */
  run<T>(entry: string, limitMs: number, call: () => T | Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      let limitTimer: NodeJS.Timeout | undefined;
      let deadlockTimer: NodeJS.Timeout | undefined;
      const restart = (): void => {
        clearTimeout(limitTimer);
        clearTimeout(deadlockTimer);
        limitTimer = setTimeout(() => reject(new PendingTimeoutError(`${entry} did not answer within ${limitMs} ms`)), clampTimerMs(limitMs));
        deadlockTimer = setTimeout(() => this.#onDeadlock(entry), clampTimerMs(this.#deadlockMs()));
      };
      const finish = (): void => {
        clearTimeout(limitTimer);
        clearTimeout(deadlockTimer);
        this.#restarts.delete(restart);
      };
      this.#restarts.add(restart);
      restart();
      // An async function, so that a throw before the first await is a rejection like any other.
      const answer = (async () => await call())();
      answer.finally(finish).then(resolve, reject);
    });
  }
}
