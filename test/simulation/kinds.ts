import { clusterHooks } from "./cluster-hooks.ts";
import { SimulatedCluster, genesisRows } from "./cluster-process.ts";
import { logProcessFactory } from "./log-process.ts";
import { quorumModeOf } from "./quorum-mode.ts";
import { runSeed } from "./run.ts";
import type { RunResult } from "./run.ts";
import type { World } from "./world.ts";

/** What a seed can be played on. */
export const KINDS = ["cluster", "log"] as const;
export type Kind = (typeof KINDS)[number];

const CLUSTER_FAULTS_MS = 12_000;
const LOG_FAULTS_MS = 15_000;

/** Plays one seed: two to nine nodes, faults, recovery, checks after every step. */
export function play(kind: Kind, seed: number, trace: boolean): RunResult {
  const mode = quorumModeOf(seed);
  const { nodes } = mode;
  if (kind === "log") return runSeed({ seed, nodes, mode, rows: [], factory: logProcessFactory }, trace, LOG_FAULTS_MS);
  const clusters = new WeakMap<World, SimulatedCluster>();
  const factory = (world: World) => {
    const cluster = new SimulatedCluster(world);
    clusters.set(world, cluster);
    return cluster.factory();
  };
  return runSeed({ seed, nodes, mode, rows: genesisRows(mode), factory }, trace, CLUSTER_FAULTS_MS, clusterHooks((world) => clusters.get(world)!));
}
