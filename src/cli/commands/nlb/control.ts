import type { Command as Program } from "commander";
import { MusterError } from "../../../model/errors.ts";
import type { CommandRequest, HostOutcome, NlbStatus } from "../../../nlb-host/facade.ts";
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
  if (options.dryRun === true) return show(plan(request, status), options);
  const outcomes = await send<readonly HostOutcome[]>({ ...options, dryRun: false }, "POST", "command", request);
  if (options.json) json(outcomes);
  else data(table(["HOST", "RESULT"], outcomes.map(({ host, code, problem }) => [String(host), problem ?? `${code} ${NAMES.get(code!) ?? ""}`])));
  const failed = outcomes.filter(({ code, problem }) => problem !== null || isRefused(verb, code!));
  if (failed.length > 0) throw refusal(failed[0]!);
}

/** Suspending a host that runs answers 'stopped': it was carried out, and the host was stopped for it (reference: NLB 16). */
function isRefused(verb: Verb, code: number): boolean {
  return REFUSED.has(code) && !(verb === "suspend" && code === ReturnCode.stopped);
}

/** What the shares would be is shown by the hosts that stay: from the same code that decides. */
function plan({ verb, rule, hosts }: CommandRequest, status: NlbStatus): readonly (readonly string[])[] {
  const wanted = hosts === null ? [status.self] : hosts === "all" ? status.hosts.map(({ id }) => id) : hosts;
  const gives = verb !== "start" && verb !== "enable" && verb !== "resume";
  return wanted.map((host) => {
    const owned = status.rules.filter(({ key }) => rule === null || key === rule).map(({ key, shares }) => ({ key, share: shares.find((one) => one.host === host) }));
    const text = owned.flatMap(({ key, share }) => (share === undefined || share.parts === 0 ? [] : [`${share.parts} of ${share.of} parts of '${key}'`])).join(", ");
    return [String(host), status.hosts.find(({ id }) => id === host)?.state ?? "", gives ? (text === "" ? "gives nothing away" : `gives away ${text}`) : "takes its share"];
  });
}

function show(rows: readonly (readonly string[])[], options: NlbChangeOptions): void {
  if (options.json) return json(rows.map(([host, state, effect]) => ({ host: Number(host), state, effect })));
  data(table(["HOST", "STATE NOW", "WOULD"], rows));
  talk("Nothing was changed.");
}

function refusal({ host, code, problem }: HostOutcome): MusterError {
  if (problem !== null) return new MusterError("MUSTER_NOT_REACHABLE", { address: `host ${host}`, problem });
  if (code === ReturnCode.suspended) return new MusterError("MUSTER_NLB_SUSPENDED", { host });
  if (code === ReturnCode.stopped) return new MusterError("MUSTER_NLB_STOPPED", { host });
  if (code === ReturnCode.draining) return new MusterError("MUSTER_NLB_DRAINING", { host });
  return new MusterError("MUSTER_INVALID_ARGUMENT", { field: "rule", problem: `host ${host} answered ${code} ${NAMES.get(code!) ?? ""}` });
}
