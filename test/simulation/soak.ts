import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads";
import { parseArgs } from "node:util";
import { Coverage } from "./coverage.ts";
import { KINDS, play } from "./kinds.ts";
import type { Kind } from "./kinds.ts";
import { printCoverage } from "./report.ts";

const USAGE = `Plays seeds nobody has played before, both kinds in turn, for hours.

  npm run soak -- --hours 2

  --hours H     how long (default 1); parts of an hour are allowed
  --jobs N      threads (default 2)
  --from N      first seed (default: from the clock)
  --stop        stop at the first seed that fails
`;

interface Played {
  readonly kind: Kind;
  readonly seed: number;
  readonly error: string | null;
  readonly acknowledged: number;
  readonly virtualMs: number;
  readonly coverage: Readonly<Record<string, number>>;
}

interface Share {
  readonly from: number;
  readonly step: number;
}

if (isMainThread) await main();
else playOn(workerData as Share);

/** Until the main thread ends this one. */
function playOn({ from, step }: Share): void {
  let seed = from;
  parentPort!.on("message", () => {
    for (const kind of KINDS) {
      const { error, acknowledged, virtualMs, coverage } = play(kind, seed, false);
      parentPort!.postMessage({ kind, seed, error: error?.message ?? null, acknowledged, virtualMs, coverage } satisfies Played);
    }
    seed += step;
    parentPort!.postMessage(null);
  });
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { hours: { type: "string" }, jobs: { type: "string" }, from: { type: "string" }, stop: { type: "boolean" }, help: { type: "boolean" } } });
  const hours = Number(values.hours ?? 1);
  const jobs = Number(values.jobs ?? 2);
  // A number that people can type, and another one every second.
  const from = Number(values.from ?? Math.floor(Date.now() / 1_000) % 1_000_000_000);
  if (values.help || !(hours > 0) || ![jobs, from].every((number) => Number.isInteger(number) && number > 0) || jobs > 16) {
    process.stderr.write(USAGE);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  const untilMs = performance.now() + hours * 3_600_000;
  const totals = new Map(KINDS.map((kind) => [kind, { seeds: 0, failed: 0, acknowledged: 0, virtualMs: 0, coverage: new Coverage() }]));
  const failures: string[] = [];
  let stop = false;
  const summary = (): void => {
    const parts = [...totals].map(([kind, { seeds, failed, acknowledged, virtualMs }]) => `${kind}: ${seeds} seeds, ${failed} failed, ${acknowledged} updates, ${(virtualMs / 3_600_000).toFixed(1)} simulated hours`);
    process.stdout.write(`${Math.max(0, (untilMs - performance.now()) / 60_000).toFixed(0)} min left; ${parts.join("; ")}\n`);
  };
  process.stdout.write(`Seeds from ${from} on, for ${hours} h, ${jobs} threads.\n`);
  const timer = setInterval(summary, 60_000);
  await Promise.all(Array.from({ length: jobs }, (_, job) => new Promise<void>((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { from: from + job, step: jobs } satisfies Share });
    const next = (): void => {
      if (stop || performance.now() >= untilMs) void worker.terminate().then(() => resolve());
      else worker.postMessage("go on");
    };
    worker.on("error", reject);
    worker.on("message", (played: Played | null) => {
      if (played === null) return next();
      const total = totals.get(played.kind)!;
      total.seeds++;
      total.acknowledged += played.acknowledged;
      total.virtualMs += played.virtualMs;
      total.coverage.add(played.coverage);
      if (played.error === null) return;
      total.failed++;
      failures.push(`npm run simulate -- --kind ${played.kind} --seed ${played.seed} --trace`);
      process.stderr.write(`${played.kind} seed ${played.seed}: ${played.error.slice(0, 500)}\n`);
      if (values.stop === true) stop = true;
    });
    next();
  })));
  clearInterval(timer);
  for (const [kind, { coverage, seeds }] of totals) printCoverage(kind, coverage.toRecord(), seeds);
  summary();
  if (failures.length === 0) return;
  process.stderr.write(`See what happened:\n${failures.slice(0, 20).join("\n")}\n`);
  process.exitCode = 1;
}
