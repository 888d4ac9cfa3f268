import { Worker } from "node:worker_threads";
import { MusterError } from "../model/errors.ts";
import type { BalancerOptions, BalancerSnapshot, FromBalancer, Question, ToBalancer } from "./messages.ts";

const ANSWER_LIMIT_MS = 10_000;
const WAITING_MAX = 1_000;

type Waiting = { readonly resolve: (result: unknown) => void; readonly reject: (error: Error) => void; readonly limit: NodeJS.Timeout };
type Without<Message, Field extends string> = Message extends unknown ? Omit<Message, Field> : never;

/** The main thread's side of a balancer's thread. */
export class BalancerThread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #onMessage: (message: FromBalancer) => void;
  #request = 0;
  #snapshot: BalancerSnapshot | null = null;

  private constructor(options: BalancerOptions, onMessage: (message: FromBalancer) => void, onEnd: (problem: string) => void) {
    this.#onMessage = onMessage;
    this.#worker = new Worker(new URL(import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js", import.meta.url), { workerData: options, execArgv: ["--disable-warning=ExperimentalWarning"] });
    this.#worker.on("message", (message: FromBalancer) => this.#receive(message));
    this.#worker.on("error", (error: Error) => this.#ended(error.message, onEnd));
    this.#worker.on("exit", (code) => this.#ended(`the thread ended with ${code}`, onEnd));
  }

  /**
   * @param onEnd it ended without being asked: nothing can go on
   * @throws MusterError when the adapter or the kernel cannot be used
   */
  static start(options: BalancerOptions, onMessage: (message: FromBalancer) => void, onEnd: (problem: string) => void): Promise<BalancerThread> {
    return new Promise((resolve, reject) => {
      let isReady = false;
      const thread: BalancerThread = new BalancerThread(
        options,
        (message) => {
          if (message.kind === "failed") return reject(MusterError.fromBody(message.error));
          if (message.kind === "ready") {
            isReady = true;
            resolve(thread);
          }
          onMessage(message);
        },
        (problem) => (isReady ? onEnd(problem) : reject(new MusterError("MUSTER_INTERNAL", { problem }))),
      );
    });
  }

  /** The newest that it told. */
  get snapshot(): BalancerSnapshot {
    return this.#snapshot!;
  }

  send(message: Exclude<ToBalancer, { readonly request: number }>): void {
    this.#worker.postMessage(message);
  }

  /** @throws MusterError MUSTER_TIMEOUT */
  ask<Result>(message: Without<Extract<ToBalancer, { readonly request: number }>, "request">): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.size >= WAITING_MAX) return reject(new MusterError("MUSTER_BUSY", { what: "The queue of questions to the balancer", limit: WAITING_MAX }));
      const request = ++this.#request;
      const limit = setTimeout(() => {
        this.#waiting.delete(request);
        reject(new MusterError("MUSTER_TIMEOUT", { timeoutMs: ANSWER_LIMIT_MS }));
      }, ANSWER_LIMIT_MS);
      this.#waiting.set(request, { resolve: resolve as (result: unknown) => void, reject, limit });
      this.#worker.postMessage({ ...message, request });
    });
  }

  /** @throws MusterError MUSTER_TIMEOUT, or MUSTER_INTERNAL with what the kernel said */
  async question<Result extends object>(question: Question): Promise<Result> {
    const result = await this.ask<Result | { readonly problem: string }>({ kind: "ask", question });
    if ("problem" in result) throw new MusterError("MUSTER_INTERNAL", { problem: result.problem });
    return result;
  }

  /** In good order; afterwards nothing of it is in the kernel. */
  async stop(): Promise<void> {
    await this.ask({ kind: "stop" }).catch(() => undefined);
    this.#worker.removeAllListeners("exit");
    await this.#worker.terminate();
  }

  #receive(message: FromBalancer): void {
    if (message.kind === "ready" || message.kind === "changed") this.#snapshot = message.snapshot;
    if (message.kind !== "answer") return this.#onMessage(message);
    const waiting = this.#waiting.get(message.request);
    if (waiting === undefined) return;
    this.#waiting.delete(message.request);
    clearTimeout(waiting.limit);
    waiting.resolve(message.result);
  }

  #ended(problem: string, onEnd: (problem: string) => void): void {
    for (const { reject, limit } of this.#waiting.values()) {
      clearTimeout(limit);
      reject(new MusterError("MUSTER_INTERNAL", { problem }));
    }
    this.#waiting.clear();
    onEnd(problem);
  }
}
