import type { EffectId, Generation, ResourceId } from "../model/identifiers.ts";
import { compareOrdinalIds } from "../model/identifiers.ts";
import type { ReportedState, ReportedStatus } from "../model/inputs.ts";
import type { ProviderRecord, ResourceRecord } from "../model/objects.ts";
import type { MonitorOrder, MonitorReport } from "./contract.ts";
import type { LifeOptions } from "./resource-life.ts";
import { ResourceLife, reasonOf } from "./resource-life.ts";

export type OnlineOrder = Extract<MonitorOrder, { kind: "online" }>;

export interface RunnerOptions {
  readonly resource: ResourceId;
  readonly report: (report: MonitorReport) => void;
  /** Makes what a life needs from the order. @throws Error when the type is not known */
  readonly lifeOptions: (order: OnlineOrder) => Omit<LifeOptions, "onFailure" | "onLingering" | "onStatus">;
}

/** How a life that is being ended is reported when it is gone. */
interface Outcome {
  state: "offline" | "failed";
  reason: string;
  effect: EffectId | null;
  permitEnded?: true;
}

/** The level of one resource, and the orders that change it. Lives never overlap. */
export class ResourceRunner {
  readonly #options: RunnerOptions;
  #generation: Generation = 0;
  #state: ReportedState = "offline";
  #reason = "not started";
  #effect: EffectId | null = null;
  #newestOrder: EffectId | null = null;
  #permitEnded = false;
  /** What the type of the present life said beside the state, and why. */
  #status: ReportedStatus = {};
  #statusReason: string | null = null;
  #life: ResourceLife | null = null;
  #outcome: Outcome | null = null;
  /** Resolves when the newest life has ended. */
  #ended: Promise<void> = Promise.resolve();

  constructor(options: RunnerOptions) {
    this.#options = options;
  }

  get state(): ReportedState {
    return this.#state;
  }

  /** True when nothing of the resource is left and nothing needs to be remembered. */
  get isIdle(): boolean {
    return this.#life === null && this.#state === "offline";
  }

  /** True when a later order for this resource has been carried out; remembers the order otherwise. */
  isOvertaken(effect: EffectId): boolean {
    if (this.#newestOrder !== null && compareOrdinalIds(effect, this.#newestOrder) < 0) return true;
    this.#newestOrder = effect;
    return false;
  }

  /** Says again what the resource is now. */
  reportLevel(): void {
    this.#options.report({
      kind: "state",
      resource: this.#options.resource,
      generation: this.#generation,
      effect: this.#effect,
      state: this.#state,
      reason: this.#statusReason ?? this.#reason,
      processId: this.#life?.processId ?? null,
      ...(Object.keys(this.#status).length === 0 ? {} : { status: this.#status }),
      ...(this.#permitEnded ? { permitEnded: true } : {}),
    });
  }

  online(order: OnlineOrder): void {
    if (this.#life !== null && order.generation < this.#generation) {
      this.#reportRefused(order, `superseded: generation ${this.#generation} runs here`);
      return;
    }
    if (this.#life !== null && this.#outcome === null && order.generation === this.#generation) {
      // It is (coming) online already: that is what the order wants.
      this.#effect = order.effect;
      this.reportLevel();
      return;
    }
    if (this.#life !== null) this.#end(false, { state: "offline", reason: "started anew", effect: null });
    void this.#begin(order, this.#ended);
  }

  /** With grace, or at once. A failed resource becomes offline. */
  offline(graceful: boolean, generation: Generation, reason: string, effect: EffectId | null): void {
    if (this.#life === null) {
      this.#generation = Math.max(this.#generation, generation);
      this.#set("offline", reason, effect);
      return;
    }
    this.#end(graceful, { state: "offline", reason, effect });
  }

  /** The permit of the node ran out: at once, and told as that. */
  endWithPermit(reason: string): void {
    if (this.#life !== null) this.#end(false, { state: "offline", reason, effect: null, permitEnded: true });
  }

  update(resource: ResourceRecord): void {
    this.#life?.update(resource);
  }

  /** What it depends on is not as it was. */
  provide(providers: readonly ProviderRecord[]): void {
    this.#life?.provide(providers);
  }

  killNow(): void {
    this.#life?.killNow();
  }

  /** Resolves when nothing of the resource is left. */
  settled(): Promise<void> {
    return this.#ended;
  }

  async #begin(order: OnlineOrder, previous: Promise<void>): Promise<void> {
    this.#generation = order.generation;
    this.#outcome = null;
    let life: ResourceLife;
    try {
      life = new ResourceLife({
        ...this.#options.lifeOptions(order),
        onFailure: (reason) => this.#failed(life, reason, null),
        onLingering: (problem) => this.#lingers(life, problem),
        onStatus: (change, reason) => this.#say(life, change, reason),
      });
    } catch (error) {
      this.#life = null;
      await previous;
      if (this.#newestOrder === order.effect) this.#set("failed", reasonOf(error), order.effect);
      return;
    }
    this.#life = life;
    this.#set("onlinePending", order.reason, order.effect);
    try {
      await previous;
      if (life.isEnding) return;
      await life.start();
      if (this.#life !== life || life.isEnding) return;
      this.#set("online", order.reason, this.#effect);
    } catch (error) {
      this.#failed(life, reasonOf(error), this.#effect);
    }
  }

  /** Terminates a life that failed; it is reported failed only when nothing of it is left. */
  #failed(life: ResourceLife, reason: string, effect: EffectId | null): void {
    if (this.#life !== life || this.#outcome !== null) return;
    this.#end(false, { state: "failed", reason, effect });
  }

  #end(graceful: boolean, outcome: Outcome): void {
    const life = this.#life;
    if (life === null) return;
    // An order that comes while a failed life is being ended makes it offline; a failure of a life that is
    // being taken offline changes nothing.
    const first = this.#outcome === null;
    // What became of the newest order answers it: when its answer was lost it is given again, and this is all there is to say.
    outcome.effect ??= this.#outcome?.effect ?? this.#effect;
    this.#outcome = outcome;
    this.#status = {};
    this.#statusReason = null;
    const gone = life.end(graceful, outcome.reason);
    if (first && graceful) this.#set("offlinePending", outcome.reason, outcome.effect);
    if (!first) return;
    // A life that was ended while it waited for the one before it is gone before that one is.
    this.#ended = Promise.all([gone, this.#ended]).then(() => {
      if (this.#life !== life) return;
      this.#life = null;
      const { state, reason, effect, permitEnded = false } = this.#outcome ?? outcome;
      this.#outcome = null;
      this.#set(state, reason, effect, permitEnded);
    });
  }

  #lingers(life: ResourceLife, problem: string): void {
    if (this.#life === life && this.#outcome !== null) this.#set("offlinePending", `${this.#outcome.reason}; ${problem}`, this.#outcome.effect);
  }

  /** A level like the state: told when it changes, and with every later report of this life. */
  #say(life: ResourceLife, change: ReportedStatus, reason: string | null): void {
    if (this.#life !== life || this.#outcome !== null) return;
    const status = { ...this.#status, ...change };
    const statusReason = change.embeddedFailure === undefined ? this.#statusReason : reason;
    if (JSON.stringify(status) === JSON.stringify(this.#status) && statusReason === this.#statusReason) return;
    this.#status = status;
    this.#statusReason = statusReason;
    this.reportLevel();
  }

  #reportRefused(order: OnlineOrder, reason: string): void {
    this.#options.report({ kind: "state", resource: order.resource.id, generation: order.generation, effect: order.effect, state: "failed", reason, processId: null });
  }

  #set(state: ReportedState, reason: string, effect: EffectId | null, permitEnded = false): void {
    this.#state = state;
    this.#permitEnded = permitEnded;
    this.#reason = reason;
    this.#effect = effect;
    this.reportLevel();
  }
}
