import type { ResourceRecord } from "../model/objects.ts";
import { NetworkRole } from "../model/states.ts";
import { findNetwork, roleOf } from "./network-commands.ts";
import { allNetworks } from "./network-records.ts";
import { quote } from "./moving.ts";
import { invalid } from "./resolve.ts";
import type { ClusterState } from "./state.ts";
import { isInside } from "./subnets.ts";

/** The networks that the addresses of roles belong to (reference 2.7, 10.1). */

const ADDRESS_TYPES: readonly string[] = ["IP Address", "IPv6 Address"];

/**
 * The network that an address names must be there and hold it: the adapter is found by the address.
 * @throws MusterError MUSTER_NETWORK_NOT_FOUND, MUSTER_INVALID_ARGUMENT
 */
export function checkAddressNetwork(state: ClusterState, { type, privateProperties }: Pick<ResourceRecord, "type" | "privateProperties">): void {
  const { Network: name = "", Address: address = "" } = privateProperties;
  if (!ADDRESS_TYPES.includes(type) || name === "" || privateProperties["OverrideAddressMatch"] === 1) return;
  const network = findNetwork(state, name, "Network");
  if (!network.prefixes.some((prefix) => isInside(String(address), prefix))) throw invalid("Network", `${String(address)} is not in '${network.name}' (${network.prefixes.join(", ")}); leave it out, or give an address of that network`);
}

/** A sentence when clients are not to use the network of an address; null = nothing is odd. */
export function oddAddressNetwork(state: ClusterState, { type, privateProperties }: Pick<ResourceRecord, "type" | "privateProperties">): string | null {
  if (!ADDRESS_TYPES.includes(type)) return null;
  const address = String(privateProperties["Address"] ?? "");
  const network = allNetworks(state).find(({ prefixes }) => prefixes.some((prefix) => isInside(address, prefix)));
  if (network === undefined || (roleOf(network) & NetworkRole.ClientAccess) !== 0) return null;
  return `Clients are not to use '${network.name}', which has this address; if they are: muster network set ${quote(network.name)} Role=${NetworkRole.InternalAndClient}`;
}
