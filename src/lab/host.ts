import { spawn } from "node:child_process";
import type { ChildProcess, StdioOptions } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { LabError, hostIsOff, hostIsOn, switchIsGone } from "./errors.ts";
import { collect, until } from "./commands.ts";
import type { CommandResult } from "./commands.ts";
import { withProcessNamespaceOf } from "./namespaces.ts";
import type { HostAddress, HostPlan } from "./plan.ts";
import { LAB_VARIABLE, commandLine, isAlive, processState, processesBeside, sendSignal } from "./processes.ts";
import type { ProcessIdentity } from "./processes.ts";
import { labPaths, readCables, readProcess, writeJson } from "./record.ts";
import type { LabRecord } from "./record.ts";
import { SYSTEM_PATH } from "./requirements.ts";
import { startHost } from "./start.ts";
import { Switch } from "./switch.ts";

export interface RunOptions {
  /** The program and its process group are killed after this time. */
  readonly timeoutMs?: number;
  readonly input?: string;
  /** Added to PATH, HOME, LANG and TERM; the caller's own environment stays outside. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly workingDirectory?: string;
}

export interface SpawnOptions {
  readonly stdio?: StdioOptions;
  readonly environment?: Readonly<Record<string, string>>;
  readonly workingDirectory?: string;
  /** In a session of its own, as in Node; it ends with the host all the same. */
  readonly detached?: boolean;
}

const RUN_LIMIT_MS = 30_000;
const SIGNAL_LIMIT_MS = 5_000;
const OFF_LIMIT_MS = 15_000;

/** One host of a lab, the client included. */
export class LabHost {
  readonly name: string;
  readonly addresses: readonly HostAddress[];
  readonly #record: LabRecord;
  readonly #plan: HostPlan;

  constructor(record: LabRecord, plan: HostPlan) {
    this.name = plan.name;
    this.addresses = plan.addresses;
    this.#record = record;
    this.#plan = plan;
  }

  get isOn(): boolean {
    return this.#init() !== null;
  }

  get isPaused(): boolean {
    return this.isOn && existsSync(labPaths.paused(this.#record.name, this.name));
  }

  /** The host's /var/lib/muster, as seen from outside; it stays when the host is off. */
  get stateDirectory(): string {
    return join(this.#stateRoot(), "var");
  }

  /** The host's /etc/muster, as seen from outside; it stays when the host is off. */
  get configurationDirectory(): string {
    return join(this.#stateRoot(), "etc");
  }

  /** The number, on this machine, of the host's first process. @throws LabError when the host is off */
  get initProcessId(): number {
    return this.#needInit().processId;
  }

  /**
   * Runs a program in the host to its end. A program that is not there ends with code 127.
   * @throws MusterError MUSTER_TIMEOUT, MUSTER_LIMIT (more than 16 MiB of output); LabError when the host is off
   */
  run(argv: readonly string[], options: RunOptions = {}): Promise<CommandResult> {
    const { timeoutMs = RUN_LIMIT_MS, input, environment, workingDirectory } = options;
    return collect(this.spawn(argv, { environment, workingDirectory, detached: true, stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"] }), { timeoutMs, input });
  }

  /**
   * Starts a program in the host. The child is the program itself, not something that waits for it: its number,
   * signals and exit are real. On a paused host it is stopped at once. It ends with the host at the latest.
   * @throws LabError when the host is off
   */
  spawn(argv: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const child = this.#start(argv, options);
    const paused = labPaths.paused(this.#record.name, this.name);
    if (child.pid !== undefined && existsSync(paused)) {
      sendSignal(child.pid, "SIGSTOP");
      // Resumed meanwhile: whoever did that may have come before the line above.
      if (!existsSync(paused)) sendSignal(child.pid, "SIGCONT");
    }
    return child;
  }

  #start(argv: readonly string[], { stdio = "pipe", environment = {}, workingDirectory, detached = false }: SpawnOptions): ChildProcess {
    if (argv.length === 0) throw new TypeError("a program is needed");
    const { processId } = this.#needInit();
    const inside = ["--target", String(processId), "--mount", "--net", "--uts", "--ipc", "--"];
    const words = workingDirectory === undefined ? argv : ["env", `--chdir=${workingDirectory}`, "--", ...argv];
    const env = {
      // The same Node as outside comes first: the machine's own may be older than what Muster needs.
      PATH: `${dirname(process.execPath)}:${SYSTEM_PATH}`,
      HOME: "/root",
      LANG: "C.UTF-8",
      // A bash whose input is a socket, as Node makes them, takes itself for a remote login and reads .bashrc, unless it is a shell in a shell.
      SHLVL: "1",
      TERM: process.env["TERM"] ?? "dumb",
      ...environment,
      [LAB_VARIABLE]: this.#record.id,
    };
    return withProcessNamespaceOf(processId, () => spawn("nsenter", [...inside, ...words], { cwd: "/", env, stdio, detached }));
  }

  /** Numbers, on this machine, of the host's processes, its first one left out; none when it is off. */
  processes(): readonly number[] {
    const init = this.#init();
    return init === null ? [] : processesBeside(init.processId);
  }

  /** The host's process with the lowest number whose command line contains the text or matches. @returns null when there is none */
  processId(pattern: string | RegExp): number | null {
    return this.#matching(pattern)[0] ?? null;
  }

  /** Sends a signal to every process of the host that matches. @returns their numbers @throws LabError when there is none */
  kill(pattern: string | RegExp, signal: NodeJS.Signals): readonly number[] {
    const found = this.#matching(pattern);
    if (found.length === 0) {
      throw new LabError("MUSTER_NODE_NOT_FOUND", `No process of the host '${this.name}' has '${String(pattern)}' in its command line.`, `See what runs there: muster lab run ${this.name} --name ${this.#record.name} -- ps -ef`, { name: this.name });
    }
    for (const processId of found) sendSignal(processId, signal);
    return found;
  }

  #matching(pattern: string | RegExp): readonly number[] {
    return this.processes().filter((processId) => {
      const line = commandLine(processId);
      return line !== "" && (typeof pattern === "string" ? line.includes(pattern) : pattern.test(line));
    });
  }

  /**
   * Stops every process of the host in one step of the kernel, so that none can start another meanwhile; those that are
   * started later from outside stop as well. The host's kernel goes on: it answers pings and accepts connections.
   * @throws LabError when the host is off; MusterError MUSTER_TIMEOUT
   */
  async pause(): Promise<void> {
    this.#needInit();
    writeFileSync(labPaths.paused(this.#record.name, this.name), "");
    await this.#signalAll("STOP");
    // One that waits for a disk takes its signal when the disk has answered.
    await until(() => this.processes().every((processId) => "TtZXD".includes(processState(processId) ?? "X")), SIGNAL_LIMIT_MS);
  }

  /** @throws LabError when the host is off; MusterError MUSTER_TIMEOUT */
  async resume(): Promise<void> {
    this.#needInit();
    rmSync(labPaths.paused(this.#record.name, this.name), { force: true });
    await this.#signalAll("CONT");
  }

  /** kill(2) with -1, sent from inside: every process of the host but its first one and the sender. */
  async #signalAll(signal: "STOP" | "CONT"): Promise<void> {
    const child = this.#start(["sh", "-c", `kill -s ${signal} -- -1 2>/dev/null || :`], { detached: true });
    await collect(child, { timeoutMs: SIGNAL_LIMIT_MS });
  }

  /** Makes the host's namespaces, cables and first process. @throws LabError when it is on, or when the switch is gone */
  async start(): Promise<void> {
    if (this.isOn) throw hostIsOn(this.#record.name, this.name);
    rmSync(labPaths.paused(this.#record.name, this.name), { force: true });
    const switchProcess = readProcess(labPaths.switchProcess(this.#record.name));
    if (switchProcess === null) throw switchIsGone(this.#record.name);
    const init = await startHost(this.#record, this.#plan, switchProcess.processId);
    writeJson(labPaths.init(this.#record.name, this.name), init);
    const cables = Object.entries(readCables(this.#record.name, this.name)).filter(([, state]) => state.delayMs !== null || state.rateBitsPerSecond !== null);
    for (const [network, state] of cables) {
      const address = this.addresses.find((candidate) => candidate.network === network);
      if (address !== undefined) await new Switch(switchProcess.processId, this.#record.hosts).setQueue(address, init.processId, state);
    }
  }

  /** Kills the first process; the kernel kills the others with it. Its cables must be out already. @throws MusterError MUSTER_TIMEOUT */
  async end(): Promise<void> {
    const init = this.#init();
    if (init !== null) {
      sendSignal(init.processId, "SIGKILL");
      await until(() => !isAlive(init), OFF_LIMIT_MS);
    }
    rmSync(labPaths.init(this.#record.name, this.name), { force: true });
    rmSync(labPaths.paused(this.#record.name, this.name), { force: true });
  }

  #stateRoot(): string {
    const root = join(this.#record.stateRoot, this.name);
    if (this.#record.stateBytesMax === null) return root;
    const switchProcess = readProcess(labPaths.switchProcess(this.#record.name));
    if (switchProcess === null) throw switchIsGone(this.#record.name);
    // A limited state is mounted where the switch lives, and only there.
    return `/proc/${switchProcess.processId}/root${root}`;
  }

  #init(): ProcessIdentity | null {
    return readProcess(labPaths.init(this.#record.name, this.name));
  }

  #needInit(): ProcessIdentity {
    const init = this.#init();
    if (init === null) throw hostIsOff(this.#record.name, this.name);
    return init;
  }
}
