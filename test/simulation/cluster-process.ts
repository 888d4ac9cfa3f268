import { createState, describeGroups, durableRows, restore, snapshot, stateHash, step } from "../../src/core/index.ts";
import type { ClusterState, StepResult } from "../../src/core/index.ts";
import { REQUESTS_IN_FLIGHT_MAX } from "../../src/log/types.ts";
import type { LogEntry } from "../../src/log/types.ts";
import { isAdmitted } from "../../src/quorum/weights.ts";
import { payloadOf } from "../../src/log/codec.ts";
import type { QuorumMode } from "./quorum-mode.ts";
import type { Command, CoreInput } from "../../src/model/inputs.ts";
import { ClusterNode } from "../../src/service/node.ts";
import type { Row } from "../../src/service/state-machine.ts";
import { BrokenInvariant } from "./checker.ts";
import { Machine, SimulatedMonitor } from "./monitors.ts";
import type { RunHooks } from "./run.ts";
import type { ProcessFactory, SimulatedProcess, Slot, World } from "./world.ts";

const GROUPS = ["mail", "shop", "web"] as const;
/** Every so many entries a state is taken apart and put together, and must go on like the original. */
const SHADOW_EVERY = 40;
const SHADOW_FOR = 20;

/** What belongs to a whole simulated cluster beside its nodes. */
export class SimulatedCluster {
  readonly machine: Machine;
  readonly monitors = new Map<number, SimulatedMonitor>();
  readonly nodes = new Map<number, ClusterNode>();
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
    this.machine = new Machine(world);
  }

  factory(): ProcessFactory {
    return (options, durable, weights, environment): SimulatedProcess => {
      const { slot } = environment;
      const world = this.#world;
      const { self } = options;
      const shadow = new Shadow();
      // The monitor is a process of its own: it goes on while the service stands still.
      const monitor = new SimulatedMonitor(world, this.machine, slot, self, (report) => world.run(slot, self, () => {
        if (slot.process === process) node.onReport(report);
      }));
      const { claim: _claim, ...given } = environment;
      const node: ClusterNode = new ClusterNode(options, durable, weights, {
        ...given,
        order: (order) => environment.act(() => monitor.order(order)),
        inventory: () => monitor.inventory(),
        connectWitness: (record) => {
          const witness = world.witness?.connect(self.node, record.id) ?? null;
          // Answers come back into the process, if it still lives.
          const inside = <Result>(done: (result: Result) => void) => (result: Result): void => world.run(slot, self, () => done(result));
          return witness === null ? null : {
            initialise: (first, done) => witness.initialise(first, inside(done)),
            read: (done) => witness.read(inside(done)),
            append: (record, done) => witness.append(record, inside(done)),
          };
        },
        onClaim: (outcome) => world.countClaim(slot, outcome),
        holdsOf: (excluded) => world.holdsOf(excluded),
        witnessTimes: { probeMs: 1_000, retryMs: 1_500 },
        onEvents: (events) => {
          for (const event of events) world.trace.add(world.scheduler.nowMs, slot.node, "event", `${event.id} ${event.text}`);
        },
        onStatus: (status) => {
          environment.onStatus(status, node?.replica.committed ?? 0);
          // The worst moment for a monitor to die: what it had is on its way to the others.
          if (status.phase === "active" && !world.isCalm && world.random.chance(0.03)) world.scheduler.after(world.random.next() * 10, () => this.killMonitor(slot));
        },
        onEntry: (entry, result, replayed) => {
          const { outcome } = result;
          if (outcome !== null && !outcome.duplicate) world.checker.onCarriedOut(outcome.requestId, entry);
          const asks = outcome === null ? undefined : world.slots[outcome.requestId.node - 1]!.member;
          if (outcome?.duplicate === true && outcome.error === null && asks?.incarnation === outcome.requestId.incarnation) world.checker.onRepeated(outcome.requestId);
          if (result.fault !== null) throw new BrokenInvariant(`the core failed at ${entry.epoch}.${entry.index}: ${result.fault.message}`);
          if (!replayed) this.#watchStarts(entry, result);
          environment.onStepped(entry, node.machine.hash(), replayed);
          shadow.onEntry(node.machine.state, entry, replayed);
        },
      });
      this.monitors.set(slot.node, monitor);
      this.nodes.set(slot.node, node);
      const process: SimulatedProcess = {
        onMembers: (members) => node.onMembers(members),
        onMessage: (from, payload) => node.onMessage(from, payload),
        tick: () => node.tick(),
        flush: () => node.flush(),
        serveFetch: (request) => node.replica.serveFetch(request),
        end: () => {
          node.end();
          monitor.end(world.random.chance(0.5) ? 0 : world.random.next() * 100);
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
        get storeIsAdmitted() {
          return isAdmitted(node.replica.weights, { node: options.self.node, store: options.store });
        },
        get weights() {
          return node.replica.weights;
        },
        get lineage() {
          return node.replica.lineage;
        },
        get promised() {
          return Number(node.replica.tag.split(":")[0]);
        },
        stateText: () => node.machine.hash(),
        read: (done) => node.read((ok) => {
          if (ok) done();
        }),
        update: (done) => {
          const key = `k${world.random.integer(0, 9)}`;
          this.command(slot.node, { verb: "database.batch", operations: [{ operation: "set", key, value: { type: "number", value: world.random.integer(0, 999) } }] }, done);
        },
      };
      return process;
    };
  }

  /** Which node reported in which epoch that it runs something of a role: then no excluded node does. */
  readonly #seen = new Map<string, number>();
  #watched = "";

  #watchStarts(entry: LogEntry, result: StepResult): void {
    const place = `${entry.epoch}.${entry.index}`;
    if (this.#watched === place || entry.body.type !== "input") return;
    this.#watched = place;
    const input = JSON.parse(entry.body.payload) as CoreInput;
    const groupOf = (resource: string): string => [...this.nodes.values()].map((node) => node.machine.state.tables.resources.get(resource)?.group).find((group) => group !== undefined) ?? "";
    if (input.kind === "report" && input.state === "online") this.#seen.set(groupOf(input.resource), entry.epoch);
    if (input.kind === "inventory") for (const item of input.resources) if (item.state === "online") this.#seen.set(groupOf(item.resource), entry.epoch);
    for (const effect of result.effects) {
      const seen = this.#seen.get(effect.group) === entry.epoch;
      if (effect.action === "online" && !seen) this.#world.onStartOfOther(entry, effect.resource.name, effect.resource.type === "IP Address" ? "leaseMs" : "permitMs");
    }
  }

  command(nodeId: number, command: Command, done?: (sequence: number) => void): void {
    const node = this.nodes.get(nodeId);
    const slot = this.#world.slots[nodeId - 1]!;
    if (node === undefined || slot.process === null || slot.backlog !== null) return;
    // More than it can queue is refused; that is as it should be.
    if (node.commandsWaiting >= REQUESTS_IN_FLIGHT_MAX) return;
    this.#world.run(slot, slot.member!, () => {
      node.command(command, (outcome) => {
        if (outcome.error !== null) return;
        const sequence = this.#world.checker.sequenceAt(outcome.at.epoch, outcome.at.index);
        if (sequence === null) return;
        this.#world.checker.onAcknowledged(outcome.at.epoch, sequence);
        done?.(sequence);
      });
      node.flush();
    });
  }

  /** The monitor dies with all it runs; another one takes its place. */
  killMonitor(slot: Slot): void {
    const { member } = slot;
    if (member === null) return;
    this.#world.trace.add(this.#world.scheduler.nowMs, slot.node, "monitor", "killed");
    this.monitors.get(slot.node)!.die();
    this.#world.scheduler.after(this.#world.random.next() * 50, () => this.#world.run(slot, member, () => this.nodes.get(slot.node)!.onMonitorDied()));
  }
}

/** Steps a restored copy of the state beside the original and compares. */
class Shadow {
  #state: ClusterState | null = null;
  #since = 0;
  #last = { epoch: 0, index: 0 };

  onEntry(original: ClusterState, entry: LogEntry, replayed: boolean): void {
    this.#since++;
    const follows = entry.epoch === this.#last.epoch && entry.index === this.#last.index + 1;
    this.#last = entry;
    if (!follows || replayed) this.#state = null;
    else if (this.#state !== null) {
      step(this.#state, { epoch: entry.epoch, index: entry.index, clusterTimeMs: entry.clusterTimeMs, wallTimeMs: entry.wallTimeMs }, JSON.parse(payloadOf(entry.body)) as CoreInput);
      if (stateHash(this.#state) !== stateHash(original)) throw new BrokenInvariant(`a restored state goes another way at ${entry.epoch}.${entry.index}`);
    }
    if (this.#since > SHADOW_FOR) this.#state = null;
    if (this.#since < SHADOW_EVERY) return;
    this.#since = 0;
    this.#state = restore(snapshot(original));
    if (stateHash(this.#state) !== stateHash(original)) throw new BrokenInvariant(`a restored state is another one at ${entry.epoch}.${entry.index}`);
  }
}

/** The rows every store of a simulated cluster begins with. */
export function genesisRows(mode: QuorumMode): readonly Row[] {
  const members = Array.from({ length: mode.nodes }, (_, position) => ({ id: position + 1, name: `n${position + 1}` }));
  const rows = durableRows(createState({ clusterId: "simulated", clusterName: "simulated", nodes: members }));
  const cluster = { ...(mode.dynamicQuorum ? {} : { DynamicQuorum: 0 }), ...(mode.lowerQuorumPriorityNode === 0 ? {} : { LowerQuorumPriorityNodeID: mode.lowerQuorumPriorityNode }) };
  return rows.map((row) => {
    const record = JSON.parse(row.value) as { properties: Record<string, unknown> };
    if (row.table === "cluster") record.properties = { ...record.properties, ...cluster };
    if (row.table === "nodes" && mode.withoutWeight.includes(Number(row.key))) record.properties = { NodeWeight: 0 };
    return { ...row, value: JSON.stringify(record) };
  });
}

/** Administrators at work, programs that fail, and what must hold in the end. */
export function clusterHooks(clusterOf: (world: World) => SimulatedCluster): RunHooks {
  return {
    disturb: (world) => {
      const cluster = clusterOf(world);
      const slot = world.random.pick(world.slots);
      if (world.random.chance(0.03)) cluster.killMonitor(slot);
      else if (world.random.chance(0.3)) cluster.monitors.get(slot.node)?.failOne();
      else cluster.command(slot.node, randomCommand(world));
    },
    calm: (world) => {
      const cluster = clusterOf(world);
      // Administrators put everything back to work once the trouble is over.
      world.scheduler.after(4_000, () => healthyAgain(world, cluster));
      world.scheduler.after(12_000, () => healthyAgain(world, cluster));
    },
    settled: (world) => mustServe(clusterOf(world)),
  };
}

function healthyAgain(world: World, cluster: SimulatedCluster): void {
  const [first] = world.slots;
  for (const slot of world.slots) cluster.command(first!.node, { verb: "node.resume", node: `n${slot.node}` });
  for (const group of GROUPS) {
    cluster.command(first!.node, { verb: "group.create", name: group });
    cluster.command(first!.node, { verb: "resource.create", name: `${group} address`, group, type: "IP Address", privateProperties: { Address: "127.0.0.100" } });
    cluster.command(first!.node, { verb: "group.online", group });
  }
}

function randomCommand(world: World): Command {
  const group = world.random.pick(GROUPS);
  const node = `n${world.random.integer(1, world.slots.length)}`;
  if (world.witness !== null && world.random.chance(0.15)) return { verb: "quorum.set", witness: world.random.chance(0.8) ? { kind: "daemon", properties: { Address: "witness:1" } } : null };
  switch (world.random.integer(0, 13)) {
    case 0:
    case 1:
      return { verb: "group.create", name: group, preferredOwners: world.random.chance(0.3) ? [node] : [] };
    case 2:
      return { verb: "resource.create", name: `${group} address`, group, type: "IP Address", privateProperties: { Address: "127.0.0.100" } };
    case 3:
    case 4:
      return { verb: "resource.create", name: `${group} program`, group, type: "Generic Application", privateProperties: { CommandLine: "true" }, dependency: `[${group} address]` };
    case 5:
    case 6:
    case 7:
      return { verb: "group.online", group };
    case 8:
      return { verb: "group.offline", group };
    case 9:
      return { verb: "group.move", group, node: world.random.chance(0.5) ? node : undefined };
    case 10:
      return { verb: "node.pause", node, drain: world.random.chance(0.7) };
    case 11:
      return { verb: "node.resume", node, failback: world.random.chance(0.5) };
    case 12:
      return world.random.chance(0.2) ? { verb: "group.delete", group, force: true } : { verb: "resource.fail", resource: `${group} program` };
    default:
      return { verb: "resource.set", resource: `${group} program`, properties: { RestartThreshold: world.random.integer(0, 3) } };
  }
}

/** After the faults: every role that shall be online is, on one node, and runs there and nowhere else. */
function mustServe(cluster: SimulatedCluster): void {
  const { state } = cluster.nodes.get(1)!.machine;
  for (const group of describeGroups(state)) {
    const wanted = group.wantedState === "Online" ? "Online" : "Offline";
    if (group.state !== wanted) throw new BrokenInvariant(`the role ${group.name} shall be ${wanted} and is ${group.state} on ${group.ownerNode}: ${group.reason.text}`);
  }
  const running = cluster.machine.running();
  const owners = new Map(describeGroups(state).flatMap((group) => group.resources.map((resource) => [resource, group] as const)));
  for (const copy of running) {
    const group = owners.get(copy.resource);
    if (group === undefined || group.ownerNode !== `n${copy.node}` || group.state !== "Online") throw new BrokenInvariant(`${copy.resource} runs on node ${copy.node}, but ${group === undefined ? "it was deleted" : `its role is ${group.state} on ${group.ownerNode}`}`);
  }
  for (const [resource, group] of owners) {
    if (group.state === "Online" && !running.some((copy) => copy.resource === resource)) throw new BrokenInvariant(`${resource} shall run on ${group.ownerNode} and does not`);
  }
}
