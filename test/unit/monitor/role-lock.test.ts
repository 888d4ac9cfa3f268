import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, openSync, closeSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { tryLock, waitForLock } from "../../../src/monitor/flock.ts";
import { hasEnded, readLockHolders, readProcess, readProcesses, readVariable } from "../../../src/monitor/process-table.ts";
import { findRoleProcesses } from "../../../src/monitor/role-processes.ts";
import type { RoleLockRecord } from "../../../src/monitor/role-lock.ts";
import { SupersededError, lockPath, readRecordAt, takeRoleLock } from "../../../src/monitor/role-lock.ts";
import { formatMonitorToken, formatRoleToken, monitorPrefix, parseRoleToken, resourceMark, roleMark, rolePrefix } from "../../../src/monitor/token.ts";
import { untilGone } from "./helpers.ts";

const clusterId = `lock-test-${process.pid}`;

describe("tokens and marks", () => {
  test("round trip, whatever the names hold", () => {
    for (const [cluster, resource] of [["c", "r"], ["a:b", "x y"], ["ü*'(", "\n$(x)"], ["%", ":"]] as const) {
      const token = { clusterId: cluster, resource, generation: 2 ** 53 - 1 };
      const text = formatRoleToken(token);
      assert.match(text, /^[A-Za-z0-9%._-]+:[A-Za-z0-9%._-]+:\d+$/);
      assert.deepEqual(parseRoleToken(text), token);
      assert.ok(text.startsWith(rolePrefix(cluster, resource)));
      const mark = roleMark(token);
      assert.equal(mark >> 32n, resourceMark(cluster, resource));
      assert.ok(mark > 0n && mark < 2n ** 62n);
    }
    for (const text of ["", "a:b", "a:b:c", "a:b:1:2", "%E0%A4%A:b:1"]) assert.equal(parseRoleToken(text), null, text);
    assert.ok(formatMonitorToken("c", 1, 7).startsWith(monitorPrefix("c", 1)));
    assert.ok(!formatMonitorToken("c", 12, 7).startsWith(monitorPrefix("c", 1)));
  });
});

describe("the process table", () => {
  test("a process with an odd name, and its environment", async () => {
    const directory = mkdtempSync(join(tmpdir(), "muster-monitor-test-"));
    // The name of the program's file is what the kernel shows, and may look like the fields after it.
    const program = join(directory, "a) S 1 2 (b");
    symlinkSync("/bin/sleep", program);
    const child = spawn(program, ["1000"], { env: { PATH: process.env["PATH"] ?? "", MUSTER_X: "1=2", X: "" } });
    const processId = child.pid ?? 0;
    const entry = readProcess(processId);
    assert.equal(entry?.parent, process.pid);
    assert.ok((entry?.startTicks ?? 0) > 0);
    assert.equal(readVariable(processId, "MUSTER_X"), "1=2");
    assert.equal(readVariable(processId, "X"), "");
    assert.equal(readVariable(processId, "USTER_X"), null);
    assert.ok(readProcesses().some((one) => one.processId === processId));
    child.kill("SIGKILL");
    await untilGone(processId);
    const after_ = readProcess(processId);
    assert.ok(after_ === null || hasEnded(after_));
    assert.equal(readVariable(processId, "MUSTER_X"), null);
    rmSync(directory, { recursive: true });
  });

  test("a resource that nobody started has no processes", () => {
    assert.deepEqual(findRoleProcesses(clusterId, "nothing"), []);
  });
});

describe("role locks", () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), "muster-monitor-test-"));
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  const record = (generation: number, resource = "r"): RoleLockRecord => ({ resource, clusterId, generation, node: 1, incarnation: 1, monitorProcessId: process.pid, token: formatRoleToken({ clusterId, resource, generation }) });

  test("the lock stays with the description, is seen in /proc, and can be waited for", async () => {
    const path = join(directory, "plain");
    const one = openSync(path, "a+");
    const two = openSync(path, "a+");
    assert.equal(tryLock(one), true);
    assert.equal(tryLock(one), true, "it is ours already");
    assert.equal(tryLock(two), false);
    assert.deepEqual(readLockHolders(path), [process.pid]);
    assert.equal(await waitForLock(two, 50), false);
    const waiting = waitForLock(two, 20_000);
    setTimeout(() => closeSync(one), 50);
    assert.equal(await waiting, true);
    closeSync(two);
    assert.deepEqual(readLockHolders(path), []);
  });

  test("the record is a fence: lower generations are refused, equal and higher ones go on", async () => {
    for (const generation of [5, 5, 8]) {
      const lock = await takeRoleLock(directory, record(generation), 2000);
      assert.deepEqual(lock.ended, []);
      lock.release();
      assert.equal(readRecordAt(lockPath(directory, "r"))?.generation, generation);
    }
    await assert.rejects(takeRoleLock(directory, record(7), 2000), SupersededError);
    assert.equal(readRecordAt(lockPath(directory, "r"))?.generation, 8);
    const other = await takeRoleLock(directory, { ...record(1), clusterId: `${clusterId}-other` }, 2000);
    other.release();
  });

  test("a holder of the descriptor that shows neither token nor mark is ended too", async () => {
    const lock = await takeRoleLock(directory, record(1, "shy"), 2000);
    const shy = spawn("sleep", ["1000"], { env: {}, argv0: "sleep", detached: true, stdio: ["ignore", "ignore", "ignore", lock.descriptor] });
    lock.release();
    const processId = shy.pid ?? 0;
    const next = await takeRoleLock(directory, record(2, "shy"), 10_000);
    assert.deepEqual(next.ended, [processId]);
    await untilGone(processId);
    next.release();
  });

  test("what is not its own is refused after the time, with the processes named", async () => {
    const lock = await takeRoleLock(directory, record(1, "held"), 2000);
    // This process holds it, and does not end itself.
    await assert.rejects(takeRoleLock(directory, record(2, "held"), 400), new RegExp(`an earlier copy could not be ended: process ${process.pid} did not go away`));
    lock.release();
  });
});
