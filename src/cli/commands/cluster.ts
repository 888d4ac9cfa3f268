import type { Command as Program } from "commander";
import { clusterProperties } from "../../model/properties.ts";
import type { ClusterView } from "../../model/views.ts";
import { asking, change, changing } from "../common.ts";
import type { ChangeOptions, CommonOptions } from "../common.ts";
import { connect } from "../connect.ts";
import { data, json, table } from "../output.ts";
import { parsePairs } from "../properties.ts";

/** Properties of the cluster as a whole; `muster status` says how it is. */
export function clusterCommands(program: Program): Program {
  const cluster = program.command("cluster").description("the cluster as a whole");

  asking(cluster.command("show").description("the properties of the cluster and their values")).action(async (options: CommonOptions) => {
    const one = await (await connect(options)).get<ClusterView>("/v1/cluster");
    if (options.json) json(one);
    else data([table(["PROPERTY", "VALUE"], Object.entries(one.properties).map(([name, value]) => [name, String(value)])), ...heartbeatLines(one)].join("\n\n"));
  });

  changing(cluster.command("set").argument("[properties...]", "NAME=VALUE").description("set properties or the name"))
    .option("--rename <name>", "the new name")
    .action((words: string[], options: ChangeOptions & { readonly rename?: string }) =>
      change(options, { method: "PATCH", path: "/v1/cluster", body: { properties: parsePairs(words, clusterProperties), name: options.rename }, said: "The cluster was changed." }, (client) => client.get("/v1/cluster")),
    );
  return cluster;
}

function heartbeatLines({ heartbeat }: ClusterView): string[] {
  if (heartbeat === undefined || heartbeat === null) return [];
  const { inForce, tokenMs, detectionMs } = heartbeat;
  const next = tokenMs === inForce.tokenMs ? "" : `; soon after ${detectionMs} ms, as the heartbeat properties ask for it`;
  return [`A silent node is missed after at most ${inForce.detectionMs} ms (token ${inForce.tokenMs} ms)${next}.`];
}
