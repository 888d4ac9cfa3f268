import { promises as dns } from "node:dns";
import { isIP } from "node:net";
import { MusterError } from "../model/errors.ts";
import { normalizeAddress } from "./address-text.ts";
import { DNS_PORT, printServer, zoneCandidates } from "./dns-text.ts";
import type { ServerName } from "./dns-text.ts";

/** Questions to one server, without any cache in between. */

const QUESTION_LIMIT_MS = 1_000;
const QUESTION_TRIES = 2;
const NOTHING_THERE = ["ENODATA", "ENOTFOUND"];

type Resolver = InstanceType<typeof dns.Resolver>;

/** A new one each time: a resolver remembers which servers did not answer. Its questions are given up with the signal. */
function newResolver(server: ServerName | null, signal: AbortSignal): Resolver {
  const resolver = new dns.Resolver({ timeout: QUESTION_LIMIT_MS, tries: QUESTION_TRIES });
  if (server !== null) resolver.setServers([printServer(server)]);
  signal.addEventListener("abort", () => resolver.cancel(), { once: true });
  return resolver;
}

/** What stands at a name. */
export interface Found {
  /** Normalized; those of A first. */
  readonly addresses: readonly string[];
  /** Smallest TTL of them, s; null = there are none. */
  readonly ttlS: number | null;
  /** What the name is an alias of; null = it is none. */
  readonly alias: string | null;
}

/** One server, reached by its address. All methods throw MUSTER_DNS_UNREACHABLE or MUSTER_DNS_REFUSED. */
export class DnsServer {
  readonly server: ServerName;
  readonly #signal: AbortSignal;

  private constructor(server: ServerName, signal: AbortSignal) {
    this.server = server;
    this.#signal = signal;
  }

  /**
   * @param server as configured; null = the primary that the SOA record of the zone names
   * @param signal aborted when no answer is waited for any more
   * @param ask how a name is looked up; default: as this node is configured to
   */
  static async find(server: ServerName | null, zone: string, signal: AbortSignal, ask: Resolver = newResolver(null, signal)): Promise<DnsServer> {
    if (server !== null && isIP(server.host) !== 0) return new DnsServer(server, signal);
    let host = server?.host ?? null;
    const name = host ?? `the primary of ${zone}`;
    try {
      host ??= (await ask.resolveSoa(zone)).nsname;
      const [address] = [...((await orNothing(ask.resolve4(host))) ?? []), ...((await orNothing(ask.resolve6(host))) ?? [])];
      if (address === undefined) throw new MusterError("MUSTER_DNS_UNREACHABLE", { server: name, problem: `${host} has no address` });
      return new DnsServer({ host: address, port: server?.port ?? DNS_PORT }, signal);
    } catch (error) {
      throw error instanceof MusterError ? error : new MusterError("MUSTER_DNS_UNREACHABLE", { server: name, problem: `it is not found in DNS (${codeOf(error)})` });
    }
  }

  async lookUp(name: string): Promise<Found> {
    const resolver = newResolver(this.server, this.#signal);
    const [four, six, alias] = await this.#ask(name, Promise.all([
      orNothing(resolver.resolve4(name, { ttl: true })),
      orNothing(resolver.resolve6(name, { ttl: true })),
      orNothing(resolver.resolveCname(name)),
    ]));
    const records = [...(four ?? []), ...(six ?? [])];
    return {
      addresses: records.map(({ address }) => normalizeAddress(address)),
      ttlS: records.length === 0 ? null : Math.min(...records.map(({ ttl }) => ttl)),
      alias: alias?.[0] ?? null,
    };
  }

  /** The text records at a name, each in one piece. */
  async texts(name: string): Promise<string[]> {
    const records = await this.#ask(name, orNothing(newResolver(this.server, this.#signal).resolveTxt(name)));
    return (records ?? []).map((parts) => parts.join(""));
  }

  async pointers(name: string): Promise<string[]> {
    return (await this.#ask(name, orNothing(newResolver(this.server, this.#signal).resolvePtr(name)))) ?? [];
  }

  /** The zone of this server that a name is in; null = of none. */
  async zoneOf(name: string): Promise<string | null> {
    for (const candidate of zoneCandidates(name)) {
      try {
        const soa = await this.#ask(name, orNothing(newResolver(this.server, this.#signal).resolveSoa(candidate)));
        if (soa !== null) return candidate;
      } catch (error) {
        // Who serves only its own zones refuses questions about the others.
        if (!(error instanceof MusterError && error.code === "MUSTER_DNS_REFUSED")) throw error;
      }
    }
    return null;
  }

  async #ask<Answer>(name: string, answer: Promise<Answer>): Promise<Answer> {
    if (this.#signal.aborted) answer.catch(() => undefined);
    this.#signal.throwIfAborted();
    try {
      return await answer;
    } catch (error) {
      const code = codeOf(error);
      const server = printServer(this.server);
      if (code === "EREFUSED") throw new MusterError("MUSTER_DNS_REFUSED", { server, name, problem: "it does not answer questions about it (REFUSED)" });
      const problem = code === "ETIMEOUT" ? "no answer in time" : code === "ECONNREFUSED" ? "connection refused" : code === "ESERVFAIL" ? "it answers that it cannot do it now (SERVFAIL)" : code;
      throw new MusterError("MUSTER_DNS_UNREACHABLE", { server, problem });
    }
  }
}

/** null = the name has no such record. */
async function orNothing<Answer>(answer: Promise<Answer>): Promise<Answer | null> {
  try {
    return await answer;
  } catch (error) {
    if (NOTHING_THERE.includes(codeOf(error))) return null;
    throw error;
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}
