import type { Bug } from "./bugs.ts";
import { disturb } from "./faults.ts";
import { settle, whatIsAmiss } from "./settled.ts";
import { NlbWorld, Violation } from "./world.ts";

export interface NlbResult {
  readonly seed: number;
  readonly error: string | null;
  readonly counts: ReadonlyMap<string, number>;
  readonly virtualMs: number;
  readonly trace: string;
}

export const FAULTS_MS = 6_000;
const WATCHED_MS = 800;

/** Plays one seed: faults for a while, then peace, in which all must converge and stay so. */
export function runNlbSeed(seed: number, bug: Bug | null = null, trace = false): NlbResult {
  const world = new NlbWorld(seed, bug, trace);
  let error: string | null = null;
  try {
    watch(world);
    disturb(world, seed, FAULTS_MS);
    world.scheduler.runUntil(FAULTS_MS);
    // A bug is looked for in what it breaks, not in what it delays.
    if (bug === null) {
      settle(world);
      const watchedMs = world.scheduler.nowMs + WATCHED_MS;
      while (world.scheduler.nowMs < watchedMs) {
        world.scheduler.runUntil(world.scheduler.nowMs + 17);
        const amiss = whatIsAmiss(world);
        if (amiss !== null) throw new Violation(`in peace: ${amiss} at ${world.scheduler.nowMs.toFixed(1)} ms`);
      }
    }
  } catch (caught) {
    if (!(caught instanceof Violation)) throw caught;
    error = caught.message;
  }
  return { seed, error, counts: world.counts, virtualMs: world.scheduler.nowMs, trace: world.trace.toString() };
}

function watch(world: NlbWorld): void {
  world.scheduler.after(25, () => {
    world.checkNeighbours();
    world.checkDisabled();
    watch(world);
  });
}
