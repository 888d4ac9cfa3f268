import { monotonicMs as preciseMs } from "../platform/clock.ts";

/**
 * The clock of the lease: CLOCK_MONOTONIC in whole milliseconds, the same in every thread and
 * process of the machine. Setting the time of day (settimeofday, a step of NTP) does not move it;
 * NTP changes its rate by at most 0.05 %, far inside the bound. It stands still while the machine
 * is suspended, as the kernel's jiffies do, by which the gate counts.
 */
export function monotonicMs(): number {
  return Math.floor(preciseMs());
}
