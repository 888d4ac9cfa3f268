import assert from "node:assert/strict";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import type { ApiClient } from "../../../src/api/client.ts";
import { MusterError } from "../../../src/model/errors.ts";
import type { Lab } from "../../../src/lab/lab.ts";
import { checkAnswers, lastGenerations, longestOutageMs } from "./answers.ts";
import { Client } from "./client.ts";
import { nowMs } from "./clock.ts";
import { LabCluster } from "./cluster.ts";
import { checkHeartbeats, parseHeartbeats } from "./heartbeats.ts";
import { watchStability } from "./stability.ts";
import { withLab } from "./with-lab.ts";
import { Workload } from "./workload.ts";

export interface SceneOptions {
  readonly hosts: number;
  readonly profile?: "standard" | "fast";
  /** Hosts that are nodes from the start; default all. */
  readonly nodes?: readonly string[];
  readonly stateBytesMax?: number;
  /** A directory that gets all logs and records, whole, when something is wrong. */
  readonly evidenceTo?: string;
}

export const ADDRESS = "10.77.0.100";
const PORT = 8_080;
const LOGS = ["/var/lib/muster/nodes/*/service.log", "/var/lib/muster/corosync/corosync.log"];
const ASK_EVERY_MS = 10;
const ANSWER_LIMIT_MS = 300;
const SERVED_LIMIT_MS = 40_000;
const WHOLE_LIMIT_MS = 90_000;
const THROUGH_LIMIT_MS = 30_000;
const LOOK_MS = 150;
const WAITING_LIMIT_MS = 60_000;
/** Nothing a test does shall be what keeps a role from moving. */
const FAILOVERS = 10_000;
export const SERVICE_PATTERN = "service run";
const ANSWERS_KEPT = 20_000;
const HERE = (file: string): string => fileURLToPath(new URL(`./programs/${file}`, import.meta.url));

/**
 * A cluster with two roles and everybody who watches them: `web` has an address and behind it a program that says who it
 * is, and a client asks it all the time; `batch` is a program alone that says in a file when it runs.
 */
export class Scene {
  readonly lab: Lab;
  readonly cluster: LabCluster;
  readonly client: Client;
  /** All hosts see it. */
  readonly shared: string;
  readonly #names: string[];
  readonly #starting = new Set<string>();
  readonly #workloads: Workload[] = [];

  private constructor(lab: Lab, cluster: LabCluster, shared: string, names: readonly string[]) {
    this.lab = lab;
    this.cluster = cluster;
    this.shared = shared;
    this.#names = [...names];
    this.client = new Client(lab, { address: ADDRESS, port: PORT, everyMs: ASK_EVERY_MS, limitMs: ANSWER_LIMIT_MS });
  }

  /** Makes it, runs the body, checks everything that was seen, and leaves nothing. */
  static async with(options: SceneOptions, body: (scene: Scene) => Promise<void>): Promise<void> {
    const shared = mkdtempSync(join(tmpdir(), "muster-scene-"));
    try {
      const { evidenceTo } = options;
      await withLab({ hosts: options.hosts, visible: [shared], logs: LOGS, ...(evidenceTo === undefined ? {} : { logsTo: evidenceTo }), ...(options.stateBytesMax === undefined ? {} : { stateBytesMax: options.stateBytesMax }) }, async (lab) => {
        const names = options.nodes ?? lab.hosts.map((host) => host.name);
        const cluster = await LabCluster.create(lab, { profile: options.profile ?? "standard", nodes: names, resourceTypes: [HERE("gated-server.mjs")] });
        const scene = new Scene(lab, cluster, shared, names);
        await scene.#makeRoles();
        scene.client.start();
        try {
          try {
            await body(scene);
          } finally {
            await Promise.all([scene.client.stop(), ...scene.#workloads.map((workload) => workload.stop())]);
          }
          scene.check();
        } catch (error) {
          if (evidenceTo !== undefined) scene.#keepEvidence(evidenceTo);
          throw error;
        }
      });
    } finally {
      rmSync(shared, { recursive: true, force: true });
    }
  }

  #keepEvidence(directory: string): void {
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, "answers.jsonl"), this.client.answers.map((answer) => `${JSON.stringify(answer)}\n`).join(""));
    if (existsSync(this.beatsFile)) cpSync(this.beatsFile, join(directory, "beats.jsonl"));
  }

  get beatsFile(): string {
    return join(this.shared, "beats");
  }

  async #makeRoles(): Promise<void> {
    const api = this.cluster.api(this.names[0]!);
    const node = `${process.execPath} --disable-warning=ExperimentalWarning`;
    await api.send("PATCH", "/v1/cluster", { body: { properties: { QuarantineThreshold: 0 } } });
    for (const name of ["web", "batch"]) {
      await api.send("POST", "/v1/groups", { body: { name } });
      await api.send("PATCH", `/v1/groups/${name}`, { body: { properties: { FailoverThreshold: FAILOVERS } } });
    }
    const program = (type: string, CommandLine: string): object => ({ type, properties: { RestartThreshold: FAILOVERS }, privateProperties: { CommandLine } });
    await this.cluster.until("the type of the server is known", WHOLE_LIMIT_MS, async () => (await api.get<{ readonly name: string }[]>("/v1/resource-types")).some(({ name }) => name === "Gated Server"));
    await api.send("POST", "/v1/resources", { body: { name: "address", group: "web", type: "IP Address", privateProperties: { Address: ADDRESS, SubnetMask: "255.255.255.0" } } });
    await api.send("POST", "/v1/resources", { body: { name: "server", group: "web", ...program("Gated Server", `${node} ${HERE("role-server.ts")} ${ADDRESS} ${PORT}`) } });
    await api.send("PUT", "/v1/resources/server/dependency", { body: { dependency: "[address]" } });
    await api.send("POST", "/v1/resources", { body: { name: "worker", group: "batch", ...program("Generic Application", `${node} ${HERE("process-role.ts")} ${this.beatsFile}`) } });
    for (const name of ["web", "batch"]) await api.send("POST", `/v1/groups/${name}/online`, { body: {} });
    for (const name of ["web", "batch"]) await this.cluster.untilOnline(this.names[0]!, name);
  }

  /** Who answers the client now. */
  async owner(): Promise<string> {
    const sinceMs = nowMs();
    await this.untilServed({ sinceMs });
    return this.client.lastReply!.node!;
  }

  /** The nodes that are to be there. */
  get names(): readonly string[] {
    return this.#names;
  }

  /** A host of the lab becomes a node. */
  async grow(name: string): Promise<void> {
    await this.cluster.join(this.#names[0]!, name);
    this.#names.push(name);
    await this.untilWhole();
  }

  /** Asks a node that is in the active view; when it has just left it, another one. */
  async through<Answer>(ask: (api: ApiClient) => Promise<Answer>): Promise<Answer> {
    const deadlineMs = nowMs() + THROUGH_LIMIT_MS;
    for (;;) {
      const views = await Promise.all(this.names.map((name) => this.cluster.view(name)));
      const name = this.names.find((_one, place) => views[place]?.state === "Active");
      try {
        if (name !== undefined) return await ask(this.cluster.api(name));
      } catch (error) {
        if (MusterError.from(error).code !== "MUSTER_NO_QUORUM" || nowMs() > deadlineMs) throw error;
      }
      assert.ok(nowMs() < deadlineMs, "no node is in an active view");
      await sleep(LOOK_MS);
    }
  }

  others(name: string): string[] {
    return this.names.filter((other) => other !== name);
  }

  /** Until the client gets replies to what it asks after a moment, from a generation above one. */
  async untilServed(options: { readonly sinceMs: number; readonly above?: number; readonly limitMs?: number }): Promise<void> {
    await this.cluster.until(`the client is answered${options.above === undefined ? "" : ` by a generation above ${options.above}`}`, options.limitMs ?? SERVED_LIMIT_MS, async () => {
      const last = this.client.lastReply;
      return last !== null && last.begunMs >= options.sinceMs && last.generation! > (options.above ?? -1);
    }, () => `last reply ${JSON.stringify(this.client.lastReply)}, now ${nowMs()}`);
  }

  /** Until every node that is to be there is up in its own eyes, and the roles are online. */
  async untilWhole(names: readonly string[] = this.names, limitMs = WHOLE_LIMIT_MS): Promise<void> {
    let seen: readonly unknown[] = [];
    await this.cluster.until(`${names.join(", ")} are up and the roles online`, limitMs, async () => {
      await Promise.all(names.map((name) => this.revive(name)));
      const views = await Promise.all(names.map((name) => this.cluster.view(name)));
      seen = views.map((view) => view && [view.state, view.nodesUp, view.groupsOnline, view.epoch, view.problems]);
      return views.every((view) => view?.state === "Active" && view.nodesUp === names.length && view.groupsOnline === view.groups && view.epoch === views[0]!.epoch);
    }, () => JSON.stringify(seen));
  }

  /** As systemd does on a machine: a service that has ended is started again. */
  async revive(name: string): Promise<void> {
    const host = this.lab.host(name);
    if (!host.isOn || host.isPaused || this.#starting.has(name) || host.processId(SERVICE_PATTERN) !== null) return;
    this.#starting.add(name);
    try {
      await this.cluster.try(name, "node", "start");
    } finally {
      this.#starting.delete(name);
    }
  }

  /** Moves `web` where the scenario wants it. */
  async moveTo(name: string): Promise<void> {
    if ((await this.owner()) === name) return;
    const before = this.client.lastReply!.generation!;
    await this.through((api) => api.send("POST", "/v1/groups/web/move", { body: { node: name } }));
    await this.untilServed({ sinceMs: nowMs(), above: before });
  }

  /**
   * One fault, from a healthy cluster to a healthy cluster: what the client saw of it is measured and all that was
   * seen so far is checked.
   */
  async scenario(context: Pick<TestContext, "diagnostic">, scenario: Scenario): Promise<{ readonly outageMs: number; readonly owner: string }> {
    await this.untilWhole();
    const owner = await this.owner();
    const before = this.client.lastReply!.generation!;
    const fromMs = nowMs();
    const undo = await scenario.fault(this, scenario.on === "other" ? this.others(owner)[0]! : owner);
    let stability = "";
    const faultAtMs = nowMs();
    try {
      stability = await this.#observe(scenario, fromMs, faultAtMs, before);
    } catch (error) {
      // The scenarios that follow are not to fail for this one.
      await undo?.();
      throw error;
    }
    const outageMs = longestOutageMs(this.client.answers, fromMs, nowMs());
    const healedMs = nowMs();
    await undo?.();
    await this.untilWhole();
    await this.untilServed({ sinceMs: nowMs() });
    const wholeMs = nowMs() - healedMs;
    const healedOutageMs = longestOutageMs(this.client.answers, healedMs, nowMs());
    this.check();
    const moved = this.client.lastReply!.generation === before ? "did not move" : `moved from ${owner} to ${this.client.lastReply!.node}`;
    context.diagnostic(`${scenario.name}: no answer for ${outageMs.toFixed(0)} ms, ${moved}${stability}; whole ${(wholeMs / 1_000).toFixed(1)} s after healing, ${healedOutageMs.toFixed(0)} ms without answer then`);
    return { outageMs, owner };
  }

  /** While it is broken. @returns what is to be said of the views */
  async #observe(scenario: Scenario, fromMs: number, faultAtMs: number, before: number): Promise<string> {
    let stability = "";
    if (scenario.isStable === true) {
      const { changedMs, members } = await watchStability(this.cluster, this.names, faultAtMs);
      stability = `; the last view, of ${members.join(", ")}, came after ${(changedMs / 1_000).toFixed(1)} s`;
    }
    if (scenario.expect === "waits") {
      await this.untilWaiting();
      await this.untilSilent();
    } else if (scenario.expect === "moves") {
      await this.untilServed({ sinceMs: fromMs, above: before });
    } else {
      await sleep(scenario.watchMs ?? (scenario.isStable === true ? 0 : WATCH_MS));
      if (scenario.expect !== "safe") await this.untilServed({ sinceMs: nowMs() });
      if (scenario.expect === "stays") assert.equal(this.client.lastReply!.generation, before, `${scenario.name}: the role moved to ${this.client.lastReply!.node}`);
    }
    return stability;
  }

  /** Until all of these nodes that run say that they wait for others. */
  async untilWaiting(names: readonly string[] = this.names): Promise<void> {
    const running = names.filter((name) => this.lab.host(name).isOn && !this.lab.host(name).isPaused);
    let seen: readonly unknown[] = [];
    await this.cluster.until(`${running.join(", ")} wait`, WAITING_LIMIT_MS, async () => {
      const views = await Promise.all(running.map((name) => this.cluster.view(name)));
      seen = views.map((view) => view && [view.state, view.epoch, view.problems[0]]);
      return views.every((view) => view?.state === "Waiting");
    }, () => JSON.stringify(seen));
  }

  /** Whoever waits serves nothing: what was asked after a moment is not answered. */
  async untilSilent(): Promise<void> {
    const sinceMs = nowMs();
    await sleep(WATCH_MS);
    const last = this.client.lastReply;
    assert.ok(last === null || last.begunMs < sinceMs, `${last?.node} answers although no view is active`);
  }

  /** Everything that was seen so far. @throws AssertionError with what must not be */
  check(): void {
    const problems = [...checkAnswers(this.client.answers), ...checkHeartbeats(existsSync(this.beatsFile) ? parseHeartbeats(readFileSync(this.beatsFile, "utf8")) : [])];
    assert.deepEqual(problems, []);
  }

  /** Lets go of answers that were checked, but for the newest: a long run shall not fill the memory. */
  forget(): void {
    const { answers } = this.client;
    if (answers.length > ANSWERS_KEPT) answers.splice(0, answers.length - ANSWERS_KEPT);
  }

  /** Whether the client's kept connection has followed the role. */
  async untilKeptFollowed(): Promise<void> {
    await this.cluster.until("the kept connection is served by the owner", SERVED_LIMIT_MS, async () => {
      const { own, kept } = lastGenerations(this.client.answers);
      return own === kept;
    });
  }

  /** Ends the clients of the database and judges what they saw. */
  async judge(context: Pick<TestContext, "diagnostic">, workload: Workload): Promise<void> {
    await workload.stop();
    const { operations, unknown, objects, problems } = await this.through((api) => workload.judge(api));
    context.diagnostic(`database: ${operations} operations on ${objects} objects, ${unknown} of unknown outcome`);
    assert.deepEqual(problems, []);
    assert.ok(operations > 0);
  }

  workload(random?: () => number, name?: string): Workload {
    const workload = new Workload(this.names.map((node) => this.cluster.socket(node)), random, name);
    this.#workloads.push(workload);
    return workload;
  }
}

export interface Scenario {
  readonly name: string;
  /** Which node is hit: the owner of the role, or one that is not. */
  readonly on: "owner" | "other";
  readonly fault: Fault;
  /** waits = too many are lost: nobody serves until the fault is mended; safe = whether anybody serves is not asked. */
  readonly expect: "moves" | "stays" | "either" | "waits" | "safe";
  /** The nodes that are left must agree on a view soon, and keep it. */
  readonly isStable?: boolean;
  /** How long a role that shall stay is watched. */
  readonly watchMs?: number;
}

/** Breaks something of a node. @returns how it is mended */
export type Fault = (scene: Scene, name: string) => Promise<(() => Promise<void>) | null>;

const WATCH_MS = 2_500;

export function sleep(timeMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, timeMs));
}
