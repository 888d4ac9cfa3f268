import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { knownWeights } from "../core/index.ts";
import type { ClusterState } from "../core/index.ts";
import { CorosyncDaemon } from "../engine/corosync/daemon.ts";
import { ConfigurationFollower } from "../engine/corosync/follower.ts";
import { corosyncConfiguration } from "../engine/corosync/configuration.ts";
import { createCorosyncEngine } from "../engine/corosync/engine.ts";
import type { KnownVotes } from "../engine/corosync/connectivity.ts";
import type { LinkState } from "../engine/corosync/cmap.ts";
import { Heartbeat } from "../engine/corosync/heartbeat.ts";
import type { CorosyncEngine, Refusal } from "../engine/corosync/engine.ts";
import type { Engine } from "../engine/contract.ts";
import { LeaseLengths } from "../lease/lengths.ts";
import { leaseParameters } from "../lease/parameters.ts";
import type { LeaseParameters } from "../lease/parameters.ts";
import { LeaseHost } from "../leasing/host.ts";
import type { LeaseHostOptions } from "../leasing/host.ts";
import type { TokenTimes } from "../log/types.ts";
import type { ReleaseOptions } from "../leasing/release.ts";
import { monotonicMs } from "../monitor/clock.ts";
import { gateTable } from "../network/gate-rules.ts";
import type { LogStatus } from "../log/types.ts";
import type { Member, NodeId } from "../model/identifiers.ts";
import type { WitnessRecord } from "../model/objects.ts";
import { PROTOCOL_VERSION } from "../model/version.ts";
import type { WeightsInForce } from "../model/votes.ts";
import type { Witness } from "../quorum/witness.ts";
import { machineAdapters } from "./adapters.ts";
import type { AdapterReader } from "./adapters.ts";
import { clusterPaths, readKey, readMembers, writeMembers } from "./cluster-files.ts";
import type { ClusterConfiguration, HostSettings, KnownMember, KnownMembers } from "./cluster-files.ts";
import { COMMON_TIMES } from "./engines.ts";
import type { EngineSource, LogTimes } from "./engines.ts";
import { membersOf } from "./members.ts";
import { witnessConnections } from "./witnesses.ts";

/** PROTOCOL rule 3: members silent for T are left out. */
const SILENCE_MS = 250;
const LOOP_MS = 50;
/** corosync tells of a link seconds after it uses it: until then who is a member is heard, on whatever link. */
const LINKS_SETTLE_MS = 10_000;
/** Those with a view answer the first heartbeat at once; who is busy may take a while. */
const FIRST_WORD_MS = 300;
const STAND_RETRY_MS = 5_000;
/** Others say several times a second that they do not know this machine; who has not for so long has changed its mind. */
const UNKNOWN_MS = 5_000;
/** So many ticks are sent in the time after which a silent member is missed. */
const TICKS_IN_DETECTION = 4;
/** Above everything that is not as pressing; below corosync's own. */
const REAL_TIME_PRIORITY = 10;
const LEASE_CHANNEL = new URL(import.meta.url.endsWith(".ts") ? "../engine/corosync/lease-channel.ts" : "../engine/corosync/lease-channel.js", import.meta.url).href;

/**
 * The engine of nodes that are machines: corosync, configured and supervised here, for as long as the service runs. It
 * outlasts the lives of the service, and follows the nodes of the configuration.
 */
export class HostEngines implements EngineSource {
  readonly times: LogTimes;
  readonly loopMs = LOOP_MS;
  readonly connectWitness: (record: WitnessRecord) => Witness | null;
  /** By the token of the profile: for weights that carry none. */
  readonly #lease: LeaseParameters;
  /** Without the addresses of roles: they come and go with them and say nothing of the machine. */
  readonly adapters: AdapterReader = {
    ...machineAdapters,
    adapters: () => machineAdapters.adapters().map((one) => ({ ...one, addresses: one.addresses.filter((address) => this.#clustered?.includes(address.split("/")[0]!) !== true) })),
  };
  readonly #directory: string;
  readonly #configuration: ClusterConfiguration;
  readonly #host: HostSettings;
  readonly #log: (line: string) => void;
  readonly #heartbeat: Heartbeat;
  readonly #follower: ConfigurationFollower;
  #daemon: CorosyncDaemon;
  #aside: string | null = null;
  /** Who said last that this machine is no node. */
  #unknown: { readonly by: NodeId; readonly atMs: number } = { by: 0, atMs: Number.NEGATIVE_INFINITY };
  #hasView = false;
  #votes: KnownVotes = { version: 0, votes: [] };
  #changing: Promise<void> = Promise.resolve();
  #isStopped = false;
  #members: KnownMembers;
  #engine: CorosyncEngine | null = null;
  /** null = not told to the gate yet, which may still have those of a predecessor. */
  #clustered: readonly string[] | null = null;
  readonly #memberSince = new Map<NodeId, { readonly incarnation: number; readonly sinceMs: number }>();

  constructor(directory: string, configuration: ClusterConfiguration, host: HostSettings, log: (line: string) => void) {
    this.#directory = directory;
    this.#configuration = configuration;
    this.#host = host;
    this.#log = log;
    this.#members = readMembers(directory, configuration);
    this.#lease = leaseParameters({ tokenMs: host.tokenMs });
    const lengths = new LeaseLengths(this.#lease);
    this.times = { ...COMMON_TIMES, silenceMs: SILENCE_MS, profileTokenMs: host.tokenMs, ...tokenTimes(lengths, []), timesUnder: (weights) => tokenTimes(lengths, weights) };
    this.connectWitness = witnessConnections(configuration.clusterId, readKey(directory));
    this.#daemon = this.#makeDaemon();
    this.#follower = new ConfigurationFollower({ apply: (text) => this.#daemon.apply(text), onNotice: log });
    this.#heartbeat = new Heartbeat({
      self: host.id,
      key: readKey(directory),
      port: host.apiPort,
      nodes: () => this.#members.nodes,
      nodeList: () => JSON.stringify(this.#members),
      onNodeList: (text) => this.#takeNodeList(text),
      votes: () => this.#votes,
      hasView: () => this.#hasView,
      nowMs: monotonicMs,
      onAside: (reason) => this.#standAside(reason),
      onNotice: log,
      onUnknown: (by) => this.#noteUnknown(by),
    });
  }

  async start(): Promise<void> {
    this.#heartbeat.start();
    // Others may have joined while this node was down: a corosync that does not know them takes them from everybody else.
    if (this.#members.nodes.length > 1) await pause(FIRST_WORD_MS);
    // It runs when it runs: a node without its engine waits, and says so.
    if (!this.#isStopped && this.#aside === null) this.#daemon.start();
  }

  /** Why there is no engine at the moment; null = there is, or it is on its way. */
  get problem(): string | null {
    if (this.#aside !== null || monotonicMs() - this.#unknown.atMs > UNKNOWN_MS) return this.#aside;
    const { by } = this.#unknown;
    return `for ${this.#members.nodes.find((node) => node.id === by)?.name ?? `node ${by}`} this machine is no node of the cluster any more: it was evicted. To let it join again: muster node stop, muster node clean, and with a new token muster node join TOKEN`;
  }

  /** As the cluster has it, while this node has no view and cannot know. */
  #takeNodeList(text: string): void {
    if (this.#hasView || text === JSON.stringify(this.#members)) return;
    this.#log("the nodes of the cluster are others than this machine knew: it follows those who are in it");
    this.#useMembers(JSON.parse(text) as KnownMembers);
  }

  #noteUnknown(by: NodeId): void {
    const wasKnown = this.problem !== null;
    this.#unknown = { by, atMs: monotonicMs() };
    if (!wasKnown) this.#log(this.problem!);
  }

  #makeDaemon(): CorosyncDaemon {
    const place = clusterPaths.corosync(this.#directory);
    return new CorosyncDaemon({
      node: this.#host.id,
      configurationFile: join(place, "corosync.conf"),
      configuration: this.#text(),
      key: readFileSync(clusterPaths.engineKey(this.#directory)),
      mode: "supervise",
      onState: ({ state, reason }) => this.#log(`corosync is ${state}: ${reason}`),
      onNotice: this.#log,
    });
  }

  /** Without its corosync this node is alone: its lease runs out, its roles go on elsewhere, and the others have peace. */
  #standAside(reason: string | null): void {
    this.#aside = reason;
    this.#log(reason === null ? "all nodes reach each other again: this one takes part" : `stands aside: ${reason}`);
    // One after the other: the links may change their mind meanwhile.
    this.#changing = this.#changing.then(async () => {
      if (this.#isStopped) return;
      this.#follower.stop();
      await this.#daemon.stop();
      if (this.#aside !== null) return;
      this.#daemon = this.#makeDaemon();
      this.#daemon.start();
    }).catch((error: unknown) => {
      // A full disk, say. As long as it stands aside without need the others go on.
      this.#log(`corosync could not be started again: ${error instanceof Error ? error.message : String(error)}`);
      setTimeout(() => this.#standAside(this.#aside), STAND_RETRY_MS).unref();
    });
  }

  create(self: Member): Engine {
    this.#hasView = false;
    const text = (path: string): string => readFileSync(path, "utf8");
    const own = this.#members.nodes.find((node) => node.id === this.#host.id);
    this.#engine = createCorosyncEngine({
      clusterId: this.#configuration.clusterId,
      self,
      protocolVersion: PROTOCOL_VERSION,
      transfer: {
        certificate: text(clusterPaths.certificate(this.#directory)),
        key: text(clusterPaths.certificateKey(this.#directory)),
        authority: text(clusterPaths.authority(this.#directory)),
        port: this.#host.transferPort,
        listenAddresses: own?.addresses ?? [],
        peerOf: (id) => this.#members.nodes.find((node) => node.id === id) ?? null,
      },
      datagrams: { key: readKey(this.#directory), port: this.#host.transferPort, addressesOf: (id) => this.#addressesOf(id) },
      onNotice: this.#log,
    });
    return this.#engine;
  }

  /** Through the links of corosync: each node has one address in each. */
  heardThrough(addresses: readonly string[]): readonly NodeId[] | null {
    const own = this.#members.nodes.find((node) => node.id === this.#host.id)?.addresses ?? [];
    const nowMs = monotonicMs();
    const fresh = [...this.#memberSince].filter(([, { sinceMs }]) => nowMs - sinceMs < LINKS_SETTLE_MS).map(([id]) => id);
    const links = own.flatMap((address, link) => (addresses.some((one) => one.split("/")[0] === address) ? [link] : []));
    if (links.length === 0 || this.#engine === null) return null;
    const connected = this.#engine.links().filter((state) => links.includes(state.link) && state.isConnected).map((state) => state.node);
    return [...new Set([...connected, ...fresh])];
  }

  /** Those first that corosync has a link to. */
  #addressesOf(id: NodeId): readonly string[] {
    const addresses = this.#members.nodes.find((node) => node.id === id)?.addresses ?? [];
    const connected = (this.#engine?.links() ?? []).filter((state) => state.node === id && state.isConnected).map((state) => state.link);
    return [...addresses.filter((_, link) => connected.includes(link)), ...addresses.filter((_, link) => !connected.includes(link))];
  }

  links(): readonly LinkState[] {
    return this.#engine?.links() ?? [];
  }

  get configurationProblem(): string | null {
    return this.#follower.problem;
  }

  refused(): readonly Refusal[] {
    return this.#engine?.refused() ?? [];
  }

  releaseOf(self: Member): ReleaseOptions {
    const { clusterId } = this.#configuration;
    return { clusterId, self, table: gateTable(clusterId), channel: { kind: "corosync", group: `muster-lease-${clusterId}`, module: LEASE_CHANNEL } };
  }

  createLease(self: Member, listener: Pick<LeaseHostOptions, "onPermit" | "onExit" | "onReleased">): LeaseHost {
    return new LeaseHost({
      parameters: this.#lease,
      clustered: this.#clustered ?? [],
      ...this.releaseOf(self),
      realTimePriority: REAL_TIME_PRIORITY,
      onRepaired: (problem) => this.#log(`the tables of the gate were changed by somebody else and made anew: ${problem}`),
      ...listener,
    });
  }

  onStatus(status: LogStatus): void {
    this.#hasView = status.phase === "active";
  }

  /**
   * Follows the configuration. Who was taken out of it stays known as long as it is a member: its roles have to leave
   * first.
   */
  onState(state: ClusterState, members: readonly Member[]): void {
    this.#noteMembers(members);
    const { version, votes, tokenMs = this.#host.tokenMs } = knownWeights(state);
    this.#votes = { version, votes: votes.map((vote) => [vote.node, vote.votes]) };
    const configured = membersOf(state);
    const leaving = this.#members.nodes.filter((node) => !configured.some(({ id }) => id === node.id) && members.some((member) => member.node === node.id));
    const nodes: KnownMember[] = [...configured, ...leaving].sort((left, right) => left.id - right.id);
    if (tokenMs === this.#members.tokenMs && JSON.stringify(nodes) === JSON.stringify(this.#members.nodes)) return;
    if (tokenMs !== this.#members.tokenMs) this.#log(`corosync's token is ${tokenMs} ms from now on; it was ${this.#members.tokenMs} ms`);
    this.#useMembers({ tokenMs, nodes });
  }

  #useMembers(members: KnownMembers): void {
    this.#members = members;
    try {
      writeMembers(this.#directory, this.#members);
    } catch (error) {
      this.#log(`the list of nodes could not be written: ${String(error)}`);
    }
    // The next corosync starts with it.
    if (this.#aside !== null) return;
    this.#follower.follow(this.#text());
  }

  #noteMembers(members: readonly Member[]): void {
    for (const id of this.#memberSince.keys()) if (!members.some((member) => member.node === id)) this.#memberSince.delete(id);
    for (const { node, incarnation } of members) if (this.#memberSince.get(node)?.incarnation !== incarnation) this.#memberSince.set(node, { incarnation, sinceMs: monotonicMs() });
  }

  /** The addresses that the gate is for: those of all network roles. @returns null when they are as before */
  followAddresses(state: ClusterState): readonly string[] | null {
    const clustered = clusteredAddresses(state);
    if (JSON.stringify(clustered) === JSON.stringify(this.#clustered)) return null;
    this.#clustered = clustered;
    return clustered;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#heartbeat.stop();
    this.#follower.stop();
    await this.#changing;
    await this.#daemon.stop();
  }

  #text(): string {
    const place = clusterPaths.corosync(this.#directory);
    return corosyncConfiguration({
      clusterName: this.#configuration.clusterName,
      clusterId: this.#configuration.clusterId,
      nodes: this.#members.nodes,
      tokenMs: this.#members.tokenMs,
      keyFile: join(place, "authkey"),
      stateDirectory: place,
      logFile: join(place, "corosync.log"),
    });
  }
}

/** What the log goes by follows from the lengths of the lease. */
function tokenTimes(lengths: LeaseLengths, weights: WeightsInForce): TokenTimes {
  const { detectionMs, holdMs, permitHoldMs } = lengths.waiting(weights);
  return { tickMs: Math.floor(lengths.sending(weights).detectionMs / TICKS_IN_DETECTION), detectionMs, holdMs, permitHoldMs, permitMs: lengths.acting(weights).permitMs };
}

const ADDRESS_TYPES = ["IP Address", "IPv6 Address"];

function clusteredAddresses(state: ClusterState): string[] {
  const { resources } = state.tables;
  const addresses = resources.keys().flatMap((key) => {
    const { type, privateProperties } = resources.get(key)!;
    const address = String(privateProperties["Address"] ?? "");
    return ADDRESS_TYPES.includes(type) && address !== "" && !address.startsWith("127.") ? [address] : [];
  });
  return [...new Set(addresses)].sort();
}
