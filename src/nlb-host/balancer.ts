import { createHmac } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { MusterError } from "../model/errors.ts";
import { Nftables } from "../network/nftables.ts";
import { ClusterAdapter } from "../nlb-filter/adapter.ts";
import { NftFilter } from "../nlb-filter/nft-filter.ts";
import { EngineFilter } from "../nlb-filter/xdp-filter.ts";
import { nextWakeMs, step } from "../nlb/convergence.ts";
import { clusterTag, createState, initialMode } from "../nlb/convergence-state.ts";
import type { NlbState } from "../nlb/convergence-state.ts";
import { encodeHeartbeat } from "../nlb/heartbeat.ts";
import type { Authenticate } from "../nlb/heartbeat.ts";
import type { FilterAddress, FilterPlan } from "../nlb/filter-contract.ts";
import type { Effect, Input } from "../nlb/inputs.ts";
import type { ClusterParameters, HostId } from "../nlb/parameters.ts";
import { ADDRESSES_MAX, virtualAddresses } from "../nlb/parameters.ts";
import { HeartbeatReceiver } from "../nlb/receiver.ts";
import { carryOutStep } from "./carrying-out.ts";
import { HeartbeatSocket } from "./heartbeat-socket.ts";
import type { BalancerOptions, FromBalancer, Question, ToBalancer } from "./messages.ts";
import { snapshotOf } from "./snapshot.ts";
import { tryCommand } from "./trial.ts";

/** Snapshots are for people: no more often than they can look. */
const TELL_AT_MOST_MS = 100;
/** Between looks whether somebody took the filter's tables away. */
const LOOK_EVERY_MS = 1_000;
/** How long a host that stops may take to tell the others, and how often it looks whether it has. */
const FAREWELL_LIMIT_MS = 200;
const FAREWELL_LOOK_MS = 2;

/**
 * Carries out what the convergence decides: the shell around src/nlb. It runs in a thread of its own, whose main loop
 * nothing else may hold up; a thread that stands still all the same loses its traffic by the lease in the kernel.
 */
export class Balancer {
  readonly #options: BalancerOptions;
  readonly #tell: (message: FromBalancer) => void;
  readonly #nowMs: () => number;
  readonly #authenticate: Authenticate;
  readonly #adapter: ClusterAdapter;
  readonly #filter: EngineFilter;
  readonly #socket: HeartbeatSocket;
  readonly #state: NlbState;
  readonly #addresses = new Map<HostId, string>();
  #receiver: HeartbeatReceiver;
  #plan: FilterPlan | null = null;
  #timer: NodeJS.Timeout | null = null;
  #telling: NodeJS.Timeout | null = null;
  #sent = 0;
  #lookedAtMs = 0;
  #isAdapterUp: boolean;
  #isStopped = false;
  #stopping: Promise<void> | null = null;
  /** The newest heartbeat is on the wire; what it said. */
  #lastSent: Promise<void> = Promise.resolve();
  #hasLeft = false;

  private constructor(options: BalancerOptions, adapter: ClusterAdapter, filter: EngineFilter, isLinkUp: boolean, tell: (message: FromBalancer) => void, nowMs: () => number) {
    this.#options = options;
    this.#adapter = adapter;
    this.#filter = filter;
    this.#tell = tell;
    this.#nowMs = nowMs;
    this.#authenticate = (bytes) => createHmac("sha256", options.key).update(bytes).digest();
    const { cluster, host, incarnation, persisted } = options;
    this.#state = createState(cluster, host, incarnation, filter.leftover().incarnation ?? 0, initialMode(host, persisted), nowMs());
    this.#isAdapterUp = isLinkUp;
    // Until it has a socket that works.
    this.#state.isLinkUp = false;
    this.#receiver = this.#makeReceiver(cluster);
    this.#socket = new HeartbeatSocket(options.heartbeatPort, (bytes, from) => this.#receive(bytes, from), () => this.#noteLink(), (line) => tell({ kind: "log", line }));
  }

  /** @throws MusterError when the adapter or the kernel cannot be used */
  static async start(options: BalancerOptions, tell: (message: FromBalancer) => void, nowMs: () => number): Promise<Balancer> {
    let balancer: Balancer | null = null;
    let isLinkUp = false;
    const onLink = (isUp: boolean): void => {
      isLinkUp = isUp;
      if (balancer === null) return;
      balancer.#isAdapterUp = isUp;
      balancer.#noteLink();
    };
    // Only a new life sets everything on the other adapter: this one ends with its thread.
    const onReplaced = (problem: string): void => void setImmediate(() => {
      throw new MusterError("MUSTER_ADDRESS_LOST", { address: options.adapter, problem });
    });
    const adapter = await ClusterAdapter.open(options.adapter, onLink, onReplaced, (line) => tell({ kind: "log", line }));
    try {
      const filter = makeFilter(options, adapter, tell);
      balancer = new Balancer(options, adapter, filter, isLinkUp, tell, nowMs);
    } catch (error) {
      await adapter.close();
      throw error;
    }
    balancer.#useSocket();
    balancer.#input({ kind: "begin" });
    tell({ kind: "ready", snapshot: balancer.snapshot() });
    return balancer;
  }

  handle(message: ToBalancer): void {
    // Nothing may start again what is being stopped.
    if (this.#stopping !== null && message.kind !== "ask" && message.kind !== "stop") return;
    switch (message.kind) {
      case "configuration":
        // It remembers what it has heard, against replays: it is kept as long as it may be.
        if (clusterTag(message.cluster) !== clusterTag(this.#state.wanted.cluster)) this.#receiver = this.#makeReceiver(message.cluster);
        this.#input({ kind: "configuration", cluster: message.cluster, host: message.host });
        return this.#useSocket();
      case "away":
        this.#attempt(() => this.#filter.setAway(message.rule, message.entries));
        return;
      case "ask":
        return this.#tell({ kind: "answer", request: message.request, result: this.#answer(message.question) });
      case "engine":
        return void this.#filter.use(message.engine).then(() => this.#tellSoon());
      case "stop":
        void this.stop().finally(() => this.#tell({ kind: "answer", request: message.request, result: null }));
        return;
      default:
        return this.#input(message);
    }
  }

  /** In good order: it lets everything go, tells the others, and leaves nothing in the kernel. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#input({ kind: "command", request: 0, command: { verb: "stop" } });
    await this.#farewell();
    this.#isStopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#telling !== null) clearTimeout(this.#telling);
    this.#socket.close();
    // The addresses first: without the filter every packet would be answered.
    await this.#adapter.close();
    this.#attempt(() => this.#filter.remove());
    // A program that was on its way goes when it has come.
    await this.#filter.settled();
  }

  /** The others need not wait for a host that says it holds nothing any more; one that cannot say so is missed after its silence. */
  async #farewell(): Promise<void> {
    const untilMs = this.#nowMs() + FAREWELL_LIMIT_MS;
    while (!this.#hasLeft && this.#nowMs() < untilMs) await sleep(FAREWELL_LOOK_MS);
    await Promise.race([this.#lastSent, sleep(FAREWELL_LIMIT_MS)]);
  }

  snapshot(): ReturnType<typeof snapshotOf> {
    let taken = {};
    this.#attempt(() => (taken = this.#filter.taken()));
    return snapshotOf(this.#state, this.#nowMs(), { addresses: this.#addresses, taken, engine: this.#filter.name, sent: this.#sent, accepted: this.#receiver.accepted, refused: this.#receiver.refused });
  }

  #answer(question: Question): unknown {
    try {
      if (question.what === "snapshot") return this.snapshot();
      return question.what === "try" ? tryCommand(this.#state, question.command, this.#nowMs()) : this.#filter.staying(question.rule);
    } catch (error) {
      return { problem: MusterError.from(error).message };
    }
  }

  #makeReceiver(cluster: ClusterParameters): HeartbeatReceiver {
    return new HeartbeatReceiver(this.#state.self, clusterTag(cluster), this.#authenticate);
  }

  #useSocket(): void {
    const { cluster, host } = this.#state.wanted;
    this.#socket.use(this.#options.adapter, this.#adapter.dedicatedAddress(host.dedicatedAddresses, virtualAddresses(cluster)), cluster.primaryAddress);
  }

  /** Who can neither hear nor be heard must not take itself for alone. */
  #noteLink(): void {
    const isUp = this.#isAdapterUp && this.#socket.isOpen;
    if (isUp !== this.#state.isLinkUp) this.#input({ kind: "link", isUp });
  }

  #receive(bytes: Uint8Array, from: string): void {
    if (this.#isStopped) return;
    const heartbeat = this.#receiver.accept(bytes);
    if (heartbeat === null) return;
    this.#addresses.set(heartbeat.host, from);
    this.#input({ kind: "heartbeat", heartbeat });
  }

  #input(input: Input): void {
    if (this.#isStopped) return;
    const { mode, out, map, isTaken, isLinkUp } = this.#state;
    const inputs: Input[] = [input];
    for (let next = inputs.shift(); next !== undefined; next = inputs.shift()) {
      // Read after the input came: never younger than what it tells.
      const effects = step(this.#state, next, this.#nowMs());
      inputs.push(...carryOutStep(effects, (effect) => this.#carryOut(effect, inputs)));
    }
    this.#schedule();
    const after = this.#state;
    if (mode !== after.mode || out.reason !== after.out.reason || map !== after.map || isTaken !== after.isTaken || isLinkUp !== after.isLinkUp || input.kind === "health" || input.kind === "command") this.#tellSoon();
  }

  /** @returns false = it failed, and what comes after it must not happen */
  #carryOut(effect: Effect, inputs: Input[]): boolean {
    switch (effect.do) {
      case "send":
        this.#sent += 1;
        this.#hasLeft = effect.heartbeat.isEmpty && !effect.heartbeat.wants;
        this.#lastSent = this.#socket.send(encodeHeartbeat(effect.heartbeat, this.#authenticate));
        return true;
      case "lease":
        return this.#attempt(() => this.#filter.lease(effect.order));
      case "program": {
        let problem: string | null = null;
        try {
          this.#program(effect.plan);
        } catch (error) {
          problem = MusterError.from(error).message;
        }
        inputs.push({ kind: "filterDone", done: { number: effect.plan.number, problem } });
        return problem === null;
      }
      case "fetchMap":
        this.#tell({ kind: "fetchMap", from: effect.from, address: this.#addresses.get(effect.from) ?? null, map: effect.map });
        return true;
      case "exchangeAffinity":
        this.#tell({ kind: "exchangeAffinity", map: effect.map, from: effect.from.map((host) => ({ host, address: this.#addresses.get(host) ?? null })) });
        return true;
      case "persist":
        this.#tell({ kind: "persist", mode: effect.mode });
        return true;
      case "answer":
        this.#tell({ kind: "answer", request: effect.request, result: effect.code });
        return true;
      case "event":
        this.#tell({ kind: "event", name: effect.name, cause: effect.cause, text: effect.text, next: effect.next });
        return true;
    }
  }

  /** Only what is filtered may be answered for: the filter comes before an address, and goes after it. */
  #program(plan: FilterPlan): void {
    const isWanted = ({ address }: FilterAddress): boolean => plan.virtualAddresses.some((one) => one.address === address);
    const leaving = this.#adapter.held().filter((one) => !isWanted(one)).slice(0, Math.max(0, ADDRESSES_MAX - plan.virtualAddresses.length));
    this.#filter.apply({ ...plan, virtualAddresses: [...plan.virtualAddresses, ...leaving] });
    this.#plan = plan;
    this.#adapter.apply(plan);
    if (leaving.length === 0) return;
    void this.#adapter.settled().then(() => {
      if (this.#isStopped || this.#plan !== plan || !this.#adapter.held().every(isWanted)) return;
      this.#attempt(() => this.#filter.apply(plan));
    });
  }

  /** @returns false = it failed; the log says why */
  #attempt(action: () => unknown): boolean {
    try {
      action();
      return true;
    } catch (error) {
      this.#tell({ kind: "log", line: MusterError.from(error).message });
      return false;
    }
  }

  #schedule(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    const nowMs = this.#nowMs();
    this.#timer = setTimeout(() => {
      this.#useSocket();
      this.#look(this.#nowMs());
      this.#input({ kind: "tick" });
    }, Math.max(1, Math.ceil(nextWakeMs(this.#state, nowMs) - nowMs)));
  }

  /** A host that was stopped gives the filter no orders, which would tell that its tables are gone. */
  #look(nowMs: number): void {
    if (nowMs - this.#lookedAtMs < LOOK_EVERY_MS) return;
    this.#lookedAtMs = nowMs;
    this.#attempt(() => this.#filter.repair());
  }

  #tellSoon(): void {
    if (this.#isStopped) return;
    this.#telling ??= setTimeout(() => {
      this.#telling = null;
      this.#tell({ kind: "changed", snapshot: this.snapshot() });
    }, TELL_AT_MOST_MS);
  }
}

function makeFilter({ incarnation, engine }: BalancerOptions, { name, hardwareAddress }: ClusterAdapter, tell: (message: FromBalancer) => void): EngineFilter {
  return new EngineFilter(new NftFilter(new Nftables(), { adapter: name, hardwareAddress }, incarnation), name, incarnation, engine, (line) => tell({ kind: "log", line }));
}
