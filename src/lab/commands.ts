import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { MusterError } from "../model/errors.ts";
import { LabError } from "./errors.ts";
import { sendSignal } from "./processes.ts";
import { SYSTEM_PATH } from "./requirements.ts";

/** Programs that are run to their end, with a bound on time and output. */

export interface CommandResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CollectOptions {
  readonly timeoutMs: number;
  readonly input?: string;
}

const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;
/** A program in the background may hold the output open for ever. */
const OUTPUT_AFTER_EXIT_MS = 1_000;
const COMMAND_LIMIT_MS = 15_000;

/**
 * Waits for a child whose outputs are pipes and which leads a process group of its own.
 * @throws MusterError MUSTER_TIMEOUT, MUSTER_LIMIT (more output than 16 MiB); the whole group is killed then
 */
export function collect(child: ChildProcess, options: CollectOptions): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    let bytes = 0;
    let failure: Error | null = null;
    let afterExit: NodeJS.Timeout | null = null;
    const end = (error: Error): void => {
      failure ??= error;
      if (child.pid !== undefined) killGroup(child.pid);
    };
    const limit = setTimeout(() => end(new MusterError("MUSTER_TIMEOUT", { timeoutMs: options.timeoutMs })), options.timeoutMs);
    const finish = (): void => {
      clearTimeout(limit);
      if (afterExit !== null) clearTimeout(afterExit);
      child.stdout?.destroy();
      child.stderr?.destroy();
      if (failure !== null) reject(failure);
      else resolve({ code: child.exitCode, signal: child.signalCode, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() });
    };
    const take = (into: Buffer[]) => (piece: Buffer): void => {
      bytes += piece.length;
      if (bytes > OUTPUT_BYTES_MAX) end(new MusterError("MUSTER_LIMIT", { what: "The output of a command", limit: `${OUTPUT_BYTES_MAX} bytes` }));
      else into.push(piece);
    };
    child.stdout?.on("data", take(stdout));
    child.stderr?.on("data", take(stderr));
    child.once("error", (error) => {
      failure ??= MusterError.from(error);
      if (child.pid === undefined) finish();
    });
    child.once("exit", () => {
      afterExit = setTimeout(finish, OUTPUT_AFTER_EXIT_MS);
    });
    child.once("close", finish);
    // Whoever does not read its input is not wrong.
    child.stdin?.on("error", () => {});
    child.stdin?.end(options.input ?? "");
  });
}

function killGroup(processId: number): void {
  sendSignal(-processId, "SIGKILL");
  sendSignal(processId, "SIGKILL");
}

/** Runs a program of this machine, outside of every host. @throws LabError when it does not end with 0 */
export async function command(argv: readonly string[], input?: string): Promise<string> {
  const env = { ...process.env, PATH: `${SYSTEM_PATH}:${process.env["PATH"] ?? ""}`, LC_ALL: "C" };
  const child = spawn(argv[0]!, argv.slice(1), { detached: true, stdio: "pipe", env });
  const { code, signal, stdout, stderr } = await collect(child, { timeoutMs: COMMAND_LIMIT_MS, input });
  if (code !== 0) {
    const problem = `${argv.join(" ")} ended with ${signal ?? code}: ${stderr.trim()}`;
    throw new LabError("MUSTER_INTERNAL", problem, "If the message does not say what to do: take the lab down and make it again (muster lab down).", { problem });
  }
  return stdout;
}

/** Asks again and again, at first at once. @throws MusterError MUSTER_TIMEOUT */
export async function until(ready: () => boolean, timeoutMs: number): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  for (let pauseMs = 1; !ready(); pauseMs = Math.min(pauseMs * 2, 20)) {
    if (Date.now() > deadline) throw new MusterError("MUSTER_TIMEOUT", { timeoutMs });
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
