import { parseArgs } from "node:util";
import { Balanced } from "../test/nlb/support/balanced.ts";
import { FOUR } from "../test/nlb/support/traffic.ts";
import { CANNOT } from "../test/unit/network/lab.ts";
import { changed, killed, planned } from "./nlb-changes.ts";
import { Stage } from "./nlb-rates.ts";
import { goal, print, summarize } from "./report.ts";
import type { CaseResult, Goal } from "./report.ts";

/**
 * Network load balancing: `sudo npm run bench:nlb [-- --json] [-- --rounds 5 --seconds 2 --kills 5 --changes 200]`. Needs haproxy, wrk and
 * nginx with its stream module. All of it is on one machine: hosts, client and dispatcher share its processors.
 */

const MANY_RULES = 32;
const CHANGES_TIMED = 10;

const { values } = parseArgs({ options: { json: { type: "boolean" }, rounds: { type: "string" }, seconds: { type: "string" }, kills: { type: "string" }, changes: { type: "string" } } });
const whole = (text: string | undefined, otherwise: number, most: number): number => Math.min(most, Math.max(1, Math.trunc(Number(text ?? otherwise)) || otherwise));
const [rounds, seconds, kills, changes] = [whole(values.rounds, 5, 50), whole(values.seconds, 2, 60), whole(values.kills, 5, 50), whole(values.changes, 200, 10_000)];
const talk = (text: string): void => void process.stderr.write(`${text}\n`);
const results: CaseResult[] = [];
const goals: Goal[] = [];

if (CANNOT !== false) {
  talk(`This benchmark ${CANNOT}.`);
  process.exit(1);
}
const cluster = await Balanced.form({ spare: 4, rules: false, ports: [80] });
try {
  cluster.muster(1, "rule", "add", "--ports", "80", "--protocol", "tcp", "--affinity", "none");
  cluster.muster(1, "rule", "add", "--ports", "90", "--protocol", "tcp", "--affinity", "none");
  await cluster.settled();
  await part("rates", rates);
  cluster.muster(1, "rule", "delete", "90");
  await part("times of changes", timings);
  await part("planned changes", plannedChanges);
  await part("dead hosts", deaths);
} finally {
  await cluster.close();
}
print("nlb", results, goals, values.json ?? false);

/** What was measured is told, also when a later part fails; a part that failed is told, and is no success. */
async function part(name: string, measure: () => Promise<void>): Promise<void> {
  try {
    await cluster.settled();
    await measure();
  } catch (error) {
    talk(`${name}: FAILED: ${(error as Error).message}`);
    process.exitCode = 1;
  }
}

async function rates(): Promise<void> {
  const stage = new Stage(cluster, FOUR);
  try {
    await stage.start();
    const { results: measured, medians } = await stage.measure(rounds, seconds, talk);
    results.push(...measured);
    for (const engine of ["nftables", "XDP"] as const) {
      const ratio = (kind: string, other: string): number => medians.get(`${kind} 3 hosts, ${engine}`)! / medians.get(`${kind} ${other}`)!;
      goals.push(goal(`${engine}: new connections, to haproxy's`, ratio("new", "haproxy"), ">= 1.35"), goal(`${engine}: new connections, to one server's`, ratio("new", "one server"), ">= 0.85"));
      for (const [name] of stage.contenders.filter(([other]) => !other.startsWith("3 hosts"))) for (const kind of ["new", "kept", "bytes"]) results.push(summarize(`${engine}, ratio to ${name}: ${kind}`, "", [ratio(kind, name)]));
    }
  } finally {
    await stage.close();
  }
}

async function timings(): Promise<void> {
  for (const count of [1, MANY_RULES]) {
    for (let port = 1_001; port <= 1_000 + count - 1; port++) await cluster.api(1).send("POST", "/v1/nlb/changes", { body: { kind: "addRule", rule: { virtualAddress: null, startPort: port, endPort: port, protocol: "tcp", mode: "multiple", affinity: "none", timeoutMinutes: 0, probe: null, metric: null }, own: {} } });
    await cluster.settled();
    const times: number[] = [];
    for (let number = 0; number < CHANGES_TIMED; number++) times.push(await changed(cluster, number % 2 === 0 ? "single" : "none"));
    results.push(summarize(`a rule changes on 3 hosts, of ${count} rule${count === 1 ? "" : "s"}`, "ms", times));
  }
  for (let port = 1_001; port <= 1_000 + MANY_RULES - 1; port++) await cluster.api(1).send("POST", "/v1/nlb/changes", { body: { kind: "deleteRule", rule: `tcp all:${port}-${port}` } });
  await cluster.settled();
}

async function plannedChanges(): Promise<void> {
  const outcome = await planned(cluster, changes, talk);
  results.push(summarize(`connections in ${changes} planned changes`, "", [outcome.all]), summarize("of these, asked for twice (a second later)", "", [outcome.late]));
  goals.push(goal(`connections that broke in ${changes} planned changes`, outcome.broken, "<= 0"));
}

async function deaths(): Promise<void> {
  const times: number[] = [];
  for (let number = 0; number < kills; number++) {
    talk(`a host dies: ${number + 1} of ${kills}`);
    times.push(await killed(cluster, (number % 3) + 1));
  }
  const summary = summarize("a host is dead until all is answered", "ms", times);
  results.push(summary);
  goals.push(goal("a host is dead until all is answered, median, ms", summary.median, "<= 1200"));
  cluster.muster(1, "set", "--period", "1000");
  await cluster.settled();
  talk("a host dies, with heartbeats of a second");
  results.push(summarize("the same with the profile classic", "ms", [await killed(cluster, 2)]));
}
