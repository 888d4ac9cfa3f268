import type { Command as Program } from "commander";
import type { ApiClient } from "../api/client.ts";
import { MusterError } from "../model/errors.ts";
import type { Plan } from "../model/views.ts";
import { connect } from "./connect.ts";
import type { ConnectOptions } from "./connect.ts";
import { data, duration, json, list, table, talk } from "./output.ts";

export interface CommonOptions extends ConnectOptions {
  readonly json?: boolean;
}

export interface ChangeOptions extends CommonOptions {
  readonly dryRun?: boolean;
  readonly wait?: boolean;
  readonly timeout?: string;
  readonly force?: boolean;
}

interface Done {
  readonly done: boolean;
  readonly note: string | null;
  readonly at: { readonly epoch: number; readonly index: number } | null;
  readonly plan: Plan | null;
}

const WAIT_DEFAULT_SECONDS = 60;

/** Options of every command that asks a cluster. */
export function asking(command: Program): Program {
  return command
    .option("--json", "print JSON")
    .option("--cluster <name>", "the cluster on this machine with this name")
    .option("--directory <dir>", "the cluster in this directory")
    .option("--connect <url>", "a node, or the cluster's own address: https://HOST:PORT (token in MUSTER_TOKEN, authority in MUSTER_AUTHORITY), unix:PATH, or http://HOST:PORT without TLS");
}

/** Options of every command that changes something. */
export function changing(command: Program): Program {
  return asking(command).option("--dry-run", "show what would happen, change nothing").option("--timeout <seconds>", "longest time to wait", String(WAIT_DEFAULT_SECONDS));
}

/** Options of commands that wait for a state. */
export function waiting(command: Program): Program {
  return changing(command).option("--no-wait", "do not wait until it is done");
}

export function timeoutMs(options: ChangeOptions): number {
  const seconds = Number(options.timeout ?? WAIT_DEFAULT_SECONDS);
  if (!Number.isFinite(seconds) || seconds <= 0 || seconds > 900) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "--timeout", problem: "from 1 to 900 seconds" });
  return seconds * 1_000;
}

/**
 * Sends a change, or its dry run. Prints the plan or what was done; `follow` says what came of it.
 * @returns false for a dry run
 */
export async function change(
  options: ChangeOptions,
  call: { readonly method: "POST" | "PUT" | "PATCH" | "DELETE"; readonly path: string; readonly body?: unknown; readonly said: string },
  follow?: (client: ApiClient) => Promise<unknown>,
): Promise<void> {
  const client = await connect(options);
  const limitMs = timeoutMs(options);
  const query = { dryRun: options.dryRun ? "true" : undefined, force: options.force ? "true" : undefined, timeoutMs: String(limitMs) };
  const done = await client.send<Done>(call.method, call.path, { body: call.body, query, timeoutMs: limitMs + 2_000 });
  if (done.plan !== null) {
    if (options.json) json(done.plan);
    else data(planText(done.plan));
    return;
  }
  const result = follow === undefined || options.wait === false ? undefined : await follow(client);
  if (options.json) json(result ?? done);
  else talk(done.note === null ? call.said : done.note);
}

export function planText(plan: Plan): string {
  const parts: string[] = [];
  if (plan.stopped) parts.push("THE CLUSTER WOULD STOP: in the end no set of nodes may go on, and no role is served.");
  if (plan.moves.length === 0) parts.push("No role would move.");
  else parts.push(table(["ROLE", "FROM", "TO", "WHY"], plan.moves.map((move) => [move.group, move.from ?? "-", move.to ?? "-", move.reason])));
  if (plan.groups.length > 0) parts.push(table(["ROLE", "NOW", "THEN", "ON"], plan.groups.map((group) => [group.group, group.before ?? "-", group.after ?? "-", group.ownerNode ?? "-"])));
  if (plan.events.length > 0) parts.push(`What would be told:\n${plan.events.map((event) => `  ${event.text}`).join("\n")}`);
  if (plan.durationMs > 0) parts.push(`Waiting times in it: ${duration(plan.durationMs)}.`);
  if (!plan.quiet) parts.push("The plan was cut off here; more would happen.");
  if (plan.notes.length > 0) parts.push(list(plan.notes));
  return parts.join("\n\n");
}

/** Asks again and again until `ready`. @throws MusterError MUSTER_TIMEOUT */
export async function until<Value>(ask: () => Promise<Value>, ready: (value: Value) => boolean, limitMs: number): Promise<Value> {
  const deadline = Date.now() + limitMs;
  for (;;) {
    const value = await ask();
    if (ready(value)) return value;
    if (Date.now() > deadline) throw new MusterError("MUSTER_TIMEOUT", { timeoutMs: limitMs });
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
}

export function path(...parts: readonly string[]): string {
  return `/v1/${parts.map(encodeURIComponent).join("/")}`;
}

export function splitNames(text: string | undefined): string[] | undefined {
  return text === undefined ? undefined : text === "" ? [] : text.split(",").map((name) => name.trim());
}
