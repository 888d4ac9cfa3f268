import { MusterError } from "../model/errors.ts";
import type { AffinityEntry } from "../nlb-filter/contract.ts";
import type { MapId } from "../nlb/map.ts";
import type { ClusterParameters } from "../nlb/parameters.ts";
import { ruleKey } from "../nlb/parameters.ts";
import { monotonicMs } from "../platform/clock.ts";
import type { BalancerThread } from "./balancer-thread.ts";
import type { AffinityList, StayingClient } from "./facade.ts";
import type { BalancerSnapshot } from "./messages.ts";
import type { Peers } from "./peers.ts";

/** Lists are fetched again that often: a client who comes again stays longer than its keeper had said. */
const EXCHANGE_MS = 5_000;
/** An owner remembers a client longer than its keeper does: better nobody answers for a moment than two. */
const SLACK_MS = 3 * EXCHANGE_MS;

export interface KeptBy {
  readonly host: number;
  readonly entries: readonly AffinityEntry[];
}

type Lists = Readonly<Record<string, readonly AffinityEntry[]>>;

/**
 * Extended affinity: a client stays with its host although its bucket has another owner by now. The keeper has it in
 * its list; every other host fetches the lists of all members and leaves those clients alone.
 */
export class AffinityExchange {
  readonly #thread: () => BalancerThread;
  readonly #peers: Peers;
  readonly #cluster: () => ClusterParameters;
  readonly #log: (line: string) => void;
  /** By host: what it said last. Who cannot be asked keeps its clients until they run out. */
  readonly #lists = new Map<number, { readonly atMs: number; readonly lists: Lists }>();
  /** By host with a list: since when it is in no map any more, and how long its lease may still be open then. */
  readonly #gone = new Map<number, { readonly sinceMs: number; readonly holdMs: number }>();
  #timer: NodeJS.Timeout | null = null;
  #dropping: NodeJS.Timeout | null = null;

  constructor(thread: () => BalancerThread, peers: Peers, cluster: () => ClusterParameters, log: (line: string) => void) {
    this.#thread = thread;
    this.#peers = peers;
    this.#cluster = cluster;
    this.#log = log;
  }

  start(): void {
    // What the kernel refuses now is asked for again with the next look.
    this.#timer = setInterval(() => void this.#refresh().catch((error: Error) => this.#log(error.message)), EXCHANGE_MS);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    if (this.#dropping !== null) clearTimeout(this.#dropping);
    this.#dropping = null;
  }

  /**
   * The map may be another one. Clients of a host that is in it no more are anybody's, but not before that host's lease has
   * run out: until then its kernel may still answer them.
   */
  look({ map, lease }: Pick<BalancerSnapshot, "map" | "lease">): void {
    if (map === null) return;
    for (const host of this.#lists.keys()) {
      if (map.members.some((member) => member.host === host)) this.#gone.delete(host);
      else if (!this.#gone.has(host)) this.#gone.set(host, { sinceMs: monotonicMs(), holdMs: lease.holdMs });
    }
    this.#dropLater();
  }

  #dropLater(): void {
    if (this.#dropping !== null || this.#gone.size === 0) return;
    const dueMs = Math.min(...[...this.#gone.values()].map(({ sinceMs, holdMs }) => sinceMs + holdMs));
    this.#dropping = setTimeout(() => {
      this.#dropping = null;
      this.#drop().catch((error: Error) => this.#log(error.message));
    }, Math.max(1, Math.ceil(dueMs - monotonicMs())));
  }

  async #drop(): Promise<void> {
    const nowMs = monotonicMs();
    for (const [host, { sinceMs, holdMs }] of this.#gone) {
      if (sinceMs + holdMs > nowMs) continue;
      this.#gone.delete(host);
      this.#lists.delete(host);
    }
    this.#dropLater();
    await this.#apply();
  }

  /** This host's own clients, by rule. */
  async own(): Promise<Lists> {
    const lists: Record<string, readonly AffinityEntry[]> = {};
    for (const rule of this.#rules()) lists[rule] = await this.#thread().question<readonly AffinityEntry[]>({ what: "staying", rule });
    return lists;
  }

  /** Before this host takes what was others': their lists must be in. A host that does not answer is asked again with the next map. */
  async exchange(map: MapId, from: readonly { readonly host: number; readonly address: string | null }[]): Promise<void> {
    await Promise.all(from.map(({ host, address }) => this.#fetch(host, address)));
    await this.#apply();
    this.#thread().send({ kind: "affinityReady", map });
  }

  async #refresh(): Promise<void> {
    if (this.#rules().length === 0) return;
    const { map, peers, self, lease } = this.#thread().snapshot;
    if (map === null) return;
    // An answer of a host may have come after the map without it.
    this.look({ map, lease });
    const members = map.members.filter(({ host }) => host !== self.host).map(({ host }) => host);
    await Promise.all(members.map((host) => this.#fetch(host, peers.find((peer) => peer.host === host)?.address ?? null)));
    await this.#apply();
  }

  async #fetch(host: number, address: string | null): Promise<void> {
    if (address === null) return;
    try {
      const answer = await this.#peers.ask(address, "GET", "/v1/nlb/affinity");
      this.#lists.set(host, { atMs: monotonicMs(), lists: answer.json<Lists>() });
      this.#gone.delete(host);
    } catch (error) {
      this.#log(`the clients of host ${host}: ${MusterError.from(error).message}`);
    }
  }

  /** At most so many of each: who stays here, and whom this host leaves to others. */
  async list(limit: number): Promise<Omit<AffinityList, "host">> {
    const own = await this.own();
    const { host } = this.#thread().snapshot.self;
    const staying = this.#rules().flatMap((rule) => (own[rule] ?? []).map((entry): StayingClient => ({ rule, host, ...entry })));
    const away = this.#rules().flatMap((rule) => awayFrom(own[rule] ?? [], this.#known(rule)).map((entry): StayingClient => ({ rule, ...entry })));
    return { staying: staying.slice(0, limit), stayingLeftOut: Math.max(0, staying.length - limit), away: away.slice(0, limit), awayLeftOut: Math.max(0, away.length - limit) };
  }

  async #apply(): Promise<void> {
    const own = await this.own();
    for (const rule of this.#rules()) {
      const entries = awayFrom(own[rule] ?? [], this.#known(rule)).map(({ client, leftMs }) => ({ client, leftMs: leftMs + SLACK_MS }));
      this.#thread().send({ kind: "away", rule, entries });
    }
  }

  /** What other hosts said of a rule, with what is left of it now. */
  #known(rule: string): readonly KeptBy[] {
    return [...this.#lists].map(([host, { atMs, lists }]) => {
      const ageMs = Math.round(monotonicMs() - atMs);
      return { host, entries: (lists[rule] ?? []).map(({ client, leftMs }) => ({ client, leftMs: leftMs - ageMs })) };
    });
  }

  #rules(): string[] {
    return this.#cluster().rules.filter(({ mode, affinity, timeoutMinutes }) => mode === "multiple" && affinity !== "none" && timeoutMinutes > 0).map(ruleKey);
  }
}

/** Clients who stay with others: of two who have one, who saw it last keeps it. Pure. */
export function awayFrom(own: readonly AffinityEntry[], others: readonly KeptBy[]): readonly (AffinityEntry & { readonly host: number })[] {
  const mine = new Map(own.map(({ client, leftMs }) => [client, leftMs]));
  const away = new Map<string, AffinityEntry & { readonly host: number }>();
  for (const { host, entries } of others) {
    for (const { client, leftMs } of entries) {
      if (leftMs > 0 && leftMs > (mine.get(client) ?? 0) && leftMs > (away.get(client)?.leftMs ?? 0)) away.set(client, { client, leftMs, host });
    }
  }
  return [...away.values()];
}
