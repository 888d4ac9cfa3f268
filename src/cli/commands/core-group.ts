import type { ApiClient } from "../../api/client.ts";
import { maskOf, parseSubnet } from "../../core/subnets.ts";
import { MusterError } from "../../model/errors.ts";
import { requireProperties, validateProperties } from "../../model/properties.ts";
import { networkNameProperties } from "../../model/properties/network-name.ts";
import { parsePairs } from "../properties.ts";
import type { Bag } from "../properties.ts";

/** The group that the cluster's own address and name belong to (reference 1.3): it moves like any other. */
export const CORE_GROUP = "Cluster Group";
const CORE_ADDRESS = "Cluster IP Address";
const CORE_NAME = "Cluster Name";
const CLUSTER_GROUP_TYPE = 1;

export interface CoreGroup {
  readonly address: { readonly type: "IP Address" | "IPv6 Address"; readonly properties: Bag };
  /** Of its Network Name; null = it is in no DNS. */
  readonly name: Bag | null;
}

/**
 * What `cluster create` is told of the cluster's own address and name.
 * @returns null when it is to have none
 * @throws MusterError MUSTER_INVALID_ARGUMENT naming the option, or what is wrong with a property
 */
export function coreGroupOf(clusterName: string, { address, dns }: { readonly address?: string; readonly dns?: readonly string[] }): CoreGroup | null {
  if (address === undefined) {
    if (dns !== undefined) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "--dns", problem: "a name needs an address: --address ADDRESS/LENGTH" });
    return null;
  }
  const subnet = parseSubnet(address);
  if (subnet === null) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "--address", problem: "it is written ADDRESS/LENGTH, for example 10.0.0.10/24" });
  const name = dns === undefined ? null : { Name: clusterName, ...parsePairs(dns, networkNameProperties) };
  if (name !== null) {
    validateProperties(networkNameProperties, name, "the resource type Network Name");
    requireProperties(networkNameProperties, name, "Network Name");
  }
  return subnet.version === 4
    ? { address: { type: "IP Address", properties: { Address: subnet.address, SubnetMask: maskOf(subnet.length) } }, name }
    : { address: { type: "IPv6 Address", properties: { Address: subnet.address, PrefixLength: subnet.length } }, name };
}

export async function createCoreGroup(client: ApiClient, { address, name }: CoreGroup): Promise<void> {
  const group = `/v1/groups/${encodeURIComponent(CORE_GROUP)}`;
  await client.send("POST", "/v1/groups", { body: { name: CORE_GROUP } });
  await client.send("PATCH", group, { body: { properties: { GroupType: CLUSTER_GROUP_TYPE } } });
  await client.send("POST", "/v1/resources", { body: { name: CORE_ADDRESS, group: CORE_GROUP, type: address.type, privateProperties: address.properties } });
  if (name !== null) {
    await client.send("POST", "/v1/resources", { body: { name: CORE_NAME, group: CORE_GROUP, type: "Network Name", privateProperties: name, dependency: `[${CORE_ADDRESS}]` } });
  }
  await client.send("POST", `${group}/online`, { body: {} });
}
