import type { Command as Program } from "commander";
import type { ApiClient } from "../../api/client.ts";
import { MusterError } from "../../model/errors.ts";
import { groupProperties } from "../../model/properties.ts";
import type { GroupView, ResourceView } from "../../model/views.ts";
import { asking, change, changing, path, splitNames, timeoutMs, until, waiting } from "../common.ts";
import type { ChangeOptions, CommonOptions } from "../common.ts";
import { connect } from "../connect.ts";
import { data, duration, json, list, table } from "../output.ts";
import { parsePairs } from "../properties.ts";

interface MoveOptions extends ChangeOptions {
  readonly queue?: boolean;
  readonly ignoreLocked?: boolean;
  readonly returnOnError?: boolean;
  readonly highPriorityStart?: boolean;
  readonly ignoreAffinity?: boolean;
}

export function groupCommands(program: Program): void {
  const group = program.command("group").description("groups of resources: roles");

  asking(group.command("list").description("all roles")).action(async (options: CommonOptions) => {
    const groups = await (await connect(options)).get<GroupView[]>("/v1/groups");
    if (options.json) json(groups);
    else data(table(["ROLE", "STATE", "OWNER", "RESOURCES", "WHY"], groups.map((one) => [one.name, one.state, one.ownerNode ?? "-", list(one.resources), one.reason.text])));
  });

  asking(group.command("show").argument("<group>").description("one role")).action(async (name: string, options: CommonOptions) => {
    const client = await connect(options);
    const one = await client.get<GroupView>(path("groups", name));
    if (options.json) json(one);
    else data(groupText(one, (await client.get<ResourceView[]>("/v1/resources")).filter((resource) => resource.group === one.name)));
  });

  changing(group.command("create").argument("<group>").argument("[properties...]", "NAME=VALUE").description("create a role"))
    .option("--preferred-owners <nodes>", "comma-separated, best first")
    .action((name: string, words: string[], options: ChangeOptions & { readonly preferredOwners?: string }) =>
      change(options, { method: "POST", path: "/v1/groups", body: { name, properties: parsePairs(words, groupProperties), preferredOwners: splitNames(options.preferredOwners) }, said: `The role '${name}' was created.` }, (client) => client.get(path("groups", name))),
    );

  changing(group.command("set").argument("<group>").argument("[properties...]", "NAME=VALUE").description("set properties, preferred owners or the name"))
    .option("--preferred-owners <nodes>", "comma-separated, best first; empty = none")
    .option("--starts-after <names>", "groups and group sets that must be ready first; empty = none")
    .option("--rename <name>", "the new name")
    .action((name: string, words: string[], options: ChangeOptions & { readonly preferredOwners?: string; readonly startsAfter?: string; readonly rename?: string }) =>
      change(options, { method: "PATCH", path: path("groups", name), body: { properties: parsePairs(words, groupProperties), preferredOwners: splitNames(options.preferredOwners), startsAfter: splitNames(options.startsAfter), name: options.rename }, said: `The role '${options.rename ?? name}' was changed.` }, (client) =>
        client.get(path("groups", options.rename ?? name)),
      ),
    );

  changing(group.command("delete").argument("<group>").description("delete a role and its resources"))
    .option("--force", "also when it is online")
    .action((name: string, options: ChangeOptions) => change(options, { method: "DELETE", path: path("groups", name), said: `The role '${name}' was deleted.` }));

  waiting(group.command("online").argument("<group>").description("bring a role online"))
    .option("--node <node>", "on this node")
    .option("--best", "on the best possible node")
    .action((name: string, options: ChangeOptions & { readonly node?: string; readonly best?: boolean }) =>
      change(options, { method: "POST", path: path("groups", name, "online"), body: { node: options.node, bestPossible: options.best }, said: `The role '${name}' is online.` }, (client) => settled(client, name, "Online", options)),
    );

  waiting(group.command("offline").argument("<group>").description("take a role offline"))
    .option("--ignore-locked", "end also what is locked")
    .action((name: string, options: ChangeOptions & { readonly ignoreLocked?: boolean }) =>
      change(options, { method: "POST", path: path("groups", name, "offline"), body: { ignoreLocked: options.ignoreLocked }, said: `The role '${name}' is offline.` }, (client) => settled(client, name, "Offline", options)),
    );

  waiting(group.command("move").argument("<group>").argument("[node]", "default: the best other one").description("move a role to another node"))
    .option("--queue", "when something is locked, wait until it is not")
    .option("--ignore-locked", "end also what is locked")
    .option("--return-on-error", "go back when it cannot come online there")
    .option("--high-priority-start", "start it there out of turn")
    .option("--ignore-affinity", "also against an affinity rule")
    .action((name: string, node: string | undefined, options: MoveOptions) => {
      const body = { node, queue: options.queue, ignoreLocked: options.ignoreLocked, returnToSource: options.returnOnError, highPriorityStart: options.highPriorityStart, ignoreAffinity: options.ignoreAffinity };
      return change(options, { method: "POST", path: path("groups", name, "move"), body, said: `The role '${name}' was moved.` }, async (client) => {
        const one = await until(() => client.get<GroupView>(path("groups", name)), (answer) => answer.queuedMoveTo !== null || (answer.movingTo === null && answer.state !== "Pending"), timeoutMs(options));
        if (one.state === "Failed") throw failed(one);
        if (!options.json) data(`${one.name} is ${one.state} on ${one.ownerNode ?? "no node"}`);
        return one;
      });
    });

  changing(group.command("cancel").argument("<group>").description("call off a move that is queued or under way")).action((name: string, options: ChangeOptions) =>
    change(options, { method: "POST", path: path("groups", name, "cancel"), said: `The move of the role '${name}' was called off.` }, (client) => client.get(path("groups", name))),
  );

  asking(group.command("log").argument("<group>").description("the output of the role's programs"))
    .option("-f, --follow", "go on as it grows")
    .option("-n, --lines <count>", "how many lines from the end", "50")
    .action(async (name: string, options: CommonOptions & { readonly follow?: boolean; readonly lines: string }) => {
      if (!/^\d{1,5}$/.test(options.lines)) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "--lines", problem: "a whole number up to 99999" });
      const client = await connect(options);
      const query = { lines: options.lines, follow: options.follow ? "true" : undefined };
      let whole = "";
      for await (const text of client.text(path("groups", name, "log"), { query })) {
        if (options.json) whole += text;
        else process.stdout.write(text);
      }
      if (options.json) json({ group: name, lines: whole.split("\n").filter((line) => line !== "") });
    });
}

/** Waits until the role is as wanted. @throws MusterError when it failed, with its reason */
async function settled(client: ApiClient, name: string, wanted: "Online" | "Offline", options: ChangeOptions): Promise<GroupView> {
  const one = await until(() => client.get<GroupView>(path("groups", name)), (answer) => answer.state === wanted || answer.state === "Failed", timeoutMs(options));
  if (one.state === "Failed" && wanted === "Online") throw failed(one);
  return one;
}

function failed(one: GroupView): MusterError {
  return new MusterError("MUSTER_GROUP_FAILED", { name: one.name, reason: one.reason.text });
}

function groupText(one: GroupView, resources: readonly ResourceView[]): string {
  const parts = [
    `${one.name}: ${one.state} on ${one.ownerNode ?? "no node"}. ${one.reason.text} (for ${duration(one.reason.forMs)})`,
    `It shall be ${one.wantedState.toLowerCase()}. Preferred owners: ${list(one.preferredOwners)}. Default owner: ${one.defaultOwner ?? "none"}. Failovers: ${one.failovers.count} of ${one.failovers.threshold} in ${one.failovers.periodHours} h.`,
  ];
  if (resources.length > 0) parts.push(table(["RESOURCE", "TYPE", "STATE", "PROCESS", "DEPENDS ON", "WHY"], resources.map((resource) => [resource.name, resource.type, resource.state, String(resource.processId ?? "-"), resource.dependency === "" ? "-" : resource.dependency, resource.reason.text])));
  if (one.reason.command !== null) parts.push(`Next: ${one.reason.command}`);
  return parts.join("\n\n");
}
