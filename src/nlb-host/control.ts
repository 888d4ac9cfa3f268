import { MusterError } from "../model/errors.ts";
import type { Command } from "../nlb/inputs.ts";
import type { ClusterParameters, HostId } from "../nlb/parameters.ts";
import type { BalancerThread } from "./balancer-thread.ts";
import type { CommandForecast, CommandRequest, HostOutcome } from "./facade.ts";
import { forecastOf } from "./forecast.ts";
import type { BalancerSnapshot } from "./messages.ts";
import type { Others } from "./others.ts";
import type { Trial } from "./trial.ts";

/** Starting, stopping and draining of hosts and rules, here and on others. */
export class HostControl {
  readonly #thread: () => BalancerThread;
  readonly #others: Others;
  readonly #cluster: () => ClusterParameters;
  readonly #log: (line: string) => void;
  readonly #deadlines = new Map<string, NodeJS.Timeout>();

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

  async #obey(request: CommandRequest): Promise<number> {
    const { verb, rule, deadlineMs } = request;
    const timer = `${isOfRules(verb) ? "rule" : "host"} ${rule ?? "*"}`;
    clearTimeout(this.#deadlines.get(timer));
    this.#deadlines.delete(timer);
    const code = await this.#thread().ask<number>({ kind: "command", command: commandOf(request) });
    const last = verb === "drainstop" ? "stop" : verb === "drain" ? "disable" : null;
    if (last !== null && deadlineMs !== null) {
      this.#deadlines.set(timer, setTimeout(() => void this.#obey({ verb: last, rule, hosts: null, deadlineMs: null }).catch((error: Error) => this.#log(error.message)), deadlineMs));
    }
    return code;
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
