import { existsSync, readFileSync } from "node:fs";
import { clusterPaths } from "../service/cluster-files.ts";
import { DIRECTORY_DEFAULT } from "./settings.ts";

/** What this machine, being a node, can show the API of other nodes. */

/** Where this machine keeps its membership when nobody says otherwise. */
export function ownDirectory(): string {
  return process.env["MUSTER_DIRECTORY"] ?? DIRECTORY_DEFAULT;
}

/** null when this machine is no node, or may not read it. */
export function ownToken(): string | null {
  return readOr(clusterPaths.token(ownDirectory()))?.trim() ?? null;
}

/** PEM: of the file that MUSTER_AUTHORITY names, or of the cluster this machine is a node of. */
export function knownAuthority(): string | null {
  return readOr(process.env["MUSTER_AUTHORITY"] ?? clusterPaths.authority(ownDirectory()));
}

function readOr(path: string): string | null {
  try {
    return existsSync(path) ? readFileSync(path, "utf8") : null;
  } catch {
    return null;
  }
}
