import type { NodeId } from "../model/identifiers.ts";
import type { NetworkInterfaceRecord, NetworkRecord } from "../model/objects.ts";
import { compareText } from "./order.ts";
import type { ClusterState } from "./state.ts";

/** Looking up networks and interfaces: durable tables only, so that both halves of a step may. */

/** The interface's id: the same adapter of the same node is the same interface, whatever it was called to say. */
export function interfaceId(node: NodeId, adapter: string): string {
  return `${node}/${adapter}`;
}

export function allInterfaces(state: ClusterState): NetworkInterfaceRecord[] {
  const { networkInterfaces } = state.tables;
  return networkInterfaces
    .keys()
    .map((key) => networkInterfaces.get(key) as NetworkInterfaceRecord)
    .sort((left, right) => left.node - right.node || compareText(left.adapter, right.adapter));
}

/** In the order in which they were found. */
export function allNetworks(state: ClusterState): NetworkRecord[] {
  const { networks } = state.tables;
  return networks
    .keys()
    .map((key) => networks.get(key) as NetworkRecord)
    .sort((left, right) => compareNetworkIds(left.id, right.id));
}

function compareNetworkIds(left: string, right: string): number {
  const parts = (id: string): number[] => id.slice(1).split(".").map(Number);
  const [a, b] = [parts(left), parts(right)];
  return a.map((part, position) => part - (b[position] ?? 0)).find((difference) => difference !== 0) ?? 0;
}
