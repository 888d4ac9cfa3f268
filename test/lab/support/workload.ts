import { ApiClient } from "../../../src/api/client.ts";
import { MusterError } from "../../../src/model/errors.ts";
import type { DatabaseValue } from "../../../src/model/objects.ts";
import { nowMs } from "./clock.ts";
import { checkLinearizable, list, register } from "./linearizability.ts";
import type { ListInput, Operation, RegisterInput, RegisterOutput } from "./linearizability.ts";


export interface WorkloadSummary {
  readonly operations: number;
  readonly unknown: number;
  readonly objects: number;
  /** Sentences; empty = every object was linearizable. */
  readonly problems: readonly string[];
}

/** A history that long, with few at a time, is judged in milliseconds. */
const OPERATIONS_PER_OBJECT = 60;
/** Each one doubles what may have happened. */
const UNKNOWN_PER_OBJECT = 6;
const LIMIT_MS = 2_500;
const PAUSE_MS = 100;
/** When nobody answers, asking more often says nothing. */
const PAUSE_AFTER_FAILURE_MS = 200;

/** Refusals after which it is certain that nothing was, or will be, done. */
const WITHOUT_EFFECT = ["MUSTER_NO_QUORUM", "MUSTER_CONDITION_FAILED"];
const NEVER_SENT = ["ECONNREFUSED", "ENOENT"];

class HistoryOf<Input, Output> {
  readonly key: string;
  readonly operations: Operation<Input, Output>[] = [];
  unknown = 0;

  constructor(key: string) {
    this.key = key;
  }

  get isFull(): boolean {
    return this.operations.length >= OPERATIONS_PER_OBJECT || this.unknown >= UNKNOWN_PER_OBJECT;
  }
}

/**
 * Clients that read, write, compare-and-set and append without end, each through the socket of one node, and remember what
 * became of it. Reads are asked for as consistent ones. Objects change from time to time, so that each history stays short.
 */
export class Workload {
  readonly #clients: readonly ApiClient[];
  readonly #registers: HistoryOf<RegisterInput, RegisterOutput>[] = [];
  readonly #lists: HistoryOf<ListInput, string>[] = [];
  readonly #name: string;
  readonly #random: () => number;
  #running: Promise<void>[] = [];
  #isOver = false;
  #values = 0;

  /** @param sockets of the nodes' APIs @param random from 0 to 1 */
  constructor(sockets: readonly string[], random: () => number = Math.random, name = "workload") {
    this.#clients = sockets.map((socket) => new ApiClient({ socket }));
    this.#random = random;
    this.#name = name;
  }

  start(): void {
    this.#running = this.#clients.map((client, position) => this.#run(client, position % 2 === 0 ? 0.3 : 0.7));
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#running);
  }

  /**
   * Reads every object once more, now that all is well, and judges all histories.
   * @throws MusterError when the cluster does not answer
   */
  async judge(client: ApiClient): Promise<WorkloadSummary> {
    for (const history of this.#registers) await this.#readRegister(client, history, true);
    for (const history of this.#lists) await this.#readList(client, history, true);
    const judged = [...this.#registers.map((history) => ({ history, verdict: checkLinearizable(register, history.operations) })), ...this.#lists.map((history) => ({ history, verdict: checkLinearizable(list, history.operations) }))];
    const histories = judged.map(({ history }) => history);
    return {
      operations: histories.reduce((sum, history) => sum + history.operations.length, 0),
      unknown: histories.reduce((sum, history) => sum + history.unknown, 0),
      objects: histories.length,
      problems: judged.filter(({ verdict }) => verdict !== "linearizable").map(({ history, verdict }) => `${history.key} is ${verdict}: ${JSON.stringify(history.operations)}`),
    };
  }

  async #run(client: ApiClient, shareOfLists: number): Promise<void> {
    let seen = 0;
    while (!this.#isOver) {
      const isList = this.#random() < shareOfLists;
      const choice = this.#random();
      let isKnown: boolean;
      if (isList) {
        const history = this.#current(this.#lists, "list");
        isKnown = choice < 0.5 ? await this.#readList(client, history) : await this.#append(client, history);
      } else {
        const history = this.#current(this.#registers, "register");
        if (choice < 0.4) {
          const found = await this.#readRegister(client, history);
          isKnown = found !== undefined;
          seen = found ?? seen;
        } else if (choice < 0.7) {
          isKnown = await this.#write(client, history, ++this.#values);
        } else {
          isKnown = await this.#compareAndSet(client, history, seen, ++this.#values);
        }
      }
      await new Promise((resolve) => setTimeout(resolve, isKnown ? PAUSE_MS : PAUSE_AFTER_FAILURE_MS));
    }
  }

  #current<Input, Output>(histories: HistoryOf<Input, Output>[], kind: string): HistoryOf<Input, Output> {
    if (histories.at(-1)?.isFull !== false) histories.push(new HistoryOf(`${this.#name}/${kind}/${histories.length}`));
    return histories.at(-1)!;
  }

  /** @returns undefined when it did not answer */
  async #readRegister(client: ApiClient, history: HistoryOf<RegisterInput, RegisterOutput>, mustAnswer = false): Promise<number | null | undefined> {
    const calledMs = nowMs();
    const found = await this.#read(client, history.key, mustAnswer);
    if (found === undefined) return undefined;
    const output = found === null ? null : Number(found.value);
    history.operations.push({ calledMs, returnedMs: nowMs(), input: { kind: "read" }, output });
    return output;
  }

  async #readList(client: ApiClient, history: HistoryOf<ListInput, string>, mustAnswer = false): Promise<boolean> {
    const calledMs = nowMs();
    const found = await this.#read(client, history.key, mustAnswer);
    if (found === undefined) return false;
    history.operations.push({ calledMs, returnedMs: nowMs(), input: { kind: "read" }, output: found === null ? "" : String(found.value) });
    return true;
  }

  async #write(client: ApiClient, history: HistoryOf<RegisterInput, RegisterOutput>, value: number): Promise<boolean> {
    const calledMs = nowMs();
    const outcome = await this.#batch(client, [{ operation: "set", key: history.key, value: { type: "number", value } }]);
    return this.#remember<RegisterInput, RegisterOutput>(history, calledMs, { kind: "write", value }, outcome === "refused" ? "without effect" : outcome);
  }

  async #compareAndSet(client: ApiClient, history: HistoryOf<RegisterInput, RegisterOutput>, expected: number, value: number): Promise<boolean> {
    const calledMs = nowMs();
    const condition = { operation: "equal", key: history.key, value: { type: "number", value: expected } };
    const outcome = await this.#batch(client, [condition, { operation: "set", key: history.key, value: { type: "number", value } }]);
    return this.#remember<RegisterInput, RegisterOutput>(history, calledMs, { kind: "compareAndSet", expected, value }, outcome);
  }

  /** Reads and puts the item at the end of what was read; when others were quicker, again. */
  async #append(client: ApiClient, history: HistoryOf<ListInput, string>): Promise<boolean> {
    const item = String(++this.#values);
    const calledMs = nowMs();
    for (;;) {
      const found = await this.#read(client, history.key, false);
      if (found === undefined) return false;
      const condition = found === null ? { operation: "notExists", key: history.key } : { operation: "equal", key: history.key, value: found };
      const value = { type: "string", value: found === null ? item : `${String(found.value)} ${item}` };
      const outcome = await this.#batch(client, [condition, { operation: "set", key: history.key, value }]);
      if (outcome !== "refused") return this.#remember<ListInput, string>(history, calledMs, { kind: "append", item }, outcome);
      if (this.#isOver) return true;
    }
  }

  #remember<Input, Output>(history: HistoryOf<Input, Output>, calledMs: number, input: Input, outcome: Outcome): boolean {
    if (outcome === "without effect") return false;
    if (outcome === "unknown") history.unknown++;
    history.operations.push({ calledMs, returnedMs: outcome === "unknown" ? null : nowMs(), input, ...(outcome === "unknown" ? {} : { output: (outcome === "done") as Output }) });
    return outcome !== "unknown";
  }

  async #read(client: ApiClient, key: string, mustAnswer: boolean): Promise<DatabaseValue | null | undefined> {
    try {
      return await client.get<DatabaseValue>(`/v1/database/value/${key}`, { query: { consistent: "true", timeoutMs: String(LIMIT_MS) }, timeoutMs: LIMIT_MS });
    } catch (error) {
      if (MusterError.from(error).code === "MUSTER_KEY_NOT_FOUND") return null;
      if (mustAnswer) throw error;
      return undefined;
    }
  }

  async #batch(client: ApiClient, operations: readonly object[]): Promise<Outcome> {
    try {
      await client.send("POST", "/v1/database/batch", { query: { timeoutMs: String(LIMIT_MS) }, body: { operations }, timeoutMs: LIMIT_MS });
      return "done";
    } catch (error) {
      const { code, cause } = MusterError.from(error) as MusterError & { readonly cause?: NodeJS.ErrnoException };
      if (code === "MUSTER_CONDITION_FAILED") return "refused";
      return WITHOUT_EFFECT.includes(code) || NEVER_SENT.includes(cause?.code ?? "") ? "without effect" : "unknown";
    }
  }
}

/** refused = the condition did not hold. */
type Outcome = "done" | "refused" | "without effect" | "unknown";
