import { parseArgs } from "node:util";

/** The command of a simulation that plays seeds, one after the other, and deliberate bugs. */

export interface Played {
  /** What was wrong; null = nothing. */
  readonly error: string | null;
  readonly trace: string;
  readonly virtualMs: number;
  /** How often what happened. */
  readonly counts: ReadonlyMap<string, number>;
}

export interface Simulation<Bug extends string> {
  readonly name: string;
  /** What it plays and what must not happen, in one sentence. */
  readonly sentence: string;
  /** Where its command lies. */
  readonly file: string;
  readonly bugs: readonly Bug[];
  run(seed: number, bug: Bug | null, isTraced?: boolean): Played;
}

const HOUR_MS = 3_600_000;

/** Does what the command line says; the exit code tells whether all was as it should be. */
export function playByCommand<Bug extends string>(simulation: Simulation<Bug>): void {
  const { values } = parseArgs({ options: { seeds: { type: "string" }, from: { type: "string" }, seed: { type: "string" }, trace: { type: "boolean" }, bug: { type: "string" }, bugs: { type: "string" }, help: { type: "boolean" } } });
  const numbers = [values.bugs ?? "0", values.seed ?? values.from ?? "1", values.seed === undefined ? (values.seeds ?? "1000") : "1"];
  const bug = simulation.bugs.find((one) => one === values.bug) ?? null;
  if (values.help || numbers.some((text) => !/^\d+$/.test(text)) || (values.bug !== undefined && bug === null)) {
    process.stderr.write(usage(simulation));
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  play(simulation, Number(numbers[1]), Number(numbers[2]), bug, values.trace ?? false);
  if (Number(numbers[0]) > 0) for (const one of simulation.bugs) find(simulation, one, Number(numbers[0]));
}

function usage({ sentence, file, bugs }: Simulation<string>): string {
  return `${sentence}

  node ${file} --seeds 1000 --from 1    play 1000 seeds
  node ${file} --seed 42 --trace        play one again and print what happened

  --bugs N     then each deliberate bug, which must be found within N seeds
  --bug NAME   with a deliberate bug: ${bugs.join(", ")}
`;
}

/** A check that cannot fail is worth nothing. */
function find<Bug extends string>({ name, run }: Simulation<Bug>, bug: Bug, most: number): void {
  for (let seed = 1; seed <= most; seed++) {
    if (run(seed, bug).error === null) continue;
    process.stdout.write(`${name}: '${bug}' is found by seed ${seed}\n`);
    return;
  }
  process.stderr.write(`${name}: '${bug}' is not found by ${most} seeds\n`);
  process.exitCode = 1;
}

function play<Bug extends string>({ name, file, run }: Simulation<Bug>, from: number, count: number, bug: Bug | null, isTraced: boolean): void {
  const startedMs = performance.now();
  const counts = new Map<string, number>();
  let failed = 0;
  let virtualMs = 0;
  for (let seed = from; seed < from + count; seed++) {
    const result = run(seed, bug, isTraced);
    if (isTraced) process.stdout.write(`${result.trace}\n`);
    for (const [what, times] of result.counts) counts.set(what, (counts.get(what) ?? 0) + times);
    virtualMs += result.virtualMs;
    if (result.error === null) continue;
    if (failed++ === 0) process.stderr.write(`See what happened: node ${file} --seed ${seed} --trace\n`);
    process.stderr.write(`seed ${seed}: ${result.error}\n`);
  }
  const covered = [...counts].sort((a, b) => (a[0] < b[0] ? -1 : 1)).map(([what, times]) => `${what} ${times}`);
  process.stdout.write(`${covered.join(", ")}\n`);
  process.stdout.write(`${name}: ${count} seeds, ${failed} failed, ${(virtualMs / HOUR_MS).toFixed(1)} simulated hours, ${((performance.now() - startedMs) / 1_000).toFixed(1)} s\n`);
  if (failed > 0) process.exitCode = 1;
}
