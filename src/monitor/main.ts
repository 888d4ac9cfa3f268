import type { ReleaseOptions } from "../leasing/release.ts";
import { builtInTypes, endStaleAddresses, prepareAddresses } from "../resources/index.ts";
import type { MonitorOrder, MonitorReport } from "./contract.ts";
import { MonitorExitCode } from "./exit-codes.ts";
import { Guard } from "./guard.ts";
import { Monitor } from "./monitor.ts";
import type { MonitorOptions } from "./options.ts";
import { OwnedAddresses } from "./owned-addresses.ts";
import { formatMonitorToken } from "./token.ts";
import { loadResourceTypes } from "./type-loader.ts";

/**
 * The Resource Monitor's process: started by a {@link import("./host.ts").ProcessMonitorHost}, talks to it
 * over Node's IPC channel, and ends every role at once when that channel ends.
 */
let ending = false;
const options = readOptions();
const guard = new Guard(formatMonitorToken(options.clusterId, options.nodeId, options.incarnation));
const { types, problems } = await loadResourceTypes(builtInTypes, options.resourceTypeDirectory);
for (const { file, problem } of problems) console.error(`muster: ${options.nodeName}: resource type ${file} was not loaded: ${problem}`);

// At hand before it is needed: when it is, every millisecond is one that clients wait.
const leasing = options.release === null ? null : await import("../leasing/release.ts");
await Promise.all([leasing?.prepareRelease(options.release as ReleaseOptions), options.isGated ? prepareAddresses() : undefined]).catch((error: unknown) => console.error(`muster: ${options.nodeName}: not everything could be loaded beforehand: ${String(error)}`));
const addresses = new OwnedAddresses(options.isGated, send);
const monitor = new Monitor({
  options,
  types,
  problems,
  guard,
  addresses,
  report: send,
  onDeadlock: (resource, entry) => {
    console.error(`muster: ${options.nodeName}: ${entry} of resource ${resource} exceeded its DeadlockTimeout; the monitor ends`);
    void endWith(MonitorExitCode.Deadlock, "a call into a resource type exceeded its DeadlockTimeout");
  },
});

// What a terminal or an administrator sends to the whole group is the service's to decide about.
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => undefined);
process.on("message", (order: MonitorOrder) => monitor.handle(order));
process.on("disconnect", () => void endWith(MonitorExitCode.Orphaned, "the monitor lost its service"));
process.on("uncaughtException", (error) => {
  console.error(`muster: ${options.nodeName}: internal error in the resource monitor:`, error);
  void endWith(MonitorExitCode.Internal, "internal error in the resource monitor");
});

guard.start();
// The gate lets nothing of them pass; but here they would stand in the way of this node's own programs as clients.
if (options.isGated) await endStaleAddresses().catch((error: unknown) => console.error(`muster: ${options.nodeName}: addresses of an earlier life could not be removed: ${String(error)}`));
if (process.connected) send({ kind: "ready", processId: process.pid });
else void endWith(MonitorExitCode.Orphaned, "the monitor lost its service");

/** Kills first, then proves, then goes: also the guard, which has nothing left to do. */
async function endWith(code: number, reason: string): Promise<void> {
  if (ending) return;
  ending = true;
  const isOrphaned = code === MonitorExitCode.Orphaned;
  try {
    if (isOrphaned) closeTheGate();
    await monitor.endAll(false, reason);
    const opened = isOrphaned ? leasing?.openRelease(options.release as ReleaseOptions) : undefined;
    opened?.catch(() => undefined);
    await guard.stop();
    if (isOrphaned) await leasing?.announceRelease(options.release as ReleaseOptions, opened);
  } catch (error) {
    // The others wait out the hold then.
    console.error(`muster: ${options.nodeName}: the others could not be told that everything has ended: ${String(error)}`);
  } finally {
    process.exit(code);
  }
}

/** The service that could have is dead; with the gate closed nothing is to be disowned. */
function closeTheGate(): void {
  if (leasing === null) return;
  try {
    leasing.closeGate((options.release as ReleaseOptions).table);
  } catch (error) {
    console.error(`muster: ${options.nodeName}: the gate could not be closed, and closes when the lease runs out: ${String(error)}`);
  }
  addresses.abandon();
}

function send(report: MonitorReport): void {
  // A channel that broke is noticed by "disconnect"; there is nobody to tell.
  if (process.connected) process.send?.(report, undefined, undefined, () => undefined);
}

function readOptions(): MonitorOptions {
  try {
    return JSON.parse(process.argv[2] ?? "") as MonitorOptions;
  } catch {
    console.error("muster: the resource monitor is started by the cluster service, not by hand");
    process.exit(MonitorExitCode.BadOptions);
  }
}
