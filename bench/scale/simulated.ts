import { describeGroups } from "../../src/core/index.ts";
import type { Command } from "../../src/model/inputs.ts";
import { ClusterNode } from "../../src/service/node.ts";
import { genesisRows } from "../../test/simulation/cluster-process.ts";
import { Machine, SimulatedMonitor } from "../../test/simulation/monitors.ts";
import type { QuorumMode } from "../../test/simulation/quorum-mode.ts";
import { World } from "../../test/simulation/world.ts";
import type { ProcessFactory, Slot } from "../../test/simulation/world.ts";

/**
 * Whole nodes (log, core, node code) in one process, on the simulator's network, disks, monitors and clock. Time is
 * simulated: it shows what the protocol waits for, not what processors take; that is counted beside it.
 */

const IDLE_MS = 20_000;
const LIMIT_MS = 120_000;
const STEP_MS = 20;
const STARTS_WITHIN_MS = 300;

export interface SimulatedFigures {
  /** All nodes from their start until all are in one view. */
  readonly coldStartMs: number;
  /** One node, started again, until all are in one view. */
  readonly joinMs: number;
  readonly failoverMs: number;
  /** Processor time of this process for the failover, for each node; the simulator's own part is in it. */
  readonly failoverCpuMs: number;
  /** Processor time of this process when nothing happens, per cent of a core for each node. */
  readonly idlePercent: number;
}

/** @throws Error when something does not come within two simulated minutes */
export function measureSimulated(nodes: number, roles: number, seed: number): SimulatedFigures {
  const cluster = new Simulated(nodes, seed);
  const { world } = cluster;
  for (const slot of world.slots) world.scheduler.after(world.random.next() * STARTS_WITHIN_MS, () => world.start(slot));
  const coldStartMs = cluster.until("all nodes are in one view", () => cluster.isWhole());
  const lost = world.slots[Math.floor(nodes / 2)]!;
  world.crash(lost);
  cluster.until("the others go on without one node", () => cluster.activeCount() === nodes - 1);
  world.start(lost);
  const joinMs = cluster.until("the node is back", () => cluster.isWhole());

  const idleFrom = process.cpuUsage();
  world.runUntil(world.scheduler.nowMs + IDLE_MS);
  const idlePercent = (milliseconds(process.cpuUsage(idleFrom)) / IDLE_MS / nodes) * 100;

  cluster.makeRoles(roles, `n${lost.node}`);
  world.crash(lost);
  const failoverFrom = process.cpuUsage();
  const failoverMs = cluster.until("all roles are online elsewhere", () => cluster.onlineCount() === roles);
  return { coldStartMs, joinMs, failoverMs, failoverCpuMs: milliseconds(process.cpuUsage(failoverFrom)) / nodes, idlePercent };
}

function milliseconds({ user, system }: NodeJS.CpuUsage): number {
  return (user + system) / 1_000;
}

class Simulated {
  readonly world: World;
  readonly #nodes = new Map<number, ClusterNode>();
  readonly #count: number;

  constructor(count: number, seed: number) {
    this.#count = count;
    const mode: QuorumMode = { nodes: count, witness: null, dynamicQuorum: true, withoutWeight: [], lowerQuorumPriorityNode: 0, holdMs: 0 };
    this.world = new World({ seed, nodes: count, trace: false, rows: genesisRows(mode), mode, factory: (world) => this.#factory(world) });
    // Nothing fails by chance.
    this.world.isCalm = true;
  }

  /** As the simulator's own, without what watches every step: that would be most of what is counted. */
  #factory(world: World): ProcessFactory {
    const machine = new Machine(world);
    return (options, durable, weights, environment) => {
      const { slot, claim: _claim, ...given } = environment;
      const { self } = options;
      const monitor = new SimulatedMonitor(world, machine, slot, self, (report) => world.run(slot, self, () => node.onReport(report)));
      const node: ClusterNode = new ClusterNode(options, durable, weights, {
        ...given,
        order: (order) => environment.act(() => monitor.order(order)),
        inventory: () => monitor.inventory(),
        holdsOf: (excluded) => world.holdsOf(excluded),
        onEvents: () => undefined,
        onStatus: () => undefined,
      });
      this.#nodes.set(slot.node, node);
      return {
        onMembers: (members) => node.onMembers(members),
        onMessage: (from, payload) => node.onMessage(from, payload),
        onDatagram: (from, payload) => node.replica.onDatagram(from, payload),
        tick: () => node.tick(),
        flush: () => node.flush(),
        serveFetch: (request) => node.replica.serveFetch(request),
        end: () => {
          node.end();
          monitor.end(0);
        },
        get status() {
          return node.replica.status;
        },
        get committed() {
          return node.replica.committed;
        },
        get requestsWaiting() {
          return node.replica.requestsWaiting;
        },
        storeIsAdmitted: true,
        get weights() {
          return node.replica.weights;
        },
        get lineage() {
          return node.replica.lineage;
        },
        promised: 0,
        stateText: () => node.machine.hash(),
        read: () => undefined,
        update: () => undefined,
      };
    };
  }

  /** Nodes that run and are active in the view of the first one that runs. */
  activeCount(): number {
    const running = this.world.slots.filter((slot) => slot.process !== null);
    const first = running[0]?.process?.status;
    if (first?.phase !== "active") return 0;
    return running.filter(({ process }) => process!.status.phase === "active" && process!.status.epoch === first.epoch && process!.status.members.length === running.length).length;
  }

  isWhole(): boolean {
    return this.activeCount() === this.#count;
  }

  /** Roles that somebody who runs has online, as the first node that runs knows it. */
  onlineCount(): number {
    const slot = this.#firstRunning();
    const up = new Set(this.world.slots.filter((one) => one.process !== null).map((one) => `n${one.node}`));
    return describeGroups(this.#nodes.get(slot.node)!.machine.state).filter((group) => group.name.startsWith("role-") && group.state === "Online" && up.has(group.ownerNode ?? "")).length;
  }

  makeRoles(count: number, node: string): void {
    let done = 0;
    for (let number = 0; number < count; number++) {
      const name = `role-${number}`;
      this.#command({ verb: "group.create", name }, () => undefined);
      this.#command({ verb: "resource.create", name: `${name} address`, group: name, type: "IP Address", privateProperties: { Address: "127.0.0.100" } }, () => undefined);
      this.#command({ verb: "group.online", group: name, node }, () => done++);
      if (number % 10 === 9 || number === count - 1) this.until("roles are made", () => done === number + 1);
    }
    this.until("all roles are online", () => this.onlineCount() === count);
  }

  #command(command: Command, done: () => void): void {
    const slot = this.#firstRunning();
    const node = this.#nodes.get(slot.node)!;
    this.world.run(slot, slot.member!, () => {
      node.command(command, (outcome) => {
        if (outcome.error !== null) throw new Error(`${command.verb}: ${outcome.error.message}`);
        done();
      });
      node.flush();
    });
  }

  #firstRunning(): Slot {
    return this.world.slots.find((slot) => slot.process !== null)!;
  }

  /** @returns how long it took, in simulated milliseconds @throws Error */
  until(what: string, holds: () => boolean): number {
    const fromMs = this.world.scheduler.nowMs;
    while (!holds()) {
      if (this.world.scheduler.nowMs - fromMs > LIMIT_MS) throw new Error(`not within ${LIMIT_MS / 1_000} simulated seconds: ${what}`);
      this.world.runUntil(this.world.scheduler.nowMs + STEP_MS);
    }
    return this.world.scheduler.nowMs - fromMs;
  }
}
