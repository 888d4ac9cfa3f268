import { Worker } from "node:worker_threads";
import { MusterError } from "../model/errors.ts";
import type { Member, NodeId } from "../model/identifiers.ts";
import type { Hold, Weights } from "../model/votes.ts";
import type { AcceptedInstall, ActiveView } from "../lease/ledger.ts";
import { LeaseLedger } from "../lease/ledger.ts";
import { LeaseLengths } from "../lease/lengths.ts";
import type { LeaseParameters } from "../lease/parameters.ts";
import type { LeaseProgram, LeaseStep } from "../lease/steps.ts";
import type { ChannelDescription } from "./channel.ts";
import { SharedCells, makeCellMemory } from "./cells.ts";
import { monotonicMs } from "./clock.ts";
import type { FromWorker, ToWorker, WorkerOptions, WorkerStatus } from "./messages.ts";
import { runProgram } from "./program.ts";
import type { RealTimeOutcome } from "../platform/real-time.ts";

export interface LeaseHostOptions {
  readonly self: Member;
  readonly clusterId: string;
  /** For weights that carry no token of their own. */
  readonly parameters: LeaseParameters;
  /** Name of the gate's tables: `gateTable` of the cluster's name. */
  readonly table: string;
  /** Addresses that the gate is for, as far as they are known. What a former life's gate was for stays among them. */
  readonly clustered: readonly string[];
  readonly channel: ChannelDescription;
  /** Real-time priority of the worker, 1 to 99; null = as everything else. */
  readonly realTimePriority: number | null;
  /** Processes without a gate may run until then (CLOCK_MONOTONIC, ms). */
  onPermit(untilMs: number): void;
  /** Nothing is left of a life of another node: its service died, and its monitor has ended everything. May be told again. */
  onReleased?(member: Member): void;
  /** Somebody else had changed the gate's tables, and it was made anew. For a short time nothing was gated. */
  onRepaired(problem: string): void;
  /** The worker is gone: nothing is renewed any more, and the gate is closed or closes within the lease. Called once. */
  onExit(reason: string): void;
}

/** For `muster lease show`. */
export interface LeaseStatus extends WorkerStatus {
  readonly holder: Member;
  /** As the token in force has them; `waitingTokenMs` is longer than it while the token changes. */
  readonly parameters: ReturnType<LeaseLengths["show"]>;
  /** What is left of the bound on everybody's lease that this node counts. */
  readonly holds: readonly Hold[];
  readonly realTime: RealTimeOutcome | null;
}

interface Waiting {
  readonly resolve: (status: WorkerStatus | null) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

const START_LIMIT_MS = 15_000;
/** The worker answers within a tick unless the kernel itself stands still. */
const ANSWER_LIMIT_MS = 5_000;
const ORDERS_MAX = 1_024;

/**
 * The main thread's side of the lease: it runs the ledger, tells the worker the terms and asks it
 * for what only the worker may do. {@link alive} must be called more often than every three seconds.
 */
export class LeaseHost {
  readonly #options: LeaseHostOptions;
  readonly #memory = makeCellMemory();
  readonly #cells = new SharedCells(this.#memory);
  readonly #ledger: LeaseLedger;
  readonly #lengths: LeaseLengths;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | null = null;
  #order = 0;
  #realTime: RealTimeOutcome | null = null;
  #hasStarted = false;
  #isOver = false;

  constructor(options: LeaseHostOptions) {
    this.#options = options;
    this.#lengths = new LeaseLengths(options.parameters);
    this.#ledger = new LeaseLedger(options.self, options.parameters, monotonicMs());
  }

  /**
   * Makes the gate anew, closed, and starts the worker.
   * @throws MusterError MUSTER_LIBRARY_MISSING, MUSTER_NEEDS_CAPABILITY, MUSTER_PACKET_FILTER, or what the channel says
   */
  async start(): Promise<void> {
    const { self, clusterId, parameters, table, clustered, channel, realTimePriority } = this.#options;
    this.alive();
    const workerData: WorkerOptions = { self, clusterId, parameters, cells: this.#memory, table, clustered, channel, realTimePriority };
    const worker = new Worker(new URL(import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js", import.meta.url), { workerData, execArgv: ["--disable-warning=ExperimentalWarning"] });
    this.#worker = worker;
    const started = Promise.withResolvers<void>();
    const timer = setTimeout(() => started.reject(new MusterError("MUSTER_INTERNAL", { problem: `the lease worker was not ready within ${START_LIMIT_MS} ms` })), START_LIMIT_MS);
    worker.on("message", (message: FromWorker) => {
      if (message.type === "notStarted") started.reject(MusterError.fromBody(message.error));
      if (message.type === "ready") {
        this.#realTime = message.realTime;
        this.#hasStarted = true;
        started.resolve();
      }
      this.#onMessage(message);
    });
    const onGone = (reason: string): void => {
      started.reject(new MusterError("MUSTER_INTERNAL", { problem: reason }));
      this.#over(reason);
    };
    worker.on("error", (error) => onGone(`the lease worker failed: ${error.message}`));
    worker.on("exit", (code) => onGone(`the lease worker ended with code ${code}`));
    try {
      await started.promise;
    } catch (error) {
      this.#isOver = true;
      await worker.terminate();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  // ---- what the main thread tells ------------------------------------------

  /** The loop came round. */
  alive(): void {
    this.#run(this.#ledger.alive());
  }

  /** ACTIVE was delivered and lists this node: before anything of its epoch is acknowledged. */
  activeDelivered(view: ActiveView): void {
    this.#run(this.#ledger.activeDelivered(view));
  }

  /** WEIGHTS was appended: before it is acknowledged. */
  weightsAppended(weights: Weights): void {
    this.#run(this.#ledger.weightsAppended(weights));
  }

  /** The newest WEIGHTS is known to be committed. */
  weightsCommitted(): void {
    this.#run(this.#ledger.weightsCommitted());
  }

  /** An INSTALL was carried out. @returns the holds for its ACCEPT, which must be sent after this */
  accept(install: AcceptedInstall): Hold[] {
    return this.#run(this.#ledger.accept(install));
  }

  /** RELEASED(node, incarnation) was stepped, or a clean inventory of the life after it. */
  released(node: NodeId, incarnation: number): void {
    this.#ledger.released(node, incarnation);
  }

  /** The holds that run on this node's clock. */
  remainingHolds(): Hold[] {
    return this.#ledger.holds.remaining(monotonicMs());
  }

  // ---- what the worker is asked --------------------------------------------

  /** The addresses that this node owns, all of them. Resolves when the kernel has them. @throws MusterError when it has not */
  async ownAddresses(addresses: readonly string[]): Promise<void> {
    await this.#ask((order) => ({ type: "own", addresses, order }));
  }

  /** The addresses that the gate is for, all of them; those that are owned stay. */
  async setClustered(addresses: readonly string[]): Promise<void> {
    await this.#ask((order) => ({ type: "clustered", addresses, order }));
  }

  async status(): Promise<LeaseStatus> {
    const { self } = this.#options;
    const known = await this.#ask((order) => ({ type: "status", order }));
    if (known === null) throw new MusterError("MUSTER_INTERNAL", { problem: "the lease worker answered without a status" });
    return { ...known, holder: self, parameters: this.#lengths.show(this.#ledger.weights), holds: this.remainingHolds(), realTime: this.#realTime };
  }

  /**
   * Closes the gate for good, and ends the worker. The tables stay, closed, unless `remove` says that no
   * clustered address is left on this machine.
   */
  async close(options: { readonly remove: boolean } = { remove: false }): Promise<void> {
    const worker = this.#worker;
    if (worker === null) return;
    // One that has failed has let go of its channel, and waits for nothing but this.
    if (this.#isOver) return void (await worker.terminate());
    const { remove } = options;
    try {
      await this.#ask((order) => ({ type: "close", remove, order }));
    } finally {
      this.#isOver = true;
      await worker.terminate();
    }
  }

  // ---- inside --------------------------------------------------------------

  #run<Result>(program: LeaseProgram<Result>): Result {
    return runProgram(program, (step) => this.#perform(step));
  }

  #perform(step: LeaseStep): number {
    switch (step.do) {
      case "readClock":
        return monotonicMs();
      case "load":
        return this.#cells.load(step.cell, step.node);
      case "store":
        this.#cells.store(step.cell, step.node, step.value);
        return 0;
      case "post":
        this.#post({ type: "terms", terms: step.terms });
        return 0;
      default:
        throw new Error(`the main thread does not ${step.do}`);
    }
  }

  #post(message: ToWorker): void {
    if (!this.#isOver) this.#worker?.postMessage(message);
  }

  #ask(message: (order: number) => ToWorker): Promise<WorkerStatus | null> {
    return new Promise((resolve, reject) => {
      if (this.#worker === null || this.#isOver) return reject(new MusterError("MUSTER_INTERNAL", { problem: "the lease worker does not run" }));
      if (this.#waiting.size >= ORDERS_MAX) return reject(new MusterError("MUSTER_BUSY", { what: "The lease worker's queue", limit: ORDERS_MAX }));
      const order = ++this.#order;
      const timer = setTimeout(() => {
        this.#waiting.delete(order);
        reject(new MusterError("MUSTER_TIMEOUT", { timeoutMs: ANSWER_LIMIT_MS }));
      }, ANSWER_LIMIT_MS);
      this.#waiting.set(order, { resolve, reject, timer });
      this.#post(message(order));
    });
  }

  #onMessage(message: FromWorker): void {
    switch (message.type) {
      case "answer":
        this.#answered(message);
        return;
      case "permit":
        this.#options.onPermit(message.untilMs);
        return;
      case "released":
        // Before an ACCEPT is sent that would name a hold for it.
        this.released(message.member.node, message.member.incarnation);
        this.#options.onReleased?.(message.member);
        return;
      case "repaired":
        this.#options.onRepaired(message.problem);
        return;
      case "ended":
        this.#over(message.reason);
        return;
      case "ready":
      case "notStarted":
        return;
    }
  }

  #answered({ order, error, status }: Extract<FromWorker, { type: "answer" }>): void {
    const waiting = this.#waiting.get(order);
    if (waiting === undefined) return;
    this.#waiting.delete(order);
    clearTimeout(waiting.timer);
    if (error === null) waiting.resolve(status ?? null);
    else waiting.reject(MusterError.fromBody(error));
  }

  #over(reason: string): void {
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(new MusterError("MUSTER_INTERNAL", { problem: reason }));
    }
    this.#waiting.clear();
    if (this.#isOver) return;
    this.#isOver = true;
    // A start that fails is told by throwing.
    if (this.#hasStarted) this.#options.onExit(reason);
  }
}
