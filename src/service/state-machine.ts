import type { Stamp } from "../model/inputs.ts";
import type { Weights } from "../model/votes.ts";

export interface Row {
  readonly table: string;
  readonly key: string;
  readonly value: string;
}

/** What a step of the state machine gives back to the replica that drives it. */
export interface Stepped<Result> {
  readonly changes: readonly { readonly table: string; readonly key: string; readonly value: string | null }[];
  readonly result: Result;
}

/**
 * What the log replicates. The cluster's is the core; the simulator also runs the log with
 * a small one. Deterministic: equal inputs give equal states everywhere.
 */
export interface StateMachine<Result> {
  /** Durable rows; run-time state becomes empty. */
  load(rows: readonly Row[]): void;
  rows(): readonly Row[];
  step(stamp: Stamp, payload: string): Stepped<Result>;
  snapshot(): string;
  restore(text: string): void;
  /** Of the whole state. */
  hash(): string;
  /** Cluster time at which the state wants a "due" entry; null = never. */
  nextDeadline(): number | null;
  /** The votes, and the token with them, that should follow the current ones; null = they are as they should be (PROTOCOL rule 10). */
  wantedWeights(current: Weights): Weights | null;
}
