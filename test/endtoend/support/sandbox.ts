import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { abstractSockets, commandLine, currentDirectory, environment, kill, listProcesses } from "./processes.ts";
import { sleep, until } from "./until.ts";

export const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
export const MUSTER = join(ROOT, "bin", "muster.js");

export interface CommandResult {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** stdout as JSON. */
  json<Value>(): Value;
  /** The error of a command that was given --json. */
  error(): { readonly code: string; readonly message: string; readonly next: string; readonly field: string | null };
}

export interface CommandOptions {
  readonly environment?: Readonly<Record<string, string>>;
  readonly currentDirectory?: string;
  readonly limitMs?: number;
}

const COMMAND_LIMIT_MS = 90_000;
const MARK_VARIABLE = "MUSTER_TEST_MARK";

/**
 * A place of its own for the clusters of one test file: its own runtime directory, so that it never meets a
 * user's cluster, its own temporary directory, and a mark in the environment of everything it starts, so that
 * whatever is left can be found.
 */
export class Sandbox {
  readonly directory: string;
  readonly #mark = randomUUID();
  readonly #clusterIds = new Set<string>();
  readonly #directories = new Set<string>();
  readonly #addresses: readonly string[];

  /** @param addresses the loopback addresses of the test's roles, no other test's */
  constructor(...addresses: readonly string[]) {
    this.#addresses = addresses;
    this.directory = realpathSync(mkdtempSync(join(tmpdir(), "muster-e2e-")));
    for (const name of ["run", "tmp", "home"]) mkdirSync(join(this.directory, name), { mode: 0o700 });
  }

  path(...parts: readonly string[]): string {
    return join(this.directory, ...parts);
  }

  environment(more: Readonly<Record<string, string>> = {}): Record<string, string> {
    const { NODE_TEST_CONTEXT: _test, NODE_OPTIONS: _options, XDG_RUNTIME_DIR: _runtime, MUSTER_CONNECT: _connect, MUSTER_TOKEN: _token, ...inherited } = process.env;
    return { ...(inherited as Record<string, string>), XDG_RUNTIME_DIR: this.path("run"), TMPDIR: this.path("tmp"), [MARK_VARIABLE]: this.#mark, ...more };
  }

  /** Says what to look for at the end. */
  remember(clusterId: string, directory: string): void {
    this.#clusterIds.add(clusterId);
    this.#directories.add(directory);
  }

  /** Runs the muster command to its end. */
  muster(words: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return this.run(process.execPath, [MUSTER, ...words], options);
  }

  run(program: string, words: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    const child = spawn(program, words, { env: this.environment(options.environment), cwd: options.currentDirectory ?? this.directory, stdio: ["ignore", "pipe", "pipe"] });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    const limit = setTimeout(() => child.kill("SIGKILL"), options.limitMs ?? COMMAND_LIMIT_MS);
    return new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (exitCode) => {
        clearTimeout(limit);
        resolve({
          exitCode,
          stdout,
          stderr,
          json: <Value>() => parse<Value>(stdout, words),
          // Talk may come before it.
          error: () => parse<{ error: ReturnType<CommandResult["error"]> }>(stderr.trimEnd().split("\n").at(-1)!, words).error,
        });
      });
    });
  }

  /** Everything that was started here and still runs: by the mark, and by the names of our clusters. */
  processes(): number[] {
    return listProcesses()
      .map(({ processId }) => processId)
      .filter((processId) => {
        if (processId === process.pid) return false;
        const variables = environment(processId);
        if (variables.includes(`${MARK_VARIABLE}=${this.#mark}`)) return true;
        // Some programs (nginx) write over their environment; their command line or directory is ours all the same.
        if (commandLine(processId).join(" ").includes(this.directory) || currentDirectory(processId).startsWith(this.directory)) return true;
        return [...this.#clusterIds].some((id) => variables.some((variable) => variable.startsWith("MUSTER_") && variable.includes(id)));
      });
  }

  #sockets(): string[] {
    const holds = [...this.#directories].map((directory) => `muster-directory-${createHash("sha256").update(directory).digest("hex").slice(0, 32)}`);
    const addresses = this.#addresses.map((address) => `muster-address-${address}`);
    return abstractSockets()
      .map(({ name }) => name)
      .filter((name) => [...this.#clusterIds].some((id) => name.includes(id)) || holds.includes(name) || addresses.includes(name));
  }

  /** Proves that no process, no socket and no temporary file of this sandbox is left. */
  async assertNothingLeft(): Promise<void> {
    await until("no process is left", () => this.processes().length === 0, 30_000).catch(() => {
      assert.deepEqual(this.processes().map((processId) => `${processId} ${commandLine(processId).join(" ")}`), [], "processes are left");
    });
    await until("no socket is left", () => this.#sockets().length === 0, 10_000).catch(() => assert.deepEqual(this.#sockets(), [], "sockets are left"));
    assert.deepEqual(readdirSync(this.path("tmp")), [], "temporary files are left");
    const runtime = readdirSync(this.path("run"));
    assert.deepEqual(runtime.flatMap((name) => readdirSync(this.path("run", name))), [], "the runtime directory is not empty");
  }

  /** Ends what a test that failed has left, so that it does not disturb the next one. */
  async killAll(): Promise<void> {
    for (let round = 0; round < 100 && this.processes().length > 0; round++) {
      for (const processId of this.processes()) kill(processId, "SIGKILL");
      await sleep(50);
    }
  }

  /** For the end of a file, whatever happened. */
  async dispose(): Promise<void> {
    await this.killAll();
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

function parse<Value>(text: string, words: readonly string[]): Value {
  try {
    return JSON.parse(text) as Value;
  } catch {
    throw new Error(`${words.slice(1).join(" ")} did not print JSON: ${text.slice(0, 500)}`);
  }
}
