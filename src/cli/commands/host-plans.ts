import type { ApiClient } from "../../api/client.ts";
import type { NewCluster } from "../../host/create.ts";
import { checkNewCluster } from "../../host/create.ts";
import { tryJoin } from "../../host/join.ts";
import type { JoinOptions } from "../../host/join.ts";
import { checkStart, isServiceRunning, ownMembership } from "../../host/service-control.ts";
import type { StartHow } from "../../host/service-control.ts";
import { MusterError } from "../../model/errors.ts";
import type { ClusterView, GroupView, Plan } from "../../model/views.ts";
import { path, planText } from "../common.ts";
import { connect } from "../connect.ts";
import type { MachinePlan } from "../machine-plan.ts";
import { list } from "../output.ts";
import { CORE_GROUP } from "./core-group.ts";
import type { CoreGroup } from "./core-group.ts";

/** Dry runs of what concerns this machine: all checks that change nothing, and what would be done then. */

const ASK_LIMIT_MS = 10_000;
const STARTED = "The Cluster Service of this machine would be started, and would form a view.";

/** @throws MusterError as the creation would */
export function planCreate(cluster: NewCluster, also: { readonly start: boolean; readonly core: CoreGroup | null; readonly witness: string | null }): MachinePlan {
  checkNewCluster(cluster);
  const { clusterName, node, addresses, profile, directory } = cluster;
  const { start, core, witness } = also;
  const address = core === null ? null : String(core.address.properties["Address"]);
  return {
    facts: { cluster: clusterName, node, addresses, profile, directory, start, address, name: core?.name ?? null, witness },
    steps: [
      `The cluster ${clusterName} would be made in ${directory}, with an authority of its own. Its only node is this machine: ${node} (${list(addresses)}), profile ${profile}.`,
      ...(start ? [STARTED] : []),
      ...(address === null ? [] : [`The role '${CORE_GROUP}' would be created and brought online: the address ${address}${core?.name == null ? "" : `, and the name ${clusterName} in DNS`}.`]),
      ...(witness === null ? [] : [`A witness of the kind ${witness} would be tried, and configured.`]),
    ],
    notes: [
      ...(address === null ? [] : [`Whether another machine has ${address} is seen when it is brought online.`]),
      ...(witness === null ? [] : ["Whether the witness works is seen when it is tried: that writes to it."]),
    ],
  };
}

/** @throws MusterError as joining would, up to where the token is used */
export async function planJoin(options: JoinOptions, start: boolean): Promise<MachinePlan> {
  const { cluster, address } = await tryJoin(options);
  const { node, addresses, directory } = options;
  return {
    facts: { cluster, node, addresses, directory, start, answeredBy: address },
    steps: [`This machine would become the node ${node} (${list(addresses)}) of the cluster ${cluster}, which answers at ${address} with the certificate that the token names; its membership would be kept in ${directory}.`, ...(start ? ["Its Cluster Service would be started, and would join."] : [])],
    notes: ["Whether the token still counts, and whether the cluster takes this name, these addresses and this machine's clock, is seen when it is used."],
  };
}

/** @throws MusterError as the start would */
export async function planStart(directory: string, how: StartHow, clearQuarantine: boolean): Promise<MachinePlan> {
  const { node, cluster, unit } = await checkStart(directory);
  const said = { force: "It would form the cluster alone, without the votes of others.", prevent: "It would join the cluster that runs, and never form one." };
  return {
    facts: { cluster, node, unit, how: how ?? "normal", clearQuarantine },
    steps: [`The Cluster Service of ${node} would be started ${unit === null ? "as a process of its own" : `by systemd (${unit})`}.`, ...(how === undefined ? [] : [said[how]]), ...(clearQuarantine ? [`${node} would be let host roles again, should it be quarantined.`] : [])],
    notes: how === "force" ? ["With it you state that the other nodes are down: if they serve roles, these would be served twice."] : [],
  };
}

/** @throws MusterError MUSTER_NOT_MEMBER */
export async function planStop(directory: string): Promise<MachinePlan> {
  const { host, clusterName } = ownMembership(directory);
  const facts = { cluster: clusterName, node: host.node };
  if (!(await isServiceRunning(directory))) return { facts: { ...facts, runs: false, roles: [], plan: null }, steps: ["Nothing: the Cluster Service does not run."] };
  const stopped = `The Cluster Service of ${host.node} would be stopped.`;
  try {
    const { roles, moves } = await leaving(await connect({ directory }), host.node);
    const first = moves === null ? (roles.length === 0 ? [] : [`These roles would end with it, as no other node is in its view: ${list(roles)}.`]) : ["Its roles would leave first, as DrainOnShutdown says, and its vote would move."];
    return { facts: { ...facts, runs: true, roles, plan: moves }, steps: [...first, stopped], ...(moves === null ? {} : { detail: planText(moves) }) };
  } catch (error) {
    return { facts: { ...facts, runs: true, roles: null, plan: null }, steps: [stopped], notes: [`What would become of its roles cannot be said: ${MusterError.from(error).message}`] };
  }
}

async function leaving(client: ApiClient, node: string): Promise<{ readonly roles: readonly string[]; readonly moves: Plan | null }> {
  const limit = { timeoutMs: ASK_LIMIT_MS };
  const { state, members } = await client.get<ClusterView>("/v1/cluster", limit);
  const roles = (await client.get<GroupView[]>("/v1/groups", limit)).filter((group) => group.ownerNode === node && group.state !== "Offline").map((group) => group.name);
  // The same as the service does when it is told to end.
  if (state !== "Active" || members.length < 2) return { roles, moves: null };
  const { plan } = await client.send<{ readonly plan: Plan }>("POST", path("nodes", node, "shutdown"), { ...limit, body: {}, query: { dryRun: "true" } });
  return { roles, moves: plan };
}

/** @throws MusterError MUSTER_NOT_MEMBER */
export async function planClean(directory: string, isForced: boolean): Promise<MachinePlan> {
  const { host, clusterName } = ownMembership(directory);
  const runs = await isServiceRunning(directory);
  return {
    facts: { cluster: clusterName, node: host.node, directory, runs },
    steps: [
      ...(runs ? [`The Cluster Service of ${host.node} would be stopped; its roles leave first.`] : []),
      "Addresses of roles and the gate of the cluster would be taken out of this machine's kernel.",
      `In ${directory} the membership would be removed: keys, certificates, and this node's copy of the Cluster Database.`,
    ],
    notes: [`The cluster ${clusterName} would still count on ${host.node}, unless it was evicted there: muster node evict ${host.node}`, ...(isForced ? [] : ["Without --force it is refused."])],
  };
}
