import type { NodeId } from "../model/identifiers.ts";
import type { ConnectivityInput } from "../model/inputs.ts";
import type { NetworkInterfaceRecord, NetworkRecord } from "../model/objects.ts";
import type { StepContext } from "./context.ts";
import { isCurrent } from "./leftovers.ts";
import { INTERFACES_PER_NODE_MAX } from "./limits.ts";
import { allInterfaces, allNetworks } from "./network-records.ts";
import { deriveNetwork } from "./network-state.ts";
import type { DerivedInterface, DerivedNetwork } from "./network-state.ts";
import { initialInterfaceRow, initialNetworkRow } from "./records.ts";
import type { ConnectivityRow } from "./records.ts";
import type { ClusterState } from "./state.ts";

/** What the reports of the nodes make of networks and interfaces at run time (reference 1.6); changes are told, and nothing else. */

export function reactToConnectivity(context: StepContext, input: ConnectivityInput): void {
  if (!isCurrent(context, input.from)) return;
  const { node, incarnation } = input.from;
  const interfaces = input.interfaces.slice(0, INTERFACES_PER_NODE_MAX).map(({ interface: id, linkUp, hears }) => ({ interface: id, linkUp, hears: [...new Set(hears)].sort((left, right) => left - right) }));
  const row: ConnectivityRow = { node, incarnation, interfaces };
  const before = context.state.tables.connectivity.get(String(node));
  if (JSON.stringify(before) === JSON.stringify(row)) return;
  context.state.tables.connectivity.put(String(node), row);
  const mine = new Set(allInterfaces(context.state).filter((one) => one.node === node).map((one) => one.network));
  for (const network of allNetworks(context.state)) if (mine.has(network.id)) lookAt(context, network);
}

/** What counts as said by a node of its interfaces now; null = nothing. */
export function connectivityOf(state: ClusterState, node: NodeId): ConnectivityRow | null {
  return state.tables.connectivity.get(String(node)) ?? null;
}

/** Other nodes or other networks: what was heard before says nothing about these, and everybody tells anew. */
export function lookAtNetworksAgain(context: StepContext): void {
  const { connectivity, interfaceRuntime, networkRuntime, networkInterfaces, networks } = context.state.tables;
  for (const key of connectivity.keys()) connectivity.remove(key);
  for (const key of interfaceRuntime.keys()) if (!networkInterfaces.has(key)) interfaceRuntime.remove(key);
  for (const key of networkRuntime.keys()) if (!networks.has(key)) networkRuntime.remove(key);
  for (const network of allNetworks(context.state)) lookAt(context, network);
}

function lookAt(context: StepContext, network: NetworkRecord): void {
  const interfaces = allInterfaces(context.state).filter((one) => one.network === network.id);
  const seen = interfaces.map((one) => {
    const { state, incarnation } = context.node(one.node);
    const row = context.state.tables.connectivity.get(String(one.node));
    const report = row?.incarnation === incarnation ? row.interfaces.find((told) => told.interface === one.id) : undefined;
    // One that is catching up has no part in it yet.
    return { id: one.id, node: one.node, nodeUp: state === "Up", report: report ?? null };
  });
  const derived = deriveNetwork(seen);
  const records = new Map(interfaces.map((one) => [one.id, one]));
  if (derived === null) {
    for (const one of seen) if (!one.nodeUp) settleInterface(context, network, records.get(one.id)!, { id: one.id, state: "Unavailable", rule: "node down", missed: [] });
    return;
  }
  for (const one of derived.interfaces) settleInterface(context, network, records.get(one.id)!, one);
  settleNetwork(context, network, derived, records);
}

function settleInterface(context: StepContext, network: NetworkRecord, record: NetworkInterfaceRecord, derived: DerivedInterface): void {
  const row = context.state.tables.interfaceRuntime.get(record.id) ?? initialInterfaceRow(record.id);
  const why = whyInterface(context, record, derived);
  if (row.state === derived.state && row.reason.text === why) return;
  const healthy = derived.state === "Up" || derived.state === "Unavailable";
  context.state.tables.interfaceRuntime.put(record.id, { id: record.id, state: derived.state, reason: context.reason(derived.rule, why, healthy ? undefined : "muster network interfaces") });
  if (row.state === derived.state) return;
  const name = `${context.nodeName(record.node)} - ${record.adapter}`;
  const fields = { node: record.node, next: healthy ? null : "muster network interfaces" };
  if (derived.state === "Failed") context.event("InterfaceFailed", { ...fields, text: `The network interface '${name}' on '${network.name}' failed: ${why}` });
  if (derived.state === "Unreachable") context.event("InterfaceUnreachable", { ...fields, text: `The network interface '${name}' on '${network.name}' does not reach others: ${why}` });
  if (derived.state === "Up" && (row.state === "Failed" || row.state === "Unreachable")) context.event("InterfaceUp", { ...fields, text: `The network interface '${name}' on '${network.name}' is up again.` });
}

function whyInterface(context: StepContext, record: NetworkInterfaceRecord, { rule, missed }: DerivedInterface): string {
  switch (rule) {
    case "node down":
      return `Its node ${context.nodeName(record.node)} is not up.`;
    case "link down":
      return `The link of ${record.adapter} is down.`;
    case "heard by nobody":
      return "No other node answers on it, while others answer each other.";
    case "not reached":
      return `It does not reach ${namesOf(context, missed)}.`;
    case "alone":
      return `It works; there is no other on its network to compare it with.`;
    default:
      return `It reaches all others that work on its network.`;
  }
}

function settleNetwork(context: StepContext, network: NetworkRecord, derived: DerivedNetwork, records: ReadonlyMap<string, NetworkInterfaceRecord>): void {
  const row = context.state.tables.networkRuntime.get(network.id) ?? initialNetworkRow(network.id);
  const why = whyNetwork(context, derived, records);
  if (row.state === derived.state && row.reason.text === why) return;
  const healthy = derived.state === "Up";
  const reason = context.reason(derived.state.toLowerCase(), why, healthy ? undefined : "muster network interfaces");
  context.state.tables.networkRuntime.put(network.id, { id: network.id, state: derived.state, reason });
  if (row.state === derived.state) return;
  const fields = { next: healthy ? null : "muster network interfaces" };
  if (derived.state === "Partitioned") context.event("NetworkPartitioned", { ...fields, text: `The network '${network.name}' is partitioned: ${why}` });
  if (derived.state === "Down") context.event("NetworkDown", { ...fields, text: `The network '${network.name}' is down: ${why}` });
  if (healthy && (row.state === "Partitioned" || row.state === "Down")) context.event("NetworkUp", { ...fields, text: `The network '${network.name}' is up again.` });
}

function whyNetwork(context: StepContext, { state, interfaces }: DerivedNetwork, records: ReadonlyMap<string, NetworkInterfaceRecord>): string {
  if (state === "Unavailable") return "All nodes with an interface on it are down.";
  if (state === "Up") return "All its interfaces are up.";
  const bad = (wanted: string): string[] => interfaces.filter((one) => one.state === wanted).map((one) => `${context.nodeName(records.get(one.id)!.node)} - ${records.get(one.id)!.adapter}`);
  const parts = [["Failed", "failed"], ["Unreachable", "not reached by all"]].map(([name = "", words]) => ({ names: bad(name), words })).filter(({ names }) => names.length > 0);
  return `${parts.map(({ names, words }) => `${words}: ${names.join(", ")}`).join("; ")}.`;
}

function namesOf(context: StepContext, nodes: readonly NodeId[]): string {
  return nodes.map((node) => context.nodeName(node)).join(", ");
}
