import type { Member } from "../../../src/model/identifiers.ts";
import type { Weights } from "../../../src/model/votes.ts";
import { LeaseLengths } from "../../../src/lease/lengths.ts";
import { leaseParameters } from "../../../src/lease/parameters.ts";
import type { LeaseProgram, LeaseTick } from "../../../src/lease/steps.ts";
import { isViewQuorum } from "../../../src/quorum/weights.ts";
import { Random } from "../random.ts";
import { Scheduler } from "../scheduler.ts";
import { Trace } from "../trace.ts";
import type { Bug } from "./bugs.ts";
import { Life, Machine, SlewedClock } from "./host.ts";
import type { Thread } from "./host.ts";
import { Witness, activate, decide } from "./views.ts";
import type { Active, Disk, Formation } from "./views.ts";

export const PARAMETERS = leaseParameters({ tokenMs: 200, permitMs: 1_000, killBudgetMs: 0 });
const LENGTHS = new LeaseLengths(PARAMETERS);
/** A half, and up to three times the one that weights without a token stand for. */
const TOKENS_MS = [100, 200, 600] as const;
const LONGEST = new LeaseLengths(PARAMETERS).waiting([{ version: 0, votes: [], witness: null, tokenMs: Math.max(...TOKENS_MS) }]);
const DRIFT = 0.1;

export class TwoServe extends Error {}

/** What a service knows beside its lease. */
interface Service {
  readonly life: Life;
  readonly disk: Disk;
  /** In its log, the newest first; on the disk a little later. */
  weights: readonly Weights[];
  /** Weights with a former token, and since when by its clock it has known that they are committed. */
  settling: { readonly version: number; readonly sinceMs: number } | null;
  view: { readonly active: Active; readonly roles: Map<string, { readonly owner: Member | null; readonly generation: number }>; readonly acks: Map<number, Set<number>> } | null;
  /** By epoch: they may come before ACTIVE. */
  readonly inventories: Map<number, Set<number>>;
  readonly runs: Set<string>;
  readonly orders: Map<number, () => void>;
  nextOrder: number;
  acceptedAtMs: number;
}

export class LeaseCluster {
  readonly scheduler = new Scheduler();
  readonly random: Random;
  readonly trace: Trace;
  readonly machines: Machine[] = [];
  readonly roles: readonly string[];
  /** What happened how often: a run in which nothing did proves nothing. */
  readonly counts = new Map<string, number>();
  readonly cuts = new Set<string>();
  /** Main threads that hear everything late, while the ticks of their workers are in time. */
  readonly lagMs = new Map<number, number>();
  delayMaxMs = 5;
  lossChance = 0;
  pauseChance = 0;
  pauseMaxMs = 0;
  favourite: Thread["favourite"] = null;
  postLagChance = 0;
  /** Chance that a main thread stands still after it has sent an ACCEPT, or appended WEIGHTS. */
  standsStillChance = 0;
  /** Longest time that a write takes. */
  diskMaxMs = 2;
  /** Planned moves make run-time states differ, and starts wait for inventories. */
  readonly hasMoves: boolean;
  faultsEndMs = 0;
  readonly #bug: Bug | null;
  readonly #disks: Disk[] = [];
  readonly #services = new Map<number, Service>();
  readonly #formations = new Map<number, Formation>();
  readonly #witness = new Witness();
  #weightsVersion = 1;
  #lastSentMs = new Map<string, number>();

  constructor(seed: number, bug: Bug | null, trace: boolean) {
    this.random = new Random(seed);
    this.trace = new Trace(trace);
    this.#bug = bug;
    this.hasMoves = this.random.chance(0.4);
    const nodes = this.random.pick([2, 3, 3, 3, 4, 5, 5, 7, 9]);
    const votes = Array.from({ length: nodes }, (_, position) => ({ node: position + 1, store: `s${position + 1}`, votes: 1 }));
    const tokenMs = this.random.pick([null, ...TOKENS_MS]);
    const weights: Weights = { version: 1, votes, witness: this.random.chance(0.4) ? { id: "w", votes: 1 } : null, ...(tokenMs === null ? {} : { tokenMs }) };
    this.roles = ["address-1", "address-2", "address-3", "process-1", "process-2"];
    for (let node = 1; node <= nodes; node++) {
      const rate = this.random.pick([1 - DRIFT, 1 - DRIFT, 1 + DRIFT, 1 + DRIFT, 1 - DRIFT + 2 * DRIFT * this.random.next()]);
      const machine = new Machine(node, this.scheduler, new SlewedClock(this.scheduler, this.random.integer(1, 1_000_000), rate));
      this.machines.push(machine);
      this.#disks.push({ promised: 0, accepted: 0, lastActive: 0, weights: [weights], leftOut: new Map(), roles: new Map(this.roles.map((role) => [role, null])) });
      this.start(machine);
    }
  }

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  note(node: number | null, what: string, detail: string): void {
    this.trace.add(this.scheduler.nowMs, node, what, detail);
  }

  // ---- lives --------------------------------------------------------------

  start(machine: Machine): void {
    if (machine.life !== null) return;
    // A service closes its gate and ends leftovers before it joins.
    machine.gate.close();
    machine.gate.own([]);
    machine.monitor.stopAll();
    machine.incarnation++;
    const { node } = machine;
    const life = new Life(machine, machine.incarnation, PARAMETERS, this.random, {
      sendTick: (tick) => this.#sendTick(machine, tick),
      armed: () => ticking.restart(),
      answered: (order) => {
        ticking.follow();
        const service = this.#services.get(node);
        if (service?.life !== life) return;
        const then = service.orders.get(order);
        service.orders.delete(order);
        then?.();
      },
      exited: (reason) => {
        this.count(reason);
        this.note(node, "exit", reason);
        this.#ended(machine);
      },
      opened: () => this.#check(),
      termsChanged: () => ticking.follow(),
      postDelayMs: () => this.random.next() * (this.random.chance(this.postLagChance) ? 800 : 0.2),
    }, this.#bug);
    machine.life = life;
    const ticking = this.#ticking(machine, life);
    const disk = this.#disks[node - 1]!;
    this.#services.set(node, { life, disk, weights: disk.weights, settling: null, view: null, inventories: new Map(), runs: new Set(), orders: new Map(), nextOrder: 1, acceptedAtMs: 0 });
    this.setPauses(life);
    this.note(node, "start", `incarnation ${machine.incarnation}`);
    this.#every(machine, life, 50, () => {
      if (!life.mainThread.idle) return;
      life.mainThread.run(life.ledger.alive());
      this.#startRoles(machine);
      this.#settleToken(machine);
    });
  }

  setPauses(life: Life): void {
    for (const thread of [life.workerThread, life.mainThread]) {
      thread.pauseChance = this.pauseChance;
      thread.pauseMaxMs = this.pauseMaxMs;
      thread.favourite = this.favourite;
    }
  }

  /** The service dies. Its monitor sees that, closes the gate, kills, and says so; or it died too. */
  kill(machine: Machine, isMonitorAlive: boolean): void {
    const { life } = machine;
    if (life === null) return;
    this.#ended(machine);
    this.note(machine.node, "killed", isMonitorAlive ? "the monitor lives" : "the monitor too");
    if (!isMonitorAlive) {
      // Only the kernel's gate goes on; a guard ends the processes.
      machine.monitor.stopAll();
      return this.count("died silently");
    }
    this.scheduler.after(this.random.next() * this.random.pick([5, 500]), () => {
      if (machine.life !== null) return;
      machine.gate.close();
      machine.monitor.stopAll();
      this.count("RELEASED");
      const { node } = machine;
      const { incarnation } = life.self;
      for (const { life: other } of this.#services.values()) {
        if (other.self.node !== node) this.#send(node, other, () => released(other, { node, incarnation }));
      }
    });
  }

  #ended(machine: Machine): void {
    const { life } = machine;
    if (life === null) return;
    life.workerThread.die();
    life.mainThread.die();
    machine.life = null;
    this.#services.delete(machine.node);
  }

  /** It learns that it was left out: it closes its gate and ends what it runs, and comes back as another life. */
  #leave(machine: Machine, life: Life): void {
    if (machine.life !== life) return;
    this.count("left out, returned");
    this.#ended(machine);
    this.start(machine);
  }

  // ---- messages -----------------------------------------------------------

  isCut(from: number, to: number): boolean {
    return this.cuts.has(`${from}>${to}`);
  }

  #sendTick(machine: Machine, tick: LeaseTick): void {
    for (const { life } of this.#services.values()) {
      if (life.self.node === machine.node) continue;
      for (let copies = this.random.chance(0.05) ? 2 : 1; copies > 0; copies--) {
        if (this.random.chance(this.lossChance)) continue;
        const late = this.random.chance(0.02) ? 400 : 0;
        this.scheduler.after(this.random.next() * (this.delayMaxMs + late), () => {
          if (!this.isCut(machine.node, life.self.node)) life.workerThread.run(life.worker.tick(tick));
        });
      }
    }
  }

  /** First in first out; lost where there is no way. What arrives is a program of the main thread. */
  #send(from: number, to: Life, program: () => LeaseProgram): void {
    const pair = `${from}>${to.self.node}`;
    const atMs = Math.max(this.#lastSentMs.get(pair) ?? 0, this.scheduler.nowMs + this.random.next() * this.delayMaxMs + (this.lagMs.get(to.self.node) ?? 0));
    this.#lastSentMs.set(pair, atMs);
    this.scheduler.after(atMs - this.scheduler.nowMs, () => {
      if (!this.cuts.has(pair)) to.mainThread.run(program());
    });
  }

  /** The worker is asked for a tick every beat, which changes with the terms and with what is owned, and begins anew with each tick. */
  #ticking(machine: Machine, life: Life): { follow(): void; restart(): void } {
    let { beatMs } = life.worker;
    let timer = 0;
    const begin = (): void => {
      const own = ++timer;
      this.scheduler.after(machine.clock.realMs(beatMs) + this.random.next(), () => {
        if (machine.life !== life || own !== timer) return;
        begin();
        if (life.workerThread.idle) life.workerThread.run(life.worker.timer());
      });
    };
    begin();
    return {
      follow: () => {
        if (life.worker.beatMs === beatMs) return;
        ({ beatMs } = life.worker);
        begin();
      },
      restart: begin,
    };
  }

  #every(machine: Machine, life: Life, localMs: number, action: () => void): void {
    this.scheduler.after(machine.clock.realMs(localMs) + this.random.next(), () => {
      if (machine.life !== life) return;
      action();
      this.#every(machine, life, localMs, action);
    });
  }

  #toMembers(from: number, members: readonly Member[], program: (service: Service) => LeaseProgram): void {
    for (const member of members) {
      const service = this.#services.get(member.node);
      if (service !== undefined && service.life.self.incarnation === member.incarnation) this.#send(from, service.life, () => program(service));
    }
  }

  // ---- views --------------------------------------------------------------

  /** PROPOSE to some of those who can be reached, or to all. */
  propose(share: number, withoutSome = false, without: number | null = null): void {
    const alive = [...this.#services.values()].filter(({ life }) => life.self.node !== without);
    if (alive.length === 0) return;
    const proposer = this.random.pick(alive).life.self;
    const some = without !== null ? alive : this.random.shuffle(alive).slice(0, Math.max(1, this.random.integer(Math.floor(this.machines.length / 2), this.machines.length - 1)));
    const members = withoutSome ? some.map(({ life }) => life.self).sort((a, b) => a.node - b.node) : alive.map(({ life }) => life.self).filter(({ node }) => node === proposer.node || (this.random.chance(share) && !this.isCut(node, proposer.node) && !this.isCut(proposer.node, node)));
    const epoch = Math.max(...this.#disks.map((disk) => disk.promised), ...this.#formations.keys(), 0) + 1;
    const formation: Formation = { epoch, members, states: new Map(), install: null, accepts: new Map(), active: null };
    this.#formations.set(epoch, formation);
    this.count("PROPOSE");
    const answerTo = withoutSome ? this.random.pick(members) : proposer;
    this.#toMembers(answerTo.node, members, (service) => this.#promise(service, formation, answerTo));
  }

  *#promise(service: Service, formation: Formation, proposer: Member): LeaseProgram {
    const { disk, life } = service;
    if (disk.promised >= formation.epoch) return;
    disk.promised = formation.epoch;
    // Writes are in order: what was appended before the promise is on the disk with it.
    disk.weights = service.weights;
    const state = { member: { ...life.self, store: `s${life.self.node}` }, accepted: disk.accepted, lastActive: disk.lastActive, weights: disk.weights, leftOut: new Map(disk.leftOut), roles: disk.roles };
    yield* [];
    this.#toMembers(life.self.node, [proposer], () => this.#stated(formation, proposer, state));
  }

  *#stated(formation: Formation, proposer: Member, state: Parameters<Formation["states"]["set"]>[1]): LeaseProgram {
    formation.states.set(state.member.node, state);
    yield* [];
    if (formation.states.size < formation.members.length || formation.install !== null) return;
    const decision = decide(formation, this.machines.map((machine) => machine.node), this.#witness, this.#bug);
    if (decision.kind === "wait") return this.count("waiting");
    if (decision.kind === "end") return this.#toMembers(proposer.node, decision.lives, (service) => this.#leaves(service));
    formation.install = decision.install;
    this.count(decision.install.claim === null ? "INSTALL" : "INSTALL after CLAIM");
    if (decision.install.weights.length > 1) this.count("INSTALL under joint weights");
    this.#toMembers(proposer.node, formation.members, (service) => this.#install(service, formation, proposer));
  }

  *#leaves({ life }: Service): LeaseProgram {
    yield* [];
    this.scheduler.after(0, () => this.#leave(this.machines[life.self.node - 1]!, life));
  }

  *#install(service: Service, formation: Formation, proposer: Member): LeaseProgram {
    const { disk, life } = service;
    const install = formation.install!;
    if (disk.promised !== formation.epoch || disk.accepted >= formation.epoch) return;
    disk.accepted = formation.epoch;
    const forgets = this.#forgets(service, install.weights);
    disk.weights = install.weights;
    service.weights = install.weights;
    for (const node of install.excluded) disk.leftOut.set(node, Math.max(disk.leftOut.get(node) ?? 0, this.machines[node - 1]!.incarnation));
    const accepted = yield* life.ledger.accept({ epoch: formation.epoch, excluded: install.excluded, weights: install.weights.map((one) => this.#told(one)) });
    const holds = accepted.map((hold) => ({ ...hold, leaseMs: Math.max(0, hold.leaseMs - forgets.leaseMs), permitMs: Math.max(0, hold.permitMs - forgets.permitMs) }));
    service.acceptedAtMs = yield { do: "readClock" };
    this.#toMembers(life.self.node, [proposer], () => this.#accepted(formation, proposer, life.self.node, holds));
    this.#mayStandStill(life);
  }

  /** For the bug of that name: by how much the holds are shorter than they should be. */
  #forgets({ life }: Service, install: readonly Weights[]): { readonly leaseMs: number; readonly permitMs: number } {
    if (this.#bug !== "the echoer uses a shorter H at once") return { leaseMs: 0, permitMs: 0 };
    const right = LENGTHS.waiting([...life.ledger.weights, ...install]);
    const wrong = LENGTHS.acting(install.slice(0, 1));
    return { leaseMs: right.holdMs - wrong.holdMs, permitMs: right.permitHoldMs - wrong.permitHoldMs };
  }

  #told(weights: Weights): Weights {
    if (this.#bug !== "the record tells no former token") return weights;
    const { formerTokenMs: _former, ...told } = weights;
    return told;
  }

  *#accepted(formation: Formation, proposer: Member, from: number, holds: Parameters<Formation["accepts"]["set"]>[1]): LeaseProgram {
    for (const hold of holds) if (hold.leaseMs > LONGEST.holdMs || hold.permitMs > LONGEST.permitHoldMs) throw new TwoServe(`a hold of ${hold.leaseMs} ms is longer than H`);
    yield* [];
    if (formation.active !== null) return;
    formation.accepts.set(from, holds);
    formation.active = activate(formation, (members) => this.random.pick(members), this.#bug);
    if (formation.active === null) return;
    this.count("ACTIVE");
    if (formation.active.holds.some((hold) => hold.leaseMs > 0)) this.count("ACTIVE with a hold");
    this.note(proposer.node, "ACTIVE", `${formation.epoch}: ${formation.active.members.map((member) => `${member.node}/${member.incarnation}`).join(" ")} W ${formation.active.weights.version} holds ${formation.active.holds.map((hold) => `${hold.node}:${hold.leaseMs}`).join(" ")}`);
    this.#toMembers(proposer.node, formation.members, (service) => this.#activate(service, formation));
  }

  *#activate(service: Service, formation: Formation): LeaseProgram {
    const { disk, life } = service;
    const active = formation.active!;
    if (disk.promised !== active.epoch || disk.accepted !== active.epoch) return;
    let { holds } = active;
    if (this.#bug === "hold counted from ACCEPT") {
      const nowMs = yield { do: "readClock" };
      const passedMs = nowMs - service.acceptedAtMs;
      holds = holds.map((hold) => ({ ...hold, leaseMs: Math.max(0, hold.leaseMs - passedMs), permitMs: Math.max(0, hold.permitMs - passedMs) }));
    }
    yield* life.ledger.activeDelivered({ epoch: active.epoch, members: active.members, claim: active.claim, weights: [this.#told(active.weights)], holds });
    disk.lastActive = active.epoch;
    disk.weights = [active.weights];
    service.weights = disk.weights;
    disk.roles = active.roles;
    service.view = { active, roles: new Map([...active.roles].map(([role, owner]) => [role, { owner, generation: 0 }])), acks: new Map() };
    // INVENTORY: after what it is not to run has ended.
    for (const role of service.runs) if (!isOwner(life, active.roles.get(role) ?? null)) service.runs.delete(role);
    this.#own(service, () => this.#toMembers(life.self.node, active.members, (other) => inventory(other, active.epoch, life.self.node)));
    yield* this.#startLater(this.machines[life.self.node - 1]!, life);
  }

  #mayStandStill(life: Life): void {
    if (!this.random.chance(this.standsStillChance)) return;
    this.count("stands still after ACCEPT or ACK");
    life.mainThread.pausedUntilMs = Math.min(this.faultsEndMs, this.scheduler.nowMs + this.random.next() * 2_000);
  }

  // ---- roles --------------------------------------------------------------

  #own(service: Service, then: () => void): void {
    const { life, runs } = service;
    const order = service.nextOrder++;
    service.orders.set(order, then);
    const { monitor } = this.machines[life.self.node - 1]!;
    for (const role of monitor.running) if (!runs.has(role)) monitor.stop(role);
    life.workerThread.run(life.worker.changeOwned([...runs].filter((role) => !role.startsWith("process")), order));
  }

  /** Starts what is this node's and waits for nothing any more. */
  #startRoles(machine: Machine): void {
    const service = this.#services.get(machine.node);
    if (service?.view == null || service.disk.promised !== service.view.active.epoch) return;
    const { view, life } = service;
    const inventories = service.inventories.get(view.active.epoch);
    if (this.hasMoves && view.active.members.some((member) => inventories?.has(member.node) !== true)) return;
    const holds = life.ledger.holds.remaining(machine.clock.nowMs);
    for (const [role, { owner }] of view.roles) {
      if (!isOwner(life, owner) || service.runs.has(role)) continue;
      const isProcess = role.startsWith("process");
      if (holds.some((hold) => (isProcess ? hold.permitMs : hold.leaseMs) > 0)) {
        this.count("a start waits");
        const waitMs = Math.max(...holds.map((hold) => (isProcess ? hold.permitMs : hold.leaseMs)));
        this.scheduler.after(machine.clock.realMs(waitMs) + 0.01, () => life.mainThread.run(this.#startLater(machine, life)));
        continue;
      }
      if (isProcess && !machine.monitor.start(role)) continue;
      this.count("role started");
      this.note(machine.node, "role", role);
      service.runs.add(role);
      if (isProcess) this.#check();
      else this.#own(service, () => {});
    }
    // What ran out of its permit is not running any more.
    for (const role of machine.monitor.running) {
      if (machine.monitor.isRunning(role)) continue;
      machine.monitor.stop(role);
      service.runs.delete(role);
    }
  }

  *#startLater(machine: Machine, life: Life): LeaseProgram {
    yield* [];
    if (machine.life === life) this.#startRoles(machine);
  }

  /** Planned move: out of the owned set, then told to all; the taker waits for no hold of this node. */
  move(machine: Machine): void {
    const service = this.#services.get(machine.node);
    if (!this.hasMoves || service?.view == null || service.runs.size === 0 || service.disk.promised !== service.view.active.epoch) return;
    const { view } = service;
    const role = this.random.pick([...service.runs]);
    const owner = this.random.pick(view.active.members);
    const generation = (view.roles.get(role)?.generation ?? 0) + 1;
    service.runs.delete(role);
    view.roles.set(role, { owner, generation });
    this.count("planned move");
    this.#own(service, () => this.#toMembers(machine.node, view.active.members, (other) => moved(other, view.active.epoch, role, owner, generation)));
  }

  // ---- weights ------------------------------------------------------------

  /** WEIGHTS: the lowest member of a view numbers other votes, or another token. */
  changeWeights(): void {
    const service = this.random.shuffle([...this.#services.values()]).find((one) => this.#numbers(one));
    const [old] = service?.weights ?? [];
    if (service === undefined || old === undefined) return;
    if (old.formerTokenMs === undefined && this.random.chance(0.25)) return this.#changeToken(service, old);
    const { members } = service.view!.active;
    const sole = this.random.chance(0.4) ? this.random.pick(members).node : null;
    const votes = old.votes.map((vote) => ({ ...vote, votes: sole !== null ? Number(vote.node === sole) : members.some((member) => member.node === vote.node) && this.random.chance(0.8) ? 1 : this.random.pick([0, 0, 1]) }));
    if (votes.every((vote) => vote.votes === 0)) return;
    this.#number(service, { ...old, votes, witness: old.witness === null ? null : { id: "w", votes: this.random.pick([0, 1]) } });
  }

  /** The token alone: nothing may be interrupted by it. @returns whether anybody could number it */
  changeToken(): boolean {
    const service = [...this.#services.values()].find((one) => this.#numbers(one));
    const [old] = service?.weights ?? [];
    if (service === undefined || old === undefined || old.formerTokenMs !== undefined) return false;
    this.#changeToken(service, old);
    return true;
  }

  #changeToken(service: Service, old: Weights): void {
    const formerTokenMs = old.tokenMs ?? PARAMETERS.tokenMs;
    this.count("token changed");
    this.#number(service, { ...old, tokenMs: this.random.pick(TOKENS_MS.filter((tokenMs) => tokenMs !== formerTokenMs)), formerTokenMs });
  }

  /** The former token is forgotten once nobody can act by it any more. */
  #settleToken(machine: Machine): void {
    const service = this.#services.get(machine.node);
    const [current] = service?.weights ?? [];
    if (service === undefined || current?.formerTokenMs === undefined || !this.#numbers(service)) return;
    const { nowMs } = machine.clock;
    if (service.settling?.version !== current.version) service.settling = { version: current.version, sinceMs: nowMs };
    const { holdMs, permitHoldMs } = LENGTHS.waiting([current]);
    if (nowMs - service.settling.sinceMs < Math.max(holdMs, permitHoldMs) && this.#bug !== "the former token is forgotten at once") return;
    service.settling = { version: current.version, sinceMs: nowMs };
    const { formerTokenMs: _former, ...settled } = current;
    this.count("former token forgotten");
    this.#number(service, settled);
  }

  /** One WEIGHTS is pending at a time; the lowest member numbers it. */
  #numbers({ life, view, disk, weights }: Service): boolean {
    return view?.active.members[0]!.node === life.self.node && disk.promised === view.active.epoch && weights.length === 1;
  }

  #number(service: Service, next: Weights): void {
    const weights: Weights = { ...next, version: ++this.#weightsVersion };
    const { active } = service.view!;
    this.count("WEIGHTS");
    this.note(service.life.self.node, "WEIGHTS", `${weights.version}: token ${weights.tokenMs ?? "-"} former ${weights.formerTokenMs ?? "-"}`);
    this.#toMembers(service.life.self.node, active.members, (other) => this.#appendWeights(other, active, weights));
  }

  *#appendWeights(service: Service, active: Active, weights: Weights): LeaseProgram {
    const { disk, life } = service;
    if (service.view?.active !== active || disk.promised !== active.epoch || service.weights.length > 1) return;
    const appended = [weights, ...service.weights];
    service.weights = appended;
    yield* life.ledger.weightsAppended(this.#told(weights));
    // What is not on the disk yet is lost with the service, and its echoes are not.
    this.scheduler.after(this.random.next() * this.diskMaxMs, () => life.mainThread.run(this.#isDurable(service, active, appended)));
    this.#mayStandStill(life);
  }

  *#isDurable(service: Service, active: Active, appended: readonly Weights[]): LeaseProgram {
    const { disk, life } = service;
    yield* [];
    if (service.view?.active !== active || disk.promised !== active.epoch) return;
    disk.weights = appended;
    this.#toMembers(life.self.node, active.members, (other) => this.#acknowledged(other, active, appended[0]!, life.self.node));
  }

  *#acknowledged(service: Service, active: Active, weights: Weights, from: number): LeaseProgram {
    const { disk, life, view } = service;
    if (view?.active !== active || disk.promised !== active.epoch) return;
    const ackers = view.acks.get(weights.version) ?? new Set<number>();
    view.acks.set(weights.version, ackers.add(from));
    if (service.weights.length < 2 || service.weights[0]!.version !== weights.version) return;
    const inForce = this.#bug === "no joint rule" ? [weights] : service.weights;
    if (!isViewQuorum(inForce, active.members.filter((member) => ackers.has(member.node)), active.members, active.claim)) return;
    this.count("WEIGHTS committed");
    service.weights = [weights];
    if (disk.weights[0]!.version === weights.version) disk.weights = service.weights;
    yield* life.ledger.weightsCommitted();
  }

  // ---- what must hold -----------------------------------------------------

  #check(): void {
    for (const role of this.roles) {
      const serving = this.machines.filter((machine) => machine.serves(role));
      if (serving.length > 1) throw new TwoServe(`${role} is served by ${serving.map((machine) => machine.node).join(" and ")} at ${this.scheduler.nowMs.toFixed(1)} ms`);
    }
  }

  /** Null when every node is in one view and every role is served once, and the gate of every node is open. */
  whatIsAmiss(): string | null {
    const epochs = new Set([...this.#services.values()].map((service) => service.view?.active.epoch));
    if (this.#services.size < this.machines.length || epochs.size > 1 || epochs.has(undefined)) return "not all are in one view";
    for (const machine of this.machines) if (!machine.gate.isOpen(machine.clock.exactMs)) return `the gate of node ${machine.node} is closed`;
    for (const role of this.roles) if (!this.machines.some((machine) => machine.serves(role))) return `nobody serves ${role}`;
    return null;
  }

  get isWhole(): boolean {
    const services = [...this.#services.values()];
    const epoch = services[0]?.view?.active.epoch;
    // A lost entry, of votes or of a move, ends the epoch; here the next formation mends it.
    const moves = new Set(services.map(({ view }) => this.roles.map((role) => view?.roles.get(role)?.generation).join(" ")));
    if (moves.size > 1) return false;
    // Nobody sends a lost inventory again here, as the services do.
    if (this.hasMoves && services.some(({ view, inventories }) => view?.active.members.some((member) => inventories.get(view.active.epoch)?.has(member.node) !== true))) return false;
    const version = services[0]?.weights[0]!.version;
    return services.length === this.machines.length && services.every((service) => service.view?.active.epoch === epoch && service.disk.promised === epoch && service.weights.length === 1 && service.weights[0]!.version === version) && services[0]!.view!.active.members.length === services.length;
  }
}

function isOwner(life: Life, owner: Member | null): boolean {
  return owner !== null && owner.node === life.self.node && owner.incarnation === life.self.incarnation;
}

function* inventory(service: Service, epoch: number, from: number): LeaseProgram {
  yield* [];
  const known = service.inventories.get(epoch) ?? new Set<number>();
  service.inventories.set(epoch, known.add(from));
}

function* moved(service: Service, epoch: number, role: string, owner: Member, generation: number): LeaseProgram {
  yield* [];
  if (service.view?.active.epoch !== epoch || service.view.roles.get(role)!.generation >= generation) return;
  service.view.roles.set(role, { owner, generation });
}

function* released(life: Life, of: Member): LeaseProgram {
  yield* [];
  life.ledger.released(of.node, of.incarnation);
}
