import { createState } from "../../../src/nlb/convergence-state.ts";
import type { NlbState } from "../../../src/nlb/convergence-state.ts";
import { nextWakeMs, step } from "../../../src/nlb/convergence.ts";
import type { FilterPlan, LeaseOrder } from "../../../src/nlb/filter-contract.ts";
import type { Command, Effect, Input } from "../../../src/nlb/inputs.ts";
import type { NlbMap } from "../../../src/nlb/map.ts";
import type { ClusterParameters, HostId, HostParameters } from "../../../src/nlb/parameters.ts";
import { whyHost } from "../../../src/nlb/why.ts";
import { cluster, host, rule } from "./support.ts";

/** Hosts on a wire that loses nothing and takes a millisecond, with a kernel that does what it is told at once. */
export class Wire {
  nowMs = 0;
  readonly states = new Map<HostId, NlbState>();
  readonly plans = new Map<HostId, FilterPlan>();
  readonly done: { readonly host: HostId; readonly effect: Effect }[] = [];
  /** The kernel of that host refuses this order. */
  refuses: (to: HostId, order: LeaseOrder) => boolean = () => false;
  /** A map can be had from there. */
  canFetch: (by: HostId, from: HostId) => boolean = () => true;
  /** The lists of extended affinity are read in. */
  readsLists: (to: HostId) => boolean = () => true;
  readonly #due: { readonly atMs: number; readonly host: HostId; readonly input: Input }[] = [];

  add(parameters: ClusterParameters, one: HostParameters, incarnation = 1, cleared = 0): void {
    this.states.set(one.id, createState(parameters, one, incarnation, cleared, "started", this.nowMs));
    this.give(one.id, { kind: "begin" });
  }

  /** Carried out as {@link Effect} says, also when something fails. */
  give(to: HostId, given: Input): void {
    const state = this.states.get(to);
    if (state === undefined) return;
    const inputs = [given];
    for (let input = inputs.shift(); input !== undefined; input = inputs.shift()) {
      let isLeftOut = false;
      for (const effect of step(state, input, this.nowMs)) {
        if (isLeftOut) {
          if (effect.do === "program") inputs.push({ kind: "filterDone", done: { number: effect.plan.number, problem: "an order before it failed" } });
          if (effect.do !== "answer" && effect.do !== "event" && effect.do !== "persist") continue;
        }
        if (effect.do === "lease" && this.refuses(to, effect.order)) {
          isLeftOut = true;
          continue;
        }
        this.#carryOut(to, effect);
      }
    }
  }

  #carryOut(to: HostId, effect: Effect): void {
    this.done.push({ host: to, effect });
    const later = (receiver: HostId, what: Input): unknown => this.#due.push({ atMs: this.nowMs + 1, host: receiver, input: what });
    if (effect.do === "send") for (const other of this.states.keys()) if (other !== to) later(other, { kind: "heartbeat", heartbeat: effect.heartbeat });
    if (effect.do === "fetchMap") {
      const map: NlbMap | null = this.states.get(effect.from)?.map ?? null;
      if (map?.id.hash === effect.map.hash && this.canFetch(to, effect.from)) later(to, { kind: "map", map });
    }
    if (effect.do === "exchangeAffinity" && this.readsLists(to)) later(to, { kind: "affinityReady", map: effect.map });
    if (effect.do !== "program") return;
    this.plans.set(to, effect.plan);
    later(to, { kind: "filterDone", done: { number: effect.plan.number, problem: null } });
  }

  run(forMs: number): void {
    const untilMs = this.nowMs + forMs;
    for (; this.nowMs < untilMs; this.nowMs++) {
      for (const { host: to, input } of this.#due.splice(0).filter((due) => due.atMs <= this.nowMs || !this.#due.push(due))) this.give(to, input);
      for (const [id, state] of this.states) if (nextWakeMs(state, this.nowMs - 1) <= this.nowMs) this.give(id, { kind: "tick" });
    }
  }

  command(to: HostId, command: Command): number {
    this.give(to, { kind: "command", request: 1, command });
    const answer = this.done.findLast(({ effect }) => effect.do === "answer")!.effect;
    return answer.do === "answer" ? answer.code : 0;
  }

  stateOf(id: HostId): string {
    return whyHost(this.states.get(id)!, this.nowMs).state;
  }
}

export function converged(rules = [rule({ affinity: "none" }), rule({ startPort: 90, endPort: 90, mode: "single" })]): Wire {
  const wire = new Wire();
  for (const id of [1, 2, 3]) wire.add(cluster(rules), host(id));
  wire.run(1_500);
  return wire;
}
