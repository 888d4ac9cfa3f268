import type { Health, PrivateValues, ProcessExit, ResourceContext, RoleProcess } from "../monitor/resource-type.ts";
import { defineResourceType } from "../monitor/resource-type.ts";
import { describeExit } from "../monitor/exit-codes.ts";
import { readProcess, readProcesses, hasEnded } from "../monitor/process-table.ts";
import { sleepMs, withinMs } from "../monitor/clock.ts";
import { MusterError } from "../model/errors.ts";
import { builtIn } from "./built-in.ts";
import { parseCommandLine } from "../model/command-line.ts";
import { checkUrl, parseHealthCheckUrl } from "./health-check.ts";

/**
 * Online is reported when the program has run for this long: one that cannot start at all (a bad argument, a
 * port in use) then counts as "could not be brought online" rather than as online for an instant.
 */
const SETTLE_MS = 50;
/** How often a program that is starting is asked whether it answers yet. */
const START_CHECK_MS = 25;
const STOP_CHECK_MS = 25;

interface Application {
  process: RoleProcess | null;
  exit: ProcessExit | null;
  startedMs: number;
  /** A health check has succeeded: from then on failures count (HealthCheckDelay). */
  hasBeenHealthy: boolean;
}

/**
 * Generic Application (reference 3.1): a program that is started, watched and ended. Its end is its failure,
 * noticed at once; a program that hangs is noticed by LooksAlive when it is stopped, and by IsAlive when it no
 * longer answers its health check.
 */
export const genericApplication = defineResourceType<Application>({
  ...builtIn("Generic Application"),
  lockHolder: "processes",

  validate(values) {
    if (parseCommandLine(text(values, "CommandLine")).length === 0) throw invalid("CommandLine", "it names no program");
    parseCommandLine(text(values, "HealthCheckCommand"), "HealthCheckCommand");
    if (text(values, "HealthCheckUrl") !== "") parseHealthCheckUrl(text(values, "HealthCheckUrl"));
    environmentOf(values);
  },

  isAliveLimitMs(values) {
    // Both checks are bounded by themselves; a second for what lies between.
    return 2 * Number(values["HealthCheckTimeout"]) + 1000;
  },

  open: () => ({ process: null, exit: null, startedMs: 0, hasBeenHealthy: false }),

  async online(context, application) {
    const [command = "", ...words] = parseCommandLine(text(context.values, "CommandLine"));
    const child = context.spawn(command, words, placeOf(context));
    application.process = child;
    application.startedMs = performance.now();
    void child.exited.then((exit) => {
      application.exit = exit;
      context.signalFailure(describeEnd(child, exit, context));
    });
    const url = text(context.values, "HealthCheckUrl");
    if (url === "") {
      await sleepMs(SETTLE_MS, context.signal);
      return;
    }
    while (!context.signal.aborted && application.exit === null) {
      if ((await checkUrl(parseHealthCheckUrl(url), timeoutOf(context), context.signal)) === null) {
        application.hasBeenHealthy = true;
        return;
      }
      await sleepMs(START_CHECK_MS, context.signal);
    }
  },

  looksAlive: (context, application) => lookAt(context, application),

  async isAlive(context, application) {
    const health = lookAt(context, application);
    if (health !== true) return health;
    const problem = (await checkByUrl(context)) ?? (await checkByCommand(context));
    if (problem === null) {
      application.hasBeenHealthy = true;
      return true;
    }
    const ageMs = performance.now() - application.startedMs;
    if (!application.hasBeenHealthy && ageMs < Number(context.values["HealthCheckDelay"])) return true;
    return { reason: `health check: ${problem}` };
  },

  async offline(context, application) {
    const child = application.process;
    if (child === null || application.exit !== null) return;
    const limitMs = Number(context.values["StopTimeout"]);
    const deadlineMs = performance.now() + limitMs;
    child.signalGroup("SIGTERM");
    // A stopped program cannot handle SIGTERM before it goes on.
    child.signalGroup("SIGCONT");
    // The time is bounded by StopTimeout, which may be longer than PendingTimeout.
    const progress = setInterval(() => context.progress(), 1000);
    try {
      while (groupRuns(child.processId)) {
        const leftMs = deadlineMs - performance.now();
        if (leftMs <= 0 || context.signal.aborted) {
          context.log(`it did not end within ${limitMs} ms after SIGTERM and is killed`);
          return;
        }
        await withinMs<unknown, null>(application.exit === null ? child.exited : sleepMs(STOP_CHECK_MS), Math.min(leftMs, 200), null);
      }
    } finally {
      clearInterval(progress);
    }
  },
});

/** LooksAlive: the process is there and not stopped. */
function lookAt(context: ResourceContext, application: Application): Health {
  const child = application.process;
  if (child === null) return { reason: "it was not started" };
  if (application.exit !== null) return { reason: describeEnd(child, application.exit, context) };
  const entry = readProcess(child.processId);
  if (entry === null || hasEnded(entry)) return { reason: `its process ${child.processId} is gone` };
  if (entry.state === "T") return { reason: `its process ${child.processId} is stopped (SIGSTOP) and answers nobody` };
  return true;
}

async function checkByUrl(context: ResourceContext): Promise<string | null> {
  const url = text(context.values, "HealthCheckUrl");
  return url === "" ? null : checkUrl(parseHealthCheckUrl(url), timeoutOf(context), context.signal);
}

async function checkByCommand(context: ResourceContext): Promise<string | null> {
  const line = text(context.values, "HealthCheckCommand");
  if (line === "") return null;
  const [command = "", ...words] = parseCommandLine(line, "HealthCheckCommand");
  const child = context.spawn(command, words, { ...placeOf(context), main: false });
  const limitMs = timeoutOf(context);
  const exit = await withinMs(child.exited, limitMs, null);
  if (exit === null) {
    child.signalGroup("SIGKILL");
    await child.exited;
    return `'${command}' did not end within ${limitMs} ms`;
  }
  return exit.code === 0 ? null : `'${command}' ${describeExit(exit.code, exit.signal)}`;
}

function describeEnd(child: RoleProcess, exit: ProcessExit, context: ResourceContext): string {
  const line = context.lastOutputLine();
  return `its process ${child.processId} ${describeExit(exit.code, exit.signal)}${line === null ? "" : `; its last line: ${line}`}`;
}

/** True while a process of the group lives: the program's children may need their time as well. */
function groupRuns(processGroup: number): boolean {
  return readProcesses().some((entry) => entry.processGroup === processGroup && !hasEnded(entry));
}

function placeOf(context: ResourceContext): { currentDirectory: string; environment: Record<string, string> } {
  const directory = text(context.values, "CurrentDirectory");
  return { currentDirectory: directory === "" ? context.workingDirectory : directory, environment: environmentOf(context.values) };
}

/** NAME=VALUE pairs as an object. @throws MusterError MUSTER_INVALID_ARGUMENT */
function environmentOf(values: PrivateValues): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const pair of values["Environment"] as readonly string[]) {
    const equals = pair.indexOf("=");
    if (equals < 1 || pair.includes("\0")) throw invalid("Environment", `'${pair}' is not NAME=VALUE`);
    environment[pair.slice(0, equals)] = pair.slice(equals + 1);
  }
  return environment;
}

function timeoutOf(context: ResourceContext): number {
  return Number(context.values["HealthCheckTimeout"]);
}

function text(values: PrivateValues, name: string): string {
  return String(values[name] ?? "");
}

function invalid(field: string, problem: string): MusterError {
  return new MusterError("MUSTER_INVALID_ARGUMENT", { field, problem });
}
