import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { commandLine, listProcesses, readProcess } from "./processes.ts";
import type { Sandbox } from "./sandbox.ts";
import { until } from "./until.ts";

const LOOK_MS = 25;

/**
 * A role that binds no port, so that nothing keeps a second copy from running: it appends its process id and
 * the time to a file twice a second. Who watches the file and /proc sees a double run.
 */
export class Appender {
  readonly program: readonly string[];
  readonly file: string;
  readonly #script: string;
  readonly #doubles: string[] = [];
  #looks = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(sandbox: Sandbox, name: string) {
    this.file = sandbox.path(`${name}.txt`);
    this.#script = sandbox.path(`${name}.sh`);
    writeFileSync(this.file, "");
    writeFileSync(this.#script, `while read -r up rest < /proc/uptime; do echo "$$ $up" >> "${this.file}"; sleep 0.5; done\n`);
    this.program = ["sh", this.#script];
  }

  /** Copies that are alive at this moment. */
  copies(): number[] {
    const found = listProcesses().filter(({ processId }) => this.#isCopy(processId));
    // One look at /proc takes a while: the first may have ended before the last began. Alive at the end = all at once.
    const stillThere = found.filter(({ processId, startTicks }) => readProcess(processId)?.startTicks === startTicks && this.#isCopy(processId));
    // A shell that has forked and not yet become `sleep` is no copy of its own.
    return stillThere.filter(({ parent }) => !stillThere.some(({ processId }) => processId === parent)).map(({ processId }) => processId);
  }

  #isCopy(processId: number): boolean {
    const words = commandLine(processId);
    return words.length === 2 && words[0] === "sh" && words[1] === this.#script;
  }

  /** Looks for a double run all the time from now on. */
  watch(): void {
    this.#timer = setInterval(() => {
      this.#looks++;
      const copies = this.copies();
      if (copies.length > 1) this.#doubles.push(`processes ${copies.join(" and ")} at the same time`);
    }, LOOK_MS);
    this.#timer.unref();
  }

  unwatch(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  lines(): { readonly processId: number; readonly up: number }[] {
    return readFileSync(this.file, "utf8")
      .split("\n")
      .slice(0, -1)
      .map((line) => {
        const [processId, up] = line.split(" ");
        return { processId: Number(processId), up: Number(up) };
      });
  }

  /** Waits until a copy writes that was not there before; it is the only one. @returns its process id */
  async writes(): Promise<number> {
    const before = this.lines().length;
    const processId = await until("the role writes", () => {
      const copies = this.copies();
      const last = this.lines().slice(before).at(-1);
      return copies.length === 1 && last !== undefined && last.processId === copies[0] ? last.processId : null;
    });
    this.assertSingle();
    return processId;
  }

  /** Neither the file nor /proc has ever shown two copies: once another one writes, the former is silent for ever. */
  assertSingle(): void {
    assert.deepEqual(this.#doubles, [], "two copies were alive");
    const finished = new Set<number>();
    let current = 0;
    for (const { processId } of this.lines()) {
      if (processId === current) continue;
      assert.ok(!finished.has(processId), `process ${processId} wrote again after ${current} had begun`);
      finished.add(current);
      current = processId;
    }
    if (this.#timer !== null) assert.ok(this.#looks > 0, "nobody looked");
  }
}
