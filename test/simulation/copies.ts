import type { Slot, World } from "./world.ts";

/** Faults that cost a node its copy of the database, within what the promises allow: a minority at a time. */

function give(world: World, slot: Slot, what: string, afterMs: number): void {
  slot.lostCopy = true;
  world.trace.add(world.scheduler.nowMs, slot.node, what, slot.disk.storeId);
  world.scheduler.after(afterMs, () => world.start(slot));
}

/** The copy is lost, or found damaged at the start, whoever else is down then; another one begins without a vote. */
export function loseCopy(world: World, slot: Slot): void {
  const rounds = world.random.pick([1, 1, world.random.integer(2, 8)]);
  wipe(world, slot);
  if (rounds > 1) wipeOneAfterTheOther(world, rounds);
}

function wipe(world: World, slot: Slot): void {
  if (!world.mayLoseCopy(slot)) return;
  world.crash(slot);
  slot.disk.wipe(nameOfNext(slot));
  give(world, slot, "wiped", world.random.pick([1, 100, 2_000]));
}

/** Whoever has just been given its vote sees the next one lose its copy. */
function wipeOneAfterTheOther(world: World, rounds: number): void {
  let left = rounds;
  const look = (): void => {
    if (world.isCalm || left === 0) return;
    const slot = world.random.pick(world.slots);
    if (world.mayLoseCopy(slot)) {
      left--;
      wipe(world, slot);
    }
    world.scheduler.after(world.random.integer(20, 300), look);
  };
  world.scheduler.after(100, look);
}

/** A backup comes back under a name of its own. */
export function restoreOld(world: World, slot: Slot): void {
  const restore = slot.disk.backup();
  world.scheduler.after(world.random.integer(100, 3_000), () => {
    if (world.isCalm || !world.mayLoseCopy(slot)) return;
    world.crash(slot);
    restore(nameOfNext(slot));
    give(world, slot, "restored", 50);
  });
}

/**
 * The disk is taken out, and put back as it was when the copy in its place has the vote: its own name must
 * count for nothing by then. Both are losses of a copy. At the worst moments, some of the others stand
 * still while the vote is given, and those who gave it when the old disk is back.
 */
export function exchangeDisk(world: World, slot: Slot): void {
  if (!world.mayLoseCopy(slot)) return;
  world.crash(slot);
  const putBack = slot.disk.takeOut(nameOfNext(slot));
  give(world, slot, "exchanged", 50);
  const others = world.random.shuffle(world.slots.filter((other) => other !== slot));
  const behind = others.slice(0, world.random.chance(0.7) ? Math.floor(others.length / 2) : 0);
  const isActive = (): boolean => slot.process?.status.phase === "active";
  when(world, 5, isActive, () => {
    for (const other of behind) world.pause(other, world.random.integer(1_000, 2_500));
  });
  const hasVote = (): boolean => isActive() && world.mayLoseCopy(slot) && !slot.lostCopy;
  when(world, 20, hasVote, () => {
    world.scheduler.after(world.random.integer(0, 1_000), () => {
      if (world.isCalm || !hasVote()) return;
      world.crash(slot);
      putBack();
      give(world, slot, "put back", 10);
      if (behind.length > 0) for (const other of others) if (!behind.includes(other)) world.pause(other, 3_000);
    });
  });
}

function when(world: World, everyMs: number, holds: () => boolean, action: () => void): void {
  if (world.isCalm) return;
  if (holds()) action();
  else world.scheduler.after(everyMs, () => when(world, everyMs, holds, action));
}

function nameOfNext(slot: Slot): string {
  return `store-${slot.node}.${++slot.copies}`;
}
