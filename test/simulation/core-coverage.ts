import type { ClusterState, StepResult } from "../../src/core/index.ts";
import { EventCatalogue } from "../../src/model/events.ts";
import type { CoreInput } from "../../src/model/inputs.ts";
import type { Coverage } from "./coverage.ts";

const EVENT_NAMES = new Map(Object.entries(EventCatalogue).map(([name, { code }]) => [code as number, name]));

/** What the core did, as far as it can be seen from outside: it counts nothing itself. */
export class CoreCoverage {
  readonly #coverage: Coverage;
  readonly #rules = new Map<string, string>();

  constructor(coverage: Coverage) {
    this.#coverage = coverage;
  }

  onStep(state: ClusterState, input: CoreInput, result: StepResult): void {
    const { outcome } = result;
    if (input.kind === "command" && outcome !== null) {
      const what = outcome.duplicate ? "repeated" : outcome.error !== null ? outcome.error.code : outcome.note !== null ? "noted" : "done";
      this.#coverage.count(`command ${input.command.verb}: ${what}`);
    } else {
      this.#coverage.count(`entry ${input.kind}`);
    }
    for (const event of result.events) this.#coverage.count(`event ${EVENT_NAMES.get(event.code) ?? event.code}`);
    for (const effect of result.effects) this.#coverage.count(`order ${effect.action}`);
    const { groupRuntime, nodeRuntime, resourceRuntime } = state.tables;
    for (const key of groupRuntime.keys()) this.#note("group", key, groupRuntime.get(key)!.reason);
    for (const key of nodeRuntime.keys()) this.#note("node", key, nodeRuntime.get(key)!.reason);
    for (const key of resourceRuntime.keys()) this.#note("resource", key, resourceRuntime.get(key)!.reason);
  }

  #note(kind: string, key: string, { rule, sinceMs }: { readonly rule: string; readonly sinceMs: number }): void {
    const id = `${kind} ${key}`;
    const value = `${rule} ${sinceMs}`;
    if (this.#rules.get(id) === value) return;
    this.#rules.set(id, value);
    this.#coverage.count(`reason of a ${kind}: ${rule}`);
  }
}
