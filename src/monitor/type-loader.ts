import { readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { withinMs } from "./clock.ts";
import type { ResourceType, ResourceTypeDefinition } from "./resource-type.ts";
import { defineResourceType, isResourceType } from "./resource-type.ts";

export interface TypeProblem {
  readonly file: string;
  readonly problem: string;
}

export interface LoadedTypes {
  /** By name: the built-in ones and those of the directory. */
  readonly types: ReadonlyMap<string, ResourceType>;
  /** Modules that were left out, each with the reason; the others are not affected. */
  readonly problems: readonly TypeProblem[];
}

const MODULES_MAX = 256;
const IMPORT_LIMIT_MS = 5_000;

/**
 * Loads every *.ts, *.js and *.mjs file of a directory as a resource type (its default export: a definition,
 * or what `defineResourceType` made of it), beside the built-in types.
 * @param directory null = built-in types only; one that does not exist is a problem, not an error
 */
export async function loadResourceTypes(builtIn: readonly ResourceType[], directory: string | null): Promise<LoadedTypes> {
  const types = new Map(builtIn.map((type) => [type.name, type]));
  const problems: TypeProblem[] = [];
  if (directory === null) return { types, problems };
  let names: string[];
  try {
    names = readdirSync(directory).sort();
  } catch (error) {
    return { types, problems: [{ file: directory, problem: messageOf(error) }] };
  }
  const modules = names.filter((name) => /\.(ts|js|mjs)$/.test(name) && !name.endsWith(".d.ts"));
  for (const name of modules.slice(MODULES_MAX)) problems.push({ file: name, problem: `there are more than ${MODULES_MAX} modules` });
  // All at once, so that modules that hang wait together; taken over in the order of their names.
  const loaded = await withoutExit(() => Promise.all(modules.slice(0, MODULES_MAX).map(async (name) => ({ name, type: await loadModule(join(resolve(directory), name)).catch((error: unknown) => messageOf(error)) }))));
  for (const { name, type } of loaded) {
    if (typeof type === "string") problems.push({ file: name, problem: type });
    else if (types.has(type.name)) problems.push({ file: name, problem: `there is a type named '${type.name}' already` });
    else types.set(type.name, type);
  }
  return { types, problems };
}

/** A script that was put among the modules must not end the process that looks at it. */
async function withoutExit<Result>(action: () => Promise<Result>): Promise<Result> {
  const { exit } = process;
  process.exit = () => {
    throw new Error("it ends the process (process.exit) when it is loaded");
  };
  try {
    return await action();
  } finally {
    process.exit = exit;
  }
}

async function loadModule(path: string): Promise<ResourceType> {
  // It is imported once per process: a changed module is seen by the next monitor.
  const loading = import(pathToFileURL(path).href) as Promise<{ default?: unknown }>;
  const module = await withinMs(loading, IMPORT_LIMIT_MS, null);
  if (module === null) throw new Error(`it was not loaded within ${IMPORT_LIMIT_MS} ms`);
  const exported = module.default;
  if (exported === undefined) throw new Error("it has no default export");
  return isResourceType(exported) ? exported : defineResourceType(exported as ResourceTypeDefinition);
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
}
