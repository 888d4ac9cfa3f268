import assert from "node:assert/strict";
import { cpSync, mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ApiClient } from "../../../src/api/client.ts";
import type { Lab, LabHost } from "../../../src/lab/lab.ts";
import type { ClusterView, GroupView, NodeView } from "../../../src/model/views.ts";

const MUSTER = fileURLToPath(new URL("../../../bin/muster.js", import.meta.url));
const COMMAND_LIMIT_MS = 90_000;
const LOOK_MS = 150;
const LOOK_LIMIT_MS = 1_500;

export interface LabClusterOptions {
  readonly profile?: "standard" | "fast";
  /** Hosts that become nodes; default all. */
  readonly nodes?: readonly string[];
  /** Modules that every host gets before it becomes a node. */
  readonly resourceTypes?: readonly string[];
}

/** A cluster on the hosts of a lab, spoken to as an administrator does: with the command, on one of its nodes. */
export class LabCluster {
  readonly lab: Lab;

  constructor(lab: Lab) {
    this.lab = lab;
  }

  /** The first host creates it, the others join with tokens. */
  static async create(lab: Lab, options: LabClusterOptions = {}): Promise<LabCluster> {
    const cluster = new LabCluster(lab);
    for (const host of lab.hosts) for (const module of options.resourceTypes ?? []) cluster.#giveResourceType(host, module);
    const [first = "n1", ...others] = options.nodes ?? lab.hosts.map((host) => host.name);
    await cluster.muster(first, "cluster", "create", "--name", "lab", "--profile", options.profile ?? "standard");
    for (const name of others) await cluster.join(first, name);
    await cluster.untilUp(first, 1 + others.length);
    return cluster;
  }

  #giveResourceType(host: LabHost, module: string): void {
    const directory = join(host.stateDirectory, "resource-types");
    mkdirSync(directory, { recursive: true });
    cpSync(module, join(directory, basename(module)));
  }

  async join(through: string, name: string, ...words: string[]): Promise<void> {
    const { token } = await this.json<{ readonly token: string }>(through, "node", "token");
    await this.muster(name, "node", "join", token, ...words);
  }

  host(name: string): LabHost {
    return this.lab.host(name);
  }

  /** What the command printed. Fails the test when it failed. */
  async muster(host: string, ...words: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.try(host, ...words);
    assert.equal(code, 0, `${host}$ muster ${words.join(" ")}\n${stderr}`);
    return stdout;
  }

  try(host: string, ...words: readonly string[]): ReturnType<LabHost["run"]> {
    return this.host(host).run([process.execPath, "--disable-warning=ExperimentalWarning", MUSTER, ...words], { timeoutMs: COMMAND_LIMIT_MS });
  }

  async json<Value>(host: string, ...words: readonly string[]): Promise<Value> {
    return JSON.parse(await this.muster(host, ...words, "--json")) as Value;
  }

  /** The error with which a command ends, as code and text. */
  async refused(host: string, ...words: readonly string[]): Promise<{ readonly code: string; readonly message: string }> {
    const { code, stderr, stdout } = await this.try(host, ...words, "--json");
    assert.notEqual(code, 0, `${host}$ muster ${words.join(" ")} was not refused: ${stdout}`);
    return (JSON.parse(stderr.trim().split("\n").at(-1)!) as { readonly error: { readonly code: string; readonly message: string } }).error;
  }

  /** A node's API, asked from outside through its socket; a command costs a second of a busy machine. */
  api(host: string): ApiClient {
    return new ApiClient({ socket: this.socket(host) });
  }

  socket(host: string): string {
    return join(this.host(host).stateDirectory, "nodes", host, "api.sock");
  }

  /** @returns null when it does not answer */
  async view(host: string): Promise<ClusterView | null> {
    return this.#look<ClusterView>(host, "/v1/cluster");
  }

  nodes(host: string): Promise<NodeView[]> {
    return this.api(host).get("/v1/nodes");
  }

  group(host: string, name: string): Promise<GroupView> {
    return this.api(host).get(`/v1/groups/${name}`);
  }

  async #look<Answer>(host: string, path: string): Promise<Answer | null> {
    if (!this.host(host).isOn) return null;
    return this.api(host).get<Answer>(path, { timeoutMs: LOOK_LIMIT_MS }).catch(() => null);
  }

  /** Until so many nodes are up in the eyes of one host. */
  async untilUp(host: string, count: number, limitMs = 60_000): Promise<void> {
    await this.until(`${count} nodes are up for ${host}`, limitMs, async () => {
      const cluster = await this.view(host);
      return cluster?.state === "Active" && cluster.nodesUp === count;
    });
  }

  async untilOnline(host: string, group: string, options: { readonly on?: string; readonly notOn?: string; readonly limitMs?: number } = {}): Promise<GroupView> {
    let last: GroupView | null = null;
    await this.until(`${group} is online${options.on === undefined ? "" : ` on ${options.on}`}`, options.limitMs ?? 60_000, async () => {
      last = await this.#look<GroupView>(host, `/v1/groups/${group}`);
      return last?.state === "Online" && (options.on === undefined || last.ownerNode === options.on) && last.ownerNode !== options.notOn;
    }, () => JSON.stringify(last));
    return last!;
  }

  async until(what: string, limitMs: number, holds: () => Promise<boolean>, tell: () => string = () => ""): Promise<void> {
    const deadlineMs = Date.now() + limitMs;
    while (!(await holds())) {
      if (Date.now() > deadlineMs) assert.fail(`not within ${limitMs / 1_000} s: ${what} ${tell()}`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }
}
