import type { NetworkInterfaceRecord, NetworkRecord } from "../model/objects.ts";
import { networkInterfaceProperties, networkProperties } from "../model/properties.ts";
import { effectiveProperties } from "../model/views.ts";
import type { NetworkInterfaceView, NetworkView } from "../model/views.ts";
import { nodeName, viewOfReason } from "./describe.ts";
import { findNetwork, metricOf } from "./network-commands.ts";
import { allInterfaces, allNetworks } from "./network-records.ts";
import { compareText, foldName } from "./order.ts";
import { initialInterfaceRow, initialNetworkRow } from "./records.ts";
import type { ClusterState } from "./state.ts";
import { maskOf, parseSubnet } from "./subnets.ts";
import type { Subnet } from "./subnets.ts";

/** Networks and interfaces as people see them (reference 2.7). Reads only. */

export function describeNetworks(state: ClusterState): NetworkView[] {
  return allNetworks(state)
    .map((network) => viewOfNetwork(state, network))
    .sort((left, right) => compareText(foldName(left.name), foldName(right.name)));
}

/** @throws MusterError MUSTER_NETWORK_NOT_FOUND */
export function describeNetwork(state: ClusterState, name: string): NetworkView {
  return viewOfNetwork(state, findNetwork(state, name));
}

/** By node and adapter. */
export function describeNetworkInterfaces(state: ClusterState): NetworkInterfaceView[] {
  return allInterfaces(state).map((one) => viewOfInterface(state, one));
}

function viewOfNetwork(state: ClusterState, network: NetworkRecord): NetworkView {
  const { id, name, prefixes } = network;
  const row = state.tables.networkRuntime.get(id) ?? initialNetworkRow(id);
  const [v4, v6] = byVersion(prefixes);
  return {
    id,
    name,
    state: row.state,
    prefixes,
    interfaces: allInterfaces(state).filter((one) => one.network === id).map((one) => interfaceName(state, one)),
    reason: viewOfReason(state, row.reason),
    properties: {
      ...effectiveProperties(networkProperties, network.properties),
      Address: v4[0]?.address ?? "",
      AddressMask: v4[0] === undefined ? "" : maskOf(v4[0].length),
      IPv4Addresses: v4.map((one) => one.address),
      IPv4PrefixLengths: v4.map((one) => String(one.length)),
      IPv6Addresses: v6.map((one) => one.address),
      IPv6PrefixLengths: v6.map((one) => String(one.length)),
      Metric: metricOf(state, network),
      Name: name,
    },
  };
}

function viewOfInterface(state: ClusterState, one: NetworkInterfaceRecord): NetworkInterfaceView {
  const row = state.tables.interfaceRuntime.get(one.id) ?? initialInterfaceRow(one.id);
  const [v4, v6] = byVersion(one.addresses);
  const name = interfaceName(state, one);
  const network = state.tables.networks.get(one.network)?.name ?? "";
  const node = nodeName(state, one.node);
  return {
    id: one.id,
    name,
    node,
    network,
    adapter: one.adapter,
    addresses: one.addresses,
    state: row.state,
    reason: viewOfReason(state, row.reason),
    properties: {
      ...effectiveProperties(networkInterfaceProperties, one.properties),
      Adapter: one.adapter,
      AdapterId: one.hardwareAddress,
      Address: v4[0]?.address ?? "",
      IPv4Addresses: v4.map((address) => address.address),
      IPv6Addresses: v6.map((address) => address.address),
      Name: name,
      Network: network,
      Node: node,
    },
  };
}

function byVersion(texts: readonly string[]): readonly [readonly Subnet[], readonly Subnet[]] {
  const all = texts.map(parseSubnet).filter((one) => one !== null);
  return [all.filter((one) => one.version === 4), all.filter((one) => one.version === 6)];
}

/** Windows' form: node - adapter (reference 2.1). */
function interfaceName(state: ClusterState, one: NetworkInterfaceRecord): string {
  return `${nodeName(state, one.node)} - ${one.adapter}`;
}
