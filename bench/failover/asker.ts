import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Lab } from "../../src/lab/lab.ts";
import { nowMs } from "../../test/lab/support/clock.ts";
import { until } from "../support/wait.ts";
import { ADDRESS, PORT } from "./role.ts";
import type { Reply } from "./outage.ts";

const PROGRAM = fileURLToPath(new URL("./programs/asking.ts", import.meta.url));
const EVERY_MS = 10;
/** An unanswered request counts as lost after this time; a new one is on its way every 10 ms all the same. */
const ANSWER_LIMIT_MS = 300;
const FIRST_LIMIT_MS = 60_000;

/** The client of the role, on the client's host of the lab. */
export class Asker {
  readonly #lab: Lab;
  #replies: Reply[] = [];
  #process: ChildProcess | null = null;

  constructor(lab: Lab) {
    this.#lab = lab;
  }

  start(): void {
    this.#process = this.#lab.client.spawn([process.execPath, "--disable-warning=ExperimentalWarning", PROGRAM, ADDRESS, String(PORT), String(EVERY_MS), String(ANSWER_LIMIT_MS)], { stdio: ["ignore", "pipe", "inherit"] });
    createInterface({ input: this.#process.stdout! }).on("line", (line) => {
      // Killed in the middle of a line.
      if (!line.endsWith("]")) return;
      const [begunMs, receivedMs, node, processId] = JSON.parse(line) as [number, number | null, string | null, number | null];
      if (receivedMs !== null && node !== null && processId !== null) this.#replies.push({ begunMs, receivedMs, node, processId });
    });
  }

  async stop(): Promise<void> {
    const child = this.#process;
    this.#process = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("close", resolve));
    child.kill("SIGKILL");
    await ended;
  }

  get replies(): readonly Reply[] {
    return this.#replies;
  }

  /** Lets go of what was measured already. */
  forget(): void {
    this.#replies = this.#replies.slice(-1);
  }

  /** Who answers what is asked from now on. @throws Error when nobody does */
  async current(limitMs = FIRST_LIMIT_MS): Promise<Reply> {
    return this.first(nowMs(), limitMs, () => true);
  }

  /** The first reply to a request begun after a moment that satisfies a condition. @throws Error when it does not come in time */
  async first(sinceMs: number, limitMs: number, wanted: (reply: Reply) => boolean): Promise<Reply> {
    let found: Reply | undefined;
    await until("the client gets the answer it waits for", limitMs, async () => {
      found = this.#replies.find((reply) => reply.begunMs >= sinceMs && wanted(reply));
      return found !== undefined;
    });
    return found!;
  }
}
