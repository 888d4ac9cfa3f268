import { parseTracked, TRACKING_TABLE } from "../nlb-filter/xdp-connections.ts";
import type { ClusterParameters } from "../nlb/parameters.ts";
import { virtualAddresses } from "../nlb/parameters.ts";
import { monotonicMs } from "../platform/clock.ts";
import { readKernelTable } from "../platform/kernel-file.ts";
import { countByRule, forwarded, keyOf, parseSockets } from "./connections.ts";
import type { OpenConnection } from "./connections.ts";
import type { ConnectionList } from "./facade.ts";

const SOCKET_TABLES = ["/proc/net/tcp", "/proc/net/tcp6"] as const;
const EVERY_MS = 1_000;
/** The kernel's tables are long on a busy host, with all that has just ended: reading them takes at most this part of the time. */
const COUNTING_PART = 1 / 10;

/** Looks again and again at what is open here. */
export class ConnectionCounter {
  readonly #cluster: () => ClusterParameters;
  readonly #onCount: (open: Readonly<Record<string, number>>) => void;
  readonly #log: (line: string) => void;
  #timer: NodeJS.Timeout | null = null;
  #isStopped = false;
  #trackingProblem: string | null = null;
  #said = "";

  constructor(cluster: () => ClusterParameters, onCount: (open: Readonly<Record<string, number>>) => void, log: (line: string) => void) {
    this.#cluster = cluster;
    this.#onCount = onCount;
    this.#log = log;
  }

  start(): void {
    this.#later(EVERY_MS);
  }

  stop(): void {
    this.#isStopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  /** For people: what is counted, and what is not. */
  get counted(): string {
    if (this.#trackingProblem === null) return "sockets of this host, and connections that it passes on";
    return `sockets of this host; not connections that it passes on, such as to containers: ${this.#trackingProblem}`;
  }

  /** @param rule only those of this rule; null = all @throws the error of the system */
  async list(rule: string | null, limit: number): Promise<ConnectionList> {
    const cluster = this.#cluster();
    const all = await this.#look();
    const wanted = all.map((connection) => ({ ...connection, rule: keyOf(connection, cluster) })).filter((connection) => rule === null || connection.rule === rule);
    return { open: countByRule(all, cluster), counted: this.counted, connections: wanted.slice(0, limit), leftOut: Math.max(0, wanted.length - limit) };
  }

  #later(afterMs: number): void {
    this.#timer = setTimeout(() => void this.#count(), afterMs);
  }

  async #count(): Promise<void> {
    const startedMs = monotonicMs();
    try {
      const open = countByRule(await this.#look(), this.#cluster());
      if (this.#isStopped) return;
      this.#onCount(open);
      this.#said = "";
    } catch (error) {
      const { message } = error as Error;
      if (message !== this.#said) this.#log(`open connections: ${message}`);
      this.#said = message;
    }
    // The next one begins when this one has been told: of two that come after something, the second knows of it.
    if (!this.#isStopped) this.#later(Math.max(EVERY_MS, (monotonicMs() - startedMs) / COUNTING_PART));
  }

  async #look(): Promise<OpenConnection[]> {
    const virtual = virtualAddresses(this.#cluster());
    let found = forwarded(parseTracked(await this.#tracked(), virtual));
    for (const path of SOCKET_TABLES) found = found.concat(parseSockets(await readKernelTable(path), virtual));
    return found;
  }

  /** Without connection tracking nothing can be passed on to another address. */
  async #tracked(): Promise<string> {
    try {
      const text = await readKernelTable(TRACKING_TABLE);
      this.#trackingProblem = null;
      return text;
    } catch (error) {
      const { code = "", message } = error as NodeJS.ErrnoException;
      this.#trackingProblem = code === "ENOENT" ? `the kernel has no ${TRACKING_TABLE}` : message;
      return "";
    }
  }
}
