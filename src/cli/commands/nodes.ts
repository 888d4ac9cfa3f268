import type { Command as Program } from "commander";
import type { NodeView } from "../../model/views.ts";
import { asking, change, path, timeoutMs, until, waiting } from "../common.ts";
import type { ChangeOptions, CommonOptions } from "../common.ts";
import { connect } from "../connect.ts";
import { data, duration, json, list, table } from "../output.ts";
import { MusterError } from "../../model/errors.ts";

interface NodeAnswer extends NodeView {
  readonly information: { readonly version: string; readonly processId: number; readonly monitorProcessIds: readonly number[]; readonly tag: string; readonly isOrderer: boolean; readonly permitLeftMs: number; readonly memoryBytes: number } | null;
}

export function nodeCommands(program: Program): void {
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

  waiting(node.command("pause").argument("<node>").description("place nothing there; with --drain, move its roles away"))
    .option("--drain", "move its roles to other nodes")
    .action((name: string, options: ChangeOptions & { readonly drain?: boolean }) =>
      change(options, { method: "POST", path: path("nodes", name, "pause"), body: { drain: options.drain ?? false }, said: `${name} is paused.` }, async (client) => {
        const one = await until(() => client.get<NodeAnswer>(path("nodes", name)), (answer) => answer.state === "Paused" && answer.drainStatus !== "InProgress", timeoutMs(options));
        if (one.drainStatus === "Failed") throw new MusterError("MUSTER_NO_NODE_AVAILABLE", { group: list(one.groups), reason: `${name} could not be drained` });
        return one;
      }),
    );

  waiting(node.command("resume").argument("<node>").description("let it host roles again"))
    .option("--failback", "bring back roles that prefer it")
    .action((name: string, options: ChangeOptions & { readonly failback?: boolean }) =>
      change(options, { method: "POST", path: path("nodes", name, "resume"), body: { failback: options.failback ?? false }, said: `${name} hosts roles again.` }, (client) => client.get(path("nodes", name))),
    );
}

function nodeText(one: NodeAnswer): string {
  const lines = [`${one.name}: ${one.state}. ${one.reason.text} (for ${duration(one.reason.forMs)})`, `Roles: ${list(one.groups)}`];
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
