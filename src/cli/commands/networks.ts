import type { Command as Program } from "commander";
import { networkProperties } from "../../model/properties.ts";
import type { NetworkInterfaceView, NetworkView } from "../../model/views.ts";
import { asking, change, changing, path } from "../common.ts";
import type { ChangeOptions, CommonOptions } from "../common.ts";
import { connect } from "../connect.ts";
import { data, duration, json, list, table } from "../output.ts";
import { parsePairs } from "../properties.ts";

const ROLES: readonly string[] = ["none", "cluster", "clients", "cluster and clients"];

/** The networks between the nodes (reference 2.7). */
export function networkCommands(program: Program): void {
  const networks = program.command("network").description("the networks between the nodes, and the nodes' interfaces on them");

  asking(networks.command("list").description("all networks")).action(async (options: CommonOptions) => {
    const all = await (await connect(options)).get<NetworkView[]>("/v1/networks");
    if (options.json) json(all);
    else data(table(["NETWORK", "STATE", "SUBNETS", "USED BY", "METRIC", "WHY"], all.map((one) => [one.name, one.state, list(one.prefixes), roleText(one), metricText(one), one.reason.text])));
  });

  asking(networks.command("show").argument("<network>").description("one network")).action(async (name: string, options: CommonOptions) => {
    const one = await (await connect(options)).get<NetworkView>(path("networks", name));
    if (options.json) json(one);
    else data(networkText(one));
  });

  asking(networks.command("interfaces").description("the adapters of all nodes")).action(async (options: CommonOptions) => {
    const all = await (await connect(options)).get<NetworkInterfaceView[]>("/v1/interfaces");
    if (options.json) json(all);
    else data(table(["INTERFACE", "NETWORK", "STATE", "ADDRESSES", "WHY"], all.map((one) => [one.name, one.network, one.state, list(one.addresses), one.reason.text])));
  });

  changing(networks.command("set").argument("<network>").argument("[properties...]", "NAME=VALUE").description("set Role, Metric, Description or the name"))
    .option("--rename <name>", "the new name")
    .action((name: string, words: string[], options: ChangeOptions & { readonly rename?: string }) =>
      change(options, { method: "PATCH", path: path("networks", name), body: { name: options.rename, properties: words.length === 0 ? undefined : parsePairs(words, networkProperties) }, said: `The network '${options.rename ?? name}' was changed.` }, (client) => client.get(path("networks", options.rename ?? name))),
    );
}

function networkText(one: NetworkView): string {
  const lines = [`${one.name}: ${one.state}. ${one.reason.text} (for ${duration(one.reason.forMs)})`, `Subnets: ${list(one.prefixes)}`, `Used by: ${roleText(one)}; metric ${metricText(one)}`, `Interfaces: ${list(one.interfaces)}`];
  if (one.properties["Description"] !== "") lines.push(`Description: ${String(one.properties["Description"])}`);
  if (one.reason.command !== null) lines.push(`Next: ${one.reason.command}`);
  return lines.join("\n");
}

function roleText(one: NetworkView): string {
  return ROLES[Number(one.properties["Role"])] ?? String(one.properties["Role"]);
}

function metricText(one: NetworkView): string {
  return `${String(one.properties["Metric"])}${one.properties["AutoMetric"] === 1 ? "" : " (set)"}`;
}
