import type { Weights } from "../model/votes.ts";
import type { LogState, View } from "./state.ts";
import type { TokenTimes } from "./types.ts";

/** The times that follow from the token (docs/safety.md, "The token changes"): the token is part of the weights in force. */

export function timesOf(state: LogState): TokenTimes {
  const { options, entries, committed } = state;
  return options.timesUnder === undefined ? options : options.timesUnder(entries.weightsInForce(committed));
}

/**
 * The weights that follow when nobody can act by the former token any more; null = not yet, or there is none. A lease by
 * the former token got its evidence before the change was committed, so it has run out one hold after this node knew of
 * the commit; a member that ticked by it has been heard by then, or is missed.
 */
export function settledWeights(state: LogState, view: View): Weights | null {
  const [current, pending] = state.entries.weightsInForce(state.committed);
  if (current === undefined || pending !== undefined || current.formerTokenMs === undefined) return null;
  const { nowMs } = state.clock;
  if (view.settling?.version !== current.version) view.settling = { version: current.version, sinceMs: nowMs };
  const { holdMs, permitHoldMs = holdMs, detectionMs } = timesOf(state);
  if (nowMs - view.settling.sinceMs < Math.max(holdMs, permitHoldMs, detectionMs)) return null;
  const { formerTokenMs: _former, ...settled } = current;
  return { ...settled, version: current.version + 1 };
}
