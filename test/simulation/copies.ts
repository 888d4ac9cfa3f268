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
 * count for nothing by then. Both are losses of a copy. At the worst, as many of the others as can spare the
 * rest once the old disk is back do not hear of the vote, and those who do stand still then.
 */
export function exchangeDisk(world: World, slot: Slot): void {
  if (!world.mayLoseCopy(slot)) return;
  world.crash(slot);
  const putBack = slot.disk.takeOut(nameOfNext(slot));
  give(world, slot, "exchanged", 50);
  const isWorst = world.random.chance(0.7);
  let behind: readonly Slot[] = [];
  const isActive = (): boolean => slot.process?.status.phase === "active";
  when(world, 2, isActive, () => {
    if (isWorst) behind = leaveBehind(world, slot);
  });
  const hasVote = (): boolean => isActive() && world.mayLoseCopy(slot) && !slot.lostCopy;
  when(world, 20, hasVote, () => {
    world.scheduler.after(world.random.integer(0, 600), () => {
      if (world.isCalm || !hasVote()) return;
      world.crash(slot);
      putBack();
      give(world, slot, "put back", 10);
      if (behind.length === 0) return;
      for (const other of world.slots) if (other !== slot && !behind.includes(other)) world.pause(other, 3_000);
      world.network.heal();
    });
  });
}

/** Some members of the view, never its orderer, hear nothing any more. */
function leaveBehind(world: World, slot: Slot): readonly Slot[] {
  const { status } = slot.process!;
  const others = world.slots.filter((other) => other !== slot && status.phase === "active" && other.node !== status.orderer);
  const behind = world.random.shuffle(others).slice(0, Math.floor((world.slots.length - 1) / 2));
  world.trace.add(world.scheduler.nowMs, slot.node, "behind", behind.map((other) => other.node).join(" "));
  for (const deaf of behind) for (const other of world.slots) if (other !== deaf && !behind.includes(other)) world.network.lose(other.node, deaf.node, 1);
  return behind;
}

function when(world: World, everyMs: number, holds: () => boolean, action: () => void): void {
  if (world.isCalm) return;
  if (holds()) action();
  else world.scheduler.after(everyMs, () => when(world, everyMs, holds, action));
}

function nameOfNext(slot: Slot): string {
  return `store-${slot.node}.${++slot.copies}`;
}
