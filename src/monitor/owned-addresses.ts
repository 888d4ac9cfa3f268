import { MusterError } from "../model/errors.ts";
import type { MonitorReport } from "./contract.ts";

type OwnedReport = Extract<MonitorReport, { kind: "addresses" }>;

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/** The service answers when its lease worker has told the kernel: a few milliseconds. */
const ANSWER_LIMIT_MS = 5_000;
/** Far more than a node has adapters and roles for. */
const ADDRESSES_MAX = 1_024;

/**
 * The addresses that resources of this monitor own. The service is told the whole set whenever it
 * changes, so that nothing is left when a message was lost with its monitor.
 */
export class OwnedAddresses {
  readonly #report: (report: OwnedReport) => void;
  readonly #owned = new Set<string>();
  readonly #waiting = new Map<number, Waiting>();
  readonly #isGated: boolean;
  #number = 0;
  #isAbandoned = false;

  /** @param isGated false with the embedded engine: there is nobody to tell */
  constructor(isGated: boolean, report: (report: OwnedReport) => void) {
    this.#isGated = isGated;
    this.#report = report;
  }

  /** Resolves when the gate lets the address pass while the lease holds. @throws MusterError when it cannot; it is not owned then */
  async own(address: string): Promise<void> {
    if (!this.#isGated || this.#owned.has(address)) return;
    if (this.#owned.size >= ADDRESSES_MAX) throw new MusterError("MUSTER_LIMIT", { what: "The number of addresses of a node", limit: ADDRESSES_MAX });
    this.#owned.add(address);
    try {
      await this.#tell();
    } catch (error) {
      this.#owned.delete(address);
      // It may have been carried out all the same; nobody waits for this.
      this.#tell().catch(() => undefined);
      throw error;
    }
  }

  /** Resolves when the address does not pass any more. @throws MusterError when the service did not say so in time */
  async disown(address: string): Promise<void> {
    if (this.#owned.delete(address)) await this.#tell();
  }

  /** There is nobody left to tell: what is asked from now on counts as done, and what waits too. */
  abandon(): void {
    this.#isAbandoned = true;
    for (const { resolve, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      resolve();
    }
    this.#waiting.clear();
  }

  /** The service's answer. */
  answered(number: number, problem: string | null): void {
    const waiting = this.#waiting.get(number);
    this.#waiting.delete(number);
    if (waiting === undefined) return;
    clearTimeout(waiting.timer);
    if (problem === null) waiting.resolve();
    else waiting.reject(new MusterError("MUSTER_INTERNAL", { problem }));
  }

  #tell(): Promise<void> {
    if (this.#isAbandoned) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const number = ++this.#number;
      const timer = setTimeout(() => {
        this.#waiting.delete(number);
        reject(new MusterError("MUSTER_INTERNAL", { problem: `the service did not change the gate within ${ANSWER_LIMIT_MS} ms` }));
      }, ANSWER_LIMIT_MS);
      this.#waiting.set(number, { resolve, reject, timer });
      this.#report({ kind: "addresses", number, owned: [...this.#owned].sort() });
    });
  }
}
