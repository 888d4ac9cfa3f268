import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, existsSync, openSync, readFileSync, realpathSync } from "node:fs";
import { connect, createServer } from "node:net";
import type { Server } from "node:net";
import { fileURLToPath } from "node:url";
import { MusterError } from "../model/errors.ts";

/** A program of Muster that runs on for a directory: started by systemd where its unit is, else as a process of its own. */
export interface DaemonPlan {
  /** For people: "The Cluster Service". */
  readonly name: string;
  readonly unit: string;
  /** The directory that the unit is for; with another one it is nobody's business. */
  readonly unitDirectory: string;
  readonly directory: string;
  /** It is there when this answers. */
  readonly socket: string;
  readonly log: string;
  /** null = not known, or it does not run. */
  readonly processId: () => number | null;
  /** Its name in claims, so that two kinds may share a directory. */
  readonly kind: string;
}

const SYSTEMD_DIRECTORY = "/run/systemd/system";
const START_LIMIT_MS = 60_000;
/** What systemd has just started takes a moment to say that it is there. */
const START_GRACE_MS = 10_000;
const LOOK_MS = 100;
/** Measured: 27 of 119 MB less, for 15 % more time where nothing but computing is done. A node computes little. */
const SMALL = ["--max-semi-space-size=1", "--optimize-for-size"] as const;

export class Daemon {
  readonly #plan: DaemonPlan;

  constructor(plan: DaemonPlan) {
    this.#plan = plan;
  }

  /** One for a directory, held as long as this process lives: the kernel gives the name back with it. @throws MusterError MUSTER_SERVICE_RUNS */
  async claim(): Promise<void> {
    const server: Server = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve, reject) => {
      server.once("error", () => reject(this.#runs()));
      server.listen({ path: this.#claimName }, resolve);
    });
    server.unref();
  }

  isRunning(): Promise<boolean> {
    return answers(this.#claimName);
  }

  /** @throws MusterError MUSTER_SERVICE_RUNS */
  async refuseRunning(): Promise<void> {
    if (await this.isRunning()) throw this.#runs();
  }

  /** What systemd has for it; null = nothing, it is a process of its own then. */
  get unit(): string | null {
    return this.#isUnitInstalled() ? this.#plan.unit : null;
  }

  /**
   * Starts it and waits until it answers.
   * @param words of the muster command that runs it, where systemd does not
   * @throws MusterError MUSTER_SERVICE_RUNS, MUSTER_TIMEOUT, MUSTER_SERVICE_ENDED with the last line of its log
   */
  async start(words: readonly string[]): Promise<void> {
    await this.refuseRunning();
    let child: ChildProcess | null = null;
    if (this.#isUnitInstalled()) this.#systemctl("start");
    else child = this.#spawn(words);
    const startedMs = Date.now();
    while (!(await answers(this.#plan.socket))) {
      if (Date.now() > startedMs + START_LIMIT_MS) throw new MusterError("MUSTER_TIMEOUT", { timeoutMs: START_LIMIT_MS });
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      // Of a process of its own it is known whether it has ended, however long a busy machine takes to load it.
      const hasEnded = child === null ? !(await this.isRunning()) && Date.now() > startedMs + START_GRACE_MS : child.exitCode !== null || child.signalCode !== null;
      if (hasEnded) throw new MusterError("MUSTER_SERVICE_ENDED", { name: this.#plan.name, problem: lastLine(this.#plan.log), path: this.#plan.log });
    }
  }

  /** @returns false when it did not run @throws MusterError MUSTER_TIMEOUT */
  async stop(limitMs: number): Promise<boolean> {
    if (!(await this.isRunning())) return false;
    const processId = this.#plan.processId();
    if (this.#isUnitInstalled() && this.#isUnitActive()) this.#systemctl("stop");
    else if (processId === null) throw new MusterError("MUSTER_NOT_REACHABLE", { address: this.#plan.directory, problem: `${this.#plan.name} is just starting` });
    else process.kill(processId, "SIGTERM");
    const deadlineMs = Date.now() + limitMs;
    while (await this.isRunning()) {
      if (Date.now() > deadlineMs) throw new MusterError("MUSTER_TIMEOUT", { timeoutMs: limitMs });
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
    return true;
  }

  #spawn(words: readonly string[]): ChildProcess {
    const program = fileURLToPath(new URL(import.meta.url.endsWith(".ts") ? "../cli/main.ts" : "../cli/main.js", import.meta.url));
    const log = openSync(this.#plan.log, "a", 0o600);
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", ...SMALL, program, ...words], { detached: true, cwd: "/", stdio: ["ignore", log, log] });
    closeSync(log);
    child.unref();
    return child;
  }

  #runs(): MusterError {
    return new MusterError("MUSTER_SERVICE_RUNS", { processId: this.#plan.processId() ?? "unknown" });
  }

  get #claimName(): string {
    return `\0muster-${this.#plan.kind}-${createHash("sha256").update(realpathSync(this.#plan.directory)).digest("hex").slice(0, 32)}`;
  }

  #isUnitInstalled(): boolean {
    const { directory, unitDirectory } = this.#plan;
    return existsSync(SYSTEMD_DIRECTORY) && existsSync(unitDirectory) && realpathSync(directory) === realpathSync(unitDirectory) && spawnSync("systemctl", ["cat", this.#plan.unit], { stdio: "ignore" }).status === 0;
  }

  #isUnitActive(): boolean {
    return spawnSync("systemctl", ["is-active", "--quiet", this.#plan.unit], { stdio: "ignore" }).status === 0;
  }

  /** @throws MusterError MUSTER_INTERNAL with systemd's words */
  #systemctl(verb: "start" | "stop"): void {
    // To stop takes as long as roles need to leave; how long that may be is for the caller to say.
    const { status, stderr } = spawnSync("systemctl", [verb, ...(verb === "stop" ? ["--no-block"] : []), this.#plan.unit], { encoding: "utf8" });
    if (status !== 0) throw new MusterError("MUSTER_INTERNAL", { problem: `systemctl ${verb} ${this.#plan.unit}: ${stderr.trim()}` });
  }
}

function lastLine(path: string): string {
  try {
    return readFileSync(path, "utf8").trimEnd().split("\n").at(-1) ?? "";
  } catch {
    return "it has no log";
  }
}

/** Whether somebody takes connections there. */
export function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
