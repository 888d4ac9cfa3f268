import { closeSync, fdatasyncSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { standardNetworks } from "../src/lab/plan.ts";
import type { Lab } from "../src/lab/lab.ts";
import { withLab } from "../test/lab/support/with-lab.ts";
import { ETCD_STORE, MUSTER_STORE, stateFile } from "./database/stores.ts";
import type { Store } from "./database/stores.ts";
import { chosen, needRoot, readOptions, talk } from "./support/options.ts";
import { quantile, spreadOf } from "./support/statistics.ts";
import { figure, goalLines, isMet, table } from "./support/table.ts";
import type { Goal } from "./support/table.ts";
import { succeed } from "./support/run.ts";

/**
 * Updates of the Cluster Database beside etcd on the same machine in the same run: `sudo npm run bench:database`
 * [-- --trials 5] [-- --only etcd] [-- --json]. See docs/benchmarks.md.
 *
 * The two take turns, with a fresh cluster each time; one at a time has the machine.
 */

const ROUNDS = 5;
const HOSTS = 3;
const WRITERS = [1, 64] as const;
const WARM_UP_MS = 1_500;
const MEASURE_MS = 6_000;
const RUN_LIMIT_MS = 60_000;
const LOAD = fileURLToPath(new URL("./database/programs/load.mjs", import.meta.url));
/** A directory on a disk: /run and /tmp may be memory, where syncing costs nothing. */
const DISK = "/var/tmp";
const SYNCS = 200;
const MANY_WRITERS_TIMES = 2;

interface Measured {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

needRoot();
const options = readOptions();
const stores = [MUSTER_STORE, ETCD_STORE].filter(({ name }) => chosen(["muster", "etcd"], options.only).includes(name));
const measured = new Map<string, Measured[]>();
const syncs: number[] = [];
const failures: string[] = [];
const rounds = options.trials ?? ROUNDS;
for (let round = 0; round < rounds; round++) {
  for (const store of round % 2 === 0 ? stores : stores.toReversed()) {
    talk(`round ${round + 1} of ${rounds}: ${store.name}`);
    try {
      await visit(store);
    } catch (error) {
      failures.push(`${store.name}: ${(error as Error).message}`);
      talk(failures.at(-1)!);
    }
  }
}
process.stdout.write(report());

async function visit(store: Store): Promise<void> {
  mkdirSync(DISK, { recursive: true });
  const directory = mkdtempSync(join(DISK, "muster-bench-"));
  try {
    await withLab({ hosts: HOSTS, networks: standardNetworks(1), directory, visible: [directory] }, async (lab) => {
      const { host, kind, where } = await store.start(lab);
      syncs.push(...syncTimes(lab));
      for (const writers of WRITERS) {
        const text = await succeed(host, [process.execPath, LOAD, kind, where, String(writers), String(WARM_UP_MS), String(MEASURE_MS)], RUN_LIMIT_MS);
        const { updates, seconds, latenciesMs } = JSON.parse(text) as { readonly updates: number; readonly seconds: number; readonly latenciesMs: readonly number[] };
        if (updates === 0) throw new Error(`no update was acknowledged with ${writers} writers`);
        const sorted = latenciesMs.toSorted((a, b) => a - b);
        const one = { perSecond: updates / seconds, p50Ms: quantile(sorted, 0.5), p99Ms: quantile(sorted, 0.99) };
        measured.set(key(store.name, writers), [...of(store.name, writers), one]);
        talk(`  ${writers} writer${writers === 1 ? "" : "s"}: ${figure(one.perSecond)} a second, p50 ${figure(one.p50Ms)} ms, p99 ${figure(one.p99Ms)} ms`);
      }
    });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** What the disk takes for one small write and its sync, while the store idles. */
function syncTimes(lab: Lab): number[] {
  const path = stateFile(lab);
  const file = openSync(path, "w");
  try {
    const block = Buffer.alloc(512, 1);
    return Array.from({ length: SYNCS }, () => {
      const beganMs = performance.now();
      writeSync(file, block);
      fdatasyncSync(file);
      return performance.now() - beganMs;
    });
  } finally {
    closeSync(file);
    rmSync(path);
  }
}

function key(store: string, writers: number): string {
  return `${store} ${writers}`;
}

function of(store: string, writers: number): readonly Measured[] {
  return measured.get(key(store, writers)) ?? [];
}

function median(values: readonly number[]): number | null {
  return values.length === 0 ? null : spreadOf(values).median;
}

function ratio(writers: number, value: (one: Measured) => number): number | null {
  const [own, peer] = [median(of("muster", writers).map(value)), median(of("etcd", writers).map(value))];
  return own === null || peer === null ? null : own / peer;
}

function report(): string {
  const goals: readonly Goal[] = [
    { name: "updates a second with 64 writers, Muster's median to etcd's", value: ratio(64, (one) => one.perSecond), unit: "", limit: MANY_WRITERS_TIMES, isAtLeast: true },
    { name: "p50 with one writer, Muster's median to etcd's", value: ratio(1, (one) => one.p50Ms), unit: "", limit: 1 },
  ];
  if (options.json) return `${JSON.stringify({ bench: "database", measured: Object.fromEntries(measured), syncMs: syncs, failures, goals: goals.map((goal) => ({ ...goal, met: isMet(goal) })) }, null, 2)}\n`;
  const rows = (value: (one: Measured) => number): string[][] =>
    WRITERS.flatMap((writers) =>
      stores.flatMap(({ name }) => {
        const values = of(name, writers).map(value);
        if (values.length === 0) return [];
        const { count, min, median: middle, max } = spreadOf(values);
        return [[`${name}, ${writers} writer${writers === 1 ? "" : "s"}`, String(count), ...[min, middle, max].map(figure)]];
      }),
    );
  const heading = ["", "rounds", "min", "median", "max"];
  const sync = syncs.length === 0 ? [] : [["sync", String(syncs.length), figure(quantile(syncs.toSorted((a, b) => a - b), 0.5)), figure(quantile(syncs.toSorted((a, b) => a - b), 0.99))]];
  return [
    ...stores.map(({ name, setup }) => `${name}: ${setup}\n`),
    "\n",
    `${table("Acknowledged updates a second", heading, rows((one) => one.perSecond))}\n`,
    `${table("p50 of an update, ms", heading, rows((one) => one.p50Ms))}\n`,
    `${table("p99 of an update, ms", heading, rows((one) => one.p99Ms))}\n`,
    `${table("The disk: a write of 512 bytes and fdatasync, ms, on the disk of both", ["", "syncs", "p50", "p99"], sync)}\n`,
    goalLines(goals),
    ...failures.map((failure) => `FAILED        ${failure}\n`),
  ].join("");
}
