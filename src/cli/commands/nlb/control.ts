import type { Command as Program } from "commander";
import { MusterError } from "../../../model/errors.ts";
import type { CommandForecast, CommandRequest, HostOutcome, NlbStatus } from "../../../nlb-host/facade.ts";
import { ruleKey } from "../../../nlb/parameters.ts";
import { ReturnCode } from "../../../nlb/states.ts";
import { data, json, table, talk } from "../../output.ts";
import { ask, changesNlb, hostOf, ruleOf, send, wholeNumber } from "./common.ts";
import type { NlbChangeOptions } from "./common.ts";

interface ControlOptions extends NlbChangeOptions {
  readonly hosts?: string[];
  readonly all?: boolean;
  readonly deadline?: string;
}

type Verb = CommandRequest["verb"];

const HOST_VERBS: readonly (readonly [verb: Verb, description: string])[] = [
  ["start", "take part; ends draining"],
  ["stop", "take no part; connections end at once"],
  ["drainstop", "take no new connections, and stop when the last one ends"],
  ["suspend", "stop, and take no command but resume"],
  ["resume", "end a suspension; the host is stopped then"],
];
const RULE_VERBS: readonly (readonly [verb: Verb, description: string])[] = [
  ["enable", "take part in a rule, or in all"],
  ["disable", "take no part in a rule, or in all; its connections end at once"],
  ["drain", "take no new connections of a rule, or of all"],
];
const SECOND_MS = 1_000;
const NAMES: ReadonlyMap<number, string> = new Map(Object.entries(ReturnCode).map(([name, code]) => [code, name]));
/** Not done: the host is in a state in which it takes no such command. */
const REFUSED: ReadonlySet<number> = new Set([ReturnCode.stopped, ReturnCode.suspended, ReturnCode.draining, ReturnCode.mediaDisconnected, ReturnCode.badParameters, ReturnCode.notFound]);

/** What hosts and rules do now; parameters stay as they are. */
export function nlbControlCommands(nlb: Program): void {
  for (const [verb, description] of HOST_VERBS) {
    const command = onHosts(nlb.command(verb).description(description));
    if (verb === "drainstop") command.option("--deadline <seconds>", "then stop whatever is still open");
    command.action((options: ControlOptions) => control(verb, null, options));
  }
  for (const [verb, description] of RULE_VERBS) {
    const command = onHosts(nlb.command(verb).argument("[rule]", "its key, or a port that it covers; default: all").description(description));
    if (verb === "drain") command.option("--deadline <seconds>", "then disable it: whatever is still open ends");
    command.action((rule: string | undefined, options: ControlOptions) => control(verb, rule ?? null, options));
  }
}

function onHosts(command: Program): Program {
  return changesNlb(command).option("--hosts <host...>", "ids or names; default: this host").option("--all", "every host that is heard");
}

async function control(verb: Verb, ruleText: string | null, options: ControlOptions): Promise<void> {
  const status = await ask<NlbStatus>(options, "status");
  const hosts = options.all === true ? "all" : (options.hosts?.map((text) => hostOf(text, status)) ?? null);
  const rule = ruleText === null ? null : ruleKey(ruleOf(ruleText, status.cluster.rules));
  const deadlineMs = options.deadline === undefined ? null : wholeNumber(options.deadline, "--deadline", 1, 86_400) * SECOND_MS;
  const request: CommandRequest = { verb, rule, hosts, deadlineMs };
  if (options.dryRun === true) return foresee(verb, request, status, options);
  const outcomes = await send<readonly HostOutcome[]>(options, "POST", "command", request);
  if (options.json) json(outcomes);
  else data(table(["HOST", "RESULT"], outcomes.map((outcome) => [String(outcome.host), resultText(outcome)])));
  throwRefusal(verb, outcomes);
}

function throwRefusal(verb: Verb, outcomes: readonly HostOutcome[]): void {
  const failed = outcomes.find(({ code, problem }) => problem !== null || isRefused(verb, code!));
  if (failed !== undefined) throw refusal(failed);
}

/** Suspending a host that runs answers 'stopped': it was carried out, and the host was stopped for it (reference: NLB 16). */
function isRefused(verb: Verb, code: number): boolean {
  return REFUSED.has(code) && !(verb === "suspend" && code === ReturnCode.stopped);
}

async function foresee(verb: Verb, request: CommandRequest, status: NlbStatus, options: NlbChangeOptions): Promise<void> {
  const forecast = await send<CommandForecast>(options, "POST", "command", request);
  if (options.json) json(forecast);
  else data(forecastText(forecast, status));
  talk("Nothing was changed.");
  throwRefusal(verb, forecast.hosts);
}

function forecastText({ hosts, rules, defaultHost }: CommandForecast, status: NlbStatus): string {
  const answers = hosts.map((outcome) => [String(outcome.host), status.hosts.find(({ id }) => id === outcome.host)?.state ?? "", resultText(outcome)]);
  const shares = rules.flatMap(({ key, of, shares: all }) => all.map(({ host, before, after }) => [key, String(host), shareText(before, of), shareText(after, of)]));
  const moves = rules.flatMap(({ key, of, moves: all }) => all.map(({ from, to, parts }) => `  '${key}': ${parts.length} of ${of} from ${hostText(from)} to ${hostText(to)}${of === 1 ? "" : ` (buckets ${rangesText(parts)})`}`));
  const isMoved = defaultHost.before !== defaultHost.after;
  const lines = [...moves, ...(isMoved ? [`  what no rule covers: from ${hostText(defaultHost.before)} to ${hostText(defaultHost.after)}`] : [])];
  return [table(["HOST", "STATE NOW", "WOULD ANSWER"], answers), "", table(["RULE", "HOST", "NOW", "THEN"], shares), "", "Moves:", ...(lines.length === 0 ? ["  none"] : lines)].join("\n");
}

function shareText(parts: number, of: number): string {
  return of === 0 ? "-" : `${((100 * parts) / of).toFixed(1)}%`;
}

function hostText(host: number): string {
  return host === 0 ? "nobody" : `host ${host}`;
}

/** `0-3, 7` */
function rangesText(parts: readonly number[]): string {
  const texts: string[] = [];
  for (let at = 0; at < parts.length; ) {
    let end = at;
    while (parts[end + 1] === parts[end]! + 1) end++;
    texts.push(at === end ? `${parts[at]}` : `${parts[at]}-${parts[end]}`);
    at = end + 1;
  }
  return texts.join(", ");
}

function resultText({ code, problem }: HostOutcome): string {
  return problem ?? `${code} ${NAMES.get(code!) ?? ""}`;
}

function refusal({ host, code, problem }: HostOutcome): MusterError {
  if (problem !== null) return new MusterError("MUSTER_NOT_REACHABLE", { address: `host ${host}`, problem });
  if (code === ReturnCode.suspended) return new MusterError("MUSTER_NLB_SUSPENDED", { host });
  if (code === ReturnCode.stopped) return new MusterError("MUSTER_NLB_STOPPED", { host });
  if (code === ReturnCode.draining) return new MusterError("MUSTER_NLB_DRAINING", { host });
  return new MusterError("MUSTER_INVALID_ARGUMENT", { field: "rule", problem: `host ${host} answered ${code} ${NAMES.get(code!) ?? ""}` });
}
