import { expectedOf, mustHaveFired } from "./coverage.ts";
import type { Kind } from "./kinds.ts";

/** A rule that was never needed in so many runs was not tested: that is a fault of the simulator. @returns whether it is one */
export function printCoverage(kind: Kind, counts: Readonly<Record<string, number>>, seeds: number): boolean {
  for (const [rule, times] of Object.entries(counts)) process.stdout.write(`${String(times).padStart(8)}  ${rule}\n`);
  const untested = expectedOf(kind).filter((rule) => counts[rule] === undefined);
  for (const rule of untested) process.stdout.write(`   never  ${rule}\n`);
  return untested.some((rule) => mustHaveFired(rule, seeds));
}
