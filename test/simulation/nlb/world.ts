import { decodeHeartbeat, encodeHeartbeat } from "../../../src/nlb/heartbeat.ts";
import type { Heartbeat } from "../../../src/nlb/heartbeat.ts";
import { jhash } from "../../../src/nlb/hash.ts";
import type { Command, Effect } from "../../../src/nlb/inputs.ts";
import type { MapId, NlbMap } from "../../../src/nlb/map.ts";
import { decodeMap, encodeMap, sameLife, sameMap } from "../../../src/nlb/map.ts";
import type { ClusterParameters, HostId, HostParameters, HostRule, PortRule } from "../../../src/nlb/parameters.ts";
import { DEFAULT_RULE, ruleKey } from "../../../src/nlb/parameters.ts";
import { timingOf } from "../../../src/nlb/timing.ts";
import type { NlbTiming } from "../../../src/nlb/timing.ts";
import { Random } from "../random.ts";
import { Scheduler } from "../scheduler.ts";
import { Trace } from "../trace.ts";
import { Agent, Machine } from "./agent.ts";
import type { Surroundings } from "./agent.ts";
import type { Bug } from "./bugs.ts";
import { checkAdoption } from "./moves.ts";

const DRIFT = 0.1;
/** One seed in so many has two machines with one id. */
const COPY_EVERY = 8;
/** One seed in so many has a host that gets no map of others, ever. */
const CUT_OFF_EVERY = 32;
/** Lives are numbered by the clock of the machine: no two have the same number. */
const COPY_LIVES_FROM = 500;
/** In periods: so long a rule that was disabled may still pass. */
const DISABLED_WITHIN = 5;

export class Violation extends Error {}

/** A whole cluster: machines, the wire between them, and what must never happen. */
export class NlbWorld implements Surroundings {
  readonly scheduler = new Scheduler();
  readonly random: Random;
  /** Of its own, so that all else of a seed stays as it was. */
  readonly #leaseRandom: Random;
  readonly trace: Trace;
  readonly machines: Machine[] = [];
  /** Machines that were given the id of another by mistake, in some seeds. */
  readonly copies: Machine[] = [];
  /** It can fetch nothing, although heartbeats pass. */
  unableToFetch: Machine | null = null;
  readonly bug: Bug | null;
  readonly timing: NlbTiming;
  /** What happened how often: a run in which nothing did proves nothing. */
  readonly counts = new Map<string, number>();
  readonly cuts = new Set<string>();
  delayMaxMs = 3;
  lossChance = 0;
  fetchLossChance = 0;
  pauseChance = 0;
  pauseMaxMs = 0;
  filterFailureChance = 0;
  leaseFailureChance = 0;
  /** The faults have ended. */
  isCalm = false;
  /** Heartbeats go through their bytes, maps too. */
  readonly hasBytes: boolean;
  cluster: ClusterParameters;
  /** Maps that were adopted, by hash, so that successors can be compared. */
  readonly maps = new Map<string, NlbMap>();
  /** By pair: since when each says that it hears the other, and how many heartbeats went each way since. */
  readonly #mutual = new Map<string, { sinceMs: number; there: number; back: number }>();
  /** By life and rule: since when it is disabled there, or the agent has gone on. */
  readonly #disabled = new Map<string, number>();
  /** By pair: since when both pass the same, and how many heartbeats had gone each way by then. */
  readonly #twice = new Map<string, { sinceMs: number; there: number; back: number }>();

  constructor(seed: number, bug: Bug | null, trace: boolean) {
    this.random = new Random(seed);
    this.#leaseRandom = new Random(seed + 0x1ea5e);
    this.trace = new Trace(trace);
    this.bug = bug;
    const { random } = this;
    this.hasBytes = random.chance(0.02);
    const rules = random.pick([[DEFAULT_RULE], [web("none", 0)], [web("single", 0), oneHost(9_000)], [web("single", random.pick([0, 20])), oneHost(9_000), { ...DEFAULT_RULE, startPort: 100, endPort: 200, mode: "disabled" as const }]]);
    this.cluster = { primaryAddress: "10.77.0.10", subnetMask: "255.255.255.0", name: "web.example.org", additionalAddresses: [], operationMode: "multicast", heartbeatPeriodMs: 100, heartbeatTolerance: 5, filtersIcmp: false, rules };
    this.timing = timingOf(this.cluster);
    const hosts = random.pick([2, 2, 3, 3, 3, 4, 4, 5, 6]);
    for (let id = 1; id <= hosts; id++) this.machines.push(this.#machine(id, `host${id}`));
    // Drawn from the seed alone: all else of it stays as it was.
    if (seed % COPY_EVERY === 0) {
      const copy = this.#machine((seed / COPY_EVERY) % hosts + 1, "copy");
      copy.incarnation = COPY_LIVES_FROM;
      this.copies.push(copy);
    }
    if (seed % CUT_OFF_EVERY === CUT_OFF_EVERY - 2) this.unableToFetch = this.machines[Math.floor(seed / CUT_OFF_EVERY) % hosts]!;
  }

  #machine(id: HostId, name: string): Machine {
    const rate = this.random.pick([1, 1, 1 - DRIFT, 1 + DRIFT, 1 - DRIFT + 2 * DRIFT * this.random.next()]);
    return new Machine(this.scheduler, this.random, this.cluster, { id, name, dedicatedAddresses: [], initialState: "started", retainsSuspended: false, rules: {} }, rate);
  }

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  note(host: HostId | null, what: string, detail: string): void {
    this.trace.add(this.scheduler.nowMs, host, what, detail);
  }

  // ---- lives ---------------------------------------------------------------

  start(machine: Machine): void {
    if (machine.agent !== null) return;
    machine.kernel.isOff = false;
    machine.cluster = this.cluster;
    const agent = new Agent(machine, this);
    machine.agent = agent;
    this.note(machine.id, "start", `life ${agent.life.incarnation}`);
  }

  /** The agent dies; what it loaded stays in the kernel, unless the machine goes down too. */
  kill(machine: Machine, isMachineLost: boolean): void {
    if (machine.agent === null) return;
    machine.agent.isDead = true;
    machine.agent = null;
    this.note(machine.id, isMachineLost ? "machine lost" : "killed", "");
    this.count(isMachineLost ? "machine lost" : "agent killed");
    if (!isMachineLost) return;
    machine.kernel.isOff = true;
    machine.kernel.reboot();
  }

  command(machine: Machine, command: Command): void {
    this.count(command.verb);
    this.note(machine.id, command.verb, "rule" in command ? String(command.rule) : "");
    machine.agent?.give({ kind: "command", request: 1, command });
  }

  /** New parameters reach the hosts one after the other. */
  configure(rules: readonly PortRule[]): void {
    this.count("parameters changed");
    this.cluster = { ...this.cluster, rules };
    for (const machine of this.machines) {
      this.scheduler.after(this.random.next() * this.random.pick([20, 800]), () => {
        machine.cluster = this.cluster;
        machine.host = { ...machine.host, rules: {} };
        machine.agent?.give({ kind: "configuration", cluster: machine.cluster, host: machine.host });
      });
    }
  }

  setRule(machine: Machine, rule: HostRule): void {
    this.count("weight changed");
    const rules: Record<string, HostRule> = {};
    for (const each of machine.cluster.rules) rules[ruleKey(each)] = rule;
    machine.host = { ...machine.host, rules };
    machine.agent?.give({ kind: "configuration", cluster: machine.cluster, host: machine.host });
  }

  // ---- the wire ------------------------------------------------------------

  sent(from: Agent, heartbeat: Heartbeat): void {
    const carried = this.hasBytes ? throughBytes(heartbeat) : heartbeat;
    for (const machine of [...this.machines, ...this.copies]) {
      if (machine === from.machine) continue;
      for (let copies = this.random.chance(0.01) ? 2 : 1; copies > 0; copies--) {
        if (this.random.chance(this.lossChance)) continue;
        this.scheduler.after(this.random.next() * (this.delayMaxMs + (this.random.chance(0.01) ? 100 : 0)), () => {
          if (this.cuts.has(`${from.machine.id}>${machine.id}`)) return;
          const { agent } = machine;
          if (agent === null) return;
          this.#counted(from, agent);
          agent.give({ kind: "heartbeat", heartbeat: carried });
        });
      }
    }
  }

  fetch(from: Agent, host: HostId, id: MapId): void {
    const way = `${from.machine.id}>${host}`;
    const back = `${host}>${from.machine.id}`;
    if (this.random.chance(this.fetchLossChance) || from.machine === this.unableToFetch) return;
    this.scheduler.after(0.3 + this.random.next() * this.delayMaxMs, () => {
      const map = this.machines[host - 1]!.agent?.state.map ?? null;
      if (this.cuts.has(way) || map === null || !sameMap(map.id, id)) return;
      this.count("map fetched");
      this.scheduler.after(this.random.next() * this.delayMaxMs, () => {
        if (!this.cuts.has(back)) from.give({ kind: "map", map: this.hasBytes ? decodeMap(encodeMap(map))! : map });
      });
    });
  }

  refusesLease(): boolean {
    if (this.leaseFailureChance === 0 || !this.#leaseRandom.chance(this.leaseFailureChance)) return false;
    this.count("lease order refused");
    return true;
  }

  exchange(agent: Agent, map: MapId): void {
    if (this.random.chance(this.fetchLossChance)) return;
    this.scheduler.after(this.random.next() * 10, () => agent.give({ kind: "affinityReady", map }));
  }

  noted(machine: Machine, effect: Effect): void {
    if (effect.do === "event") {
      this.count(effect.name);
      this.note(machine.id, effect.name, effect.text);
    } else if (effect.do === "program") {
      this.note(machine.id, effect.plan.phase, `plan ${effect.plan.number} for ${effect.plan.map}: ${effect.plan.rules.map(({ key, action }) => `${key} ${action.kind === "share" ? action.owned.length : action.kind === "whole" ? action.accepts : "-"}`).join(", ")}`);
    } else if (effect.do === "lease" && effect.order.do !== "arm") {
      this.note(machine.id, effect.order.do, effect.order.do === "point" ? String(effect.order.slot) : "");
    }
  }

  // ---- what must never happen ----------------------------------------------

  stepped(agent: Agent): void {
    const { map } = agent.state;
    if (map !== null && !this.maps.has(map.id.hash)) {
      this.maps.set(map.id.hash, map);
      const wrong = checkAdoption(map, this.maps.get(map.predecessor) ?? null, this.cluster.rules.length);
      if (wrong !== null) throw new Violation(`the map ${map.id.counter} of host ${map.id.proposer}: ${wrong}`);
      this.note(agent.machine.id, "map", `${map.id.counter} by ${map.id.proposer}, members ${map.members.map(({ host, incarnation }) => `${host}/${incarnation}`).join(" ")}`);
      this.count("map");
    }
    for (const { agent: other } of this.machines) {
      if (other === null || other === agent) continue;
      const isMutual = hears(agent, other) && hears(other, agent);
      const pair = pairOf(agent, other);
      if (!isMutual) this.#mutual.delete(pair);
      else if (!this.#mutual.has(pair)) this.#mutual.set(pair, { sinceMs: this.scheduler.nowMs, there: 0, back: 0 });
    }
  }

  #counted(from: Agent, to: Agent): void {
    const known = this.#mutual.get(pairOf(from, to));
    if (known === undefined) return;
    if (from.machine.id < to.machine.id) known.there += 1;
    else known.back += 1;
  }

  /** No part may pass on two hosts that should know of each other. */
  opened(machine: Machine): void {
    // Between two with one id, and whoever takes one for the other, is peace first: see settled.ts.
    if (!machine.kernel.isOpen || this.copies.includes(machine)) return;
    for (const other of this.machines) {
      if (other === machine || !other.kernel.isOpen) continue;
      const both = sharedPart(machine, other);
      if (both === null) continue;
      this.count("served twice, apart");
      const [low, high] = machine.id < other.id ? [machine, other] : [other, machine];
      if (isFromOther(low, high) || isFromOther(high, low)) {
        throw new Violation(`${both} passes on the hosts ${low.id} and ${high.id}, and one of them has its lease from the other, at ${this.scheduler.nowMs.toFixed(1)} ms`);
      }
    }
  }

  /** Nothing may be taken of a host whose lease a member of the map has kept open, whoever hears whom. */
  took(machine: Machine): void {
    // Who stood still between deciding and taking has lost its lease by then, and serves nothing.
    if (!machine.kernel.isOpen || this.copies.includes(machine)) return;
    for (const other of this.machines) {
      if (other === machine || !tookTooEarly(machine, other)) continue;
      throw new Violation(`host ${machine.id} took what still passes on host ${other.id}, by an echo of a host that is in both maps, at ${this.scheduler.nowMs.toFixed(1)} ms`);
    }
  }

  /** Called now and then: what was disabled here waits for no map and no plan that is under way. */
  checkDisabled(): void {
    const { nowMs } = this.scheduler;
    for (const { id, agent, kernel } of this.machines) {
      for (const key of agent?.state.wanted.ruleKeys ?? []) {
        const name = `${id}/${agent!.life.incarnation} ${key}`;
        if (agent!.state.ruleStates.get(key) !== "disabled") {
          this.#disabled.delete(name);
          continue;
        }
        const sinceMs = Math.max(this.#disabled.get(name) ?? nowMs, agent!.wentOnMs, agent!.pausedUntilMs);
        this.#disabled.set(name, sinceMs);
        if (nowMs - sinceMs < DISABLED_WITHIN * this.timing.periodMs || this.filterFailureChance > 0 || this.leaseFailureChance > 0) continue;
        if ([...kernel.serving()].some(([rule]) => rule.startsWith(`${key} `))) throw new Violation(`'${key}' passes on host ${id}, where it has been disabled since ${sinceMs.toFixed(1)}, at ${nowMs.toFixed(1)} ms`);
        this.count("disabled rule looked at");
      }
    }
  }

  /** Called now and then: those who have heard each other for two periods must not serve the same. */
  checkNeighbours(): void {
    for (const machine of this.machines) {
      for (const other of this.machines) {
        if (other.id <= machine.id || machine.agent === null || other.agent === null) continue;
        this.#checkPair(machine, machine.agent, other, other.agent);
      }
    }
  }

  #checkPair(machine: Machine, agent: Agent, other: Machine, otherAgent: Agent): void {
    const pair = pairOf(agent, otherAgent);
    const mutual = this.#mutual.get(pair);
    const both = mutual !== undefined && machine.kernel.isOpen && other.kernel.isOpen ? sharedPart(machine, other) : null;
    if (both === null || mutual === undefined) return void this.#twice.delete(pair);
    const known = this.#twice.get(pair);
    if (known === undefined) return void this.#twice.set(pair, { sinceMs: this.scheduler.nowMs, there: mutual.there, back: mutual.back });
    // Heard each other: not merely within the silence time, but since both began.
    if (mutual.there - known.there < 2 || mutual.back - known.back < 2) return;
    const sinceMs = Math.max(mutual.sinceMs, known.sinceMs, agent.wentOnMs, otherAgent.wentOnMs, agent.pausedUntilMs, otherAgent.pausedUntilMs);
    if (this.scheduler.nowMs - sinceMs < 2 * this.timing.periodMs + 2 * this.delayMaxMs) return;
    throw new Violation(`${both} passes on the hosts ${machine.id} and ${other.id}, which have heard each other since ${sinceMs.toFixed(1)}, at ${this.scheduler.nowMs.toFixed(1)} ms`);
  }
}

/** The lease of the one came by an echo of the other, or of a former life of it. */
function isFromOther(one: Machine, other: Machine): boolean {
  return one.kernel.gateMembers.some((life) => life.host === other.id && life.incarnation <= other.kernel.life!.incarnation);
}

/** What the one took still passes on the other, by an echo of a member of the map in which it was taken. */
function tookTooEarly(taker: Machine, other: Machine): boolean {
  if (!taker.kernel.takenMembers.some((life) => other.kernel.gateMembers.some((member) => sameLife(life, member)))) return false;
  return [...other.kernel.serving()].some(([rule, parts]) => (parts & (taker.kernel.taken.get(rule) ?? 0n)) !== 0n);
}

function hears(one: Agent, other: Agent): boolean {
  const peer = one.state.peers.get(other.machine.id);
  return peer !== undefined && peer.isMutual && peer.incarnation === other.life.incarnation;
}

function pairOf(a: Agent, b: Agent): string {
  const [low, high] = a.machine.id < b.machine.id ? [a, b] : [b, a];
  return `${low.machine.id}/${low.life.incarnation} ${high.machine.id}/${high.life.incarnation}`;
}

/** A part that passes on both now; null = none. */
function sharedPart(a: Machine, b: Machine): string | null {
  for (const [rule, parts] of a.kernel.serving()) {
    const both = parts & (b.kernel.served.get(rule) ?? 0n);
    if (both !== 0n) return rule === "default" ? "what no rule covers" : `a part of '${rule}'`;
  }
  return null;
}

function throughBytes(heartbeat: Heartbeat): Heartbeat {
  const seal = (bytes: Uint8Array): Uint8Array => new Uint8Array(32).fill(jhash(bytes, 1) & 0xff);
  const decoded = decodeHeartbeat(encodeHeartbeat(heartbeat, seal), seal);
  if (typeof decoded === "string") throw new Violation(`a heartbeat is ${decoded}`);
  return decoded;
}

export function web(affinity: PortRule["affinity"], timeoutMinutes: number): PortRule {
  return { ...DEFAULT_RULE, startPort: 80, endPort: 80, protocol: "tcp", affinity, timeoutMinutes: affinity === "none" ? 0 : timeoutMinutes };
}

export function oneHost(port: number): PortRule {
  return { ...DEFAULT_RULE, startPort: port, endPort: port, protocol: "tcp", mode: "single" };
}

/** Made anew from what it was, so that a machine keeps its number. */
export type { HostParameters };
