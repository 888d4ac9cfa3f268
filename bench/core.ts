import { parseArgs } from "node:util";
import * as core from "../src/core/index.ts";
import { Driver } from "../test/unit/core/driver.ts";
import { goal, print, summarize } from "./report.ts";
import type { CaseResult, Goal } from "./report.ts";

/**
 * How long decisions take: `npm run bench:core [-- --json] [-- --trials 20]`. 64 nodes with 1,000 and with 8,000
 * roles of three resources each. The baseline of the same run is one look at every record of the state: what any
 * decision would cost that grew with the size of the cluster.
 */

const NODES = 64;
const SIZES = [1_000, 8_000];
/** Goals for a 2-core machine with nothing else to do. */
const LOSS_GOAL_MS: Readonly<Record<number, string>> = { 1_000: "<= 5", 8_000: "<= 40" };
const WHAT_IF_GOAL = "<= 50";

const { values } = parseArgs({ options: { json: { type: "boolean" }, trials: { type: "string" } } });
const trials = Math.min(40, Math.max(5, Number(values.trials ?? 20)));
const results: CaseResult[] = [];
const goals: Goal[] = [];
for (const size of SIZES) measure(size);
print("core", results, goals, values.json ?? false);

function measure(size: number): void {
  const label = `${NODES} nodes x ${size.toLocaleString("en")} roles`;
  talk(`${label}: building`);
  const before = heapBytes();
  const driver = build(size);
  results.push(summarize(`${label}: memory of the state`, "MiB", [(heapBytes() - before) / 1_048_576]));
  results.push(summarize(`${label}: baseline, one look at every record`, "ms", repeat(trials, () => void core.recomputedHashes(driver.state))));
  const reports: number[] = [];
  for (let number = 0; number < 2_000; number++) reports.push(timeOf(() => driver.fails(`role-${number % size}-program`)));
  driver.wait(1_000);
  results.push(summarize(`${label}: steps a second (reports of failures)`, "1/s", [1_000 / (reports.reduce((sum, ms) => sum + ms, 0) / reports.length)]));

  const whatIf = summarize(`${label}: what if a node is lost`, "ms", repeat(trials, () => void core.whatIf(driver.state, [{ what: "nodeDown", node: "node64" }])));
  const why = summarize(`${label}: why, for one role`, "ms", repeat(trials, () => void core.explainGroup(driver.state, "role-7")));
  results.push(whatIf, why);

  talk(`${label}: losing nodes`);
  const losses: number[] = [];
  const affected: number[] = [];
  const drains: number[] = [];
  for (let node = 2; node < 2 + trials; node++) {
    affected.push(core.describeNode(driver.state, `node${node}`).groups.length);
    losses.push(timeOf(() => driver.down(node)));
    driver.settle();
    driver.up.add(node);
    driver.view({ inventories: false });
    driver.inventory(node, []);
  }
  for (let node = 2 + trials; node < 2 + 2 * trials && node <= NODES; node++) {
    drains.push(timeOf(() => driver.command({ verb: "node.pause", node: `node${node}`, drain: true })));
    driver.settle();
    driver.do({ verb: "node.resume", node: `node${node}` });
  }
  const loss = summarize(`${label}: step that handles the loss of a node`, "ms", losses);
  results.push(loss, summarize(`${label}: roles the lost node had`, "", affected), summarize(`${label}: the same for one of these roles`, "ms", losses.map((ms, position) => ms / Math.max(1, affected[position] ?? 1))));
  results.push(summarize(`${label}: step that handles a drain`, "ms", drains));
  goals.push(goal(`${label}: loss of a node, median, ms`, loss.median, LOSS_GOAL_MS[size] ?? "<= 5"));
  if (size === 1_000) goals.push(goal(`${label}: what-if, median, ms`, whatIf.median, WHAT_IF_GOAL), goal(`${label}: why, median, ms`, why.median, WHAT_IF_GOAL));
}

function build(size: number): Driver {
  const driver = Driver.started(NODES);
  for (let number = 0; number < size; number++) {
    const name = `role-${number}`;
    driver.do({ verb: "group.create", name });
    driver.program(`${name}-address`, name);
    driver.program(`${name}-disk`, name);
    driver.program(`${name}-program`, name, {}, undefined, `[${name}-address] and [${name}-disk]`);
    driver.do({ verb: "group.online", group: name });
  }
  return driver;
}

function repeat(count: number, run: () => void): number[] {
  return Array.from({ length: count }, () => timeOf(run));
}

function timeOf(run: () => unknown): number {
  const startedMs = performance.now();
  run();
  return performance.now() - startedMs;
}

function heapBytes(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

function talk(text: string): void {
  process.stderr.write(`${text}\n`);
}
