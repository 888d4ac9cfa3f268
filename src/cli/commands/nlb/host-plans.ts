import { checkBalancingJoin, isHostRunning, newBalancingCluster } from "../../../host/balanced-host.ts";
import type { NewHost, Ports } from "../../../host/balanced-host.ts";
import { MusterError } from "../../../model/errors.ts";
import type { NlbStatus } from "../../../nlb-host/facade.ts";
import { balancedHost } from "../../../nlb-host/files.ts";
import { virtualAddresses } from "../../../nlb/parameters.ts";
import type { ClusterParameters } from "../../../nlb/parameters.ts";
import type { MachinePlan } from "../../machine-plan.ts";
import { list } from "../../output.ts";
import { ask } from "./common.ts";

/** Dry runs of what makes this machine a host of a balancing cluster, and of what ends that. */

/** @throws MusterError as the creation would */
export function planCreate(host: NewHost, given: ClusterParameters, ports: Ports, { start }: { readonly start: boolean }): MachinePlan {
  const { file: { cluster, host: own }, addresses } = newBalancingCluster(host, given, ports);
  return {
    facts: { cluster, host: own, adapter: host.adapter, addresses, directory: host.directory, start },
    steps: [
      `The balancing cluster ${cluster.name} would be made in ${host.directory}, with ${cluster.rules.length === 0 ? "no rule" : "one rule: everything is shared"}. This machine would be its host ${own.id}, on ${host.adapter} (${list(addresses)}).`,
      ...(start ? [`The host would be started, and would answer for ${list(virtualAddresses(cluster))}, mode ${cluster.operationMode}.`] : []),
    ],
    notes: start ? ["Whether another machine has one of these addresses is not looked at."] : [],
  };
}

/** @throws MusterError as joining would, up to where the token is used */
export async function planJoin(host: NewHost, token: string, start: boolean): Promise<MachinePlan> {
  const { cluster, address, addresses } = await checkBalancingJoin(host, token);
  return {
    facts: { cluster, host: host.id, name: host.name, adapter: host.adapter, addresses, directory: host.directory, start, answeredBy: address },
    steps: [
      `This machine would become ${host.id === null ? "the host with the first id that is free" : `host ${host.id}`} of the balancing cluster ${cluster}, which answers at ${address} with the certificate that the token names; on ${host.adapter} (${list(addresses)}), kept in ${host.directory}.`,
      ...(start ? ["The host would be started, and would take its share."] : []),
    ],
    notes: ["Whether the token still counts, and whether the id is free, is seen when it is used."],
  };
}

/** @throws MusterError MUSTER_NLB_NO_HOST */
export async function planRemove(directory: string): Promise<MachinePlan> {
  const { cluster, host } = balancedHost(directory);
  const runs = await isHostRunning(directory);
  const serving = runs ? await servingOf(directory) : { others: null, open: null, problem: null };
  const { others, open, problem } = serving;
  return {
    facts: { cluster: cluster.name, host: host.id, directory, addresses: virtualAddresses(cluster), runs, others, openConnections: open },
    steps: [
      ...(runs ? [`Host ${host.id} would stop${open === null ? "" : `, and ${open} open connection${open === 1 ? "" : "s"} would end`}. ${othersText(others)}`] : []),
      `What it left in this machine's kernel would be taken away: the filter of its adapter, and ${list(virtualAddresses(cluster))}.`,
      `In ${directory} what makes this machine a host would be removed: its key, certificates and parameters.`,
    ],
    notes: problem === null ? [] : [`The host cannot say what it serves: ${problem}`],
  };
}

function othersText(others: readonly number[] | null): string {
  if (others === null) return "";
  return others.length === 0 ? "No other host is in the map: nobody would serve." : `Its share would go to the hosts ${others.join(", ")}.`;
}

async function servingOf(directory: string): Promise<{ readonly others: readonly number[] | null; readonly open: number | null; readonly problem: string | null }> {
  try {
    const { hosts, rules, self } = await ask<NlbStatus>({ directory }, "status");
    return { others: hosts.filter(({ id, isMember }) => isMember && id !== self).map(({ id }) => id), open: rules.reduce((sum, { openConnections }) => sum + openConnections, 0), problem: null };
  } catch (error) {
    return { others: null, open: null, problem: MusterError.from(error).message };
  }
}
