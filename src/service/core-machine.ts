import { durableRows, loadState, nextDeadline, restore, snapshot, stateHash, step, wantedRecord } from "../core/index.ts";
import type { ClusterState, StepResult } from "../core/index.ts";
import type { CoreInput, Stamp } from "../model/inputs.ts";
import type { Weights } from "../model/votes.ts";
import type { Row, StateMachine, Stepped } from "./state-machine.ts";

/** The core as the state machine that the log replicates. */
export class CoreMachine implements StateMachine<StepResult> {
  #state: ClusterState;
  readonly #profileTokenMs: number | null;
  /** The last answer to {@link wantedWeights}, and what it was worked out from. */
  #wanted: { readonly state: ClusterState; readonly revision: number; readonly current: Weights; readonly weights: Weights | null } | null = null;

  /** @param profileTokenMs of the profile the cluster was created with; null = its engine has no token */
  constructor(rows: readonly Row[], profileTokenMs: number | null = null) {
    this.#state = loadState(rows);
    this.#profileTokenMs = profileTokenMs;
  }

  /** For reading only: the replica alone steps it. */
  get state(): ClusterState {
    return this.#state;
  }

  load(rows: readonly Row[]): void {
    this.#state = loadState(rows);
  }

  rows(): readonly Row[] {
    return durableRows(this.#state);
  }

  step(stamp: Stamp, payload: string): Stepped<StepResult> {
    const result = step(this.#state, stamp, JSON.parse(payload) as CoreInput);
    return { changes: result.changes, result };
  }

  snapshot(): string {
    return snapshot(this.#state);
  }

  restore(text: string): void {
    this.#state = restore(text);
  }

  hash(): string {
    return stateHash(this.#state);
  }

  nextDeadline(): number | null {
    return nextDeadline(this.#state);
  }

  /** Asked after every entry: worked out only when something has changed that it depends on. */
  wantedWeights(current: Weights): Weights | null {
    const state = this.#state;
    const { revision } = state;
    if (this.#wanted?.state === state && this.#wanted.revision === revision && this.#wanted.current === current) return this.#wanted.weights;
    const weights = wantedRecord(state, current, this.#profileTokenMs);
    this.#wanted = { state, revision, current, weights };
    return weights;
  }
}
