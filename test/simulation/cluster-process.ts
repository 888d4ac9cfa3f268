import { createState, durableRows, restore, snapshot, stateHash, step } from "../../src/core/index.ts";
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
import { CoreChecks } from "./core-checks.ts";
import { CoreCoverage } from "./core-coverage.ts";
import type { ProcessFactory, SimulatedProcess, Slot, World } from "./world.ts";

/** Every so many entries a state is taken apart and put together, and must go on like the original. */
const SHADOW_EVERY = 40;
const SHADOW_FOR = 20;

/** What belongs to a whole simulated cluster beside its nodes. */
export class SimulatedCluster {
  readonly machine: Machine;
  readonly monitors = new Map<number, SimulatedMonitor>();
  readonly nodes = new Map<number, ClusterNode>();
  readonly checks = new CoreChecks();
  readonly #coverage: CoreCoverage;
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
    this.#coverage = new CoreCoverage(world.coverage);
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
          if (!replayed && this.#isNewest(entry)) this.#watch(entry, node.machine.state, result);
          environment.onStepped(entry, node.machine.hash(), replayed);
          shadow.onEntry(node.machine.state, entry, replayed);
        },
      });
      this.monitors.set(slot.node, monitor);
      this.nodes.set(slot.node, node);
      const process: SimulatedProcess = {
        onMembers: (members) => node.onMembers(members),
        onMessage: (from, payload) => node.onMessage(from, payload),
        onDatagram: (from, payload) => node.replica.onDatagram(from, payload),
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
  #newest = { epoch: 0, index: 0 };

  /** Every node steps every entry: what it does is looked at once. */
  #isNewest({ epoch, index }: LogEntry): boolean {
    if (epoch < this.#newest.epoch || (epoch === this.#newest.epoch && index <= this.#newest.index)) return false;
    this.#newest = { epoch, index };
    return true;
  }

  #watch(entry: LogEntry, state: ClusterState, result: StepResult): void {
    const input = JSON.parse(payloadOf(entry.body)) as CoreInput;
    this.#coverage.onStep(state, input, result);
    this.checks.onStep(entry, state, input, result);
    this.#watchStarts(entry, input, result);
  }

  #watchStarts(entry: LogEntry, input: CoreInput, result: StepResult): void {
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
