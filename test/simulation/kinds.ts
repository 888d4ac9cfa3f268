import { SimulatedCluster, clusterHooks, genesisRows } from "./cluster-process.ts";
import { logProcessFactory } from "./log-process.ts";
import { runSeed } from "./run.ts";
import type { RunResult } from "./run.ts";
import type { World } from "./world.ts";

/** What a seed can be played on. */
export const KINDS = ["cluster", "log"] as const;
export type Kind = (typeof KINDS)[number];

const CLUSTER_FAULTS_MS = 12_000;
const LOG_FAULTS_MS = 15_000;

/** Plays one seed: three to five nodes, sometimes seven, faults, recovery, checks after every step. */
export function play(kind: Kind, seed: number, trace: boolean): RunResult {
  const nodes = seed % 10 === 9 ? 7 : 3 + (seed % 3);
  if (kind === "log") return runSeed({ seed, nodes, rows: [], factory: logProcessFactory }, trace, LOG_FAULTS_MS);
  const clusters = new WeakMap<World, SimulatedCluster>();
  const factory = (world: World) => {
    const cluster = new SimulatedCluster(world);
    clusters.set(world, cluster);
    return cluster.factory();
  };
  return runSeed({ seed, nodes, rows: genesisRows(nodes), factory }, trace, CLUSTER_FAULTS_MS, clusterHooks((world) => clusters.get(world)!));
}
