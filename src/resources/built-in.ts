import { builtInResourceTypes } from "../model/resource-types.ts";
import type { ResourceTypeRecord } from "../model/objects.ts";

/** What the model says of a built-in type: names, defaults and ranges are written down only there. */
export function builtIn(name: string): Required<Pick<ResourceTypeRecord, "name" | "description" | "properties" | "privateProperties" | "protection">> {
  const record = builtInResourceTypes.find((type) => type.name === name);
  if (record === undefined) throw new Error(`the model knows no resource type '${name}'`);
  return { protection: "process", ...record };
}
