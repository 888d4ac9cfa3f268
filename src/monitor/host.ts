import type { ChildProcess } from "node:child_process";
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { MusterError } from "../model/errors.ts";
import type { NodeId, ResourceId } from "../model/identifiers.ts";
import type { InventoryItem } from "../model/inputs.ts";
import { monotonicMs, sleepMs, withinMs } from "./clock.ts";
import type { AddressOwner, MonitorHost, MonitorListener, MonitorOrder, MonitorReport } from "./contract.ts";
import { describeMonitorExit } from "./exit-codes.ts";
import { endLeftovers } from "./leftovers.ts";
import type { MonitorOptions } from "./options.ts";
import { MONITOR_VARIABLE, formatMonitorToken } from "./token.ts";

export interface MonitorHostOptions {
  /** The directory of the cluster; locks and output are below it. */
  readonly directory: string;
  readonly clusterId: string;
  readonly clusterName: string;
  readonly node: { readonly id: NodeId; readonly name: string };
  readonly incarnation: number;
  /** Where roles run that name no directory: the one Muster was started in. */
  readonly workingDirectory: string;
  /** Directory with modules of users' resource types. */
  readonly resourceTypeDirectory?: string;
  /** The gate; without it (the embedded engine) only loopback addresses are served. */
  readonly addresses?: AddressOwner;
  /** How the others are told that nothing is left when the service dies; handed on as it is. */
  readonly release?: unknown;
  /** A monitor that does not answer for this long is ended; default 3000. */
  readonly hangTimeoutMs?: number;
}

const HANG_TIMEOUT_MS = 3_000;
const PING_MS = 500;
/** Options of this process that its monitor needs as well: a small heap is one of them. */
const HANDED_ON = /^--(import|disable-warning|max-semi-space-size|optimize-for-size)\b/;
/** A monitor must say "ready" within this time; loading users' modules is in it. */
const READY_LIMIT_MS = 15_000;
/** Failed starts in a row after which `start` gives up. After a first success there is no such limit. */
const FIRST_STARTS_MAX = 3;
const BACKOFF_FIRST_MS = 50;
const BACKOFF_MAX_MS = 5_000;
/** A monitor that lived this long was not a failed start: the back-off begins anew. */
const STEADY_MS = 30_000;
/** Orders that wait for a monitor: several for each resource that a cluster may have. */
const ORDERS_MAX = 65_536;
/** Orders in its channel at one time; the others wait here. */
const CHANNEL_ORDERS_MAX = 1_024;
/** Longer than a graceful end may take by its own limits: StopTimeout is at most an hour. */
const STOP_GRACEFUL_LIMIT_MS = 3_700_000;
const STOP_LIMIT_MS = 10_000;

/**
 * The service's side of the Resource Monitor: keeps one monitor process running, notices when it dies or
 * hangs, and proves that its resources are gone before it says so.
 */
export class ProcessMonitorHost implements MonitorHost {
  readonly #options: MonitorHostOptions;
  readonly #levels = new Map<ResourceId, InventoryItem>();
  #listener: MonitorListener | null = null;
  #monitor: ChildProcess | null = null;
  #ready = false;
  #waiting: MonitorOrder[] = [];
  #inChannel = 0;
  #lastPermitMs: number | null = null;
  #silentMs = 0;
  #pingedMs = 0;
  #pingNumber = 0;
  #pingTimer: NodeJS.Timeout | null = null;
  #startedMs = 0;
  #backoffMs = BACKOFF_FIRST_MS;
  #deathReason: string | null = null;
  #onEnded: (() => void) | null = null;
  #stopping = false;
  #recovery: Promise<void> = Promise.resolve();

  constructor(options: MonitorHostOptions) {
    this.#options = options;
  }

  /** @throws MusterError when leftovers would not end, or no monitor could be started */
  async start(listener: MonitorListener): Promise<void> {
    this.#listener = listener;
    const { remaining } = await this.#endLeftovers();
    if (remaining.length > 0) throw new MusterError("MUSTER_INTERNAL", { problem: `leftovers of an earlier life of node ${this.#options.node.name} do not end: process ${remaining.join(", ")}` });
    for (let attempt = 1; ; attempt++) {
      const problem = await this.#launch();
      if (problem === null) return;
      if (attempt >= FIRST_STARTS_MAX) throw new MusterError("MUSTER_INTERNAL", { problem: `the resource monitor could not be started: ${problem}` });
      await sleepMs(BACKOFF_FIRST_MS * attempt);
    }
  }

  send(order: MonitorOrder): void {
    // A permit is only worth something when it is new: the newest is given to the next monitor.
    if (order.kind === "permit") this.#lastPermitMs = Math.max(this.#lastPermitMs ?? 0, order.untilMs);
    if (this.#stopping && order.kind !== "permit") return;
    if (isCarriedOut(order)) this.#enqueue(order);
    else if (this.#ready) this.#deliver(order);
  }

  inventory(): readonly InventoryItem[] {
    return [...this.#levels.values()];
  }

  processIds(): readonly number[] {
    return this.#monitor?.pid === undefined ? [] : [this.#monitor.pid];
  }

  async stop(options: { readonly graceful: boolean; readonly reason: string }): Promise<void> {
    this.#stopping = true;
    this.#waiting = [];
    await this.#recovery;
    const monitor = this.#monitor;
    if (monitor !== null && !hasExited(monitor)) {
      const exited = exitOf(monitor);
      if (this.#ready) {
        const ended = new Promise<void>((resolve) => (this.#onEnded = resolve));
        this.#deliver({ kind: "endAll", ...options });
        await withinMs(Promise.race([ended, exited]), options.graceful ? STOP_GRACEFUL_LIMIT_MS : STOP_LIMIT_MS, undefined);
      }
      if (monitor.connected) monitor.disconnect();
      await withinMs(exited, STOP_LIMIT_MS, undefined);
      if (!hasExited(monitor)) monitor.kill("SIGKILL");
      await exited;
    }
    if (this.#pingTimer !== null) clearInterval(this.#pingTimer);
    this.#monitor = null;
    this.#ready = false;
    await this.#ownNothing();
    // Nothing should be left; this proves it, and covers a monitor that died on the way.
    await this.#endLeftovers();
    this.#levels.clear();
  }

  #endLeftovers(): ReturnType<typeof endLeftovers> {
    const { directory, clusterId, node } = this.#options;
    return endLeftovers({ directory, clusterId, node: node.id });
  }

  /** Starts a monitor process. @returns null when it is ready, else what was wrong (it is gone then) */
  async #launch(): Promise<string | null> {
    const { node, hangTimeoutMs: _unused, addresses, ...rest } = this.#options;
    const options: MonitorOptions = { ...rest, nodeId: node.id, nodeName: node.name, resourceTypeDirectory: rest.resourceTypeDirectory ?? null, isGated: addresses !== undefined, release: rest.release ?? null };
    const main = fileURLToPath(new URL(import.meta.url.endsWith(".ts") ? "./main.ts" : "./main.js", import.meta.url));
    const monitor = fork(main, [JSON.stringify(options)], {
      // Its own session: what a terminal sends to the service's group does not reach it.
      detached: true,
      // Debugging and test options of the service are its own; what it preloads is for its monitor too.
      execArgv: process.execArgv.filter((option, position, all) => HANDED_ON.test(option) || all[position - 1] === "--import"),
      stdio: ["ignore", "ignore", "inherit", "ipc"],
      env: { ...process.env, [MONITOR_VARIABLE]: formatMonitorToken(options.clusterId, options.nodeId, options.incarnation) },
    });
    this.#monitor = monitor;
    this.#deathReason = null;
    this.#inChannel = 0;
    this.#startedMs = monotonicMs();
    const ready = new Promise<null>((resolve) => {
      monitor.on("message", (report: MonitorReport) => {
        if (report.kind === "ready") {
          this.#becomeReady(monitor);
          resolve(null);
        } else if (report.kind === "addresses") void this.#own(monitor, report);
        else this.#onReport(report);
      });
    });
    const exited = exitOf(monitor).then((text) => `the monitor ${text}`);
    monitor.on("error", () => undefined);
    const problem = await withinMs(Promise.race([ready, exited]), READY_LIMIT_MS, `the monitor was not ready within ${READY_LIMIT_MS} ms`);
    if (problem !== null) {
      monitor.kill("SIGKILL");
      await exited;
      this.#monitor = null;
    }
    return problem;
  }

  #becomeReady(monitor: ChildProcess): void {
    this.#ready = true;
    void exitOf(monitor).then((text) => this.#onExit(monitor, text));
    this.#silentMs = 0;
    this.#pingedMs = monotonicMs();
    this.#pingTimer = setInterval(() => this.#ping(), PING_MS);
    if (this.#lastPermitMs !== null) this.#deliver({ kind: "permit", untilMs: this.#lastPermitMs });
    this.#pump();
  }

  #enqueue(order: MonitorOrder): void {
    // The core gives it again with the next view: then no report has answered it.
    if (this.#waiting.length < ORDERS_MAX) this.#waiting.push(order);
    this.#pump();
  }

  #pump(): void {
    while (this.#ready && this.#waiting.length > 0 && this.#inChannel < CHANNEL_ORDERS_MAX && this.#monitor?.connected === true) this.#deliver(this.#waiting.shift()!);
  }

  /** What a monitor that is gone does not get is lost: its end is told, and then all is looked at anew. */
  #deliver(order: MonitorOrder): void {
    const monitor = this.#monitor;
    if (monitor === null || !monitor.connected) return;
    this.#inChannel++;
    monitor.send(order, () => {
      if (monitor !== this.#monitor) return;
      this.#inChannel--;
      this.#pump();
    });
  }

  #onReport(report: MonitorReport): void {
    if (report.kind === "pong") this.#silentMs = 0;
    if (report.kind === "ended") this.#onEnded?.();
    if (report.kind === "state") {
      const { resource, generation, state, effect, processId, status, permitEnded } = report;
      if (state === "offline" && permitEnded !== true) this.#levels.delete(resource);
      else this.#levels.set(resource, { resource, generation, state, effect, processId, ...(status === undefined ? {} : { status }), ...(permitEnded === undefined ? {} : { permitEnded }) });
    }
    this.#listener?.onReport(report);
  }

  /** What belongs to a monitor that is gone must not be owned after its end was told. */
  async #own(monitor: ChildProcess, { number, owned }: Extract<MonitorReport, { kind: "addresses" }>): Promise<void> {
    if (monitor !== this.#monitor || hasExited(monitor) || this.#deathReason !== null) return;
    let problem: string | null = null;
    try {
      await this.#options.addresses?.own(owned);
    } catch (error) {
      problem = `the gate could not be changed: ${error instanceof Error ? error.message : String(error)}`;
    }
    if (monitor === this.#monitor) this.#deliver({ kind: "addressesOwned", number, problem });
  }

  /** Nothing of this node passes the gate. Should that fail, the lease worker is gone, and the gate closes by itself. */
  async #ownNothing(): Promise<void> {
    try {
      await this.#options.addresses?.own([]);
    } catch (error) {
      console.error(`muster: ${this.#options.node.name}: the gate could not be told that nothing is owned: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  #ping(): void {
    const monitor = this.#monitor;
    if (monitor === null) return;
    const nowMs = monotonicMs();
    // Only time in which this process itself was running counts: after a stop it must not blame the monitor.
    this.#silentMs += Math.min(nowMs - this.#pingedMs, 2 * PING_MS);
    this.#pingedMs = nowMs;
    if (this.#silentMs > (this.#options.hangTimeoutMs ?? HANG_TIMEOUT_MS)) this.#end(monitor, `hung: no answer for ${Math.round(this.#silentMs)} ms`);
    else if (monitor.connected) monitor.send({ kind: "ping", number: ++this.#pingNumber }, () => undefined);
  }

  #end(monitor: ChildProcess, reason: string): void {
    this.#deathReason ??= reason;
    monitor.kill("SIGKILL");
    // Not when it is gone: a process that waits for a broken disk may stay for long.
    void this.#ownNothing();
  }

  #onExit(monitor: ChildProcess, text: string): void {
    if (this.#pingTimer !== null) clearInterval(this.#pingTimer);
    if (monitor !== this.#monitor) return;
    this.#ready = false;
    this.#monitor = null;
    void this.#ownNothing();
    if (this.#stopping) return;
    this.#recovery = this.#recover(this.#deathReason ?? text);
  }

  /** Ends what the monitor left, says so, and starts the next one; tries until it works or the host stops. */
  async #recover(reason: string): Promise<void> {
    if (monotonicMs() - this.#startedMs > STEADY_MS) this.#backoffMs = BACKOFF_FIRST_MS;
    for (;;) {
      const { remaining } = await this.#endLeftovers();
      if (remaining.length === 0) break;
      console.error(`muster: ${this.#options.node.name}: waiting for process ${remaining.join(", ")} of the dead resource monitor to end`);
      if (this.#stopping) return;
      await this.#backOff();
    }
    this.#levels.clear();
    this.#listener?.onDied(reason);
    while (!this.#stopping) {
      await this.#backOff();
      if (this.#stopping) return;
      const problem = await this.#launch();
      if (problem === null) return;
      console.error(`muster: ${this.#options.node.name}: ${problem}`);
    }
  }

  async #backOff(): Promise<void> {
    await sleepMs(this.#backoffMs);
    this.#backoffMs = Math.min(this.#backoffMs * 2, BACKOFF_MAX_MS);
  }
}

/** Whether it is about a resource: such orders outlast a monitor, and are carried out one after the other. */
function isCarriedOut({ kind }: MonitorOrder): boolean {
  return kind === "online" || kind === "offline" || kind === "terminate" || kind === "update" || kind === "providers";
}

/** A monitor host that runs real processes. */
export function createMonitorHost(options: MonitorHostOptions): MonitorHost {
  return new ProcessMonitorHost(options);
}

function hasExited(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** The end of a monitor process, in words. */
function exitOf(child: ChildProcess): Promise<string> {
  if (hasExited(child)) return Promise.resolve(describeMonitorExit(child.exitCode, child.signalCode));
  return new Promise((resolve) => {
    child.once("exit", (code, signal) => resolve(describeMonitorExit(code, signal)));
    child.once("error", (error) => resolve(`could not be started: ${error.message}`));
  });
}
