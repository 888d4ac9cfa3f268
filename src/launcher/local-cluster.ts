import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync, openSync, closeSync, rmSync, writeFileSync, realpathSync } from "node:fs";
import type { Server } from "node:net";
import { fileURLToPath } from "node:url";
import { ApiClient } from "../api/client.ts";
import type { NodeProcessMessage, NodeProcessOptions } from "../api/node-main.ts";
import { MusterError } from "../model/errors.ts";
import type { ClusterView } from "../model/views.ts";
import { checkClusterName, clusterPaths, createCluster, readCluster } from "../service/cluster-files.ts";
import type { ClusterConfiguration } from "../service/cluster-files.ts";
import { claimDirectory, forgetRuntimeRootIfEmpty, linkCluster, makeDirectory, runningFile, temporaryDirectory } from "./runtime-directory.ts";

export interface LocalClusterOptions {
  readonly name: string;
  readonly nodes: number;
  /** Kept when the cluster ends; null = a temporary one that goes with it. */
  readonly directory: string | null;
  readonly workingDirectory: string;
  /** A node whose process ends is started again after this time; null = never. */
  readonly restartDelayMs: number | null;
  readonly onNotice: (text: string) => void;
}

interface NodeProcess {
  readonly name: string;
  child: ChildProcess | null;
  restart: NodeJS.Timeout | null;
}

/** A node's garbage is small and frequent: a small young generation keeps its memory small. */
const NODE_OPTIONS = ["--disable-warning=ExperimentalWarning", "--max-semi-space-size=4"];
const START_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 20_000;

/** A cluster of node processes on this machine, kept running until it is stopped. */
export class LocalCluster {
  readonly directory: string;
  readonly configuration: ClusterConfiguration;
  readonly #options: LocalClusterOptions;
  readonly #claim: Server;
  readonly #nodes: NodeProcess[];
  readonly #unlink: () => void;
  #stopping = false;

  private constructor(options: LocalClusterOptions, directory: string, configuration: ClusterConfiguration, claim: Server) {
    this.#options = options;
    this.directory = directory;
    this.configuration = configuration;
    this.#claim = claim;
    this.#nodes = configuration.nodes.map((node) => ({ name: node.name, child: null, restart: null }));
    this.#unlink = options.directory === null ? () => {} : linkCluster(configuration.clusterName, directory);
  }

  /** Creates or continues the cluster of a directory. @throws MusterError when it cannot be; nothing is left running then */
  static async start(options: LocalClusterOptions): Promise<LocalCluster> {
    checkClusterName(options.name);
    const wanted = options.directory ?? temporaryDirectory(options.name);
    try {
      makeDirectory(wanted);
    } catch (error) {
      throw new MusterError("MUSTER_DATABASE_UNWRITABLE", { path: wanted, problem: (error as Error).message }, { cause: error });
    }
    const directory = realpathSync(wanted);
    const claim = await claimDirectory(directory);
    let cluster: LocalCluster | null = null;
    try {
      cluster = new LocalCluster(options, directory, prepare(directory, options), claim);
      writeFileSync(runningFile(directory), `${JSON.stringify({ processId: process.pid })}\n`);
      const started = await Promise.allSettled(cluster.#nodes.map((node) => cluster!.#spawn(node)));
      const failed = started.find((result) => result.status === "rejected");
      if (failed !== undefined) throw failed.reason;
      await cluster.#untilActive();
      return cluster;
    } catch (error) {
      if (cluster !== null) await cluster.stop();
      else {
        if (options.directory === null) rmSync(directory, { recursive: true, force: true });
        await new Promise((resolve) => claim.close(resolve));
        forgetRuntimeRootIfEmpty();
      }
      throw error;
    }
  }

  get nodeNames(): readonly string[] {
    return this.#nodes.map((node) => node.name);
  }

  /** The client of a node that runs. @throws MusterError MUSTER_NOT_REACHABLE */
  client(): ApiClient {
    const node = this.#nodes.find((candidate) => candidate.child !== null && existsSync(clusterPaths.socket(this.directory, candidate.name)));
    if (node === undefined) throw new MusterError("MUSTER_NOT_REACHABLE", { address: this.directory, problem: "no node runs" });
    return new ApiClient({ socket: clusterPaths.socket(this.directory, node.name) });
  }

  #spawn(node: NodeProcess): Promise<void> {
    const options: NodeProcessOptions = {
      directory: this.directory,
      node: node.name,
      workingDirectory: this.#options.workingDirectory,
      listen: { host: "127.0.0.1", port: 0 },
      endWithParent: true,
    };
    const main = fileURLToPath(new URL(import.meta.url.endsWith(".ts") ? "../api/node-process.ts" : "../api/node-process.js", import.meta.url));
    const compileCache = new URL(import.meta.url.endsWith(".ts") ? "../../bin/compile-cache.js" : "../../../bin/compile-cache.js", import.meta.url).href;
    const log = openSync(clusterPaths.serviceLog(this.directory, node.name), "a", 0o600);
    // A session of its own: Ctrl-C reaches this process, which ends the nodes in order.
    const child = fork(main, [JSON.stringify(options)], { detached: true, execArgv: [...NODE_OPTIONS, "--import", compileCache], stdio: ["ignore", log, log, "ipc"] });
    closeSync(log);
    node.child = child;
    return new Promise((resolve, reject) => {
      const limit = setTimeout(() => reject(new MusterError("MUSTER_TIMEOUT", { timeoutMs: START_LIMIT_MS })), START_LIMIT_MS);
      child.once("message", (message: NodeProcessMessage) => {
        clearTimeout(limit);
        if (message.kind === "started") resolve();
        else reject(MusterError.fromBody(message.error));
      });
      child.once("exit", (code, signal) => {
        clearTimeout(limit);
        node.child = null;
        reject(new MusterError("MUSTER_INTERNAL", { problem: `node ${node.name} ended (${signal ?? code}); see ${clusterPaths.serviceLog(this.directory, node.name)}` }));
        this.#onExit(node, signal ?? String(code));
      });
    });
  }

  #onExit(node: NodeProcess, how: string): void {
    const { restartDelayMs, onNotice } = this.#options;
    if (this.#stopping) return;
    if (restartDelayMs === null) {
      onNotice(`node ${node.name} ended (${how})`);
      return;
    }
    onNotice(`node ${node.name} ended (${how}); it is started again in ${restartDelayMs / 1000} s`);
    node.restart = setTimeout(() => {
      node.restart = null;
      this.#spawn(node).catch((error: unknown) => {
        if (!this.#stopping && node.child === null && node.restart === null) this.#onExit(node, MusterError.from(error).message);
      });
    }, restartDelayMs);
  }

  async #untilActive(): Promise<void> {
    const deadline = Date.now() + START_LIMIT_MS;
    for (;;) {
      const view = await this.client().get<ClusterView>("/v1/cluster").catch(() => null);
      if (view?.state === "Active" && view.nodesUp === this.#nodes.length) return;
      if (Date.now() > deadline) throw new MusterError("MUSTER_NO_QUORUM", { reason: `not all nodes came up within ${START_LIMIT_MS / 1000} s` });
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Ends every node with its roles; a temporary directory goes too. */
  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    await Promise.all(this.#nodes.map((node) => endProcess(node)));
    rmSync(runningFile(this.directory), { force: true });
    this.#unlink();
    if (this.#options.directory === null) rmSync(this.directory, { recursive: true, force: true });
    await new Promise((resolve) => this.#claim.close(resolve));
    forgetRuntimeRootIfEmpty();
  }
}

async function endProcess(node: NodeProcess): Promise<void> {
  if (node.restart !== null) clearTimeout(node.restart);
  const { child } = node;
  if (child === null || child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  // All nodes stop together: roles must not be sent from one to the next.
  child.kill("SIGINT");
  // A stopped process gets its signal only when it goes on.
  child.kill("SIGCONT");
  const limit = setTimeout(() => child.kill("SIGKILL"), STOP_LIMIT_MS);
  await exited;
  clearTimeout(limit);
}

function prepare(directory: string, options: LocalClusterOptions): ClusterConfiguration {
  const found = readCluster(directory);
  if (found === null) return createCluster(directory, options.name, Array.from({ length: options.nodes }, (_, position) => `n${position + 1}`));
  if (found.clusterName !== options.name) throw new MusterError("MUSTER_DIRECTORY_OTHER_CLUSTER", { path: directory, found: found.clusterName, wanted: options.name });
  return found;
}
