import { snapshot } from "../core/index.ts";
import type { ClusterState, StepResult } from "../core/index.ts";
import type { CoreInput, Stamp } from "../model/inputs.ts";
import { INPUT_LENGTH_MAX } from "./contract.ts";
import type { Decision, HistoryStore } from "./contract.ts";

/** Entries after which a state is kept, at least; of a large cluster more, because keeping one costs in proportion. */
const STATE_EVERY = 500;
/** A write to the free part of the database, as services write it down. */
const BATCH = /^\{"kind":"command","requestId":\{[^{}]*\},"command":\{"verb":"database\.batch",/;
/** So many records of the state weigh as much as one entry. */
const RECORDS_PER_ENTRY = 4;

/** Decides what is kept of each entry, and when a state is, from which the entries after it can be played again. */
export class HistoryRecorder {
  readonly #store: HistoryStore;
  #state: ClusterState | null = null;
  #sinceState = 0;

  constructor(store: HistoryStore) {
    this.#store = store;
  }

  /** @param state as it is after the entry */
  onEntry(stamp: Stamp, payload: string, result: StepResult, state: ClusterState): void {
    const isNewState = state !== this.#state;
    this.#state = state;
    // Writes to the free part of the database decide nothing and would push out what does. There may be thousands a second.
    if (!isNewState && BATCH.test(payload)) return;
    const input = JSON.parse(payload) as CoreInput;
    if (!isNewState && input.kind === "command" && input.command.verb === "database.batch") return;
    this.#store.record({ id: `${stamp.epoch}.${stamp.index}`, stamp, kind: kindOf(input), input: payload.length > INPUT_LENGTH_MAX ? "" : payload, decision: decisionOf(result) });
    this.#sinceState += 1;
    // What was fetched from another node, or begun anew, does not follow from the entries before it.
    if (isNewState || this.#sinceState >= Math.max(STATE_EVERY, Math.ceil(state.recordCount / RECORDS_PER_ENTRY))) {
      this.#sinceState = 0;
      this.#store.keepState(snapshot(state));
    }
  }
}

function kindOf(input: CoreInput): string {
  return input.kind === "command" ? input.command.verb : input.kind;
}

function decisionOf(result: StepResult): Decision {
  return {
    events: result.events,
    orders: result.effects.map((effect) => ({ node: effect.node, action: effect.action, group: effect.groupName, resource: effect.resource.name, reason: effect.reason })),
    moves: result.ownerChanges,
    request: result.outcome?.requestId ?? null,
    refusal: result.outcome?.error?.code ?? null,
  };
}
