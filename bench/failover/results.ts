import { figure, goalLines, isMet, table } from "../support/table.ts";
import { spreadOf } from "../support/statistics.ts";
import type { ContenderKind, FaultName } from "./contender.ts";
import { failoverGoals } from "./goals.ts";
import type { TrialResult } from "./trial.ts";

interface Failure {
  readonly contender: string;
  readonly what: string;
  readonly problem: string;
}

/** All that was measured in a run. */
export class Results {
  readonly #trials = new Map<string, TrialResult[]>();
  readonly memory = new Map<string, number[]>();
  readonly idle = new Map<string, number[]>();
  readonly starts: number[] = [];
  readonly failures: Failure[] = [];

  trial(contender: string, fault: FaultName, result: TrialResult): void {
    push(this.#trials, key(contender, fault), result);
  }

  programStart(timeMs: number): void {
    this.starts.push(timeMs);
  }

  cost(contender: string, memory: readonly number[], idle: readonly number[]): void {
    for (const mb of memory) push(this.memory, contender, mb);
    for (const percent of idle) push(this.idle, contender, percent);
  }

  failed(contender: string, what: string, problem: string): void {
    this.failures.push({ contender, what, problem });
  }

  of(contender: string, fault: FaultName): readonly TrialResult[] {
    return this.#trials.get(key(contender, fault)) ?? [];
  }

  outages(contender: string, fault: FaultName): readonly number[] {
    return this.of(contender, fault).map((result) => result.outageMs);
  }
}

function key(contender: string, fault: FaultName): string {
  return `${contender}\n${fault}`;
}

function push<Value>(map: Map<string, Value[]>, name: string, value: Value): void {
  const list = map.get(name);
  if (list === undefined) map.set(name, [value]);
  else list.push(value);
}

const SPREAD_HEADING = ["trials", "min", "quarter", "median", "3 quarters", "max"];

function spreadCells(values: readonly number[]): string[] {
  const { count, min, quarter, median, threeQuarters, max } = spreadOf(values);
  return [String(count), ...[min, quarter, median, threeQuarters, max].map(figure)];
}

/** The report of a run, for people or for programs. */
export function report(results: Results, kinds: readonly ContenderKind[], faults: readonly FaultName[], asJson: boolean): string {
  const goals = failoverGoals(results);
  if (asJson) {
    const outages = kinds.flatMap((kind) => faults.map((fault) => ({ contender: kind.name, fault, trials: results.of(kind.name, fault) }))).filter(({ trials }) => trials.length > 0);
    return `${JSON.stringify({ bench: "failover", outages, programStartMs: results.starts, memoryMb: Object.fromEntries(results.memory), idlePercent: Object.fromEntries(results.idle), failures: results.failures, goals: goals.map((goal) => ({ ...goal, met: isMet(goal) })) }, null, 2)}\n`;
  }
  return [
    ...kinds.map((kind) => `${kind.name}: ${kind.setup}\n`),
    "\n",
    ...faults.map((fault) => `${faultTable(results, kinds, fault)}\n`),
    `${table("The program's own start, ms: from its begin until it answers, in a host of the lab, during the same run", ["", ...SPREAD_HEADING], results.starts.length === 0 ? [] : [["start", ...spreadCells(results.starts)]])}\n`,
    `${costTable("Memory of a node, MB (10^6 bytes; PSS as on a machine of its own; all that runs for the cluster, corosync included, without the role's program)", results.memory, kinds)}\n`,
    `${costTable("Idle: processor time of a node, per cent of one core", results.idle, kinds)}\n`,
    goalLines(goals),
    ...results.failures.map(({ contender, what, problem }) => `FAILED        ${contender}, ${what}: ${problem}\n`),
  ].join("");
}

function faultTable(results: Results, kinds: readonly ContenderKind[], fault: FaultName): string {
  const rows = kinds.flatMap((kind) => {
    const all = results.of(kind.name, fault);
    if (all.length === 0) return [];
    const twice = all.filter(({ holders }) => holders > 1).length;
    const stayed = all.filter(({ hasMoved }) => !hasMoved).length;
    return [[kind.name, ...spreadCells(all.map(({ outageMs }) => outageMs)), twice === 0 ? "" : `served twice in ${twice}`, stayed === 0 ? "" : `stayed in ${stayed}`]];
  });
  return table(`${fault}: longest time without an answer, ms`, ["", ...SPREAD_HEADING, "the address", "the role"], rows);
}

function costTable(title: string, costs: ReadonlyMap<string, readonly number[]>, kinds: readonly ContenderKind[]): string {
  const rows = kinds.flatMap((kind) => {
    const values = costs.get(kind.name);
    return values === undefined ? [] : [[kind.name, ...spreadCells(values)]];
  });
  return table(title, ["", "nodes", ...SPREAD_HEADING.slice(1)], rows);
}
