import { existsSync, readdirSync } from "node:fs";
import { describeResourceTypes } from "../core/index.ts";
import type { ClusterState } from "../core/index.ts";
import type { Command } from "../model/inputs.ts";
import type { ResourceTypeRecord } from "../model/objects.ts";
import { describeResourceTypes as describeModules } from "../monitor/describe-types.ts";

/**
 * Makes the resource types of users' modules known to the cluster: new ones, and those whose
 * description has changed. What is wrong with a module is told, and the others are not held up.
 */
export async function registerUserTypes(directory: string, state: () => ClusterState, command: (command: Command) => Promise<unknown>, log: (line: string) => void): Promise<void> {
  if (!existsSync(directory) || readdirSync(directory).length === 0) return;
  const { records, problems } = await describeModules(directory);
  for (const { file, problem } of problems) log(`resource type ${file} was not loaded: ${problem}`);
  for (const record of records) {
    if (isKnown(state(), record)) continue;
    try {
      await command({ verb: "type.register", type: record });
      log(`resource type '${record.name}' was registered`);
    } catch (error) {
      log(`resource type '${record.name}' was not registered: ${(error as Error).message}`);
    }
  }
}

function isKnown(state: ClusterState, record: ResourceTypeRecord): boolean {
  const known = describeResourceTypes(state).find((type) => type.name === record.name);
  if (known === undefined || known.builtIn) return known !== undefined;
  const properties = Object.entries(record.properties).every(([name, value]) => JSON.stringify(known.properties[name]) === JSON.stringify(value));
  return known.description === record.description && properties && JSON.stringify(known.privateProperties) === JSON.stringify(record.privateProperties);
}
