import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { after, afterEach, before, describe, test } from "node:test";
import { monotonicMs, sleepMs } from "../../../src/monitor/clock.ts";
import type { MonitorHostOptions } from "../../../src/monitor/host.ts";
import { endLeftovers } from "../../../src/monitor/leftovers.ts";
import { hasEnded, readProcesses } from "../../../src/monitor/process-table.ts";
import { lockPath, takeRoleLock } from "../../../src/monitor/role-lock.ts";
import { CLEAR_ENVIRONMENT, Workbench, runs, until, untilGone } from "./helpers.ts";
import { ServiceProcess } from "./service.ts";

/** A tree that makes it hard: children in other sessions, without files, without environment. */
const WIDE_TREE = `sh -c 'echo $$ >>tree.txt; sleep 1000 & echo $! >>tree.txt; setsid sh -c "exec 3>&-; echo \\$\\$ >>tree.txt; exec sleep 1000" & setsid ${CLEAR_ENVIRONMENT} sh -c "exec 0<&- 1>&- 2>&- 3>&-; echo \\$\\$ >>tree.txt; sleep 1000" & wait'`;
const WIDE_TREE_SIZE = 4;

describe("nothing outlives its monitor", () => {
  let bench: Workbench;
  let services: ServiceProcess[] = [];
  before(() => {
    bench = new Workbench();
  });
  afterEach(async () => {
    for (const service of services) await service.end();
    services = [];
  });
  after(() => bench.close());

  async function service(node: number, options: Partial<MonitorHostOptions> = {}): Promise<ServiceProcess> {
    const made = new ServiceProcess(bench.hostOptions(node, options));
    services.push(made);
    return made.started();
  }

  async function wideTree(made: ServiceProcess, id: string): Promise<number[]> {
    const directory = bench.path(id);
    mkdirSync(directory);
    await made.online(bench.online(bench.application(id, WIDE_TREE, { CurrentDirectory: directory })));
    return until("the whole tree", () => {
      const lines = existsSync(`${directory}/tree.txt`) ? readFileSync(`${directory}/tree.txt`, "utf8").trim().split("\n") : [];
      return lines.length === WIDE_TREE_SIZE ? lines.map(Number) : null;
    });
  }

  async function allGone(processIds: readonly number[], what: string): Promise<void> {
    const startedMs = monotonicMs();
    for (const processId of processIds) await untilGone(processId);
    console.log(`# ${what}: tree of ${processIds.length} processes gone after ${Math.round(monotonicMs() - startedMs)} ms`);
  }

  test("kill -9 of the service: the monitor ends the tree and itself", async () => {
    const made = await service(1);
    const tree = await wideTree(made, "k1");
    made.child.kill("SIGKILL");
    await allGone(tree, "kill -9 of the service");
    await untilGone(made.monitorProcessId);
  });

  test("kill -9 of the monitor: the guard ends the tree, the host says so and starts another", async () => {
    const made = await service(1);
    const tree = await wideTree(made, "k2");
    process.kill(made.monitorProcessId, "SIGKILL");
    await allGone(tree, "kill -9 of the monitor");
    await until("the host to notice", () => made.deaths[0] === "killed by SIGKILL");
    // Orders that come now wait for the next monitor.
    const again = await made.online(bench.online(bench.application("k2", "sleep 1000")));
    assert.ok(runs(again));
  });

  test("kill -9 of service and monitor together: the guard ends the tree", async () => {
    const made = await service(1);
    const tree = await wideTree(made, "k3");
    process.kill(made.monitorProcessId, "SIGKILL");
    made.child.kill("SIGKILL");
    await allGone(tree, "kill -9 of both");
  });

  test("kill -9 of service, monitor and guard: the next life of the node ends the tree before it starts", async () => {
    const made = await service(1);
    const tree = await wideTree(made, "k4");
    const guards = readProcesses().filter((entry) => entry.parent === made.monitorProcessId && entry.session === entry.processId && !tree.includes(entry.processId));
    assert.equal(guards.length, 1);
    for (const processId of [guards[0]?.processId ?? 0, made.monitorProcessId, made.processId]) process.kill(processId, "SIGKILL");
    await untilGone(made.processId);
    await sleepMs(100);
    assert.ok(tree.every(runs), "nobody was left to end it");
    await service(1, { incarnation: 2 });
    assert.ok(!tree.some(runs), "ended before the service said that it had started");
  });

  test("a guard that dies is replaced", async () => {
    const made = await service(1);
    const tree = await wideTree(made, "k5");
    const guardOf = (): number | undefined => readProcesses().find((entry) => entry.parent === made.monitorProcessId && entry.session === entry.processId && !tree.includes(entry.processId) && !hasEnded(entry))?.processId;
    const first = guardOf() ?? 0;
    process.kill(first, "SIGKILL");
    await until("another guard", () => (guardOf() ?? first) !== first);
    // It is there before it has been told what to guard.
    await sleepMs(300);
    process.kill(made.monitorProcessId, "SIGKILL");
    made.child.kill("SIGKILL");
    await allGone(tree, "kill -9 of both, with a replaced guard");
  });

  test("SIGSTOP of the monitor: the host notices, ends monitor and tree, and starts another", async () => {
    const made = await service(1, { hangTimeoutMs: 1000 });
    const tree = await wideTree(made, "k6");
    const startedMs = monotonicMs();
    process.kill(made.monitorProcessId, "SIGSTOP");
    await until("the host to notice", () => made.deaths.length > 0);
    assert.match(made.deaths[0] ?? "", /^hung: no answer for \d+ ms$/);
    assert.ok(!tree.some(runs), "said only when the tree was gone");
    console.log(`# SIGSTOP of the monitor (hang time-out 1000): proven gone after ${Math.round(monotonicMs() - startedMs)} ms`);
    await made.online(bench.online(bench.application("k6", "sleep 1000"), 2));
  });

  test("a stopped service that goes on does not blame its monitor", async () => {
    const made = await service(1, { hangTimeoutMs: 1000 });
    await made.online(bench.online(bench.application("k7", "sleep 1000")));
    made.child.kill("SIGSTOP");
    await sleepMs(2500);
    made.child.kill("SIGCONT");
    await sleepMs(1200);
    assert.deepEqual(made.deaths, []);
  });

  test("SIGTERM and SIGINT to the monitor do nothing", async () => {
    const made = await service(1);
    const processId = await made.online(bench.online(bench.application("k8", "sleep 1000")));
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.kill(made.monitorProcessId, signal);
    await sleepMs(200);
    assert.ok(runs(made.monitorProcessId) && runs(processId));
  });

  test("a new owner while the old service and monitor are stopped: the old tree is gone before the new one starts", async () => {
    const old = await service(1);
    // Binds no port; each run writes its id while it lives, so two at a time would be seen.
    const program = `sh -c 'echo start $$ >>runs.txt; while :; do echo $$ >>beats.txt; sleep 0.02; done'`;
    const resource = bench.application("t1", program);
    const address = { ...resource, id: "t1-address", type: "IP Address", privateProperties: { Address: "127.77.0.1" } };
    await old.online(bench.online(address, 10));
    const first = await old.online(bench.online(resource, 10));
    const taker = await service(2);
    for (const processId of [old.processId, old.monitorProcessId]) process.kill(processId, "SIGSTOP");
    // The role's own process is stopped as well: it would go on writing when it is continued.
    process.kill(first, "SIGSTOP");
    const startedMs = monotonicMs();
    await taker.online(bench.online(address, 11));
    const second = await taker.online(bench.online(resource, 11));
    console.log(`# taken over from a stopped node after ${Math.round(monotonicMs() - startedMs)} ms`);
    assert.ok(!runs(first) && runs(second));
    assert.ok(!runs(old.monitorProcessId), "it held the address");
    process.kill(old.processId, "SIGCONT");
    await until("the old service to notice", () => old.deaths.length > 0);
    assert.ok(runs(second), "which does not touch the new owner's tree");
    const beats = readFileSync(bench.path("beats.txt"), "utf8").trim().split("\n");
    assert.ok(beats.lastIndexOf(String(first)) < beats.indexOf(String(second)), "never two at a time");
    assert.match(bench.output("t1-address"), /ended leftovers of an earlier copy: process \d+/);
  });

  test("a stopped monitor that waits between lock and start is fenced too", async () => {
    const old = await service(1);
    // Held by a monitor that has not written what for.
    const resource = bench.application("t2", "sleep 1000");
    await old.online(bench.online({ ...resource, type: "IP Address", privateProperties: { Address: "127.77.0.2" } }, 1));
    process.kill(old.monitorProcessId, "SIGSTOP");
    writeFileSync(lockPath(bench.directory, "t2"), "");
    const taker = await service(2);
    assert.ok(runs(await taker.online(bench.online(resource, 2))));
    assert.ok(!runs(old.monitorProcessId));
  });

  test("an order of a lower generation is refused, whether the higher one still runs or not", async () => {
    const one = await service(1);
    const two = await service(2);
    const resource = bench.application("t3", "sleep 1000");
    const newer = await two.online(bench.online(resource, 20));
    for (let round = 0; round < 2; round++) {
      const stale = bench.online(resource, 19);
      one.send(stale);
      const refused = await until("the refusal", () => one.reports.find((report) => report.effect === stale.effect && report.state === "failed"));
      assert.match(refused.reason, /superseded: generation 20 of this resource was started after generation 19/);
      if (round > 0) break;
      assert.ok(runs(newer));
      two.send({ kind: "offline", effect: bench.effect(), generation: 20, resource: "t3", reason: "test" });
      await untilGone(newer);
    }
  });

  test("leftovers of one node are ended, those of another are not", async () => {
    const one = await service(1);
    const two = await service(2);
    const left = await one.online(bench.online(bench.application("t4", "sleep 1000"), 1));
    const other = await two.online(bench.online(bench.application("t5", "sleep 1000"), 1));
    for (const processId of [one.processId, one.monitorProcessId]) process.kill(processId, "SIGSTOP");
    process.kill(left, "SIGSTOP");
    const result = await endLeftovers({ directory: bench.directory, clusterId: bench.clusterId, node: 1 });
    assert.ok(!runs(left) && !runs(one.monitorProcessId));
    assert.ok(runs(other) && runs(two.monitorProcessId));
    assert.deepEqual(result.remaining, []);
    assert.deepEqual(await endLeftovers({ directory: bench.path("nowhere"), clusterId: bench.clusterId, node: 1 }), { ended: [], remaining: [] });
  });

  test("the lock is held by the tree, and free when the tree is gone", async () => {
    const made = await service(1);
    const processId = await made.online(bench.online(bench.application("t6", "sleep 1000"), 1));
    const holders = await import("../../../src/monitor/process-table.ts").then((table) => table.readLockHolders(lockPath(bench.directory, "t6")));
    assert.deepEqual(holders, [processId], "not by the monitor");
    const record = { resource: "t6", clusterId: bench.clusterId, generation: 2, node: 3, incarnation: 1, monitorProcessId: process.pid, token: "" };
    const lock = await takeRoleLock(bench.directory, record, 5000);
    assert.ok(!runs(processId));
    assert.ok(lock.ended.includes(processId));
    lock.release();
    lock.release();
    assert.equal(lock.descriptor, -1);
  });
});
