import { sameMember } from "../model/identifiers.ts";
import type { ViewInput } from "../model/inputs.ts";
import { createDirect } from "./direct.ts";
import { advanceCommit, drain, noteCommitted, receive, resubmitRequests, sendAcknowledge } from "./replication.ts";
import type { Installing, LogState, View } from "./state.ts";
import { sendTick } from "./presence.ts";
import { assertRule, exclude, includes, send, setStatus } from "./state.ts";
import { timesOf } from "./times.ts";
import type { Install, LogEntry } from "./types.ts";
import { isViewQuorum } from "../quorum/weights.ts";
import type { Voter } from "../model/votes.ts";

/** From INSTALL to an active view (PROTOCOL part 1, rules 6 and 7). */

export function votersOf(install: Install): Voter[] {
  return install.members.map((member, position) => ({ node: member.node, store: install.stores[position]! }));
}

/** Rule 7: the orderer sends ACTIVE, entry 0, once a quorum has accepted. */
export function sendActiveIfAccepted(state: LogState): void {
  const installing = state.installing;
  if (installing === null || installing.activeSent || !installing.accepted) return;
  const { install, accepts } = installing;
  if (!sameMember(install.orderer, state.options.self) || installing.position === null) return;
  const members = votersOf(install);
  const acceptors = members.filter((voter) => accepts.has(voter.node));
  if (!isViewQuorum(state.entries.weightsInForce(state.committed), acceptors, members, install.claim)) return;
  installing.activeSent = true;
  const input: ViewInput = { kind: "view", members: install.members, learners: install.learners, orderer: install.orderer.node, stores: install.stores, ...remarksOf(state, installing) };
  const entry: LogEntry = {
    epoch: install.epoch,
    index: 0,
    sequence: null,
    clusterTimeMs: state.clusterTimeMs,
    wallTimeMs: state.clock.wallTimeMs,
    origin: null,
    body: { type: "input", payload: JSON.stringify(input) },
  };
  send(state, { kind: "entries", epoch: install.epoch, entries: [entry], hash: null });
}

/** What is out of the ordinary about a view. */
function remarksOf(state: LogState, { install, holds }: Installing): Partial<ViewInput> {
  const { holdMs, permitHoldMs } = timesOf(state);
  return {
    ...(install.claim === null ? {} : { claimed: true }),
    ...(install.forced ? { forced: true } : {}),
    ...(install.discarded.length === 0 ? {} : { discarded: install.discarded }),
    ...(holds.length === 0 ? {} : { holds }),
    ...(install.runtime === null && holdMs > 0 ? { holdAbsentMs: holdMs, ...(permitHoldMs === undefined ? {} : { holdAbsentPermitMs: permitHoldMs }) } : {}),
  };
}

/** Begins the view once ACTIVE is here, the log is durable and the run-time state is at hand. */
export function tryActivate(state: LogState): void {
  const installing = state.installing;
  if (installing === null || !installing.accepted || installing.position === null) return;
  const entryZero = installing.buffer[0];
  if (entryZero === undefined) return;
  const { install, position } = installing;
  const insideEpoch = installing.state === "fetched" && position.epoch === install.epoch;
  // A copy taken inside the epoch is used only when the entries up to it are here: rows never run ahead of the log.
  if (insideEpoch && installing.buffer.at(-1)!.index < position.index) return;

  const replay = insideEpoch ? [] : replayEntries(state, installing);
  state.installing = null;
  state.proposeAtMs = null;
  state.suspects = [];
  state.start = "normal";
  noteGone(state, install);
  const committedBefore = state.committed;
  state.committed = Math.max(state.committed, install.base.sequence);
  state.lastActive = install.epoch;
  state.applied = insideEpoch ? installing.applied : install.base.sequence;
  state.runtime = { epoch: install.epoch, index: insideEpoch ? position.index : -1 };
  const view = createView(state, install, entryZero, state.runtime.index, installing.acknowledged);
  state.view = view;
  const weights = state.entries.weightsInForce(state.committed);
  // First, so that the entries are on their way to the disk before rows that already hold them.
  receive(state, view, installing.buffer, "group");
  state.effects.push({ kind: "activate", install, entryZero, weights, replay, state: installing.state, position });
  if (state.committed > committedBefore) noteCommitted(state);
  setStatus(state, { phase: "active", epoch: install.epoch, members: install.members, learners: install.learners, orderer: install.orderer.node });
  advanceCommit(state, view);
  drain(state, view);
  sendAcknowledge(state, view, 0);
  sendTick(state, view, true);
  resubmitRequests(state);
}

/** Who was in the last view known here and is not in this one may not return with the same incarnation. */
function noteGone(state: LogState, install: Install): void {
  for (const member of state.lastMembers) if (!includes(install.members, member)) exclude(state, member, install.epoch);
  state.excluded = state.excluded.filter((one) => !includes(install.members, one.member));
  state.lastMembers = install.members;
}

function replayEntries(state: LogState, installing: Installing): readonly LogEntry[] {
  const replay = state.entries.slice(installing.applied, installing.install.base.sequence);
  assertRule(replay !== undefined, "entries above the applied ones are kept");
  return replay;
}

function createView(state: LogState, install: Install, entryZero: LogEntry, stepped: number, acknowledged: ReadonlyMap<number, number>): View {
  const { nowMs } = state.clock;
  return {
    install,
    epoch: install.epoch,
    voters: votersOf(install),
    appended: -1,
    stepped,
    pending: [],
    committedIndex: 0,
    durableIndex: 0,
    acknowledged: new Map(acknowledged),
    answers: "group",
    ahead: new Map(),
    hashes: new Map(),
    newestHash: null,
    expectedHash: null,
    tickNumber: 0,
    tickedAtMs: Number.NEGATIVE_INFINITY,
    armedAtMs: new Map(),
    heard: new Map(),
    heardAtMs: new Map(install.members.map((member) => [member.node, nowMs])),
    echoed: new Map(),
    evidence: 0,
    nextIndex: 1,
    nextSequence: install.base.sequence + 1,
    weightsNumberedAt: -1,
    settling: null,
    clusterBaseMs: entryZero.clusterTimeMs,
    activeSinceMs: nowMs,
    outbox: [],
    sentDurably: { index: 0, atMs: nowMs },
    direct: createDirect(),
    ordered: new Map(),
    readsWaiting: [],
  };
}
