import type { MonitorOrder } from "../../../src/monitor/contract.ts";
import type { MonitorHostOptions } from "../../../src/monitor/host.ts";
import { ProcessMonitorHost } from "../../../src/monitor/host.ts";

/** Stands for a node's service in tests that kill it: hosts a monitor, obeys and tells its parent over IPC. */
const host = new ProcessMonitorHost(JSON.parse(process.argv[2] ?? "") as MonitorHostOptions);
await host.start({ onReport: tell, onDied: (reason) => tell({ kind: "died", reason }) });
tell({ kind: "started", monitorProcessId: host.processIds()[0] });
process.on("message", (order: MonitorOrder) => host.send(order));
process.on("disconnect", () => void end());
if (!process.connected) void end();

async function end(): Promise<void> {
  await host.stop({ graceful: false, reason: "end of the test" });
  process.exit(0);
}

function tell(message: object): void {
  if (process.connected) process.send?.(message);
}
