import koffi from "koffi";

/**
 * Real-time priority for a thread that renews a lease in the kernel: optional. Without it a busy machine may be
 * late with a tick, and the gate closes; it never opens wrongly. So what is not allowed here is said,
 * and nothing else. Memory is not locked: V8 gives pages back with madvise, which the kernel refuses
 * for locked ones, and V8 ends the process for that when the next thread is made.
 */
export interface RealTimeOutcome {
  /** What the thread runs with; null = as everything else. */
  readonly priority: number | null;
  /** What was asked for and did not work; empty = all of it did. */
  readonly problems: readonly string[];
}

const SCHED_RR = 2;
/** Programs that the service starts do not inherit it. */
const SCHED_RESET_ON_FORK = 0x40000000;

/** For the calling thread. @param priority 1 to 99 */
export function becomeRealTime(priority: number): RealTimeOutcome {
  const problems: string[] = [];
  let isScheduled = false;
  try {
    const libc = koffi.load("libc.so.6");
    const parameter = koffi.struct({ sched_priority: "int" });
    const schedule = libc.func("sched_setscheduler", "int", ["int", "int", koffi.pointer(parameter)]) as (process: number, policy: number, parameters: { sched_priority: number }) => number;
    isScheduled = schedule(0, SCHED_RR | SCHED_RESET_ON_FORK, { sched_priority: priority }) === 0;
    if (!isScheduled) problems.push(`real-time priority ${priority} was refused (error ${koffi.errno()}): it needs CAP_SYS_NICE or LimitRTPRIO`);
  } catch (error) {
    problems.push(`real-time priority is not available: ${error instanceof Error ? error.message : String(error)}`);
  }
  return { priority: isScheduled ? priority : null, problems };
}

/** Ends the whole process from any thread, at once: `process.exit` of a worker ends the worker alone. */
export function exitProcess(code: number): void {
  (koffi.load("libc.so.6").func("void _exit(int code)") as (code: number) => void)(code);
}
