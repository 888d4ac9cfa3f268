import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads";
import { parseArgs } from "node:util";
import { KINDS, play } from "./kinds.ts";
import type { Kind } from "./kinds.ts";
import { Coverage } from "./coverage.ts";
import { printCoverage } from "./report.ts";

const USAGE = `Plays whole clusters under seeded faults and checks the invariants after every step.

  npm run simulate -- --seeds 500 --from 1     play 500 seeds
  npm run simulate -- --seed 42 --trace        play one again and print what happened

  --kind cluster|log   whole clusters (default), or the replicated log alone
  --jobs N             threads (default 2)
`;

interface Share {
  readonly kind: Kind;
  readonly seeds: readonly number[];
}

type Message = { readonly seed: number; readonly error: string | null; readonly acknowledged: number; readonly virtualMs: number; readonly coverage: Readonly<Record<string, number>> };

if (isMainThread) await main();
else playShare(workerData as Share);

function playShare(share: Share): void {
  for (const seed of share.seeds) {
    const { error, acknowledged, virtualMs, coverage } = play(share.kind, seed, false);
    parentPort!.postMessage({ seed, error: error === null ? null : error.message, acknowledged, virtualMs, coverage } satisfies Message);
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { seeds: { type: "string" }, from: { type: "string" }, seed: { type: "string" }, trace: { type: "boolean" }, kind: { type: "string" }, jobs: { type: "string" }, help: { type: "boolean" } },
  });
  const kind = KINDS.find((known) => known === (values.kind ?? "cluster"));
  const one = wholeNumber(values.seed);
  const from = wholeNumber(values.from) ?? 1;
  const count = wholeNumber(values.seeds) ?? 100;
  const jobs = wholeNumber(values.jobs) ?? 2;
  if (values.help || kind === undefined || [one, from, count, jobs].some(Number.isNaN)) {
    process.stderr.write(USAGE);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  if (one !== undefined) playOne(kind, one, values.trace ?? false);
  else await playMany(kind, from, count, Math.max(1, Math.min(jobs, 16)));
}

function wholeNumber(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  return /^\d+$/.test(text) ? Number(text) : Number.NaN;
}

function playOne(kind: Kind, seed: number, trace: boolean): void {
  const result = play(kind, seed, trace);
  if (trace) process.stdout.write(`      time who what         detail\n${result.trace}\n`);
  report(kind, [{ ...result, error: result.error === null ? null : result.error.message }], 0);
}

async function playMany(kind: Kind, from: number, count: number, jobs: number): Promise<void> {
  const startedMs = performance.now();
  const seeds = Array.from({ length: count }, (_, position) => from + position);
  const messages: Message[] = [];
  await Promise.all(
    Array.from({ length: jobs }, (_, job) => {
      const share: Share = { kind, seeds: seeds.filter((_, position) => position % jobs === job) };
      const worker = new Worker(new URL(import.meta.url), { workerData: share });
      return new Promise<void>((resolve, reject) => {
        worker.on("message", (message: Message) => {
          messages.push(message);
          if (message.error !== null) process.stderr.write(`seed ${message.seed}: ${message.error.slice(0, 500)}\n`);
          if (messages.length % 100 === 0) process.stderr.write(`${messages.length} of ${count} seeds played\n`);
        });
        worker.on("error", reject);
        worker.on("exit", () => resolve());
      });
    }),
  );
  report(kind, messages.sort((a, b) => a.seed - b.seed), performance.now() - startedMs);
  if (messages.length !== count) {
    process.stderr.write(`only ${messages.length} of ${count} seeds were played\n`);
    process.exitCode = 1;
  }
}

function report(kind: Kind, messages: readonly Message[], tookMs: number): void {
  const failed = messages.filter((message) => message.error !== null);
  const acknowledged = messages.reduce((sum, message) => sum + message.acknowledged, 0);
  const virtualMs = messages.reduce((sum, message) => sum + message.virtualMs, 0);
  process.stdout.write(`${kind}: ${messages.length} seeds, ${failed.length} failed, ${acknowledged} updates acknowledged, ${(virtualMs / 3_600_000).toFixed(1)} simulated hours${tookMs > 0 ? `, ${(tookMs / 1_000).toFixed(1)} s` : ""}\n`);
  reportCoverage(kind, messages);
  if (failed.length === 0) return;
  const [first] = failed;
  process.stderr.write(`seed ${first!.seed}: ${first!.error}\n`);
  process.stderr.write(`See what happened: npm run simulate -- --kind ${kind} --seed ${first!.seed} --trace\n`);
  process.exitCode = 1;
}

function reportCoverage(kind: Kind, messages: readonly Message[]): void {
  const coverage = new Coverage();
  for (const message of messages) coverage.add(message.coverage);
  if (printCoverage(kind, coverage.toRecord(), messages.length)) {
    process.stderr.write("Rules that the simulator is expected to reach were never needed.\n");
    process.exitCode = 1;
  }
}
