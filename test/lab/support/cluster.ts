import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import type { Lab, LabHost } from "../../../src/lab/lab.ts";
import type { ClusterView, GroupView, NodeView } from "../../../src/model/views.ts";

const MUSTER = fileURLToPath(new URL("../../../bin/muster.js", import.meta.url));
const COMMAND_LIMIT_MS = 90_000;
const LOOK_MS = 150;

export interface LabClusterOptions {
  readonly profile?: "standard" | "fast";
  /** Hosts that become nodes; default all. */
  readonly nodes?: readonly string[];
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
    const [first = "n1", ...others] = options.nodes ?? lab.hosts.map((host) => host.name);
    await cluster.muster(first, "cluster", "create", "--name", "lab", "--profile", options.profile ?? "standard");
    for (const name of others) await cluster.join(first, name);
    await cluster.untilUp(first, 1 + others.length);
    return cluster;
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

  nodes(host: string): Promise<NodeView[]> {
    return this.json(host, "node", "list");
  }

  group(host: string, name: string): Promise<GroupView> {
    return this.json(host, "group", "show", name);
  }

  /** Until so many nodes are up in the eyes of one host. */
  async untilUp(host: string, count: number, limitMs = 60_000): Promise<void> {
    await this.until(`${count} nodes are up for ${host}`, limitMs, async () => {
      const { stdout } = await this.try(host, "status", "--json");
      const view = parse<{ readonly cluster?: ClusterView } & ClusterView>(stdout);
      const cluster = view?.cluster ?? view;
      return cluster?.state === "Active" && cluster.nodesUp === count;
    });
  }

  async untilOnline(host: string, group: string, options: { readonly on?: string; readonly notOn?: string; readonly limitMs?: number } = {}): Promise<GroupView> {
    let last: GroupView | null = null;
    await this.until(`${group} is online${options.on === undefined ? "" : ` on ${options.on}`}`, options.limitMs ?? 60_000, async () => {
      const { code, stdout } = await this.try(host, "group", "show", group, "--json");
      last = code === 0 ? parse<GroupView>(stdout) : null;
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

function parse<Value>(text: string): Value | null {
  try {
    return JSON.parse(text) as Value;
  } catch {
    return null;
  }
}
