import { MusterError } from "../model/errors.ts";
import type { NetworkRecord, PropertyBag, ResourceRecord } from "../model/objects.ts";
import { networkProperties, numberPropertyOf } from "../model/properties.ts";
import { NetworkRole } from "../model/states.ts";
import type { CommandOf, Configuring, Reaction } from "./command.ts";
import { sayChanged } from "./group-commands.ts";
import { allNetworks } from "./network-records.ts";
import { foldName } from "./order.ts";
import { checkName, invalid, mergeProperties, requireBag, requireText, withProperty } from "./resolve.ts";
import type { ClusterState } from "./state.ts";
import { isInside } from "./subnets.ts";

/** What an administrator may change of a network (reference 2.7): its name, role, metric and description. */

export function findNetwork(state: ClusterState, name: unknown, field = "network"): NetworkRecord {
  const text = requireText(name, field);
  const folded = foldName(text);
  const network = allNetworks(state).find((one) => one.id === text || foldName(one.name) === folded);
  if (network === undefined) throw new MusterError("MUSTER_NETWORK_NOT_FOUND", { field, name: text });
  return network;
}

export function setNetwork({ state }: Configuring, command: CommandOf<"network.set">): Reaction {
  const before = findNetwork(state, command.network);
  const name = command.name === undefined ? before.name : freeName(state, command.name, before);
  const properties = command.properties === undefined ? before.properties : changeProperties(state, before, requireBag(command.properties, "properties"));
  state.tables.networks.put(before.id, { ...before, name, properties });
  return (context) => {
    sayChanged(context, null, `The network '${before.name}' was changed.${name === before.name ? "" : ` Its name is now '${name}'.`}`);
    return null;
  };
}

function changeProperties(state: ClusterState, network: NetworkRecord, change: PropertyBag): PropertyBag {
  const merged = mergeProperties(networkProperties, network.properties, change, "properties", "a network");
  if (change["Role"] !== undefined) checkRole(state, network, numberPropertyOf(networkProperties, merged, "Role"));
  if (change["AutoMetric"] === 1) {
    if (change["Metric"] !== undefined) throw invalid("AutoMetric", "1 means that Metric is computed: give one of the two");
    return withProperty(networkProperties, merged, "Metric", undefined);
  }
  // A metric set by hand stays; and the one that was computed stays when the computing ends.
  if (change["Metric"] !== undefined) return withProperty(networkProperties, merged, "AutoMetric", 0);
  const ends = change["AutoMetric"] === 0 && numberPropertyOf(networkProperties, network.properties, "AutoMetric") === 1;
  return ends ? withProperty(networkProperties, merged, "Metric", metricOf(state, network)) : merged;
}

function checkRole(state: ClusterState, network: NetworkRecord, role: number): void {
  const before = roleOf(network);
  if (role === NetworkRole.ClientAccess) throw invalid("Role", "a network for clients alone is not supported; 3 is for both, 0 for none");
  const internal = allNetworks(state).filter((one) => (roleOf(one) & NetworkRole.InternalUse) !== 0);
  if ((role & NetworkRole.InternalUse) === 0 && internal.length === 1 && internal[0]?.id === network.id) throw new MusterError("MUSTER_ONLY_INTERNAL_NETWORK", { field: "Role", name: network.name });
  if ((before & NetworkRole.ClientAccess) === 0 || (role & NetworkRole.ClientAccess) !== 0) return;
  const user = addressOn(state, network);
  if (user !== null) throw new MusterError("MUSTER_NETWORK_IN_USE", { field: "Role", name: network.name, resource: user.name });
}

/** A resource whose address clients use is in one of the network's subnets. */
function addressOn(state: ClusterState, network: NetworkRecord): ResourceRecord | null {
  for (const id of state.tables.resources.keys()) {
    const resource = state.tables.resources.get(id) as ResourceRecord;
    const address = resource.type === "IP Address" || resource.type === "IPv6 Address" ? resource.privateProperties["Address"] : undefined;
    if (typeof address === "string" && network.prefixes.some((prefix) => isInside(address, prefix))) return resource;
  }
  return null;
}

export function roleOf(network: NetworkRecord): number {
  return numberPropertyOf(networkProperties, network.properties, "Role");
}

/** By role: the lowest is for the networks that only the cluster uses, the highest for those it must not use. */
const METRIC_BASE: Readonly<Record<number, number>> = { [NetworkRole.InternalUse]: 30_000, [NetworkRole.InternalAndClient]: 70_000, [NetworkRole.ClientAccess]: 90_000, [NetworkRole.None]: 90_000 };
const METRIC_STEP = 16;

/** The metric in force: set by hand, or computed (reference 2.7): internal before client networks, older before newer. */
export function metricOf(state: ClusterState, network: NetworkRecord): number {
  if (numberPropertyOf(networkProperties, network.properties, "AutoMetric") === 0) return numberPropertyOf(networkProperties, network.properties, "Metric");
  const position = allNetworks(state).findIndex((one) => one.id === network.id);
  return (METRIC_BASE[roleOf(network)] ?? 0) + METRIC_STEP * position;
}

function freeName(state: ClusterState, value: unknown, own: NetworkRecord): string {
  const name = checkName(value);
  if (allNetworks(state).some((one) => one.id !== own.id && foldName(one.name) === foldName(name))) throw new MusterError("MUSTER_NAME_IN_USE", { field: "name", name });
  return name;
}
