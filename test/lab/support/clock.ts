/** CLOCK_MONOTONIC in milliseconds: the same for all hosts of a lab, because it is one machine's. */
export function nowMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}
