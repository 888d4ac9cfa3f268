import type { Command as Program } from "commander";
import { nodeProperties } from "../../model/properties.ts";
import type { NodeView } from "../../model/views.ts";
import { asking, change, changing, path, timeoutMs, until, waiting } from "../common.ts";
import type { ChangeOptions, CommonOptions } from "../common.ts";
import { connect } from "../connect.ts";
import { addOverSsh } from "./host.ts";
import { data, duration, json, list, table } from "../output.ts";
import { reaching } from "../over-ssh.ts";
import type { SshOptions } from "../over-ssh.ts";
import { parsePairs } from "../properties.ts";
import { MusterError } from "../../model/errors.ts";

interface NodeAnswer extends NodeView {
  readonly information: { readonly version: string; readonly processId: number; readonly monitorProcessIds: readonly number[]; readonly tag: string; readonly isOrderer: boolean; readonly permitLeftMs: number; readonly memoryBytes: number } | null;
}

export function nodeCommands(program: Program): Program {
  const node = program.command("node").description("the nodes of the cluster");

  asking(node.command("list").description("all nodes")).action(async (options: CommonOptions) => {
    const nodes = await (await connect(options)).get<NodeAnswer[]>("/v1/nodes");
    if (options.json) json(nodes);
    else data(table(["NODE", "STATE", "ROLES", "SERVICE", "MONITORS", "WHY"], nodes.map((one) => [one.name, one.state, list(one.groups), String(one.information?.processId ?? "-"), one.information?.monitorProcessIds.join(",") ?? "-", one.reason.text])));
  });

  asking(node.command("show").argument("<node>").description("one node, with its process ids")).action(async (name: string, options: CommonOptions) => {
    const one = await (await connect(options)).get<NodeAnswer>(path("nodes", name));
    if (options.json) json(one);
    else data(nodeText(one));
  });

  changing(node.command("set").argument("<node>").argument("[properties...]", "NAME=VALUE").description("set properties, or the fault domain it stands in"))
    .option("--fault-domain <domain>", "the site, rack or chassis it stands in; empty = none")
    .action((name: string, words: string[], options: ChangeOptions & { readonly faultDomain?: string }) =>
      change(options, { method: "PATCH", path: path("nodes", name), body: { properties: parsePairs(words, nodeProperties), faultDomain: options.faultDomain === "" ? null : options.faultDomain }, said: `${name} was changed.` }, (client) => client.get(path("nodes", name))),
    );

  changing(node.command("clear-quarantine").argument("<node>").description("let a node host roles again that dropped out too often")).action((name: string, options: ChangeOptions) =>
    change(options, { method: "POST", path: path("nodes", name, "clear-quarantine"), said: `${name} is no longer quarantined.` }, (client) => client.get(path("nodes", name))),
  );

  waiting(node.command("pause").argument("<node>").description("place nothing there; with --drain, move its roles away"))
    .option("--drain", "move its roles to other nodes")
    .option("--target <node>", "all to this node, as far as it can take them")
    .option("--force", "also roles that are locked: they are ended and started elsewhere")
    .option("--retry", "when a role cannot leave, try again when another node can take roles")
    .action((name: string, options: ChangeOptions & { readonly drain?: boolean; readonly target?: string; readonly retry?: boolean }) =>
      change(options, { method: "POST", path: path("nodes", name, "pause"), body: { drain: options.drain ?? false, target: options.target, force: options.force, retry: options.retry }, said: `${name} is paused.` }, async (client) => {
        const one = await until(() => client.get<NodeAnswer>(path("nodes", name)), (answer) => answer.state === "Paused" && answer.drainStatus !== "InProgress", timeoutMs(options));
        if (one.drainStatus === "Failed") throw new MusterError("MUSTER_NO_NODE_AVAILABLE", { group: list(one.groups), reason: `${name} could not be drained` });
        return one;
      }),
    );

  waiting(node.command("resume").argument("<node>").description("let it host roles again"))
    .option("--failback [how]", "immediate: the roles that left it for a drain come back; policy: those with AutoFailbackType, in their window")
    .action((name: string, options: ChangeOptions & { readonly failback?: boolean | string }) =>
      change(options, { method: "POST", path: path("nodes", name, "resume"), body: { failback: failbackOf(options.failback) }, said: `${name} hosts roles again.` }, async (client) =>
        until(() => client.get<NodeAnswer>(path("nodes", name)), (answer) => answer.failbackStatus !== "InProgress", timeoutMs(options)),
      ),
    );

  reaching(changing(node.command("add").argument("<node>").description("tell a machine over ssh to join; with --configuration-only, add a name and nothing else")).option("--configuration-only", "only the name, as a cluster with the embedded engine has it"))
    .action(async (name: string, options: ChangeOptions & SshOptions & { readonly configurationOnly?: boolean }) => {
      if (options.configurationOnly !== true && options.dryRun !== true) return addOverSsh(name, options);
      return change(options, { method: "POST", path: "/v1/nodes", body: { name }, said: `The node ${name} was added; start its service to make it a member.` }, (client) => client.get(path("nodes", name)));
    });

  changing(node.command("evict").argument("<node>").description("remove a node from the cluster"))
    .option("--force", "also when it is not paused")
    .action((name: string, options: ChangeOptions) => change(options, { method: "DELETE", path: path("nodes", name), said: `The node ${name} was evicted.` }));

  waiting(node.command("shutdown").argument("<node>").description("let its roles leave and its vote move, so that its service can be stopped"))
    .option("--no-drain", "leave its roles there: they end with it")
    .action((name: string, options: ChangeOptions & { readonly drain?: boolean }) =>
      change(options, { method: "POST", path: path("nodes", name, "shutdown"), body: options.drain === false ? { drain: false } : {}, said: `${name} may be stopped now.` }, async (client) =>
        until(() => client.get<NodeAnswer>(path("nodes", name)), (answer) => answer.mayStop || answer.state === "Down", timeoutMs(options)),
      ),
    );
  return node;
}

function failbackOf(how: boolean | string | undefined): string | undefined {
  const names: Readonly<Record<string, string>> = { none: "DoNotFailbackGroups", immediate: "FailbackGroupsImmediately", policy: "FailbackGroupsPerPolicy" };
  if (how === undefined) return undefined;
  const found = names[how === true ? "immediate" : String(how)];
  if (found === undefined) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "--failback", problem: `one of ${Object.keys(names).join(", ")}` });
  return found;
}

function nodeText(one: NodeAnswer): string {
  const lines = [`${one.name}: ${one.state}. ${one.reason.text} (for ${duration(one.reason.forMs)})`, `Roles: ${list(one.groups)}`];
  if (one.faultDomain.length > 0) lines.push(`Stands in: ${one.faultDomain.join(", ")}`);
  if (one.quarantinedUntil !== null) lines.push(`Quarantined until ${one.quarantinedUntil === "cleared" ? "it is cleared" : new Date(one.quarantinedUntil).toISOString()}: muster node clear-quarantine ${one.name}`);
  if (one.drainStatus !== "NotInitiated") lines.push(`Drain: ${one.drainStatus}`);
  const { information } = one;
  if (information === null) lines.push("Its service does not answer.");
  else {
    lines.push(`Service: process ${information.processId}, version ${information.version}, ${Math.round(information.memoryBytes / 1_048_576)} MiB${information.isOrderer ? ", orders the log" : ""}`);
    lines.push(`Resource monitors: process ${list(information.monitorProcessIds.map(String))}`);
    lines.push(`Database: ${information.tag}; its roles may run for another ${duration(information.permitLeftMs)} without a new answer of a majority`);
  }
  if (one.reason.command !== null) lines.push(`Next: ${one.reason.command}`);
  return lines.join("\n");
}
