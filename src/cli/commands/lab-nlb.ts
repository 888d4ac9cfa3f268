import { once } from "node:events";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Command as Program } from "commander";
import type { Lab, LabHost } from "../../lab/lab.ts";
import { MusterError } from "../../model/errors.ts";
import type { NlbStatus } from "../../nlb-host/facade.ts";
import { HEARTBEAT_PROFILES } from "../../nlb/parameters.ts";
import { data, json, talk } from "../output.ts";
import { statusText } from "./nlb/looking.ts";

/** `muster lab nlb`: hosts that balance, a web server on each, and a client that asks them. */

interface LabNlbOptions {
  readonly name: string;
  readonly json?: boolean;
  readonly hosts: string;
  readonly mode: string;
  readonly profile: string;
}

const COMMAND_LIMIT_MS = 60_000;
const AGREE_LIMIT_MS = 20_000;
const LOOK_EVERY_MS = 200;
const WEB_PORT = "80";
/** Hosts of a lab are numbered from below, the client is .250. */
const ADDRESS_LAST = 200;
const HOSTS_MAX = 64;
/** Where hosts and client find the commands that are made for them. */
const WRAPPER = "nlb";
const ASK = "ask.mjs";

export function labNlbCommand(lab: Program): void {
  lab
    .command("nlb")
    .description("make a lab whose hosts share an address: network load balancing, with a web server on each")
    .option("--name <name>", "the lab", "lab")
    .option("--json", "print JSON")
    .option("--hosts <count>", "how many hosts: n1, n2, …", "3")
    .option("--mode <mode>", "unicast, multicast, igmpMulticast or windowsUnicast", "unicast")
    .option("--profile <profile>", "of heartbeats: default or classic", "default")
    .action((options: LabNlbOptions) => up(options));
}

async function up(options: LabNlbOptions): Promise<void> {
  const count = Number(options.hosts);
  if (!Number.isInteger(count) || count < 1 || count > HOSTS_MAX) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "--hosts", problem: `a whole number from 1 to ${HOSTS_MAX}` });
  if (!Object.hasOwn(HEARTBEAT_PROFILES, options.profile)) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "--profile", problem: `one of ${Object.keys(HEARTBEAT_PROFILES).join(", ")}` });
  const { Lab } = await import("../../lab/lab.ts");
  const { standardNetworks } = await import("../../lab/plan.ts");
  const made = await Lab.up({ name: options.name, hosts: count, networks: standardNetworks(1) });
  try {
    const addresses = await form(made, options);
    const status = await agreed(made);
    if (options.json) json({ name: made.name, addresses, status });
    else show(made, addresses, status);
  } catch (error) {
    await made.down();
    throw error;
  }
}

/** @returns the addresses that the hosts share */
async function form(lab: Lab, { mode, profile }: LabNlbOptions): Promise<readonly string[]> {
  const { ASK_SCRIPT, WEB_SCRIPT } = await import("../../lab/nlb-scripts.ts");
  const own = lab.hosts[0]!.addresses[0]!;
  const addresses = [own.ipv4.replace(/\d+$/, String(ADDRESS_LAST)), own.ipv6.replace(/[0-9a-f]+$/, String(ADDRESS_LAST))];
  const main = fileURLToPath(new URL(import.meta.url.endsWith(".ts") ? "../main.ts" : "../main.js", import.meta.url));
  writeFileSync(join(lab.client.configurationDirectory, ASK), ASK_SCRIPT);
  for (const host of lab.hosts) {
    const wrapper = join(host.configurationDirectory, WRAPPER);
    writeFileSync(wrapper, `#!/bin/sh\nexec '${process.execPath}' --disable-warning=ExperimentalWarning '${main}' nlb "$@"\n`);
    chmodSync(wrapper, 0o755);
    const web = host.spawn([process.execPath, "-e", WEB_SCRIPT, host.name, WEB_PORT], { stdio: "ignore", detached: true });
    await once(web, "spawn");
    web.unref();
  }
  const [first, ...others] = lab.hosts;
  talk(`Forming a balancing cluster of ${lab.hosts.length} host${lab.hosts.length === 1 ? "" : "s"}…`);
  await nlb(first!, "create", "--adapter", own.device, "--name", first!.name, "--mode", mode, "--profile", profile, "--address", `${addresses[0]}/24`, `${addresses[1]}/64`);
  // Each connection by itself: with one client, all else would show one host.
  await nlb(first!, "rule", "set", WEB_PORT, "--ports", WEB_PORT, "--protocol", "tcp", "--affinity", "none");
  for (const host of others) {
    const token = (await nlb(first!, "token")).trim();
    await nlb(host, "join", token, "--adapter", host.addresses[0]!.device, "--name", host.name);
    talk(`${host.name} has joined.`);
  }
  return addresses;
}

/** @throws MusterError with what the command said */
async function nlb(host: LabHost, ...words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await host.run([`/etc/muster/${WRAPPER}`, ...words], { timeoutMs: COMMAND_LIMIT_MS });
  if (code !== 0) throw new MusterError("MUSTER_INTERNAL", { problem: `on ${host.name}, muster nlb ${words[0]} failed: ${stderr.trim()}` });
  return stdout;
}

/** When every host is in the map. @throws MusterError MUSTER_TIMEOUT */
async function agreed(lab: Lab): Promise<NlbStatus> {
  const deadlineMs = performance.now() + AGREE_LIMIT_MS;
  for (;;) {
    const status = JSON.parse(await nlb(lab.hosts[0]!, "query", "--json")) as NlbStatus;
    if (status.isConverged && status.hosts.filter(({ isMember }) => isMember).length === lab.hosts.length) return status;
    if (performance.now() > deadlineMs) throw new MusterError("MUSTER_TIMEOUT", { timeoutMs: AGREE_LIMIT_MS });
    await sleep(LOOK_EVERY_MS);
  }
}

function show(lab: Lab, addresses: readonly string[], status: NlbStatus): void {
  const name = lab.name === "lab" ? "" : ` --name ${lab.name}`;
  const last = lab.hosts.at(-1)!.name;
  data(statusText(status));
  const on = (host: string, words: string): string => `  muster lab run ${host}${name} -- ${words}`;
  const nlbOn = (words: string): string => on(lab.hosts[0]!.name, `/etc/muster/${WRAPPER} ${words}`);
  const lines = [
    ...addresses.map((address) => on(lab.client.name, `node /etc/muster/${ASK} ${address}`)),
    nlbOn("query"),
    nlbOn(`who ${lab.client.addresses[0]!.ipv4}:4000 ${addresses[0]}:${WEB_PORT}`),
    nlbOn(`rule set ${WEB_PORT} --affinity single --dry-run`),
    nlbOn(`drainstop --hosts ${last}`),
    nlbOn(`start --hosts ${last}`),
    `  muster lab cut ${last}${name}`,
    `  muster lab heal ${last}${name}`,
    `  muster lab down${name}`,
  ];
  talk(`\nTry:\n${lines.join("\n")}`);
}
