import type { Command as Program } from "commander";
import { MusterError } from "../../../model/errors.ts";
import type { Explanation, NlbEvent, NlbStatus } from "../../../nlb-host/facade.ts";
import type { Answer } from "../../../nlb/explain.ts";
import { ruleKey } from "../../../nlb/parameters.ts";
import type { BalancedHost } from "../../../nlb-host/files.ts";
import type { Mismatch } from "../../../nlb/consistency.ts";
import type { ClusterParameters, HostParameters } from "../../../nlb/parameters.ts";
import { clock, data, json, table, talk } from "../../output.ts";
import { ask, asksNlb, changesNlb, clientOf, hostOf, ruleOf, send, wholeNumber, yesOrNo } from "./common.ts";
import type { NlbChangeOptions, NlbOptions } from "./common.ts";
import { changeCluster, rulesTable } from "./rules.ts";

interface ParameterOptions extends NlbChangeOptions {
  readonly fullName?: string;
  readonly mode?: string;
  readonly address?: string[];
  readonly period?: string;
  readonly tolerance?: string;
  readonly filterIcmp?: string;
}

interface HostOptions extends NlbChangeOptions {
  readonly id?: string;
  readonly name?: string;
  readonly engine?: string;
  readonly initialState?: string;
  readonly retainSuspended?: string;
}

/** What is, what happened, and the parameters. */
export function nlbLookingCommands(nlb: Program): void {
  asksNlb(nlb.command("query").alias("status").description("hosts, rules, who has which share, and why anything is not well")).action(async (options: NlbOptions) => {
    const status = await ask<NlbStatus>(options, "status");
    if (options.json) json(status);
    else data(statusText(status));
  });
  asksNlb(nlb.command("who").argument("<client>", "ADDRESS, or ADDRESS:PORT, [ADDRESS]:PORT").argument("<target>", "a virtual address with its port").description("which host takes a new connection, and why"))
    .option("--udp", "a datagram")
    .action(async (client: string, target: string, options: NlbOptions & { readonly udp?: boolean }) => {
      const [from, to] = [placeOf(client, "client"), placeOf(target, "target")];
      if (to.port === undefined) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "target", problem: `'${target}' has no port` });
      const answer = await ask<Answer>(options, "who", { client: from.address, clientPort: from.port, address: to.address, port: to.port, protocol: options.udp ? "udp" : "tcp" });
      if (options.json) json(answer);
      else data([answer.host === null ? "Nobody takes it." : `Host ${answer.host} takes it.`, ...answer.steps.map((step) => `  ${step}`)].join("\n"));
    });
  asksNlb(nlb.command("why").argument("[name]", "id or name of a host, key or port of a rule; default: this host").description("why it is as it is, and what helps")).action(async (name: string | undefined, options: NlbOptions) => {
    const { hosts, cluster } = await ask<NlbStatus>(options, "status");
    const isHost = name === undefined || hosts.some(({ id, name: own }) => String(id) === name || own === name);
    const reasons = await ask<readonly Explanation[]>(options, "why", { name: isHost ? name : ruleKey(ruleOf(name, cluster.rules)) });
    if (options.json) json(reasons);
    else data(reasons.map(({ host, text, next }) => `${isHost ? `Host ${host}: ` : ""}${text}${next === null ? "" : `\n  ${next}`}`).join("\n"));
  });
  asksNlb(nlb.command("params").description("parameters of the cluster and of this host")).action(async (options: NlbOptions) => {
    const { cluster, host, adapter, clusterId } = await ask<BalancedHost>(options, "configuration");
    if (options.json) json({ clusterId, adapter, cluster, host });
    else data(parametersText(adapter, cluster, host));
  });
  changesNlb(nlb.command("set").description("change parameters of the cluster, on all hosts"))
    .option("--full-name <name>", "full Internet name")
    .option("--mode <mode>", "unicast, multicast, igmpMulticast or windowsUnicast; connections break when it changes")
    .option("--address <address...>", "all additional virtual addresses")
    .option("--period <ms>", "from one heartbeat to the next")
    .option("--tolerance <count>", "heartbeats missed before a host counts as lost")
    .option("--filter-icmp <yes|no>", "yes: the default host alone answers echo requests")
    .action(async (options: ParameterOptions) => {
      const values: Record<string, unknown> = {
        name: options.fullName,
        operationMode: options.mode,
        additionalAddresses: options.address,
        heartbeatPeriodMs: options.period === undefined ? undefined : wholeNumber(options.period, "--period", 100, 10_000),
        heartbeatTolerance: options.tolerance === undefined ? undefined : wholeNumber(options.tolerance, "--tolerance", 5, 100),
        filtersIcmp: options.filterIcmp === undefined ? undefined : yesOrNo(options.filterIcmp, "--filter-icmp"),
      };
      await changeCluster(options, { kind: "set", values: Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<ClusterParameters> }, "The parameters were changed.");
    });
  const host = nlb.command("host").description("parameters of this host alone");
  changesNlb(host.command("set").description("change them"))
    .option("--id <number>", "1 to 64; the lowest of the hosts is the default host")
    .option("--name <name>", "its name")
    .option("--engine <engine>", "what filters: nftables, xdp, or auto; `query` says which it is, and why. No connection breaks")
    .option("--initial-state <state>", "started, stopped or suspended: what it does when it comes up")
    .option("--retain-suspended <yes|no>", "yes: a host that went down suspended comes back suspended")
    .action(async (options: HostOptions) => {
      const change = { id: options.id === undefined ? undefined : wholeNumber(options.id, "--id", 1, 64), name: options.name, engine: options.engine, initialState: options.initialState, retainsSuspended: options.retainSuspended === undefined ? undefined : yesOrNo(options.retainSuspended, "--retain-suspended") };
      const after = await send<HostParameters>(options, "PATCH", "host", Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined)));
      if (options.json) json(after);
      else data(hostText(after));
      talk(options.dryRun === true ? "Nothing was changed." : "The host's parameters were changed.");
    });
  changesNlb(nlb.command("sync").description("take the cluster's parameters from another host"))
    .option("--from <host>", "id or name; default: one that serves")
    .action(async (options: NlbChangeOptions & { readonly from?: string }) => {
      const from = options.from === undefined ? null : hostOf(options.from, await ask<NlbStatus>(options, "status"));
      const outcome = await send<{ readonly from: number; readonly mismatches: readonly Mismatch[] }>(options, "POST", "sync", { from });
      if (options.json) json(outcome);
      else data(outcome.mismatches.length === 0 ? `Nothing differs from host ${outcome.from}.` : table(["FIELD", "HERE", `HOST ${outcome.from}`], outcome.mismatches.map(({ field, here, there }) => [field, here, there])));
      talk(options.dryRun === true ? "Nothing was changed." : `This host has the parameters of host ${outcome.from}.`);
    });
  asksNlb(nlb.command("events").description("what happened on this host since it was started"))
    .option("--limit <count>", "how many", "100")
    .option("--follow", "go on with what happens")
    .action(async (options: NlbOptions & { readonly limit: string; readonly follow?: boolean }) => {
      const events = await ask<readonly NlbEvent[]>(options, "events", { limit: options.limit });
      if (options.json && options.follow !== true) return json(events);
      const say = (event: NlbEvent): void => data(options.json ? JSON.stringify(event) : eventText(event));
      events.forEach(say);
      if (options.follow !== true) return;
      for await (const item of clientOf(options).stream<NlbEvent | NlbStatus>("/v1/nlb/watch", {})) if ("text" in item) say(item);
    });
  asksNlb(nlb.command("watch").description("hosts, shares and connections, live")).action(async (options: NlbOptions) => {
    for await (const item of clientOf(options).stream<NlbEvent | NlbStatus>("/v1/nlb/watch", {})) {
      if (options.json) data(JSON.stringify(item));
      else if ("hosts" in item) data(`${process.stdout.isTTY ? "\u001b[H\u001b[2J" : ""}${statusText(item)}\n`);
    }
  });
}

/** `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`. */
function placeOf(text: string, field: string): { readonly address: string; readonly port: string | undefined } {
  const match = /^\[([^\]]+)\](?::(\d+))?$/.exec(text) ?? /^([^:]+)(?::(\d+))?$/.exec(text) ?? /^([0-9a-fA-F:.]+)$/.exec(text);
  if (match === null) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field, problem: `'${text}' is no ADDRESS:PORT` });
  return { address: match[1]!, port: match[2] };
}

export function statusText(status: NlbStatus): string {
  const { cluster, hosts, rules } = status;
  const addresses = [cluster.primaryAddress, ...cluster.additionalAddresses].join(", ");
  const rows = hosts.map(({ id, name, address, state, code, isMember, why, heardAgoMs }) => [String(id), name ?? "", id === status.self ? "this host" : (address ?? ""), `${state} (${code})`, isMember ? "yes" : "no", heardAgoMs === null ? "" : `${Math.round(heardAgoMs)} ms ago`, why === null ? "" : `${why.text}${why.next === null ? "" : ` ${why.next}`}`]);
  return [`${cluster.name} at ${addresses}, ${cluster.operationMode}, filter ${status.engine}; map ${status.map ?? "none"}`, "", table(["HOST", "NAME", "ADDRESS", "STATE", "IN THE MAP", "HEARD", "WHY"], rows), "", rulesTable(rules), "", `Open here are ${status.counted}.`].join("\n");
}

function parametersText(adapter: string, cluster: ClusterParameters, host: HostParameters): string {
  const rows = [
    ["primary address", cluster.primaryAddress + (cluster.subnetMask === null ? "" : `, mask ${cluster.subnetMask}`)],
    ["additional addresses", cluster.additionalAddresses.join(", ") || "none"],
    ["full Internet name", cluster.name],
    ["operation mode", cluster.operationMode],
    ["heartbeats", `every ${cluster.heartbeatPeriodMs} ms; a host is lost after ${cluster.heartbeatTolerance} missed ones, ${cluster.heartbeatPeriodMs * cluster.heartbeatTolerance} ms`],
    ["echo requests", cluster.filtersIcmp ? "the default host answers" : "every host answers"],
    ["port rules", String(cluster.rules.length)],
    ["adapter", adapter],
  ];
  return `${rows.map(([name, value]) => `${name!.padEnd(22)}${value}`).join("\n")}\n${hostText(host)}`;
}

function hostText(host: HostParameters): string {
  const rows = [
    ["host id", String(host.id)],
    ["host name", host.name],
    ["dedicated addresses", host.dedicatedAddresses.join(", ") || "those of the adapter"],
    ["initial state", host.initialState],
    ["retains suspension", host.retainsSuspended ? "yes" : "no"],
    ...Object.entries(host.rules).map(([key, { weight, handlingPriority }]) => [`'${key}'`, `weight ${weight ?? "equal"}, handling priority ${handlingPriority}`]),
  ];
  return rows.map(([name, value]) => `${name!.padEnd(22)}${value}`).join("\n");
}

function eventText({ wallTimeMs, name, code, level, text, next }: NlbEvent): string {
  return `${clock(wallTimeMs)}  ${level.padEnd(11)}  ${code} ${name}  ${text}${next === null ? "" : ` ${next}`}`;
}
