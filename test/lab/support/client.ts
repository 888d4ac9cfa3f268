import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Lab } from "../../../src/lab/lab.ts";
import { parseAnswer } from "./answers.ts";
import type { Answer } from "./answers.ts";

const PROGRAM = fileURLToPath(new URL("./programs/recorder.ts", import.meta.url));
/** So many connections no recorder of a test makes. */
const CONNECTIONS_EACH = 100_000_000;

export interface ClientOptions {
  readonly address: string;
  readonly port: number;
  readonly everyMs: number;
  /** After this time an unanswered request counts as lost. */
  readonly limitMs: number;
}

/** The recorder on the lab's client host; what it has seen so far is in `answers`. */
export class Client {
  readonly answers: Answer[] = [];
  readonly #lab: Lab;
  readonly #options: ClientOptions;
  #process: ChildProcess | null = null;
  #starts = 0;
  #lastReply: Answer | null = null;

  constructor(lab: Lab, options: ClientOptions) {
    this.#lab = lab;
    this.#options = options;
  }

  /** Also again, when its host was off. */
  start(): void {
    const { address, port, everyMs, limitMs } = this.#options;
    const offset = CONNECTIONS_EACH * this.#starts++;
    this.#process = this.#lab.client.spawn([process.execPath, "--disable-warning=ExperimentalWarning", PROGRAM, address, String(port), String(everyMs), String(limitMs)], { stdio: ["ignore", "pipe", "inherit"] });
    const lines = createInterface({ input: this.#process.stdout! });
    lines.on("line", (line) => {
      // The host may lose power in the middle of a line.
      if (!line.endsWith("]")) return;
      const answer = parseAnswer(line);
      this.answers.push({ ...answer, connection: answer.connection + offset });
      if (answer.kind === "own" && answer.receivedMs !== null) this.#lastReply = answer;
    });
  }

  /** The newest reply on a connection of its own. */
  get lastReply(): Answer | null {
    return this.#lastReply;
  }

  async stop(): Promise<void> {
    const child = this.#process;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("close", resolve));
    child.kill("SIGKILL");
    await ended;
  }
}
