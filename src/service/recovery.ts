import type { DurableState } from "../database/contract.ts";
import { decodeEntry } from "../log/codec.ts";
import type { LogRecovery } from "../log/types.ts";
import type { Weights } from "../model/votes.ts";

/** Metadata in the database that the log owns. */
export const WEIGHTS_KEY = "log.weights";
export const LAST_ACTIVE_KEY = "log.lastActive";
/** Sequence and epoch of the entry a fetched copy ends with. */
export const COPY_KEY = "log.copy";
/** Whom the view of the accepted epoch was to have. */
export const ACCEPTED_MEMBERS_KEY = "log.acceptedMembers";
/** Which forced start the log descends from. */
export const LINEAGE_KEY = "log.lineage";
const NO_COPY = JSON.stringify({ sequence: 0, epoch: 0, clusterTimeMs: 0 });
const NO_LINEAGE = JSON.stringify({ number: 0, from: null });

/** What the log finds in its database; `initialWeights` count until the first change of the votes. */
export function recover(durable: DurableState, initialWeights: Weights): LogRecovery {
  const stored = durable.metadata[WEIGHTS_KEY];
  const { entries, before, clusterTimeMs } = recoverEntries(durable);
  return {
    promised: durable.promised,
    accepted: durable.accepted,
    acceptedMembers: JSON.parse(durable.metadata[ACCEPTED_MEMBERS_KEY] ?? "[]") as LogRecovery["acceptedMembers"],
    committed: durable.committed,
    applied: durable.applied,
    lastActive: Number(durable.metadata[LAST_ACTIVE_KEY] ?? 0),
    weights: stored === undefined ? { sequence: 0, weights: initialWeights } : (JSON.parse(stored) as LogRecovery["weights"]),
    entries,
    before,
    clusterTimeMs,
    lineage: JSON.parse(durable.metadata[LINEAGE_KEY] ?? NO_LINEAGE) as LogRecovery["lineage"],
  };
}

/** The kept entries and the place before them: the end of a copy, the beginning of the log, or the first kept entry itself. */
function recoverEntries(durable: DurableState): Pick<LogRecovery, "entries" | "before" | "clusterTimeMs"> {
  const entries = durable.entries.map(decodeEntry);
  const { clusterTimeMs, ...copy } = JSON.parse(durable.metadata[COPY_KEY] ?? NO_COPY) as LogRecovery["before"] & { readonly clusterTimeMs: number };
  const first = entries[0];
  if (first === undefined || first.sequence === copy.sequence + 1) return { entries, before: copy, clusterTimeMs };
  return { entries: entries.slice(1), before: { sequence: first.sequence!, epoch: first.epoch }, clusterTimeMs };
}
