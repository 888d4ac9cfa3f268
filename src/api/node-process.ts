import { runNode } from "./node-main.ts";
import type { NodeProcessOptions } from "./node-main.ts";

/** The process of one node that another one started. Its one argument is the JSON of {@link NodeProcessOptions}. */
await runNode(JSON.parse(process.argv[2] ?? "null") as NodeProcessOptions);
