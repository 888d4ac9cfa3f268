import { withLab } from "../test/lab/support/with-lab.ts";
import { standardNetworks } from "../src/lab/plan.ts";
import { Asker } from "./failover/asker.ts";
import { FAULTS } from "./failover/contender.ts";
import type { Contender, ContenderKind, FaultName } from "./failover/contender.ts";
import { KINDS } from "./failover/kinds.ts";
import { Results, report } from "./failover/results.ts";
import { SERVER, START_TIME, START_TIME_PORT } from "./failover/role.ts";
import { trial } from "./failover/trial.ts";
import { busyPercent, memoryMb, processesOf } from "./support/cost.ts";
import { chosen, needRoot, readOptions, talk } from "./support/options.ts";
import { succeed } from "./support/run.ts";
import { pause, until } from "./support/wait.ts";
import type { Lab } from "../src/lab/lab.ts";

/**
 * What a client sees of failures and moves, for Muster and its peers in one run: `sudo npm run bench:failover`
 * [-- --trials 10] [-- --only muster] [-- --only "link cut"] [-- --json]. See docs/benchmarks.md.
 *
 * One contender at a time has the machine; they take turns, each round in another order, with a fresh cluster each time.
 */

const TRIALS = 10;
/** Of each fault, before the next contender has its turn. */
const TRIALS_PER_VISIT = 4;
const HOSTS = 3;
const START_LIMIT_MS = 120_000;
const QUIET_MS = 5_000;
const IDLE_SECONDS = 15;
const START_TIME_LIMIT_MS = 30_000;
const ATTEMPTS_MAX = 3;

needRoot();
const options = readOptions();
const trials = options.trials ?? TRIALS;
const isCostOnly = options.only.includes("cost");
const kinds = KINDS.filter(({ name }) => chosen(KINDS.map((kind) => kind.name), options.only).includes(name));
const faults = isCostOnly ? [] : FAULTS.filter((fault) => chosen(FAULTS, options.only).includes(fault));
const results = new Results();
const rounds = Math.ceil(trials / TRIALS_PER_VISIT);

for (let round = 0; round < rounds; round++) {
  const turn = [...kinds.slice(round % kinds.length), ...kinds.slice(0, round % kinds.length)];
  for (const kind of turn) await visit(kind, Math.min(TRIALS_PER_VISIT, trials - round * TRIALS_PER_VISIT), round);
}
process.stdout.write(report(results, kinds, faults, options.json));

/** A fresh cluster of one contender, and some trials with it. What fails is counted and does not end the run. */
async function visit(kind: ContenderKind, count: number, round: number): Promise<void> {
  const waiting = Array.from({ length: count }, () => faults.filter((fault) => kind.faults.includes(fault))).flat();
  let isCostMeasured = !kind.hasCost;
  for (let attempt = 1; attempt <= ATTEMPTS_MAX && (waiting.length > 0 || !isCostMeasured); attempt++) {
    talk(`round ${round + 1} of ${rounds}: ${kind.name}`);
    try {
      await withLab({ hosts: HOSTS, networks: standardNetworks(1) }, async (lab) => {
        const contender = kind.make(lab);
        await contender.start();
        await until("the cluster is whole for the first time", START_LIMIT_MS, () => contender.isWhole(), 200);
        if (!isCostMeasured) {
          await measureCost(lab, kind);
          isCostMeasured = true;
        }
        if (waiting.length > 0) await measureFaults(lab, kind, contender, waiting);
      });
    } catch (error) {
      const what = waiting.shift() ?? "start";
      results.failed(kind.name, what, (error as Error).message);
      talk(`${kind.name}, ${what}: ${(error as Error).message}`);
    }
  }
}

/** Takes from the list what was done. */
async function measureFaults(lab: Lab, kind: ContenderKind, contender: Contender, waiting: FaultName[]): Promise<void> {
  const asker = new Asker(lab);
  asker.start();
  try {
    await asker.current();
    results.programStart(Number(await succeed(lab.hosts[0]!, [process.execPath, START_TIME, String(START_TIME_PORT)], START_TIME_LIMIT_MS)));
    while (waiting.length > 0) {
      const fault = waiting[0]!;
      const result = await trial(lab, contender, asker, fault);
      waiting.shift();
      results.trial(kind.name, fault, result);
      talk(`  ${fault}: ${result.outageMs.toFixed(0)} ms${result.holders > 1 ? `, ${result.holders} hosts served the address` : ""}${result.hasMoved ? "" : ", the role stayed"}`);
    }
  } finally {
    await asker.stop();
  }
}

/** With nobody asking: what the cluster costs when nothing happens. */
async function measureCost(lab: Lab, kind: ContenderKind): Promise<void> {
  await pause(QUIET_MS);
  const lists = (): readonly (readonly number[])[] => lab.hosts.map((host) => processesOf(host, SERVER));
  const busy = await busyPercent(lists, IDLE_SECONDS);
  const memory = lists().map(memoryMb);
  results.cost(kind.name, memory, busy);
  talk(`  a node: ${memory.map((mb) => mb.toFixed(0)).join(", ")} MB; idle ${busy.map((percent) => percent.toFixed(2)).join(", ")} % of a core`);
}
