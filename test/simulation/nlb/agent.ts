import { createState } from "../../../src/nlb/convergence-state.ts";
import type { NlbState } from "../../../src/nlb/convergence-state.ts";
import { nextWakeMs, step } from "../../../src/nlb/convergence.ts";
import type { Heartbeat } from "../../../src/nlb/heartbeat.ts";
import type { Effect, Input, Mode } from "../../../src/nlb/inputs.ts";
import type { HostLife, NlbMap } from "../../../src/nlb/map.ts";
import type { ClusterParameters, HostId, HostParameters } from "../../../src/nlb/parameters.ts";
import type { Random } from "../random.ts";
import type { Scheduler } from "../scheduler.ts";
import { SlewedClock } from "../lease/host.ts";
import type { Bug } from "./bugs.ts";
import { Kernel } from "./kernel.ts";

/** What an agent does to the rest of the world. */
export interface Surroundings {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly bug: Bug | null;
  pauseChance: number;
  pauseMaxMs: number;
  filterFailureChance: number;
  /** Whether the kernel refuses a lease order. */
  refusesLease(): boolean;
  sent(from: Agent, heartbeat: Heartbeat): void;
  fetch(from: Agent, host: HostId, map: NlbMap["id"]): void;
  exchange(agent: Agent, map: NlbMap["id"]): void;
  /** Something may have begun to pass just now. */
  opened(machine: Machine): void;
  took(machine: Machine): void;
  stepped(agent: Agent): void;
  noted(machine: Machine, effect: Effect): void;
}

/** A machine: its clock and kernel, its parameters on disk, and the agent that runs on it, if one does. */
export class Machine {
  readonly id: HostId;
  readonly clock: SlewedClock;
  readonly kernel: Kernel;
  cluster: ClusterParameters;
  host: HostParameters;
  persisted: Mode | null = null;
  incarnation = 0;
  agent: Agent | null = null;

  constructor(scheduler: Scheduler, random: Random, cluster: ClusterParameters, host: HostParameters, rate: number) {
    this.id = host.id;
    this.clock = new SlewedClock(scheduler, random.integer(1, 1_000_000), rate);
    this.kernel = new Kernel(this.clock);
    this.cluster = cluster;
    this.host = host;
  }
}

/** One life of a host's agent: one thread, which may stand still between any two things it does. */
export class Agent {
  readonly machine: Machine;
  readonly life: HostLife;
  readonly state: NlbState;
  readonly #around: Surroundings;
  readonly #queue: Input[] = [];
  #effects: Effect[] = [];
  #isRunning = false;
  #isPaused = false;
  #pause = 0;
  #wakeAtMs = Number.POSITIVE_INFINITY;
  #owesClose = false;
  isDead = false;
  pausedUntilMs = 0;
  /** When it last went on after standing still. */
  wentOnMs = 0;
  /** Stands still once, before the next effect of that kind. */
  stumble: { readonly before: "arm" | "send" | "point" | "program"; readonly forMs: number; readonly afterwards: () => void } | null = null;

  constructor(machine: Machine, around: Surroundings) {
    this.machine = machine;
    this.#around = around;
    const cleared = machine.kernel.life?.incarnation ?? 0;
    machine.incarnation += 1;
    this.life = { host: machine.id, incarnation: machine.incarnation };
    this.state = createState(machine.cluster, machine.host, machine.incarnation, cleared, machine.persisted ?? "started", machine.clock.nowMs);
    if (around.bug === "a starting host does not listen") this.state.listeningSinceMs -= 100_000;
    if (around.bug === "a hold of half its length") this.state.wanted = { ...this.state.wanted, timing: { ...this.state.wanted.timing, holdMs: this.state.wanted.timing.holdMs / 2 } };
    this.give({ kind: "begin" });
  }

  give(input: Input): void {
    if (this.isDead) return;
    this.#queue.push(input);
    if (!this.#isRunning) this.#continue();
  }

  /** It goes on at once, whatever it stood still for. */
  thaw(): void {
    this.stumble = null;
    this.pausedUntilMs = Math.min(this.pausedUntilMs, this.#around.scheduler.nowMs);
    if (!this.#isPaused) return;
    this.#pause += 1;
    this.#continue();
  }

  #continue(): void {
    this.#isRunning = true;
    this.#isPaused = false;
    const { scheduler, random } = this.#around;
    for (;;) {
      if (this.isDead) return;
      if (this.#around.pauseChance > 0 && random.chance(this.#around.pauseChance)) this.pausedUntilMs = Math.max(this.pausedUntilMs, scheduler.nowMs + random.next() * this.#around.pauseMaxMs);
      if (this.pausedUntilMs > scheduler.nowMs) {
        const pause = ++this.#pause;
        scheduler.after(this.pausedUntilMs - scheduler.nowMs, () => {
          if (pause === this.#pause) this.#continue();
        });
        this.#isPaused = true;
        return;
      }
      if (this.wentOnMs < this.pausedUntilMs) this.wentOnMs = scheduler.nowMs;
      const [effect] = this.#effects;
      const { stumble } = this;
      if (stumble !== null && effect !== undefined && (effect.do === "lease" ? effect.order.do : effect.do) === stumble.before) {
        this.stumble = null;
        this.pausedUntilMs = scheduler.nowMs + stumble.forMs;
        scheduler.after(stumble.forMs + random.integer(-80, 20), stumble.afterwards);
        continue;
      }
      if (effect !== undefined) {
        this.#effects.shift();
        this.#perform(effect);
        continue;
      }
      const input = this.#queue.shift();
      if (input === undefined) break;
      this.#effects = step(this.state, this.#spoilt(input), this.machine.clock.nowMs);
      this.#around.stepped(this);
      if (this.#around.bug === "armed after it was asked for") this.#effects.sort((a, b) => Number(a.do === "lease" && a.order.do === "arm") - Number(b.do === "lease" && b.order.do === "arm"));
    }
    this.#isRunning = false;
    this.#planWake();
  }

  #planWake(): void {
    const { scheduler } = this.#around;
    const { clock } = this.machine;
    const wakeAtMs = scheduler.nowMs + clock.realMs(Math.max(1, nextWakeMs(this.state, clock.nowMs) - clock.exactMs + 0.01));
    if (wakeAtMs >= this.#wakeAtMs) return;
    this.#wakeAtMs = wakeAtMs;
    scheduler.after(wakeAtMs - scheduler.nowMs, () => {
      if (this.#wakeAtMs !== wakeAtMs) return;
      this.#wakeAtMs = Number.POSITIVE_INFINITY;
      this.give({ kind: "tick" });
    });
  }

  /** What arrives, as a deliberate bug has it. */
  #spoilt(input: Input): Input {
    const { bug } = this.#around;
    const { state } = this;
    if (bug === "no hold for a lost member") state.holds = [];
    if (input.kind !== "heartbeat" || bug === null) return input;
    const { heartbeat } = input;
    if (bug === "echo to whoever is heard") {
      const [peer, report] = [state.peers.get(heartbeat.host), heartbeat.peers.find(({ host, incarnation }) => host === this.life.host && incarnation === this.life.incarnation)];
      if (peer !== undefined && report !== undefined) peer.echoed = Math.max(peer.echoed, report.sequence);
    }
    const changed = (change: Partial<Heartbeat>): Input => ({ kind: "heartbeat", heartbeat: { ...heartbeat, ...change } });
    if (bug === "no hold for a lost member" || bug === "holds of others are not told") return changed({ peers: heartbeat.peers.map((peer) => ({ ...peer, holdLeftMs: null })) });
    if (bug === "take without waiting for the others' release") {
      // As if everybody had let go already: also those that have not even adopted.
      const { map } = state;
      if (map === null) return input;
      return changed({ map: map.id, isReleased: true, peers: heartbeat.peers.map((peer) => ({ ...peer, isEcho: true })) });
    }
    if (bug === "nobody gives way" && state.map !== null) return changed({ predecessor: state.map.id.hash });
    return input;
  }

  #perform(effect: Effect): void {
    const { bug, scheduler, random } = this.#around;
    const { kernel } = this.machine;
    const { state } = this;
    this.#around.noted(this.machine, effect);
    switch (effect.do) {
      case "send": {
        let { heartbeat } = effect;
        if (bug === "empty before the kernel has let go" && state.map === null) heartbeat = { ...heartbeat, isEmpty: true };
        if (bug === "a new life leaves the old rules loaded" && state.cleared > 0) heartbeat = { ...heartbeat, cleared: state.cleared };
        return this.#around.sent(this, heartbeat);
      }
      case "lease":
        if (!this.#isCarriedOut(effect)) this.#leaveOut();
        return;
      case "program": {
        const problem = random.chance(this.#around.filterFailureChance) ? "busy" : null;
        const { plan } = effect;
        const tell = (delayMs: number): void => scheduler.after(delayMs, () => this.give({ kind: "filterDone", done: { number: plan.number, problem } }));
        const isSkipped = bug === "a new life leaves the old rules loaded" && plan.number === 1;
        const carryOut = (): void => {
          if (this.isDead || problem !== null || isSkipped) return;
          // Kept from the former plan what the new one does not have.
          if (bug === "what the map does not give is kept" && plan.phase === "release") return;
          kernel.load(plan, this.life, state.map?.members ?? []);
          if (plan.phase === "take") this.#around.took(this.machine);
          this.#around.opened(this.machine);
        };
        if ((bug === "released before the kernel has let go" && plan.phase === "release") || (bug === "empty before the kernel has let go" && plan.map === "-")) {
          scheduler.after(random.next() * 400, () => {
            if (state.planNumber === plan.number) carryOut();
          });
          return tell(0);
        }
        carryOut();
        tell(0.2 + random.next() * 2);
        if (problem !== null) this.#leaveOut();
        return;
      }
      case "fetchMap":
        return this.#around.fetch(this, effect.from, effect.map);
      case "exchangeAffinity":
        return this.#around.exchange(this, effect.map);
      case "persist":
        this.machine.persisted = effect.mode;
        return;
      case "answer":
      case "event":
        return;
    }
  }

  /** As the shell does it: what the kernel points at may be another slot than the agent thinks, until an order went well. */
  #isCarriedOut(effect: Effect & { do: "lease" }): boolean {
    if (effect.order.do === "arm" && this.#owesClose && !this.#isCarriedOut({ do: "lease", order: { do: "close" } })) return false;
    if (effect.order.do !== "arm") this.#owesClose = true;
    if (this.#around.refusesLease()) return false;
    this.#lease(effect);
    if (effect.order.do !== "arm") this.#owesClose = false;
    return true;
  }

  /** What comes after an effect that failed must not happen; what only tells something does. */
  #leaveOut(): void {
    const left = this.#effects;
    this.#effects = left.filter((effect) => effect.do === "answer" || effect.do === "event" || effect.do === "persist");
    for (const effect of left) {
      if (effect.do === "program") this.#queue.unshift({ kind: "filterDone", done: { number: effect.plan.number, problem: "an order before it failed" } });
      if (effect.do === "lease" && effect.order.do !== "arm") this.#isCarriedOut({ do: "lease", order: { do: "close" } });
    }
  }

  #lease({ order }: Effect & { do: "lease" }): void {
    const { bug } = this.#around;
    const { kernel } = this.machine;
    if (bug === "a new life leaves the old rules loaded" && order.do === "close" && this.state.planNumber === 1) return;
    if (bug === "empty before the kernel has let go" && order.do === "close" && this.state.map === null && this.state.hasBegun) return;
    kernel.lease(order, this.state.gateMembers ?? []);
    if (bug === "slots open when they are armed" && order.do === "arm") kernel.lease({ do: "point", slot: order.slot }, this.state.map?.members ?? []);
    if (order.do !== "close") this.#around.opened(this.machine);
  }
}
