import type { LogEffect } from "../log/types.ts";
import { LAST_ACTIVE_KEY, WEIGHTS_KEY } from "./recovery.ts";

type Committed = Extract<LogEffect, { kind: "committed" }>;

/** What the database is told with a commit beside its place. It is the same for almost all entries, and told when it has changed. */
export class CommitNotes {
  #told: Committed | null = null;

  /** To be written with this commit. */
  of(committed: Committed): { readonly metadata?: Readonly<Record<string, string>> } {
    const told = this.#told;
    const { weights, lastActive } = committed;
    if (told !== null && told.lastActive === lastActive && told.weights.sequence === weights.sequence && told.weights.weights === weights.weights) return {};
    this.#told = committed;
    return { metadata: { [WEIGHTS_KEY]: JSON.stringify(weights), [LAST_ACTIVE_KEY]: String(lastActive) } };
  }

  /** Something else has been written in its place. */
  forget(): void {
    this.#told = null;
  }
}
