import { parseArgs } from "node:util";
import { BUGS } from "./bugs.ts";
import type { Bug } from "./bugs.ts";
import { runNlbSeed } from "./run.ts";

const USAGE = `Plays whole load-balancing clusters under seeded faults: no two hosts that hear each other may answer one client.

  node test/simulation/nlb/main.ts --seeds 1000 --from 1    play 1000 seeds
  node test/simulation/nlb/main.ts --seed 42 --trace        play one again and print what happened

  --bugs N     then each deliberate bug, which must be found within N seeds
  --bug NAME   with a deliberate bug: ${BUGS.join(", ")}
`;

const { values } = parseArgs({ options: { seeds: { type: "string" }, from: { type: "string" }, seed: { type: "string" }, trace: { type: "boolean" }, bug: { type: "string" }, bugs: { type: "string" }, help: { type: "boolean" } } });
const numbers = [values.bugs ?? "0", values.seed ?? values.from ?? "1", values.seed === undefined ? (values.seeds ?? "1000") : "1"];
const bug = BUGS.find((one) => one === values.bug) ?? null;
if (values.help || numbers.some((text) => !/^\d+$/.test(text)) || (values.bug !== undefined && bug === null)) {
  process.stderr.write(USAGE);
  process.exitCode = values.help ? 0 : 2;
} else {
  play(Number(numbers[1]), Number(numbers[2]), bug);
  if (Number(numbers[0]) > 0) for (const one of BUGS) find(one, Number(numbers[0]));
}

/** A check that cannot fail is worth nothing. */
function find(withBug: Bug, most: number): void {
  for (let seed = 1; seed <= most; seed++) {
    if (runNlbSeed(seed, withBug).error === null) continue;
    process.stdout.write(`nlb: '${withBug}' is found by seed ${seed}\n`);
    return;
  }
  process.stderr.write(`nlb: '${withBug}' is not found by ${most} seeds\n`);
  process.exitCode = 1;
}

function play(from: number, count: number, withBug: Bug | null): void {
  const startedMs = performance.now();
  const counts = new Map<string, number>();
  let failed = 0;
  let virtualMs = 0;
  for (let seed = from; seed < from + count; seed++) {
    const result = runNlbSeed(seed, withBug, values.trace ?? false);
    if (values.trace) process.stdout.write(`${result.trace}\n`);
    for (const [what, times] of result.counts) counts.set(what, (counts.get(what) ?? 0) + times);
    virtualMs += result.virtualMs;
    if (result.error === null) continue;
    if (failed++ === 0) process.stderr.write(`See what happened: node test/simulation/nlb/main.ts --seed ${seed} --trace\n`);
    process.stderr.write(`seed ${seed}: ${result.error}\n`);
  }
  const covered = [...counts].sort((a, b) => (a[0] < b[0] ? -1 : 1)).map(([what, times]) => `${what} ${times}`);
  process.stdout.write(`${covered.join(", ")}\n`);
  process.stdout.write(`nlb: ${count} seeds, ${failed} failed, ${(virtualMs / 3_600_000).toFixed(1)} simulated hours, ${((performance.now() - startedMs) / 1_000).toFixed(1)} s\n`);
  if (failed > 0) process.exitCode = 1;
}
