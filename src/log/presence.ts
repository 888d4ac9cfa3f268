import type { Member } from "../model/identifiers.ts";
import { sameMember } from "../model/identifiers.ts";
import { noteToldByTick } from "./direct.ts";
import { fetchesWhatItLacks, postponeProposal, startForming } from "./formation.ts";
import { noteAcknowledged } from "./replication.ts";
import type { LogState, View } from "./state.ts";
import { includes, isExcluded, isOrderer, leaveIfLeftOut, send } from "./state.ts";
import { timesOf } from "./times.ts";
import type { LogMessage } from "./types.ts";
import { isViewQuorum } from "../quorum/weights.ts";

/**
 * Ticks, echoes and evidence (PROTOCOL part 2, as far as rules 3, 11 and 14 of part 1 need
 * them): who is silent, that a quorum still answers, and until when roles may run.
 */

const ARMED_TICKS_KEPT = 128;

/** Periodic: sends a tick, looks for silence and for a disk that does not answer. */
export function presenceTick(state: LogState): void {
  const { nowMs } = state.clock;
  const { diskLimitMs } = state.options;
  const { detectionMs, tickMs } = timesOf(state);
  const pausedMs = state.lastTickMs === null ? 0 : nowMs - state.lastTickMs;
  state.lastTickMs = nowMs;
  state.sinceTickMs = pausedMs;
  const oldest = state.tickets.values().next().value;
  if (oldest !== undefined && nowMs - oldest.sinceMs > diskLimitMs && pausedMs < detectionMs / 2) {
    state.effects.push({ kind: "leave", cause: "disk", reason: `the disk did not answer for ${Math.round(nowMs - oldest.sinceMs)} ms` });
    return;
  }
  const { view } = state;
  if (view === null) return;
  // Who was paused itself knows nothing of the others' silence.
  if (pausedMs > detectionMs / 2) for (const node of view.heardAtMs.keys()) view.heardAtMs.set(node, nowMs);
  // The loop may come round more often; a quarter is room for its being late.
  if (nowMs - view.tickedAtMs >= 0.75 * tickMs) {
    view.tickedAtMs = nowMs;
    sendTick(state, view, false);
  }
  const silent = view.install.members.filter((member) => !sameMember(member, state.options.self) && nowMs - view.heardAtMs.get(member.node)! > detectionMs);
  if (silent.length > 0) {
    for (const member of silent) if (!includes(state.suspects, member)) state.suspects.push(member);
    startForming(state, `node ${silent.map((member) => member.node).join(", ")} is silent`);
  }
}

export function sendTick(state: LogState, view: View, urgent: boolean): void {
  view.tickNumber++;
  view.armedAtMs.set(view.tickNumber, state.clock.nowMs);
  if (view.armedAtMs.size > ARMED_TICKS_KEPT) view.armedAtMs.delete(view.armedAtMs.keys().next().value!);
  const heard = [...view.heard.entries()].sort((a, b) => a[0] - b[0]);
  const leftOut = state.engineMembers.filter((member) => isExcluded(state, member));
  const sent = isOrderer(state) ? view.direct.multicastIndex : 0;
  send(state, { kind: "tick", epoch: view.epoch, weights: weightsVersion(state), number: view.tickNumber, heard, urgent, acknowledged: view.durableIndex, sent, leftOut });
  gatherEvidence(state, view);
}

function weightsVersion(state: LogState): number {
  return state.entries.weightsInForce(state.committed)[0]?.version ?? 0;
}

/** A member that was thought lost is not: outside a view it is asked again. */
export function onHeard(state: LogState, from: Member): void {
  if (state.view !== null || !includes(state.suspects, from)) return;
  state.suspects = state.suspects.filter((member) => !sameMember(member, from));
  if (state.status.phase === "waiting" || state.ballot !== null) startForming(state, `node ${from.node} is heard again`);
}

export function onPresent(state: LogState, from: Member, message: Extract<LogMessage, { kind: "present" }>): void {
  for (const { member, epoch } of message.leftOut) leaveIfLeftOut(state, from, epoch, [member]);
  const { view, installing } = state;
  const install = view?.install ?? installing?.install;
  // The witness may take its time.
  if (message.state === "claiming" && message.epoch === state.promised && install === undefined) return postponeProposal(state);
  if (install === undefined || install.epoch !== message.epoch || !includes(install.members, from) || sameMember(from, state.options.self)) return;
  if (message.state === "over") return startForming(state, `for node ${from.node} the view is over`);
  view?.heardAtMs.set(from.node, state.clock.nowMs);
  // Nobody waits for a learner.
  if (installing !== null && message.state === "fetching" && !install.learners.includes(from.node)) postponeProposal(state);
}

export function onTick(state: LogState, from: Member, message: Extract<LogMessage, { kind: "tick" }>): void {
  const { view, installing } = state;
  // As long as the view runs and this node still fetches what it needs, there is nothing to hurry.
  if (installing !== null && installing.install.epoch === message.epoch && sameMember(from, installing.install.orderer) && fetchesWhatItLacks(state)) postponeProposal(state);
  leaveIfLeftOut(state, from, message.epoch, message.leftOut);
  if (view === null || message.epoch !== view.epoch || sameMember(from, state.options.self) || !includes(view.install.members, from)) return;
  view.heardAtMs.set(from.node, state.clock.nowMs);
  noteToldByTick(state, view, from.node, message.acknowledged);
  noteAcknowledged(state, view, from.node, message.acknowledged);
  if (state.view !== view) return;
  if (message.sent > view.appended && sameMember(from, view.install.orderer)) {
    startForming(state, "an entry is missing");
    return;
  }
  // Echo rule: only for equal epoch and equal weights.
  if (message.weights !== weightsVersion(state)) return;
  view.heard.set(from.node, Math.max(view.heard.get(from.node) ?? 0, message.number));
  const echo = message.heard.find(([node]) => node === state.options.self.node);
  if (echo !== undefined) view.echoed.set(from.node, Math.max(view.echoed.get(from.node) ?? 0, echo[1]));
  gatherEvidence(state, view);
  if (message.urgent) sendTick(state, view, false);
  else if (state.clock.nowMs - view.tickedAtMs >= timesOf(state).tickMs / 2) {
    // It would be due soon: all speak in one moment, which wakes the members once and not once for each of them.
    view.tickedAtMs = state.clock.nowMs;
    sendTick(state, view, false);
  }
}

/** Evidence(k): this node and those that echoed tick k or a later one are a quorum. */
function gatherEvidence(state: LogState, view: View): void {
  const weights = state.entries.weightsInForce(state.committed);
  const self = state.options.self.node;
  const numbers = [...new Set([view.tickNumber, ...view.echoed.values()])].sort((a, b) => b - a);
  for (const number of numbers) {
    if (number <= view.evidence) break;
    const voters = view.voters.filter((voter) => voter.node === self || (view.echoed.get(voter.node) ?? 0) >= number);
    if (!isViewQuorum(weights, voters, view.voters, view.install.claim)) continue;
    view.evidence = number;
    const armedAtMs = view.armedAtMs.get(number);
    if (armedAtMs !== undefined) state.effects.push({ kind: "permit", untilMs: armedAtMs + timesOf(state).permitMs });
    finishReads(state, view);
    break;
  }
}

// ---- linearizable reads (rule 11) ------------------------------------------

export function onOwnRead(state: LogState, id: number): void {
  const { view } = state;
  if (view === null) {
    state.effects.push({ kind: "readLost", id });
    return;
  }
  state.reads.set(id, null);
  if (isOrderer(state)) waitForEvidence(state, view, state.options.self, id);
  else send(state, { kind: "read", epoch: view.epoch, id });
}

/** The question or its answer was lost. */
export function askAgain(state: LogState, view: View): void {
  if (isOrderer(state)) return;
  for (const [id, index] of state.reads) if (index === null) send(state, { kind: "read", epoch: view.epoch, id });
}

export function onRead(state: LogState, from: Member, message: Extract<LogMessage, { kind: "read" }>): void {
  const { view } = state;
  if (view === null || message.epoch !== view.epoch || !isOrderer(state) || sameMember(from, state.options.self)) return;
  waitForEvidence(state, view, from, message.id);
}

function waitForEvidence(state: LogState, view: View, from: Member, id: number): void {
  // Everybody sees the acknowledgements: another node may have answered for an entry that this one does not know committed.
  // What was answered before the question has been numbered before it.
  view.readsWaiting.push({ from, id, index: view.nextIndex - 1, tickNumber: view.tickNumber + 1 });
  sendTick(state, view, true);
}

export function onReadAt(state: LogState, message: Extract<LogMessage, { kind: "readAt" }>): void {
  const { view } = state;
  if (view === null || message.epoch !== view.epoch || !sameMember(message.to, state.options.self) || !state.reads.has(message.id)) return;
  state.reads.set(message.id, message.index);
  finishReads(state, view);
}

/** Answers the reads that evidence or stepping has made ready. */
export function finishReads(state: LogState, view: View): void {
  for (let position = 0; position < view.readsWaiting.length; ) {
    const read = view.readsWaiting[position]!;
    if (read.tickNumber > view.evidence) {
      position++;
      continue;
    }
    view.readsWaiting.splice(position, 1);
    if (sameMember(read.from, state.options.self)) state.reads.set(read.id, read.index);
    else send(state, { kind: "readAt", epoch: view.epoch, to: read.from, id: read.id, index: read.index });
  }
  for (const [id, index] of state.reads) {
    if (index === null || index > view.stepped) continue;
    state.reads.delete(id);
    state.effects.push({ kind: "readReady", id, index });
  }
}
