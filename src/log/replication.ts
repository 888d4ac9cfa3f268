import { INDEX_MAX, sameMember } from "../model/identifiers.ts";
import type { Member, NodeId } from "../model/identifiers.ts";
import { AHEAD_MAX, confirm, flush, noteAnswer, resendOverdue } from "./direct.ts";
import { takeInOthers } from "./forced.ts";
import { startForming } from "./formation.ts";
import type { LogState, View, Way } from "./state.ts";
import { isOrderer, persist, send, sendDirectly } from "./state.ts";
import type { EntryBody, LogEntry, LogMessage, Origin } from "./types.ts";
import { PENDING_ENTRIES_MAX } from "./types.ts";
import { admitStore, isAdmitted, isViewQuorum } from "../quorum/weights.ts";
import type { Weights } from "../model/votes.ts";
import { askAgain, finishReads } from "./presence.ts";
import { settledWeights } from "./times.ts";

/** The active view: ordering, appending, acknowledging, committing (PROTOCOL part 1, rules 8 to 10, 12). */

const HASHES_KEPT = 512;
/** Entries are dropped when so many more than must be are kept: this part of those. */
const COMPACT_PART = 8;
/** A request that was not seen in an entry for that long is sent again. */
const RESUBMIT_MS = 1_000;

/** What a tick looks after while a view is active. */
export function replicationTick(state: LogState): void {
  const { view } = state;
  if (view === null) return;
  if (state.clock.nowMs >= state.resubmitAtMs) {
    resubmitRequests(state);
    askAgain(state, view);
  }
  resendOverdue(state, view);
  settleToken(state, view);
  for (const node of view.install.learners) admitLearner(state, view, node);
  endLearning(state, view);
  takeInOthers(state);
}

// ---- requests --------------------------------------------------------------

/** A request of this node's own service. */
export function onOwnRequest(state: LogState, durable: boolean, number: number, payload: string): void {
  if (durable) state.requests.set(number, payload);
  if (state.view !== null) submit(state, state.view, durable, number, payload);
}

export function resubmitRequests(state: LogState): void {
  const { view } = state;
  if (view === null) return;
  state.resubmitAtMs = state.clock.nowMs + RESUBMIT_MS;
  for (const [number, payload] of state.requests) submit(state, view, true, number, payload);
}

function submit(state: LogState, view: View, durable: boolean, number: number, payload: string): void {
  const origin: Origin = { ...state.options.self, number };
  // They are kept in the order of their numbers.
  const lowest = durable ? state.requests.keys().next().value! : 0;
  if (isOrderer(state)) order(state, view, durable, origin, lowest, payload);
  else send(state, { kind: "request", epoch: view.epoch, durable, origin, lowest, payload });
}

export function onRequest(state: LogState, message: Extract<LogMessage, { kind: "request" }>): void {
  const { view } = state;
  if (view === null || message.epoch !== view.epoch || !isOrderer(state)) return;
  order(state, view, message.durable, message.origin, message.lowest, message.payload);
}

function order(state: LogState, view: View, durable: boolean, origin: Origin, lowest: number, payload: string): void {
  if (durable) {
    const key = `${origin.node}.${origin.incarnation}`;
    // Each origin's requests are ordered one after the other: the core tells a repeated one by its number.
    const expected = Math.max((view.ordered.get(key) ?? 0) + 1, lowest);
    if (origin.number !== expected) return;
    view.ordered.set(key, origin.number);
  }
  number(state, view, durable, origin, { type: "input", payload });
}

function number(state: LogState, view: View, durable: boolean, origin: Origin | null, body: EntryBody): void {
  if (view.nextIndex > INDEX_MAX) {
    startForming(state, "the epoch is full");
    return;
  }
  if (body.type === "weights") view.weightsNumberedAt = view.nextIndex;
  view.outbox.push({
    epoch: view.epoch,
    index: view.nextIndex++,
    sequence: durable ? view.nextSequence++ : null,
    clusterTimeMs: clusterNowMs(state, view),
    wallTimeMs: state.clock.wallTimeMs,
    origin,
    body,
  });
}

/** Cluster time by the orderer's clock: whole milliseconds, never going back. */
export function clusterNowMs(state: LogState, view: View): number {
  return Math.max(state.clusterTimeMs, view.clusterBaseMs + Math.floor(state.clock.nowMs - view.activeSinceMs));
}

// ---- entries ---------------------------------------------------------------

/** Appends entries of the active epoch in index order; a hole in what the group carries ends the epoch here (rule 8). */
export function receive(state: LogState, view: View, entries: readonly LogEntry[], way: Way): void {
  const durable: LogEntry[] = [];
  let hole = false;
  let haveAlready = 0;
  if (way === "group") view.answers = "group";
  for (const entry of withThoseAhead(view, entries)) {
    if (entry.index <= view.appended) continue;
    if (entry.index !== view.appended + 1) {
      hole = way === "group";
      // Past the group nothing is in order: those before it are on their way, or the group will bring them.
      if (way === "direct" && view.ahead.size < AHEAD_MAX) view.ahead.set(entry.index, entry);
      if (hole) break;
      continue;
    }
    view.appended = entry.index;
    // One that comes again, maybe sent by somebody who recorded it, does not say that this way is open.
    view.answers = way;
    view.pending.push(entry);
    state.clusterTimeMs = Math.max(state.clusterTimeMs, entry.clusterTimeMs);
    if (entry.sequence === null) continue;
    // A copy fetched while the epoch was running already holds some of its entries.
    if (entry.sequence <= state.entries.last) {
      haveAlready = entry.index;
      continue;
    }
    state.entries.append(entry);
    durable.push(entry);
  }
  if (haveAlready > 0) sendAcknowledge(state, view, haveAlready);
  if (durable.length > 0) {
    const index = durable.at(-1)!.index;
    persist(state, { append: durable }, () => {
      if (state.view === view) sendAcknowledge(state, view, index);
    });
  }
  if (hole) startForming(state, "an entry is missing");
  else if (view.pending.length > PENDING_ENTRIES_MAX) {
    state.effects.push({ kind: "leave", cause: "overflow", reason: `${view.pending.length} entries wait for the disks of a majority` });
  }
}

/** The entries, and behind each those that came too early and now follow it. */
function* withThoseAhead(view: View, entries: readonly LogEntry[]): Generator<LogEntry> {
  for (const entry of entries) {
    yield entry;
    for (let next = view.ahead.get(view.appended + 1); next !== undefined; next = view.ahead.get(view.appended + 1)) {
      view.ahead.delete(next.index);
      yield next;
    }
  }
  if (view.ahead.size > 0) for (const index of view.ahead.keys()) if (index <= view.appended) view.ahead.delete(index);
}

/** An acknowledgement goes the way that the entries came, because the other one may be closed. */
export function sendAcknowledge(state: LogState, view: View, index: number): void {
  view.durableIndex = Math.max(view.durableIndex, index);
  const message = { kind: "acknowledge", epoch: view.epoch, index } as const;
  if (view.answers === "direct") sendDirectly(state, message);
  else send(state, message);
}

export function onAcknowledge(state: LogState, from: Member, message: Extract<LogMessage, { kind: "acknowledge" }>): void {
  const { view, installing } = state;
  if (installing !== null && installing.install.epoch === message.epoch) {
    installing.acknowledged.set(from.node, Math.max(installing.acknowledged.get(from.node) ?? 0, message.index));
    return;
  }
  if (view === null || message.epoch !== view.epoch) return;
  noteAnswer(view, from.node);
  noteAcknowledged(state, view, from.node, message.index);
}

export function noteAcknowledged(state: LogState, view: View, node: NodeId, index: number): void {
  if (index <= (view.acknowledged.get(node) ?? -1)) return;
  view.acknowledged.set(node, index);
  confirm(state, view, node);
  advanceCommit(state, view);
  // Those that waited for these are next.
  flush(state);
}

/** Rule 9: committed is what a quorum has on its disks. Everybody sees the acknowledgements, so everybody can tell. */
export function advanceCommit(state: LogState, view: View): void {
  const weights = state.entries.weightsInForce(state.committed);
  // What lies beyond the entries that are here may hold new weights, which would count as well.
  const indices = [...new Set([...view.acknowledged.values()].map((index) => Math.min(index, view.appended)))].sort((a, b) => b - a);
  for (const index of indices) {
    if (index <= view.committedIndex) break;
    const voters = view.voters.filter((voter) => (view.acknowledged.get(voter.node) ?? 0) >= index);
    if (isViewQuorum(weights, voters, view.voters, view.install.claim)) {
      view.committedIndex = index;
      drain(state, view);
      break;
    }
  }
}

/** Gives the core what it may see: entries in index order, durable ones only when committed. */
export function drain(state: LogState, view: View): void {
  const committedBefore = state.committed;
  let taken = 0;
  for (const entry of view.pending) {
    if (entry.sequence !== null && entry.index > view.committedIndex && entry.index > view.stepped) break;
    taken++;
    if (entry.sequence !== null) state.committed = Math.max(state.committed, entry.sequence);
    const own = entry.sequence !== null && entry.origin !== null && sameMember(entry.origin, state.options.self);
    if (own) state.requests.delete(entry.origin!.number);
    if (entry.index <= view.stepped) {
      if (own) state.effects.push({ kind: "appliedElsewhere", entry });
      continue;
    }
    view.stepped = entry.index;
    state.runtime = { epoch: view.epoch, index: entry.index };
    if (entry.sequence !== null) state.applied = Math.max(state.applied, entry.sequence);
    state.effects.push({ kind: "apply", entry });
  }
  view.pending.splice(0, taken);
  if (state.committed > committedBefore) {
    compact(state);
    noteCommitted(state);
  }
  finishReads(state, view);
  endLearning(state, view);
}

/** Some more are kept than must be, because dropping the oldest moves all the others. */
function compact({ entries, applied, options: { keepEntries } }: LogState): void {
  const upTo = applied - keepEntries;
  if (upTo - entries.first >= keepEntries / COMPACT_PART) entries.compactTo(upTo);
}

export function noteCommitted(state: LogState): void {
  state.effects.push({ kind: "committed", sequence: state.committed, lastActive: state.lastActive, weights: state.entries.committedWeights(state.committed) });
}

/** Rule 10: one change of the votes at a time, each the successor of what is known committed. What cannot be numbered now is asked again. */
export function onWeightsWanted(state: LogState, wanted: Weights): void {
  const { view } = state;
  if (view === null || !isOrderer(state) || weightsPending(state, view)) return;
  const [current] = state.entries.weightsInForce(state.committed);
  if (current !== undefined && wanted.version === current.version + 1) number(state, view, true, null, { type: "weights", weights: wanted });
}

function weightsPending(state: LogState, view: View): boolean {
  return state.entries.weightsInForce(state.committed).length > 1 || view.weightsNumberedAt > view.appended;
}

/** The former token is forgotten once nobody can act by it any more. */
function settleToken(state: LogState, view: View): void {
  if (!isOrderer(state) || weightsPending(state, view)) return;
  const weights = settledWeights(state, view);
  if (weights !== null) number(state, view, true, null, { type: "weights", weights });
}

/** Rule 10: a copy that the weights do not know is admitted once it has caught up, by a quorum that does not need it; its vote is the core's to give. */
function admitLearner(state: LogState, view: View, node: NodeId): void {
  if (!isOrderer(state) || !view.acknowledged.has(node)) return;
  const weights = state.entries.weightsInForce(state.committed);
  if (weightsPending(state, view)) return;
  const voter = view.voters.find((candidate) => candidate.node === node);
  if (voter === undefined || isAdmitted(weights, voter) || (view.acknowledged.get(node) ?? 0) < view.committedIndex) return;
  number(state, view, true, null, { type: "weights", weights: admitStore(weights[0]!, voter) });
}

/** A learner that is admitted by now takes part from the next epoch on. */
function endLearning(state: LogState, view: View): void {
  if (!isOrderer(state) || view.install.learners.length === 0) return;
  const weights = state.entries.weightsInForce(state.committed);
  const admitted = view.voters.some((voter) => view.install.learners.includes(voter.node) && isAdmitted(weights, voter));
  if (admitted) startForming(state, "a copy was admitted");
}

// ---- state hash (rule 12) --------------------------------------------------

export function onStepped(state: LogState, index: number, hash: string): void {
  const { view } = state;
  if (view === null) return;
  view.hashes.set(index, hash);
  view.newestHash = { index, value: hash };
  if (view.hashes.size > HASHES_KEPT) view.hashes.delete(view.hashes.keys().next().value!);
  compareHash(state, view);
}

export function onOrdererHash(state: LogState, view: View, hash: { readonly index: number; readonly value: string } | null): void {
  if (hash === null) return;
  view.expectedHash = hash;
  compareHash(state, view);
}

function compareHash(state: LogState, view: View): void {
  const expected = view.expectedHash;
  if (expected === null || view.stepped < expected.index) return;
  const own = view.hashes.get(expected.index);
  view.expectedHash = null;
  if (own !== undefined && own !== expected.value) {
    state.effects.push({ kind: "leave", cause: "diverged", reason: `the state at ${view.epoch}.${expected.index} differs from the orderer's` });
  }
}
