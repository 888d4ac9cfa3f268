import type { Command as Program } from "commander";
import { groupSetProperties } from "../../model/properties.ts";
import type { GroupSetView } from "../../model/views.ts";
import { asking, change, changing, path, splitNames } from "../common.ts";
import type { ChangeOptions, CommonOptions } from "../common.ts";
import { connect } from "../connect.ts";
import { data, json, list, table } from "../output.ts";
import { parsePairs } from "../properties.ts";

interface SetOptions extends ChangeOptions {
  readonly groups?: string;
  readonly startsAfter?: string;
  readonly rename?: string;
}

/** What starts after what (reference 2.13). */
export function groupSetCommands(program: Program): void {
  const sets = program.command("groupset").description("group sets: what starts after what");

  asking(sets.command("list").description("all group sets")).action(async (options: CommonOptions) => {
    const all = await (await connect(options)).get<GroupSetView[]>("/v1/groupsets");
    if (options.json) json(all);
    else data(table(["GROUP SET", "READY", "ROLES", "STARTS AFTER", "WAITING FOR IT"], all.map((one) => [one.name, one.isReady ? "yes" : "no", list(one.groups), list(one.startsAfter), list(one.waiting)])));
  });

  asking(sets.command("show").argument("<set>").description("one group set")).action(async (name: string, options: CommonOptions) => {
    const one = await (await connect(options)).get<GroupSetView>(path("groupsets", name));
    if (options.json) json(one);
    else data(`${one.name}: ${one.reason}\n\nRoles: ${list(one.groups)}\nStarts after: ${list(one.startsAfter)}\nWaiting for it: ${list(one.waiting)}`);
  });

  setOptions(changing(sets.command("create").argument("<set>").argument("[properties...]", "NAME=VALUE").description("create a group set"))).action((name: string, words: string[], options: SetOptions) =>
    change(options, { method: "POST", path: "/v1/groupsets", body: { name, ...bodyOf(words, options) }, said: `The group set '${name}' was created.` }, (client) => client.get(path("groupsets", name))),
  );

  setOptions(changing(sets.command("set").argument("<set>").argument("[properties...]", "NAME=VALUE").description("set its roles, what it starts after, properties or the name")))
    .option("--rename <name>", "the new name")
    .action((name: string, words: string[], options: SetOptions) =>
      change(options, { method: "PATCH", path: path("groupsets", name), body: { name: options.rename, ...bodyOf(words, options) }, said: `The group set '${options.rename ?? name}' was changed.` }, (client) => client.get(path("groupsets", options.rename ?? name))),
    );

  changing(sets.command("delete").argument("<set>").description("delete a group set; its roles stay")).action((name: string, options: ChangeOptions) =>
    change(options, { method: "DELETE", path: path("groupsets", name), said: `The group set '${name}' was deleted.` }),
  );
}

function setOptions(command: Program): Program {
  return command.option("--groups <groups>", "comma-separated; empty = none").option("--starts-after <names>", "groups and group sets that must be ready first; empty = none");
}

function bodyOf(words: readonly string[], options: SetOptions): object {
  return { groups: splitNames(options.groups), startsAfter: splitNames(options.startsAfter), properties: parsePairs([...words], groupSetProperties) };
}
