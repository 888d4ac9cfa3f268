import { PROFILES } from "../../src/model/heartbeat.ts";
import { spreadOf } from "../support/statistics.ts";
import type { Goal } from "../support/table.ts";
import type { FaultName } from "./contender.ts";
import type { Results } from "./results.ts";

/** The goals, and what of them a run has measured. Times in milliseconds. */

const UNPLANNED: readonly FaultName[] = ["node killed", "link cut"];
const PACEMAKER_PART = 0.6;
const MEDIAN_MS = { standard: 1_500, fast: 600 } as const;
const FAST_WORST_MS = 800;
const CRASH_MS = 50;
const MOVE_MS = 100;
const MEMORY_MB = 200;
const IDLE_PERCENT = 1;

export function failoverGoals(results: Results): readonly Goal[] {
  const median = (values: readonly number[]): number | null => (values.length === 0 ? null : spreadOf(values).median);
  const start = median(results.starts);
  const withoutStart = (values: readonly number[]): number | null => {
    const all = median(values);
    return all === null || start === null ? null : Math.max(0, all - start);
  };
  return (["standard", "fast"] as const).flatMap((profile): Goal[] => {
    const own = `muster ${profile}`;
    const peer = `pacemaker token ${PROFILES[profile]}`;
    const ratio = (fault: FaultName): number | null => {
      const [mine, theirs] = [median(results.outages(own, fault)), median(results.outages(peer, fault))];
      return mine === null || theirs === null ? null : mine / theirs;
    };
    const unplanned = UNPLANNED.flatMap((fault): Goal[] => [
      { name: `${own}, ${fault}: median to that of ${peer}`, value: ratio(fault), unit: "", limit: PACEMAKER_PART },
      { name: `${own}, ${fault}: median`, value: median(results.outages(own, fault)), unit: " ms", limit: MEDIAN_MS[profile] },
      ...(profile === "fast" ? [{ name: `${own}, ${fault}: worst`, value: results.outages(own, fault).length === 0 ? null : Math.max(...results.outages(own, fault)), unit: " ms", limit: FAST_WORST_MS }] : []),
    ]);
    return [
      ...unplanned,
      { name: `${own}, service crashed: median without the program's own start`, value: withoutStart(results.outages(own, "service crashed")), unit: " ms", limit: CRASH_MS },
      { name: `${own}, program crashed: median without the program's own start`, value: withoutStart(results.outages(own, "program crashed")), unit: " ms", limit: CRASH_MS },
      { name: `${own}, planned move: median without the program's own start`, value: withoutStart(results.outages(own, "planned move")), unit: " ms", limit: MOVE_MS },
      { name: `${own}, memory of a node: median`, value: median(results.memory.get(own) ?? []), unit: " MB", limit: MEMORY_MB },
      { name: `${own}, idle: median`, value: median(results.idle.get(own) ?? []), unit: " %", limit: IDLE_PERCENT },
    ];
  });
}
