import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { MusterError } from "../model/errors.ts";
import { withinMs } from "./clock.ts";
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
  readonly #exits: Promise<ProcessExit>[] = [];
  #used = false;
  #closed = false;

  constructor(token: RoleToken, guard: Guard) {
    this.#token = token;
    this.#guard = guard;
  }

  /** True when something was (about to be) started here, so that {@link RoleTree.end} has something to prove. */
  get isUsed(): boolean {
    return this.#used;
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
    if (findExecutable(start.command, start.currentDirectory, environment["PATH"]) === null) throw new MusterError("MUSTER_COMMAND_NOT_FOUND", { command: start.command });

    const mark = roleMark(this.#token);
    const marking = findMarker();
    if (!this.#used) this.#guard.expect(token, marking === null ? 0n : mark);
    this.#used = true;
    // prlimit sets the mark and becomes the program: the process id stays.
    const command = marking ?? start.command;
    const words = marking === null ? start.words : [`--locks=${mark}:${mark}`, "--", start.command, ...start.words];
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
    // The program was found; what is missing is memory, or room for another process.
    if (processId === undefined) throw new Error("the system did not allow another process");
    this.#processes.set(processId, child);
    this.#exits.push(exited);
    // A program that starts many short ones (health checks): those that ended long ago need not be kept.
    if (this.#exits.length > EXITS_KEPT) this.#exits.splice(1, 1);
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
    // What was killed needs a moment; looking for it before costs more, and holds up what else is being ended.
    await withinMs(Promise.all(this.#exits), EXIT_WAIT_MS, undefined);
    const result = await endRoleProcesses({ ...this.#token, generationMax: this.#token.generation }, limitMs);
    if (result.remaining.length === 0) this.#guard.remove(formatRoleToken(this.#token));
    return result;
  }
}

/** Longest wait for killed processes to be gone before they are looked for. */
const EXIT_WAIT_MS = 30;
const EXITS_KEPT = 16;

let marker: string | null | undefined;

/**
 * Path of the program that sets marks; null when marks cannot be used: the limit can only be lowered, so
 * inside a role of another cluster, or under a limit, there is no room for them.
 */
function findMarker(): string | null {
  marker ??= readFileLocksLimit("self") === null ? findExecutable("prlimit", "/", process.env["PATH"]) : null;
  return marker;
}

/** Where execvp(3) would find the program; null = nowhere. */
export function findExecutable(command: string, currentDirectory: string, path: string | undefined): string | null {
  if (command === "") return null;
  const candidates = command.includes("/") ? [resolve(currentDirectory, command)] : (path ?? "/bin:/usr/bin").split(":").map((directory) => join(resolve(currentDirectory, directory), command));
  return candidates.find(isExecutable) ?? null;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
