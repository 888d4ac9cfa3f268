import { exchangeDisk, loseCopy, restoreOld } from "./copies.ts";
import { troubleWitness } from "./witness.ts";
import type { Random } from "./random.ts";
import type { Slot, World } from "./world.ts";

/** The faults of PROTOCOL part 4, drawn from the seed. */

const FAULTS: readonly { readonly weight: number; readonly inflict: (world: World, slot: Slot) => void }[] = [
  { weight: 6, inflict: (world, slot) => crashAndRestart(world, slot) },
  { weight: 2, inflict: (world) => crashAll(world) },
  { weight: 1, inflict: (world) => powerCut(world) },
  { weight: 4, inflict: (world, slot) => world.pause(slot, world.random.integer(50, 4_000)) },
  { weight: 4, inflict: (world) => partition(world) },
  { weight: 2, inflict: (world, slot) => cutOneWay(world, slot) },
  { weight: 2, inflict: (world, slot) => loseMessages(world, slot) },
  { weight: 3, inflict: (world, slot) => world.network.reconnect(slot.node) },
  { weight: 5, inflict: (world) => heal(world) },
  { weight: 1, inflict: (world, slot) => loseCopy(world, slot) },
  { weight: 1, inflict: (world, slot) => restoreOld(world, slot) },
  { weight: 2, inflict: (world, slot) => exchangeDisk(world, slot) },
  { weight: 4, inflict: (world, slot) => interrupt(world, slot) },
  { weight: 1, inflict: (world) => stall(world) },
  { weight: 1, inflict: (world) => partitionForLong(world) },
  { weight: 1, inflict: (world, slot) => freezeClock(world, slot) },
  { weight: 1, inflict: (world) => void (world.network.membershipDelayMaxMs = world.random.pick([150, 150, 1_500])) },
  { weight: 2, inflict: (world, slot) => slowDisk(world, slot) },
  { weight: 2, inflict: (world, slot) => jumpClock(world, slot) },
  { weight: 3, inflict: (world) => troubleWitness(world) },
  { weight: 1, inflict: (world) => forceStart(world) },
  { weight: 1, inflict: (world) => halve(world) },
  { weight: 1, inflict: (world) => oneByOne(world) },
  { weight: 1, inflict: (world) => void (world.network.delayMaxMs = world.random.pick([1, 3, 30, 120])) },
  { weight: 1, inflict: (world) => void (world.network.datagramLoss = world.random.pick([0, 0.05, 0.5, 1])) },
];

/** Each seed has faults of its own: some never happen in it and others often, so that few get in each other's way. */
export function createFaults(random: Random): (world: World) => void {
  const weights = FAULTS.map((fault) => fault.weight * random.pick([0, 1, 1, 5]));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return (world) => {
    let draw = world.random.next() * total;
    const drawn = weights.findIndex((weight) => (draw -= weight) < 0);
    if (drawn >= 0) FAULTS[drawn]!.inflict(world, world.random.pick(world.slots));
  };
}

/** Ends all faults: everything runs, everybody reaches everybody. */
export function endFaults(world: World): void {
  world.isCalm = true;
  world.network.heal();
  world.network.delayMaxMs = 3;
  world.network.membershipDelayMaxMs = 150;
  world.network.stalledUntilMs = 0;
  world.witness?.heal();
  for (const slot of world.slots) {
    slot.fuse = null;
    if (slot.isClockFrozen) world.setClockRate(slot, 1);
    slot.isClockFrozen = false;
    slot.disk.syncMaxMs = 3;
    world.start(slot);
  }
}

/** Two halves that do not hear each other, both at once; the witness decides if there is one. */
function halve(world: World): void {
  if (world.scheduler.nowMs < world.partedUntilMs) return;
  world.network.heal();
  const left = world.random.shuffle(world.slots).slice(0, Math.ceil(world.slots.length / 2));
  for (const a of left) {
    for (const b of world.slots) {
      if (left.includes(b)) continue;
      world.network.cut(a.node, b.node);
      world.network.cut(b.node, a.node);
    }
  }
  world.trace.add(world.scheduler.nowMs, null, "halves", left.map((slot) => slot.node).join(" "));
  const forMs = world.random.integer(2_000, 6_000);
  world.partedUntilMs = world.scheduler.nowMs + forMs;
  world.scheduler.after(forMs, () => heal(world));
}

/** One node after the other fails, slowly enough for the votes to follow; then they come back in another order. */
function oneByOne(world: World): void {
  const order = world.random.shuffle(world.slots).slice(1);
  for (const [position, slot] of order.entries()) {
    world.scheduler.after(position * 1_800, () => {
      if (!world.isCalm) world.crash(slot);
    });
    world.scheduler.after(order.length * 1_800 + world.random.integer(0, 2_000), () => world.start(slot));
  }
}

/** The operator stops everybody else, starts one by force, and the others, to join only, once it runs. */
function forceStart(world: World): void {
  const slot = world.random.pick(world.slots);
  if (slot.lostCopy || slot.process?.status.phase !== "active" || slot.process.lineage !== world.lineage || world.slots.some((other) => other.isHeldDown)) return;
  world.trace.add(world.scheduler.nowMs, slot.node, "force", "");
  for (const other of world.slots) {
    other.isHeldDown = other !== slot;
    world.crash(other);
  }
  world.start(slot, "force");
  const { member } = slot;
  const giveUpMs = world.scheduler.nowMs + 4_000;
  const look = (): void => {
    const runs = slot.member === member && slot.process?.status.phase === "active";
    if (!runs && slot.member === member && world.scheduler.nowMs < giveUpMs) return world.scheduler.after(50, look);
    // Who gives up the forced start ends it before others are started.
    if (!runs && slot.member === member) world.crash(slot);
    for (const other of world.slots) {
      other.isHeldDown = false;
      world.start(other);
    }
  };
  look();
}

export function crashAndRestart(world: World, slot: Slot): void {
  world.crash(slot);
  world.scheduler.after(world.random.pick([1, 30, 500, 3_000]), () => world.start(slot));
}

function crashAll(world: World): void {
  for (const slot of world.slots) crashAndRestart(world, slot);
}

/** All at once, while every disk has much that is not on it yet. */
function powerCut(world: World): void {
  for (const slot of world.slots) slot.disk.syncMaxMs = 400;
  world.trace.add(world.scheduler.nowMs, null, "slowDisk", "all 400 ms");
  world.scheduler.after(world.random.integer(100, 600), () => {
    for (const slot of world.slots) slot.disk.syncMaxMs = 3;
    if (!world.isCalm) crashAll(world);
  });
}

function partition(world: World): void {
  const left = world.slots.filter(() => world.random.chance(0.5));
  for (const a of left) {
    for (const b of world.slots) {
      if (left.includes(b)) continue;
      world.network.cut(a.node, b.node);
      world.network.cut(b.node, a.node);
    }
  }
  world.trace.add(world.scheduler.nowMs, null, "partition", `${left.map((slot) => slot.node).join(" ")} | ${world.slots.filter((slot) => !left.includes(slot)).map((slot) => slot.node).join(" ")}`);
}

function heal(world: World): void {
  if (world.scheduler.nowMs >= world.partedUntilMs) world.network.heal();
}

/** Long enough for everybody to settle in it. */
function partitionForLong(world: World): void {
  if (world.scheduler.nowMs < world.partedUntilMs) return;
  world.network.heal();
  partition(world);
  const forMs = world.random.integer(2_000, 6_000);
  world.partedUntilMs = world.scheduler.nowMs + forMs;
  world.scheduler.after(forMs, () => heal(world));
}

/** Nothing gets through for a while, and the engine does not notice. */
function stall(world: World): void {
  const forMs = world.random.integer(500, 2_500);
  world.trace.add(world.scheduler.nowMs, null, "stall", `${forMs} ms`);
  world.network.stalledUntilMs = world.scheduler.nowMs + forMs;
}

/** The process dies, or is stopped, somewhere inside a step: some of its effects were carried out, others not. */
function interrupt(world: World, slot: Slot): void {
  const dies = world.random.chance(0.6);
  world.interruptAfter(slot, world.random.integer(1, 40), () => {
    world.trace.add(world.scheduler.nowMs, slot.node, "interrupt", dies ? "dies" : "stops");
    if (dies) crashAndRestart(world, slot);
    else world.pause(slot, world.random.integer(50, 3_000));
  });
}

function freezeClock(world: World, slot: Slot): void {
  if (slot.isClockFrozen) return;
  world.trace.add(world.scheduler.nowMs, slot.node, "clock", "stands still");
  slot.isClockFrozen = true;
  world.setClockRate(slot, 0);
  world.scheduler.after(world.random.integer(200, 6_000), () => {
    if (!slot.isClockFrozen) return;
    slot.isClockFrozen = false;
    world.setClockRate(slot, 1);
  });
}

function cutOneWay(world: World, slot: Slot): void {
  const other = world.random.pick(world.slots);
  if (other === slot) return;
  world.trace.add(world.scheduler.nowMs, slot.node, "cut", `to n${other.node}`);
  world.network.cut(slot.node, other.node);
}

function loseMessages(world: World, slot: Slot): void {
  const other = world.random.pick(world.slots);
  if (other === slot) return;
  world.trace.add(world.scheduler.nowMs, slot.node, "lossy", `to n${other.node}`);
  world.network.lose(slot.node, other.node);
}

function slowDisk(world: World, slot: Slot): void {
  slot.disk.syncMaxMs = world.random.pick([20, 300, 1_500]);
  world.trace.add(world.scheduler.nowMs, slot.node, "slowDisk", `${slot.disk.syncMaxMs} ms`);
  world.scheduler.after(3_000, () => void (slot.disk.syncMaxMs = 3));
}

function jumpClock(world: World, slot: Slot): void {
  if (slot.isClockFrozen) return;
  world.setClockRate(slot, 1 + (world.random.next() - 0.5) * 0.2);
  slot.wallOffsetMs += world.random.integer(-3_600_000, 3_600_000);
  world.trace.add(world.scheduler.nowMs, slot.node, "clock", `wall jumps to ${slot.wallOffsetMs}`);
}
