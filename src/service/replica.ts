import type { DurableState, DurableWrite } from "../database/contract.ts";
import type { Member } from "../model/identifiers.ts";
import type { DueInput, Stamp, ViewInput } from "../model/inputs.ts";
import type { AcceptedInstall, ActiveView } from "../lease/ledger.ts";
import { decodeMessage, encodeEntry, encodeMessage, payloadOf } from "../log/codec.ts";
import { Assembler, Fragmenter, senderOf } from "../log/fragments.ts";
import { ReplicatedLog } from "../log/log.ts";
import type { Clock, LeaveCause, LogCopy, LogEffect, LogEntry, LogInput, LogMessage, LogOptions, LogStatus, LogWrite, RuntimePosition } from "../log/types.ts";
import type { Hold, Weights, WitnessVote } from "../model/votes.ts";
import type { ClaimRequest } from "../quorum/claims.ts";
import type { ClaimOutcome } from "../quorum/witness.ts";
import { CommitNotes } from "./commit-notes.ts";
import { ACCEPTED_MEMBERS_KEY, COPY_KEY, LAST_ACTIVE_KEY, LINEAGE_KEY, recover, WEIGHTS_KEY } from "./recovery.ts";
import type { Row, StateMachine } from "./state-machine.ts";

const FETCHED_STATES_MAX = 3;
const DUE_AGAIN_MS = 1_000;

/** What a replica needs from the world. The service gives it the real one, the simulator a model. */
export interface ReplicaEnvironment<Result> {
  clock(): Clock;
  /** How far this machine's local time is from UTC now, in minutes, east positive; a model of the world may leave it out. */
  utcOffsetMinutes?(): number;
  multicast(payload: Uint8Array): void;
  /** Past the group's order ({@link Engine.datagram}); absent where the engine has no such way. */
  datagram?(payload: Uint8Array): void;
  /** `done` gets the reply, or null when there is none. */
  fetch(from: Member, request: Uint8Array, done: (reply: Uint8Array | null) => void): void;
  write(write: DurableWrite, done: (error: Error | null) => void): void;
  writeLazily(write: DurableWrite): void;
  /** An entry was stepped. `replayed` ones were committed before this view: their effects are history. */
  onStepped(entry: LogEntry, stamp: Stamp, result: Result, replayed: boolean): void;
  /** A durable request of this node was applied inside a state that came from a peer. */
  onAppliedElsewhere(entry: LogEntry): void;
  onStatus(status: LogStatus): void;
  onPermit(untilMs: number): void;
  onRead(id: number, ok: boolean): void;
  /** Asks the witness for its vote, once. */
  claim(witness: WitnessVote, request: ClaimRequest, done: (outcome: ClaimOutcome) => void): void;
  /** How long each of these may still be serving, as far as this node can tell (PROTOCOL part 2). */
  holdsOf(excluded: readonly Member[], install: AcceptedInstall): readonly Hold[];
  /** Who keeps the lease is told what it is given under, before anything that follows from it is sent. */
  readonly lease?: LeaseKeeper;
  /** This incarnation is over. Called once; the replica does nothing afterwards. */
  onLeave(cause: LeaveCause, reason: string): void;
}

/** What a lease is given under (PROTOCOL part 2); each is called before an acknowledgement that follows from it. */
export interface LeaseKeeper {
  activeDelivered(view: ActiveView): void;
  weightsAppended(weights: Weights): void;
  /** The newest weights are known to be committed. May be called again. */
  weightsCommitted(): void;
}

type FetchRequest = { readonly what: "log"; readonly epoch: number; readonly after: number; readonly upTo: number } | { readonly what: "state"; readonly epoch: number };
type LogReply = { readonly entries: readonly LogEntry[]; readonly copy: (LogCopy & { readonly rows: readonly Row[] }) | null };
type StateReply = { readonly position: RuntimePosition; readonly applied: number; readonly state: string };

/**
 * One node's copy of the cluster: the log, the state machine it feeds and the durable
 * store behind both. Carries out what the log asks for, in order.
 */
export class Replica<Result> {
  readonly #environment: ReplicaEnvironment<Result>;
  readonly #machine: StateMachine<Result>;
  readonly #log: ReplicatedLog;
  /** Sequence up to which the machine has the durable entries. */
  #applied: number;
  readonly #keepEntries: number;
  readonly #fragmenter = new Fragmenter();
  readonly #assembler = new Assembler();
  /** The same for the rows in the database. */
  #rowsApplied: number;
  /** Rows of the copy that is being accepted. */
  #copyRows: readonly Row[] = [];
  /** Run-time states that peers sent for the formation under way; the log chooses by position. */
  #fetchedStates: StateReply[] = [];
  /** What this node sent comes back to it as well: it need not be read again. */
  readonly #ownDatagrams = new WeakMap<Uint8Array, LogMessage>();
  readonly #commitNotes = new CommitNotes();
  #dueAsked: { readonly deadlineMs: number; readonly atMs: number } | null = null;
  #ended = false;

  constructor(options: LogOptions, durable: DurableState, initialWeights: Weights, machine: StateMachine<Result>, environment: ReplicaEnvironment<Result>) {
    this.#environment = environment;
    this.#machine = machine;
    this.#applied = durable.applied;
    this.#keepEntries = options.keepEntries;
    this.#rowsApplied = durable.applied;
    machine.load(durable.rows);
    this.#log = new ReplicatedLog(options, recover(durable, initialWeights));
  }

  get status(): LogStatus {
    return this.#log.status;
  }

  get isOrderer(): boolean {
    return this.#log.isOrderer;
  }

  /** Name of the version of the database: promised:epoch:sequence. */
  get tag(): string {
    return this.#log.tag;
  }

  get committed(): number {
    return this.#log.committed;
  }

  get weights(): readonly Weights[] {
    return this.#log.weights;
  }

  /** Which forced start the log descends from; 0 = none. */
  get lineage(): number {
    return this.#log.lineage;
  }

  get requestsWaiting(): number {
    return this.#log.requestsWaiting;
  }

  onMembers(members: readonly Member[]): void {
    this.#assembler.keepOnly(members.map(senderOf));
    this.#step({ kind: "members", members });
  }

  /** A message of the engine; what cannot be read is dropped (a peer of another version is kept out by the engine). */
  onMessage(from: Member, payload: Uint8Array): void {
    const whole = this.#assembler.add(senderOf(from), payload);
    if (whole !== null) this.#step({ kind: "message", from, message: decodeMessage(whole) });
  }

  /** A message that came past the group's order. */
  onDatagram(from: Member, payload: Uint8Array): void {
    this.#step({ kind: "datagram", from, message: this.#ownDatagrams.get(payload) ?? decodeMessage(payload) });
  }

  tick(): void {
    this.#step({ kind: "tick" });
    this.#askForDue();
    this.#askForVotes();
  }

  /** Sends what was ordered since; call it when a burst of inputs has been handled. */
  flush(): void {
    this.#step({ kind: "flush" });
  }

  /** @param number rises with every durable request of this incarnation */
  request(durable: boolean, number: number, payload: string): void {
    this.#step({ kind: "request", durable, number, payload });
  }

  read(id: number): void {
    this.#step({ kind: "read", id });
  }

  /** This incarnation ends; nothing is done any more. */
  end(): void {
    this.#ended = true;
  }

  #step(input: LogInput): void {
    if (this.#ended) return;
    const effects = this.#log.step(this.#environment.clock(), input);
    for (const effect of effects) {
      if (this.#ended) return;
      this.#carryOut(effect);
    }
  }

  #carryOut(effect: LogEffect): void {
    const environment = this.#environment;
    switch (effect.kind) {
      case "send":
        for (const piece of this.#fragmenter.cut(encodeMessage(effect.message))) environment.multicast(piece);
        return;
      case "sendDirectly":
        return this.#sendDirectly(effect.message);
      case "persist":
        this.#tellLeaseOfWeights(effect.write);
        return environment.write(this.#durableWrite(effect.write), (error) => {
          if (error === null) this.#step({ kind: "persisted", ticket: effect.ticket });
          else this.#leave("disk", error.message);
        });
      case "committed":
        if (this.#log.settledWeights !== null) environment.lease?.weightsCommitted();
        return environment.writeLazily({ committed: effect.sequence, compactTo: Math.max(0, this.#rowsApplied - this.#keepEntries), ...this.#commitNotes.of(effect) });
      case "fetchLog":
        return this.#fetchLog(effect);
      case "fetchState":
        return this.#fetchState(effect.epoch, effect.from);
      case "activate":
        return this.#activate(effect);
      case "apply":
        return this.#apply(effect.entry, false);
      case "appliedElsewhere":
        return environment.onAppliedElsewhere(effect.entry);
      case "deactivate":
        this.#dueAsked = null;
        return;
      case "status":
        return environment.onStatus(effect.status);
      case "permit":
        return environment.onPermit(effect.untilMs);
      case "claim": {
        const { epoch } = effect;
        return environment.claim(effect.witness, effect.request, (outcome) => this.#step({ kind: "claimed", epoch, outcome }));
      }
      case "askHolds":
        return this.#step({ kind: "holds", epoch: effect.epoch, holds: environment.holdsOf(effect.excluded, { epoch: effect.epoch, excluded: effect.absent, weights: effect.weights }) });
      case "readReady":
        return environment.onRead(effect.id, true);
      case "readLost":
        return environment.onRead(effect.id, false);
      case "leave":
        return this.#leave(effect.cause, effect.reason);
    }
  }

  #sendDirectly(message: LogMessage): void {
    const payload = encodeMessage(message);
    this.#ownDatagrams.set(payload, message);
    this.#environment.datagram?.(payload);
  }

  /** What came with an INSTALL was told with it. */
  #tellLeaseOfWeights(write: LogWrite): void {
    if (this.#environment.lease === undefined || write.accepted !== undefined) return;
    for (const { body } of write.append ?? []) if (body.type === "weights") this.#environment.lease.weightsAppended(body.weights);
  }

  #tellLeaseOfView({ install, entryZero, weights }: Extract<LogEffect, { kind: "activate" }>): void {
    const { lease } = this.#environment;
    if (lease === undefined || entryZero.body.type !== "input") return;
    const { holds = [] } = JSON.parse(entryZero.body.payload) as ViewInput;
    lease.activeDelivered({ epoch: install.epoch, members: install.members.map((member, position) => ({ ...member, store: install.stores[position]! })), claim: install.claim, weights, holds });
    // What followed the base before this node was ready to begin is not known to be committed.
    const [newest] = this.#log.weights;
    if (newest !== undefined && newest.version > (weights[0]?.version ?? 0)) lease.weightsAppended(newest);
  }

  #leave(cause: LeaveCause, reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#environment.onLeave(cause, reason);
  }

  #durableWrite(write: LogWrite): DurableWrite {
    const { append, replaceByCopy, lineage, forcedWeights, acceptedMembers, ...rest } = write;
    if (replaceByCopy !== undefined || forcedWeights !== undefined) this.#commitNotes.forget();
    const durable: { -readonly [Key in keyof DurableWrite]: DurableWrite[Key] } = { ...rest };
    if (append !== undefined) durable.append = append.map(encodeEntry);
    if (replaceByCopy !== undefined) {
      const { upTo, epoch, weights, clusterTimeMs } = replaceByCopy;
      durable.replace = { upTo, epoch, rows: this.#copyRows };
      this.#machine.load(this.#copyRows);
      this.#applied = upTo;
      durable.committed = upTo;
      durable.metadata = { [WEIGHTS_KEY]: JSON.stringify({ sequence: upTo, weights }), [COPY_KEY]: JSON.stringify({ sequence: upTo, epoch, clusterTimeMs }) };
      this.#rowsApplied = upTo;
    }
    if (forcedWeights !== undefined) durable.metadata = { ...durable.metadata, [WEIGHTS_KEY]: JSON.stringify(forcedWeights) };
    if (acceptedMembers !== undefined) durable.metadata = { ...durable.metadata, [ACCEPTED_MEMBERS_KEY]: JSON.stringify(acceptedMembers) };
    if (lineage !== undefined) durable.metadata = { ...durable.metadata, [LINEAGE_KEY]: JSON.stringify(lineage) };
    return durable;
  }

  // ---- stepping ------------------------------------------------------------

  #activate(effect: Extract<LogEffect, { kind: "activate" }>): void {
    const { base } = effect.install;
    this.#tellLeaseOfView(effect);
    if (effect.state === "fetched") this.#restoreFetched(effect.position);
    this.#fetchedStates = [];
    for (const entry of effect.replay) if (entry.sequence! > this.#applied) this.#apply(entry, true);
    // Replayed entries met no run-time state on this node but may have on another: only what is durable may remain.
    if (effect.state === "empty") this.#machine.load(this.#machine.rows());
    this.#commitNotes.forget();
    this.#environment.writeLazily({ committed: Math.max(base.sequence, this.#applied), metadata: { [LAST_ACTIVE_KEY]: String(effect.install.epoch) } });
  }

  #restoreFetched(position: RuntimePosition): void {
    const fetched = this.#fetchedStates.find((reply) => reply.position.epoch === position.epoch && reply.position.index === position.index);
    if (fetched === undefined) throw new Error("no fetched state at hand");
    const before = new Map(this.#machine.rows().map((row) => [`${row.table} ${row.key}`, row]));
    this.#machine.restore(fetched.state);
    this.#applied = fetched.applied;
    if (fetched.applied < this.#rowsApplied) return;
    const changes: { table: string; key: string; value: string | null }[] = [];
    for (const row of this.#machine.rows()) {
      const known = before.get(`${row.table} ${row.key}`);
      before.delete(`${row.table} ${row.key}`);
      if (known?.value !== row.value) changes.push(row);
    }
    for (const row of before.values()) changes.push({ table: row.table, key: row.key, value: null });
    // Rows that differ at the same place are what a diverged copy left behind (rule 12).
    if (changes.length === 0 && fetched.applied === this.#rowsApplied) return;
    this.#rowsApplied = fetched.applied;
    this.#environment.writeLazily({ apply: { upTo: fetched.applied, changes }, committed: fetched.applied });
  }

  #apply(entry: LogEntry, replayed: boolean): void {
    const { sequence, body } = entry;
    if (sequence !== null) this.#applied = sequence;
    const stamp: Stamp = { epoch: entry.epoch, index: entry.index, clusterTimeMs: entry.clusterTimeMs, wallTimeMs: entry.wallTimeMs };
    const stepped = this.#machine.step(stamp, payloadOf(body));
    if (sequence !== null && sequence > this.#rowsApplied) {
      this.#rowsApplied = sequence;
      this.#environment.writeLazily({ apply: { upTo: sequence, changes: stepped.changes }, committed: sequence });
    }
    if (!replayed) this.#step({ kind: "stepped", index: entry.index, hash: this.#machine.hash() });
    this.#environment.onStepped(entry, stamp, stepped.result, replayed);
    if (replayed) return;
    this.#askForDue();
    this.#askForVotes();
  }

  /** The orderer has the votes follow the state (rule 10). */
  #askForVotes(): void {
    const current = this.#log.settledWeights;
    if (this.#ended || !this.#log.isOrderer || current === null) return;
    const weights = this.#machine.wantedWeights(current);
    if (weights !== null) this.#step({ kind: "weightsWanted", weights });
  }

  /** The orderer stamps "due" when a deadline of the state has passed. */
  #askForDue(): void {
    if (this.#ended || !this.#log.isOrderer || this.#log.status.phase !== "active") return;
    const deadline = this.#machine.nextDeadline();
    const now = this.#log.clusterNowMs(this.#environment.clock());
    if (deadline === null || now === null || now < deadline || this.#isDueAsked(deadline)) return;
    this.#dueAsked = { deadlineMs: deadline, atMs: this.#environment.clock().nowMs };
    const utcOffsetMinutes = this.#environment.utcOffsetMinutes?.();
    const due: DueInput = { kind: "due", ...(utcOffsetMinutes === undefined ? {} : { utcOffsetMinutes }) };
    this.request(false, 0, JSON.stringify(due));
    this.flush();
  }

  /** One that stays where it was is asked for again: another one may have the same moment. */
  #isDueAsked(deadlineMs: number): boolean {
    const asked = this.#dueAsked;
    return asked !== null && asked.deadlineMs === deadlineMs && this.#environment.clock().nowMs - asked.atMs < DUE_AGAIN_MS;
  }

  // ---- catching up ---------------------------------------------------------

  #fetchLog(effect: Extract<LogEffect, { kind: "fetchLog" }>): void {
    const { epoch, after, upTo } = effect;
    this.#ask<LogReply>(effect.from, { what: "log", epoch, after, upTo }, (reply) => {
      if (reply === null) return this.#step({ kind: "fetchFailed", epoch, what: "log" });
      if (reply.copy === null) return this.#step({ kind: "logFetched", epoch, log: { entries: reply.entries, copy: null } });
      const { rows, ...copy } = reply.copy;
      this.#copyRows = rows;
      this.#step({ kind: "logFetched", epoch, log: { entries: reply.entries, copy } });
    });
  }

  #fetchState(epoch: number, from: Member): void {
    this.#ask<StateReply>(from, { what: "state", epoch }, (reply) => {
      if (reply === null) return this.#step({ kind: "fetchFailed", epoch, what: "state" });
      this.#fetchedStates = [...this.#fetchedStates.slice(-FETCHED_STATES_MAX), reply];
      this.#step({ kind: "stateFetched", epoch, position: reply.position, applied: reply.applied });
    });
  }

  #ask<Reply>(from: Member, request: FetchRequest, done: (reply: Reply | null) => void): void {
    this.#environment.fetch(from, Buffer.from(JSON.stringify(request)), (bytes) => {
      if (this.#ended) return;
      done(bytes === null ? null : (JSON.parse(Buffer.from(bytes).toString()) as Reply | null));
    });
  }

  /** Answers a peer that catches up; `null` inside the reply = not now. */
  serveFetch(bytes: Uint8Array): Uint8Array {
    const request = JSON.parse(Buffer.from(bytes).toString()) as FetchRequest;
    const reply = this.#ended ? null : request.what === "log" ? this.#serveLog(request) : this.#serveState(request.epoch);
    return Buffer.from(JSON.stringify(reply));
  }

  #serveLog(request: Extract<FetchRequest, { what: "log" }>): LogReply | null {
    // A later epoch may have cut what was asked for.
    if (!this.#log.mayServe(request.epoch)) return null;
    const entries = this.#log.readLog(request.after, request.upTo);
    if (entries !== null) return { entries, copy: null };
    const upTo = this.#applied;
    return { entries: this.#log.readLog(upTo, request.upTo) ?? [], copy: { upTo, ...this.#log.describeCopy(upTo), rows: this.#machine.rows() } };
  }

  #serveState(epoch: number): StateReply | null {
    const position = this.#log.runtime;
    if (position === null || !this.#log.mayServe(epoch)) return null;
    return { position, applied: this.#applied, state: this.#machine.snapshot() };
  }
}
