import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { RUNS } from "./runs.ts";
import type { Run } from "./runs.ts";

/**
 * Checks the Promela models: every state within the bounds of each run, and for each deliberate
 * bug that it is found. Fails on a violation, on a search that was cut short, on a bug that is
 * not found, and on steps of a model that no run ever takes.
 *
 *   node test/models/check.ts [run…]    all runs but the long ones, or those whose names begin so
 *   node test/models/check.ts --all     the long ones too
 */

const here = dirname(fileURLToPath(import.meta.url));
const MEMORY_MB = 3_000;
/** The deepest run reaches less than 300; a search that needs more says that it was cut short. */
const DEPTH = 100_000;
const TIME_LIMIT_MS = 400_000;

interface Outcome {
  readonly problem: string | null;
  readonly summary: string;
  /** `file:line` of steps that were never taken. */
  readonly unreached: readonly string[];
}

const words = process.argv.slice(2);
const wanted = words.filter((word) => word !== "--all");
const runs = RUNS.filter((run) => (wanted.length === 0 ? words.includes("--all") || run.isLong !== true : wanted.some((name) => run.name.startsWith(name))));
const directory = mkdtempSync(join(tmpdir(), "muster-models-"));
let failed = runs.length === 0 ? 1 : 0;
/** By model: the steps that no run has taken yet. */
const untaken = new Map<string, ReadonlySet<string>>();
try {
  for (const run of runs) {
    const startedMs = performance.now();
    const { problem, summary, unreached } = check(run);
    const known = untaken.get(run.model);
    if (run.bug === undefined && problem === null) untaken.set(run.model, new Set(known === undefined ? unreached : unreached.filter((step) => known.has(step))));
    if (problem !== null) failed++;
    process.stdout.write(`${problem === null ? "ok  " : "FAIL"} ${run.name.padEnd(52)} ${summary}, ${((performance.now() - startedMs) / 1_000).toFixed(1)} s${problem === null ? "" : `: ${problem}`}\n`);
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
// A part of the runs takes a part of the steps.
if (wanted.length === 0) {
  for (const [model, steps] of untaken) {
    for (const step of steps) {
      failed++;
      process.stdout.write(`FAIL ${model}: no run takes the step at ${step}\n`);
    }
  }
}
process.stdout.write(failed === 0 ? `models: ${runs.length} runs as expected\n` : `models: ${failed} problem${failed === 1 ? "" : "s"}\n`);
process.exitCode = failed === 0 ? 0 : 1;

function check(run: Run): Outcome {
  const defines = Object.entries(run.defines).map(([name, value]) => `-D${name}=${value}`);
  if (run.bug !== undefined) defines.push(`-DBUG_${run.bug}`);
  const file = `${run.model}.pml`;
  copyFileSync(join(here, file), join(directory, file));
  for (const [program, options] of [["spin", ["-a", ...defines, file]], ["cc", [run.bug === undefined ? "-O2" : "-O1", "-w", "-DSAFETY", "-DVECTORSZ=2048", `-DMEMLIM=${MEMORY_MB}`, "-o", "pan", "pan.c"]]] as const) {
    const made = spawnSync(program, options, { cwd: directory, encoding: "utf8" });
    if (made.status !== 0) return { problem: `${program}: ${made.stdout}${made.stderr}${made.error?.message ?? ""}`, summary: "not built", unreached: [] };
  }
  const { stdout: text, signal } = spawnSync("./pan", [`-m${DEPTH}`, run.bug === undefined ? "-w24" : "-w22"], { cwd: directory, encoding: "utf8", timeout: TIME_LIMIT_MS, maxBuffer: 1 << 26 });
  const number = (pattern: RegExp): number => Number(pattern.exec(text)?.[1] ?? Number.NaN);
  const errors = number(/errors: (\d+)/);
  const summary = `${number(/(\d+) states, stored/)} states, depth ${number(/depth reached (\d+)/)}, ${number(/([\d.]+)\s+total actual memory/).toFixed(0)} MB`;
  const unreached = [...text.matchAll(/\.pml:(\d+), state \d+, "(?!-end-)/g)].map((match) => `${file}:${match[1]}`);
  return { problem: judge(run, text, errors, signal), summary, unreached };
}

function judge(run: Run, text: string, errors: number, signal: string | null): string | null {
  if (signal !== null) return `stopped by ${signal}`;
  if (Number.isNaN(errors)) return "the checker did not finish";
  if (run.bug !== undefined) return errors > 0 && text.includes("assertion violated") ? null : "the bug was not found";
  if (errors > 0) return (/pan:\d+: (.*)/.exec(text)?.[1] ?? "violated").slice(0, 60);
  // All that pan says when it did not see everything.
  const cut = /max search depth too small|out of memory|memory exhausted|reached -DMEMLIM|Search not completed|hash table full|VECTORSZ/i.exec(text);
  return cut === null ? null : `cut short: ${cut[0]}`;
}
