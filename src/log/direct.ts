import type { Member, NodeId } from "../model/identifiers.ts";
import type { LogState, View } from "./state.ts";
import { send, sendDirectly } from "./state.ts";
import type { LogEntry, LogMessage } from "./types.ts";
import { ENTRIES_BYTES_MAX, ENTRIES_PER_MESSAGE_MAX } from "./types.ts";

/**
 * How the orderer's entries travel (docs/safety.md, "Past the group's order"). An entry is told from every other by
 * its epoch and index, and an acknowledgement is true for ever: neither needs the order of the group. So durable
 * entries go to each member as datagrams, which wait for no token, and the group carries only what did not arrive.
 */

/** The orderer's own: what it has sent past the group. */
export interface Direct {
  /** Newest index that the group has carried: what a member that is behind it has lost (rule 8). */
  multicastIndex: number;
  /** Sent past the group, and not yet known to be at every member; index after index. */
  readonly unconfirmed: Sent[];
  unconfirmedBytes: number;
  /** When each member last acknowledged something new. */
  readonly progressAtMs: Map<NodeId, number>;
  /** This node stood still and looks again after it has heard what came meanwhile. */
  isHearing: boolean;
  /** Entries that have come to everybody past the group, and were acknowledged, since one was missed. */
  arrived: number;
  /** How often in a row a tick, and no acknowledgement, told what a member has. */
  readonly unanswered: Map<NodeId, number>;
  /** Until then the group carries everything: datagrams did not arrive. */
  multicastUntilMs: number;
  backOffMs: number;
}

interface Sent {
  readonly entry: LogEntry;
  readonly bytes: number;
  readonly sentAtMs: number;
}

/**
 * A member that acknowledges nothing new for so long has lost a datagram: acknowledgements have no holes. One that is
 * merely slow goes on acknowledging.
 */
const RESEND_MS = 200;
/** After so many that arrived, one that did not is sent again and no reason to lose the next: a member stood still, or the network had a bad moment. */
const PROVEN_ENTRIES = 256;
/** A tick may be faster than the datagram before it; not so often in a row. */
const UNANSWERED_MAX = 3;
/** Longest wait for those before; a quorum takes a few milliseconds. */
const GATHER_MS = 50;
const GATHER_MAX = 256;
const BACK_OFF_MIN_MS = 1_000;
const BACK_OFF_MAX_MS = 300_000;
/** Everybody acknowledges to everybody: beyond so many members the group's one message is cheaper than so many datagrams. */
const MEMBERS_MAX = 16;
const UNCONFIRMED_MAX = 4_096;
/** All of it may be given to the group at once, and the engine takes 8 MiB (quoting at most doubles it). */
const UNCONFIRMED_BYTES_MAX = 2 * 1024 * 1024;
/** Entries that a member keeps until those before them come. */
export const AHEAD_MAX = 1_024;

export function createDirect(): Direct {
  return { multicastIndex: 0, unconfirmed: [], unconfirmedBytes: 0, progressAtMs: new Map(), isHearing: false, arrived: 0, unanswered: new Map(), multicastUntilMs: Number.NEGATIVE_INFINITY, backOffMs: BACK_OFF_MIN_MS };
}

/**
 * Sends what was ordered, in as few messages as fit. While durable entries are on their way to the disks of a quorum,
 * those that follow wait for each other: one message and one sync then serve all of them.
 */
export function flush(state: LogState): void {
  const { view } = state;
  if (view === null || view.outbox.length === 0 || isGathering(state, view)) return;
  const { direct } = view;
  const entries = view.outbox.splice(0);
  const newest = entries.findLast(({ sequence }) => sequence !== null);
  if (newest !== undefined) view.sentDurably = { index: newest.index, atMs: state.clock.nowMs };
  const bytes = entries.reduce((sum, entry) => sum + sizeOf(entry), 0);
  const isTooMuch = direct.unconfirmed.length + entries.length > UNCONFIRMED_MAX || direct.unconfirmedBytes + bytes > UNCONFIRMED_BYTES_MAX;
  // Somebody is far behind: to go on like this would send everything twice.
  if (isTooMuch && direct.unconfirmed.length > 0) fallBack(state, view);
  if (!isTooMuch && mayGoDirectly(state, view, entries)) {
    for (const message of messagesOf(view, entries)) sendDirectly(state, message);
    for (const entry of entries) direct.unconfirmed.push({ entry, bytes: sizeOf(entry), sentAtMs: state.clock.nowMs });
    direct.unconfirmedBytes += bytes;
  } else {
    multicast(state, view, entries);
  }
}

function isGathering(state: LogState, view: View): boolean {
  const { outbox, sentDurably, committedIndex } = view;
  if (sentDurably.index <= committedIndex || state.clock.nowMs - sentDurably.atMs >= GATHER_MS || outbox.length >= GATHER_MAX) return false;
  return outbox.every(({ sequence, body }) => sequence !== null && body.type === "input");
}

/** What has not arrived past the group in time is carried by it, and so is all that follows for a while, unless datagrams have proved to arrive. */
export function resendOverdue(state: LogState, view: View): void {
  const { direct } = view;
  // What came while this node stood still has not been heard yet.
  direct.isHearing = state.sinceTickMs > RESEND_MS && !direct.isHearing;
  if (direct.isHearing) return;
  const isStuck = ({ node }: Member): boolean => {
    // What this member lacks: another one may be slow and lack what comes before.
    const next = direct.unconfirmed[countUpTo(direct, view.acknowledged.get(node) ?? -1)];
    return next !== undefined && state.clock.nowMs - Math.max(next.sentAtMs, direct.progressAtMs.get(node) ?? 0) >= RESEND_MS;
  };
  if (!view.install.members.some(isStuck)) return;
  if (direct.arrived < PROVEN_ENTRIES) return fallBack(state, view);
  direct.arrived = 0;
  multicast(state, view, []);
}

/** After an acknowledgement: what every member has is not sent again. */
export function confirm(state: LogState, view: View, node: NodeId): void {
  const { direct } = view;
  direct.progressAtMs.set(node, state.clock.nowMs);
  if (direct.unconfirmed.length === 0) return;
  const everywhere = Math.min(...view.install.members.map((member) => view.acknowledged.get(member.node) ?? -1));
  const confirmed = direct.unconfirmed.splice(0, countUpTo(direct, everywhere));
  if (confirmed.length === 0) return;
  for (const { bytes } of confirmed) direct.unconfirmedBytes -= bytes;
  direct.arrived = direct.unanswered.size === 0 ? direct.arrived + confirmed.length : 0;
  // One that arrives now and then is no reason to lose the next.
  if (direct.unanswered.size === 0 && state.clock.nowMs >= direct.multicastUntilMs + direct.backOffMs) direct.backOffMs = BACK_OFF_MIN_MS;
}

/** An acknowledgement of this member has arrived, whatever it says. */
export function noteAnswer(view: View, node: NodeId): void {
  view.direct.unanswered.delete(node);
}

/** Before what a tick says is noted: when acknowledgements of a member do not arrive here, whoever waits for one waits for its ticks. */
export function noteToldByTick(state: LogState, view: View, node: NodeId, index: number): void {
  const { direct } = view;
  if (index <= (view.acknowledged.get(node) ?? -1) || countUpTo(direct, index) === 0) return;
  const times = (direct.unanswered.get(node) ?? 0) + 1;
  direct.unanswered.set(node, times);
  if (times >= UNANSWERED_MAX) fallBack(state, view);
}

function fallBack(state: LogState, view: View): void {
  const { direct } = view;
  direct.multicastUntilMs = state.clock.nowMs + direct.backOffMs;
  direct.backOffMs = Math.min(2 * direct.backOffMs, BACK_OFF_MAX_MS);
  direct.unanswered.clear();
  direct.arrived = 0;
  multicast(state, view, []);
}

/** The stream of the group has no holes: what goes with it is preceded by what went past it and may be missing somewhere. */
function multicast(state: LogState, view: View, entries: readonly LogEntry[]): void {
  const { direct } = view;
  const all = [...direct.unconfirmed.splice(0).map(({ entry }) => entry), ...entries];
  direct.unconfirmedBytes = 0;
  for (const message of messagesOf(view, all)) send(state, message);
  direct.multicastIndex = all.at(-1)!.index;
}

/** How many of the unconfirmed there are up to an index. */
function countUpTo({ unconfirmed }: Direct, index: number): number {
  const [oldest] = unconfirmed;
  return oldest === undefined ? 0 : Math.min(Math.max(0, index + 1 - oldest.entry.index), unconfirmed.length);
}

function mayGoDirectly(state: LogState, view: View, entries: readonly LogEntry[]): boolean {
  const { direct, install } = view;
  if (state.options.direct !== true || install.members.length < 2 || install.members.length > MEMBERS_MAX || install.learners.length > 0) return false;
  if (state.clock.nowMs < direct.multicastUntilMs) return false;
  // What lives in memory is not acknowledged: nobody would know that it was lost. Votes are rare, and ride with the group.
  if (!entries.every((entry) => entry.sequence !== null && entry.body.type === "input" && sizeOf(entry) <= ENTRIES_BYTES_MAX)) return false;
  // Whoever is not in the view yet takes entries in the order of the group alone.
  return install.members.every((member) => view.acknowledged.has(member.node));
}

function messagesOf(view: View, entries: readonly LogEntry[]): LogMessage[] {
  let hash = view.newestHash;
  const messages: LogMessage[] = [];
  let batch: LogEntry[] = [];
  let bytes = 0;
  const close = (): void => {
    if (batch.length > 0) messages.push({ kind: "entries", epoch: view.epoch, entries: batch, hash });
    hash = null;
    batch = [];
    bytes = 0;
  };
  for (const entry of entries) {
    const size = sizeOf(entry);
    if (batch.length >= ENTRIES_PER_MESSAGE_MAX || bytes + size > ENTRIES_BYTES_MAX) close();
    batch.push(entry);
    bytes += size;
  }
  close();
  return messages;
}

/** Bytes of an entry in a message, before its payload is quoted (which at most doubles it). */
function sizeOf(entry: LogEntry): number {
  return 256 + (entry.body.type === "input" ? Buffer.byteLength(entry.body.payload) : 8192);
}
