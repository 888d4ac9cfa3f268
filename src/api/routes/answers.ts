import { MusterError } from "../../model/errors.ts";
import type { Command } from "../../model/inputs.ts";
import type { Plan } from "../../model/views.ts";
import type { ServiceFacade } from "../../service/facade.ts";
import { ErrorSchema } from "../schemas.ts";

/** What all routes have in common. */

const TIMEOUT_DEFAULT_MS = 15_000;

export interface ChangeQuery {
  readonly dryRun?: "true" | "false";
  readonly timeoutMs?: string;
  readonly force?: "true" | "false";
}

export interface Done {
  done: boolean;
  note: string | null;
  at: { epoch: number; index: number } | null;
  plan: Mutable<Plan> | null;
}

type Mutable<Value> = Value extends readonly (infer Item)[] ? Mutable<Item>[] : Value extends object ? { -readonly [Key in keyof Value]: Mutable<Value[Key]> } : Value;

/** Views are read-only in our code; the serializer's types are not. */
export function mutable<Value>(value: Value): Mutable<Value> {
  return value as Mutable<Value>;
}

/** Schemas of every answer that is not the good one. */
export const failures = { "4xx": ErrorSchema, "5xx": ErrorSchema } as const;

/** Carries a command out, or plans it when asked for a dry run. */
export async function change(facade: ServiceFacade, command: Command, query: ChangeQuery): Promise<Done> {
  if (query.dryRun === "true") {
    const { plan, error } = facade.dryRun(command);
    if (error !== null) throw MusterError.fromBody(error);
    return { done: false, note: null, at: null, plan: mutable(plan) };
  }
  const { note, at } = await facade.command(command, timeoutOf(query));
  return { done: true, note, at: { ...at }, plan: null };
}

/** With consistent=true the answer is at least as new as the cluster at the moment of the question. */
export async function beforeReading(facade: ServiceFacade, query: { readonly consistent?: "true" | "false"; readonly timeoutMs?: string }): Promise<void> {
  if (query.consistent === "true") await facade.read(timeoutOf(query));
}

function timeoutOf(query: { readonly timeoutMs?: string }): number {
  return query.timeoutMs === undefined ? TIMEOUT_DEFAULT_MS : Math.max(1, Number(query.timeoutMs));
}
