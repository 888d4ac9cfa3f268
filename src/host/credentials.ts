import { existsSync, readFileSync } from "node:fs";
import { MusterError } from "../model/errors.ts";
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

/**
 * PEM: of the file that MUSTER_AUTHORITY names, or of the cluster this machine is a node of.
 * @throws MusterError MUSTER_INVALID_ARGUMENT: who names one shall not believe others instead
 */
export function knownAuthority(): string | null {
  const path = process.env["MUSTER_AUTHORITY"];
  if (path === undefined) return readOr(clusterPaths.authority(ownDirectory()));
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "MUSTER_AUTHORITY", problem: `${path} cannot be read: ${(error as Error).message}` }, { cause: error });
  }
}

function readOr(path: string): string | null {
  try {
    return existsSync(path) ? readFileSync(path, "utf8") : null;
  } catch {
    return null;
  }
}
