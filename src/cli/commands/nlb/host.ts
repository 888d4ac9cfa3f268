import type { Command as Program } from "commander";
import { createBalancingCluster, joinBalancingCluster, removeHost, runHost, startHost, stopHost } from "../../../host/balanced-host.ts";
import { ownName } from "../../../host/settings.ts";
import { MusterError } from "../../../model/errors.ts";
import { NLB_API_PORT, NLB_HEARTBEAT_PORT, balancedHost } from "../../../nlb-host/files.ts";
import type { OperationMode } from "../../../nlb/filter-contract.ts";
import type { NlbStatus } from "../../../nlb-host/facade.ts";
import { clusterHardware } from "../../../nlb/hardware-address.ts";
import { DEFAULT_RULE, HEARTBEAT_PROFILES } from "../../../nlb/parameters.ts";
import type { ClusterParameters } from "../../../nlb/parameters.ts";
import { maskOf, parseSubnet } from "../../../core/subnets.ts";
import { showMachinePlan } from "../../machine-plan.ts";
import { data, json, talk } from "../../output.ts";
import { joinOverSsh, reaching, sshArguments } from "../../over-ssh.ts";
import type { SshOptions } from "../../over-ssh.ts";
import { readSecret } from "../../secrets.ts";
import { requireRoot } from "../host.ts";
import { ask, asksNlb, changesNlb, send, wholeNumber } from "./common.ts";
import type { NlbChangeOptions, NlbOptions } from "./common.ts";
import { planCreate, planJoin, planRemove } from "./host-plans.ts";

interface NewHostOptions extends NlbChangeOptions {
  readonly adapter: string;
  readonly host?: string;
  readonly name?: string;
  readonly dedicated?: string[];
  readonly start: boolean;
}

interface CreateOptions extends NewHostOptions {
  readonly address: string[];
  readonly fullName: string;
  readonly mode: string;
  readonly profile: string;
  readonly rules: boolean;
}

const MINUTE_MS = 60_000;
const TOKEN_DEFAULT_MINUTES = 60;

/** What makes this machine a host of a balancing cluster, and what ends that. */
export function nlbHostCommands(nlb: Program): void {
  newHost(nlb.command("create").description("a new balancing cluster, of which this machine is the first host"))
    .requiredOption("--address <address...>", "virtual addresses, ADDRESS/LENGTH; the first one names the cluster")
    .option("--full-name <name>", "full Internet name of the cluster", "cluster.local")
    .option("--mode <mode>", "unicast, multicast, igmpMulticast, or windowsUnicast as Windows does it", "unicast")
    .option("--profile <profile>", "default: heartbeats of 100 ms; classic: of 1 s, as Windows has them", "default")
    .option("--no-rules", "without the rule that spreads everything over all hosts")
    .action(async (options: CreateOptions) => {
      requireRoot("Creating a balancing cluster");
      const subnets = options.address.map((text) => {
        const subnet = parseSubnet(text);
        if (subnet === null) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "--address", problem: `'${text}' is no ADDRESS/LENGTH` });
        return subnet;
      });
      const [primary, ...others] = subnets;
      if (!Object.hasOwn(HEARTBEAT_PROFILES, options.profile)) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "--profile", problem: `one of ${Object.keys(HEARTBEAT_PROFILES).join(", ")}` });
      const cluster: ClusterParameters = {
        primaryAddress: primary!.address,
        subnetMask: primary!.version === 4 ? maskOf(primary!.length) : null,
        name: options.fullName,
        additionalAddresses: others.map(({ address }) => address),
        operationMode: options.mode as OperationMode,
        ...HEARTBEAT_PROFILES[options.profile as keyof typeof HEARTBEAT_PROFILES],
        filtersIcmp: false,
        rules: options.rules ? [DEFAULT_RULE] : [],
      };
      const ports = { apiPort: NLB_API_PORT, heartbeatPort: NLB_HEARTBEAT_PORT };
      if (options.dryRun === true) return showMachinePlan(planCreate(newHostOf(options), cluster, ports, options), options);
      const file = await createBalancingCluster(newHostOf(options), cluster, ports);
      if (options.start) await startHost(options.directory);
      if (options.json) json({ clusterId: file.clusterId, host: file.host.id, cluster: file.cluster });
      talk(`The balancing cluster ${file.cluster.name} at ${file.cluster.primaryAddress} was created; this machine is host ${file.host.id}.${options.start ? "" : " Start it: muster nlb service start"}`);
      talk("Add hosts: muster nlb token, and with what it prints, on each: muster nlb join TOKEN --adapter NAME");
    });

  newHost(nlb.command("join").argument("<token>", "made on a host of the cluster by: muster nlb token; - is read from the standard input").description("make this machine a host of a balancing cluster")).action(async (word: string, options: NewHostOptions) => {
    requireRoot("Joining a balancing cluster");
    const token = word === "-" ? readSecret("-", "token") : word;
    if (options.dryRun === true) return showMachinePlan(await planJoin(newHostOf(options), token, options.start), options);
    const file = await joinBalancingCluster(newHostOf(options), token);
    if (options.start) await startHost(options.directory);
    if (options.json) json({ clusterId: file.clusterId, host: file.host.id, cluster: file.cluster });
    talk(`This machine is host ${file.host.id} of the balancing cluster ${file.cluster.name}.${options.start ? " It takes its share within about a second." : " Start it: muster nlb service start"}`);
  });

  asksNlb(nlb.command("token").description("make a token with which one machine may join, once"))
    .option("--valid <minutes>", "how long it counts", String(TOKEN_DEFAULT_MINUTES))
    .action(async (options: NlbOptions & { readonly valid: string }) => {
      const issued = await send<{ readonly token: string; readonly expiresAtWallMs: number }>(options, "POST", "tokens", { validMs: wholeNumber(options.valid, "--valid", 1, 43_200) * MINUTE_MS });
      if (options.json) json(issued);
      else data(issued.token);
      talk(`It counts once, until ${new Date(issued.expiresAtWallMs).toISOString()}. On the machine that is to join: muster nlb join TOKEN --adapter NAME`);
    });

  reaching(newHost(nlb.command("add-host").argument("<machine>", "as ssh knows it").description("tell a machine over ssh to join; what else is said is for that machine")))
    .action(async (machine: string, options: NewHostOptions & SshOptions) => {
      const { cluster } = await ask<NlbStatus>(options, "status");
      const words = joinWords(options);
      if (options.dryRun === true) return showMachinePlan({ facts: { cluster: cluster.name, machine, ssh: sshArguments(machine, words, options) }, steps: [`A token would be made, and ${machine} would be told over ssh: ${sshArguments(machine, words, {}).slice(2).join(" ")}`], notes: ["The machine checks the rest when it joins; on it: muster nlb join TOKEN --dry-run"] }, options);
      const { token } = await send<{ readonly token: string }>(options, "POST", "tokens", { validMs: TOKEN_DEFAULT_MINUTES * MINUTE_MS });
      joinOverSsh({ host: machine, token, words, byHand: "muster nlb join TOKEN --adapter NAME" }, options);
    });

  changesNlb(nlb.command("remove").description("this machine is no host any more; its connections end")).action(async (options: NlbChangeOptions) => {
    requireRoot("Leaving a balancing cluster");
    if (options.dryRun === true) return showMachinePlan(await planRemove(options.directory), options);
    const { host, cluster } = balancedHost(options.directory);
    const ran = await removeHost(options.directory, talk);
    if (options.json) json({ removed: true, ran, host: host.id, cluster: cluster.name });
    talk("This machine is no host of a balancing cluster any more. The others share what was its.");
  });

  const service = nlb.command("service").description("the process of this machine's host");
  asksNlb(service.command("start").description("start it")).action(async (options: NlbOptions) => {
    await startHost(options.directory);
    if (options.json) json({ host: balancedHost(options.directory).host.id, started: true });
    else talk("It runs.");
  });
  asksNlb(service.command("stop").description("stop it; its share goes to the others at once")).action(async (options: NlbOptions) => {
    const ran = await stopHost(options.directory);
    if (options.json) json({ stopped: true, ran });
    else talk(ran ? "It has stopped." : "It did not run.");
  });
  asksNlb(nlb.command("run").description("be the host, in the foreground, until SIGTERM (for systemd)")).action((options: NlbOptions) => runHost(options.directory));

  nlb
    .command("ip2mac")
    .argument("<address>", "a primary address")
    .description("hardware addresses of a cluster with this address, in each mode")
    .option("--json", "print JSON")
    .action((address: string, options: { readonly json?: boolean }) => {
      const modes = ["unicast", "multicast", "igmpMulticast"] as const;
      const found = Object.fromEntries(modes.map((mode) => [mode, clusterHardware(address, mode, 1).hardwareAddress]));
      if (options.json) json(found);
      else data(modes.map((mode) => `${mode.padEnd(14)} ${found[mode]}`).join("\n"));
    });
}

function newHost(command: Program): Program {
  return changesNlb(command)
    .requiredOption("--adapter <name>", "the network adapter: all hosts are on one network")
    .option("--host <number>", "id of this host, 1 to 64; the lowest is the default host. Default: the first that is free")
    .option("--name <name>", "name of this host; default: the machine's")
    .option("--dedicated <address...>", "addresses of this host alone; default: what the adapter has")
    .option("--no-start", "do not start it");
}

/** Of the command on the machine that is told to join. */
function joinWords({ adapter, host, name, dedicated, start }: NewHostOptions): string[] {
  const given: [string, readonly string[] | undefined][] = [["--adapter", [adapter]], ["--host", host === undefined ? undefined : [host]], ["--name", name === undefined ? undefined : [name]], ["--dedicated", dedicated]];
  return ["nlb", "join", "-", ...given.flatMap(([option, values]) => (values === undefined ? [] : [option, ...values])), ...(start ? [] : ["--no-start"])];
}

function newHostOf(options: NewHostOptions): Parameters<typeof joinBalancingCluster>[0] {
  return { directory: options.directory, adapter: options.adapter, name: options.name ?? ownName(), id: options.host === undefined ? null : wholeNumber(options.host, "--host", 1, 64), dedicatedAddresses: options.dedicated ?? [] };
}
