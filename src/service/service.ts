import { dryRun, events, whatIf } from "../core/index.ts";
import type { ClusterState, StepResult } from "../core/index.ts";
import type { LeaveCause, LogStatus } from "../log/types.ts";
import { MusterError } from "../model/errors.ts";
import type { ClusterEvent } from "../model/events.ts";
import type { Command } from "../model/inputs.ts";
import type { DryRun, Hypothesis, LeaseView, Plan } from "../model/views.ts";
import { monotonicMs, sleepMs, withinMs } from "../monitor/clock.ts";
import { outputPath } from "../monitor/role-output.ts";
import { clusterPaths } from "./cluster-files.ts";
import type { ClusterConfiguration } from "./cluster-files.ts";
import { checkCommand } from "./command-check.ts";
import { DatabaseWatch } from "./database-watch.ts";
import type { DatabaseListener } from "./database-watch.ts";
import type { LinkView, NodeInformation, ServiceFacade, ServiceStatus } from "./facade.ts";
import { ServiceHistory } from "./history.ts";
import { askInformation, informationOf, linksOf } from "./information.ts";
import { embeddedEngines } from "./engines.ts";
import type { EngineSource } from "./engines.ts";
import { HostEngines } from "./host-engines.ts";
import { Joining } from "./joining.ts";
import { leaseView } from "./lease-view.ts";
import { startLife } from "./life.ts";
import type { Life, LifeOptions } from "./life.ts";
import type { CommandOutcome } from "./node.ts";
import { Rejoin, RETRY_DELAY_MS } from "./rejoin.ts";
import { registerUserTypes } from "./user-types.ts";
import { proveWitness } from "./witnesses.ts";

export interface ServiceOptions {
  readonly directory: string;
  readonly configuration: ClusterConfiguration;
  readonly node: string;
  /** Where roles run that name no directory. */
  readonly workingDirectory: string;
  /** How it starts (reference 4.5): "force" = its first life forms alone, "prevent" = it only joins, until it has been in a view. */
  readonly start?: "force" | "prevent";
  readonly log: (line: string) => void;
  /** An administrator has taken this node out of the cluster: it is to go when its roles have left. */
  readonly onEvicted?: () => void;
}

/** An entry of the log; larger things are several commands. */
const COMMAND_BYTES_MAX = 64 * 1024;
const TYPES_TIMEOUT_MS = 60_000;
const JOIN_TIMEOUT_MS = 15_000;
const READ_RETRY_MS = 20;

/** The Cluster Service of one node on the real world: processes, files, sockets, clocks. */
export class ClusterService implements ServiceFacade {
  readonly #options: ServiceOptions;
  readonly #listeners = new Set<() => void>();
  readonly #watch = new DatabaseWatch();
  readonly joining: Joining;
  readonly history: ServiceHistory;
  readonly #engines: EngineSource;
  #life: Life | null = null;
  #status: ServiceStatus = { phase: "starting", reason: "the service starts" };
  #lastIncarnation = 0;
  #begunAtMs = 0;
  readonly #rejoin = new Rejoin();
  #start: ServiceOptions["start"];
  #stopping = false;
  #evicted = false;
  #restart: NodeJS.Timeout | null = null;
  #flushPlanned = false;

  constructor(options: ServiceOptions) {
    this.#options = options;
    this.#start = options.start;
    const { directory, configuration, log } = options;
    this.#engines = configuration.host === undefined ? embeddedEngines(directory, configuration, log) : new HostEngines(directory, configuration, configuration.host, log);
    this.joining = new Joining({
      directory: options.directory,
      configuration: options.configuration,
      state: () => this.state(),
      read: () => this.read(JOIN_TIMEOUT_MS),
      command: (command) => this.command(command, JOIN_TIMEOUT_MS),
      tokenMs: () => options.configuration.host?.tokenMs ?? 0,
    });
    this.history = new ServiceHistory(clusterPaths.history(options.directory, options.node), options.log);
  }

  // ---- lives ---------------------------------------------------------------

  /** Starts the first life. @throws MusterError when this node cannot run as it is set up */
  async start(): Promise<void> {
    await this.history.open();
    try {
      await this.#engines.start();
      await this.#begin();
    } catch (error) {
      const { code, message } = MusterError.from(error);
      // While the nodes of a cluster get a new version one after the other: it joins when the others have the same.
      if (code === "MUSTER_VERSION_MISMATCH" && this.configuration.host !== undefined) return this.#retry(message);
      await this.#engines.stop();
      await this.history.close();
      throw error;
    }
  }

  async #begin(): Promise<void> {
    const { directory, configuration, workingDirectory, log } = this.#options;
    const start = this.#start;
    const options: LifeOptions = { directory, configuration, node: this.#self(), workingDirectory, engines: this.#engines, nextIncarnation: (known) => (this.#lastIncarnation = Math.max(Date.now(), this.#lastIncarnation + 1, known + 1)), log, ...(start === undefined ? {} : { start }) };
    const life = await startLife(options, {
      isStopping: () => this.#stopping,
      guarded: (action) => this.#guarded(action),
      onMessage: (one) => this.#flushSoon(one),
      onFetch: (one, request) => this.#onFetch(one, request),
      onEvents: (happened) => this.#onEvents(happened),
      onStatus: (one, status) => this.#onStatus(one, status),
      onEntry: (one, entry, result) => {
        this.#watch.onEntry(entry, result);
        this.history.onEntry(entry, result, one.node.machine.state);
        if (entry.body.type === "weights") this.#tellEngines(one);
        this.#followConfiguration(one, result);
      },
      onLeave: (one, cause, reason) => void this.#leave(one, cause, reason),
    });
    if (life === null) return;
    if (start === "force") this.#start = undefined;
    this.#begunAtMs = monotonicMs();
    this.#life = life;
  }

  /** @throws MusterError MUSTER_NODE_NOT_FOUND */
  #self(): { readonly id: number; readonly name: string } {
    const { configuration, node: name } = this.#options;
    const id = configuration.host?.node === name ? configuration.host.id : configuration.nodes.find((node) => node.name === name)?.id;
    if (id === undefined) throw new MusterError("MUSTER_NODE_NOT_FOUND", { name });
    return { id, name };
  }

  /** The engine is told of changes of the nodes; a node that was evicted goes when its roles have left. */
  #followConfiguration(life: Life, result: StepResult): void {
    const { state } = life.node.machine;
    if (result.changes.some((change) => change.table === "resources")) this.#followAddresses(life);
    if (this.#engines.onState === undefined || !result.changes.some((change) => change.table === "nodes")) return;
    this.#tellEngines(life);
    if (state.tables.nodes.get(String(life.member.node)) === undefined && !this.#evicted) {
      this.#evicted = true;
      this.#options.log("this node was evicted from the cluster");
      this.#options.onEvicted?.();
    }
  }

  #followAddresses(life: Life): void {
    const addresses = this.#engines.followAddresses?.(life.node.machine.state) ?? null;
    if (addresses !== null) life.lease?.setClustered(addresses).catch((error: unknown) => this.#options.log(`the gate did not take the addresses: ${String(error)}`));
  }

  #tellEngines(life: Life): void {
    const { status } = life.node.replica;
    if (status.phase === "active") this.#engines.onState?.(life.node.machine.state, status.members);
  }

  /** One flush for all messages that came together. */
  #flushSoon(life: Life): void {
    if (this.#flushPlanned) return;
    this.#flushPlanned = true;
    queueMicrotask(() => {
      this.#flushPlanned = false;
      if (!life.over) life.node.flush();
    });
  }

  /** This life is over: everything it runs is ended, then a new incarnation joins. */
  async #leave(life: Life, cause: LeaveCause | "engine" | "lease", reason: string): Promise<void> {
    if (life.over) return;
    this.#options.log(`left the cluster (${cause}): ${reason}`);
    const pauseMs = this.#rejoin.after(cause, this.#life === life ? monotonicMs() - this.#begunAtMs : 0, monotonicMs());
    this.#setStatus({ phase: "left", reason });
    await this.#end(life, false, reason);
    if (this.#stopping) return;
    if (pauseMs !== null) this.#planRestart(pauseMs);
    else this.#setStatus({ phase: "left", reason: "the state of this node differed from the others' twice within ten minutes; it stays out until its service is started again" });
  }

  #planRestart(delayMs: number): void {
    if (this.#restart !== null) clearTimeout(this.#restart);
    this.#restart = setTimeout(() => {
      this.#begin().catch((error: unknown) => {
        if (!this.#stopping) this.#retry(MusterError.from(error).message);
      });
    }, delayMs);
  }

  #retry(reason: string): void {
    this.#options.log(`cannot join: ${reason}`);
    // Others put it into a sentence of theirs.
    this.#setStatus({ phase: "left", reason: reason.replace(/\.$/, "") });
    this.#planRestart(RETRY_DELAY_MS);
  }

  async #end(life: Life, graceful: boolean, reason: string): Promise<void> {
    if (this.#life === life) this.#life = null;
    if (!graceful) {
      life.over = true;
      life.node.end();
    }
    await life.monitor.stop({ graceful, reason }).catch((error: unknown) => this.#options.log(`the monitor did not stop: ${String(error)}`));
    life.over = true;
    life.node.end();
    clearInterval(life.timer);
    await life.lease?.close().catch((error: unknown) => this.#options.log(`the lease did not end: ${String(error)}`));
    await life.engine.stop().catch(() => {});
    await life.database.close().catch((error: unknown) => this.#options.log(`the database did not close: ${String(error)}`));
  }

  /** Takes this node's roles offline and leaves. */
  async stop(reason: string): Promise<void> {
    this.#stopping = true;
    if (this.#restart !== null) clearTimeout(this.#restart);
    this.#setStatus({ phase: "left", reason });
    const life = this.#life;
    if (life !== null) await this.#end(life, true, reason);
    await this.#engines.stop();
    await this.history.close();
  }

  /** A bug must not leave a half-changed node in the cluster: it ends this process, and the monitor ends the roles. */
  #guarded(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#options.log(`fatal: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      process.exit(70);
    }
  }

  // ---- what happens --------------------------------------------------------

  #onStatus(life: Life, status: LogStatus): void {
    if (life.over || this.#stopping) return;
    const nameOf = (id: number): string => this.#nameOf(life, id);
    this.#engines.onStatus?.(status);
    if (status.phase === "active") {
      this.#start = undefined;
      this.#watch.onView(status.epoch, life.node.replica.committed);
      this.#tellEngines(life);
      this.#followAddresses(life);
      if (life.node.replica.isOrderer) this.#registerTypesOnce(life);
      this.#setStatus({ phase: "active", epoch: status.epoch, members: status.members.map((member) => nameOf(member.node)), orderer: nameOf(status.orderer) });
    } else if (status.phase === "waiting") this.#setStatus({ phase: "waiting", reason: `${status.reason ?? "not enough nodes for a majority"}; waiting for ${status.waitingFor.map(nameOf).join(", ")}` });
    else this.#setStatus({ phase: "forming", reason: status.reason });
  }

  /** As the cluster knows it, or as it was when this machine last knew. */
  #nameOf(life: Life, id: number): string {
    return life.node.machine.state.tables.nodes.get(String(id))?.name ?? this.#options.configuration.nodes.find((node) => node.id === id)?.name ?? String(id);
  }

  /** One node is enough to tell the cluster what the directory of users' types holds. */
  #registerTypesOnce(life: Life): void {
    if (life.typesRegistered) return;
    life.typesRegistered = true;
    const { directory, log } = this.#options;
    registerUserTypes(clusterPaths.resourceTypes(directory), () => life.node.machine.state, (command) => this.command(command, TYPES_TIMEOUT_MS), log).catch((error: unknown) => log(`resource types: ${String(error)}`));
  }

  #setStatus(status: ServiceStatus): void {
    this.#status = status;
    this.#notify();
  }

  #onEvents(happened: readonly ClusterEvent[]): void {
    for (const event of happened) this.#options.log(`${event.id} ${event.level} ${event.text}`);
    this.#notify();
  }

  #notify(): void {
    for (const listener of this.#listeners) listener();
  }

  async #onFetch(life: Life, request: Uint8Array): Promise<Uint8Array> {
    const what = (JSON.parse(Buffer.from(request).toString()) as { readonly what: string }).what;
    if (what === "information") return Buffer.from(JSON.stringify(informationOf(this.nodeName, life)));
    return life.node.replica.serveFetch(request);
  }

  // ---- facade --------------------------------------------------------------

  get nodeName(): string {
    return this.#options.node;
  }

  get configuration(): ClusterConfiguration {
    return this.#options.configuration;
  }

  get directory(): string {
    return this.#options.directory;
  }

  get status(): ServiceStatus {
    const { problem = null } = this.#engines;
    return this.#status.phase !== "waiting" || problem === null ? this.#status : { ...this.#status, reason: `${problem}; ${this.#status.reason}` };
  }

  problems(): readonly string[] {
    const life = this.#life;
    return [this.#engines.configurationProblem ?? [], life?.sight.problem ?? [], life === null ? [] : (this.#engines.refused?.() ?? []).map(({ node, problem }) => `${this.#nameOf(life, node)} cannot be a member: ${problem}.`)].flat();
  }

  state(): ClusterState {
    const { node } = this.#current();
    const { state } = node.machine;
    state.lookedAtMs = node.clusterNowMs();
    return state;
  }

  events(): readonly ClusterEvent[] {
    return this.#life === null ? [] : events(this.#life.node.machine.state);
  }

  onDatabaseChange(listener: DatabaseListener): () => void {
    return this.#watch.listen(listener);
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  command(command: Command, timeoutMs: number): Promise<CommandOutcome> {
    const life = this.#current();
    checkCommand(this.state(), command, { isGated: this.#options.configuration.host !== undefined });
    if (command.verb === "quorum.set") return proveWitness(command, this.configuration.clusterId).then(() => this.#send(this.#current(), command, timeoutMs));
    return this.#send(life, command, timeoutMs);
  }

  #send(life: Life, command: Command, timeoutMs: number): Promise<CommandOutcome> {
    if (Buffer.byteLength(JSON.stringify(command)) > COMMAND_BYTES_MAX) return Promise.reject(new MusterError("MUSTER_LIMIT", { what: "One command", limit: `${COMMAND_BYTES_MAX} bytes` }));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        const withdrawn = life.node.forget(ticket);
        reject(withdrawn ? new MusterError("MUSTER_NO_QUORUM", { reason: this.#reason() }) : new MusterError("MUSTER_TIMEOUT", { timeoutMs }));
      }, timeoutMs);
      const ticket = life.node.command(command, (outcome) => {
        clearTimeout(timer);
        if (outcome.error === null) resolve(outcome);
        else reject(MusterError.fromBody(outcome.error));
      });
    });
  }

  async read(timeoutMs: number): Promise<void> {
    const deadlineMs = monotonicMs() + timeoutMs;
    for (;;) {
      const { node } = this.#current();
      if (await withinMs(new Promise<boolean>((resolve) => node.read(resolve)), Math.max(1, deadlineMs - monotonicMs()), false)) return;
      // A view that ends takes its reads with it: the next one can answer them, as it does with commands.
      if (monotonicMs() + READ_RETRY_MS >= deadlineMs) throw new MusterError("MUSTER_NO_QUORUM", { reason: this.#reason() });
      await sleepMs(READ_RETRY_MS);
    }
  }

  dryRun(command: Command): DryRun {
    checkCommand(this.state(), command, { isGated: this.#options.configuration.host !== undefined });
    return dryRun(this.state(), command);
  }

  whatIf(steps: readonly Hypothesis[]): Plan {
    return whatIf(this.state(), steps);
  }

  async lease(): Promise<LeaseView | null> {
    const life = this.#current();
    return life.lease === null ? null : leaseView(this.nodeName, await life.lease.status(), (id) => this.#nameOf(life, id));
  }

  links(): readonly LinkView[] | null {
    const life = this.#life;
    return life === null ? null : linksOf(this.#engines, (id) => this.#nameOf(life, id));
  }

  outputFile(resourceId: string): string {
    return outputPath(this.#options.directory, resourceId);
  }

  async information(nodeName: string): Promise<NodeInformation | null> {
    const life = this.#life;
    if (life === null) return null;
    if (nodeName === this.nodeName) return informationOf(this.nodeName, life);
    const status = life.node.replica.status;
    const member = status.phase === "active" ? status.members.find((candidate) => this.#nameOf(life, candidate.node) === nodeName) : undefined;
    if (member === undefined) return null;
    return askInformation(life.engine, member);
  }

  #current(): Life {
    if (this.#life === null) throw new MusterError("MUSTER_NO_QUORUM", { reason: this.#reason() });
    return this.#life;
  }

  #reason(): string {
    return this.#status.phase === "active" ? "the view is changing" : this.#status.reason;
  }
}
