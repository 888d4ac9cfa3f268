import assert from "node:assert/strict";
import * as core from "../../../src/core/index.ts";
import type { ClusterState, StepResult } from "../../../src/core/index.ts";
import type { ErrorCode } from "../../../src/model/errors.ts";
import type { Command, CoreInput, Effect, InventoryItem, ReportedState } from "../../../src/model/inputs.ts";

/** A cluster for one test: stamps inputs, and answers orders when told to. */
export class Driver {
  state: ClusterState;
  epoch = 0;
  index = -1;
  now = 1_000;
  readonly incarnations = new Map<number, number>();
  readonly up = new Set<number>();
  readonly orders: Effect[] = [];
  /** How the last command ended. */
  lastOutcome: StepResult["outcome"] = null;
  #number = 0;

  /** Whether it does what the service of the orderer does: send what the state asks for. */
  sends = true;

  constructor(nodes = 3) {
    const names = Array.from({ length: nodes }, (_, position) => ({ id: position + 1, name: `node${position + 1}` }));
    this.state = core.createState({ clusterId: "test", clusterName: "test", nodes: names });
    for (const { id } of names) {
      this.incarnations.set(id, 1);
      this.up.add(id);
    }
  }

  /** A cluster with a view in which every node has reported that it runs nothing. */
  static started(nodes = 3): Driver {
    const driver = new Driver(nodes);
    driver.view();
    return driver;
  }

  step(input: CoreInput): StepResult {
    this.index += 1;
    const result = core.step(this.state, { epoch: this.epoch, index: this.index, clusterTimeMs: this.now, wallTimeMs: this.now }, input);
    assert.equal(result.fault, null, result.fault?.message);
    this.orders.push(...result.effects);
    if (result.outcome !== null) this.lastOutcome = result.outcome;
    if (this.sends) for (const request of result.requests) this.command(request);
    return result;
  }

  view(options: { inventories?: boolean } = {}): StepResult {
    this.epoch += 1;
    this.index = -1;
    const members = [...this.up].sort((left, right) => left - right).map((node) => this.member(node));
    const result = this.step({ kind: "view", members, learners: [], orderer: members[0]?.node ?? 1 });
    if (options.inventories !== false) for (const { node } of members) this.inventory(node, []);
    return result;
  }

  inventory(node: number, resources: readonly InventoryItem[]): StepResult {
    return this.step({ kind: "inventory", from: this.member(node), resources });
  }

  member(node: number): { node: number; incarnation: number } {
    return { node, incarnation: this.incarnations.get(node) ?? 1 };
  }

  /** Takes nodes out of the view; what they ran is gone. The others report what `runs` says. */
  down(...nodes: number[]): StepResult {
    for (const node of nodes) {
      this.up.delete(node);
      this.incarnations.set(node, (this.incarnations.get(node) ?? 1) + 1);
    }
    this.orders.splice(0);
    return this.view({ inventories: false });
  }

  command(command: Command): StepResult {
    this.#number += 1;
    return this.step({ kind: "command", requestId: { node: 1, incarnation: 1, number: this.#number }, command });
  }

  /** A command that must succeed; orders are answered until nothing is left to do. */
  do(command: Command): StepResult {
    const result = this.command(command);
    assert.equal(result.outcome?.error, null, result.outcome?.error?.message);
    this.settle();
    return result;
  }

  refused(command: Command, code: ErrorCode): StepResult {
    const result = this.command(command);
    assert.equal(result.outcome?.error?.code, code);
    return result;
  }

  settle(): void {
    for (let effect = this.orders.shift(); effect !== undefined; effect = this.orders.shift()) this.answer(effect);
  }

  answer(effect: Effect, state: ReportedState = effect.action === "online" ? "online" : "offline", reason = ""): StepResult {
    return this.step({ kind: "report", from: this.member(effect.node), resource: effect.resource.id, generation: effect.generation, effect: effect.id, state, reason, processId: null });
  }

  /** The resource fails where its group is. */
  fails(name: string, reason = "exit code 1"): StepResult {
    const resource = core.describeResource(this.state, name);
    const group = core.describeGroup(this.state, resource.group);
    const node = core.describeNode(this.state, group.ownerNode ?? "").id;
    return this.step({ kind: "report", from: this.member(node), resource: resource.id, generation: group.generation, effect: null, state: "failed", reason, processId: null });
  }

  /** Lets time pass; deadlines are met on the way, and orders answered. */
  wait(ms: number): void {
    const until = this.now + ms;
    for (let deadline = core.nextDeadline(this.state); deadline !== null && deadline <= until; deadline = core.nextDeadline(this.state)) {
      this.now = Math.max(this.now, deadline);
      this.step({ kind: "due" });
      this.settle();
    }
    this.now = until;
  }

  role(name: string, options: { preferred?: string[]; properties?: Record<string, number>; possible?: string[]; online?: boolean } = {}): void {
    this.do({ verb: "group.create", name, ...(options.preferred === undefined ? {} : { preferredOwners: options.preferred }) });
    this.program(`${name}-program`, name, { ...options.properties }, options.possible);
    if (options.online !== false) this.do({ verb: "group.online", group: name });
  }

  program(name: string, group: string, properties: Record<string, number> = {}, possible?: string[], dependency?: string): void {
    this.do({
      verb: "resource.create",
      name,
      group,
      type: "Generic Application",
      privateProperties: { CommandLine: "program" },
      properties,
      ...(possible === undefined ? {} : { possibleOwners: possible }),
      ...(dependency === undefined ? {} : { dependency }),
    });
  }

  groupState(name: string): string {
    const group = core.describeGroup(this.state, name);
    return `${group.state} ${group.ownerNode ?? "nobody"}`;
  }

  resourceState(name: string): string {
    return core.describeResource(this.state, name).state;
  }

  /** Everything but the memory of requests: what a refused command must leave alone. */
  configuration(): string {
    return JSON.stringify(core.durableRows(this.state).filter((row) => row.table !== "requests"));
  }

  /** The configuration and all run-time state, without what every entry moves on. */
  everything(): string {
    const { tables } = JSON.parse(core.snapshot(this.state)) as { tables: Record<string, unknown> };
    return JSON.stringify({ ...tables, requests: null, refusals: null, position: null });
  }
}

/** The kinds and orders of a step, short: "1 online web-program". */
export function ordersOf(result: StepResult): string[] {
  return result.effects.map((effect) => `${effect.node} ${effect.action} ${effect.resource.name}`);
}

/** Numbers that look random and are the same for the same seed (a linear congruential generator). */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = (seed * 2_654_435_761 + 12_345) >>> 0;
    for (let turn = 0; turn < 8; turn++) this.below(2);
  }

  below(limit: number): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((this.#state / 4_294_967_296) * limit);
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)] as Item;
  }
}
