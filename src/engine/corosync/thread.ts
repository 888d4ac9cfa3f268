import koffi from "koffi";
import { Worker } from "node:worker_threads";
import { MusterError } from "../../model/errors.ts";
import type { Member, NodeId } from "../../model/identifiers.ts";
import { decodeMembers, Frame, FrameReader, HEADER_BYTES, MEMBER_BYTES, readMember } from "../local/frames.ts";
import type { LinkState } from "./cmap.ts";
import type { FromWorker, ToWorker, WorkerOptions } from "./messages.ts";
import { createWords, DESCRIPTORS, distance, Waits, Word } from "./shared.ts";

/**
 * The engine's side of its thread: bounds what waits for it, watches whether it is held up, and replaces it. A thread
 * that waits in a call cannot be ended (and must not be: see CpgConnection); shutting its descriptors down ends the
 * waiting, or corosync does by answering or dying.
 */

export interface CorosyncThreadOptions {
  readonly worker: Omit<WorkerOptions, "words">;
  readonly hangTimeoutMs: number;
  /** Another thread in place of worker.ts, to try its failures. */
  readonly workerUrl?: URL;
  readonly onMembers: (members: readonly Member[]) => void;
  readonly onMessage: (from: Member, payload: Uint8Array) => void;
  /** There is no connection to corosync: at the start, or not any more. */
  readonly onAlone: (problem: string) => void;
  readonly onLinks: (links: readonly LinkState[]) => void;
  readonly onNotice: (text: string) => void;
  /** A node is in the group and cannot be a member. */
  readonly onRefused: (node: NodeId, problem: string) => void;
  /** This incarnation cannot go on. */
  readonly onOver: (error: MusterError) => void;
}

/** Most bytes that wait for the thread; beyond, the connection is given up. */
const UNSENT_BYTES_MAX = 8 * 1024 * 1024;
/** Looks at the thread in the time after which it counts as held up. */
const LOOKS = 6;
/** How long a thread is given to close. */
const STOP_MS = 2_000;
/** How long libqb may take to see that its descriptor was shut down. */
const SHUTDOWN_MS = 2_500;
/** How long the end of the process waits for the thread to leave. */
const EXIT_MS = 500;
/** A thread that ended by itself is started again after this. */
const RESTART_MS = 1_000;
/** So many threads that do not come back from a call are left behind; then this incarnation is over. */
const ABANDONED_MAX = 2;
/** A thread that is held up for so many times the hang time-out, in anything but connecting, is replaced. */
const REPLACE_AFTER = 5;
const SHUT_BOTH = 2;
const FRAME_BYTES_MAX = 64 * 1024;

interface Libc {
  readonly shutdown: (descriptor: number, how: number) => number;
  readonly exit: (code: number) => void;
}

/** Both return at once: the only calls of C outside of the thread. */
let libc: Libc | null = null;
function callLibc(): Libc {
  if (libc === null) {
    const library = koffi.load("libc.so.6");
    libc = { shutdown: library.func("int shutdown(int descriptor, int how)") as Libc["shutdown"], exit: library.func("void _exit(int code)") as Libc["exit"] };
  }
  return libc;
}

/** The thread's file beside this one, as source or as compiled. */
function workerUrl(): URL {
  return new URL(import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js", import.meta.url);
}

export class CorosyncThread {
  readonly #options: CorosyncThreadOptions;
  readonly #watching: NodeJS.Timeout;
  readonly #onExit: (code: number) => void;
  #words = createWords();
  #worker: Worker;
  #exited: Promise<void>;
  #abandoned = 0;
  #isOver = false;
  /** The session that the listener knows; null while this node is alone. */
  #session: number | null = null;
  /** Sessions up to this one are given up. */
  #dropped = 0;
  #unsent: Uint8Array[] = [];
  #unsentBytes = 0;
  /** Bytes of frames handed to the thread. */
  #given = 0;
  #restarting: NodeJS.Timeout | null = null;
  /** Runs until the listener knows a membership. */
  #forming: NodeJS.Timeout | null;
  #isCurrentGone = false;
  #lastBeat = 0;
  #missedLooks = 0;

  constructor(options: CorosyncThreadOptions) {
    this.#options = options;
    const { worker, exited } = this.#start();
    this.#worker = worker;
    this.#exited = exited;
    this.#watching = setInterval(() => this.#look(), options.hangTimeoutMs / LOOKS);
    this.#forming = setTimeout(() => this.#becomeAlone("corosync has formed no membership yet"), options.hangTimeoutMs);
    this.#onExit = (code) => this.#leaveAtExit(code);
    process.on("exit", this.#onExit);
  }

  /** Never blocks: when the thread does not take it the connection is given up. */
  multicast(payload: Uint8Array): void {
    if (this.#session === null) return;
    if (distance(this.#given, this.#words, Word.sent) + this.#unsentBytes > UNSENT_BYTES_MAX) {
      const session = this.#session;
      // The caller is in the middle of its work: it hears of it afterwards.
      setImmediate(() => this.#session === session && this.#drop(`corosync does not take what is sent (${UNSENT_BYTES_MAX} bytes wait)`));
      return;
    }
    if (this.#unsent.length === 0) queueMicrotask(() => this.#flush());
    this.#unsent.push(payload);
    this.#unsentBytes += HEADER_BYTES + payload.length;
  }

  /** @returns when the thread has ended, or has been left behind because it waits in a call */
  async stop(): Promise<void> {
    if (this.#isOver) return;
    this.#flush();
    this.#isOver = true;
    clearInterval(this.#watching);
    if (this.#restarting !== null) clearTimeout(this.#restarting);
    this.#hasFormed();
    this.#post({ type: "stop" });
    if (await this.#hasEnded(STOP_MS)) return;
    this.#shutDown();
    if (await this.#hasEnded(SHUTDOWN_MS)) return;
    this.#options.onNotice("the thread of the engine waits for corosync and is left behind");
    this.#worker.unref();
  }

  #start(): { worker: Worker; exited: Promise<void> } {
    const data: WorkerOptions = { ...this.#options.worker, words: this.#words };
    const worker = new Worker(this.#options.workerUrl ?? workerUrl(), {
      workerData: data,
      execArgv: ["--disable-warning=ExperimentalWarning"],
    });
    worker.on("message", (message: FromWorker) => this.#worker === worker && this.#receive(message));
    worker.on("error", (error) => this.#options.onNotice(`the thread of the engine failed: ${error.message}`));
    const exited = new Promise<void>((resolve) => {
      worker.on("exit", () => {
        resolve();
        if (this.#worker === worker) this.#onThreadEnd();
        else this.#abandoned--;
        if (this.#isOver && this.#isCurrentGone && this.#abandoned === 0) process.off("exit", this.#onExit);
      });
    });
    return { worker, exited };
  }

  #receive(message: FromWorker): void {
    switch (message.type) {
      case "batch":
        return this.#take(message.session, message.frames);
      case "lost":
        if (message.session === this.#session) this.#becomeAlone(message.problem);
        return;
      case "unreachable":
        return this.#becomeAlone(message.problem);
      case "links":
        return this.#options.onLinks(message.links);
      case "notice":
        return this.#options.onNotice(message.text);
      case "refused":
        return this.#options.onRefused(message.node, message.problem);
      case "over":
        if (!this.#isOver) this.#options.onOver(MusterError.fromBody(message.error));
        return;
    }
  }

  #take(session: number, frames: Uint8Array): void {
    const words = this.#words;
    try {
      if (session <= this.#dropped) return;
      new FrameReader(FRAME_BYTES_MAX).push(Buffer.from(frames.buffer, frames.byteOffset, frames.byteLength), (type, body) => {
        if (type === Frame.Members) {
          this.#session = session;
          this.#hasFormed();
          this.#options.onMembers(decodeMembers(body));
        } else {
          this.#options.onMessage(readMember(body, 0), body.subarray(MEMBER_BYTES));
        }
        return !this.#isOver && session > this.#dropped;
      });
    } finally {
      Atomics.add(words, Word.taken, frames.length);
    }
  }

  #flush(): void {
    const unsent = this.#unsent;
    const bytes = this.#unsentBytes;
    this.#unsent = [];
    this.#unsentBytes = 0;
    if (unsent.length === 0 || this.#session === null || this.#isOver) return;
    const frames = Buffer.from(new ArrayBuffer(bytes));
    let offset = 0;
    for (const payload of unsent) {
      frames.writeUInt32BE(payload.length + 1, offset);
      frames[offset + HEADER_BYTES - 1] = Frame.Multicast;
      frames.set(payload, offset + HEADER_BYTES);
      offset += HEADER_BYTES + payload.length;
    }
    this.#given = (this.#given + bytes) >>> 0;
    this.#post({ type: "send", session: this.#session, frames }, [frames.buffer as ArrayBuffer]);
  }

  #post(message: ToWorker, handedOver: ArrayBuffer[] = []): void {
    this.#worker.postMessage(message, handedOver);
  }

  /** Gives the present connection up: the thread makes another one when it can. */
  #drop(problem: string): void {
    const session = this.#session;
    if (session === null) return;
    this.#dropped = session;
    this.#post({ type: "drop", session, problem });
    this.#becomeAlone(problem);
  }

  #hasFormed(): void {
    if (this.#forming !== null) clearTimeout(this.#forming);
    this.#forming = null;
  }

  #becomeAlone(problem: string): void {
    this.#hasFormed();
    this.#session = null;
    this.#unsent = [];
    this.#unsentBytes = 0;
    this.#options.onLinks([]);
    if (!this.#isOver) this.#options.onAlone(problem);
  }

  /** While this process itself stands still nothing is counted; the thread beats again before the next look. */
  #look(): void {
    const beat = Atomics.load(this.#words, Word.beat);
    if (beat !== this.#lastBeat) {
      this.#lastBeat = beat;
      this.#missedLooks = 0;
      return;
    }
    this.#missedLooks++;
    if (this.#missedLooks === LOOKS) {
      const problem = Atomics.load(this.#words, Word.waits) === Waits.nothing ? "the thread of the engine is held up" : "corosync does not answer";
      if (this.#session === null) this.#becomeAlone(problem);
      else this.#drop(problem);
      this.#shutDown();
    }
    // Whoever waits to be connected waits for corosync; another thread would do the same.
    if (this.#missedLooks >= LOOKS * REPLACE_AFTER && Atomics.load(this.#words, Word.waits) !== Waits.connecting) this.#replace();
  }

  #replace(): void {
    this.#missedLooks = 0;
    if (++this.#abandoned > ABANDONED_MAX) {
      return this.#options.onOver(new MusterError("MUSTER_INTERNAL", { problem: `${ABANDONED_MAX} threads of the engine hang in corosync's libraries` }));
    }
    this.#options.onNotice("the thread of the engine does not come back: another one is started");
    this.#post({ type: "stop" });
    this.#worker.unref();
    this.#restart();
  }

  #onThreadEnd(): void {
    this.#isCurrentGone = true;
    // What it did not close would keep this process in the group.
    this.#shutDown();
    if (this.#isOver) return;
    this.#options.onNotice("the thread of the engine ended: it is started again");
    if (this.#session !== null) this.#becomeAlone("the thread of the engine ended");
    this.#restarting = setTimeout(() => this.#restart(), RESTART_MS);
  }

  #restart(): void {
    this.#words = createWords();
    this.#given = 0;
    this.#dropped = 0;
    this.#session = null;
    this.#lastBeat = 0;
    this.#missedLooks = 0;
    const { worker, exited } = this.#start();
    this.#worker = worker;
    this.#exited = exited;
    this.#isCurrentGone = false;
  }

  #hasEnded(timeMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), timeMs);
      void this.#exited.then(() => {
        clearTimeout(timer);
        resolve(true);
      });
    });
  }

  /** Ends what the thread waits for, and its membership at the others. */
  #shutDown(): void {
    for (const word of DESCRIPTORS) {
      const descriptor = Atomics.load(this.#words, word);
      if (descriptor >= 0) callLibc().shutdown(descriptor, SHUT_BOTH);
    }
  }

  /**
   * The process ends without `stop`, or with a thread that was left behind. Node would end the thread in the middle of
   * what it does, or wait for it for ever: so it is asked to close, and otherwise the process ends without it.
   */
  #leaveAtExit(code: number): void {
    if (!this.#isOver) this.#post({ type: "stop" });
    const hasClosed = Atomics.wait(this.#words, Word.closed, 0, EXIT_MS) !== "timed-out";
    if (!hasClosed || this.#abandoned > 0) callLibc().exit(code);
  }
}
