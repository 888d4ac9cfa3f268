import type { Member } from "../model/identifiers.ts";
import { sameMember } from "../model/identifiers.ts";
import { tryActivate, sendActiveIfAccepted } from "./activation.ts";
import type { Hold } from "../model/votes.ts";
import type { Ballot, Installing, LogState } from "./state.ts";
import { assertRule, candidates, createInstalling, endEpoch, exclude, includes, leaveIfLeftOut, persist, rank, reachableExclusions, send, setStatus } from "./state.ts";
import type { FetchedLog, Install, LogMessage, LogWrite, MemberState, PresentState, RuntimePosition } from "./types.ts";
import { claimingTick } from "./claiming.ts";
import { decide, mayGoOn, whoMissedAView } from "./decision.ts";
import { forcedTick, isForcing } from "./forced.ts";
import { timesOf } from "./times.ts";

/**
 * Forming a view (PROTOCOL part 1, rules 1 to 6): PROPOSE, STATE, the choice of the best
 * log, INSTALL, ACCEPT.
 */

/** Lengths of silence between two messages of who waits. */
const PRESENT_EVERY = 4;
/** A fetch that failed more often will not succeed in this formation. */
const FAILED_FETCHES_MAX = 3;
/** Asks for rows and entries, whatever of them is here already. */
const WHOLE_COPY = -1;
/** As long as the others give a new life to copy everything. */
const NEWCOMER_PATIENCE_MS = 60_000;

/** The engine's membership changed or was made anew. */
export function onMembers(state: LogState, members: readonly Member[]): void {
  state.engineMembers = members;
  state.suspects = state.suspects.filter((member) => includes(members, member));
  startForming(state, "the membership changed");
}

/** Ends the epoch; the lowest candidate proposes at once, the others when nobody did. */
export function startForming(state: LogState, reason: string): void {
  const tookPart = state.view !== null || state.installing !== null;
  endEpoch(state, reason);
  state.ballot = null;
  state.refused = false;
  if (isForcing(state)) return;
  if (rank(state) === 0) propose(state, candidates(state));
  else state.proposeAtMs = state.clock.nowMs + rank(state) * state.options.silenceMs;
  // The others may go on without noticing: before they take this node for silent, they shall form a view with it.
  if (tookPart && rank(state) > 0) sayHow(state, "over");
}

function propose(state: LogState, members: readonly Member[]): void {
  const { self, silenceMs } = state.options;
  if (!includes(members, self)) return;
  const epoch = Math.max(state.promised, state.highestSeen) + 1;
  state.highestSeen = epoch;
  const leftOut = state.engineMembers.filter((member) => !includes(members, member));
  state.ballot = { epoch, members, leftOut, states: new Map(), deadlineMs: state.clock.nowMs + silenceMs, claiming: null };
  state.proposeAtMs = null;
  send(state, { kind: "propose", epoch, members });
}

export function onPropose(state: LogState, from: Member, message: Extract<LogMessage, { kind: "propose" }>): void {
  const { self, silenceMs } = state.options;
  if (!includes(message.members, self) || isForcing(state)) return;
  state.highestSeen = Math.max(state.highestSeen, message.epoch);
  if (message.epoch <= state.promised) {
    send(state, { kind: "refuse", epoch: message.epoch, to: from, promised: state.promised });
    return;
  }
  state.promised = message.epoch;
  state.early = [];
  if (state.ballot !== null && state.ballot.epoch < message.epoch) state.ballot = null;
  endEpoch(state, `node ${from.node} forms a view`);
  state.proposeAtMs = state.clock.nowMs + (rank(state) + 4) * silenceMs;
  persist(state, { promised: message.epoch }, () => {
    if (state.promised !== message.epoch) return;
    send(state, { kind: "state", epoch: message.epoch, to: from, state: describeSelf(state) });
  });
}

function describeSelf(state: LogState): MemberState {
  return {
    member: state.options.self,
    store: state.options.store,
    tag: state.entries.tag(state.accepted),
    acceptedMembers: state.acceptedMembers,
    hasServed: state.lastMembers.length > 0,
    committed: state.committed,
    firstKept: state.entries.first,
    weights: state.entries.weightsInForce(state.committed),
    lastActive: state.lastActive,
    runtime: state.runtime,
    clusterTimeMs: state.clusterTimeMs,
    lineage: state.lineage.number,
    forcedFrom: state.lineage.from,
    prevented: state.start === "prevent",
  };
}

export function onRefuse(state: LogState, message: Extract<LogMessage, { kind: "refuse" }>): void {
  state.highestSeen = Math.max(state.highestSeen, message.promised);
  if (state.ballot?.epoch !== message.epoch || !sameMember(message.to, state.options.self)) return;
  state.ballot = null;
  // Whoever is new does not know how far the others have counted: the lowest tries once more at once.
  // After that, waiting by rank lets a formation that is under way finish.
  if (rank(state) === 0 && !state.refused) {
    state.refused = true;
    propose(state, candidates(state));
  } else {
    state.proposeAtMs = state.clock.nowMs + (rank(state) + 1) * state.options.silenceMs;
  }
}

export function onState(state: LogState, message: Extract<LogMessage, { kind: "state" }>): void {
  const ballot = state.ballot;
  if (ballot === null || ballot.epoch !== message.epoch || !sameMember(message.to, state.options.self)) return;
  ballot.states.set(message.state.member.node, message.state);
  if (leaveOutWhoMissed(state, ballot)) return;
  if (ballot.members.every((member) => ballot.states.has(member.node))) decide(state, [...ballot.states.values()]);
  else leaveOutSilent(state);
}

/**
 * Rule 3: who has served and missed a view that one of the others accepted may not return with this life. That one may
 * have been started anew since, and others may run by now what the life that missed it believes to be its own.
 */
function leaveOutWhoMissed(state: LogState, ballot: Ballot): boolean {
  const missed = whoMissedAView([...ballot.states.values()]);
  for (const { member, epoch, accepter } of missed) {
    exclude(state, member, epoch);
    leaveIfLeftOut(state, accepter, epoch, [member]);
  }
  if (missed.length > 0) startForming(state, `node ${missed.map(({ member }) => member.node).join(", ")} missed a view`);
  return missed.length > 0;
}

/** Rule 3: once T has passed, the silent are left out, provided that the others can go on without them. */
export function leaveOutSilent(state: LogState): void {
  const ballot = state.ballot;
  if (ballot === null || state.clock.nowMs < ballot.deadlineMs) return;
  const states = [...ballot.states.values()];
  if (states.length === ballot.members.length || !mayGoOn(states)) return;
  propose(state, ballot.members.filter((member) => ballot.states.has(member.node)));
}

export function onWaiting(state: LogState, message: Extract<LogMessage, { kind: "waiting" }>): void {
  // Another set may have counted up to the same number.
  if (message.epoch !== state.promised || !includes(message.members, state.options.self)) return;
  state.proposeAtMs = message.retryMs === null ? null : state.clock.nowMs + message.retryMs + rank(state) * state.options.silenceMs;
  setStatus(state, { phase: "waiting", waitingFor: message.waitingFor, reason: message.reason });
}

/** Rule 6: align the log with the base, make it durable under the new epoch, accept. */
export function onInstall(state: LogState, from: Member, install: Install): void {
  const { self } = state.options;
  // An INSTALL has a majority behind it, a PROPOSE has not: one node that hears nobody must not send the others away.
  leaveIfLeftOut(state, from, install.epoch, install.leftOut);
  if (install.epoch !== state.promised || !includes(install.members, self)) return;
  if (state.installing?.install.epoch === install.epoch || state.accepted >= install.epoch) return;
  for (const member of install.leftOut) exclude(state, member, install.epoch);
  const otherLineage = install.lineage !== state.lineage.number;
  // What this life knows and runs is of a history that was given up (rule 13): another life takes part.
  if (otherLineage && state.lastMembers.length > 0) {
    state.effects.push({ kind: "leave", cause: "forced", reason: `the cluster was started by force without this node: what it holds is given up` });
    return;
  }
  const base = install.base;
  const own = state.entries.tag(state.accepted);
  const installing = createInstalling(state, install);
  state.installing = installing;
  state.clusterTimeMs = Math.max(state.clusterTimeMs, install.clusterTimeMs);
  postponeProposal(state);
  prepareRuntime(state, installing);
  if (otherLineage) {
    state.effects.push({ kind: "fetchLog", epoch: install.epoch, from: install.source, after: WHOLE_COPY, upTo: base.sequence });
    return;
  }

  const sameEnd = own.sequence === base.sequence && own.lastEntryEpoch === base.lastEntryEpoch;
  const isPrefixOfOwn = own.sequence > base.sequence && state.entries.epochAt(base.sequence) === base.lastEntryEpoch;
  if (sameEnd || isPrefixOfOwn) {
    assertRule(base.sequence >= state.committed, "a base holds every committed entry");
    state.entries.truncateAfter(base.sequence);
    accept(state, installing, isPrefixOfOwn ? { truncateAfter: base.sequence } : {});
    return;
  }
  const after = own.accepted === base.accepted ? own.sequence : state.committed;
  assertRule(after <= base.sequence, "a base holds every committed entry");
  state.effects.push({ kind: "fetchLog", epoch: install.epoch, from: install.source, after, upTo: base.sequence });
}

/**
 * Part 2: how long those that the view leaves out may still be serving, as far as this node can tell. Asked when the base
 * is in the log, also when nobody is left out: the ACCEPT acknowledges the base, and with it the weights in it.
 */
function askForHolds(state: LogState, installing: Installing): void {
  const { install } = installing;
  if (state.options.holdMs === 0) return;
  const excluded = [...state.lastMembers, ...install.leftOut.filter((member) => !includes(state.lastMembers, member))].filter((member) => !includes(install.members, member));
  const weights = state.entries.weightsInForce(Math.max(state.committed, install.committed));
  const known = [...weights.flatMap(({ votes }) => votes.map((vote) => vote.node)), ...excluded.map((member) => member.node)];
  const absent = [...new Set(known)].filter((node) => !install.members.some((member) => member.node === node)).sort((a, b) => a - b);
  installing.ownHolds = null;
  state.effects.push({ kind: "askHolds", epoch: install.epoch, excluded, absent, weights });
}

export function onHolds(state: LogState, epoch: number, holds: readonly Hold[]): void {
  const { installing } = state;
  if (installing === null || installing.install.epoch !== epoch || installing.ownHolds !== null) return;
  installing.ownHolds = holds;
  sendAccept(state, installing);
}

/** The view gets more time: its orderer shows that it runs, or somebody still fetches what it needs. */
export function postponeProposal(state: LogState): void {
  state.proposeAtMs = state.clock.nowMs + (rank(state) + 10) * state.options.silenceMs;
}

/** What run-time state this node starts the view with: its own, an empty one, or the orderer's. */
function prepareRuntime(state: LogState, installing: Installing): void {
  const wanted = installing.install.runtime;
  if (wanted === null) {
    installing.state = "empty";
    installing.position = { epoch: installing.install.epoch, index: -1 };
  } else if (state.runtime !== null && samePosition(state.runtime, wanted)) {
    installing.position = wanted;
  } else {
    installing.state = "fetched";
    state.effects.push({ kind: "fetchState", epoch: installing.install.epoch, from: installing.install.orderer });
  }
}

function samePosition(a: RuntimePosition, b: RuntimePosition): boolean {
  return a.epoch === b.epoch && a.index === b.index;
}

export function onLogFetched(state: LogState, epoch: number, log: FetchedLog): void {
  const installing = state.installing;
  if (installing === null || installing.install.epoch !== epoch || installing.accepted || state.promised !== epoch) return;
  const otherLineage = installing.install.lineage !== state.lineage.number;
  // A log of another lineage is replaced whole: entries cannot be compared with those of this one.
  if (otherLineage && log.copy === null) return onFetchFailed(state, epoch, "log");
  const first = log.copy === null ? log.entries[0]?.sequence : log.copy.upTo + 1;
  if (log.copy !== null) {
    state.entries.replace(log.copy.upTo, log.copy.epoch, log.copy.weights);
    state.applied = log.copy.upTo;
    state.runtime = null;
    state.committed = otherLineage ? log.copy.upTo : Math.max(state.committed, log.copy.upTo);
    if (otherLineage) state.excluded = [];
    state.clusterTimeMs = Math.max(state.clusterTimeMs, log.copy.clusterTimeMs);
    alignRuntimeWithCopy(state, installing, log.copy.upTo);
  } else {
    state.entries.truncateAfter((first ?? installing.install.base.sequence + 1) - 1);
  }
  for (const entry of log.entries) {
    state.entries.append(entry);
    state.clusterTimeMs = Math.max(state.clusterTimeMs, entry.clusterTimeMs);
  }
  const { last } = state.entries;
  assertRule(log.copy === null ? last === installing.install.base.sequence : last >= installing.install.base.sequence, "a fetched log ends at the base");
  const truncateAfter = log.copy === null && first != null ? first - 1 : undefined;
  accept(state, installing, { truncateAfter, append: log.entries, replaceByCopy: log.copy ?? undefined });
}

/** A copy that was taken while the epoch already ran is ahead of the base: only a state as new goes with it. */
function alignRuntimeWithCopy(state: LogState, installing: Installing, upTo: number): void {
  const { orderer } = installing.install;
  assertRule(installing.state !== "own" || !sameMember(orderer, state.options.self), "who has the newest run-time state reaches the base by entries");
  if (installing.state === "empty" && upTo <= installing.install.base.sequence) {
    installing.applied = upTo;
    return;
  }
  if (installing.state === "fetched" && (installing.position === null || installing.applied >= upTo)) return;
  installing.state = "fetched";
  installing.position = null;
  state.effects.push({ kind: "fetchState", epoch: installing.install.epoch, from: installing.install.orderer });
}

export function accept(state: LogState, installing: Installing, write: LogWrite): void {
  const { epoch, lineage, forcedFrom, members } = installing.install;
  askForHolds(state, installing);
  const descent = lineage === state.lineage.number ? {} : { lineage: { number: lineage, from: forcedFrom } };
  if (descent.lineage !== undefined) state.lineage = descent.lineage;
  persist(state, { ...write, ...descent, accepted: epoch, acceptedMembers: members }, () => {
    if (epoch >= state.accepted) {
      state.accepted = epoch;
      state.acceptedMembers = members;
    }
    if (state.installing !== installing) return;
    installing.accepted = true;
    installing.isDurable = true;
    // The base holds what is committed, and now this log does. (New weights are in force alone once they are known committed.)
    state.committed = Math.max(state.committed, installing.install.committed);
    sendAccept(state, installing);
  });
}

function sendAccept(state: LogState, installing: Installing): void {
  if (!installing.isDurable || installing.ownHolds === null) return;
  send(state, { kind: "accept", epoch: installing.install.epoch, holds: installing.ownHolds });
  sendActiveIfAccepted(state);
  tryActivate(state);
}

export function onStateFetched(state: LogState, epoch: number, position: RuntimePosition, applied: number): void {
  const installing = state.installing;
  if (installing === null || installing.install.epoch !== epoch || installing.position !== null) return;
  // A copy of the log may begin after this state ends; one taken inside the epoch will do.
  if (applied < state.entries.first - 1) {
    installing.retryState = true;
    return;
  }
  installing.position = position;
  installing.applied = applied;
  tryActivate(state);
}

export function onFetchFailed(state: LogState, epoch: number, what: "log" | "state"): void {
  const installing = state.installing;
  if (installing === null || installing.install.epoch !== epoch) return;
  installing.failedFetches++;
  if (what === "state") installing.retryState = true;
  else installing.retryLog = { from: installing.install.source, after: fetchAfter(state, installing.install), upTo: installing.install.base.sequence };
}

function fetchAfter(state: LogState, install: Install): number {
  if (install.lineage !== state.lineage.number) return WHOLE_COPY;
  return state.accepted === install.base.accepted ? state.entries.last : state.committed;
}

/** Repeated by who has no view: nobody may be thought dead, or keep another one out, for ever. */
function sayPresent(state: LogState): void {
  const isFetching = fetchesWhatItLacks(state);
  const isWaiting = state.status.phase === "waiting" && state.clock.nowMs >= state.presentAtMs;
  // Who has not been in a view yet runs nothing: nobody needs to lose patience with it.
  const isNew = state.installing !== null && state.lastMembers.length === 0;
  if (!isFetching && !isWaiting && !isNew) return;
  state.presentAtMs = state.clock.nowMs + PRESENT_EVERY * state.options.silenceMs;
  if (isFetching) postponeProposal(state);
  sayHow(state, isFetching ? "fetching" : "waiting");
}

function sayHow(state: LogState, how: PresentState): void {
  send(state, { kind: "present", epoch: state.promised, state: how, leftOut: reachableExclusions(state) });
}

/**
 * Whether this node fetches what it lacks and asks the others for patience. Who has not been in a view yet
 * runs nothing, and may take its time. Who has must be back while its roles may still run.
 */
export function fetchesWhatItLacks(state: LogState): boolean {
  const { installing, lastMembers, clock } = state;
  if (installing === null || installing.failedFetches > FAILED_FETCHES_MAX) return false;
  const isComplete = installing.accepted && installing.position !== null;
  return !isComplete && clock.nowMs - installing.sinceMs < (lastMembers.length === 0 ? NEWCOMER_PATIENCE_MS : timesOf(state).permitMs);
}

/** Deadlines of the formation; called on every tick. */
export function formationTick(state: LogState): void {
  forcedTick(state);
  claimingTick(state);
  leaveOutSilent(state);
  sayPresent(state);
  const installing = state.installing;
  if (installing !== null) {
    const epoch = installing.install.epoch;
    if (installing.retryLog !== null) state.effects.push({ kind: "fetchLog", epoch, ...installing.retryLog });
    if (installing.retryState) state.effects.push({ kind: "fetchState", epoch, from: installing.install.orderer });
    installing.retryLog = null;
    installing.retryState = false;
  }
  if (state.proposeAtMs !== null && state.clock.nowMs >= state.proposeAtMs && state.view === null && state.ballot?.claiming == null && !isForcing(state)) {
    endEpoch(state, "nobody finished forming a view");
    propose(state, candidates(state));
  }
}
