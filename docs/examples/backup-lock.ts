import { existsSync } from "node:fs";
import type { ResourceContext, ResourceTypeDefinition } from "../../src/monitor/resource-type.ts";

/** Keeps its role where it is while a file exists: a backup makes the file first and removes it last. */
const backupLock: ResourceTypeDefinition = {
  name: "Backup Lock",
  description: "Locks its role while a file exists.",
  properties: { LooksAlivePollInterval: 1_000 },
  privateProperties: [{ name: "Path", type: "string", default: "", required: true, description: "The file that says that a backup runs." }],
  online: look,
  looksAlive(context) {
    look(context);
    return true;
  },
};

function look(context: ResourceContext): void {
  context.setStatus({ locked: existsSync(String(context.values["Path"])) });
}

export default backupLock;
