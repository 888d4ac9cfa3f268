import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { fork } from "node:child_process";
import type { MonitorOrder } from "../../../src/monitor/contract.ts";
import type { MonitorHostOptions } from "../../../src/monitor/host.ts";
import { hasEnded, readProcesses } from "../../../src/monitor/process-table.ts";
import type { StateReport } from "./helpers.ts";
import { runs, until, untilGone } from "./helpers.ts";

/** A node's service as a process of its own, which can be killed. */
export class ServiceProcess {
  readonly child: ChildProcess;
  readonly reports: StateReport[] = [];
  readonly deaths: string[] = [];
  monitorProcessId = 0;

  constructor(options: MonitorHostOptions) {
    this.child = fork(new URL("./service-process.ts", import.meta.url), [JSON.stringify(options)], { execArgv: [] });
    this.child.on("message", (message: { kind: string; monitorProcessId?: number; reason?: string }) => {
      if (message.kind === "started") this.monitorProcessId = message.monitorProcessId ?? 0;
      if (message.kind === "died") this.deaths.push(message.reason ?? "");
      if (message.kind === "state") this.reports.push(message as unknown as StateReport);
    });
  }

  get processId(): number {
    return this.child.pid ?? 0;
  }

  /** The monitor it has at this moment: a child with a session of its own. */
  monitorsNow(): number[] {
    return readProcesses().filter((entry) => entry.parent === this.processId && entry.session === entry.processId && !hasEnded(entry)).map((entry) => entry.processId);
  }

  async started(): Promise<this> {
    await until("the service to start", () => this.monitorProcessId);
    return this;
  }

  send(order: MonitorOrder): void {
    this.child.send(order);
  }

  /** As the core does it: an order that died with its monitor is given again. */
  async online(order: Extract<MonitorOrder, { kind: "online" }>): Promise<number> {
    this.send(order);
    let deaths = this.deaths.length;
    const report = await until("online", () => {
      if (this.deaths.length > deaths) this.send(order);
      deaths = this.deaths.length;
      return this.reports.find((one) => one.effect === order.effect && (one.state === "online" || one.state === "failed"));
    });
    assert.equal(report.state, "online", report.reason);
    return report.processId ?? 0;
  }

  /** Ends it in good order, or by force. */
  async end(): Promise<void> {
    if (!runs(this.processId)) return;
    this.child.kill("SIGCONT");
    if (this.child.connected) this.child.disconnect();
    await untilGone(this.processId).catch(() => this.child.kill("SIGKILL"));
  }
}
