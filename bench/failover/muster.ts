import { cpSync, existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ApiClient } from "../../src/api/client.ts";
import type { Lab } from "../../src/lab/lab.ts";
import type { ClusterView } from "../../src/model/views.ts";
import { quoteCommandLine } from "../../src/model/command-line.ts";
import { succeed } from "../support/run.ts";
import { until } from "../support/wait.ts";
import type { Contender, FaultName, OwnFault } from "./contender.ts";
import { ADDRESS, PORT, SERVER } from "./role.ts";

/** What is installed with the package: compiled, not the sources. */
export const COMPILED = fileURLToPath(new URL("../../dist/src/cli/main.js", import.meta.url));
const GATED_TYPE = fileURLToPath(new URL("./programs/gated-program.mjs", import.meta.url));
const SERVICE = /main\.js service run/;
const COMMAND_LIMIT_MS = 90_000;
const WHOLE_LIMIT_MS = 90_000;
const LOOK_LIMIT_MS = 1_500;
/** Nothing a trial does shall be what keeps the role from starting again. */
const FAILURES_ALLOWED = 10_000;

export interface MusterOptions {
  readonly profile: "standard" | "fast";
  /** The type of the resource that runs the program. */
  readonly programType: "Gated Program" | "Generic Application";
}

export class Muster implements Contender {
  readonly #lab: Lab;
  readonly #options: MusterOptions;

  constructor(lab: Lab, options: MusterOptions) {
    this.#lab = lab;
    this.#options = options;
  }

  async start(): Promise<void> {
    if (!existsSync(COMPILED)) throw new Error("dist/ is missing: npm run build");
    for (const host of this.#lab.hosts) {
      const directory = join(host.stateDirectory, "resource-types");
      mkdirSync(directory, { recursive: true });
      cpSync(GATED_TYPE, join(directory, "gated-program.mjs"));
    }
    await formCluster(this.#lab, this.#options.profile);
    const api = apiOf(this.#lab, "n1");
    await api.send("PATCH", "/v1/cluster", { body: { properties: { QuarantineThreshold: 0 } } });
    const { programType } = this.#options;
    await until(`the type '${programType}' is known`, WHOLE_LIMIT_MS, async () => (await api.get<readonly { readonly name: string }[]>("/v1/resource-types")).some(({ name }) => name === programType));
    await api.send("POST", "/v1/groups", { body: { name: "web" } });
    await api.send("PATCH", "/v1/groups/web", { body: { properties: { FailoverThreshold: FAILURES_ALLOWED } } });
    await api.send("POST", "/v1/resources", { body: { name: "address", group: "web", type: "IP Address", privateProperties: { Address: ADDRESS, SubnetMask: "255.255.255.0" } } });
    await api.send("POST", "/v1/resources", {
      body: { name: "server", group: "web", type: programType, dependency: "[address]", properties: { RestartThreshold: FAILURES_ALLOWED, RestartDelay: 0 }, privateProperties: { CommandLine: quoteCommandLine([process.execPath, SERVER, String(PORT)]) } },
    });
    await api.send("POST", "/v1/groups/web/online", { body: {} });
  }

  async isWhole(): Promise<boolean> {
    const views = await Promise.all(this.#lab.hosts.map(({ name }) => viewOf(this.#lab, name)));
    return views.every((view) => view?.state === "Active" && view.nodesUp === this.#lab.hosts.length && view.groupsOnline === view.groups && view.epoch === views[0]!.epoch);
  }

  async inject(fault: OwnFault, node: string, target: string): Promise<void> {
    const host = this.#lab.host(node);
    switch (fault) {
      case "service crashed":
        return void host.kill(SERVICE, "SIGKILL");
      case "clean stop":
        return void host.kill(SERVICE, "SIGTERM");
      case "planned move":
        return void (await apiOf(this.#lab, target).send("POST", "/v1/groups/web/move", { body: { node: target } }));
    }
  }

  async mend(fault: FaultName, node: string): Promise<void> {
    const host = this.#lab.host(node);
    if (fault === "node killed") await this.#lab.powerOn(node);
    if (fault === "link cut") await this.#lab.heal(node);
    if (fault === "clean stop") await until("the service has ended", WHOLE_LIMIT_MS, async () => host.processId(SERVICE) === null);
    if (fault === "node killed" || fault === "service crashed" || fault === "clean stop") await muster(this.#lab, node, "node", "start");
  }
}

/** A cluster on all hosts of a lab, made with the command. @throws Error */
export async function formCluster(lab: Lab, profile: string): Promise<void> {
  const [first, ...others] = lab.hosts;
  await muster(lab, first!.name, "cluster", "create", "--name", "bench", "--profile", profile);
  for (const host of others) await joinNode(lab, first!.name, host.name);
  await untilUp(lab, lab.hosts.length);
}

/** One more node. @throws Error */
export async function joinNode(lab: Lab, through: string, name: string): Promise<void> {
  const { token } = JSON.parse(await muster(lab, through, "node", "token", "--json")) as { readonly token: string };
  await muster(lab, name, "node", "join", token);
}

/** @throws Error */
export async function untilUp(lab: Lab, count: number): Promise<void> {
  await until(`${count} nodes are up`, WHOLE_LIMIT_MS, async () => {
    const view = await viewOf(lab, "n1");
    return view?.state === "Active" && view.nodesUp === count;
  });
}

/** Runs the command on a host. @returns what it printed @throws Error with what it said when it failed */
export function muster(lab: Lab, host: string, ...words: readonly string[]): Promise<string> {
  return succeed(lab.host(host), [process.execPath, "--disable-warning=ExperimentalWarning", COMPILED, ...words], COMMAND_LIMIT_MS);
}

export function socketOf(lab: Lab, host: string): string {
  return join(lab.host(host).stateDirectory, "nodes", host, "api.sock");
}

export function apiOf(lab: Lab, host: string): ApiClient {
  return new ApiClient({ socket: socketOf(lab, host) });
}

/** @returns null when the node does not answer */
export async function viewOf(lab: Lab, host: string): Promise<ClusterView | null> {
  if (!lab.host(host).isOn) return null;
  return apiOf(lab, host).get<ClusterView>("/v1/cluster", { timeoutMs: LOOK_LIMIT_MS }).catch(() => null);
}
