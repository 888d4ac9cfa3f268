import type { Command as Program } from "commander";
import type { ApiClient } from "../../api/client.ts";
import { MusterError } from "../../model/errors.ts";
import type { GroupView, ResourceTypeView, ResourceView } from "../../model/views.ts";
import { asking, change, changing, path, splitNames, timeoutMs, until, waiting } from "../common.ts";
import type { ChangeOptions, CommonOptions } from "../common.ts";
import { connect } from "../connect.ts";
import { data, duration, json, list, table } from "../output.ts";
import { parseResourcePairs } from "../properties.ts";

export function resourceCommands(program: Program): void {
  const resource = program.command("resource").description("the resources of the roles");

  asking(resource.command("list").description("all resources"))
    .option("--group <group>", "of this role only")
    .action(async (options: CommonOptions & { readonly group?: string }) => {
      const all = await (await connect(options)).get<ResourceView[]>("/v1/resources");
      const some = options.group === undefined ? all : all.filter((one) => one.group.toLowerCase() === options.group!.toLowerCase());
      if (options.json) json(some);
      else data(table(["RESOURCE", "ROLE", "TYPE", "STATE", "OWNER", "WHY"], some.map((one) => [one.name, one.group, one.type, one.state, one.ownerNode ?? "-", one.reason.text])));
    });

  asking(resource.command("types").description("resource types and their properties")).action(async (options: CommonOptions) => {
    const types = await (await connect(options)).get<ResourceTypeView[]>("/v1/resource-types");
    if (options.json) json(types);
    else data(types.map((type) => `${type.name}: ${type.description}\n${table(["  PROPERTY", "DEFAULT", "WHAT IT IS"], type.privateProperties.map((one) => [`  ${one.name}`, one.required ? "(required)" : JSON.stringify(one.default), one.description]))}`).join("\n\n"));
  });

  asking(resource.command("show").argument("<resource>").description("one resource, with its properties")).action(async (name: string, options: CommonOptions) => {
    const one = await (await connect(options)).get<ResourceView>(path("resources", name));
    if (options.json) json(one);
    else data(resourceText(one));
  });

  changing(resource.command("create").argument("<resource>").argument("[properties...]", "NAME=VALUE").description("create a resource in a role"))
    .requiredOption("--group <group>", "the role")
    .requiredOption("--type <type>", "see: muster resource types")
    .option("--dependency <expression>", "[a] and ([b] or [c])")
    .option("--possible-owners <nodes>", "comma-separated; default: every node")
    .action(async (name: string, words: string[], options: ChangeOptions & { readonly group: string; readonly type: string; readonly dependency?: string; readonly possibleOwners?: string }) => {
      const bags = await parseResourcePairs(await connect(options), options.type, words);
      const body = { name, group: options.group, type: options.type, ...bags, dependency: options.dependency, possibleOwners: splitNames(options.possibleOwners) };
      await change(options, { method: "POST", path: "/v1/resources", body, said: `The resource '${name}' was created.` }, (client) => client.get(path("resources", name)));
    });

  changing(resource.command("set").argument("<resource>").argument("[properties...]", "NAME=VALUE").description("set properties, possible owners or the name"))
    .option("--possible-owners <nodes>", "comma-separated; 'all' = every node")
    .option("--rename <name>", "the new name")
    .action(async (name: string, words: string[], options: ChangeOptions & { readonly possibleOwners?: string; readonly rename?: string }) => {
      const client = await connect(options);
      const { type } = await client.get<ResourceView>(path("resources", name));
      const bags = await parseResourcePairs(client, type, words);
      const possibleOwners = options.possibleOwners === "all" ? null : splitNames(options.possibleOwners);
      await change(options, { method: "PATCH", path: path("resources", name), body: { ...bags, possibleOwners, name: options.rename }, said: `The resource '${options.rename ?? name}' was changed.` }, (changed) => changed.get(path("resources", options.rename ?? name)));
    });

  changing(resource.command("depend").argument("<resource>").argument("<expression>", "[a] and ([b] or [c]); '' = nothing").description("replace what it depends on")).action((name: string, expression: string, options: ChangeOptions) =>
    change(options, { method: "PUT", path: `${path("resources", name)}/dependency`, body: { dependency: expression }, said: `The dependency of '${name}' was changed.` }, (client) => client.get(path("resources", name))),
  );

  changing(resource.command("delete").argument("<resource>").description("delete a resource"))
    .option("--force", "also when it is online")
    .action((name: string, options: ChangeOptions) => change(options, { method: "DELETE", path: path("resources", name), said: `The resource '${name}' was deleted.` }));

  changing(resource.command("move").argument("<resource>").argument("<group>").description("take an offline resource, with all it is connected with, to another role")).action((name: string, group: string, options: ChangeOptions) =>
    change(options, { method: "POST", path: path("resources", name, "move"), body: { group }, said: `The resource '${name}' is in the role '${group}' now.` }, (client) => client.get(path("resources", name))),
  );

  waiting(resource.command("online").argument("<resource>").description("bring online, with what it depends on")).action((name: string, options: ChangeOptions) =>
    change(options, { method: "POST", path: path("resources", name, "online"), said: `The resource '${name}' is online.` }, (client) => settled(client, name, "Online", options)),
  );

  waiting(resource.command("offline").argument("<resource>").description("take offline, with what depends on it")).action((name: string, options: ChangeOptions) =>
    change(options, { method: "POST", path: path("resources", name, "offline"), said: `The resource '${name}' is offline.` }, (client) => settled(client, name, "Offline", options)),
  );

  changing(resource.command("fail").argument("<resource>").description("simulate a failure; it counts like a real one")).action((name: string, options: ChangeOptions) =>
    change(options, { method: "POST", path: path("resources", name, "fail"), said: `The resource '${name}' was failed; see: muster events` }),
  );
}

/** Waits until the resource is as wanted, or nothing more is tried before its retry period. @throws MusterError when it failed, with its reason */
async function settled(client: ApiClient, name: string, wanted: "Online" | "Offline", options: ChangeOptions): Promise<ResourceView> {
  const ask = async (): Promise<{ readonly one: ResourceView; readonly moves: boolean }> => {
    const one = await client.get<ResourceView>(path("resources", name));
    return { one, moves: one.state === "Failed" && (await client.get<GroupView>(path("groups", one.group))).movingTo !== null };
  };
  const { one } = await until(ask, (answer) => answer.one.state === wanted || (answer.one.state === "Failed" && answer.one.reason.rule !== "restart" && !answer.moves), timeoutMs(options));
  if (one.state === "Failed" && wanted === "Online") throw new MusterError("MUSTER_RESOURCE_FAILED", { name: one.name, reason: one.reason.text });
  return one;
}

function resourceText(one: ResourceView): string {
  const parts = [
    `${one.name} (${one.type} in ${one.group}): ${one.state} on ${one.ownerNode ?? "no node"}${one.processId === null ? "" : `, process ${one.processId}`}. ${one.reason.text} (for ${duration(one.reason.forMs)})`,
    `Depends on: ${one.dependency === "" ? "nothing" : one.dependency}. Needed by: ${list(one.dependents)}. Possible owners: ${one.possibleOwners === null ? "every node" : list(one.possibleOwners)}.`,
    `Failures: ${one.failures.count} of ${one.failures.threshold} restarts in ${duration(one.failures.periodMs)}.`,
    table(["PROPERTY", "VALUE"], Object.entries({ ...one.privateProperties, ...one.properties }).map(([name, value]) => [name, JSON.stringify(value)])),
  ];
  if (one.reason.command !== null) parts.push(`Next: ${one.reason.command}`);
  return parts.join("\n\n");
}
