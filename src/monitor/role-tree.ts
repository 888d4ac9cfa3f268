import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import { MusterError } from "../model/errors.ts";
import type { Guard } from "./guard.ts";
import { readFileLocksLimit, readProcess } from "./process-table.ts";
import type { ProcessExit, RoleProcess } from "./resource-type.ts";
import type { EndResult } from "./role-processes.ts";
import { endRoleProcesses } from "./role-processes.ts";
import type { RoleToken } from "./token.ts";
import { MONITOR_VARIABLE, ROLE_TOKEN_VARIABLE, formatRoleToken, roleMark } from "./token.ts";

export interface TreeStart {
  readonly command: string;
  readonly words: readonly string[];
  readonly currentDirectory: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly outputDescriptor: number;
  /** Inherited as descriptor 3, so that the process holds the role's lock; -1 = none. */
  readonly lockDescriptor: number;
}

/** The processes of one start of a resource, and the certainty that they end. */
export class RoleTree {
  readonly #token: RoleToken;
  readonly #guard: Guard;
  readonly #processes = new Map<number, ChildProcess>();
  #guarded = false;
  #closed = false;

  constructor(token: RoleToken, guard: Guard) {
    this.#token = token;
    this.#guard = guard;
  }

  /**
   * Starts a program in a session of its own.
   * @throws MusterError MUSTER_COMMAND_NOT_FOUND, MUSTER_INVALID_ARGUMENT for a directory that is not there
   */
  spawn(start: TreeStart): RoleProcess {
    if (this.#closed) throw new Error("the resource is being ended and may not start anything");
    const token = formatRoleToken(this.#token);
    const environment: Record<string, string | undefined> = { ...process.env, ...start.environment, [ROLE_TOKEN_VARIABLE]: token };
    // With it, a role would be taken for a monitor.
    delete environment[MONITOR_VARIABLE];
    if (!(statSync(start.currentDirectory, { throwIfNoEntry: false })?.isDirectory() ?? false)) {
      throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "CurrentDirectory", problem: `there is no directory ${start.currentDirectory}` });
    }
    if (!canExecute(start.command, start.currentDirectory, environment["PATH"])) throw new MusterError("MUSTER_COMMAND_NOT_FOUND", { command: start.command });

    const mark = roleMark(this.#token);
    const marked = marksWork();
    if (!this.#guarded) this.#guard.expect(token, marked ? mark : 0n);
    this.#guarded = true;
    // prlimit sets the mark and becomes the program: the process id stays.
    const command = marked ? "prlimit" : start.command;
    const words = marked ? [`--locks=${mark}:${mark}`, "--", start.command, ...start.words] : start.words;
    const child = spawn(command, words, {
      cwd: start.currentDirectory,
      env: environment,
      detached: true,
      stdio: start.lockDescriptor < 0 ? ["ignore", start.outputDescriptor, start.outputDescriptor] : ["ignore", start.outputDescriptor, start.outputDescriptor, start.lockDescriptor],
    });
    return this.#adopt(child, token);
  }

  #adopt(child: ChildProcess, token: string): RoleProcess {
    const processId = child.pid;
    const exited = new Promise<ProcessExit>((resolve_) => {
      child.once("exit", (code, signal) => {
        if (processId !== undefined) this.#processes.delete(processId);
        resolve_({ code, signal });
      });
      child.once("error", () => resolve_({ code: 127, signal: null }));
    });
    if (processId === undefined) throw new MusterError("MUSTER_COMMAND_NOT_FOUND", { command: child.spawnfile });
    this.#processes.set(processId, child);
    this.#guard.add(token, { processGroup: processId, startTicks: readProcess(processId)?.startTicks ?? 0 });
    return { processId, exited, signalGroup: (signal) => this.#signalGroup(processId, signal) };
  }

  #signalGroup(processId: number, signal: NodeJS.Signals): void {
    // While Node has not seen the exit, the number cannot belong to anybody else.
    if (!this.#processes.has(processId)) return;
    try {
      process.kill(-processId, signal);
    } catch {
      // The group is empty.
    }
  }

  /** Sends SIGKILL to all that was started here, without waiting. The first step of every sudden end. */
  killNow(): void {
    this.#closed = true;
    for (const processId of this.#processes.keys()) this.#signalGroup(processId, "SIGKILL");
  }

  /** Ends everything that belongs to the role and proves it. The guard forgets it only then. */
  async end(limitMs: number): Promise<EndResult> {
    this.killNow();
    // Without a process of its own there may still be those of a type that starts some in its own way, or none: look.
    const result = await endRoleProcesses({ ...this.#token, generationMax: this.#token.generation }, limitMs);
    if (result.remaining.length === 0) this.#guard.remove(formatRoleToken(this.#token));
    return result;
  }
}

let marksWorkCache: boolean | null = null;

/** The limit can only be lowered: inside a role of another cluster (or under a limit) marks are not available. */
function marksWork(): boolean {
  marksWorkCache ??= readFileLocksLimit("self") === null && canExecute("prlimit", "/", process.env["PATH"]);
  return marksWorkCache;
}

/** True when execvp(3) would find the program. */
export function canExecute(command: string, currentDirectory: string, path: string | undefined): boolean {
  if (command === "") return false;
  const candidates = command.includes("/") ? [isAbsolute(command) ? command : resolve(currentDirectory, command)] : (path ?? "/bin:/usr/bin").split(":").map((directory) => join(resolve(currentDirectory, directory), command));
  return candidates.some((candidate) => {
    try {
      accessSync(candidate, constants.X_OK);
      return statSync(candidate).isFile();
    } catch {
      return false;
    }
  });
}
