import { Worker } from "node:worker_threads";
import { MusterError } from "../model/errors.ts";
import { HISTORY_LIMITS, WAITING_MAX } from "./contract.ts";
import type { HistoryEntry, HistoryLimits, HistoryLine, HistoryQuery, HistoryStore, Replayable } from "./contract.ts";
import type { Answer, FromWorker, Question, ToWorker, WorkerOptions } from "./messages.ts";

export interface HistoryOptions {
  readonly path: string;
  readonly limits?: HistoryLimits;
  /** Told once when no history is kept any more: the cluster goes on without. */
  readonly onFailure: (problem: string) => void;
}

/** Entries that come together go over together. */
const GATHER_MS = 50;
const CLOSE_MS = 2_000;
const ANSWER_MS = 10_000;

/** The history of one node in one SQLite file, written by a thread of its own. */
export function createHistory(options: HistoryOptions): HistoryStore {
  return new ThreadedHistory(options);
}

class ThreadedHistory implements HistoryStore {
  readonly #options: HistoryOptions;
  readonly #questions = new Map<number, { readonly resolve: (answer: Answer) => void; readonly reject: (error: Error) => void }>();
  #worker: Worker | null = null;
  #failure: string | null = null;
  #unsent: HistoryEntry[] = [];
  /** Sent and not yet written. */
  #under = 0;
  #timer: NodeJS.Timeout | null = null;
  #lastNumber = 0;
  #exited: Promise<void> = Promise.resolve();

  constructor(options: HistoryOptions) {
    this.#options = options;
  }

  open(): Promise<void> {
    const { path, limits = HISTORY_LIMITS } = this.#options;
    const data: WorkerOptions = { path, limits };
    const worker = new Worker(new URL(import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js", import.meta.url), { workerData: data, execArgv: ["--disable-warning=ExperimentalWarning"] });
    this.#worker = worker;
    this.#exited = new Promise((resolve) => worker.once("exit", () => resolve()));
    return new Promise((resolve) => {
      worker.on("message", (message: FromWorker) => {
        if (message.type === "opened") resolve();
        this.#onMessage(message);
      });
      worker.on("error", (error) => this.#fail(error.message));
      worker.on("exit", () => {
        this.#fail("its thread ended");
        resolve();
      });
    });
  }

  #onMessage(message: FromWorker): void {
    switch (message.type) {
      case "recorded":
        this.#under -= message.count;
        return;
      case "answer":
        this.#questions.get(message.number)?.resolve(message.answer);
        this.#questions.delete(message.number);
        return;
      case "failed":
        if (message.number === null) return this.#fail(message.error.message);
        this.#questions.get(message.number)?.reject(MusterError.fromBody(message.error));
        this.#questions.delete(message.number);
        return;
      default:
    }
  }

  #fail(problem: string): void {
    if (this.#failure !== null) return;
    this.#failure = problem;
    this.#unsent = [];
    for (const { reject } of this.#questions.values()) reject(unavailable(problem));
    this.#questions.clear();
    if (this.#worker !== null) this.#options.onFailure(problem);
  }

  record(entry: HistoryEntry): void {
    if (this.#failure !== null) return;
    this.#unsent.push(entry);
    // A disk that is too slow costs history, never memory without end.
    if (this.#under + this.#unsent.length > WAITING_MAX) return this.#fail(`more than ${WAITING_MAX} entries wait for the disk`);
    this.#timer ??= setTimeout(() => this.#send(null), GATHER_MS);
  }

  keepState(snapshot: string): void {
    if (this.#failure === null) this.#send(snapshot);
  }

  #send(snapshot: string | null): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#unsent.length === 0 && snapshot === null) return;
    this.#under += this.#unsent.length;
    this.#post({ type: "record", entries: this.#unsent, snapshot });
    this.#unsent = [];
  }

  #post(message: ToWorker): void {
    if (this.#failure === null) this.#worker?.postMessage(message);
  }

  async #ask(question: Question): Promise<Answer> {
    if (this.#failure !== null || this.#worker === null) throw unavailable(this.#failure ?? "it is not open");
    this.#send(null);
    const number = (this.#lastNumber += 1);
    let timer: NodeJS.Timeout | undefined;
    const answered = new Promise<Answer>((resolve, reject) => {
      this.#questions.set(number, { resolve, reject });
      timer = setTimeout(() => reject(new MusterError("MUSTER_TIMEOUT", { timeoutMs: ANSWER_MS })), ANSWER_MS);
    });
    this.#post({ type: "ask", number, question });
    try {
      return await answered;
    } finally {
      clearTimeout(timer);
      this.#questions.delete(number);
    }
  }

  async list(query: HistoryQuery): Promise<readonly HistoryLine[]> {
    return (await this.#ask({ what: "list", query })) as readonly HistoryLine[];
  }

  async find(id: string): Promise<HistoryEntry | null> {
    return (await this.#ask({ what: "find", id })) as HistoryEntry | null;
  }

  async replayable(atMs: number): Promise<Replayable | null> {
    return (await this.#ask({ what: "replayable", atMs })) as Replayable | null;
  }

  async close(): Promise<void> {
    const worker = this.#worker;
    if (worker === null) return;
    this.#send(null);
    this.#post({ type: "close" });
    this.#worker = null;
    const timer = setTimeout(() => void worker.terminate(), CLOSE_MS);
    if (this.#failure !== null) await worker.terminate();
    await this.#exited;
    clearTimeout(timer);
  }
}

function unavailable(problem: string): MusterError {
  return new MusterError("MUSTER_HISTORY_UNAVAILABLE", { problem });
}
