import { actingTokenMs, sendingTokenMs, waitingTokenMs } from "../model/heartbeat.ts";
import type { WeightsInForce } from "../model/votes.ts";
import { forToken } from "./parameters.ts";
import type { LeaseParameters } from "./parameters.ts";

/** Two tokens at most are in force at a time. */
const KNOWN_MAX = 4;

/**
 * The lengths that the weights in force bring, because the token is part of them (docs/safety.md, "The token changes").
 * While two tokens are about, a node acts by the shorter one and waits for others by the longer one.
 */
export class LeaseLengths {
  /** For weights that carry no token. */
  readonly #profile: LeaseParameters;
  readonly #known = new Map<number, LeaseParameters>();

  constructor(profile: LeaseParameters) {
    this.#profile = profile;
  }

  /** L, and how long a permit lasts: what a node may do for itself. */
  acting(weights: WeightsInForce): LeaseParameters {
    return this.#of(actingTokenMs(weights, this.#profile.tokenMs));
  }

  /** P: as often as somebody may still expect it who acts by the former token. */
  sending(weights: WeightsInForce): LeaseParameters {
    return this.#of(sendingTokenMs(weights, this.#profile.tokenMs));
  }

  /** H, and the silence after which a member is missed. */
  waiting(weights: WeightsInForce): LeaseParameters {
    return this.#of(waitingTokenMs(weights, this.#profile.tokenMs));
  }

  /** All of them as they are now, for people. */
  show(weights: WeightsInForce): LeaseParameters & { readonly waitingTokenMs: number } {
    const { tokenMs, holdMs, permitHoldMs, detectionMs } = this.waiting(weights);
    return { ...this.acting(weights), tickMs: this.sending(weights).tickMs, holdMs, permitHoldMs, detectionMs, waitingTokenMs: tokenMs };
  }

  #of(tokenMs: number): LeaseParameters {
    if (tokenMs === this.#profile.tokenMs) return this.#profile;
    const known = this.#known.get(tokenMs);
    if (known !== undefined) return known;
    // Asked for at every tick; there are two tokens about at most.
    if (this.#known.size >= KNOWN_MAX) this.#known.clear();
    const made = forToken(this.#profile, tokenMs);
    this.#known.set(tokenMs, made);
    return made;
  }
}
