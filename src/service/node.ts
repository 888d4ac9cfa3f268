import { recordedFailure } from "../core/recorded.ts";
import type { StepResult } from "../core/index.ts";
import type { LeaveCause, LogEntry, LogOptions, LogStatus } from "../log/types.ts";
import { REQUESTS_IN_FLIGHT_MAX } from "../log/types.ts";
import type { Weights } from "../model/votes.ts";
import type { AcceptedInstall } from "../lease/ledger.ts";
import type { DurableState } from "../database/contract.ts";
import type { ErrorBody } from "../model/errors.ts";
import { MusterError } from "../model/errors.ts";
import type { ClusterEvent } from "../model/events.ts";
import type { Member, NodeId, ResourceId } from "../model/identifiers.ts";
import type { Command, CommandInput, CoreInput, Effect, InventoryInput, InventoryItem, ReportInput } from "../model/inputs.ts";
import type { ResourceRecord, WitnessRecord } from "../model/objects.ts";
import type { Hold } from "../model/votes.ts";
import { clusterProperties, numberPropertyOf } from "../model/properties.ts";
import type { MonitorOrder, MonitorReport } from "../monitor/contract.ts";
import type { ClaimOutcome, Witness } from "../quorum/witness.ts";
import type { AdapterReader } from "./adapters.ts";
import { CoreMachine } from "./core-machine.ts";
import { NetworkReport } from "./network-report.ts";
import { providerNews } from "./provider-news.ts";
import { Releases } from "./releases.ts";
import { Replica } from "./replica.ts";
import type { LeaseKeeper, ReplicaEnvironment } from "./replica.ts";
import { WitnessClaim } from "./witness-claim.ts";
import { WitnessKeeper } from "./witness-keeper.ts";
import type { KeeperTimes } from "./witness-keeper.ts";

/** How a command ended. */
export interface CommandOutcome {
  readonly error: ErrorBody | null;
  readonly note: string | null;
  /** Place of the entry that carried it out. */
  readonly at: { readonly epoch: number; readonly index: number };
}

/** What one life of a node needs from the world, beside what its replica needs. */
export interface NodeEnvironment extends Pick<ReplicaEnvironment<StepResult>, "clock" | "utcOffsetMinutes" | "multicast" | "datagram" | "fetch" | "write" | "writeLazily"> {
  /** To this node's resource monitor. */
  order(order: MonitorOrder): void;
  inventory(): readonly InventoryItem[];
  onEvents(events: readonly ClusterEvent[]): void;
  onStatus(status: LogStatus): void;
  onLeave(cause: LeaveCause, reason: string): void;
  /** A way to the witness; null = this engine has none for its kind. Absent = for no kind. */
  connectWitness?(record: WitnessRecord): Witness | null;
  readonly witnessTimes?: KeeperTimes;
  /** What adapters this node has; absent = it tells of none. */
  readonly adapters?: AdapterReader;
  /** Nodes that the engine hears through the adapter with these addresses; null = it does not use it. */
  heardThrough?(addresses: readonly string[]): readonly NodeId[] | null;
  /** How long each of these may still be serving (PROTOCOL part 2); absent = the machine proves that they cannot. */
  holdsOf?(excluded: readonly Member[], install: AcceptedInstall): readonly Hold[];
  /** Who keeps this node's lease; then permits come from it ({@link ClusterNode.onPermit}) and not from the log. */
  readonly lease?: LeaseKeeper & { released(node: NodeId, incarnation: number): void };
  /** For whoever watches: what came of asking the witness. */
  onClaim?(outcome: ClaimOutcome): void;
  /** For whoever watches the history: called after each entry was stepped. */
  onEntry?(entry: LogEntry, result: StepResult, replayed: boolean): void;
}

/** A level is sent again when it was not seen in an entry for that long. */
const RESEND_MS = 500;

/**
 * One life (incarnation) of a node's Cluster Service, without any I/O of its own: feeds the
 * replica, carries the core's effects to the monitor, reports levels back, answers commands.
 * The service runs it on the real world, the simulator on a model.
 */
export class ClusterNode {
  readonly #environment: NodeEnvironment;
  readonly #self: Member;
  readonly #machine: CoreMachine;
  readonly #replica: Replica<StepResult>;
  readonly #keeper: WitnessKeeper;
  readonly #claim = new WitnessClaim();
  readonly #networks: NetworkReport | null;
  /** Commands under way, by the number of their request. */
  readonly #commands = new Map<number, { readonly ticket: number; readonly done: (outcome: CommandOutcome) => void }>();
  readonly #reads = new Map<number, (ok: boolean) => void>();
  /** Levels not yet seen in an entry, by resource. */
  readonly #levels = new Map<string, ReportInput>();
  readonly #releases: Releases;
  /** Commands that wait for a view. */
  #queued: { readonly ticket: number; readonly command: Command; readonly done: (outcome: CommandOutcome) => void }[] = [];
  #heldStarts: Extract<MonitorOrder, { kind: "online" }>[] = [];
  #inventoryWanted = false;
  /** Inventories of this epoch: sent, seen in an entry, and sent when the last one became out of date. */
  #inventories = { sent: 0, seen: 0, outdated: 0 };
  #lastEntry = { clusterTimeMs: 0, atMs: 0 };
  #permitUntilMs = 0;
  #lastResendMs = 0;
  #nextTicket = 1;
  #lastRequestNumber = 0;

  constructor(options: LogOptions, durable: DurableState, initialWeights: Weights, environment: NodeEnvironment) {
    this.#environment = environment;
    this.#self = options.self;
    this.#releases = new Releases(options.self.node);
    this.#machine = new CoreMachine(durable.rows, options.profileTokenMs ?? null);
    this.#replica = new Replica(options, durable, initialWeights, this.#machine, {
      ...environment,
      onStepped: (entry, _stamp, result, replayed) => this.#onStepped(entry, result, replayed),
      onStatus: (status) => this.#onStatus(status),
      onAppliedElsewhere: (entry) => this.#onAppliedElsewhere(entry),
      onPermit: (untilMs) => {
        if (environment.lease === undefined) this.onPermit(untilMs);
      },
      onRead: (id, ok) => this.#onRead(id, ok),
      onLeave: (cause, reason) => environment.onLeave(cause, reason),
      claim: ({ record }, request, done) => {
        const witness = record === undefined ? null : this.#connectWitness(record);
        if (witness === null) done({ kind: "failed", reason: "this node cannot reach a witness of its kind" });
        else {
          this.#claim.ask(witness, request, environment.clock().nowMs, this.#arbitrationMs(), (outcome) => {
            environment.onClaim?.(outcome);
            done(outcome);
          });
        }
      },
      holdsOf: (excluded, install) => environment.holdsOf?.(excluded, install) ?? [],
    });
    this.#keeper = new WitnessKeeper(options.self, this.#replica, () => this.#machine.state, (record) => this.#connectWitness(record), (input) => this.#submitVolatile(input), environment.witnessTimes);
    this.#networks =
      environment.adapters === undefined
        ? null
        : new NetworkReport({ self: options.self, reader: environment.adapters, status: () => this.#replica.status, state: () => this.#machine.state, send: (command) => this.#askFor(command), say: (input) => this.#submitVolatile(input), ...(environment.heardThrough === undefined ? {} : { heardThrough: (addresses: readonly string[]) => environment.heardThrough!(addresses) }) });
  }

  #arbitrationMs(): number {
    return 1_000 * numberPropertyOf(clusterProperties, this.#machine.state.tables.cluster.get("-")?.properties ?? {}, "QuorumArbitrationTimeMax");
  }

  #connectWitness(record: WitnessRecord): Witness | null {
    return this.#environment.connectWitness?.(record) ?? null;
  }

  get machine(): CoreMachine {
    return this.#machine;
  }

  get replica(): Replica<StepResult> {
    return this.#replica;
  }

  /** Cluster time now, as far as this node can tell: the newest entry's, and what has passed since. */
  clusterNowMs(): number {
    const { clusterTimeMs, atMs } = this.#lastEntry;
    return clusterTimeMs + Math.max(0, Math.floor(this.#environment.clock().nowMs - atMs));
  }

  get permitUntilMs(): number {
    return this.#permitUntilMs;
  }

  onMembers(members: readonly Member[]): void {
    this.#replica.onMembers(members);
    this.#replica.flush();
  }

  onMessage(from: Member, payload: Uint8Array): void {
    this.#replica.onMessage(from, payload);
  }

  flush(): void {
    this.#replica.flush();
  }

  tick(): void {
    this.#replica.tick();
    const { nowMs } = this.#environment.clock();
    this.#keeper.tick(nowMs);
    this.#claim.tick(nowMs);
    this.#networks?.tick(nowMs);
    if (nowMs - this.#lastResendMs >= RESEND_MS) this.#resendLevels();
  }

  end(): void {
    this.#replica.end();
  }

  // ---- commands and reads --------------------------------------------------

  /**
   * Sends a command through the log; `done` is called when it is committed and stepped.
   * It waits for a view when there is none. Withdrawn by {@link forget}.
   * @throws MusterError MUSTER_BUSY when too many are under way
   */
  command(command: Command, done: (outcome: CommandOutcome) => void): number {
    if (this.commandsWaiting >= REQUESTS_IN_FLIGHT_MAX) throw new MusterError("MUSTER_BUSY", { what: "the queue of commands", limit: REQUESTS_IN_FLIGHT_MAX });
    const ticket = this.#nextTicket++;
    this.#queued.push({ ticket, command, done });
    this.#submitQueued();
    return ticket;
  }

  get commandsWaiting(): number {
    return this.#commands.size + this.#queued.length;
  }

  /** Nobody waits for this command any more. @returns whether it was never sent, so that it has changed nothing */
  forget(ticket: number): boolean {
    for (const [number, command] of this.#commands) if (command.ticket === ticket) this.#commands.set(number, { ticket, done: () => {} });
    const before = this.#queued.length;
    this.#queued = this.#queued.filter((queued) => queued.ticket !== ticket);
    return this.#queued.length < before;
  }

  /** Calls `done(true)` when this node's state is at least as new as the cluster's at the moment of the call. */
  read(done: (ok: boolean) => void): void {
    const id = this.#nextTicket++;
    this.#reads.set(id, done);
    this.#replica.read(id);
  }

  #submitQueued(): void {
    if (this.#replica.status.phase !== "active") return;
    const queued = this.#queued;
    this.#queued = [];
    for (const { ticket, command, done } of queued) {
      const number = ++this.#lastRequestNumber;
      const input: CommandInput = { kind: "command", requestId: { ...this.#self, number }, command };
      this.#commands.set(number, { ticket, done });
      this.#replica.request(true, number, JSON.stringify(input));
    }
    this.#replica.flush();
  }

  #onRead(id: number, ok: boolean): void {
    const done = this.#reads.get(id);
    this.#reads.delete(id);
    done?.(ok);
  }

  // ---- the monitor ---------------------------------------------------------

  onReport(report: MonitorReport): void {
    if (report.kind !== "state") return;
    const { resource, generation, effect, state, reason, processId, status, permitEnded } = report;
    const level: ReportInput = { kind: "report", from: this.#self, resource, generation, effect, state, reason, processId, ...(status === undefined ? {} : { status }), ...(permitEnded === undefined ? {} : { permitEnded }) };
    this.#levels.set(resource, level);
    this.#submitVolatile(level);
    this.#replica.flush();
  }

  /** Nothing is left of a life of another node: nobody needs to wait for it. Said until it is seen, because there may be no view now. */
  onReleased(released: Member): void {
    if (!this.#releases.add(released, this.#environment.clock().nowMs)) return;
    this.#sayReleases();
    this.#replica.flush();
  }

  #sayReleases(): void {
    for (const released of this.#releases.toSay(this.#environment.clock().nowMs)) this.#submitVolatile({ kind: "released", from: this.#self, released });
  }

  /** The monitor died and its resources with it: what it had is told again, as it is now. */
  onMonitorDied(): void {
    this.#levels.clear();
    this.#inventoryWanted = true;
    this.#inventories.outdated = this.#inventories.sent;
    this.#resendLevels();
  }

  #resendLevels(): void {
    this.#lastResendMs = this.#environment.clock().nowMs;
    if (this.#replica.status.phase !== "active") return;
    if (this.#inventoryWanted) {
      const inventory: InventoryInput = { kind: "inventory", from: this.#self, resources: this.#environment.inventory() };
      this.#inventories.sent++;
      this.#submitVolatile(inventory);
    }
    for (const level of this.#levels.values()) this.#submitVolatile(level);
    this.#sayReleases();
    this.#replica.flush();
  }

  #submitVolatile(input: CoreInput): void {
    if (this.#replica.status.phase === "active") this.#replica.request(false, 0, JSON.stringify(input));
  }

  /** Roles may run until then: a quorum answered something that was sent after this was computed from. */
  onPermit(untilMs: number): void {
    if (untilMs <= this.#permitUntilMs) return;
    this.#permitUntilMs = untilMs;
    this.#environment.order({ kind: "permit", untilMs });
    const held = this.#heldStarts;
    this.#heldStarts = [];
    for (const order of held) this.#environment.order({ ...order, startBeforeMs: untilMs });
  }

  #carryOut(effect: Effect): void {
    const { id, generation, resource, providers, groupName, reason, handover } = effect;
    if (effect.action !== "online") {
      this.#heldStarts = this.#heldStarts.filter((order) => order.resource.id !== resource.id);
      this.#environment.order({ kind: effect.action, effect: id, generation, resource: resource.id, reason });
      return;
    }
    const optional = { ...(providers === undefined ? {} : { providers }), ...(handover === undefined ? {} : { handover }) };
    const order = { kind: "online", effect: id, generation, resource, groupName, reason, startBeforeMs: this.#permitUntilMs, ...optional } as const;
    if (this.#permitUntilMs > this.#environment.clock().nowMs) this.#environment.order(order);
    else this.#heldStarts.push(order);
  }

  // ---- the log -------------------------------------------------------------

  #onStatus(status: LogStatus): void {
    this.#environment.onStatus(status);
    if (status.phase === "active") {
      this.#inventories = { sent: 0, seen: 0, outdated: 0 };
      this.#inventoryWanted = true;
      this.#resendLevels();
      this.#submitQueued();
    } else {
      this.#heldStarts = [];
    }
  }

  #onStepped(entry: LogEntry, result: StepResult, replayed: boolean): void {
    this.#lastEntry = { clusterTimeMs: entry.clusterTimeMs, atMs: this.#environment.clock().nowMs };
    this.#noteSeen(entry);
    this.#tellLeaseOfReleases(entry);
    this.#environment.onEntry?.(entry, result, replayed);
    // Effects of replayed entries are history: what is still wanted is ordered again when the inventory is handled.
    if (!replayed) for (const effect of result.effects) if (effect.node === this.#self.node) this.#carryOut(effect);
    if (!replayed) this.#updateMonitor(result);
    if (!replayed) this.#tellDependents(entry);
    if (result.events.length > 0) this.#environment.onEvents(result.events);
    if (!replayed && this.#replica.isOrderer) for (const request of result.requests) this.#askFor(request);
    const { outcome } = result;
    if (outcome === null || outcome.requestId.node !== this.#self.node || outcome.requestId.incarnation !== this.#self.incarnation) return;
    const waiting = this.#commands.get(outcome.requestId.number);
    this.#commands.delete(outcome.requestId.number);
    waiting?.done({ error: outcome.error, note: outcome.note, at: { epoch: entry.epoch, index: entry.index } });
  }

  /** Providers and dependents are on one node, so that its own reports are all that counts; what is pending changes nothing. */
  #tellDependents({ origin, body }: LogEntry): void {
    if (origin?.node !== this.#self.node || body.type !== "input" || !body.payload.startsWith('{"kind":"report"')) return;
    const { resource, state } = JSON.parse(body.payload) as ReportInput;
    if (state === "onlinePending" || state === "offlinePending") return;
    for (const dependent of this.#machine.state.dependentIdsOf(resource)) this.#tellOfProviders(dependent);
  }

  /** A life whose end is known holds nobody up: it was released, or a later one of its node has said that it runs nothing. */
  #tellLeaseOfReleases({ body }: LogEntry): void {
    const { lease } = this.#environment;
    if (lease === undefined || body.type !== "input" || !/^\{"kind":"(released|inventory)"/.test(body.payload)) return;
    const input = JSON.parse(body.payload) as CoreInput;
    if (input.kind === "released") {
      lease.released(input.released.node, input.released.incarnation);
      this.#releases.seen(input.released);
    }
    if (input.kind === "inventory") lease.released(input.from.node, input.from.incarnation - 1);
  }

  /** What is wanted is asked for again when nothing comes of it: a full queue or a lost view needs no care here. */
  #askFor(request: Command): void {
    if (this.commandsWaiting < REQUESTS_IN_FLIGHT_MAX) this.command(request, () => {});
  }

  /** A command of this node took effect while it was catching up; its outcome stands in the state that was fetched. */
  #onAppliedElsewhere(entry: LogEntry): void {
    const number = entry.origin!.number;
    const waiting = this.#commands.get(number);
    this.#commands.delete(number);
    waiting?.done({ error: recordedFailure(this.#machine.state, { ...this.#self, number }), note: null, at: { epoch: entry.epoch, index: entry.index } });
  }

  /** The monitor watches with the new poll intervals and health checks at once. */
  #updateMonitor(result: StepResult): void {
    for (const { table, key, value } of result.changes) {
      if (table !== "resources" || value === null || !this.#environment.inventory().some((item) => item.resource === key)) continue;
      this.#environment.order({ kind: "update", resource: JSON.parse(value) as ResourceRecord });
      this.#tellOfProviders(key);
    }
  }

  /** Whoever publishes what it depends on (a network name) learns what came and went of it. */
  #tellOfProviders(id: ResourceId): void {
    const news = providerNews(this.#machine.state, id, this.#self.node);
    if (news === null) return;
    this.#heldStarts = this.#heldStarts.map((order) => (order.resource.id === id ? { ...order, providers: news.providers } : order));
    this.#environment.order(news);
  }

  /** What this node reported has been seen in an entry: it need not be sent again. */
  #noteSeen(entry: LogEntry): void {
    if (entry.origin === null || entry.origin.node !== this.#self.node || entry.sequence !== null || entry.body.type !== "input") return;
    const input = JSON.parse(entry.body.payload) as CoreInput;
    if (input.kind === "inventory" && input.from.incarnation === this.#self.incarnation) {
      this.#inventories.seen++;
      // One that was sent before the monitor died does not tell what is there now.
      if (this.#inventories.seen > this.#inventories.outdated) this.#inventoryWanted = false;
    }
    if (input.kind !== "report") return;
    const level = this.#levels.get(input.resource);
    if (level !== undefined && JSON.stringify(level) === JSON.stringify(input)) this.#levels.delete(input.resource);
  }
}
