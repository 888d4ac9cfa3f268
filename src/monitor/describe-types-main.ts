import { builtInTypes } from "../resources/index.ts";
import { toResourceTypeRecord } from "./resource-type.ts";
import { loadResourceTypes } from "./type-loader.ts";

/** The process behind {@link import("./describe-types.ts").describeResourceTypes}. */
const { types, problems } = await loadResourceTypes(builtInTypes, process.argv[2] ?? null);
const builtIn = new Set<unknown>(builtInTypes);
const records = [...types.values()].filter((type) => !builtIn.has(type)).map(toResourceTypeRecord);
process.send?.({ records, problems });
