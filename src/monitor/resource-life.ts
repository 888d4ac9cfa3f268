import type { Generation } from "../model/identifiers.ts";
import { MusterError } from "../model/errors.ts";
import type { ReportedStatus } from "../model/inputs.ts";
import type { ProviderRecord, ResourceRecord } from "../model/objects.ts";
import { numberPropertyOf, resourceProperties, resourceTypeProperties } from "../model/properties.ts";
import { UNSET } from "../model/states.ts";
import { withinMs } from "./clock.ts";
import { EntryCalls } from "./entry-calls.ts";
import type { Guard } from "./guard.ts";
import type { OwnedAddresses } from "./owned-addresses.ts";
import type { PollIntervals } from "./health-polls.ts";
import { HealthPolls } from "./health-polls.ts";
import type { MonitorOptions } from "./options.ts";
import type { Health, PrivateValues, ResourceContext, ResourceType, RoleProcess, SpawnOptions } from "./resource-type.ts";
import { privateValuesOf } from "./resource-type.ts";
import type { RoleLock } from "./role-lock.ts";
import { takeRoleLock } from "./role-lock.ts";
import { RoleOutput } from "./role-output.ts";
import { RoleTree } from "./role-tree.ts";
import { formatRoleToken } from "./token.ts";

export interface LifeOptions {
  readonly monitor: MonitorOptions;
  readonly type: ResourceType;
  readonly resource: ResourceRecord;
  /** What it depends on, as it was when the order was given. */
  readonly providers: readonly ProviderRecord[];
  readonly groupName: string;
  readonly generation: Generation;
  readonly isHandover: boolean;
  readonly reason: string;
  readonly guard: Guard;
  readonly addresses: OwnedAddresses;
  /** Why it may not start (any more); null = it may. Asked last thing before the type is called. */
  readonly refusal: () => string | null;
  /** Noticed after `start` has returned: an event, or a poll. At most once. */
  readonly onFailure: (reason: string) => void;
  /** The type says something new beside the state. */
  readonly onStatus: (change: ReportedStatus, reason: string | null) => void;
  /** It should have ended, but something of it is still there; said again every few seconds. */
  readonly onLingering: (problem: string) => void;
  readonly onDeadlock: (entry: string) => void;
}

/** Longest time for ending what an earlier copy left, and for proving that this one is gone. */
const END_LIMIT_MS = 5_000;
/** Terminate and Close are to be immediate; the tree is killed without them. */
const TERMINATE_LIMIT_MS = 1_000;
const ROTATION_CHECK_MS = 1_000;
const LOOKS_ALIVE_LIMIT_MIN_MS = 2_000;
const IS_ALIVE_LIMIT_MIN_MS = 5_000;

/**
 * One life of a resource, from an order to bring it online to the proof that nothing of it is left. It has
 * its own context, lock and process tree, so that no life can disturb the next.
 */
export class ResourceLife {
  readonly #options: LifeOptions;
  readonly #tree: RoleTree;
  readonly #calls: EntryCalls;
  readonly #abort = new AbortController();
  readonly #polls: HealthPolls;
  readonly #failed = Promise.withResolvers<never>();
  /** Of this life: what its type forgets to give up is given up with it. */
  readonly #owned = new Set<string>();
  #resource: ResourceRecord;
  #providers: readonly ProviderRecord[];
  #values: PrivateValues = {};
  #output: RoleOutput | null = null;
  #outputStart = 0;
  #rotation: NodeJS.Timeout | null = null;
  #lock: RoleLock | null = null;
  #acquiring: Promise<RoleLock> | null = null;
  #context: ResourceContext | null = null;
  #typeState: unknown = undefined;
  #opened = false;
  #serving = false;
  #failureTold = false;
  #terminated: Promise<unknown> | null = null;
  #ending: Promise<void> | null = null;
  /** The process people look for; null when there is none (any more). */
  processId: number | null = null;

  constructor(options: LifeOptions) {
    this.#options = options;
    this.#resource = options.resource;
    this.#providers = options.providers;
    this.#tree = new RoleTree({ clusterId: options.monitor.clusterId, resource: options.resource.id, generation: options.generation }, options.guard);
    this.#calls = new EntryCalls(() => this.#number("DeadlockTimeout"), options.onDeadlock);
    // Nobody may be listening when a failure is signalled.
    this.#failed.promise.catch(() => undefined);
    this.#polls = new HealthPolls({
      looksAlive: () => this.#ask("looksAlive", Math.max(this.#intervals().looksAliveMs, LOOKS_ALIVE_LIMIT_MIN_MS)),
      isAlive: () => this.#ask("isAlive", options.type.isAliveLimitMs?.(this.#values) ?? Math.max(this.#intervals().isAliveMs, IS_ALIVE_LIMIT_MIN_MS)),
      intervals: () => this.#intervals(),
      onUnhealthy: (reason) => this.#fail(reason),
    });
  }

  get isEnding(): boolean {
    return this.#ending !== null;
  }

  /**
   * Takes the lock (ending what earlier copies left) and brings the resource online.
   * @throws the reason, in the words people read; the caller must then call {@link end}
   */
  async start(): Promise<void> {
    const { monitor, type, generation, reason } = this.#options;
    this.#values = privateValuesOf(type, this.#resource.privateProperties, { isGated: monitor.isGated });
    this.#refuseIfLate();
    this.#output = new RoleOutput(monitor.directory, this.#resource.id, monitor.nodeName);
    this.#rotation = setInterval(() => this.#rotate(), ROTATION_CHECK_MS);
    this.#outputStart = this.#output.size();
    this.#context = this.#makeContext(this.#output);

    this.#acquiring = takeRoleLock(
      monitor.directory,
      {
        resource: this.#resource.id,
        clusterId: monitor.clusterId,
        generation,
        node: monitor.nodeId,
        incarnation: monitor.incarnation,
        monitorProcessId: process.pid,
        token: formatRoleToken({ clusterId: monitor.clusterId, resource: this.#resource.id, generation }),
      },
      END_LIMIT_MS,
    );
    this.#lock = await this.#acquiring;
    if (this.#lock.ended.length > 0) this.#output.log(`ended leftovers of an earlier copy: process ${this.#lock.ended.join(", ")}`);
    // Taking the lock may have taken its time; and this is the last moment at which nothing has been started.
    this.#refuseIfLate();
    this.#output.log(`online, generation ${generation}: ${reason}`);

    const context = this.#context;
    const pendingMs = this.#number("PendingTimeout");
    const pending = (async () => {
      if (type.open !== undefined) this.#typeState = await this.#calls.run("open", pendingMs, () => type.open?.(context));
      this.#opened = true;
      this.#throwIfEnding();
      await this.#calls.run("online", pendingMs, () => type.online(context, this.#typeState));
    })();
    pending.catch(() => undefined);
    await Promise.race([pending, this.#failed.promise]);
    this.#throwIfEnding();
    // From here the lock is exactly as long-lived as the processes that inherited it.
    if (type.lockHolder === "processes" && this.#tree.isUsed) this.#lock.release();
    this.#serving = true;
    this.#polls.start();
  }

  /** New intervals and values for a resource that runs. Values that do not hold together are not taken over. */
  update(resource: ResourceRecord): void {
    try {
      this.#values = privateValuesOf(this.#options.type, resource.privateProperties, { isGated: this.#options.monitor.isGated });
    } catch (error) {
      this.#output?.log(`new properties are not used: ${reasonOf(error)}`);
      return;
    }
    this.#resource = resource;
    if (this.#serving && !this.isEnding) this.#polls.start();
  }

  provide(providers: readonly ProviderRecord[]): void {
    this.#providers = providers;
  }

  /** Sends SIGKILL to the whole tree now; {@link end} must follow. */
  killNow(): void {
    this.#abort.abort();
    this.#tree.killNow();
  }

  /**
   * Ends the life: with grace (Offline), or at once (Terminate). Called again without grace it cuts a
   * graceful end short. Resolves when everything is proven gone, however long that takes: a process that
   * waits for a broken disk cannot be killed, and must not be called offline.
   */
  end(graceful: boolean, reason: string): Promise<void> {
    if (!graceful) this.#terminateNow();
    this.#ending ??= this.#end(graceful && this.#serving, reason);
    return this.#ending;
  }

  async #end(graceful: boolean, reason: string): Promise<void> {
    const { type } = this.#options;
    this.#polls.stop();
    this.#output?.log(`${graceful ? "offline" : "terminate"}: ${reason}`);
    const offline = graceful && type.offline !== undefined && (await this.#offline());
    // A start that is still waiting for the lock must not get it behind our back.
    await this.#acquiring?.then((lock) => (this.#lock = lock)).catch(() => undefined);
    const terminated = offline ? this.killNow() : this.#terminateNow();
    const gone = this.#proveGone();
    await terminated;
    await this.#close();
    await Promise.allSettled([...this.#owned].map((address) => this.#disown(address)));
    await gone;
    this.processId = null;
    this.#lock?.release();
    if (this.#rotation !== null) clearInterval(this.#rotation);
    this.#output?.log("ended");
    this.#output?.close();
  }

  async #proveGone(): Promise<void> {
    while (this.#tree.isUsed) {
      const { remaining } = await this.#tree.end(END_LIMIT_MS);
      if (remaining.length === 0) return;
      const problem = `process ${remaining.join(", ")} does not go away`;
      this.#output?.log(problem);
      this.#options.onLingering(problem);
    }
  }

  /** @returns false when it has to be terminated after all */
  async #offline(): Promise<boolean> {
    const { type } = this.#options;
    const context = this.#context;
    if (context === null) return false;
    const offline = this.#calls.run("offline", this.#number("PendingTimeout"), () => type.offline?.(context, this.#typeState)).then(
      () => true,
      (error: unknown) => {
        this.#output?.log(`offline failed, ending it at once: ${reasonOf(error)}`);
        return false;
      },
    );
    const aborted = new Promise<false>((resolve) => this.#abort.signal.addEventListener("abort", () => resolve(false), { once: true }));
    return Promise.race([offline, aborted]);
  }

  #terminateNow(): Promise<unknown> {
    const { type } = this.#options;
    const context = this.#context;
    this.#abort.abort();
    if (this.#opened && context !== null && type.terminate !== undefined) {
      this.#terminated ??= withinMs(this.#calls.run("terminate", TERMINATE_LIMIT_MS, () => type.terminate?.(context, this.#typeState)), TERMINATE_LIMIT_MS, null).catch((error: unknown) => this.#output?.log(`terminate failed: ${reasonOf(error)}`));
    }
    this.#tree.killNow();
    return this.#terminated ?? Promise.resolve();
  }

  async #close(): Promise<void> {
    const { type } = this.#options;
    const context = this.#context;
    if (!this.#opened || context === null || type.close === undefined) return;
    await this.#calls.run("close", TERMINATE_LIMIT_MS, () => type.close?.(context, this.#typeState)).catch((error: unknown) => this.#output?.log(`close failed: ${reasonOf(error)}`));
  }

  #makeContext(output: RoleOutput): ResourceContext {
    const { monitor, groupName, generation, isHandover } = this.#options;
    const currentResource = (): ResourceRecord => this.#resource;
    const currentValues = (): PrivateValues => this.#values;
    const currentProviders = (): readonly ProviderRecord[] => this.#providers;
    return {
      get resource() {
        return currentResource();
      },
      get values() {
        return currentValues();
      },
      get providers() {
        return currentProviders();
      },
      groupName,
      clusterName: monitor.clusterName,
      clusterId: monitor.clusterId,
      nodeName: monitor.nodeName,
      generation,
      isHandover,
      workingDirectory: monitor.workingDirectory,
      signal: this.#abort.signal,
      log: (text) => output.log(text),
      spawn: (command, words, options) => this.#spawn(command, words, options ?? {}),
      lastOutputLine: () => output.lastLine(this.#outputStart),
      progress: () => this.#calls.progress(),
      signalFailure: (reason) => this.#fail(reason),
      setStatus: (status) => this.#options.onStatus(checkStatus(status), null),
      ownAddress: (address) => this.#own(address),
      disownAddress: (address) => this.#disown(address),
      signalEmbeddedFailure: (reason) => this.#options.onStatus({ embeddedFailure: reason !== null }, reason),
    };
  }

  #spawn(command: string, words: readonly string[], options: SpawnOptions): RoleProcess {
    const { monitor, groupName, generation } = this.#options;
    if (this.#output === null || this.isEnding) throw new Error("the resource is being ended and may not start anything");
    if (!this.#serving) this.#refuseIfLate();
    const child = this.#tree.spawn({
      command,
      words,
      currentDirectory: options.currentDirectory ?? monitor.workingDirectory,
      environment: {
        ...options.environment,
        MUSTER_CLUSTER: monitor.clusterName,
        MUSTER_NODE: monitor.nodeName,
        MUSTER_GROUP: groupName,
        MUSTER_RESOURCE: this.#resource.name,
        MUSTER_GENERATION: String(generation),
      },
      outputDescriptor: this.#output.descriptor,
      lockDescriptor: this.#lock?.descriptor ?? -1,
    });
    if (options.main ?? this.processId === null) {
      this.processId = child.processId;
      this.#output.log(`started process ${child.processId}, generation ${generation}: ${[command, ...words].join(" ").slice(0, 400)}`);
    }
    return child;
  }

  async #own(address: string): Promise<void> {
    this.#throwIfEnding();
    this.#owned.add(address);
    await this.#options.addresses.own(address);
    if (this.isEnding) await this.#disown(address);
    this.#throwIfEnding();
  }

  async #disown(address: string): Promise<void> {
    if (this.#owned.delete(address)) await this.#options.addresses.disown(address);
  }

  #fail(reason: string): void {
    if (this.#failureTold || this.isEnding) return;
    this.#failureTold = true;
    if (this.#serving) this.#options.onFailure(reason);
    else this.#failed.reject(new Error(reason));
  }

  #ask(entry: "looksAlive" | "isAlive", limitMs: number): Promise<Health> {
    const { type } = this.#options;
    const context = this.#context;
    if (context === null || type[entry] === undefined) return Promise.resolve(true);
    return this.#calls.run(entry, limitMs, () => type[entry]?.(context, this.#typeState) ?? true);
  }

  #rotate(): void {
    try {
      this.#output?.rotate();
    } catch {
      // A full disk is no reason to end a role; it is tried again.
    }
  }

  #refuseIfLate(): void {
    this.#throwIfEnding();
    const refusal = this.#options.refusal();
    if (refusal !== null) throw new Error(refusal);
  }

  #throwIfEnding(): void {
    if (this.isEnding || this.#abort.signal.aborted) throw new Error("it was ended while it was being started");
  }

  #number(name: string): number {
    return numberPropertyOf(resourceProperties, this.#resource.properties, name);
  }

  #intervals(): PollIntervals {
    return { looksAliveMs: this.#interval("LooksAlivePollInterval"), isAliveMs: this.#interval("IsAlivePollInterval") };
  }

  #interval(name: "LooksAlivePollInterval" | "IsAlivePollInterval"): number {
    const own = this.#number(name);
    return own === UNSET ? numberPropertyOf(resourceTypeProperties, this.#options.type.properties, name) : own;
  }
}

const STATUS_NAMES: readonly string[] = ["locked", "networkFailure", "osHeartbeat", "applicationReady"];

/** What a module written elsewhere hands over. @throws Error naming what is wrong */
function checkStatus(status: Omit<ReportedStatus, "embeddedFailure">): ReportedStatus {
  for (const [name, value] of Object.entries(status)) {
    if (!STATUS_NAMES.includes(name)) throw new Error(`setStatus: '${name}' is not one of ${STATUS_NAMES.join(", ")}`);
    if (typeof value !== "boolean") throw new Error(`setStatus: '${name}' is true or false`);
  }
  return status;
}

/** An error in the words of a reason: what happened, and for a named error what helps. */
export function reasonOf(error: unknown): string {
  if (error instanceof MusterError) return `${error.message} ${error.next}`;
  return error instanceof Error ? error.message : String(error);
}
