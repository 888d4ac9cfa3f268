import { connect } from "node:net";
import type { Socket } from "node:net";

const SAY_EVERY_MS = 50;
/** So long an answer may take on a connection that is open: far more than a segment that is sent again. */
const ANSWER_MS = 8_000;

export interface TalksOutcome {
  readonly connections: number;
  /** What was asked and answered on them. */
  readonly answers: number;
  readonly problems: readonly string[];
}

/** Connections that stay open, each for a while and then another, and something is said on each all the time: none may break, nor change its host. */
export class Talks {
  readonly #place: { readonly host: string; readonly port: number };
  readonly #lifeMs: number;
  readonly #workers: Promise<void>[] = [];
  readonly #problems: string[] = [];
  #isRunning = true;
  #connections = 0;
  #answers = 0;

  constructor(host: string, port: number, lifeMs: number) {
    this.#place = { host, port };
    this.#lifeMs = lifeMs;
  }

  start(sources: readonly string[]): void {
    for (const from of sources) this.#workers.push(this.#keepOne(from));
  }

  async stop(): Promise<TalksOutcome> {
    this.#isRunning = false;
    await Promise.all(this.#workers);
    return { connections: this.#connections, answers: this.#answers, problems: this.#problems };
  }

  async #keepOne(from: string): Promise<void> {
    while (this.#isRunning) {
      this.#connections += 1;
      const problem = await this.#talk(connect({ ...this.#place, localAddress: from }));
      if (problem !== null) this.#problems.push(`${new Date().toISOString()} ${from}: ${problem}`);
    }
  }

  /** @returns what went wrong; null = nothing */
  #talk(socket: Socket): Promise<string | null> {
    return new Promise((resolve) => {
      const untilMs = performance.now() + this.#lifeMs;
      let first: string | null = null;
      let timer = setTimeout(() => end("no connection"), ANSWER_MS);
      const end = (problem: string | null): void => {
        clearTimeout(timer);
        socket.destroy();
        resolve(problem);
      };
      const say = (): void => {
        socket.write("?");
        timer = setTimeout(() => end(`${first} does not answer any more`), ANSWER_MS);
      };
      socket.setNoDelay(true);
      socket.on("data", (data) => {
        clearTimeout(timer);
        const name = data.toString("latin1").trim();
        first ??= name;
        if (name !== first) return end(`${first} answered first, then ${name}`);
        this.#answers += 1;
        if (performance.now() >= untilMs || !this.#isRunning) return end(null);
        timer = setTimeout(say, SAY_EVERY_MS);
      });
      socket.on("error", (error) => end(`${first ?? "nobody yet"}: ${error.message}`));
      socket.on("end", () => end(`${first ?? "nobody yet"} ended it`));
    });
  }
}
