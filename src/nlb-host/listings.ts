import { MusterError } from "../model/errors.ts";
import type { AffinityExchange } from "./affinity.ts";
import type { ConnectionCounter } from "./connection-counter.ts";
import type { AffinityList, AffinityQuery, ConnectionList, ConnectionsQuery, HostConnections } from "./facade.ts";
import type { BalancerSnapshot } from "./messages.ts";
import type { Others } from "./others.ts";

/** What may be long, so much of it as was asked for: connections, and clients of extended affinity, of this host and of others. */
export class Listings {
  readonly #others: Others;
  readonly #counter: ConnectionCounter;
  readonly #affinity: AffinityExchange;

  constructor(others: Others, counter: ConnectionCounter, affinity: AffinityExchange) {
    this.#others = others;
    this.#counter = counter;
    this.#affinity = affinity;
  }

  /** This host first. */
  async connections({ self, peers }: BalancerSnapshot, { rule, limit, isLocal }: ConnectionsQuery): Promise<readonly HostConnections[]> {
    const own = this.#counter.list(rule, limit).then((list): HostConnections => ({ host: self.host, problem: null, list }));
    if (isLocal) return [await own];
    const query = new URLSearchParams({ local: "true", limit: String(limit), ...(rule === null ? {} : { rule }) });
    const others = peers.map(async ({ host }): Promise<HostConnections> => {
      const outcome = await this.#others.ask<readonly HostConnections[]>(peers, host, "GET", `/v1/nlb/connections?${query}`);
      const list: ConnectionList | null = "answer" in outcome ? (outcome.answer[0]?.list ?? null) : null;
      return { host, problem: "problem" in outcome ? outcome.problem : null, list };
    });
    return Promise.all([own, ...others]);
  }

  /** @throws MusterError MUSTER_NLB_HOST_UNKNOWN, MUSTER_NOT_REACHABLE */
  async affinity({ self, peers }: BalancerSnapshot, { host, limit }: AffinityQuery): Promise<AffinityList> {
    if (host === null || host === self.host) return { host: self.host, ...(await this.#affinity.list(limit)) };
    if (!peers.some((peer) => peer.host === host)) throw new MusterError("MUSTER_NLB_HOST_UNKNOWN", { host });
    const outcome = await this.#others.ask<AffinityList>(peers, host, "GET", `/v1/nlb/affinity/list?limit=${limit}`);
    if ("problem" in outcome) throw new MusterError("MUSTER_NOT_REACHABLE", { address: `host ${host}`, problem: outcome.problem });
    return outcome.answer;
  }
}
