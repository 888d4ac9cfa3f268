import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { MusterError } from "../../model/errors.ts";
import type { NodeId } from "../../model/identifiers.ts";
import { readCorosyncConfiguration } from "./configuration.ts";
import type { ReadConfiguration } from "./configuration.ts";
import { LogFile } from "./log-file.ts";
import { configurationOf, isCorosync, isListening, isPortHeld, lockHolder, removeLeftovers, writeAtomically } from "./machine.ts";

export interface CorosyncDaemonOptions {
  readonly node: NodeId;
  /** Where the configuration is written to; its directory is made when it is missing. */
  readonly configurationFile: string;
  /** Made by `corosyncConfiguration`. */
  readonly configuration: string;
  /** The secret of the cluster, written to the file that the configuration names. */
  readonly key: Uint8Array;
  /**
   * `supervise`: corosync is a child of this process. `attach`: somebody else (systemd) runs it with this
   * configuration file; it is neither started nor ended here.
   */
  readonly mode: "supervise" | "attach";
  readonly program?: string;
  readonly onState: (state: CorosyncState) => void;
  readonly onNotice?: (text: string) => void;
}

export interface CorosyncState {
  readonly state: "stopped" | "starting" | "running" | "failed";
  /** A whole sentence. */
  readonly reason: string;
}

/** Fixed in corosync. */
const LOCK_FILE = "/run/corosync.pid";
const SHARED_MEMORY = "/dev/shm";
const KEY_BYTES_MIN = 128;
const KEY_BYTES_MAX = 4_096;
const POLL_MS = 50;
const ATTACHED_POLL_MS = 500;
/** corosync takes connections 0.4 s after its start, later on a busy machine. */
const READY_MS = 20_000;
/** knet binds its ports before corosync takes connections, but logs in a thread of its own. */
const SETTLE_MS = 500;
const PORTS_MS = 10_000;
const TERMINATE_MS = 5_000;
const KILL_MS = 5_000;
const RELOAD_MS = 15_000;
/** Longest wait for one that is starting before its configuration is changed; one that cannot start may need just that. */
const STARTING_MS = 5_000;
const BACK_OFF_FIRST_MS = 250;
const BACK_OFF_LAST_MS = 30_000;
/** Who ran for so long is started again at once. */
const STABLE_MS = 60_000;
const ERRORS_CHARACTERS_MAX = 4_000;

/** Starts and supervises the corosync of this node, or watches one that somebody else runs. */
export class CorosyncDaemon {
  readonly #options: CorosyncDaemonOptions;
  #configuration: ReadConfiguration;
  #text: string;
  #log: LogFile;
  #state: CorosyncState = { state: "stopped", reason: "It has not been started." };
  #child: ChildProcess | null = null;
  #exited: Promise<string> = Promise.resolve("");
  #errors = "";
  #isStopping = false;
  #running: Promise<void> | null = null;
  #wake: (() => void) | null = null;
  #applying: Promise<void> = Promise.resolve();

  /** @throws MusterError MUSTER_INVALID_ARGUMENT */
  constructor(options: CorosyncDaemonOptions) {
    this.#options = options;
    this.#text = options.configuration;
    this.#configuration = this.#read(options.configuration);
    this.#log = new LogFile(this.#configuration.logFile!);
    if (options.key.length < KEY_BYTES_MIN || options.key.length > KEY_BYTES_MAX) invalid("key", `${KEY_BYTES_MIN} to ${KEY_BYTES_MAX} bytes are needed`);
  }

  get state(): CorosyncState {
    return this.#state;
  }

  /** The process number of corosync while it runs as a child of this process. */
  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  /**
   * Writes the files and begins; how it goes is told by `onState`, and tried again for as long as it takes.
   * @throws MusterError MUSTER_INTERNAL when the files cannot be written
   */
  start(): void {
    if (this.#running !== null) throw new MusterError("MUSTER_INTERNAL", { problem: "corosync's supervisor is started twice" });
    this.#writeFiles();
    this.#running = this.#options.mode === "attach" ? this.#attend() : this.#supervise();
  }

  /**
   * Writes a new configuration and, while corosync runs, makes all nodes of the cluster read theirs again: first it is
   * to be on every node.
   * @throws MusterError when corosync does not accept it or does not answer; then the file has its former content
   */
  apply(configuration: string): Promise<void> {
    const applied = this.#applying.then(() => this.#apply(configuration));
    this.#applying = applied.catch(() => {});
    return applied;
  }

  /** Ends corosync, unless it is somebody else's. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#wake?.();
    await this.#endChild();
    await this.#running;
    if (this.#state.state !== "stopped") this.#tell("stopped", "It was stopped.");
  }

  #read(text: string): ReadConfiguration {
    const read = readCorosyncConfiguration(text);
    if (read.logFile === null || read.keyFile === null || read.stateDirectory === null) invalid("configuration", "it names no log file, key file or state directory");
    if (!read.nodes.some((node) => node.id === this.#options.node)) invalid("configuration", `node ${this.#options.node} is not in it`);
    return read;
  }

  #writeFiles(): void {
    const { configurationFile, key } = this.#options;
    const { keyFile, logFile, stateDirectory } = this.#configuration;
    this.#tellOfEdits();
    try {
      for (const directory of [dirname(configurationFile), dirname(keyFile!), dirname(logFile!), stateDirectory!]) mkdirSync(directory, { recursive: true });
      writeAtomically(keyFile!, key, 0o400);
      writeAtomically(configurationFile, this.#text, 0o644);
    } catch (error) {
      throw new MusterError("MUSTER_INTERNAL", { problem: `corosync's files cannot be written: ${messageOf(error)}` }, { cause: error });
    }
  }

  /** What somebody changed by hand would hold on this node alone, until the cluster writes it again: it does not count. */
  #tellOfEdits(): void {
    const { configurationFile, onNotice } = this.#options;
    const text = this.#fileText();
    if (text === null || readCorosyncConfiguration(text).origin === "muster") return;
    onNotice?.(`${configurationFile} was changed by hand: it is written anew; change the cluster's properties instead`);
  }

  /** null when there is none, or none that can be read. */
  #fileText(): string | null {
    try {
      return readFileSync(this.#options.configurationFile, "utf8");
    } catch {
      return null;
    }
  }

  async #supervise(): Promise<void> {
    let backOffMs = BACK_OFF_FIRST_MS;
    while (!this.#isStopping) {
      const startedAt = performance.now();
      this.#tell("starting", "It is being started.");
      const problem = await this.#runOnce().catch((error: unknown) => messageOf(error));
      if (this.#isStopping) break;
      if (performance.now() - startedAt > STABLE_MS) backOffMs = BACK_OFF_FIRST_MS;
      this.#tell("failed", `${problem} It is started again in ${backOffMs / 1_000} s.`);
      await this.#pause(backOffMs);
      backOffMs = Math.min(backOffMs * 2, BACK_OFF_LAST_MS);
    }
    this.#tell("stopped", "It was stopped.");
  }

  /** @returns why it does not run any more */
  async #runOnce(): Promise<string> {
    const problem = (await this.#endPredecessor()) ?? (await this.#awaitPorts());
    if (problem !== null || this.#isStopping) return problem ?? "";
    // A full disk must not keep it from starting when nothing is to be written.
    if (this.#fileText() !== this.#text) this.#writeFiles();
    const removed = removeLeftovers(SHARED_MEMORY);
    if (removed > 0) this.#options.onNotice?.(`removed ${removed} leftovers of earlier corosyncs in ${SHARED_MEMORY}`);
    this.#log.mark();
    this.#spawn();
    const failure = await this.#awaitReady();
    if (failure === null) {
      this.#tell("running", "It runs.");
      return this.#describeEnd(await this.#exited);
    }
    await this.#endChild();
    return failure;
  }

  /** A corosync of this configuration file is ours, left by a process that was killed; another one is not touched. */
  async #endPredecessor(): Promise<string | null> {
    const found = lockHolder(LOCK_FILE);
    if (found === null) return null;
    if (configurationOf(found) !== this.#options.configurationFile) {
      return `Another corosync runs on this machine (process ${found.pid}, ${configurationOf(found) ?? "the system's configuration"}), and two cannot. If nobody needs it, stop what runs it (Debian's own: systemctl disable --now corosync); otherwise this machine cannot be a node.`;
    }
    this.#options.onNotice?.(`ending the corosync of an earlier life of this node (process ${found.pid})`);
    for (const [signal, timeMs] of [["SIGTERM", TERMINATE_MS], ["SIGKILL", KILL_MS]] as const) {
      try {
        if (isCorosync(found.pid)) process.kill(found.pid, signal);
      } catch {
        // It has just gone.
      }
      if (await this.#until(() => !isCorosync(found.pid), timeMs)) return null;
      if (this.#isStopping) return null;
    }
    return `The corosync of an earlier life of this node (process ${found.pid}) does not end.`;
  }

  /** knet does not try a port again that is held when it starts. */
  async #awaitPorts(): Promise<string | null> {
    const { nodes, ports } = this.#configuration;
    const addresses = nodes.find((node) => node.id === this.#options.node)!.addresses;
    for (const [link, address] of addresses.entries()) {
      const port = ports[link]!;
      const until = performance.now() + PORTS_MS;
      while (await isPortHeld(address, port)) {
        if (this.#isStopping) return null;
        if (performance.now() > until) return `UDP port ${port} of ${address} is held by another program.`;
        this.#tell("starting", `It waits for UDP port ${port} of ${address}, which another program holds.`);
        await this.#pause(POLL_MS);
      }
    }
    return null;
  }

  #spawn(): void {
    const child = spawn(this.#options.program ?? "corosync", ["-f", "-c", this.#options.configurationFile], {
      stdio: ["ignore", "ignore", "pipe"],
      // The terminal's Ctrl-C is for the service, which stops it in order.
      detached: true,
    });
    this.#child = child;
    this.#errors = "";
    child.stderr.on("data", (chunk: Buffer) => (this.#errors = `${this.#errors}${chunk.toString()}`.slice(-ERRORS_CHARACTERS_MAX)));
    this.#exited = new Promise((resolve) => {
      const finish = (end: string): void => {
        if (this.#child === child) this.#child = null;
        resolve(end);
      };
      child.once("error", (error) => finish(`could not be started: ${error.message}`));
      child.once("close", (code, signal) => finish(signal === null ? `ended with code ${code}` : `was ended by ${signal}`));
    });
  }

  /** @returns null when it takes connections and has all its ports, or why not */
  async #awaitReady(): Promise<string | null> {
    const child = this.#child;
    const isReady = await this.#until(() => this.#child !== child || isListening(), READY_MS);
    if (this.#child !== child) return this.#describeEnd(await this.#exited);
    if (this.#isStopping) return "";
    if (!isReady) return `It does not take connections after ${READY_MS / 1_000} s.`;
    await this.#until(() => this.#child !== child || this.#log.isPortHeld, SETTLE_MS);
    if (this.#child !== child) return this.#describeEnd(await this.#exited);
    return this.#log.isPortHeld ? "It runs isolated: another program held one of its UDP ports when it started." : null;
  }

  #describeEnd(end: string): string {
    const why = this.#log.lastProblem || this.#errors.trim().split("\n").at(-1) || "";
    return `It ${end}${why === "" ? "" : `: ${why}`}.`.replace(/\.\.$/, ".");
  }

  async #endChild(): Promise<void> {
    for (const [signal, timeMs] of [["SIGTERM", TERMINATE_MS], ["SIGKILL", KILL_MS]] as const) {
      const child = this.#child;
      if (child === null) return;
      child.kill(signal);
      let timer: NodeJS.Timeout | undefined;
      await Promise.race([this.#exited, new Promise((resolve) => (timer = setTimeout(resolve, timeMs)))]);
      clearTimeout(timer);
    }
  }

  /** Only looks whether it is there. */
  async #attend(): Promise<void> {
    while (!this.#isStopping) {
      if (isListening()) this.#tell("running", "It runs.");
      else this.#tell("failed", "There is no corosync on this machine; start it: systemctl start corosync.");
      await this.#pause(ATTACHED_POLL_MS);
    }
    this.#tell("stopped", "It is not watched any more.");
  }

  async #apply(text: string): Promise<void> {
    const configuration = this.#read(text);
    const { configurationFile } = this.#options;
    // One that is just starting may have read the former file: it is to read the new one, too.
    await this.#until(() => this.#state.state !== "starting", STARTING_MS);
    const former = this.#fileText();
    writeAtomically(configurationFile, text, 0o644);
    this.#log.mark();
    try {
      if (this.#state.state === "running") await this.#reload();
    } catch (error) {
      if (former !== null) writeAtomically(configurationFile, former, 0o644);
      throw error;
    }
    this.#text = text;
    this.#configuration = configuration;
    await this.#until(() => this.#log.isPortHeld, this.#state.state === "running" ? SETTLE_MS : 0);
    if (this.#log.isPortHeld && this.#child !== null) {
      this.#options.onNotice?.("another program holds the UDP port of a new link: corosync is started again");
      await this.#endChild();
    }
  }

  /** In a process of its own: corosync may not answer. */
  async #reload(): Promise<void> {
    const file = fileURLToPath(new URL(import.meta.url.endsWith(".ts") ? "./cfg-main.ts" : "./cfg-main.js", import.meta.url));
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", file], { stdio: ["ignore", "pipe", "ignore"], timeout: RELOAD_MS, killSignal: "SIGKILL" });
    let said = "";
    child.stdout.on("data", (chunk: Buffer) => (said = `${said}${chunk.toString()}`.slice(-ERRORS_CHARACTERS_MAX)));
    const code = await new Promise<number | null>((resolve) => {
      child.once("error", (error) => {
        said = error.message;
        resolve(1);
      });
      child.once("close", resolve);
    });
    if (code === null) throw new MusterError("MUSTER_TIMEOUT", { timeoutMs: RELOAD_MS });
    if (code !== 0) {
      const why = this.#log.lastProblem;
      throw new MusterError("MUSTER_INTERNAL", { problem: `corosync did not accept its configuration: ${said}${why === "" ? "" : ` (${why})`}` });
    }
  }

  #tell(state: CorosyncState["state"], reason: string): void {
    if (this.#state.state === state && this.#state.reason === reason) return;
    this.#state = { state, reason };
    this.#options.onState(this.#state);
  }

  /** @returns whether it holds, within the time; early when this supervisor stops */
  async #until(holds: () => boolean, timeMs: number): Promise<boolean> {
    const until = performance.now() + timeMs;
    while (!holds()) {
      if (performance.now() >= until || this.#isStopping) return false;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    return true;
  }

  async #pause(timeMs: number): Promise<void> {
    if (this.#isStopping) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = null;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function invalid(field: string, problem: string): never {
  throw new MusterError("MUSTER_INVALID_ARGUMENT", { field, problem });
}
