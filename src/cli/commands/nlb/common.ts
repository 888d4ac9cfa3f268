import type { Command as Program } from "commander";
import { ApiClient } from "../../../api/client.ts";
import { MusterError } from "../../../model/errors.ts";
import { hostPaths, NLB_DIRECTORY_DEFAULT } from "../../../nlb-host/files.ts";
import type { HostId, PortRule } from "../../../nlb/parameters.ts";
import { ruleKey } from "../../../nlb/parameters.ts";
import type { NlbStatus } from "../../../nlb-host/facade.ts";

export interface NlbOptions {
  readonly directory: string;
  readonly json?: boolean;
}

export interface NlbChangeOptions extends NlbOptions {
  readonly dryRun?: boolean;
}

const TIMEOUT_MS = 20_000;
const PORT_MAX = 65_535;

/** Options of every command about a balancing cluster. */
export function asksNlb(command: Program): Program {
  return command.option("--json", "print JSON").option("--directory <dir>", "the host's directory", NLB_DIRECTORY_DEFAULT);
}

export function changesNlb(command: Program): Program {
  return asksNlb(command).option("--dry-run", "show what would happen, change nothing");
}

/** The host of this machine; it passes on what is for others. */
export function clientOf({ directory }: NlbOptions): ApiClient {
  return new ApiClient({ socket: hostPaths.socket(directory) });
}

export function ask<Answer>(options: NlbOptions, path: string, query: Readonly<Record<string, string | undefined>> = {}): Promise<Answer> {
  return clientOf(options).get<Answer>(`/v1/nlb/${path}`, { query, timeoutMs: TIMEOUT_MS });
}

export function send<Answer>(options: NlbChangeOptions, method: "POST" | "PATCH", path: string, body: unknown): Promise<Answer> {
  return clientOf(options).send<Answer>(method, `/v1/nlb/${path}`, { body, timeoutMs: TIMEOUT_MS, query: { dryRun: options.dryRun === true ? "true" : undefined } });
}

/** @throws MusterError that names the field */
export function wholeNumber(text: string, field: string, minimum: number, maximum: number): number {
  const value = /^[0-9]+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value) || value < minimum || value > maximum) throw new MusterError("MUSTER_PROPERTY_RANGE", { field, value: text, range: `whole numbers from ${minimum} to ${maximum}` });
  return value;
}

/** @throws MusterError that names the field */
export function yesOrNo(text: string, field: string): boolean {
  if (text !== "yes" && text !== "no") throw new MusterError("MUSTER_PROPERTY_RANGE", { field, value: text, range: "yes, no" });
  return text === "yes";
}

/** `80`, or `8000-8010`. @throws MusterError that names the field */
export function portsOf(text: string, field: string): { readonly startPort: number; readonly endPort: number } {
  const match = /^([0-9]+)(?:-([0-9]+))?$/.exec(text);
  if (match === null) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field, problem: `'${text}' is neither a port such as 80 nor ports such as 8000-8010` });
  const startPort = wholeNumber(match[1]!, field, 0, PORT_MAX);
  return { startPort, endPort: match[2] === undefined ? startPort : wholeNumber(match[2], field, startPort, PORT_MAX) };
}

/** `2`, or a name that a host has. @throws MusterError MUSTER_NLB_HOST_UNKNOWN */
export function hostOf(text: string, { hosts }: NlbStatus): HostId {
  const found = hosts.find(({ id, name }) => String(id) === text || name === text);
  if (found === undefined) throw new MusterError("MUSTER_NLB_HOST_UNKNOWN", { host: text });
  return found.id;
}

/** The rule that a text means: its key, or a port that just one rule covers. @throws MusterError naming the rules */
export function ruleOf(text: string, rules: readonly PortRule[]): PortRule {
  const keys = rules.map(ruleKey);
  const exact = rules.find((rule) => ruleKey(rule) === text);
  if (exact !== undefined) return exact;
  const port = /^[0-9]+$/.test(text) ? Number(text) : Number.NaN;
  const covering = Number.isSafeInteger(port) ? rules.filter(({ startPort, endPort }) => startPort <= port && port <= endPort) : [];
  if (covering.length === 1) return covering[0]!;
  const problem = covering.length > 1 ? `port ${port} is covered by ${covering.map((rule) => `'${ruleKey(rule)}'`).join(" and ")}` : `there is no rule '${text}'; rules: ${keys.map((key) => `'${key}'`).join(", ") || "none"}`;
  throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "rule", problem });
}
