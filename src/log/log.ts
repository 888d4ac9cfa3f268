import type { Member } from "../model/identifiers.ts";
import { sameMember } from "../model/identifiers.ts";
import { sendActiveIfAccepted, tryActivate } from "./activation.ts";
import { onClaimed } from "./claiming.ts";
import { flush } from "./direct.ts";
import { formationTick, onFetchFailed, onHolds, onInstall, onLogFetched, onMembers, onPropose, onRefuse, onState, onStateFetched, onWaiting } from "./formation.ts";
import { onHeard, onOwnRead, onPresent, onRead, onReadAt, onTick, presenceTick } from "./presence.ts";
import { advanceCommit, clusterNowMs, drain, onAcknowledge, onOrdererHash, onOwnRequest, onRequest, onStepped, onWeightsWanted, receive, replicationTick } from "./replication.ts";
import type { LogState, View, Way } from "./state.ts";
import { createLogState, isOrderer } from "./state.ts";
import type { Clock, FetchedLog, LogEffect, LogInput, LogMessage, LogOptions, LogRecovery, LogStatus, RuntimePosition } from "./types.ts";
import { EARLY_MESSAGES_MAX, PENDING_ENTRIES_MAX } from "./types.ts";
import type { Hold, Weights } from "../model/votes.ts";

/**
 * The replicated log (PROTOCOL part 1) as a pure state machine: inputs in, effects out.
 * It has no clock, no disk and no network; whoever drives it carries the effects out in
 * order, answers `persist` with `persisted`, and feeds what the engine delivers.
 */
export class ReplicatedLog {
  readonly #state: LogState;

  constructor(options: LogOptions, recovery: LogRecovery) {
    this.#state = createLogState(options, recovery);
  }

  step(clock: Clock, input: LogInput): readonly LogEffect[] {
    const state = this.#state;
    state.clock = clock;
    state.effects = [];
    handle(state, input);
    return state.effects;
  }

  get status(): LogStatus {
    return this.#state.status;
  }

  get isOrderer(): boolean {
    return isOrderer(this.#state);
  }

  get committed(): number {
    return this.#state.committed;
  }

  get runtime(): RuntimePosition | null {
    return this.#state.runtime;
  }

  get weights(): readonly Weights[] {
    return this.#state.entries.weightsInForce(this.#state.committed);
  }

  get requestsWaiting(): number {
    return this.#state.requests.size;
  }

  get tag(): string {
    return `${this.#state.promised}:${this.#state.accepted}:${this.#state.entries.last}`;
  }

  /** Which forced start the log descends from; 0 = none. */
  get lineage(): number {
    return this.#state.lineage.number;
  }

  /** The votes in force; null while the newest change of the votes is not committed. */
  get settledWeights(): Weights | null {
    const inForce = this.weights;
    return inForce.length === 1 ? inForce[0]! : null;
  }

  /** Cluster time now; null unless this node orders. */
  clusterNowMs(clock: Clock): number | null {
    const { view } = this.#state;
    if (view === null || !isOrderer(this.#state)) return null;
    this.#state.clock = clock;
    return clusterNowMs(this.#state, view);
  }

  /** Whether this node may serve its log and its run-time state to a member that forms or runs `epoch`: they are of that epoch still. */
  mayServe(epoch: number): boolean {
    return this.#state.promised === epoch;
  }

  /** For a peer that catches up: entries after `after`, or null when they are no longer kept and a copy is needed. */
  readLog(after: number, upTo: number): FetchedLog["entries"] | null {
    return this.#state.entries.slice(after, upTo) ?? null;
  }

  /** Epoch of the durable entry at a sequence, and the weights in force there: what a copy up to it must carry. */
  describeCopy(upTo: number): { readonly epoch: number; readonly weights: Weights; readonly clusterTimeMs: number } {
    return { epoch: this.#state.entries.epochAt(upTo) ?? 0, weights: this.#state.entries.committedWeights(upTo).weights, clusterTimeMs: this.#state.clusterTimeMs };
  }
}

function handle(state: LogState, input: LogInput): void {
  switch (input.kind) {
    case "members":
      return onMembers(state, input.members);
    case "message":
      return onMessage(state, input.from, input.message);
    case "datagram":
      return onDatagram(state, input.from, input.message);
    case "tick":
      presenceTick(state);
      formationTick(state);
      replicationTick(state);
      return flush(state);
    case "persisted":
      return onPersisted(state, input.ticket);
    case "request":
      return onOwnRequest(state, input.durable, input.number, input.payload);
    case "stepped":
      return onStepped(state, input.index, input.hash);
    case "read":
      return onOwnRead(state, input.id);
    case "logFetched":
      return onLogFetched(state, input.epoch, input.log);
    case "stateFetched":
      return onStateFetched(state, input.epoch, input.position, input.applied);
    case "fetchFailed":
      return onFetchFailed(state, input.epoch, input.what);
    case "weightsWanted":
      onWeightsWanted(state, input.weights);
      return flush(state);
    case "claimed":
      return onClaimed(state, input.epoch, input.outcome);
    case "holds":
      return onHolds(state, input.epoch, input.holds);
    case "flush":
      return flush(state);
  }
}

function onPersisted(state: LogState, ticket: number): void {
  const waiting = state.tickets.get(ticket);
  if (waiting === undefined) return;
  state.tickets.delete(ticket);
  waiting.proceed();
}

function onMessage(state: LogState, from: Member, message: LogMessage): void {
  onHeard(state, from);
  switch (message.kind) {
    case "propose":
      return onPropose(state, from, message);
    case "state":
      return onState(state, message);
    case "refuse":
      return onRefuse(state, message);
    case "waiting":
      return onWaiting(state, message);
    case "present":
      return onPresent(state, from, message);
    case "install":
      onInstall(state, from, message.install);
      return replayEarly(state);
    case "accept":
      if (isEarly(state, message.epoch)) return keepEarly(state, from, message);
      return onAccept(state, from, message);
    case "entries":
      if (isEarly(state, message.epoch)) return keepEarly(state, from, message);
      return onEntries(state, from, message);
    case "acknowledge":
      if (isEarly(state, message.epoch)) return keepEarly(state, from, message);
      return onAcknowledge(state, from, message);
    case "request":
      return onRequest(state, message);
    case "tick":
      return onTick(state, from, message);
    case "read":
      return onRead(state, from, message);
    case "readAt":
      return onReadAt(state, message);
  }
}

/** Nothing that came past the group is kept for a view that has not begun: the group brings it as well (rule 8). */
function onDatagram(state: LogState, from: Member, message: LogMessage): void {
  const { view } = state;
  if (view === null) return;
  if (message.kind === "acknowledge") onAcknowledge(state, from, message);
  else if (message.kind === "entries" && message.epoch === view.epoch && sameMember(from, view.install.orderer)) takeEntries(state, view, message, "direct");
}

function takeEntries(state: LogState, view: View, message: Extract<LogMessage, { kind: "entries" }>, way: Way): void {
  receive(state, view, message.entries, way);
  if (state.view !== view) return;
  advanceCommit(state, view);
  drain(state, view);
  if (state.view === view) onOrdererHash(state, view, message.hash);
}

function onAccept(state: LogState, from: Member, { epoch, holds }: Extract<LogMessage, { kind: "accept" }>): void {
  const { installing } = state;
  if (installing?.install.epoch !== epoch) return;
  installing.accepts.add(from.node);
  installing.holds = longestHolds([...installing.holds, ...holds]);
  sendActiveIfAccepted(state);
}

/** hold[x] = the maximum over the ACCEPTs (rule 7). */
function longestHolds(holds: readonly Hold[]): Hold[] {
  const longest = new Map<string, Hold>();
  for (const hold of holds) {
    const key = `${hold.node}.${hold.incarnation}`;
    const known = longest.get(key);
    longest.set(key, { ...hold, leaseMs: Math.max(hold.leaseMs, known?.leaseMs ?? 0), permitMs: Math.max(hold.permitMs, known?.permitMs ?? 0) });
  }
  return [...longest.values()].filter((hold) => hold.leaseMs > 0 || hold.permitMs > 0).sort((a, b) => a.node - b.node || (a.incarnation ?? 0) - (b.incarnation ?? 0));
}

/** Order between senders is not promised: an ACCEPT or entry may come before the INSTALL it follows. */
function isEarly(state: LogState, epoch: number): boolean {
  return epoch === state.promised && state.installing === null && state.view === null && state.accepted < epoch;
}

function keepEarly(state: LogState, from: Member, message: LogMessage): void {
  if (state.early.length < EARLY_MESSAGES_MAX) state.early.push({ from, message });
}

function replayEarly(state: LogState): void {
  const early = state.early;
  state.early = [];
  for (const { from, message } of early) onMessage(state, from, message);
}

function onEntries(state: LogState, from: Member, message: Extract<LogMessage, { kind: "entries" }>): void {
  const { view, installing } = state;
  if (view !== null && view.epoch === message.epoch && sameMember(from, view.install.orderer)) {
    takeEntries(state, view, message, "group");
  } else if (installing !== null && installing.install.epoch === message.epoch && sameMember(from, installing.install.orderer)) {
    // After a hole the view cannot be joined any more; the deadline of the formation starts another.
    for (const entry of message.entries) if (entry.index === installing.buffer.length) installing.buffer.push(entry);
    if (installing.buffer.length > PENDING_ENTRIES_MAX) {
      state.effects.push({ kind: "leave", cause: "overflow", reason: "too many entries came while this node was catching up" });
      return;
    }
    tryActivate(state);
  }
}
