import { describeNode, describeNodes } from "../../src/core/index.ts";
import type { Command } from "../../src/model/inputs.ts";
import { createAdministrator, firstCommands, healingCommands } from "./administrator.ts";
import type { SimulatedCluster } from "./cluster-process.ts";
import { lossIsAsForetold, mustServe } from "./settled.ts";
import type { RunHooks } from "./run.ts";
import type { Slot, World } from "./world.ts";

/** The last repair is done so long after the faults; from then on nobody asks for anything. */
const LAST_REPAIR_MS = 12_000;
const QUIET_FROM_MS = 22_000;
/** Longest wait for a node to be drained before its service is stopped all the same. */
const STOP_LIMIT_MS = 4_000;

/** Administrators at work, programs that fail, and what must hold in the end. */
export function clusterHooks(clusterOf: (world: World) => SimulatedCluster): RunHooks {
  const administrators = new WeakMap<World, () => Command>();
  return {
    begin: (world) => {
      const cluster = clusterOf(world);
      administrators.set(world, createAdministrator(world.random, { nodes: world.slots.length, witness: world.witness?.kind ?? null }));
      const commands = firstCommands(world.random, world.slots.length);
      const ask = (): void => {
        if (!world.isCalm && !askAnybody(world, cluster, commands)) world.scheduler.after(200, ask);
      };
      world.scheduler.after(500, ask);
    },
    updateEveryMaxMs: 120,
    disturb: (world) => {
      const cluster = clusterOf(world);
      const slot = world.random.pick(world.slots);
      const draw = world.random.next();
      if (draw < 0.01) cluster.killMonitor(slot);
      else if (draw < 0.08) cluster.monitors.get(slot.node)?.failOne();
      else if (draw < 0.18) cluster.monitors.get(slot.node)?.changeStatus();
      else if (draw < 0.19) shutDown(world, cluster, slot);
      else cluster.command(slot.node, administrators.get(world)!());
    },
    calm: (world) => {
      const cluster = clusterOf(world);
      for (const monitor of cluster.monitors.values()) monitor.becomeWell();
      // Administrators put everything back to work once the trouble is over.
      const heal = (): void => {
        for (const monitor of cluster.monitors.values()) monitor.becomeWell();
        askAnybody(world, cluster, healingCommands(world.slots.length));
      };
      world.scheduler.after(4_000, heal);
      world.scheduler.after(LAST_REPAIR_MS, heal);
      world.scheduler.after(QUIET_FROM_MS, () => cluster.checks.beginQuiet());
    },
    settled: (world) => {
      const cluster = clusterOf(world);
      cluster.checks.endQuiet();
      mustServe(world, cluster);
      if (world.random.chance(0.3)) lossIsAsForetold(world, cluster);
    },
  };
}

/** @returns whether there is anybody to ask */
function askAnybody(world: World, cluster: SimulatedCluster, commands: readonly Command[]): boolean {
  const slot = world.slots.find((candidate) => candidate.process?.status.phase === "active" && candidate.backlog === null);
  if (slot !== undefined) for (const command of commands) cluster.command(slot.node, command);
  return slot !== undefined;
}

/** Its service stops in good order: announced, drained, gone, and started again some time later. */
function shutDown(world: World, cluster: SimulatedCluster, slot: Slot): void {
  const { member } = slot;
  if (member === null) return;
  const name = `n${slot.node}`;
  cluster.command(slot.node, { verb: "node.shutdown", node: name, ...(world.random.chance(0.3) ? { drain: false } : {}) });
  const giveUpMs = world.scheduler.nowMs + STOP_LIMIT_MS;
  const look = (): void => {
    if (slot.member !== member || world.isCalm) return;
    const { state } = cluster.nodes.get(slot.node)!.machine;
    const known = describeNodes(state).some((node) => node.name === name);
    if (known && !describeNode(state, name).mayStop && world.scheduler.nowMs < giveUpMs) return world.scheduler.after(50, look);
    world.trace.add(world.scheduler.nowMs, slot.node, "stops", known && describeNode(state, name).mayStop ? "in good order" : "before it was drained");
    world.crash(slot);
    world.scheduler.after(world.random.pick([100, 1_000, 3_000]), () => world.start(slot));
  };
  world.scheduler.after(50, look);
}
