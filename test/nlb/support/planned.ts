import { setTimeout as sleep } from "node:timers/promises";
import type { NlbEvent } from "../../../src/nlb-host/facade.ts";
import { DEFAULT_RULE } from "../../../src/nlb/parameters.ts";
import { Random } from "../../simulation/random.ts";
import { until } from "../../unit/network/lab.ts";
import { Balanced } from "./balanced.ts";
import type { Silence } from "./many.ts";
import type { TalksOutcome } from "./talks.ts";
import { FOUR, broken, sources } from "./traffic.ts";
import type { Outcome, Traffic } from "./traffic.ts";

/** Administrators change a cluster, drawn by seed, while clients use it in every way: nothing may break. */

const NEW = 80;
const STAYING = 90;
const DATAGRAMS = 5_000;
/** Ports of rules that come and go. */
const OTHERS = [8_000, 8_100, 8_200] as const;
const SETTLED = 3;
/** The one that joins and leaves. */
const GUEST = 4;

const PLACE: Traffic = { address: FOUR, port: NEW, sources: sources(4, 20, 10), pauseMs: 20, limitMs: 15_000 };
const WORKERS = 6;
const TALKERS = 24;
/** Bounded, so that a drain comes to its end. */
const TALK_LIFE_MS = 2_500;
const ASKERS = 12;
/** What the client's kernel notes of answers is full after some tens of thousands of them. */
const LOOK_EVERY = 10;
/** Two requests for a connection are a second apart. */
const LATE_MS = 900;

export interface PlannedOptions {
  readonly seed: number;
  readonly changes: number;
  /** Also engines, and a host that joins and leaves: what takes longer. */
  readonly isLong: boolean;
  readonly talk: (text: string) => void;
}

/** Wall clock. */
export interface Change {
  readonly kind: string;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface PlannedOutcome {
  readonly done: readonly Change[];
  /** New connections, how many of them asked more than once for one, and what broke. */
  readonly connections: number;
  readonly late: number;
  readonly broken: readonly Outcome[];
  readonly talks: TalksOutcome;
  /** Requests for a connection that two hosts answered. */
  readonly doubles: readonly string[];
  /** Convergences that nobody asked for: the machine was too busy for heartbeats. */
  readonly unplanned: number;
  readonly datagrams: { readonly sent: number; readonly twice: number; readonly lost: number; readonly moves: readonly Silence[] };
}

export function formPlanned(isLong: boolean): Promise<Balanced> {
  return Balanced.form({ hosts: SETTLED, spare: isLong ? 1 : 0, rules: false, ports: [NEW], talks: [STAYING] });
}

export async function plannedChanges(cluster: Balanced, { seed, changes, isLong, talk }: PlannedOptions): Promise<PlannedOutcome> {
  await prepare(cluster);
  const { client } = cluster;
  const outcomes: Outcome[] = [];
  const doubles: string[] = [];
  const administrator = new Administrator(cluster, new Random(seed), isLong);
  const look = async (): Promise<void> => {
    outcomes.push(...(await client.ask<Outcome[]>("stop")));
    doubles.push(...cluster.doubleAnswers());
    cluster.forgetAnswers();
  };
  await client.ask("startTalks", FOUR, STAYING, sources(4, TALKERS, 1), TALK_LIFE_MS);
  await client.ask("startDatagrams", FOUR, DATAGRAMS, sources(4, ASKERS, 1).map((address, place) => ({ address, port: 30_000 + place })), 4);
  await client.ask("start", PLACE, WORKERS);
  await sleep(300);
  for (let number = 1; number <= changes; number++) {
    const what = await administrator.change();
    talk(`${number} of ${changes}: ${what}`);
    if (number % LOOK_EVERY !== 0 || number === changes) continue;
    await look();
    await client.ask("start", PLACE, WORKERS);
  }
  await sleep(300);
  await look();
  const datagrams = await client.ask<PlannedOutcome["datagrams"]>("stopDatagrams");
  const talks = await client.ask<TalksOutcome>("stopTalks");
  const events = await cluster.api(2).get<readonly NlbEvent[] | { events: readonly NlbEvent[] }>("/v1/nlb/events", { query: { limit: "10000" } });
  const unplanned = ("events" in events ? events.events : events).filter(({ cause }) => cause === "memberLost").length;
  return { unplanned, done: administrator.done, connections: outcomes.length, late: outcomes.filter(({ connectMs }) => connectMs !== null && connectMs > LATE_MS).length, broken: broken(outcomes), talks, doubles, datagrams };
}

async function prepare(cluster: Balanced): Promise<void> {
  for (const words of [["80", "tcp"], ["90", "tcp"], ["5000", "udp"]] as const) cluster.muster(1, "rule", "add", "--ports", words[0], "--protocol", words[1], "--affinity", "none");
  await cluster.settled();
  for (let number = 1; number < cluster.clientNumber; number++) await cluster.servers[number]!.ask("answer", FOUR, DATAGRAMS, `h${number}`);
}

export function describePlanned({ unplanned, done, connections, late, broken: failed, talks, doubles, datagrams }: PlannedOutcome): string {
  const kinds = [...new Set(done.map(({ kind }) => kind))];
  const during = (kind: string): readonly Silence[] => datagrams.moves.filter(({ endedMs }) => done.some((change) => change.kind === kind && change.fromMs <= endedMs && endedMs <= change.toMs));
  return [
    `${connections} new connections, ${failed.length} broke, ${late} asked again after a second (${((100 * late) / Math.max(1, connections)).toFixed(2)} %), ${doubles.length} answered by two`,
    `${talks.connections} connections that stayed, ${talks.answers} answers on them, ${talks.problems.length} broke`,
    `${datagrams.sent} datagrams, ${datagrams.lost} without an answer, ${datagrams.twice} with two`,
    `${unplanned} convergences because a host left or was not heard`,
    `a bucket that moved was nobody's for: ${lengths(datagrams.moves)}`,
    ...kinds.map((kind) => `  ${`${kind}, ${done.filter((change) => change.kind === kind).length} times`.padEnd(45)} ${lengths(during(kind))}`),
  ].join("\n");
}

function lengths(moves: readonly Silence[]): string {
  if (moves.length === 0) return "no move was seen";
  const lasted = moves.map(({ lastedMs }) => lastedMs).sort((a, b) => a - b);
  const at = (part: number): string => lasted[Math.min(lasted.length - 1, Math.floor(part * lasted.length))]!.toFixed(0);
  return `${at(0.5)} ms (median), ${at(0.9)} ms (nine of ten), ${at(1)} ms (longest), of ${moves.length} moves`;
}

/** Draws one change after the other; each is whole, and all hosts agree, before the next. */
class Administrator {
  readonly done: Change[] = [];
  readonly #cluster: Balanced;
  readonly #random: Random;
  readonly #others = new Set<number>();
  readonly #kinds: readonly (() => Promise<string>)[];
  #guestIsIn = false;

  constructor(cluster: Balanced, random: Random, isLong: boolean) {
    this.#cluster = cluster;
    this.#random = random;
    const often = [() => this.#weight(), () => this.#weight(), () => this.#weight(), () => this.#otherRule(), () => this.#otherRule(), () => this.#drainRule()];
    this.#kinds = isLong ? [...often, ...often, () => this.#engine(), () => this.#drainHost(), () => this.#guest()] : [...often, () => this.#drainHost()];
  }

  async change(): Promise<string> {
    const fromMs = Date.now();
    const what = await this.#random.pick(this.#kinds)();
    await this.#cluster.settled(this.#hosts);
    this.done.push({ kind: what.split(":")[0]!, fromMs, toMs: Date.now() });
    return what;
  }

  get #hosts(): readonly number[] {
    return Array.from({ length: SETTLED + (this.#guestIsIn ? 1 : 0) }, (_, place) => place + 1);
  }

  #send(host: number, method: "POST" | "PATCH", path: string, body: unknown): Promise<unknown> {
    return this.#cluster.api(host).send(method, `/v1/nlb/${path}`, { body });
  }

  #command(verb: string, host: number, rule: string | null = null): Promise<unknown> {
    return this.#send(1, "POST", "command", { verb, rule, hosts: [host], deadlineMs: null });
  }

  async #weight(): Promise<string> {
    const host = this.#random.pick(this.#hosts);
    const weight = this.#random.pick([null, 10, 30, 50, 80, 100]);
    await this.#send(host, "PATCH", "host", { rules: Object.fromEntries(["tcp all:80-80", "tcp all:90-90", "udp all:5000-5000"].map((rule) => [rule, { weight }])) });
    return `weight: ${weight ?? "equal"} on host ${host}`;
  }

  async #otherRule(): Promise<string> {
    const port = this.#random.pick(OTHERS);
    const rule = `tcp all:${port}-${port + 9}`;
    const host = this.#random.pick(this.#hosts);
    if (!this.#others.has(port)) {
      this.#others.add(port);
      await this.#send(host, "POST", "changes", { kind: "addRule", rule: { ...DEFAULT_RULE, startPort: port, endPort: port + 9, protocol: "tcp" }, own: {} });
      return `rule added: ${rule}`;
    }
    if (this.#random.chance(0.5)) {
      await this.#send(host, "POST", "changes", { kind: "setRule", rule, values: { affinity: this.#random.pick(["none", "single", "network"]) } });
      return `rule changed: ${rule}`;
    }
    this.#others.delete(port);
    await this.#send(host, "POST", "changes", { kind: "deleteRule", rule });
    return `rule deleted: ${rule}`;
  }

  /** Nobody new on one host, which keeps whom it has; then as before. */
  async #drainRule(): Promise<string> {
    const host = this.#random.pick(this.#hosts);
    await this.#command("drain", host, "tcp all:80-80");
    await this.#cluster.settled(this.#hosts);
    await this.#command("enable", host, "tcp all:80-80");
    return `rule drained and enabled: on host ${host}`;
  }

  async #drainHost(): Promise<string> {
    const host = this.#random.integer(1, SETTLED);
    await this.#command("drainstop", host);
    await this.#cluster.state(host === 1 ? 2 : 1, host, "stopped");
    await this.#command("start", host);
    return `host drained, stopped and started: ${host}`;
  }

  async #engine(): Promise<string> {
    const host = this.#random.pick(this.#hosts);
    const engine = (await this.#cluster.status(host)).engine.startsWith("XDP") ? "nftables" : "xdp";
    await this.#send(host, "PATCH", "host", { engine });
    await until(`host ${host} filters with ${engine}`, async () => ((await this.#cluster.status(host)).engine.toLowerCase().startsWith(engine) ? true : null));
    return `engine: ${engine} on host ${host}`;
  }

  async #guest(): Promise<string> {
    if (!this.#guestIsIn) {
      const isKnown = this.done.some(({ kind }) => kind === "host left");
      if (isKnown) this.#cluster.muster(GUEST, "service", "start");
      else this.#cluster.join(GUEST);
      this.#guestIsIn = true;
      // Rules may have changed while it was away.
      if (isKnown) await until("the guest has the rules of the others", () => this.#send(GUEST, "POST", "sync", { from: 1 }).then(() => true, () => null));
      return isKnown ? "host came back: 4" : "host joined: 4";
    }
    await this.#command("drainstop", GUEST);
    await this.#cluster.state(1, GUEST, "stopped");
    this.#cluster.muster(GUEST, "service", "stop");
    this.#guestIsIn = false;
    return "host left: 4";
  }
}
