import type { Command as Program } from "commander";
import { MusterError } from "../../../model/errors.ts";
import type { ClusterChange, ClusterChangeOutcome, NlbStatus, RuleView } from "../../../nlb-host/facade.ts";
import type { BalancedHost } from "../../../nlb-host/files.ts";
import type { ClusterParameters, HealthProbe, HostParameters, HostRule, MetricCommand, PortRule } from "../../../nlb/parameters.ts";
import { DEFAULT_RULE, ruleKey } from "../../../nlb/parameters.ts";
import { data, json, table, talk } from "../../output.ts";
import { ask, asksNlb, changesNlb, portsOf, ruleOf, send, wholeNumber } from "./common.ts";
import type { NlbChangeOptions, NlbOptions } from "./common.ts";

interface RuleOptions extends NlbChangeOptions {
  readonly address?: string;
  readonly ports?: string;
  readonly protocol?: string;
  readonly mode?: string;
  readonly affinity?: string;
  readonly timeout?: string;
  readonly weight?: string;
  readonly priority?: string;
  readonly probe?: string;
  readonly metric?: string;
  readonly every?: string;
}

const EVERY_DEFAULT_S = "2";

/** Port rules, equal on all hosts, and what this host has to say about each. */
export function nlbRuleCommands(nlb: Program): void {
  const rule = nlb.command("rule").description("port rules: which host takes what");
  asksNlb(rule.command("list").description("all rules, and who has which share")).action(async (options: NlbOptions) => {
    const { rules } = await ask<NlbStatus>(options, "status");
    if (options.json) json(rules);
    else data(rulesTable(rules));
  });
  ruleFields(changesNlb(rule.command("add").description("on all hosts; weight and priority are this host's"))).action(async (options: RuleOptions) => {
    const change: ClusterChange = { kind: "addRule", rule: { ...DEFAULT_RULE, ...fieldsOf(options) }, own: ownOf(options) };
    await changeCluster(options, change, "The rule was added.");
  });
  ruleFields(changesNlb(rule.command("set").argument("<rule>", "its key, or a port that it covers").description("change a rule on all hosts; weight and priority are this host's"))).action(async (text: string, options: RuleOptions) => {
    const { cluster } = await ask<BalancedHost>(options, "configuration");
    const found = ruleOf(text, cluster.rules);
    const values = fieldsOf(options);
    const own = ownOf(options);
    if (Object.keys(values).length > 0) await changeCluster(options, { kind: "setRule", rule: ruleKey(found), values }, "The rule was changed.");
    if (Object.keys(own).length > 0) {
      // Of a dry run, the rule still has its old key.
      const key = options.dryRun === true ? ruleKey(found) : ruleKey({ ...found, ...values });
      const host = await send<HostParameters>(options, "PATCH", "host", { rules: { [key]: own } });
      if (options.json) json(host.rules);
      talk(options.dryRun === true ? "Nothing was changed." : "This host's word about the rule was changed.");
    }
  });
  changesNlb(rule.command("delete").argument("<rule>", "its key, or a port that it covers").description("on all hosts; what it covered goes to the default host")).action(async (text: string, options: RuleOptions) => {
    const { cluster } = await ask<BalancedHost>(options, "configuration");
    await changeCluster(options, { kind: "deleteRule", rule: ruleKey(ruleOf(text, cluster.rules)) }, "The rule was deleted.");
  });
}

function ruleFields(command: Program): Program {
  return command
    .option("--address <address>", "one virtual address, or all")
    .option("--ports <ports>", "80 or 8000-8010")
    .option("--protocol <protocol>", "tcp, udp or both")
    .option("--mode <mode>", "multiple: all hosts share; single: one host takes everything; disabled: nobody takes anything")
    .option("--affinity <affinity>", "none: each connection by itself; single: a client stays with its host; network: clients of one network do")
    .option("--timeout <minutes>", "extended affinity: a client stays with its host that long after it was last seen; 0 = off")
    .option("--weight <weight>", "0 to 100, or equal: this host's share")
    .option("--priority <number>", "1 to 64, in the mode single: the host with the lowest takes everything")
    .option("--probe <probe>", "tcp:PORT, http:PORT/PATH or command:WORDS; a host that is not well gives its share away; none")
    .option("--metric <command>", "prints 0 to 100: how much of its weight the host can carry now; none")
    .option("--every <seconds>", "how often probe and metric look", EVERY_DEFAULT_S);
}

function fieldsOf(options: RuleOptions): Partial<PortRule> {
  const ports = options.ports === undefined ? undefined : portsOf(options.ports, "--ports");
  const everyMs = wholeNumber(options.every ?? EVERY_DEFAULT_S, "--every", 1, 3_600) * 1_000;
  const fields: { [Field in keyof PortRule]?: PortRule[Field] | undefined } = {
    virtualAddress: options.address === undefined ? undefined : options.address === "all" ? null : options.address,
    startPort: ports?.startPort,
    endPort: ports?.endPort,
    // What is no value at all is refused where the rule is checked, which names the values.
    protocol: options.protocol as PortRule["protocol"] | undefined,
    mode: options.mode as PortRule["mode"] | undefined,
    affinity: options.affinity as PortRule["affinity"] | undefined,
    timeoutMinutes: options.timeout === undefined ? undefined : wholeNumber(options.timeout, "--timeout", 0, 240),
    probe: options.probe === undefined ? undefined : probeOf(options.probe, everyMs),
    metric: options.metric === undefined ? undefined : metricOf(options.metric, everyMs),
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<PortRule>;
}

function probeOf(text: string, everyMs: number): HealthProbe | null {
  if (text === "none") return null;
  const times = { intervalMs: everyMs, timeoutMs: everyMs };
  const tcp = /^tcp:(\d+)$/.exec(text);
  if (tcp !== null) return { kind: "tcp", port: wholeNumber(tcp[1]!, "--probe", 1, 65_535), ...times };
  const http = /^http:(\d+)(\/\S*)$/.exec(text);
  if (http !== null) return { kind: "http", port: wholeNumber(http[1]!, "--probe", 1, 65_535), path: http[2]!, expectedStatus: 200, ...times };
  const command = /^command:(.+)$/.exec(text);
  if (command !== null) return { kind: "command", command: command[1]!, ...times };
  throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "--probe", problem: `'${text}' is none of tcp:PORT, http:PORT/PATH, command:WORDS and none` });
}

function metricOf(text: string, everyMs: number): MetricCommand | null {
  return text === "none" ? null : { command: text, intervalMs: everyMs, timeoutMs: everyMs };
}

function ownOf({ weight, priority }: RuleOptions): Partial<HostRule> {
  return {
    ...(weight === undefined ? {} : { weight: weight === "equal" ? null : wholeNumber(weight, "--weight", 0, 100) }),
    ...(priority === undefined ? {} : { handlingPriority: wholeNumber(priority, "--priority", 1, 64) }),
  };
}

/** Changes what is equal on all hosts, or shows what that would mean. */
export async function changeCluster(options: NlbChangeOptions, change: ClusterChange, said: string): Promise<void> {
  const outcome = await send<ClusterChangeOutcome>(options, "POST", "changes", change);
  if (options.json) json(outcome);
  else data(outcomeText(outcome));
  if (options.dryRun === true) return talk("Nothing was changed.");
  const missing = outcome.hosts.filter(({ problem }) => problem !== null);
  talk(missing.length === 0 ? said : `${said} Not on ${missing.map(({ host, problem }) => `host ${host} (${problem})`).join(", ")}: it is kept out until there: muster nlb sync`);
}

function outcomeText({ before, after, moves, hosts }: ClusterChangeOutcome): string {
  const lines = differences(before, after).map((line) => `  ${line}`);
  const moved = Object.entries(moves ?? {}).filter(([, parts]) => parts > 0).map(([key, parts]) => `  ${parts} part${parts === 1 ? "" : "s"} of '${key}' get another owner`);
  return ["Changes:", ...(lines.length === 0 ? ["  none"] : lines), ...(moves === null ? [] : ["Moves:", ...(moved.length === 0 ? ["  none"] : moved)]), `On the hosts ${hosts.map(({ host }) => host).join(", ")}.`].join("\n");
}

function differences(before: ClusterParameters, after: ClusterParameters): string[] {
  const lines: string[] = [];
  const old = new Map(before.rules.map((rule) => [ruleKey(rule), rule]));
  const now = new Map(after.rules.map((rule) => [ruleKey(rule), rule]));
  for (const key of old.keys()) if (!now.has(key)) lines.push(`- ${key}`);
  for (const [key, rule] of now) {
    const former = old.get(key);
    if (former === undefined) lines.push(`+ ${key}: ${text(rule)}`);
    else if (text(former) !== text(rule)) lines.push(`  ${key}: ${text(former)} -> ${text(rule)}`);
  }
  for (const field of Object.keys(after) as (keyof ClusterParameters)[]) if (field !== "rules" && String(before[field]) !== String(after[field])) lines.push(`  ${field}: ${String(before[field])} -> ${String(after[field])}`);
  return lines;
}

function text({ mode, affinity, timeoutMinutes, probe, metric }: PortRule): string {
  const sharing = mode === "multiple" ? `, affinity ${affinity}${timeoutMinutes > 0 ? ` for ${timeoutMinutes} min` : ""}` : "";
  return `${mode}${sharing}${probe === null ? "" : `, probe ${probe.kind}`}${metric === null ? "" : ", metric"}`;
}

/** Shares by rule. */
export function rulesTable(rules: readonly RuleView[]): string {
  if (rules.length === 0) return "No rules: everything goes to the default host.";
  return table(
    ["RULE", "MODE", "SHARES", "OPEN HERE", "TAKEN HERE"],
    rules.map(({ key, rule, shares, openConnections, taken, health }) => [
      key,
      text(rule),
      shares.map(({ host, parts, of, state, isHealthy }) => `${host}: ${of === 0 ? "-" : `${Math.round((100 * parts) / of)}%`}${state === "enabled" ? "" : ` ${state}`}${isHealthy ? "" : " not well"}`).join("  ") || "-",
      String(openConnections),
      `${taken ?? 0}${health.reason === null ? "" : ` (${health.reason})`}`,
    ]),
  );
}
