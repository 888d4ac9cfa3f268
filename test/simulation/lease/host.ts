import type { Member, NodeId } from "../../../src/model/identifiers.ts";
import { GateModel } from "../../../src/lease/gate.ts";
import { LeaseLedger } from "../../../src/lease/ledger.ts";
import { LeaseWorker } from "../../../src/lease/lease.ts";
import type { LeaseParameters } from "../../../src/lease/parameters.ts";
import type { LeaseProgram, LeaseStep, LeaseTerms, LeaseTick } from "../../../src/lease/steps.ts";
import type { Random } from "../random.ts";
import type { Scheduler } from "../scheduler.ts";
import type { Bug } from "./bugs.ts";

/** A clock whose rate differs from real time, within the bound, and may change. */
export class SlewedClock {
  readonly #scheduler: Scheduler;
  #sinceMs: number;
  #readAtMs: number;
  #rate: number;

  constructor(scheduler: Scheduler, startMs: number, rate: number) {
    this.#scheduler = scheduler;
    this.#sinceMs = scheduler.nowMs;
    this.#readAtMs = startMs;
    this.#rate = rate;
  }

  /** Whole milliseconds, as programs read it. */
  get nowMs(): number {
    return Math.floor(this.exactMs);
  }

  get exactMs(): number {
    return this.#readAtMs + (this.#scheduler.nowMs - this.#sinceMs) * this.#rate;
  }

  set rate(rate: number) {
    this.#readAtMs = this.exactMs;
    this.#sinceMs = this.#scheduler.nowMs;
    this.#rate = rate;
  }

  realMs(localMs: number): number {
    return localMs / this.#rate;
  }
}

interface Job {
  readonly program: LeaseProgram<unknown>;
  readonly done: (result: unknown) => void;
}

/** A thread runs one program after the other and may be paused between any two steps. */
export class Thread {
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #perform: (step: LeaseStep) => number;
  readonly #jobs: Job[] = [];
  #answer = 0;
  /** The step that comes next. */
  #asked: LeaseStep | null = null;
  #isRunning = false;
  #isDead = false;
  pausedUntilMs = 0;
  /** Chance of a pause before each step, before steps of one kind, and its longest length. */
  pauseChance = 0;
  favourite: { readonly step: LeaseStep["do"]; readonly chance: number } | null = null;
  pauseMaxMs = 0;
  pauses = 0;

  constructor(scheduler: Scheduler, random: Random, perform: (step: LeaseStep) => number) {
    this.#scheduler = scheduler;
    this.#random = random;
    this.#perform = perform;
  }

  run<Result>(program: LeaseProgram<Result>, done: (result: Result) => void = () => {}): void {
    if (this.#isDead) return;
    this.#jobs.push({ program: program as LeaseProgram<unknown>, done: done as (result: unknown) => void });
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#continue();
  }

  die(): void {
    this.#isDead = true;
    this.#jobs.length = 0;
  }

  get idle(): boolean {
    return !this.#isRunning;
  }

  #continue(): void {
    for (;;) {
      if (this.#isDead) return;
      const [job] = this.#jobs;
      if (job === undefined) {
        this.#isRunning = false;
        return;
      }
      if (this.#random.chance(this.#asked?.do === this.favourite?.step ? Math.max(this.pauseChance, this.favourite?.chance ?? 0) : this.pauseChance)) {
        this.pauses++;
        this.pausedUntilMs = Math.max(this.pausedUntilMs, this.#scheduler.nowMs + this.#random.next() * this.pauseMaxMs);
      }
      if (this.pausedUntilMs > this.#scheduler.nowMs) {
        this.#scheduler.after(this.pausedUntilMs - this.#scheduler.nowMs, () => this.#continue());
        return;
      }
      if (this.#asked !== null) {
        this.#answer = this.#perform(this.#asked);
        this.#asked = null;
      }
      const next = job.program.next(this.#answer);
      this.#answer = 0;
      if (!next.done) {
        this.#asked = next.value;
        continue;
      }
      this.#jobs.shift();
      job.done(next.value);
    }
  }
}

/** What a life of a node does to the rest of the world. */
export interface Surroundings {
  sendTick(tick: LeaseTick): void;
  /** A tick has begun. */
  armed(): void;
  answered(order: number): void;
  exited(reason: string): void;
  /** Something may have begun to serve just now. */
  opened(): void;
  /** Terms were changed: there may be another time from beat to beat. */
  termsChanged(): void;
  /** How long a message from the main thread to the worker takes. */
  postDelayMs(): number;
}

/** One life of a node's service on a machine: a worker, a main thread, and what they share. */
export class Life {
  readonly self: Member;
  readonly worker: LeaseWorker;
  readonly ledger: LeaseLedger;
  readonly workerThread: Thread;
  readonly mainThread: Thread;
  readonly #machine: Machine;
  readonly #around: Surroundings;
  readonly #cells = new Map<string, number>();
  readonly #bug: Bug | null;
  #workerTerms = 0;
  #postedAtMs = 0;
  /** For the bug of that name: what is stored a round after it was sent, and what was sent in this round. */
  readonly #late: LeaseStep[] = [];
  readonly #stored: LeaseStep[] = [];

  constructor(machine: Machine, incarnation: number, parameters: LeaseParameters, random: Random, around: Surroundings, bug: Bug | null) {
    this.self = { node: machine.node, incarnation };
    this.#machine = machine;
    this.#around = around;
    this.#bug = bug;
    this.worker = new LeaseWorker(this.self, parameters);
    this.ledger = new LeaseLedger(this.self, parameters, machine.clock.nowMs);
    this.workerThread = new Thread(machine.scheduler, random, (step) => this.#perform(step));
    this.mainThread = new Thread(machine.scheduler, random, (step) => this.#perform(step));
    this.#cells.set("mainAlive 0", machine.clock.nowMs);
    this.workerThread.run(this.worker.begin());
  }

  #perform(step: LeaseStep): number {
    const { gate, clock } = this.#machine;
    switch (step.do) {
      case "readClock":
        return clock.nowMs;
      case "load":
        if (this.#bug === "echo after ACCEPT" && step.cell === "excludedAt") return 0;
        if (this.#bug === "echo under old terms" && step.cell === "terms") return this.#workerTerms;
        return this.#cells.get(`${step.cell} ${step.node}`) ?? 0;
      case "store":
        if (this.#bug === "lastEcho stored after sending" && step.cell === "lastEcho") this.#stored.push(step);
        else this.#cells.set(`${step.cell} ${step.node}`, step.value);
        return 0;
      case "arm":
        gate.arm(step.slot, step.timeoutMs, clock.exactMs);
        this.#around.armed();
        if (this.#bug === "confirm before evidence") gate.point(step.slot);
        this.#around.opened();
        return 0;
      case "sendTick":
        this.#around.sendTick(step.tick);
        for (const late of this.#late.splice(0)) if (late.do === "store") this.#cells.set(`${late.cell} ${late.node}`, late.value);
        this.#late.push(...this.#stored.splice(0));
        return 0;
      case "point":
        gate.point(step.slot);
        this.#around.opened();
        return 0;
      case "close":
        if (this.#bug === "pointed slot armed" && !this.worker.ended) return 0;
        gate.close();
        return 0;
      case "own":
        gate.own(step.addresses);
        this.#around.opened();
        return 0;
      case "answer":
        this.#around.answered(step.order);
        return 0;
      case "permit":
        this.#machine.monitor.permit(step.untilMs);
        return 0;
      case "exit":
        this.#around.exited(step.reason);
        return 0;
      case "post":
        this.#post(step.terms);
        return 0;
    }
  }

  #post(terms: LeaseTerms): void {
    const seen = this.#seen(terms);
    const { scheduler } = this.#machine;
    // First in first out; ticks come by another way, and may be faster.
    this.#postedAtMs = Math.max(this.#postedAtMs, scheduler.nowMs + this.#around.postDelayMs());
    scheduler.after(this.#postedAtMs - scheduler.nowMs, () => this.workerThread.run(this.#changeTerms(seen)));
  }

  #seen(terms: LeaseTerms): LeaseTerms {
    const [newest] = terms.weights;
    if (this.#bug === "evidence under the new W only") return { ...terms, weights: terms.weights.slice(0, 1) };
    if (this.#bug === "the holder uses a longer L when it appends" && newest?.tokenMs !== undefined) return { ...terms, weights: terms.weights.map((one) => ({ ...one, tokenMs: newest.tokenMs! })) };
    return terms;
  }

  *#changeTerms(terms: LeaseTerms): LeaseProgram {
    this.#workerTerms = terms.number;
    yield* this.worker.changeTerms(terms);
    this.#around.termsChanged();
  }
}

/** The monitor's part: processes that run until their permit ends. It is another process, and not frozen here. */
export class PermitMonitor {
  readonly #machine: Machine;
  untilMs = 0;
  running: ReadonlySet<string> = new Set();

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  permit(untilMs: number): void {
    this.untilMs = Math.max(this.untilMs, untilMs);
  }

  isRunning(role: string): boolean {
    return this.running.has(role) && this.#machine.clock.nowMs < this.untilMs;
  }

  /** A start needs a valid permit. */
  start(role: string): boolean {
    if (this.#machine.clock.nowMs >= this.untilMs) return false;
    this.running = new Set([...this.running, role]);
    return true;
  }

  stop(role: string): void {
    this.running = new Set([...this.running].filter((other) => other !== role));
  }

  stopAll(): void {
    this.running = new Set();
    this.untilMs = 0;
  }
}

/** What outlives the service: the kernel's gate, the clock, the monitor, the disk. */
export class Machine {
  readonly node: NodeId;
  readonly scheduler: Scheduler;
  readonly clock: SlewedClock;
  readonly gate = new GateModel(4);
  readonly monitor: PermitMonitor;
  life: Life | null = null;
  incarnation = 0;

  constructor(node: NodeId, scheduler: Scheduler, clock: SlewedClock) {
    this.node = node;
    this.scheduler = scheduler;
    this.clock = clock;
    this.monitor = new PermitMonitor(this);
  }


  serves(role: string): boolean {
    return role.startsWith("process") ? this.monitor.isRunning(role) : this.gate.passes(role, this.clock.exactMs);
  }
}
