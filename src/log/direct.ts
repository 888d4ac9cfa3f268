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
  /** Sent past the group, and not yet known to be at every member; oldest first. */
  unconfirmed: { readonly entry: LogEntry; readonly sentAtMs: number }[];
  /** When each member last acknowledged something new. */
  readonly progressAtMs: Map<NodeId, number>;
  /** Until then the group carries everything: datagrams did not arrive. */
  multicastUntilMs: number;
  backOffMs: number;
}

/**
 * A member that acknowledges nothing new for so long has lost a datagram: acknowledgements have no holes. One that is
 * merely slow goes on acknowledging.
 */
const RESEND_MS = 200;
const BACK_OFF_MIN_MS = 5_000;
const BACK_OFF_MAX_MS = 300_000;
/** Everybody acknowledges to everybody: beyond so many members the group's one message is cheaper than so many datagrams. */
const MEMBERS_MAX = 16;
const UNCONFIRMED_MAX = 4_096;
/** Entries that a member keeps until those before them come. */
export const AHEAD_MAX = 1_024;

export function createDirect(): Direct {
  return { multicastIndex: 0, unconfirmed: [], progressAtMs: new Map(), multicastUntilMs: Number.NEGATIVE_INFINITY, backOffMs: BACK_OFF_MIN_MS };
}

/** Sends what was ordered, in as few messages as fit. */
export function flush(state: LogState): void {
  const { view } = state;
  if (view === null || view.outbox.length === 0) return;
  const entries = view.outbox.splice(0);
  if (mayGoDirectly(state, view, entries)) {
    for (const message of messagesOf(view, entries)) sendDirectly(state, message);
    for (const entry of entries) view.direct.unconfirmed.push({ entry, sentAtMs: state.clock.nowMs });
  } else {
    multicast(state, view, entries);
  }
}

/** What has not arrived past the group in time is carried by it, and so is all that follows for a while. */
export function resendOverdue(state: LogState, view: View): void {
  const { direct } = view;
  const [oldest] = direct.unconfirmed;
  if (oldest === undefined) return;
  const isStuck = ({ node }: Member): boolean =>
    (view.acknowledged.get(node) ?? -1) < oldest.entry.index && state.clock.nowMs - Math.max(oldest.sentAtMs, direct.progressAtMs.get(node) ?? 0) >= RESEND_MS;
  if (!view.install.members.some(isStuck)) return;
  direct.multicastUntilMs = state.clock.nowMs + direct.backOffMs;
  direct.backOffMs = Math.min(2 * direct.backOffMs, BACK_OFF_MAX_MS);
  multicast(state, view, []);
}

/** After an acknowledgement: what every member has is not sent again. */
export function confirm(state: LogState, view: View, node: NodeId): void {
  const { direct } = view;
  direct.progressAtMs.set(node, state.clock.nowMs);
  if (direct.unconfirmed.length === 0) return;
  const everywhere = Math.min(...view.install.members.map((member) => view.acknowledged.get(member.node) ?? -1));
  const first = direct.unconfirmed.findIndex(({ entry }) => entry.index > everywhere);
  const confirmed = direct.unconfirmed.splice(0, first < 0 ? direct.unconfirmed.length : first);
  if (confirmed.length > 0) direct.backOffMs = BACK_OFF_MIN_MS;
}

/** The stream of the group has no holes: what goes with it is preceded by what went past it and may be missing somewhere. */
function multicast(state: LogState, view: View, entries: readonly LogEntry[]): void {
  const { direct } = view;
  const all = [...direct.unconfirmed.map(({ entry }) => entry), ...entries];
  direct.unconfirmed = [];
  for (const message of messagesOf(view, all)) send(state, message);
  direct.multicastIndex = all.at(-1)!.index;
}

function mayGoDirectly(state: LogState, view: View, entries: readonly LogEntry[]): boolean {
  const { direct, install } = view;
  if (state.options.direct !== true || install.members.length < 2 || install.members.length > MEMBERS_MAX || install.learners.length > 0) return false;
  if (state.clock.nowMs < direct.multicastUntilMs || direct.unconfirmed.length + entries.length > UNCONFIRMED_MAX) return false;
  // What lives in memory is not acknowledged: nobody would know that it was lost. Votes are rare, and ride with the group.
  if (!entries.every((entry) => entry.sequence !== null && entry.body.type === "input" && sizeOf(entry) <= ENTRIES_BYTES_MAX)) return false;
  // Whoever is not in the view yet takes entries in the order of the group alone.
  return install.members.every((member) => view.acknowledged.has(member.node));
}

function messagesOf(view: View, entries: readonly LogEntry[]): LogMessage[] {
  const newest = [...view.hashes.entries()].at(-1);
  let hash = newest === undefined ? null : { index: newest[0], value: newest[1] };
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

/** Bytes of an entry in a message, at most. */
function sizeOf(entry: LogEntry): number {
  return 256 + (entry.body.type === "input" ? Buffer.byteLength(entry.body.payload) : 8192);
}
