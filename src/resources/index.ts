import type { ResourceType } from "../monitor/resource-type.ts";
import { genericApplication } from "./generic-application.ts";
import { ipAddress } from "./ip-address.ts";
import { ipv6Address } from "./ipv6-address.ts";
import { networkName } from "./network-name.ts";

/** The types every cluster has; model/resource-types.ts lists what the cluster knows of them. */
export const builtInTypes: readonly ResourceType[] = [genericApplication, ipAddress, ipv6Address, networkName];

/** Takes away the addresses that a dead monitor of this machine left. Before anything is started, where nodes have gates. */
export async function endStaleAddresses(): Promise<void> {
  const { removeStaleAddresses } = await import("./shared-address-table.ts");
  await removeStaleAddresses();
}

/** Loads what taking an address needs, where nodes have gates: when it is needed, clients wait for it. */
export async function prepareAddresses(): Promise<void> {
  await import("./network-claim.ts");
}
