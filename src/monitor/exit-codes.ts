/** How a monitor process ends by itself; its host puts the name into the reason. */
export const MonitorExitCode = {
  /** Its service went away; every process tree was ended first. */
  Orphaned: 0,
  /** An error nobody caught, most likely in a resource type. */
  Internal: 70,
  /** It was started with options it cannot read. */
  BadOptions: 78,
  /** A call into a resource type took longer than DeadlockTimeout (reference 2.9, event 1230). */
  Deadlock: 81,
} as const;
export type MonitorExitCode = (typeof MonitorExitCode)[keyof typeof MonitorExitCode];

/** The end of a process in words. */
export function describeExit(code: number | null, signal: string | null): string {
  if (signal !== null) return `was killed by ${signal}`;
  return `exited with code ${code ?? "unknown"}`;
}

/** The end of a monitor process in words. */
export function describeMonitorExit(code: number | null, signal: string | null): string {
  if (signal !== null) return `killed by ${signal}`;
  switch (code) {
    case MonitorExitCode.Orphaned:
      return "ended by itself";
    case MonitorExitCode.Internal:
      return "ended by an internal error (code 70)";
    case MonitorExitCode.BadOptions:
      return "could not read its options (code 78)";
    case MonitorExitCode.Deadlock:
      return "ended because a call into a resource type exceeded its DeadlockTimeout (code 81)";
    default:
      return `exited with code ${code ?? "unknown"}`;
  }
}
