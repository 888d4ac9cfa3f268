import type { Slot, World } from "./world.ts";

/** The faults of PROTOCOL part 4, drawn from the seed. */

const FAULTS: readonly { readonly weight: number; readonly inflict: (world: World, slot: Slot) => void }[] = [
  { weight: 6, inflict: (world, slot) => crashAndRestart(world, slot) },
  { weight: 2, inflict: (world) => crashAll(world) },
  { weight: 4, inflict: (world, slot) => world.pause(slot, world.random.integer(50, 4_000)) },
  { weight: 4, inflict: (world) => partition(world) },
  { weight: 2, inflict: (world, slot) => cutOneWay(world, slot) },
  { weight: 2, inflict: (world, slot) => loseMessages(world, slot) },
  { weight: 3, inflict: (world, slot) => world.network.reconnect(slot.node) },
  { weight: 5, inflict: (world) => world.network.heal() },
  { weight: 1, inflict: (world, slot) => wipe(world, slot) },
  { weight: 1, inflict: (world, slot) => restoreOld(world, slot) },
  { weight: 2, inflict: (world, slot) => slowDisk(world, slot) },
  { weight: 2, inflict: (world, slot) => jumpClock(world, slot) },
  { weight: 1, inflict: (world) => void (world.network.delayMaxMs = world.random.pick([1, 3, 30, 120])) },
];

export function inflictFault(world: World): void {
  const total = FAULTS.reduce((sum, fault) => sum + fault.weight, 0);
  let draw = world.random.integer(1, total);
  for (const fault of FAULTS) {
    draw -= fault.weight;
    if (draw > 0) continue;
    fault.inflict(world, world.random.pick(world.slots));
    return;
  }
}

/** Ends all faults: everything runs, everybody reaches everybody. */
export function endFaults(world: World): void {
  world.isCalm = true;
  world.network.heal();
  world.network.delayMaxMs = 3;
  for (const slot of world.slots) {
    slot.disk.syncMaxMs = 3;
    world.start(slot);
  }
}

function crashAndRestart(world: World, slot: Slot): void {
  world.crash(slot);
  world.scheduler.after(world.random.pick([1, 30, 500, 3_000]), () => world.start(slot));
}

function crashAll(world: World): void {
  for (const slot of world.slots) crashAndRestart(world, slot);
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

/** At most a minority may ever be without a good copy at once: more is loss by the operator, not by us. */
function mayLoseCopy(world: World, slot: Slot): boolean {
  const without = world.slots.filter((other) => other !== slot && (other.process === null || !other.process.storeHasVote || other.process.status.phase !== "active"));
  return 2 * (without.length + 1) < world.slots.length;
}

function wipe(world: World, slot: Slot): void {
  if (!mayLoseCopy(world, slot)) return;
  world.crash(slot);
  slot.disk.wipe(`${slot.disk.storeId}'`);
  world.trace.add(world.scheduler.nowMs, slot.node, "wiped", slot.disk.storeId);
  world.scheduler.after(100, () => world.start(slot));
}

function restoreOld(world: World, slot: Slot): void {
  const restore = slot.disk.backup();
  world.scheduler.after(world.random.integer(100, 3_000), () => {
    if (world.isCalm || !mayLoseCopy(world, slot)) return;
    world.crash(slot);
    restore();
    world.trace.add(world.scheduler.nowMs, slot.node, "restored", slot.disk.storeId);
    world.scheduler.after(50, () => world.start(slot));
  });
}

function slowDisk(world: World, slot: Slot): void {
  slot.disk.syncMaxMs = world.random.pick([20, 300, 1_500]);
  world.trace.add(world.scheduler.nowMs, slot.node, "slowDisk", `${slot.disk.syncMaxMs} ms`);
  world.scheduler.after(3_000, () => void (slot.disk.syncMaxMs = 3));
}

function jumpClock(world: World, slot: Slot): void {
  world.setClockRate(slot, 1 + (world.random.next() - 0.5) * 0.2);
  slot.wallOffsetMs += world.random.integer(-3_600_000, 3_600_000);
  world.trace.add(world.scheduler.nowMs, slot.node, "clock", `wall jumps to ${slot.wallOffsetMs}`);
}
