import assert from "node:assert/strict";
import * as core from "../../../src/core/index.ts";
import type { ClusterState, StepResult } from "../../../src/core/index.ts";
import type { Command, CoreInput, Effect, InventoryItem, ReportInput, Stamp } from "../../../src/model/inputs.ts";
import { Dice } from "./driver.ts";

/**
 * A cluster whose nodes, monitors and administrators do random things, all from one seed:
 * orders arrive late or are lost with a view, programs fail, nodes die and come back, reports
 * come twice. The log of everything the core was fed is kept.
 */
interface Machine {
  readonly id: number;
  incarnation: number;
  up: boolean;
  /** What its monitor runs. */
  readonly runs: Map<string, InventoryItem>;
  /** Orders not yet carried out, oldest first. */
  orders: Effect[];
  /** Orders carried out: a monitor is idempotent by id. */
  done: Map<string, ReportInput>;
  /** Reports on their way, oldest first. */
  reports: CoreInput[];
  inventoryDue: boolean;
}

export interface LoggedStep {
  readonly stamp: Stamp;
  readonly input: CoreInput;
}

export class World {
  readonly dice: Dice;
  state: ClusterState;
  readonly log: LoggedStep[] = [];
  readonly machines: Machine[];
  epoch = 0;
  index = 0;
  now = 0;
  /** While true all nodes may lose their run-time state at once; such a log cannot be replayed from its beginning. */
  forgets = false;
  /** While true nothing goes wrong. */
  calm = false;
  #numbers = new Map<string, number>();
  readonly onStep: (world: World, before: ClusterState | null, step: LoggedStep, result: StepResult) => void;
  readonly names = ["node1", "node2", "node3", "node4"];

  constructor(seed: number, nodes: number, onStep: World["onStep"] = () => {}) {
    this.dice = new Dice(seed);
    this.onStep = onStep;
    this.names = this.names.slice(0, nodes);
    this.state = core.createState(this.genesis());
    this.machines = this.names.map((_, position) => ({ id: position + 1, incarnation: 1, up: true, runs: new Map(), orders: [], done: new Map(), reports: [], inventoryDue: false }));
    this.view();
    this.#populate();
  }

  /** Some roles to begin with: chains, and two that stand on either of two providers. */
  #populate(): void {
    for (let number = 0; number < 4; number++) {
      const group = `group-${number}`;
      this.command({ verb: "group.create", name: group, preferredOwners: this.dice.chance(50) ? [this.dice.pick(this.names)] : [] });
      const create = (name: string, dependency: string | null): void => {
        const properties = { RestartThreshold: this.dice.below(3), RestartAction: this.dice.chance(80) ? 2 : this.dice.below(2) };
        this.command({ verb: "resource.create", name, group, type: "Generic Application", privateProperties: { CommandLine: "x" }, properties, ...(dependency === null ? {} : { dependency }) });
      };
      create(`resource-${number}`, null);
      create(`resource-${number + 4}`, number % 2 === 0 ? null : `[resource-${number}]`);
      create(`resource-${number + 8}`, number % 2 === 0 ? `([resource-${number}] or [resource-${number + 4}])` : `[resource-${number + 4}]`);
      this.command({ verb: "group.online", group });
    }
  }

  genesis(): core.Genesis {
    return { clusterId: "world", clusterName: "world", nodes: this.names.map((name, position) => ({ id: position + 1, name })) };
  }

  feed(input: CoreInput): StepResult {
    const step = { stamp: { epoch: this.epoch, index: this.index, clusterTimeMs: this.now, wallTimeMs: 1_000_000 + this.now }, input };
    this.index += 1;
    this.log.push(step);
    const result = core.step(this.state, step.stamp, step.input);
    assert.equal(result.fault, null, result.fault?.message);
    if (input.kind === "due") assert.ok((core.nextDeadline(this.state) ?? Number.POSITIVE_INFINITY) > this.now, "what was due is due no longer");
    for (const effect of result.effects) this.machines.find((machine) => machine.id === effect.node)?.orders.push(effect);
    this.onStep(this, null, step, result);
    this.checkNothingRunsTwice();
    // The service of the orderer sends what the state asks for; sometimes that is lost.
    for (const request of result.requests) if (this.calm || this.dice.chance(70)) this.command(request);
    return result;
  }

  view(): void {
    this.epoch += 1;
    this.index = 0;
    const present = this.machines.filter((machine) => machine.up);
    // What was on its way in the old view is lost; levels are said again by the inventory.
    for (const machine of present) {
      if (this.dice.chance(50)) machine.orders = [];
      machine.reports = [];
      machine.inventoryDue = true;
    }
    const first = present[0] as Machine;
    this.feed({ kind: "view", members: present.map(({ id, incarnation }) => ({ node: id, incarnation })), learners: [], orderer: first.id });
  }

  turn(): void {
    this.now += this.dice.below(this.calm ? 2_000 : 400);
    const due = core.nextDeadline(this.state);
    if (due !== null && due <= this.now) this.feed({ kind: "due" });
    const present = this.machines.filter((candidate) => candidate.up);
    const busy = present.filter((candidate) => candidate.inventoryDue || candidate.orders.length > 0 || candidate.reports.length > 0);
    const machine = this.dice.pick(busy.length > 0 && this.dice.chance(80) ? busy : present);
    const luck = this.dice.below(100);
    if (machine.inventoryDue && (this.calm || luck < 50)) return this.#sendInventory(machine);
    if (luck < 45) return this.#carryOutOne(machine);
    if (luck < 85) return this.#deliverOne(machine);
    if (this.calm) return;
    if (luck < 90) return this.#somethingFails(machine);
    if (luck < 92) return this.#changeMembers();
    this.#administer();
  }

  #sendInventory(machine: Machine): void {
    machine.inventoryDue = false;
    // What is on its way says the same or less.
    machine.reports = [];
    this.feed({ kind: "inventory", from: { node: machine.id, incarnation: machine.incarnation }, resources: [...machine.runs.values()] });
  }

  #carryOutOne(machine: Machine): void {
    const effect = machine.orders.shift();
    if (effect === undefined) return;
    const done = machine.done.get(effect.id);
    if (done !== undefined) {
      // Carried out before: what is said is how it stands now, not how it stood then.
      const ended = done.state === "online" && !machine.runs.has(effect.resource.id);
      machine.reports.push(ended ? { ...done, state: "failed", reason: "it died", processId: null } : done);
      return;
    }
    const id = effect.resource.id;
    const had = machine.runs.get(id);
    const answer = (state: ReportInput["state"], generation: number, processId: number | null): void => {
      const report: ReportInput = { kind: "report", from: { node: machine.id, incarnation: machine.incarnation }, resource: id, generation, effect: effect.id, state, reason: state === "failed" ? "it broke" : "", processId };
      machine.done.set(effect.id, report);
      machine.reports.push(report);
    };
    if (effect.action === "online") {
      assert.ok(had === undefined || had.generation === effect.generation, `${effect.resource.name} is started over an older copy`);
      if (!this.calm && this.dice.chance(15)) {
        machine.runs.delete(id);
        return answer("failed", effect.generation, null);
      }
      machine.runs.set(id, { resource: id, generation: effect.generation, state: "online", effect: effect.id, processId: this.now });
      return answer("online", effect.generation, this.now);
    }
    if (had !== undefined && had.generation > effect.generation) return answer("offline", effect.generation, null);
    machine.runs.delete(id);
    answer("offline", effect.generation, null);
  }

  #deliverOne(machine: Machine): void {
    const report = machine.reports.shift();
    // FIFO per sender: nothing overtakes the inventory of a view.
    if (report === undefined) return;
    if (machine.inventoryDue) return this.#sendInventory(machine);
    this.feed(report);
    // Sent again before it was seen; whatever else happens may come in between.
    if (!this.calm && this.dice.chance(15)) machine.reports.unshift(report);
  }

  #somethingFails(machine: Machine): void {
    const item = this.dice.pick([...machine.runs.values(), null]);
    if (item === null) return;
    machine.runs.delete(item.resource);
    machine.reports.push({ kind: "report", from: { node: machine.id, incarnation: machine.incarnation }, resource: item.resource, generation: item.generation, effect: null, state: "failed", reason: "it died", processId: null });
  }

  #changeMembers(): void {
    const machine = this.dice.pick(this.machines);
    const ups = this.machines.filter((candidate) => candidate.up).length;
    if (this.forgets && this.dice.chance(10)) return this.#forget();
    if (machine.up && this.dice.chance(40)) return this.view();
    if (machine.up && ups === 1) return;
    machine.up = !machine.up || this.dice.chance(20);
    machine.incarnation += 1;
    machine.runs.clear();
    machine.orders = [];
    machine.done = new Map();
    machine.reports = [];
    machine.inventoryDue = false;
    this.view();
  }

  /** A cold start while everything goes on running: the inventories are all that is known. */
  #forget(): void {
    this.state = core.loadState(core.durableRows(this.state));
    for (const machine of this.machines) {
      machine.orders = [];
      machine.reports = [];
    }
    this.view();
    for (const machine of this.machines.filter((candidate) => candidate.up).sort(() => this.dice.below(3) - 1)) this.#sendInventory(machine);
  }

  command(command: Command): StepResult {
    const machine = this.machines.find((candidate) => candidate.up) as Machine;
    const key = `${machine.id}.${machine.incarnation}`;
    const number = (this.#numbers.get(key) ?? 0) + (this.calm || this.dice.chance(95) ? 1 : 0);
    this.#numbers.set(key, number);
    return this.feed({ kind: "command", requestId: { node: machine.id, incarnation: machine.incarnation, number }, command });
  }

  #administer(): void {
    const { dice } = this;
    const groups = core.describeGroups(this.state).map((group) => group.name);
    const resources = core.describeResources(this.state).map((resource) => resource.name);
    const group = dice.chance(95) ? dice.pick([...groups, "nobody"]) : "nobody";
    const resource = dice.chance(95) ? dice.pick([...resources, "nobody"]) : "nobody";
    const others = resources.filter((name) => name !== resource && dice.chance(40));
    const expression = others.map((name) => `[${name}]`).join(" and ");
    const node = dice.pick(this.names);
    const commands: Command[] = [
      { verb: "group.create", name: `group-${dice.below(6)}`, preferredOwners: dice.chance(50) ? [node] : [] },
      { verb: "resource.create", name: `resource-${dice.below(14)}`, group, type: "Generic Application", privateProperties: { CommandLine: "x" }, properties: { RestartThreshold: dice.below(3), RestartAction: dice.below(3) }, ...(dice.chance(50) ? { dependency: `[${resource}]` } : {}) },
      { verb: "resource.create", name: `resource-${dice.below(14)}`, group, type: "IP Address", privateProperties: { Address: "127.0.0.9" } },
      { verb: "group.online", group },
      { verb: "group.online", group },
      { verb: "group.offline", group },
      { verb: "group.move", group, node },
      { verb: "group.move", group },
      dice.chance(40) ? { verb: "group.delete", group, force: dice.chance(50) } : { verb: "group.online", group },
      { verb: "group.set", group, properties: { FailoverThreshold: dice.below(4) } },
      { verb: "resource.delete", resource, force: dice.chance(50) },
      { verb: "resource.online", resource },
      { verb: "resource.offline", resource },
      { verb: "resource.fail", resource },
      { verb: "resource.depend", resource, dependency: expression },
      { verb: "resource.set", resource, possibleOwners: dice.chance(50) ? [node] : null },
      { verb: "node.pause", node, drain: dice.chance(50) },
      { verb: "node.resume", node, failback: dice.chance(50) },
      { verb: "node.resume", node, failback: true },
      { verb: "node.resume", node },
      { verb: "node.resume", node },
      { verb: "database.batch", operations: [{ operation: "set", key: `k${dice.below(9)}`, value: { type: "number", value: dice.below(100) } }, { operation: dice.chance(50) ? "exists" : "notExists", key: `k${dice.below(9)}` }] },
    ];
    this.command(dice.pick(commands));
  }

  /** Nothing goes wrong any more: everybody is up, everything works, and time passes. */
  calmDown(turns: number): void {
    for (const machine of this.machines) {
      if (machine.up) continue;
      machine.up = true;
      machine.incarnation += 1;
      machine.done = new Map();
    }
    this.view();
    for (const node of this.names) this.command({ verb: "node.resume", node });
    this.calm = true;
    for (let turn = 0; turn < turns; turn++) this.turn();
  }

  /** The one thing all of this is for. */
  checkNothingRunsTwice(): void {
    const seen = new Map<string, number>();
    for (const machine of this.machines) {
      for (const id of machine.runs.keys()) {
        const other = seen.get(id);
        assert.equal(other, undefined, `${id} runs on nodes ${other} and ${machine.id}`);
        seen.set(id, machine.id);
      }
    }
  }
}
