import type { Command as Program } from "commander";
import { ownDirectory } from "../../host/credentials.ts";
import { createHostCluster, forgetOwnMembership } from "../../host/create.ts";
import type { NewCluster } from "../../host/create.ts";
import { joinCluster } from "../../host/join.ts";
import type { JoinOptions } from "../../host/join.ts";
import { ownMembership, runService, startService, stopService } from "../../host/service-control.ts";
import type { StartHow } from "../../host/service-control.ts";
import { DIRECTORY_DEFAULT, checkOwnAddresses, ownAddresses, ownName } from "../../host/settings.ts";
import type { Profile } from "../../model/heartbeat.ts";
import { MusterError } from "../../model/errors.ts";
import { validateProperties } from "../../model/properties.ts";
import { witnessProperties } from "../../model/properties/witness.ts";
import { connect } from "../connect.ts";
import { planClean, planCreate, planJoin, planStart, planStop } from "./host-plans.ts";
import { coreGroupOf, createCoreGroup } from "./core-group.ts";
import { destroyCommand } from "./destroy.ts";
import { witnessOf } from "./quorum.ts";
import { showMachinePlan } from "../machine-plan.ts";
import { data, json, talk } from "../output.ts";
import { joinOverSsh } from "../over-ssh.ts";
import type { SshOptions } from "../over-ssh.ts";
import { readSecret } from "../secrets.ts";

/** What concerns this machine: creating a cluster, joining one, starting and stopping the Cluster Service. */

interface HostOptions {
  readonly directory?: string;
  readonly json?: boolean;
}

interface HostChangeOptions extends HostOptions {
  readonly dryRun?: boolean;
}

interface MemberOptions extends HostChangeOptions {
  readonly node?: string;
  readonly network?: string[];
  readonly start: boolean;
}

interface CreateOptions extends MemberOptions {
  readonly name: string;
  readonly profile: string;
  readonly address?: string;
  readonly dns?: readonly string[];
  readonly witness?: readonly string[];
  readonly primaryKeyFile?: string;
}

const STOP_LIMIT_DEFAULT_S = 1_500;
const MINUTE_MS = 60_000;

export function directoryOf(options: { readonly directory?: string }): string {
  return options.directory ?? ownDirectory();
}

/** @throws MusterError MUSTER_NOT_OWN_ADDRESS */
function addressesOf({ network }: MemberOptions): string[] {
  if (network === undefined) return ownAddresses();
  checkOwnAddresses(network);
  return network;
}

export function hostCommands(cluster: Program, node: Program, program: Program): void {
  destroyCommand(cluster);
  member(cluster.command("create").description("a new cluster, of which this machine is the first node"))
    .requiredOption("--name <name>", "name of the cluster")
    .option("--address <address>", "an address of the cluster's own, ADDRESS/LENGTH: its API answers there from whichever node has the core group")
    .option("--dns <property...>", "its name in DNS, beside --address: NAME=VALUE of its Network Name, for example DnsZone=example.org TsigKeyFile=/etc/muster/dns.key")
    .option("--witness <words...>", "the witness, as with muster quorum set: its kind, then NAME=VALUE")
    .option("--primary-key-file <file>", "PrimaryKey of the witness is the first line of this file; - is the standard input")
    .option("--profile <profile>", "standard: a silent node is missed after about 1.2 s; fast: after about 0.6 s", "standard")
    .action(async (options: CreateOptions) => {
      requireRoot("Creating a cluster of machines");
      const directory = directoryOf(options);
      const core = coreGroupOf(options.name, options);
      const witness = options.witness === undefined ? null : witnessOf(options.witness[0]!, options.witness.slice(1), options.primaryKeyFile);
      if (witness !== null) validateProperties(witnessProperties[witness.kind], witness.properties, `a witness of the kind ${witness.kind}`);
      if (!options.start && (core !== null || witness !== null)) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: core === null ? "--witness" : "--address", problem: "it needs the Cluster Service: leave out --no-start, or configure it later" });
      const created: NewCluster = { directory, clusterName: options.name, node: options.node ?? ownName(), addresses: addressesOf(options), profile: options.profile as Profile };
      if (options.dryRun === true) return showMachinePlan(planCreate(created, { start: options.start, core, witness: witness?.kind ?? null }), options);
      const configuration = await createHostCluster(created);
      talk(`The cluster ${configuration.clusterName} was created; ${configuration.host?.node} is its only node.`);
      if (options.start) await startService(directory, undefined);
      try {
        if (core !== null) await createCoreGroup(await connect({ directory }), core);
        if (witness !== null) await (await connect({ directory })).send("PUT", "/v1/quorum", { body: { witness } });
      } catch (error) {
        talk("The cluster runs, but not all of it was configured: mend what follows, or end it with: muster cluster destroy");
        throw error;
      }
      if (options.json) json({ cluster: configuration.clusterName, clusterId: configuration.clusterId, node: configuration.host?.node, addresses: configuration.nodes[0]?.addresses });
      talk("One node has nobody to fail over to. Add others: muster node token, and with what it prints, on each: muster node join TOKEN");
      if (witness === null) talk("With an even number of nodes configure a witness (muster quorum set …). Without one, of two nodes that lose each other only the one with the vote goes on (muster quorum show says which), and none when that one is lost together with its network.");
    });

  asksHost(node.command("token").description("make a token with which one machine may join the cluster, once"))
    .option("--valid <minutes>", "how long it counts", "60")
    .action(async (options: HostOptions & { readonly valid: string }) => {
      const validMs = Number(options.valid) * MINUTE_MS;
      if (!Number.isFinite(validMs)) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "--valid", problem: "a number of minutes" });
      const issued = await (await connect(options)).send<{ readonly token: string; readonly expiresAtWallMs: number }>("POST", "/v1/join-tokens", { body: { validMs } });
      if (options.json) json(issued);
      else data(issued.token);
      talk(`It counts once, until ${new Date(issued.expiresAtWallMs).toISOString()}. On the machine that is to join: muster node join TOKEN`);
    });

  member(node.command("join").argument("<token>", "made on a node of the cluster by: muster node token; - is read from the standard input").description("make this machine a node of a cluster")).action(async (word: string, options: MemberOptions) => {
    requireRoot("Joining a cluster");
    const token = word === "-" ? readSecret("-", "token") : word;
    const directory = directoryOf(options);
    const joining: JoinOptions = { directory, token, node: options.node ?? ownName(), addresses: addressesOf(options), onNotice: talk };
    if (options.dryRun === true) return showMachinePlan(await planJoin(joining, options.start), options);
    const configuration = await joinCluster(joining);
    if (options.start) await startService(directory, undefined);
    if (options.json) json({ cluster: configuration.clusterName, clusterId: configuration.clusterId, node: configuration.host?.node });
    talk(`This machine is the node ${configuration.host?.node} of the cluster ${configuration.clusterName}.${options.start ? "" : " Start its service: muster node start"}`);
  });

  changesHost(node.command("start").description("start the Cluster Service of this machine"))
    .option("--force-quorum", "form the cluster alone: you state that the other nodes are down")
    .option("--prevent-quorum", "join only, never form")
    .option("--clear-quarantine", "let it host roles again that dropped out too often")
    .action(async (options: HostChangeOptions & { readonly forceQuorum?: boolean; readonly preventQuorum?: boolean; readonly clearQuarantine?: boolean }) => {
      requireRoot("Starting the Cluster Service");
      const directory = directoryOf(options);
      if (options.dryRun === true) return showMachinePlan(await planStart(directory, howOf(options), options.clearQuarantine === true), options);
      await startService(directory, howOf(options));
      const { host } = ownMembership(directory);
      if (options.clearQuarantine === true) await (await connect({ directory })).send("POST", `/v1/nodes/${encodeURIComponent(host.node)}/clear-quarantine`, {});
      if (options.json) json({ node: host.node, started: true });
      else talk(`The Cluster Service of ${host.node} runs. See: muster status`);
    });

  changesHost(node.command("stop").description("stop the Cluster Service of this machine; its roles leave first"))
    .option("--timeout <seconds>", "longest time to wait", String(STOP_LIMIT_DEFAULT_S))
    .action(async (options: HostChangeOptions & { readonly timeout: string }) => {
      requireRoot("Stopping the Cluster Service");
      if (options.dryRun === true) return showMachinePlan(await planStop(directoryOf(options)), options);
      const ran = await stopService(directoryOf(options), Number(options.timeout) * 1_000);
      if (options.json) json({ stopped: true, ran });
      else talk(ran ? "The Cluster Service has stopped." : "The Cluster Service did not run.");
    });

  changesHost(node.command("clean").description("forget that this machine was a node; its service must be stopped"))
    .option("--force", "also when the cluster may still count on it")
    .action(async (options: HostChangeOptions & { readonly force?: boolean }) => {
      requireRoot("Forgetting a membership");
      const directory = directoryOf(options);
      if (options.dryRun === true) return showMachinePlan(await planClean(directory, options.force === true), options);
      const { host, clusterName } = ownMembership(directory);
      if (options.force !== true) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "--force", problem: `this machine is the node ${host.node} of ${clusterName}: evict it there first (muster node evict ${host.node}), which cleans it; if it could not be reached then, say --force` });
      await stopService(directory, STOP_LIMIT_DEFAULT_S * 1_000);
      await forgetOwnMembership(directory, talk);
      if (options.json) json({ cleaned: true });
      else talk("This machine is no node any more.");
    });

  const service = program.command("service").description("the Cluster Service as a process");
  asksHost(service.command("run").description("run it here until it is told to end; what systemd starts"))
    .option("--force-quorum", "form the cluster alone: you state that the other nodes are down")
    .option("--prevent-quorum", "join only, never form")
    .action(async (options: HostOptions & { readonly forceQuorum?: boolean; readonly preventQuorum?: boolean }) => runService(directoryOf(options), howOf(options)));
}

function asksHost(command: Program): Program {
  return command.option("--json", "print JSON").option("--directory <dir>", `where this machine keeps its membership (default: MUSTER_DIRECTORY or ${DIRECTORY_DEFAULT})`);
}

function changesHost(command: Program): Program {
  return asksHost(command).option("--dry-run", "show what would happen, change nothing");
}

function member(command: Program): Program {
  return changesHost(command)
    .option("--node <name>", "what this machine is called in the cluster; default: its host name")
    .option("--network <address...>", "its address in each network that joins the nodes; default: the first address of each adapter")
    .option("--no-start", "do not start the Cluster Service yet");
}

function howOf(options: { readonly forceQuorum?: boolean; readonly preventQuorum?: boolean }): StartHow {
  if (options.forceQuorum === true && options.preventQuorum === true) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "--prevent-quorum", problem: "it contradicts --force-quorum" });
  return options.forceQuorum === true ? "force" : options.preventQuorum === true ? "prevent" : undefined;
}

export function requireRoot(what: string): void {
  if (process.getuid?.() !== 0) throw new MusterError("MUSTER_NOT_ROOT", { what });
}

/** `muster node add HOST`: the machine is told over ssh to join. */
export async function addOverSsh(host: string, options: HostOptions & SshOptions): Promise<void> {
  const { token } = await (await connect(options)).send<{ readonly token: string }>("POST", "/v1/join-tokens", { body: {} });
  joinOverSsh({ host, token, words: ["node", "join", "-"], byHand: "muster node join TOKEN" }, options);
}
