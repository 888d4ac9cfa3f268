import { MusterError } from "../model/errors.ts";
import { clampTimerMs } from "../monitor/clock.ts";
import { reasonOf } from "../monitor/resource-life.ts";
import type { Health, ResourceContext } from "../monitor/resource-type.ts";
import type { Marker } from "../network/dns-marker.ts";
import { NameRecords, isReadByOthers } from "./network-name-records.ts";
import type { NameConfiguration } from "./network-name-values.ts";
import { addressesOf, fullName, readConfiguration, requireAddresses } from "./network-name-values.ts";

export interface RegistrationTimes {
  /** After a registration that went well (reference 10.3). */
  readonly refreshMs: number;
  /** After the first one that did not; doubled each time. */
  readonly firstRetryMs: number;
  readonly lastRetryMs: number;
  /** One registration with its reverse records, or one removal; less than an IsAlive call may take. */
  readonly limitMs: number;
}

export const USUAL_TIMES: RegistrationTimes = { refreshMs: 24 * 3_600_000, firstRetryMs: 2_000, lastRetryMs: 300_000, limitMs: 20_000 };

/**
 * One start of a Network Name: registers, registers again when the day is over, when a provider came or went, and when
 * it did not work. What went wrong is told once, as a line and as the status "network failure". One change at a time.
 */
export class NameRegistration {
  readonly #context: ResourceContext;
  readonly #configuration: NameConfiguration;
  readonly #owner: Marker;
  readonly #times: RegistrationTimes;
  #timer: NodeJS.Timeout | null = null;
  #retryMs: number;
  /** What was last tried to register. */
  #addresses: readonly string[] = [];
  #isRegistered = false;
  #problem: string | null = null;
  #running: Promise<unknown> | null = null;
  /** Aborted when nothing more is to be registered. */
  readonly #stopping = new AbortController();

  constructor(context: ResourceContext, times: RegistrationTimes = USUAL_TIMES) {
    this.#context = context;
    // A new name takes effect with the next start (reference 10.3); and so does everything else.
    this.#configuration = readConfiguration(context.values);
    this.#owner = { clusterId: context.clusterId, clusterName: context.clusterName, generation: context.generation };
    this.#times = times;
    this.#retryMs = times.firstRetryMs;
  }

  /** @throws MusterError when the name is somebody else's, or it must be registered and could not be */
  async start(): Promise<void> {
    const { isRequired, registersAll, keyFile } = this.#configuration;
    this.#addresses = requireAddresses(this.#context.resource.name, this.#context.providers, registersAll);
    if (isReadByOthers(keyFile)) this.#context.log(`others than its owner may read ${keyFile}: chmod 600 ${keyFile}`);
    try {
      await this.#register();
    } catch (error) {
      if (isRequired || isHeld(error)) throw error;
      this.#failed(error);
    }
  }

  /** A provider may have come or gone: costs nothing when none has. */
  look(): Health {
    const addresses = this.#wanted();
    // Without any the name is about to be ended itself, or has nothing better to say.
    if (!this.#isEnding && this.#running === null && addresses.length > 0 && String(addresses) !== String(this.#addresses)) void this.#again();
    return true;
  }

  /** Asks the server, where the name is required; what is missing there is put back first. */
  async check(): Promise<Health> {
    if (!this.#configuration.isRequired) return this.look();
    await this.#running;
    try {
      if ((await this.#problemNow()) === null) {
        if (!this.#isRegistered) await this.#again();
        return this.look();
      }
      const error = await this.#again();
      if (error !== null) throw error;
      const problem = await this.#problemNow();
      return problem === null ? true : { reason: reasonOf(problem) };
    } catch (error) {
      this.#failed(error);
      // That a server does not answer says nothing of the name; the records stand, and another node would not help it.
      return isUnreachable(error) ? true : { reason: reasonOf(error) };
    }
  }

  /**
   * The records stay, so that nobody remembers for a while that there is no such name; unless that is wanted, or the
   * name is another one now.
   */
  async end(): Promise<void> {
    this.stop();
    await this.#running;
    const renamed = fullName(this.#context.values) !== this.#configuration.name;
    if (this.#context.values["DeregisterOnOffline"] !== 1 && !renamed) return;
    try {
      const found = await this.#bounded(this.#context.signal, async (records) => records.deregister());
      this.#context.log(found ? `${this.#configuration.name} was removed from DNS` : `${this.#configuration.name} was not registered`);
    } catch (error) {
      this.#context.log(`${this.#configuration.name} stays in DNS, because it could not be removed: ${reasonOf(error)}`);
    }
  }

  /** Gives up what is under way; nothing more is begun. */
  stop(): void {
    this.#stopping.abort();
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  get #isEnding(): boolean {
    return this.#stopping.signal.aborted || this.#context.signal.aborted;
  }

  #wanted(): string[] {
    return addressesOf(this.#context.providers, this.#configuration.registersAll);
  }

  /** Registers once more, or waits for the one that does. @returns what went wrong; null = nothing */
  #again(): Promise<unknown> {
    this.#running ??= (async () => {
      try {
        const wanted = this.#wanted();
        if (wanted.length > 0) this.#addresses = wanted;
        await this.#register();
        return null;
      } catch (error) {
        this.#failed(error);
        if (this.#configuration.isRequired && isHeld(error)) this.#context.signalFailure(reasonOf(error));
        return error;
      } finally {
        this.#running = null;
      }
    })();
    return this.#running;
  }

  async #register(): Promise<void> {
    const addresses = this.#addresses;
    const { name } = this.#configuration;
    const { server, problems } = await this.#bounded(this.#stopping.signal, async (records) => ({ problems: await records.register(addresses), server: records.server }));
    const problem = problems.length === 0 ? null : problems.join("; ");
    if (problem === null || problem !== this.#problem) this.#context.log(`${name} is registered at ${server}: ${addresses.join(", ")}`);
    this.#isRegistered = true;
    this.#say(problem);
    if (problem !== null) return this.#retry();
    this.#retryMs = this.#times.firstRetryMs;
    this.#next(this.#times.refreshMs);
  }

  async #problemNow(): Promise<MusterError | null> {
    return this.#bounded(this.#stopping.signal, async (records) => records.problemOf(this.#addresses, this.#context.resource.name));
  }

  /** @throws also MUSTER_DNS_UNREACHABLE when it takes too long */
  async #bounded<Result>(ending: AbortSignal, action: (records: NameRecords) => Promise<Result>): Promise<Result> {
    const limit = AbortSignal.timeout(this.#times.limitMs);
    const signal = AbortSignal.any([limit, ending, this.#context.signal]);
    try {
      return await action(await NameRecords.open(this.#configuration, this.#owner, signal));
    } catch (error) {
      if (limit.aborted && !ending.aborted && !this.#context.signal.aborted) throw new MusterError("MUSTER_DNS_UNREACHABLE", { server: String(this.#context.values["DnsServer"] || this.#configuration.zone), problem: `it was not done within ${this.#times.limitMs} ms` });
      throw error;
    }
  }

  #failed(error: unknown): void {
    if (this.#isEnding) return;
    this.#isRegistered = false;
    this.#say(reasonOf(error));
    this.#retry();
  }

  #retry(): void {
    this.#next(this.#retryMs);
    this.#retryMs = Math.min(2 * this.#retryMs, this.#times.lastRetryMs);
  }

  #say(problem: string | null): void {
    if (problem === this.#problem) return;
    this.#problem = problem;
    this.#context.setStatus({ networkFailure: problem !== null });
    if (problem !== null) this.#context.log(`trouble with DNS: ${problem}`);
  }

  #next(delayMs: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#isEnding) return;
    this.#timer = setTimeout(() => void this.#again(), clampTimerMs(delayMs));
  }
}

function isHeld(error: unknown): boolean {
  return error instanceof MusterError && error.code === "MUSTER_DNS_NAME_HELD";
}

function isUnreachable(error: unknown): boolean {
  return error instanceof MusterError && error.code === "MUSTER_DNS_UNREACHABLE";
}
