/** The one clock of durations: settings of the time of day move none of them. */

const NS_PER_US = 1_000n;

/** CLOCK_MONOTONIC in nanoseconds, as the kernel and programs in it read it. */
export function monotonicNs(): bigint {
  return process.hrtime.bigint();
}

/**
 * CLOCK_MONOTONIC in milliseconds, with a fraction. All processes of a machine share it, so a moment taken in one means
 * the same in another.
 */
export function monotonicMs(): number {
  return Number(monotonicNs() / NS_PER_US) / 1_000;
}
