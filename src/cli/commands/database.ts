import type { Command as Program } from "commander";
import type { DatabaseValue } from "../../model/objects.ts";
import { asking, change, changing } from "../common.ts";
import type { ChangeOptions, CommonOptions } from "../common.ts";
import { connect } from "../connect.ts";
import { data, json } from "../output.ts";

interface Change {
  readonly at: string;
  readonly keys: readonly { readonly key: string; readonly value: DatabaseValue | null }[];
  readonly readAgain: boolean;
}

function changeText(change: Change): string {
  const lines = change.keys.map(({ key, value }) => `${change.at}  ${key} ${value === null ? "was deleted" : `= ${JSON.stringify(value.value)}`}`);
  return [...(change.readAgain ? [`${change.at}  changes may have been missed: read again what matters`] : []), ...lines].join("\n");
}

export function databaseCommands(program: Program): void {
  const database = program.command("database").description("the free part of the Cluster Database");

  asking(database.command("list").argument("[prefix]", "keys that begin so", "").description("keys")).action(async (prefix: string, options: CommonOptions) => {
    const keys = await (await connect(options)).get<string[]>("/v1/database", { query: { prefix } });
    if (options.json) json(keys);
    else for (const key of keys) data(key);
  });

  asking(database.command("get").argument("<key>").description("a value, as new as the cluster")).action(async (key: string, options: CommonOptions) => {
    const value = await (await connect(options)).get<DatabaseValue>(`/v1/database/value/${encodeURIComponent(key)}`, { query: { consistent: "true" } });
    if (options.json) json(value);
    else data(Array.isArray(value.value) ? value.value.join("\n") : String(value.value));
  });

  asking(database.command("watch").argument("[prefix]", "keys that begin so", "").description("changes as they happen")).action(async (prefix: string, options: CommonOptions) => {
    const client = await connect(options);
    for await (const change of client.stream<Change>("/v1/database/changes", { prefix })) {
      if (options.json) data(JSON.stringify(change));
      else data(changeText(change));
    }
  });

  changing(database.command("set").argument("<key>").argument("<value>").description("set a value"))
    .option("--if-equal <value>", "only when the value now is this")
    .option("--if-absent", "only when there is no such key")
    .action((key: string, value: string, options: ChangeOptions & { readonly ifEqual?: string; readonly ifAbsent?: boolean }) => {
      const conditions = [
        ...(options.ifEqual === undefined ? [] : [{ operation: "equal", key, value: { type: "string", value: options.ifEqual } }]),
        ...(options.ifAbsent ? [{ operation: "notExists", key }] : []),
      ];
      const operations = [...conditions, { operation: "set", key, value: { type: "string", value } }];
      return change(options, { method: "POST", path: "/v1/database/batch", body: { operations }, said: `'${key}' was set.` });
    });

  changing(database.command("delete").argument("<key>").description("delete a key")).action((key: string, options: ChangeOptions) =>
    change(options, { method: "POST", path: "/v1/database/batch", body: { operations: [{ operation: "delete", key }] }, said: `'${key}' was deleted.` }),
  );
}
