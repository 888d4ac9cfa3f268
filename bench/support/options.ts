import { parseArgs } from "node:util";

/** What all of these benchmarks understand. */
export interface BenchOptions {
  /** null = the benchmark's own number. */
  readonly trials: number | null;
  /** Parts of names, in lower case; empty = everything. */
  readonly only: readonly string[];
  readonly json: boolean;
}

/** @throws Error for an option that does not exist or a number that is none */
export function readOptions(): BenchOptions {
  const { values } = parseArgs({ options: { trials: { type: "string" }, only: { type: "string", multiple: true }, json: { type: "boolean" } } });
  const trials = values.trials === undefined ? null : Number(values.trials);
  if (trials !== null && !(Number.isInteger(trials) && trials >= 1 && trials <= 1_000)) throw new Error("--trials: a whole number from 1 to 1000 is needed");
  return { trials, only: (values.only ?? []).map((word) => word.toLowerCase()), json: values.json ?? false };
}

/** Those of the names that were asked for, a whole name for itself alone; all when none of the words speaks of this kind of thing. */
export function chosen(names: readonly string[], only: readonly string[]): readonly string[] {
  const lower = names.map((name) => name.toLowerCase());
  const found = names.filter((_, place) => only.some((word) => (lower.includes(word) ? lower[place] === word : lower[place]!.includes(word))));
  return found.length === 0 ? names : found;
}

export function talk(text: string): void {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);
}

/** @throws Error when this is not root */
export function needRoot(): void {
  if (process.getuid?.() !== 0) throw new Error("This makes hosts of namespaces: run it as root (sudo).");
}
