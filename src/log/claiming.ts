import type { ClaimOutcome } from "../quorum/witness.ts";
import { startForming } from "./formation.ts";
import type { LogState } from "./state.ts";
import { send } from "./state.ts";

/** CLAIM (PROTOCOL rule 5): one node asks the witness, once, and the answer counts for its epoch alone. */

export function onClaimed(state: LogState, epoch: number, outcome: ClaimOutcome): void {
  const { ballot } = state;
  // Something else has come between: what was won for this epoch is used for no other.
  if (ballot === null || ballot.epoch !== epoch || ballot.claiming === null) return;
  const { claiming } = ballot;
  const retryMs = state.options.claimRetryMs;
  switch (outcome.kind) {
    case "won":
      return claiming.install(claiming.voters);
    case "lost":
      return claiming.wait("other nodes asked the witness at the same time", retryMs);
    case "outdated":
      state.highestSeen = Math.max(state.highestSeen, outcome.epoch);
      return startForming(state, "the witness has seen a later attempt");
    case "refused":
      return claiming.wait(`the witness refused: ${outcome.reason}`, retryMs);
    case "failed":
      return claiming.wait(`the witness does not help: ${outcome.reason}`, retryMs);
  }
}

/** While the witness takes its time, the others are asked for patience; after the limit it counts as failed. */
export function claimingTick(state: LogState): void {
  const { ballot, clock, options } = state;
  if (ballot === null || ballot.claiming === null) return;
  if (clock.nowMs - ballot.claiming.sinceMs >= options.arbitrationMs) return ballot.claiming.wait(`the witness did not answer within ${options.arbitrationMs / 1000} s`, options.claimRetryMs);
  send(state, { kind: "present", epoch: ballot.epoch, state: "claiming", leftOut: [] });
}
