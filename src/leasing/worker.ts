import { writeSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { MusterError } from "../model/errors.ts";
import { LeaseWorker } from "../lease/lease.ts";
import type { LeaseProgram, LeaseStep } from "../lease/steps.ts";
import { KernelGate } from "../network/gate.ts";
import { Nftables } from "../network/nftables.ts";
import { becomeRealTime, exitProcess } from "../platform/real-time.ts";
import type { LeaseChannel } from "./channel.ts";
import { openChannel } from "./channel.ts";
import { SharedCells } from "./cells.ts";
import { monotonicMs } from "./clock.ts";
import type { FromWorker, ToWorker, WorkerOptions } from "./messages.ts";
import { decodeRelease } from "./release.ts";
import { runProgram } from "./program.ts";
import { LeaseStatistics } from "./statistics.ts";
import { TickCodec } from "./tick-codec.ts";
import { LEASE_EXIT_CODE } from "./exit-code.ts";

/**
 * The lease thread (PROTOCOL part 2): the only one that touches the gate. It runs the programs of
 * `src/lease` one after the other, each to its end; nothing in it waits for anything but the kernel.
 */

const STANDARD_ERROR = 2;
/** A permit is told when it lasts longer than the one before by this share of what is left of it. */
const PERMIT_STEP = 0.1;

class LeaseThread {
  readonly #options: WorkerOptions;
  readonly #send: (message: FromWorker) => void;
  readonly #worker: LeaseWorker;
  readonly #cells: SharedCells;
  readonly #codec: TickCodec;
  readonly #statistics: LeaseStatistics;
  readonly #gate: KernelGate;
  #channel: LeaseChannel | null = null;
  #timer: NodeJS.Timeout | null = null;
  #beatMs = 0;
  #terms: Extract<ToWorker, { type: "terms" }>["terms"] | null = null;
  #permitToldMs = Number.NEGATIVE_INFINITY;
  /** An order of the main thread asked for the end: the process goes on. */
  #isClosing = false;

  constructor(options: WorkerOptions, send: (message: FromWorker) => void) {
    this.#options = options;
    this.#send = send;
    this.#worker = new LeaseWorker(options.self, options.parameters);
    this.#cells = new SharedCells(options.cells);
    this.#codec = new TickCodec(options.clusterId);
    this.#statistics = new LeaseStatistics();
    this.#gate = new KernelGate(new Nftables(), options.table);
  }

  async start(): Promise<void> {
    const { clustered, channel, realTimePriority } = this.#options;
    // Before anything else: whatever a predecessor left is closed by this.
    this.#gate.install(clustered);
    this.#run(this.#worker.begin());
    const realTime = realTimePriority === null ? null : becomeRealTime(realTimePriority);
    this.#channel = await openChannel(channel);
    await this.#channel.start((bytes) => this.#guarded(() => this.#onMessage(bytes)));
    this.#followBeatMs();
    this.#send({ type: "ready", realTime });
  }

  /** How often it is to be asked for a tick depends on the token, which is part of the terms, and on what is owned. */
  #followBeatMs(): void {
    const { beatMs } = this.#worker;
    if (beatMs === this.#beatMs || this.#isClosing) return;
    this.#beatMs = beatMs;
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#guarded(() => this.#run(this.#worker.timer())), beatMs);
  }

  handle(message: ToWorker): void {
    switch (message.type) {
      case "terms":
        this.#terms = message.terms;
        this.#guarded(() => {
          this.#run(this.#worker.changeTerms(message.terms));
          // Before the channel is open it ticks for nobody.
          if (this.#channel !== null) this.#followBeatMs();
        });
        return;
      case "own":
        this.#answering(message.order, () => {
          this.#run(this.#worker.changeOwned(message.addresses, message.order));
          if (this.#channel !== null) this.#followBeatMs();
        });
        return;
      case "clustered":
        this.#answering(message.order, () => {
          this.#withGate(() => this.#gate.setClustered(message.addresses));
          this.#answer(message.order);
        });
        return;
      case "status":
        this.#answering(message.order, () => this.#answerStatus(message.order));
        return;
      case "close":
        this.#answering(message.order, () => this.#close(message));
        return;
    }
  }

  #close({ order, remove }: Extract<ToWorker, { type: "close" }>): void {
    this.#isClosing = true;
    this.#run(this.#worker.end("the service closes its lease"));
    if (remove) this.#gate.remove();
    this.#gate.release();
    this.#release();
    this.#answer(order);
  }

  /** Also before a thread ends that has failed: a channel of corosync must be closed in its own thread. */
  #release(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#channel?.close();
    this.#channel = null;
  }

  /** What fails here cannot be mended: nothing is renewed any more, so the gate closes, and the main thread is told. */
  #guarded(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#release();
      this.#send({ type: "ended", reason: `the lease worker failed: ${error instanceof Error ? error.message : String(error)}` });
    }
  }

  #onMessage(bytes: Uint8Array): void {
    if (this.#worker.ended) return;
    const decoded = this.#codec.decode(bytes);
    if (decoded.kind === "foreign") this.#onOther(bytes);
    else if (decoded.kind === "malformed") this.#statistics.malformed += 1;
    else {
      this.#statistics.ticksReceived += 1;
      this.#run(this.#worker.tick(decoded.tick));
    }
  }

  #onOther(bytes: Uint8Array): void {
    const member = decodeRelease(this.#options.clusterId, bytes);
    if (member === null) this.#statistics.foreign += 1;
    else this.#send({ type: "released", member });
  }

  #run(program: LeaseProgram): void {
    runProgram(program, (step) => this.#perform(step));
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
      case "arm":
        this.#timer?.refresh();
        this.#statistics.slotArmed(step.slot, step.timeoutMs, monotonicMs());
        // A tick whose slot could not be armed may gather evidence: it then points at nothing.
        this.#withGate(() => this.#gate.arm(step.slot, step.timeoutMs));
        return 0;
      case "sendTick":
        this.#channel?.send(this.#codec.encode(step.tick));
        return 0;
      case "point":
        this.#statistics.slotPointed(step.slot, monotonicMs());
        this.#withGate(() => this.#gate.point(step.slot));
        return 0;
      case "close":
        this.#withGate(() => this.#gate.close());
        return 0;
      case "own":
        this.#withGate(() => this.#gate.own(step.addresses));
        return 0;
      case "answer":
        this.#answer(step.order);
        return 0;
      case "permit":
        this.#permit(step.untilMs);
        return 0;
      case "exit":
        this.#exit(step.reason);
        return 0;
      case "post":
        throw new Error("the worker posts no terms");
    }
  }

  /** What lasts hardly longer than what was told is not worth waking two processes for: a permit may always be a little shorter. */
  #permit(untilMs: number): void {
    if (untilMs - this.#permitToldMs < (untilMs - monotonicMs()) * PERMIT_STEP) return;
    this.#permitToldMs = untilMs;
    this.#send({ type: "permit", untilMs });
  }

  /**
   * A command fails when somebody else changed the tables (`nft flush ruleset`, say). They are made
   * anew, closed, and the command is given again: pointing at a slot that is not armed opens nothing.
   */
  #withGate(command: () => void): void {
    try {
      command();
    } catch (error) {
      this.#gate.repair();
      command();
      this.#statistics.repairs += 1;
      this.#send({ type: "repaired", problem: error instanceof Error ? error.message : String(error) });
    }
  }

  #exit(reason: string): void {
    if (this.#isClosing) return;
    this.#send({ type: "ended", reason });
    // The main thread may not read messages any more.
    writeSync(STANDARD_ERROR, `muster: node ${this.#options.self.node}: ${reason}; the gate is closed and the service ends\n`);
    exitProcess(LEASE_EXIT_CODE);
  }

  #answerStatus(order: number): void {
    const terms = this.#terms;
    const status = { figures: this.#statistics.figures(monotonicMs()), terms: terms === null ? null : { number: terms.number, epoch: terms.epoch, members: terms.members }, gate: this.#gate.state() };
    this.#send({ type: "answer", order, error: null, status });
  }

  #answer(order: number): void {
    this.#send({ type: "answer", order, error: null });
  }

  /** An order that cannot be carried out is answered with why. */
  #answering(order: number, action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#send({ type: "answer", order, error: MusterError.from(error).toBody() });
    }
  }
}

if (parentPort === null) throw new Error("this file is the lease thread");
const port = parentPort;
const send = (message: FromWorker): void => port.postMessage(message);
try {
  const thread = new LeaseThread(workerData as WorkerOptions, send);
  await thread.start();
  port.on("message", (message: ToWorker) => {
    thread.handle(message);
    if (message.type === "close") port.close();
  });
} catch (error) {
  send({ type: "notStarted", error: MusterError.from(error).toBody() });
  port.close();
}
