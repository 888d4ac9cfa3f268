import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monotonicMs, sleepMs } from "../../../src/monitor/clock.ts";
import type { MonitorOrder, MonitorReport } from "../../../src/monitor/contract.ts";
import type { MonitorHostOptions } from "../../../src/monitor/host.ts";
import { ProcessMonitorHost } from "../../../src/monitor/host.ts";
import { endLeftovers } from "../../../src/monitor/leftovers.ts";
import { hasEnded, readFileLocksLimit, readProcess, readProcesses, readVariable } from "../../../src/monitor/process-table.ts";
import { killProcess } from "../../../src/monitor/role-processes.ts";
import type { PropertyBag, ResourceRecord } from "../../../src/model/objects.ts";

/** Generous: two noisy cores, and other tests beside this one. */
export const PATIENCE_MS = 20_000;

/** Inside a role of another cluster, or under a limit, daemons that clear their environment are not recognized. */
export const MARKS_WORK = readFileLocksLimit("self") === null;
/** Clears the environment where that makes no difference. */
export const CLEAR_ENVIRONMENT = MARKS_WORK ? "env -i" : "env";

export type StateReport = Extract<MonitorReport, { kind: "state" }>;

export async function until<T>(what: string, probe: () => T | null | undefined | false | 0, limitMs = PATIENCE_MS): Promise<T> {
  const deadlineMs = monotonicMs() + limitMs;
  for (;;) {
    const value = probe();
    if (value) return value;
    if (monotonicMs() > deadlineMs) throw new Error(`waited ${limitMs} ms in vain for: ${what}`);
    await sleepMs(3);
  }
}

export function runs(processId: number): boolean {
  const entry = readProcess(processId);
  return entry !== null && !hasEnded(entry);
}

/** Waits until a process is gone. @returns how long it took */
export async function untilGone(processId: number, limitMs = PATIENCE_MS): Promise<number> {
  const startedMs = monotonicMs();
  await until(`process ${processId} to be gone`, () => !runs(processId), limitMs);
  return monotonicMs() - startedMs;
}

let counter = 0;

/** A directory and a cluster of its own for one test, and the certainty that nothing stays behind. */
export class Workbench {
  readonly directory = mkdtempSync(join(tmpdir(), "muster-monitor-test-"));
  readonly clusterId = `test-${process.pid}-${++counter}`;
  readonly hosts: TestHost[] = [];
  #effect = 0;

  path(name: string): string {
    return join(this.directory, name);
  }

  effect(): string {
    return `1.${++this.#effect}.0`;
  }

  host(node = 1, options: Partial<MonitorHostOptions> = {}): TestHost {
    const host = new TestHost(this.hostOptions(node, options));
    this.hosts.push(host);
    return host;
  }

  hostOptions(node: number, options: Partial<MonitorHostOptions> = {}): MonitorHostOptions {
    return { directory: this.directory, clusterId: this.clusterId, clusterName: "TEST", node: { id: node, name: `node${node}` }, incarnation: 1, workingDirectory: this.directory, ...options };
  }

  application(id: string, commandLine: string, privateProperties: PropertyBag = {}, properties: PropertyBag = {}): ResourceRecord {
    return { id, name: `Application ${id}`, group: "g1", type: "Generic Application", dependencies: [], possibleOwners: null, properties, privateProperties: { CommandLine: commandLine, StopTimeout: 3000, ...privateProperties } };
  }

  online(resource: ResourceRecord, generation = 1, options: Partial<Extract<MonitorOrder, { kind: "online" }>> = {}): Extract<MonitorOrder, { kind: "online" }> {
    return { kind: "online", effect: this.effect(), generation, resource, groupName: "Role", reason: "test", startBeforeMs: monotonicMs() + 60_000, ...options };
  }

  /** Everything of this cluster that runs anywhere on the machine. */
  processes(): number[] {
    const prefix = `${this.clusterId}:`;
    return readProcesses()
      .filter((entry) => !hasEnded(entry) && ["MUSTER_ROLE_TOKEN", "MUSTER_MONITOR"].some((name) => readVariable(entry.processId, name)?.startsWith(prefix)))
      .map((entry) => entry.processId);
  }

  output(resource: string): string {
    try {
      return readFileSync(join(this.directory, "output", `${resource}.log`), "utf8");
    } catch {
      return "";
    }
  }

  /** Ends all, checks that nothing is left, and removes the directory. */
  async close(): Promise<void> {
    for (const host of this.hosts) await host.host.stop({ graceful: false, reason: "end of the test" });
    let left: number[] = [];
    try {
      await until("all processes of the test to end", () => this.processes().length === 0, 3000);
    } catch {
      left = this.processes();
      for (const processId of left) killProcess(processId);
      await endLeftovers({ directory: this.directory, clusterId: this.clusterId });
    }
    rmSync(this.directory, { recursive: true, force: true });
    assert.deepEqual(left, [], "processes were left behind");
  }
}

export class TestHost {
  readonly host: ProcessMonitorHost;
  readonly reports: StateReport[] = [];
  readonly deaths: string[] = [];
  /** Inventory at the time of each death. */
  readonly inventoriesAtDeath: number[] = [];

  constructor(options: MonitorHostOptions) {
    this.host = new ProcessMonitorHost(options);
  }

  async start(): Promise<this> {
    await this.host.start({
      onReport: (report) => {
        if (report.kind === "state") this.reports.push(report);
      },
      onDied: (reason) => {
        this.deaths.push(reason);
        this.inventoriesAtDeath.push(this.host.inventory().length);
      },
    });
    return this;
  }

  get monitorProcessId(): number {
    const [processId] = this.host.processIds();
    assert.ok(processId !== undefined, "there is a monitor");
    return processId;
  }

  /** The newest report of a resource once it is in that state (and answers that order). */
  async reaches(resource: string, state: StateReport["state"], effect?: string, limitMs = PATIENCE_MS): Promise<StateReport> {
    return until(`${resource} to be ${state}; reports: ${JSON.stringify(this.reports)}`, () => {
      const last = this.reports.findLast((report) => report.resource === resource);
      return last?.state === state && (effect === undefined || last.effect === effect) ? last : null;
    }, limitMs);
  }

  async bringOnline(order: Extract<MonitorOrder, { kind: "online" }>): Promise<StateReport> {
    this.host.send(order);
    return this.reaches(order.resource.id, "online", order.effect);
  }
}
