import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import { LabError } from "./errors.ts";

/** Programs the lab needs, and the Debian packages that have them. */
const PROGRAMS: Readonly<Record<string, string>> = { ip: "iproute2", tc: "iproute2", nft: "nftables", nsenter: "util-linux", unshare: "util-linux", mount: "mount" };

/** Administrators' programs are not in the path of every shell. */
export const SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** @throws LabError naming the first thing that is missing */
export function checkRequirements(): void {
  if (process.platform !== "linux") throw new LabError("MUSTER_NODE_NOT_AVAILABLE", "A lab is made of namespaces of the Linux kernel.", "Run it on a Linux machine.");
  if (process.getuid?.() !== 0) throw new LabError("MUSTER_UNAUTHORIZED", "A lab is made of namespaces and bridges: only root can make and use one.", "Run the same command with sudo.");
  for (const [program, debianPackage] of Object.entries(PROGRAMS)) {
    if (!isThere(program)) throw new LabError("MUSTER_COMMAND_NOT_FOUND", `The program '${program}' was not found.`, `On Debian: apt install ${debianPackage}`, { command: program });
  }
}

function isThere(program: string): boolean {
  return [...SYSTEM_PATH.split(":"), ...(process.env["PATH"] ?? "").split(":")].some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
