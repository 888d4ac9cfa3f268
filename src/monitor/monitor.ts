import type { EffectId, ResourceId } from "../model/identifiers.ts";
import { MusterError } from "../model/errors.ts";
import { clampTimerMs, monotonicMs } from "./clock.ts";
import type { MonitorOrder, MonitorReport } from "./contract.ts";
import type { Guard } from "./guard.ts";
import type { MonitorOptions } from "./options.ts";
import type { OwnedAddresses } from "./owned-addresses.ts";
import type { ResourceType } from "./resource-type.ts";
import type { OnlineOrder } from "./resource-runner.ts";
import type { RunnerOptions } from "./resource-runner.ts";
import { ResourceRunner } from "./resource-runner.ts";
import type { TypeProblem } from "./type-loader.ts";

/** Ids of orders that are remembered: far more than can be on their way at one time. */
const EFFECTS_MAX = 4096;

export interface MonitorDependencies {
  readonly options: MonitorOptions;
  readonly types: ReadonlyMap<string, ResourceType>;
  /** Modules that could not be loaded: the reason a type may be missing. */
  readonly problems: readonly TypeProblem[];
  readonly guard: Guard;
  readonly addresses: OwnedAddresses;
  readonly report: (report: MonitorReport) => void;
  readonly onDeadlock: (resource: ResourceId, entry: string) => void;
}

/** The Resource Monitor without its process: carries out orders, has no policy (reference 1.2). */
export class Monitor {
  readonly #dependencies: MonitorDependencies;
  readonly #runners = new Map<ResourceId, ResourceRunner>();
  readonly #seen = new Set<EffectId>();
  /** null until the first permit: a service that gives none trusts the connection alone. */
  #permitUntilMs: number | null = null;
  #permitTimer: NodeJS.Timeout | null = null;
  #ended = false;

  constructor(dependencies: MonitorDependencies) {
    this.#dependencies = dependencies;
  }

  handle(order: MonitorOrder): void {
    switch (order.kind) {
      case "online":
        if (this.#isNew(order.effect, order.resource.id)) this.#runner(order.resource.id).online(order);
        return;
      case "offline":
      case "terminate":
        if (this.#isNew(order.effect, order.resource)) this.#offline(order);
        return;
      case "permit":
        this.#permit(order.untilMs);
        return;
      case "update":
        this.#runners.get(order.resource.id)?.update(order.resource);
        return;
      case "providers":
        this.#runners.get(order.resource)?.provide(order.providers);
        return;
      case "endAll":
        void this.endAll(order.graceful, order.reason).then(() => this.#dependencies.report({ kind: "ended" }));
        return;
      case "addressesOwned":
        this.#dependencies.addresses.answered(order.number, order.problem);
        return;
      case "ping":
        this.#dependencies.report({ kind: "pong", number: order.number });
        return;
    }
  }

  /**
   * Ends everything; nothing is started any more. Without grace every tree is sent SIGKILL before this
   * returns its promise, which resolves when all is gone.
   */
  async endAll(graceful: boolean, reason: string): Promise<void> {
    this.#ended = true;
    // The permit goes on counting: an end with grace may take longer than the node may run its roles.
    await this.#endRunners(graceful, (runner) => runner.offline(graceful, 0, reason, null));
    if (this.#permitTimer !== null) clearTimeout(this.#permitTimer);
  }

  #endRunners(graceful: boolean, end: (runner: ResourceRunner) => void): Promise<unknown> {
    const runners = [...this.#runners.values()].filter((runner) => runner.state !== "offline" && runner.state !== "failed");
    if (!graceful) for (const runner of runners) runner.killNow();
    for (const runner of runners) end(runner);
    // Those that had failed may still be on their way out.
    return Promise.all([...this.#runners.values()].map((runner) => runner.settled()));
  }

  #offline(order: Extract<MonitorOrder, { kind: "offline" | "terminate" }>): void {
    this.#runner(order.resource).offline(order.kind === "offline", order.generation, order.reason, order.effect);
  }

  /**
   * Makes orders idempotent (PROTOCOL rule 14): one that was seen before, or was overtaken by a later one for
   * the same resource, is answered with the level.
   */
  #isNew(effect: EffectId, resource: ResourceId): boolean {
    const runner = this.#runner(resource);
    if (this.#seen.has(effect) || runner.isOvertaken(effect)) {
      runner.reportLevel();
      return false;
    }
    this.#seen.add(effect);
    for (const oldest of this.#seen) {
      if (this.#seen.size <= EFFECTS_MAX) break;
      this.#seen.delete(oldest);
    }
    return true;
  }

  #runner(resource: ResourceId): ResourceRunner {
    for (const [id, runner] of this.#runners) if (runner.isIdle && id !== resource && this.#runners.size > EFFECTS_MAX) this.#runners.delete(id);
    let runner = this.#runners.get(resource);
    if (runner === undefined) {
      runner = new ResourceRunner({ resource, report: this.#dependencies.report, lifeOptions: (order) => this.#lifeOptions(order) });
      this.#runners.set(resource, runner);
    }
    return runner;
  }

  #lifeOptions(order: OnlineOrder): ReturnType<RunnerOptions["lifeOptions"]> {
    const { options, types, problems, guard, addresses, onDeadlock } = this.#dependencies;
    const type = types.get(order.resource.type);
    if (type === undefined) {
      const known = [...types.keys()].join(", ");
      const notLoaded = problems.map(({ file, problem }) => `; ${file} could not be loaded: ${problem}`).join("");
      throw new MusterError("MUSTER_TYPE_NOT_FOUND", { name: order.resource.type, known: `${known}${notLoaded}` });
    }
    return {
      monitor: options,
      type,
      resource: order.resource,
      providers: order.providers ?? [],
      groupName: order.groupName,
      generation: order.generation,
      isHandover: order.handover === true,
      reason: order.reason,
      guard,
      addresses,
      refusal: () => this.#refusal(order.startBeforeMs),
      onDeadlock: (entry) => onDeadlock(order.resource.id, entry),
    };
  }

  /** Why nothing may be started at this moment (PROTOCOL rule 14); null = it may. */
  #refusal(startBeforeMs: number): string | null {
    const nowMs = monotonicMs();
    if (this.#ended) return "not started: the monitor is ending";
    if (nowMs > startBeforeMs) return `not started: the order was ${Math.round(nowMs - startBeforeMs)} ms too old`;
    if (this.#permitUntilMs !== null && nowMs > this.#permitUntilMs) return "not started: the node has no valid permit";
    return null;
  }

  #permit(untilMs: number): void {
    this.#permitUntilMs = Math.max(this.#permitUntilMs ?? 0, untilMs);
    if (this.#permitTimer !== null) clearTimeout(this.#permitTimer);
    this.#permitTimer = setTimeout(() => this.#checkPermit(), clampTimerMs(Math.ceil(this.#permitUntilMs - monotonicMs())));
  }

  #checkPermit(): void {
    const lateMs = monotonicMs() - (this.#permitUntilMs ?? 0);
    if (lateMs < 0) return this.#permit(0);
    void this.#endRunners(false, (runner) => runner.endWithPermit("the permit of the node ran out: its service has not renewed it"));
  }
}
