import { fileURLToPath } from "node:url";
import { MusterError } from "../model/errors.ts";
import type { Lab } from "../lab/lab.ts";
import { talk } from "./output.ts";

/** The cluster in a lab: made on its hosts as an administrator makes it on machines, with the command. */

const COMMAND_LIMIT_MS = 120_000;
const CLUSTER_NAME = "lab";
const ADDRESS_LAST = 200;

/** @throws MusterError with what the command said on the host where it failed */
export async function formCluster(lab: Lab, profile: string): Promise<void> {
  const [first, ...others] = lab.hosts;
  // All networks of a lab are 24 bits long; hosts are numbered from below, the client is .250.
  const own = first!.addresses[0]?.ipv4.replace(/\d+$/, `${ADDRESS_LAST}/24`);
  talk(`Forming a cluster of ${lab.hosts.length} node${lab.hosts.length === 1 ? "" : "s"}…`);
  await muster(lab, first!.name, "cluster", "create", "--name", CLUSTER_NAME, "--profile", profile, ...(own === undefined ? [] : ["--address", own]));
  for (const host of others) {
    const { token } = JSON.parse(await muster(lab, first!.name, "node", "token", "--json")) as { readonly token: string };
    await muster(lab, host.name, "node", "join", token);
    talk(`${host.name} has joined.`);
  }
}

async function muster(lab: Lab, host: string, ...words: readonly string[]): Promise<string> {
  const main = fileURLToPath(new URL(import.meta.url.endsWith(".ts") ? "./main.ts" : "./main.js", import.meta.url));
  const { code, stdout, stderr } = await lab.host(host).run([process.execPath, "--disable-warning=ExperimentalWarning", main, ...words], { timeoutMs: COMMAND_LIMIT_MS });
  if (code !== 0) throw new MusterError("MUSTER_INTERNAL", { problem: `on ${host}, muster ${words.slice(0, 2).join(" ")} failed: ${stderr.trim()}` });
  return stdout;
}
