import type { ClaimRequest } from "../quorum/claims.ts";
import { claim } from "../quorum/witness.ts";
import type { ClaimOutcome, Witness } from "../quorum/witness.ts";

/** Asks the witness for its vote, for as long as QuorumArbitrationTimeMax allows (reference 4.4); an answer that comes later counts for nothing. */
export class WitnessClaim {
  #asked: { readonly untilMs: number; readonly limitMs: number; readonly done: (outcome: ClaimOutcome) => void } | null = null;

  /** Another question takes the place of one that has no answer yet. */
  ask(witness: Witness, request: ClaimRequest, nowMs: number, limitMs: number, done: (outcome: ClaimOutcome) => void): void {
    const asked = { untilMs: nowMs + limitMs, limitMs, done };
    this.#asked = asked;
    claim(witness, request, (outcome) => {
      if (this.#asked !== asked) return;
      this.#asked = null;
      done(outcome);
    });
  }

  tick(nowMs: number): void {
    const asked = this.#asked;
    if (asked === null || nowMs < asked.untilMs) return;
    this.#asked = null;
    asked.done({ kind: "failed", reason: `it did not answer within ${asked.limitMs / 1000} s` });
  }
}
