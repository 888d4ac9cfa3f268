import { test } from "node:test";
import * as core from "../../../src/core/index.ts";
import { Driver } from "./driver.ts";

/** Printed, not judged: machines differ. The goal for a node loss is 5 ms. */
test("how long steps take with 64 nodes, 1,000 groups, 3 resources each", (context) => {
  const driver = Driver.started(64);
  const commands: number[] = [];
  const timed = (run: () => void): void => {
    const start = process.hrtime.bigint();
    run();
    commands.push(Number(process.hrtime.bigint() - start) / 1e6);
  };
  for (let number = 0; number < 1_000; number++) {
    const name = `role-${number}`;
    timed(() => driver.do({ verb: "group.create", name }));
    driver.program(`${name}-address`, name);
    driver.program(`${name}-disk`, name);
    driver.program(`${name}-program`, name, {}, undefined, `[${name}-address] and [${name}-disk]`);
    driver.do({ verb: "group.online", group: name });
  }
  context.diagnostic(`group.create: ${percentiles(commands)}`);

  const losses: number[] = [];
  const moved: number[] = [];
  for (let node = 2; node <= 42; node++) {
    moved.push(core.describeNode(driver.state, `node${node}`).groups.length);
    const start = process.hrtime.bigint();
    driver.down(node);
    losses.push(Number(process.hrtime.bigint() - start) / 1e6);
    driver.settle();
  }
  context.diagnostic(`loss of a node with ${Math.min(...moved)} to ${Math.max(...moved)} groups: ${percentiles(losses)}`);

  const reports: number[] = [];
  for (let number = 0; number < 1_000; number++) {
    const start = process.hrtime.bigint();
    driver.fails(`role-${number}-program`);
    reports.push(Number(process.hrtime.bigint() - start) / 1e6);
  }
  context.diagnostic(`report of a failure (with two look-ups): ${percentiles(reports)}`);
  const pieces: [string, () => unknown][] = [
    ["snapshot", () => core.snapshot(driver.state)],
    ["restore", () => core.restore(core.snapshot(driver.state))],
    ["fork", () => core.fork(driver.state)],
    ["next deadline", () => core.nextDeadline(driver.state)],
    ["state hash", () => core.stateHash(driver.state)],
    ["what if a node is lost", () => core.whatIf(driver.state, [{ what: "nodeDown", node: "node50" }])],
    ["describe all groups", () => core.describeGroups(driver.state)],
    ["describe the cluster", () => core.describeCluster(driver.state)],
  ];
  for (const [name, run] of pieces) {
    const times: number[] = [];
    for (let turn = 0; turn < 5; turn++) {
      const start = process.hrtime.bigint();
      run();
      times.push(Number(process.hrtime.bigint() - start) / 1e6);
    }
    context.diagnostic(`${name}: ${percentiles(times)}`);
  }
});

function percentiles(times: readonly number[]): string {
  const sorted = [...times].sort((left, right) => left - right);
  const at = (share: number): string => (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(2);
  return `median ${at(0.5)} ms, p99 ${at(0.99)} ms, longest ${at(1)} ms`;
}
