/** A deadline taken in the service means the same moment in its monitor. */
export { monotonicMs } from "../platform/clock.ts";

/** How far local time is from UTC now, in minutes, east positive. */
export function utcOffsetMinutes(): number {
  return -new Date().getTimezoneOffset();
}

/** Longest delay a timer of Node takes; more would fire at once. */
export const TIMER_MAX_MS = 2 ** 31 - 1;

export function clampTimerMs(delayMs: number): number {
  return Math.min(Math.max(delayMs, 0), TIMER_MAX_MS);
}

/** Resolves after `delayMs`; earlier, and silently, when `signal` is aborted. */
export function sleepMs(delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const finish = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", finish);
      resolve();
    };
    const timer = setTimeout(finish, clampTimerMs(delayMs));
    signal?.addEventListener("abort", finish, { once: true });
  });
}

/** The promise's value, or `onTimeout` when it takes longer. What the promise does later is ignored. */
export function withinMs<T, U>(promise: Promise<T>, limitMs: number, onTimeout: U): Promise<T | U> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve(onTimeout), clampTimerMs(limitMs));
    promise.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}
