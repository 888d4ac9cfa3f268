import type { Bug } from "./bugs.ts";
import { LeaseCluster, PARAMETERS, TwoServe } from "./cluster.ts";

export interface LeaseResult {
  readonly seed: number;
  readonly error: string | null;
  readonly counts: ReadonlyMap<string, number>;
  readonly virtualMs: number;
  readonly trace: string;
}

const FAULTS_MS = 8_000;
const RECOVERY_MS = 15_000;
const WATCHED_MS = 4_000;

/** Plays one seed: faults for a while, then peace, in which every gate must stay open. */
export function runLeaseSeed(seed: number, bug: Bug | null = null, trace = false): LeaseResult {
  const cluster = new LeaseCluster(seed, bug, trace);
  let error: string | null = null;
  try {
    disturb(cluster, seed);
    cluster.scheduler.runUntil(FAULTS_MS);
    calm(cluster);
    // A bug is looked for in what it breaks, not in what it delays.
    if (bug === null) recover(cluster);
  } catch (caught) {
    if (!(caught instanceof TwoServe)) throw caught;
    error = caught.message;
  }
  return { seed, error, counts: cluster.counts, virtualMs: cluster.scheduler.nowMs, trace: cluster.trace.toString() };
}

function disturb(cluster: LeaseCluster, seed: number): void {
  const { random, scheduler, machines } = cluster;
  const again = (delayMs: () => number, action: () => void): void => {
    scheduler.after(delayMs(), () => {
      if (scheduler.nowMs >= FAULTS_MS) return;
      action();
      again(delayMs, action);
    });
  };
  const machine = () => random.pick(machines);
  const pace = random.pick([150, 400, 1_200]);
  cluster.delayMaxMs = random.pick([2, 10, 60]);
  cluster.lossChance = random.pick([0, 0.05, 0.3]);
  cluster.pauseChance = random.pick([0, 0.002, 0.02]);
  cluster.pauseMaxMs = random.pick([20, 300, 1_000]);
  cluster.postLagChance = random.pick([0, 0.1, 0.5]);
  cluster.standsStillChance = random.pick([0, 0.1, 0.4]);
  cluster.diskMaxMs = random.pick([2, 50, 500]);
  cluster.faultsEndMs = FAULTS_MS;
  if (random.chance(0.5)) cluster.favourite = { step: random.pick(["readClock", "load", "store", "arm", "sendTick", "point", "post"]), chance: random.pick([0.05, 0.3]) };
  for (const { life } of machines) if (life !== null) cluster.setPauses(life);
  // Half of the seeds go through exclusions one by one, the others through everything at once.
  if (seed % 2 === 1) return episode(cluster);
  // Whole at first, so that there is something to lose.
  for (let time = 1; time <= 3; time++) scheduler.after(100 * time, () => {
    if (!cluster.isWhole) cluster.propose(1);
  });
  again(() => random.integer(pace / 2, 2 * pace), () => cluster.propose(random.pick([0.4, 0.7, 1])));
  again(() => random.integer(pace / 2, 2 * pace), () => cluster.changeWeights());
  again(() => random.integer(pace / 4, pace), () => cluster.move(machine()));
  again(() => random.integer(pace, 6 * pace), () => {
    const one = machine();
    cluster.kill(one, random.chance(0.6));
    scheduler.after(random.integer(1, 1_500), () => cluster.start(one));
  });
  again(() => random.integer(pace, 4 * pace), () => cut(cluster));
  again(() => random.integer(pace, 4 * pace), () => freeze(cluster));
  again(() => random.integer(pace, 4 * pace), () => {
    machine().clock.rate = random.pick([0.9, 0.95, 1, 1.05, 1.1]);
  });
}

/** A whole view; some hear the rest late; perhaps other votes; then a view without some, who do not know it; then all again. */
function episode(cluster: LeaseCluster): void {
  const { random, scheduler, machines, lagMs } = cluster;
  if (scheduler.nowMs >= FAULTS_MS - 1_000) return lagMs.clear();
  cluster.count("episode");
  lagMs.clear();
  let atMs = 0;
  const then = (delayMs: number, action: () => void): void => {
    atMs += delayMs;
    scheduler.after(atMs, action);
  };
  cluster.lossChance = 0;
  cluster.delayMaxMs = random.pick([1, 5]);
  cluster.pauseChance = random.pick([0, 0, 0.002]);
  cluster.diskMaxMs = random.pick([1, 1, 100]);
  cluster.standsStillChance = 0;
  for (const { life } of machines) if (life !== null) cluster.setPauses(life);
  for (let time = 0; time < 4; time++) then(100, () => {
    for (const machine of machines) cluster.start(machine);
    if (!cluster.isWhole) cluster.propose(1);
  });
  then(random.integer(350, 600), () => {
    cluster.count(cluster.isWhole ? "episode from a whole view" : "episode from another view");
    cluster.standsStillChance = random.pick([0, 0.3]);
    cluster.postLagChance = random.pick([0, 0.8]);
    const lagging = random.pick([0.2, 0.2, 0.7]);
    for (const { node } of machines) if (random.chance(lagging)) lagMs.set(node, random.integer(50, 1_000));
    if (random.chance(0.3)) random.pick(machines).clock.rate = random.pick([0.9, 1.1]);
  });
  if (random.chance(0.25)) return changedToken(cluster, then);
  for (let time = random.integer(0, 1); time > 0; time--) then(random.integer(0, 100), () => cluster.changeWeights());
  for (let time = random.integer(1, 2); time > 0; time--) then(random.pick([0, 20, 150]), () => cluster.propose(0, true));
  then(random.integer(500, 1_200), () => episode(cluster));
}

/** Another token; a node that hears of it late, or not at all, is left out; the others may have begun a new life just before. */
function changedToken(cluster: LeaseCluster, then: (delayMs: number, action: () => void) => void): void {
  const { random, machines, lagMs } = cluster;
  const left = random.pick(machines);
  const isLate = random.chance(0.5);
  const haveRestarted = random.chance(0.5);
  // Slots come round as long as it ticks: only who stands still, or is dead, leaves one open for its whole length.
  const standsStill = random.chance(0.5);
  const watchMs = random.integer(60, 900);
  cluster.diskMaxMs = random.pick([2, 600]);
  then(0, () => {
    lagMs.clear();
    if (isLate) lagMs.set(left.node, 2_000);
    cluster.count(cluster.changeToken() ? "episode of a token" : "episode of a token that settles");
  });
  then(random.integer(20, 250), () => {
    if (standsStill && left.life !== null) left.life.workerThread.pausedUntilMs = cluster.scheduler.nowMs + random.integer(200, 1_500);
    for (const machine of machines) {
      if (!haveRestarted || machine === left) continue;
      cluster.kill(machine, false);
      cluster.start(machine);
    }
  });
  for (let time = 0; time < 3; time++) then(20, () => cluster.propose(1, true, left.node));
  then(watchMs, () => episode(cluster));
}

/** A node, or a direction, or a half of all, for a while. */
function cut(cluster: LeaseCluster): void {
  const { random, machines, cuts } = cluster;
  const side = new Set(machines.filter(() => random.chance(random.pick([0.2, 0.5]))).map((machine) => machine.node));
  const isOneWay = random.chance(0.3);
  cluster.count(isOneWay ? "one-way cut" : "cut");
  for (const { node: from } of machines) {
    for (const { node: to } of machines) {
      if (side.has(from) && !side.has(to)) cuts.add(`${from}>${to}`);
      if (!isOneWay && side.has(to) && !side.has(from)) cuts.add(`${from}>${to}`);
    }
  }
  cluster.scheduler.after(random.integer(50, 1_500), () => cuts.clear());
}

/** SIGSTOP of the service, or its main loop alone stands still. */
function freeze(cluster: LeaseCluster): void {
  const { random, scheduler } = cluster;
  const { life } = random.pick(cluster.machines);
  if (life === null) return;
  const untilMs = Math.min(FAULTS_MS, scheduler.nowMs + random.pick([100, 500, 1_000, 4_500]) * random.next());
  life.mainThread.pausedUntilMs = untilMs;
  if (random.chance(0.5)) life.workerThread.pausedUntilMs = untilMs;
  cluster.count(life.workerThread.pausedUntilMs === untilMs ? "service frozen" : "main loop frozen");
}

function calm(cluster: LeaseCluster): void {
  cluster.delayMaxMs = 4;
  cluster.lossChance = 0;
  cluster.pauseChance = 0;
  cluster.favourite = null;
  cluster.postLagChance = 0;
  cluster.standsStillChance = 0;
  cluster.diskMaxMs = 5;
  cluster.cuts.clear();
  cluster.lagMs.clear();
  for (const machine of cluster.machines) {
    cluster.start(machine);
    if (machine.life !== null) cluster.setPauses(machine.life);
  }
}

function recover(cluster: LeaseCluster): void {
  const untilMs = cluster.scheduler.nowMs + RECOVERY_MS;
  // The longest hold, by the slowest clock, and a round.
  const settleMs = PARAMETERS.permitHoldMs / 0.9 + 300;
  let wholeSinceMs: number | null = null;
  while (wholeSinceMs === null || cluster.scheduler.nowMs - wholeSinceMs < settleMs) {
    if (cluster.scheduler.nowMs > untilMs) throw new TwoServe(`not whole ${RECOVERY_MS} ms after the faults ended`);
    for (const machine of cluster.machines) cluster.start(machine);
    if (cluster.isWhole) {
      wholeSinceMs ??= cluster.scheduler.nowMs;
    } else {
      wholeSinceMs = null;
      cluster.propose(1);
    }
    cluster.scheduler.runUntil(cluster.scheduler.nowMs + 150);
  }
  const watchedMs = cluster.scheduler.nowMs + WATCHED_MS;
  let isChanged = false;
  while (cluster.scheduler.nowMs < watchedMs) {
    // A change of the token must interrupt nobody.
    isChanged ||= cluster.scheduler.nowMs > watchedMs - WATCHED_MS + 300 && cluster.changeToken();
    const amiss = cluster.whatIsAmiss();
    if (amiss !== null) throw new TwoServe(`in peace: ${amiss} at ${cluster.scheduler.nowMs.toFixed(1)} ms`);
    cluster.scheduler.runUntil(cluster.scheduler.nowMs + 7);
  }
}
