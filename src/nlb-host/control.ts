import { MusterError } from "../model/errors.ts";
import type { Command } from "../nlb/inputs.ts";
import { ruleKey } from "../nlb/parameters.ts";
import type { ClusterParameters, HostId } from "../nlb/parameters.ts";
import { ReturnCode } from "../nlb/states.ts";
import type { BalancerThread } from "./balancer-thread.ts";
import type { CommandForecast, CommandRequest, HostOutcome } from "./facade.ts";
import { forecastOf } from "./forecast.ts";
import type { BalancerSnapshot } from "./messages.ts";
import type { Others } from "./others.ts";
import type { Trial } from "./trial.ts";
import { Turns } from "./turns.ts";

/** The host is as it was told to be: since now, or already. */
const DONE: readonly number[] = [ReturnCode.ok, ReturnCode.already, ReturnCode.drainStop];
/** Among deadlines, that of the whole host; no key of a rule is empty. */
const HOST = "";

/** Starting, stopping and draining of hosts and rules, here and on others. */
export class HostControl {
  readonly #thread: () => BalancerThread;
  readonly #others: Others;
  readonly #cluster: () => ClusterParameters;
  readonly #log: (line: string) => void;
  /** By key of the rule: when draining is ended, whatever is open. */
  readonly #deadlines = new Map<string, NodeJS.Timeout>();
  /** Of commands: a deadline that comes while it is undone does not count. */
  readonly #turns = new Turns();

  constructor(thread: () => BalancerThread, others: Others, cluster: () => ClusterParameters, log: (line: string) => void) {
    this.#thread = thread;
    this.#others = others;
    this.#cluster = cluster;
    this.#log = log;
  }

  stop(): void {
    for (const timer of this.#deadlines.values()) clearTimeout(timer);
    this.#deadlines.clear();
  }

  /** @throws MusterError MUSTER_NLB_HOST_UNKNOWN */
  async command(snapshot: BalancerSnapshot, request: CommandRequest): Promise<readonly HostOutcome[]> {
    const { self, peers } = snapshot;
    return Promise.all(
      hostsOf(snapshot, request).map(async (host): Promise<HostOutcome> => {
        if (host === self.host) return { host, code: await this.#obey(request), problem: null };
        const outcome = await this.#others.ask<readonly HostOutcome[]>(peers, host, "POST", "/v1/nlb/command", { ...request, hosts: null });
        return "problem" in outcome ? { host, code: null, problem: outcome.problem } : outcome.answer[0]!;
      }),
    );
  }

  /** Each host tries the command on a copy of what it knows; what follows is worked out here. @throws MusterError MUSTER_NLB_HOST_UNKNOWN */
  async forecast(snapshot: BalancerSnapshot, request: CommandRequest): Promise<CommandForecast> {
    const { self, peers } = snapshot;
    const hosts = hostsOf(snapshot, request);
    const asked = await Promise.all(hosts.map(async (host) => ({ host, outcome: host === self.host ? { answer: await this.tries(request) } : await this.#others.ask<Trial>(peers, host, "POST", "/v1/nlb/trial", { ...request, hosts: null }) })));
    const trials = asked.flatMap(({ outcome }) => ("answer" in outcome ? [outcome.answer] : []));
    const outcomes = asked.map(({ host, outcome }): HostOutcome => ("problem" in outcome ? { host, code: null, problem: outcome.problem } : { host, code: outcome.answer.code, problem: null }));
    return { hosts: outcomes, ...forecastOf(await this.#fromInside(snapshot), this.#cluster(), trials) };
  }

  tries(request: CommandRequest): Promise<Trial> {
    return this.#thread().question<Trial>({ what: "try", command: commandOf(request) });
  }

  /** Who is in no map sees it through a host that is in one. */
  async #fromInside(snapshot: BalancerSnapshot): Promise<BalancerSnapshot> {
    const inside = snapshot.map === null ? snapshot.peers.find(({ heartbeat }) => heartbeat.map.proposer !== 0) : undefined;
    if (inside === undefined) return snapshot;
    const outcome = await this.#others.ask<BalancerSnapshot>(snapshot.peers, inside.host, "GET", "/v1/nlb/snapshot");
    if ("problem" in outcome) throw new MusterError("MUSTER_NOT_REACHABLE", { address: `host ${inside.host}`, problem: outcome.problem });
    const { map } = outcome.answer;
    return { ...outcome.answer, map: map === null ? null : { ...map, owners: map.owners.map((owners) => Uint8Array.from(owners)) } };
  }

  #obey(request: CommandRequest): Promise<number> {
    return this.#turns.take(async () => {
      const code = await this.#thread().ask<number>({ kind: "command", command: commandOf(request) });
      if (DONE.includes(code)) this.#setDeadlines(request);
      return code;
    });
  }

  /** What drains already keeps its deadline unless it is given another; whatever else is done to it takes the deadline away. */
  #setDeadlines({ verb, rule, deadlineMs }: CommandRequest): void {
    const isDraining = verb === "drain" || verb === "drainstop";
    if (isDraining && deadlineMs === null) return;
    const keys = !isOfRules(verb) ? [HOST] : rule !== null ? [rule] : isDraining ? this.#cluster().rules.map(ruleKey) : [...this.#deadlines.keys()].filter((key) => key !== HOST);
    for (const key of keys) {
      clearTimeout(this.#deadlines.get(key));
      this.#deadlines.delete(key);
      if (isDraining) this.#endAfter(deadlineMs!, key);
    }
  }

  #endAfter(deadlineMs: number, key: string): void {
    const timer = setTimeout(() => {
      const ends = this.#turns.take(async () => {
        if (this.#deadlines.get(key) !== timer) return;
        this.#deadlines.delete(key);
        await this.#thread().ask<number>({ kind: "command", command: key === HOST ? { verb: "stop" } : { verb: "disable", rule: key } });
      });
      ends.catch((error: Error) => this.#log(error.message));
    }, deadlineMs);
    this.#deadlines.set(key, timer);
  }
}

function isOfRules(verb: CommandRequest["verb"]): verb is "enable" | "disable" | "drain" {
  return verb === "enable" || verb === "disable" || verb === "drain";
}

function commandOf({ verb, rule }: CommandRequest): Command {
  return isOfRules(verb) ? { verb, rule } : { verb };
}

function hostsOf({ self, peers }: BalancerSnapshot, { hosts }: CommandRequest): readonly HostId[] {
  const heard = [self.host, ...peers.map(({ host }) => host)].sort((a, b) => a - b);
  const wanted = hosts === null ? [self.host] : hosts === "all" ? heard : hosts;
  for (const host of wanted) if (!heard.includes(host)) throw new MusterError("MUSTER_NLB_HOST_UNKNOWN", { host });
  return wanted;
}
