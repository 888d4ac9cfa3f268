import type { Member, NodeId } from "../model/identifiers.ts";
import { sameMember } from "../model/identifiers.ts";
import type { Direct } from "./direct.ts";
import { EntryStore } from "./entries.ts";
import { EXCLUSIONS_MAX } from "./types.ts";
import type { Clock, Exclusion, Install, Lineage, LogEffect, LogEntry, LogMessage, LogOptions, LogRecovery, LogStatus, LogWrite, MemberState, RuntimePosition } from "./types.ts";
import type { Hold, Voter } from "../model/votes.ts";

/** All that the log knows. Only `log.ts` and the modules it calls change it, inside one step. */
export interface LogState {
  readonly options: LogOptions;
  readonly entries: EntryStore;
  promised: number;
  accepted: number;
  /** Whom the view of the accepted epoch was to have: whoever is not among them is left out for good (rule 3). */
  acceptedMembers: readonly Member[];
  committed: number;
  applied: number;
  lastActive: number;
  runtime: RuntimePosition | null;
  /** Cluster time of the newest entry seen: the next epoch goes on from there. */
  clusterTimeMs: number;
  lineage: Lineage;
  /** Clock of the first input: the start of this life. */
  startedAtMs: number | null;
  /** What this life was started with; "force" and "prevent" are over once it has been in a view. */
  start: "force" | "prevent" | "normal";

  engineMembers: readonly Member[];
  /** Lives that a formation left out, or that were in a view and not in a later one: they may not return (rule 3). */
  excluded: Exclusion[];
  /** Members of the last view known. */
  lastMembers: readonly Member[];
  /** Messages of the promised epoch that came before its INSTALL. */
  early: { readonly from: Member; readonly message: LogMessage }[];
  /** Members of the last view whose ticks stayed away. */
  suspects: Member[];

  status: LogStatus;
  /** Highest epoch heard of in a refusal. */
  highestSeen: number;
  /** When this node proposes, if nobody else got further. */
  proposeAtMs: number | null;
  /** When this node says again that it is here although it has no view. */
  presentAtMs: number;
  ballot: Ballot | null;
  /** This node's proposal was refused since the membership last changed. */
  refused: boolean;
  installing: Installing | null;
  view: View | null;

  /** Durable requests of this node's service that were not yet seen in an entry, in the order of their numbers. */
  readonly requests: Map<number, string>;
  readonly reads: Map<number, number | null>;
  readonly tickets: Map<number, { readonly sinceMs: number; readonly proceed: () => void }>;
  nextTicket: number;
  lastTickMs: number | null;
  /** Between the last two looks at the time: much more than usual when this node stood still. */
  sinceTickMs: number;
  resubmitAtMs: number;

  clock: Clock;
  effects: LogEffect[];
}

/** A formation that this node proposed. */
export interface Ballot {
  readonly epoch: number;
  readonly members: readonly Member[];
  readonly leftOut: readonly Member[];
  readonly states: Map<NodeId, MemberState>;
  readonly deadlineMs: number;
  /** All have answered, and the witness was asked. */
  claiming: {
    readonly sinceMs: number;
    readonly voters: readonly Voter[];
    readonly install: (claim: readonly Voter[]) => void;
    readonly wait: (reason: string, retryMs: number | null) => void;
  } | null;
}

/** Between INSTALL and the view being active here. */
export interface Installing {
  readonly install: Install;
  readonly sinceMs: number;
  /** The log is aligned with the base and that is on the disk. */
  accepted: boolean;
  /** Where the run-time state at hand stands; null while it is being fetched. */
  position: RuntimePosition | null;
  /** Sequence up to which that state has the durable entries applied. */
  applied: number;
  state: "own" | "empty" | "fetched";
  /** ACCEPTs seen, for the orderer. */
  readonly accepts: Set<NodeId>;
  /** Newest holds that the ACCEPTs told, the longest of each node. */
  holds: readonly Hold[];
  /** What this node knows of those that were left out; null = it has been asked, and has not answered. */
  ownHolds: readonly Hold[] | null;
  isDurable: boolean;
  activeSent: boolean;
  /** Entries of this epoch that came before everything was ready. */
  readonly buffer: LogEntry[];
  /** Acknowledgements of this epoch that came before the view was active here. */
  readonly acknowledged: Map<NodeId, number>;
  retryLog: { readonly from: Member; readonly after: number; readonly upTo: number } | null;
  retryState: boolean;
  failedFetches: number;
}

/** How a message came: in the order of the group, or past it. */
export type Way = "group" | "direct";

/** An active view. */
export interface View {
  readonly install: Install;
  readonly epoch: number;
  readonly voters: readonly Voter[];
  /** Index of the last entry received. */
  appended: number;
  /** Index of the last entry given to the core. */
  stepped: number;
  /** Received, not yet stepped. */
  readonly pending: LogEntry[];
  committedIndex: number;
  /** Index up to which this node's disk has everything. */
  durableIndex: number;
  readonly acknowledged: Map<NodeId, number>;
  /** The way that the newest entries came, and acknowledgements go. */
  answers: Way;
  /** Came past the group before those that precede them. */
  readonly ahead: Map<number, LogEntry>;
  /** State hashes of this node by index, newest last, and the orderer's that is still to be compared. */
  readonly hashes: Map<number, string>;
  newestHash: { readonly index: number; readonly value: string } | null;
  expectedHash: { readonly index: number; readonly value: string } | null;

  // ticks (part 2): numbers, who was heard, who echoed
  tickNumber: number;
  /** When a tick was sent that nobody had asked for. */
  tickedAtMs: number;
  readonly armedAtMs: Map<number, number>;
  readonly heard: Map<NodeId, number>;
  readonly heardAtMs: Map<NodeId, number>;
  readonly echoed: Map<NodeId, number>;
  evidence: number;

  // the orderer's own
  nextIndex: number;
  nextSequence: number;
  /** Index of the newest WEIGHTS that was numbered. */
  weightsNumberedAt: number;
  /** Weights that carry a former token, and since when this node has known in this view that they are committed. */
  settling: { readonly version: number; readonly sinceMs: number } | null;
  readonly clusterBaseMs: number;
  readonly activeSinceMs: number;
  readonly outbox: LogEntry[];
  /** The newest durable entry that was sent. */
  sentDurably: { readonly index: number; readonly atMs: number };
  readonly direct: Direct;
  readonly ordered: Map<string, number>;
  readonly readsWaiting: { readonly from: Member; readonly id: number; readonly index: number; readonly tickNumber: number }[];
}

export function createLogState(options: LogOptions, recovery: LogRecovery): LogState {
  const entries = new EntryStore(recovery);
  const last = recovery.entries.at(-1);
  return {
    options,
    entries,
    promised: recovery.promised,
    accepted: recovery.accepted,
    acceptedMembers: recovery.acceptedMembers,
    committed: recovery.committed,
    applied: recovery.applied,
    lastActive: recovery.lastActive,
    runtime: null,
    clusterTimeMs: Math.max(recovery.clusterTimeMs, last === undefined ? 0 : last.clusterTimeMs),
    lineage: recovery.lineage,
    startedAtMs: null,
    start: options.start ?? "normal",
    engineMembers: [],
    excluded: [],
    suspects: [],
    lastMembers: [],
    early: [],
    status: { phase: "forming", reason: "the node starts" },
    highestSeen: recovery.promised,
    proposeAtMs: null,
    presentAtMs: 0,
    ballot: null,
    refused: false,
    installing: null,
    view: null,
    requests: new Map(),
    reads: new Map(),
    tickets: new Map(),
    nextTicket: 1,
    lastTickMs: null,
    sinceTickMs: 0,
    resubmitAtMs: 0,
    clock: { nowMs: 0, wallTimeMs: 0 },
    effects: [],
  };
}

/** How an INSTALL begins at a member, before its log and its run-time state are what the epoch needs. */
export function createInstalling(state: LogState, install: Install): Installing {
  return {
    install,
    sinceMs: state.clock.nowMs,
    accepted: false,
    position: null,
    applied: state.applied,
    state: "own",
    accepts: new Set<NodeId>(),
    holds: [],
    ownHolds: [],
    isDurable: false,
    activeSent: false,
    buffer: [],
    acknowledged: new Map(),
    retryLog: null,
    retryState: false,
    failedFetches: 0,
  };
}

export function send(state: LogState, message: LogMessage): void {
  state.effects.push({ kind: "send", message });
}

/** Past the group: it may be lost, doubled and overtaken. */
export function sendDirectly(state: LogState, message: LogMessage): void {
  state.effects.push({ kind: "sendDirectly", message });
}

/** Asks for a durable write; `proceed` runs, in order, once it is on the disk. */
export function persist(state: LogState, write: LogWrite, proceed: () => void): void {
  const ticket = state.nextTicket++;
  state.tickets.set(ticket, { sinceMs: state.clock.nowMs, proceed });
  state.effects.push({ kind: "persist", ticket, write });
}

export function setStatus(state: LogState, status: LogStatus): void {
  state.status = status;
  state.effects.push({ kind: "status", status });
}

export function includes(members: readonly Member[], member: Member): boolean {
  return members.some((candidate) => sameMember(candidate, member));
}

export function isOrderer(state: LogState): boolean {
  return state.view !== null && sameMember(state.view.install.orderer, state.options.self);
}

/** A view was formed without this life of the node: only another may return (rule 3). */
export function leaveIfLeftOut(state: LogState, from: Member, epoch: number, leftOut: readonly Member[]): void {
  if (epoch <= state.lastActive || state.start === "force" || !includes(leftOut, state.options.self)) return;
  state.effects.push({ kind: "leave", cause: "leftOut", reason: `node ${from.node} is in a view that was formed without this node, because it had been silent` });
}

export function exclude(state: LogState, member: Member, epoch: number): void {
  const known = state.excluded.find((one) => sameMember(one.member, member));
  state.excluded = [...state.excluded.filter((one) => one !== known), { member, epoch: Math.max(epoch, known?.epoch ?? 0) }].slice(-EXCLUSIONS_MAX);
}

export function isExcluded(state: LogState, member: Member): boolean {
  return state.excluded.some((one) => sameMember(one.member, member));
}

/** The excluded that are reachable, each with the newest epoch it is known to have missed. */
export function reachableExclusions(state: LogState): Exclusion[] {
  return state.excluded
    .filter(({ member }) => includes(state.engineMembers, member))
    .map(({ member, epoch }) => ({ member, epoch: includes(state.lastMembers, member) ? epoch : Math.max(epoch, state.lastActive) }));
}

/** Engine members this node would form a view with. */
export function candidates(state: LogState): Member[] {
  return state.engineMembers.filter((member) => !isExcluded(state, member) && !includes(state.suspects, member));
}

/** 0 for the lowest candidate, 1 for the next… */
export function rank(state: LogState): number {
  return candidates(state).filter((member) => member.node < state.options.self.node).length;
}

/** Ends the epoch at this node (rule 1): nothing is appended, acknowledged or stepped in it any more. */
export function endEpoch(state: LogState, reason: string): void {
  if (state.view !== null) {
    state.effects.push({ kind: "deactivate", reason });
    state.view = null;
  }
  state.installing = null;
  for (const id of state.reads.keys()) state.effects.push({ kind: "readLost", id });
  state.reads.clear();
  setStatus(state, { phase: "forming", reason });
}

/** A broken rule of the protocol: a bug, never an input. Stops the step. */
export function assertRule(holds: boolean, rule: string): asserts holds {
  if (!holds) throw new Error(`log rule broken: ${rule}`);
}
