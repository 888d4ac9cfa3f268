import { BrokenInvariant } from "./checker.ts";
import { createFaults, endFaults } from "./faults.ts";
import { World } from "./world.ts";
import type { WorldOptions } from "./world.ts";

export interface RunResult {
  readonly seed: number;
  readonly error: Error | null;
  readonly trace: string;
  readonly acknowledged: number;
  readonly virtualMs: number;
  /** How often each rule was needed. */
  readonly coverage: Readonly<Record<string, number>>;
}

/** Time within which a healed cluster must be whole again. */
const RECOVERY_MS = 20_000;
/** Longer than any step of a membership is on its way. */
const QUIET_MS = 400;
const LOOKS_IN_THE_END = 6;

/** Longest silence that is noticed only after the faults have ended. */
const SILENCE_MS = 1_500;

const REQUESTS_WAITING_MAX = 60;
const BURST_MAX = 50;
const DISTURB_EVERY_MAX_MS = 120;

export interface RunHooks {
  /** Called before anything has been started. */
  readonly begin?: (world: World) => void;
  /** More load or faults of the kind of cluster that is run. */
  readonly disturb?: (world: World) => void;
  /** How long to wait between two updates at most. */
  readonly updateEveryMaxMs?: number;
  /** Called when all faults have ended. */
  readonly calm?: (world: World) => void;
  /** Throws when the cluster is not as it should be once it has recovered. */
  readonly settled?: (world: World) => void;
}

/** Runs one seed: load and faults for a while, then peace; checks that everything recovered. */
export function runSeed(options: Omit<WorldOptions, "trace">, trace: boolean, faultsMs: number, hooks: RunHooks = {}): RunResult {
  const world = new World({ ...options, trace });
  let error: Error | null = null;
  try {
    for (const slot of world.slots) world.scheduler.after(world.random.next() * 300, () => world.start(slot));
    hooks.begin?.(world);
    disturb(world, faultsMs, hooks);
    world.runUntil(faultsMs);
    endFaults(world);
    hooks.calm?.(world);
    recover(world, faultsMs, hooks);
  } catch (caught) {
    error = caught instanceof Error ? caught : new Error(String(caught));
  }
  return { seed: options.seed, error, trace: world.trace.toString(), acknowledged: world.checker.acknowledgedCount, virtualMs: world.scheduler.nowMs, coverage: world.coverage.toRecord() };
}

function disturb(world: World, faultsMs: number, hooks: RunHooks): void {
  const again = (delayMs: () => number, action: () => void): void => {
    world.scheduler.after(delayMs(), () => {
      if (world.scheduler.nowMs >= faultsMs) return;
      action();
      again(delayMs, action);
    });
  };
  again(() => world.random.integer(1, hooks.updateEveryMaxMs ?? 60), () => updateSomewhere(world));
  again(() => world.random.integer(1, 150), () => readSomewhere(world));
  again(() => world.random.integer(1, 6_000), () => {
    for (let count = world.random.integer(10, BURST_MAX); count > 0; count--) updateSomewhere(world);
  });
  again(() => world.random.integer(1, 40), () => deliverLate(world));
  const pace = world.random.pick([100, 400, 1_500]);
  const inflictFault = createFaults(world.random);
  again(() => world.random.integer(1, 2 * pace), () => inflictFault(world));
  if (hooks.disturb !== undefined) again(() => world.random.integer(1, DISTURB_EVERY_MAX_MS), () => hooks.disturb!(world));
}

function updateSomewhere(world: World): void {
  const slot = world.random.pick(world.slots);
  const { process, member } = slot;
  if (process !== null && slot.backlog === null && process.requestsWaiting < REQUESTS_WAITING_MAX) world.run(slot, member!, () => process.update(() => {
    if (world.random.chance(0.2)) world.scheduler.after(0, () => readSomewhere(world));
  }));
}

function readSomewhere(world: World): void {
  const slot = world.random.pick(world.slots);
  const { process, member } = slot;
  if (process === null || slot.backlog !== null) return;
  const acknowledged = world.checker.acknowledgedSequence;
  world.run(slot, member!, () => process.read(() => {
    if (slot.member === member) world.checker.onRead(slot.node, process.committed, acknowledged);
  }));
}

function deliverLate(world: World): void {
  const slot = world.random.pick(world.slots);
  const { process } = slot;
  if (process === null) return;
  world.network.deliverLate(slot.node, (payload) => {
    const epoch = /"epoch":(\d+)/.exec(Buffer.from(payload).toString())?.[1];
    return epoch !== undefined && Number(epoch) < process.promised;
  });
}

function recover(world: World, faultsMs: number, hooks: RunHooks): void {
  // Who was not heard just before may still be taken for silent.
  world.runUntil(faultsMs + SILENCE_MS);
  const untilMs = untilWholeForAWhile(world, faultsMs);
  const acknowledged = new Set<number>();
  for (const slot of world.slots) slot.process!.update(() => acknowledged.add(slot.node));
  // A change of the view that was on its way may cost a round of fetches.
  const answeredMs = untilMs + 3_000 + 3 * world.network.fetchDelayMaxMs;
  world.runUntil(answeredMs);
  for (const slot of world.slots) if (!acknowledged.has(slot.node)) throw new BrokenInvariant(`node ${slot.node} got no answer in a healthy cluster`);
  if (hooks.settled !== undefined) {
    world.runUntil(answeredMs + 27_000);
    hooks.settled(world);
    untilWhole(world, world.scheduler.nowMs);
  }
  mustBeEqual(world);
}

/** What somebody has recorded a moment ago may still be on its way: so several moments are looked at. */
function mustBeEqual(world: World): void {
  for (let look = 1; ; look++) {
    world.runUntil(world.scheduler.nowMs + 500);
    const texts = new Set(world.slots.map((slot) => slot.process!.stateText()));
    const disks = new Set(world.slots.map((slot) => slot.disk.rowsText()));
    if (texts.size === 1 && disks.size === 1) return;
    if (look < LOOKS_IN_THE_END) continue;
    if (texts.size > 1) throw new BrokenInvariant(`copies differ in the end: ${[...texts].join(" / ").slice(0, 2_000)}`);
    throw new BrokenInvariant(`disks differ in the end: ${[...disks].join(" / ").slice(0, 2_000)}`);
  }
}

/** Steps of a membership that were on their way when everybody was back may end the view once more. */
function untilWholeForAWhile(world: World, sinceMs: number): number {
  for (;;) {
    untilWhole(world, sinceMs);
    const { status } = world.slots[0]!.process!;
    world.runUntil(world.scheduler.nowMs + QUIET_MS);
    if (isWhole(world) && world.slots[0]!.process!.status === status) return world.scheduler.nowMs;
    if (world.scheduler.nowMs > sinceMs + RECOVERY_MS) throw new BrokenInvariant(`views end ${RECOVERY_MS} ms after the faults ended: ${describe(world)}`);
  }
}

/** @returns when everybody was back */
function untilWhole(world: World, sinceMs: number): number {
  let untilMs = world.scheduler.nowMs;
  while (!isWhole(world)) {
    untilMs += 500;
    if (untilMs > sinceMs + RECOVERY_MS) throw new BrokenInvariant(`not whole ${RECOVERY_MS} ms after the faults ended: ${describe(world)}`);
    for (const slot of world.slots) if (slot.process === null && slot.restartAtMs === null) world.start(slot);
    world.runUntil(untilMs);
  }
  return untilMs;
}

function isWhole(world: World): boolean {
  const [first] = world.slots;
  const status = first!.process?.status;
  if (status?.phase !== "active" || status.members.length !== world.slots.length || status.learners.length > 0) return false;
  return world.slots.every((slot) => slot.backlog === null && slot.fuse === null && slot.process?.status.phase === "active" && slot.process.status.epoch === status.epoch && slot.process.storeIsAdmitted);
}

function describe(world: World): string {
  return world.slots.map((slot) => `n${slot.node} ${slot.process === null ? "down" : JSON.stringify(slot.process.status)}`).join("; ");
}
