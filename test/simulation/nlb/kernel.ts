import { GateModel } from "../../../src/lease/gate.ts";
import type { FilterPlan, LeaseOrder } from "../../../src/nlb/filter-contract.ts";
import type { HostLife } from "../../../src/nlb/map.ts";
import type { SlewedClock } from "../lease/host.ts";

/** What outlives the agent: the rules that were loaded last, the lease, and the machine's clock. */
export class Kernel {
  readonly #clock: SlewedClock;
  readonly #gate = new GateModel(4);
  /** By rule and seed: a bit for each part that passes. */
  served: ReadonlyMap<string, bigint> = new Map();
  /** What the last taking added, and the members of its map. */
  taken: ReadonlyMap<string, bigint> = new Map();
  takenMembers: readonly HostLife[] = [];
  /** Whose rules these are. */
  life: HostLife | null = null;
  /** The members of the map whose evidence opened the lease. */
  gateMembers: readonly HostLife[] = [];
  /** The machine is down. */
  isOff = false;

  constructor(clock: SlewedClock) {
    this.#clock = clock;
  }

  /** @param members of the map that the plan is for */
  load(plan: FilterPlan, life: HostLife, members: readonly HostLife[]): void {
    const before = this.served;
    this.life = life;
    this.served = new Map(plan.isMember ? partsOf(plan) : []);
    if (plan.phase !== "take") return;
    this.taken = new Map([...this.served].map(([rule, parts]) => [rule, parts & ~(before.get(rule) ?? 0n)]));
    this.takenMembers = members;
  }

  lease(order: LeaseOrder, members: readonly HostLife[]): void {
    if (order.do === "arm") this.#gate.arm(order.slot, order.lengthMs, this.#clock.exactMs);
    if (order.do === "close") this.#gate.close();
    if (order.do !== "point") return;
    this.#gate.point(order.slot);
    this.gateMembers = members;
  }

  get isOpen(): boolean {
    return !this.isOff && this.#gate.isOpen(this.#clock.exactMs);
  }

  reboot(): void {
    this.#gate.close();
    this.taken = new Map();
    this.served = new Map();
    this.life = null;
  }

  /** Parts that pass now. */
  *serving(): Generator<readonly [string, bigint]> {
    if (!this.isOpen) return;
    for (const [rule, parts] of this.served) if (parts !== 0n) yield [rule, parts];
  }
}

function* partsOf(plan: FilterPlan): Generator<[string, bigint]> {
  for (const { key, action } of plan.rules) {
    if (action.kind === "share") yield [`${key} ${action.seed}`, action.owned.reduce((bits, bucket) => bits | (1n << BigInt(bucket)), 0n)];
    if (action.kind === "whole") yield [`${key} whole`, action.accepts ? 1n : 0n];
  }
  yield ["default", plan.isDefaultHost ? 1n : 0n];
}
