/** One shape for all benchmarks: a table for people, JSON for programs. */

export interface CaseResult {
  readonly case: string;
  readonly unit: string;
  readonly trials: number;
  readonly min: number;
  readonly median: number;
  readonly p99: number;
  readonly max: number;
}

export interface Goal {
  readonly name: string;
  readonly value: number;
  readonly goal: string;
  readonly met: boolean;
}

export function summarize(name: string, unit: string, values: readonly number[]): CaseResult {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (part: number): number => round(sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN);
  return { case: name, unit, trials: sorted.length, min: at(0), median: at(0.5), p99: at(0.99), max: at(1) };
}

/** @param limit as "<= 300" or ">= 2000" */
export function goal(name: string, value: number, limit: string): Goal {
  const [comparison, bound] = limit.split(" ");
  return { name, value: round(value), goal: limit, met: comparison === "<=" ? value <= Number(bound) : value >= Number(bound) };
}

export function print(bench: string, results: readonly CaseResult[], goals: readonly Goal[], asJson: boolean): void {
  if (asJson) {
    process.stdout.write(`${JSON.stringify({ bench, results, goals }, null, 2)}\n`);
    return;
  }
  const rows = results.map((one) => [one.case, one.unit, ...[one.trials, one.min, one.median, one.p99, one.max].map(String)]);
  const heading = ["case", "unit", "trials", "min", "median", "p99", "max"];
  const widths = heading.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)));
  const line = (cells: readonly string[]): string => cells.map((cell, column) => (column < 2 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))).join("  ");
  process.stdout.write(`${bench}\n\n${[line(heading), ...rows.map(line)].join("\n")}\n\n`);
  for (const one of goals) process.stdout.write(`${one.met ? "met    " : "NOT MET"}  ${one.name}: ${one.value} (goal ${one.goal})\n`);
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
