import { readFileSync } from "node:fs";
import { MusterError } from "../model/errors.ts";
import type { EventName } from "../model/events.ts";
import type { AffinityEntry } from "../nlb-filter/contract.ts";
import type { Mismatch } from "../nlb/consistency.ts";
import { inCanonicalOrder, mismatches } from "../nlb/consistency.ts";
import { whoTakes, whyShare } from "../nlb/explain.ts";
import type { Answer, Question } from "../nlb/explain.ts";
import type { MapId, NlbMap } from "../nlb/map.ts";
import type { ClusterParameters, HostId, HostParameters } from "../nlb/parameters.ts";
import { ReturnCode } from "../nlb/states.ts";
import { validateCluster } from "../nlb/validation.ts";
import { Admission } from "./admission.ts";
import { AffinityExchange } from "./affinity.ts";
import { BalancerThread } from "./balancer-thread.ts";
import { changedCluster, changedHost, hostAfter, movesOf, refuseDedicated, whoIsRight } from "./changes.ts";
import { ConnectionCounter } from "./connection-counter.ts";
import { HostControl } from "./control.ts";
import type { AffinityList, AffinityQuery, ClusterChange, ClusterChangeOutcome, CommandForecast, CommandRequest, ConnectionsQuery, Dismissal, Explanation, HostChange, HostConnections, HostOutcome, NlbEvent, NlbFacade, NlbJoinAnswer, NlbJoinRequest, NlbStatus } from "./facade.ts";
import type { BalancedHost } from "./files.ts";
import { balancedHost, forgetBalancedHost, hostPaths, noteLife, peerToken, readLife, readSecrets, writeBalancedHost, writeLife } from "./files.ts";
import { Journal } from "./journal.ts";
import { Listings } from "./listings.ts";
import type { BalancerSnapshot, FromBalancer } from "./messages.ts";
import { Others } from "./others.ts";
import { Peers } from "./peers.ts";
import { Probes } from "./probes.ts";
import { statusOf } from "./status.ts";
import type { Trial } from "./trial.ts";
import { Turns } from "./turns.ts";

/** As the thread of the failover cluster's lease: before every ordinary program, after the kernel's own threads. */
const REAL_TIME_PRIORITY = 10;

export interface AgentOptions {
  readonly directory: string;
  readonly log: (line: string) => void;
  /** The balancer's thread ended by itself: nothing can go on. */
  readonly onEnd: (problem: string) => void;
  /** This machine is no host any more, and who asked for that knows it: the process may end. */
  readonly onLeft: () => void;
}

/** A host of a balancing cluster, but for its doors: what people and other hosts may ask of it. */
export class NlbAgent implements NlbFacade {
  readonly #options: AgentOptions;
  readonly #journal = new Journal();
  readonly #listeners = new Set<() => void>();
  readonly #others: Others;
  readonly #probes: Probes;
  readonly #affinity: AffinityExchange;
  readonly #admission: Admission;
  readonly #counter: ConnectionCounter;
  readonly #listings: Listings;
  readonly #control: HostControl;
  readonly #turns = new Turns();
  #file: BalancedHost;
  #incarnation = 0;
  #thread: BalancerThread | null = null;

  private constructor(options: AgentOptions, file: BalancedHost) {
    this.#options = options;
    this.#file = file;
    const { key, authority } = readSecrets(options.directory);
    const peers = new Peers(authority, peerToken(key), file.apiPort);
    this.#others = new Others(peers);
    this.#probes = new Probes((rule, { isHealthy, capacity }) => {
      this.#thread?.send({ kind: "health", rule, isHealthy, capacity });
      this.#tell();
    });
    this.#affinity = new AffinityExchange(() => this.#running, peers, () => this.#file.cluster, options.log);
    this.#control = new HostControl(() => this.#running, this.#others, () => this.#file.cluster, options.log);
    this.#counter = new ConnectionCounter(() => this.#file.cluster, (open) => this.#thread?.send({ kind: "connections", open }), options.log);
    this.#listings = new Listings(this.#others, this.#counter, this.#affinity);
    this.#admission = new Admission(options.directory, () => this.#file, () => [this.#file.host.id, ...this.#running.snapshot.peers.map(({ host }) => host)]);
  }

  /** @throws MusterError MUSTER_NLB_NO_HOST, or what the adapter or the kernel said */
  static async start(options: AgentOptions): Promise<NlbAgent> {
    const agent = new NlbAgent(options, balancedHost(options.directory));
    await agent.#startThread();
    agent.#counter.start();
    agent.#probes.use(agent.#file.cluster);
    agent.#affinity.start();
    return agent;
  }

  /** In good order: the others need not wait. */
  async stop(): Promise<void> {
    this.#counter.stop();
    this.#control.stop();
    this.#probes.stop();
    this.#affinity.stop();
    const thread = this.#thread;
    this.#thread = null;
    await thread?.stop();
  }

  get configuration(): BalancedHost {
    return this.#file;
  }

  // ---- looking -----------------------------------------------------------------

  async snapshot(): Promise<BalancerSnapshot> {
    return this.#running.question<BalancerSnapshot>({ what: "snapshot" });
  }

  async status(): Promise<NlbStatus> {
    const snapshot = await this.snapshot();
    await this.#others.learnNames(snapshot.peers);
    return statusOf(snapshot, this.#file, this.#others.names, { counted: this.#counter.counted, convergences: this.#journal.convergences }, (rule) => this.#probes.health(rule));
  }

  async who(question: Question): Promise<Answer> {
    const snapshot = await this.snapshot();
    const { cluster, map } = mapOf(snapshot);
    return whoTakes(question, cluster, map, this.#dedicated(snapshot));
  }

  async why(name: string | null): Promise<readonly Explanation[]> {
    const snapshot = await this.snapshot();
    const status = await this.status();
    const self = snapshot.self.host;
    const found = status.hosts.find(({ id, name: own }) => (name === null ? id === self : String(id) === name || own === name));
    if (found !== undefined) {
      if (found.id === self) return [{ host: self, text: snapshot.why.reason, next: snapshot.why.next }];
      // It knows best.
      const outcome = await this.#others.ask<readonly Explanation[]>(snapshot.peers, found.id, "GET", "/v1/nlb/why");
      if ("answer" in outcome) return outcome.answer;
      return [{ host: found.id, text: `Its heartbeats say '${found.state}'. ${found.why?.text ?? ""} It cannot be asked: ${outcome.problem}`, next: found.why?.next ?? null }];
    }
    const { cluster, map } = mapOf(snapshot);
    return map.members.map(({ host }) => ({ host, text: whyShare(cluster, map, name!, host), next: null }));
  }

  async map(hash: string): Promise<NlbMap | null> {
    const { map } = await this.snapshot();
    return map?.id.hash === hash ? map : null;
  }

  async connections(query: ConnectionsQuery): Promise<readonly HostConnections[]> {
    return this.#listings.connections(await this.snapshot(), query);
  }

  async affinity(query: AffinityQuery): Promise<AffinityList> {
    return this.#listings.affinity(await this.snapshot(), query);
  }

  staying(): Promise<Readonly<Record<string, readonly AffinityEntry[]>>> {
    return this.#affinity.own();
  }

  events(after: number, limit: number): readonly NlbEvent[] {
    return this.#journal.after(after, limit);
  }

  onEvent(listener: (event: NlbEvent) => void): () => void {
    return this.#journal.subscribe(listener);
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  // ---- commands ------------------------------------------------------------------

  async command(request: CommandRequest): Promise<readonly HostOutcome[]> {
    return this.#control.command(await this.snapshot(), request);
  }

  async forecast(request: CommandRequest): Promise<CommandForecast> {
    return this.#control.forecast(await this.snapshot(), request);
  }

  tries(request: CommandRequest): Promise<Trial> {
    return this.#control.tries(request);
  }

  changeCluster(change: ClusterChange, { dryRun }: { readonly dryRun: boolean }): Promise<ClusterChangeOutcome> {
    return this.#turns.take(async () => {
      const before = this.#file.cluster;
      const after = changedCluster(before, change);
      const snapshot = await this.snapshot();
      refuseDedicated(after, this.#dedicated(snapshot));
      const host = hostAfter(this.#file.host, before, after, change.kind === "addRule" ? { rule: after.rules.at(-1)!, own: change.own } : null);
      const moves = movesOf(snapshot, before, after, host);
      const others = snapshot.peers.map(({ host }) => host);
      if (dryRun) return { before, after, moves, hosts: [snapshot.self.host, ...others].map((host) => ({ host, code: null, problem: null })) };
      this.#use(after, host);
      const tell = async (host: HostId): Promise<HostOutcome> => {
        const outcome = await this.#others.ask(snapshot.peers, host, "PUT", "/v1/nlb/cluster", { clusterId: this.#file.clusterId, cluster: after });
        return { host, code: "problem" in outcome ? null : ReturnCode.ok, problem: "problem" in outcome ? outcome.problem : null };
      };
      const hosts = await this.#turns.tell(() => Promise.all(others.map(tell)));
      return { before, after, moves, hosts: [{ host: snapshot.self.host, code: ReturnCode.ok, problem: null }, ...hosts] };
    });
  }

  takeCluster(clusterId: string, cluster: ClusterParameters): Promise<void> {
    return this.#turns.takeFromOther(async () => {
      this.#refuseOther(clusterId);
      const after = validateCluster(cluster);
      this.#use(after, hostAfter(this.#file.host, this.#file.cluster, after));
    });
  }

  changeHost(change: HostChange, { dryRun }: { readonly dryRun: boolean }): Promise<HostParameters> {
    return this.#turns.take(async () => {
      const { engine = this.#file.engine, ...parameters } = change;
      const host = changedHost(this.#file.host, parameters, this.#file.cluster);
      if (dryRun) return host;
      const isNew = host.id !== this.#file.host.id;
      if (engine !== this.#file.engine) this.#running.send({ kind: "engine", engine });
      this.#keep({ ...this.#file, engine, host });
      if (isNew) await this.#beginAnew();
      else this.#running.send({ kind: "configuration", cluster: this.#file.cluster, host });
      return host;
    });
  }

  sync(from: HostId | null, { dryRun }: { readonly dryRun: boolean }): Promise<{ readonly from: HostId; readonly mismatches: readonly Mismatch[] }> {
    return this.#turns.take(async () => {
      const { peers } = await this.snapshot();
      const source = from ?? whoIsRight(peers);
      if (source === null) throw new MusterError("MUSTER_NLB_HOST_UNKNOWN", { host: from ?? "any" });
      const outcome = await this.#others.ask<BalancedHost>(peers, source, "GET", "/v1/nlb/configuration");
      if ("problem" in outcome) throw new MusterError("MUSTER_NOT_REACHABLE", { address: `host ${source}`, problem: outcome.problem });
      const there = outcome.answer.cluster;
      const found = mismatches(this.#file.cluster, there);
      if (!dryRun) this.#use(there, hostAfter(this.#file.host, this.#file.cluster, there));
      return { from: source, mismatches: found };
    });
  }

  async dismiss({ dryRun }: { readonly dryRun: boolean }): Promise<Dismissal> {
    const { peers } = await this.snapshot();
    await this.#others.learnNames(peers);
    const silent = [...this.#others.names].filter(([host]) => !peers.some((peer) => peer.host === host)).map(([host, name]) => ({ host, name }));
    const hosts = await Promise.all(
      peers.map(async ({ host }): Promise<HostOutcome> => {
        const outcome = dryRun ? { answer: {} } : await this.#others.ask(peers, host, "POST", "/v1/nlb/leave", { clusterId: this.#file.clusterId });
        return "problem" in outcome ? { host, code: null, problem: outcome.problem } : { host, code: dryRun ? null : ReturnCode.ok, problem: null };
      }),
    );
    return { hosts, silent };
  }

  leave(clusterId: string): Promise<void> {
    return this.#turns.take(async () => {
      this.#refuseOther(clusterId);
      this.#options.log("another host ends the cluster: this one is none any more");
      await this.stop();
      forgetBalancedHost(this.#options.directory);
    });
  }

  hasLeft(): void {
    this.#options.onLeft();
  }

  async issueToken(validMs: number): Promise<{ readonly token: string; readonly expiresAtWallMs: number }> {
    return this.#admission.issue(validMs);
  }

  async admit(request: NlbJoinRequest): Promise<NlbJoinAnswer> {
    return this.#admission.admit(request);
  }

  // ---- inside ------------------------------------------------------------------------

  #refuseOther(clusterId: string): void {
    if (clusterId !== this.#file.clusterId) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "clusterId", problem: "it is another cluster's" });
  }

  /** Addresses of hosts that are known here, which are never balanced. */
  #dedicated({ peers }: BalancerSnapshot): ReadonlyMap<string, HostId> {
    const { dedicatedAddresses, id } = this.#file.host;
    return new Map([...peers.flatMap(({ host, address }) => (address === null ? [] : [[address, host] as const])), ...dedicatedAddresses.map((address) => [address, id] as const)]);
  }

  get #running(): BalancerThread {
    if (this.#thread === null) throw new MusterError("MUSTER_NOT_REACHABLE", { address: this.#options.directory, problem: "the balancer is starting or stopping" });
    return this.#thread;
  }

  async #startThread(): Promise<void> {
    const { directory, onEnd } = this.#options;
    const life = readLife(directory);
    // Higher than any before, even when the clock was set back.
    this.#incarnation = Math.max(Date.now(), life.incarnation + 1);
    writeLife(directory, { incarnation: this.#incarnation, mode: life.mode });
    const { cluster, host, adapter, heartbeatPort, engine } = this.#file;
    const key = Buffer.from(readFileSync(hostPaths.key(directory), "utf8").trim(), "hex");
    this.#thread = await BalancerThread.start(
      { cluster, host, adapter, key, heartbeatPort, incarnation: this.#incarnation, persisted: life.mode, engine, realTimePriority: REAL_TIME_PRIORITY },
      (message) => this.#receive(message),
      onEnd,
    );
    this.#probes.repeat();
  }

  /** Another id is another life, in which nothing drains. When it cannot begin nothing serves: whatever supervises the process starts it again. */
  async #beginAnew(): Promise<void> {
    const former = this.#thread;
    this.#thread = null;
    this.#control.stop();
    try {
      await former?.stop();
      await this.#startThread();
    } catch (error) {
      this.#options.onEnd(MusterError.from(error).message);
      throw error;
    }
  }

  #receive(message: FromBalancer): void {
    switch (message.kind) {
      case "changed":
        this.#affinity.look(message.snapshot);
        return this.#tell();
      case "ready":
        return this.#tell();
      case "log":
        return this.#options.log(message.line);
      case "event":
        return this.#note(message.name, message.cause, message.text, message.next);
      case "persist":
        return noteLife(this.#options.directory, { incarnation: this.#incarnation, mode: message.mode }, this.#options.log);
      case "fetchMap":
        return void this.#fetchMap(message.address, message.map);
      case "exchangeAffinity":
        return void this.#affinity.exchange(message.map, message.from).catch((error: Error) => this.#options.log(error.message));
      case "answer":
      case "failed":
        return;
    }
  }

  async #fetchMap(address: string | null, id: MapId): Promise<void> {
    if (address === null) return;
    try {
      const map = await this.#others.map(address, id);
      if (map !== null) this.#thread?.send({ kind: "map", map });
    } catch (error) {
      // It is asked for again as long as it is wanted.
      this.#options.log(`the map of ${address}: ${MusterError.from(error).message}`);
    }
  }

  #note(name: EventName, cause: NlbEvent["cause"], text: string, next: string | null): void {
    this.#options.log(`${name}: ${text}`);
    this.#journal.add(this.#file.host.id, name, cause, text, next);
  }

  #use(after: ClusterParameters, host: HostParameters): void {
    this.#keep({ ...this.#file, cluster: after, host });
    this.#running.send({ kind: "configuration", cluster: after, host });
    this.#probes.use(after);
    this.#tell();
  }

  #keep(file: BalancedHost): void {
    writeBalancedHost(this.#options.directory, file);
    this.#file = file;
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

/** The map with the parameters it is made for. @throws MusterError MUSTER_NLB_STOPPED when this host is in none */
function mapOf({ map, mapParameters, self }: BalancerSnapshot): { readonly map: NlbMap; readonly cluster: ClusterParameters } {
  if (map === null || mapParameters === null) throw new MusterError("MUSTER_NLB_STOPPED", { host: self.host });
  return { map, cluster: inCanonicalOrder(mapParameters) };
}
