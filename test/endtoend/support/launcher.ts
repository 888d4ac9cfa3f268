import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { ApiClient } from "../../../src/api/client.ts";
import type { RequestOptions } from "../../../src/api/client.ts";
import type { ClusterEvent } from "../../../src/model/events.ts";
import type { ClusterView, GroupView, NodeView, ResourceView } from "../../../src/model/views.ts";
import type { NodeInformation } from "../../../src/service/facade.ts";
import { abstractSockets, holdsSocket, kill } from "./processes.ts";
import { MUSTER } from "./sandbox.ts";
import type { CommandResult, Sandbox } from "./sandbox.ts";
import { until } from "./until.ts";

export type NodeAnswer = NodeView & { readonly information: NodeInformation | null };

export interface LaunchOptions {
  /** Options of `muster try`. */
  readonly options?: readonly string[];
  /** The role's program; none = the demonstration. */
  readonly program?: readonly string[];
  readonly directory?: string;
  readonly name?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly currentDirectory?: string;
  /** Instead of `node bin/muster.js`. */
  readonly command?: readonly string[];
}

const READY = "Ctrl-C ends everything.";
const START_LIMIT_MS = 90_000;
const STOP_LIMIT_MS = 60_000;
const ANSWER_MS = 3_000;

/** A cluster that runs under `muster try`, in a process group of its own as in a terminal. */
export class Launcher {
  readonly sandbox: Sandbox;
  readonly directory: string;
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;
  #output = "";
  #clusterId = "";

  private constructor(sandbox: Sandbox, options: LaunchOptions) {
    this.sandbox = sandbox;
    this.name = options.name ?? "demo";
    this.directory = options.directory ?? sandbox.path("run", "muster", this.name);
    const words = ["try", "--name", this.name, ...(options.directory === undefined ? [] : ["--directory", options.directory]), ...(options.options ?? []), ...(options.program === undefined ? [] : ["--", ...options.program])];
    const [program, ...more] = options.command ?? [process.execPath, MUSTER, ...words];
    this.#child = spawn(program!, more, { env: sandbox.environment(options.environment), cwd: options.currentDirectory ?? sandbox.directory, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) stream.setEncoding("utf8").on("data", (text: string) => (this.#output += text));
    this.#ended = new Promise((resolve) => this.#child.on("close", resolve));
  }

  /** Starts and waits until the role is online. */
  static async start(sandbox: Sandbox, options: LaunchOptions = {}): Promise<Launcher> {
    const launcher = Launcher.begin(sandbox, options);
    await launcher.ready();
    return launcher;
  }

  /** Starts only. */
  static begin(sandbox: Sandbox, options: LaunchOptions = {}): Launcher {
    return new Launcher(sandbox, options);
  }

  async ready(): Promise<void> {
    await until(`the cluster is ready; it said:\n${this.#output}`, () => this.#output.includes(READY) || this.hasEnded, START_LIMIT_MS).catch((error: Error) => {
      throw new Error(`${error.message}\n${this.#output}`);
    });
    if (!this.#output.includes(READY)) throw new Error(`the cluster did not start:\n${this.#output}`);
    this.#clusterId = (JSON.parse(readFileSync(join(this.directory, "cluster.json"), "utf8")) as { clusterId: string }).clusterId;
    this.sandbox.remember(this.#clusterId, realpathSync(this.directory));
  }

  get processId(): number {
    return this.#child.pid!;
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** All that it printed. */
  get output(): string {
    return this.#output;
  }

  get clusterId(): string {
    return this.#clusterId;
  }

  /** Ctrl-C: the signal goes to the whole group in the foreground. @returns the exit code */
  async interrupt(): Promise<number | null> {
    if (!this.hasEnded) process.kill(-this.processId, "SIGINT");
    return this.ended();
  }

  async ended(): Promise<number | null> {
    await until("the launcher ends", () => this.hasEnded, STOP_LIMIT_MS);
    return this.#ended;
  }

  /** kill -9 of the launcher, all services and all monitors, as a power failure would. */
  async killEverything(): Promise<void> {
    kill(this.processId, "SIGKILL");
    for (let round = 0; round < 200; round++) {
      const left = this.sandbox.processes();
      if (left.length === 0) return;
      for (const processId of left) kill(processId, "SIGKILL");
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.fail("the cluster could not be killed");
  }

  // ---- asking --------------------------------------------------------------

  client(node: string): ApiClient {
    return new ApiClient({ socket: join(this.directory, "nodes", node, "api.sock") });
  }

  get nodeNames(): string[] {
    const configuration = JSON.parse(readFileSync(join(this.directory, "cluster.json"), "utf8")) as { nodes: { name: string }[] };
    return configuration.nodes.map((node) => node.name);
  }

  /** From the first node that can answer for the cluster: stale or hung ones cannot give a consistent answer. */
  async get<Answer>(path: string): Promise<Answer> {
    let problem: unknown = new Error("no node runs");
    const answers = this.nodeNames
      .filter((node) => existsSync(join(this.directory, "nodes", node, "api.sock")))
      .map((node) => this.client(node).get<Answer>(path, { query: { consistent: "true", timeoutMs: String(ANSWER_MS) }, timeoutMs: ANSWER_MS }));
    try {
      return await Promise.any(answers);
    } catch (error) {
      problem = error instanceof AggregateError ? (error.errors[0] ?? problem) : error;
    }
    throw problem;
  }

  async send(method: "POST" | "PUT" | "PATCH" | "DELETE", path: string, options: RequestOptions = {}): Promise<unknown> {
    const { answeredBy } = await this.get<{ readonly answeredBy: { readonly node: string } }>("/v1/cluster");
    return this.client(answeredBy.node).send(method, path, options);
  }

  group(name: string): Promise<GroupView> {
    return this.get(`/v1/groups/${encodeURIComponent(name)}`);
  }

  resource(name: string): Promise<ResourceView> {
    return this.get(`/v1/resources/${encodeURIComponent(name)}`);
  }

  node(name: string): Promise<NodeAnswer> {
    return this.get(`/v1/nodes/${name}`);
  }

  events(): Promise<ClusterEvent[]> {
    return this.client(this.nodeNames[0]!).get("/v1/events");
  }

  muster(...words: readonly string[]): Promise<CommandResult> {
    return this.sandbox.muster([...words, "--directory", this.directory]);
  }

  /** The command, its answer as JSON; fails when the command does. */
  async json<Value>(...words: readonly string[]): Promise<Value> {
    const result = await this.muster(...words, "--json");
    assert.equal(result.exitCode, 0, `muster ${words.join(" ")}: ${result.stderr}`);
    return result.json<Value>();
  }

  /** Waits until every node is up and answers, and every role that shall be online is. */
  async healthy(limitMs = 60_000): Promise<void> {
    await until(
      "the cluster is healthy",
      async () => {
        const [cluster, nodes, groups] = await Promise.all([this.get<ClusterView>("/v1/cluster"), this.get<NodeAnswer[]>("/v1/nodes"), this.get<GroupView[]>("/v1/groups")]);
        const problem = [
          ...cluster.problems,
          ...nodes.filter((node) => node.state !== "Up" || !node.inventoryKnown || node.information === null || node.information.monitorProcessIds.length === 0).map((node) => `${node.name} is ${node.state} (${node.reason.text})`),
          ...groups.filter((group) => group.wantedState === "Online" && (group.state !== "Online" || group.movingTo !== null)).map((group) => `${group.name} is ${group.state} (${group.reason.text})`),
        ];
        if (problem.length > 0) throw new Error(problem.join("; "));
        return true;
      },
      limitMs,
    );
  }

  /** The node whose process passes on the messages of the embedded engine. */
  async sequencerNode(): Promise<string> {
    return until("a sequencer", async () => {
      const pattern = new RegExp(`^muster-${this.#clusterId}-\\d+$`);
      const listeners = abstractSockets().filter(({ name, isListening }) => isListening && pattern.test(name));
      for (const { name, information } of await this.get<NodeAnswer[]>("/v1/nodes")) {
        if (information !== null && listeners.some(({ inode }) => holdsSocket(information.processId, inode))) return name;
      }
      return null;
    });
  }
}
