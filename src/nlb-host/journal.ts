import { EventCatalogue } from "../model/events.ts";
import type { EventName } from "../model/events.ts";
import type { HostId } from "../nlb/parameters.ts";
import type { CauseName } from "../nlb/states.ts";
import type { NlbEvent } from "./facade.ts";

const EVENTS_MAX = 10_000;

/** What happened on this host, as long as its agent runs; the agent's log keeps it in words. */
export class Journal {
  readonly #events: NlbEvent[] = [];
  readonly #listeners = new Set<(event: NlbEvent) => void>();
  #last = 0;
  #convergences = 0;

  /** Since the agent runs, also those whose events are forgotten. */
  get convergences(): number {
    return this.#convergences;
  }

  add(host: HostId, name: EventName, cause: CauseName | null, text: string, next: string | null): NlbEvent {
    const { code, level } = EventCatalogue[name];
    const event: NlbEvent = { id: ++this.#last, wallTimeMs: Date.now(), host, name, code, level, cause, text, next };
    if (name === "NlbConverged" || name === "NlbConvergedDefault") this.#convergences += 1;
    this.#events.push(event);
    if (this.#events.length > EVENTS_MAX) this.#events.shift();
    for (const listener of this.#listeners) listener(event);
    return event;
  }

  after(id: number, limit: number): readonly NlbEvent[] {
    return this.#events.filter((event) => event.id > id).slice(-limit);
  }

  subscribe(listener: (event: NlbEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
