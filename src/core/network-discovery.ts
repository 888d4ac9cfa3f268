import { MusterError } from "../model/errors.ts";
import type { NodeId } from "../model/identifiers.ts";
import type { NetworkInterfaceRecord, NetworkRecord, PropertyBag } from "../model/objects.ts";
import { clusterProperties, networkProperties, numberPropertyOf } from "../model/properties.ts";
import { NetworkRole } from "../model/states.ts";
import type { CommandOf, Configuring, Reaction } from "./command.ts";
import { sayChanged } from "./group-commands.ts";
import { lookAtNetworksAgain } from "./network-step.ts";
import { ADDRESSES_PER_INTERFACE_MAX, INTERFACES_PER_NODE_MAX, NAME_LENGTH_MAX, TEXT_LENGTH_MAX } from "./limits.ts";
import { allInterfaces, allNetworks, interfaceId } from "./network-records.ts";
import { compareText, foldName, sortedText } from "./order.ts";
import { findNode, invalid, requireText, withProperty } from "./resolve.ts";
import { ONLY } from "./state.ts";
import type { ClusterState } from "./state.ts";
import { parseSubnet } from "./subnets.ts";

/**
 * Networks are found, not made (reference 2.1, 2.7): each node tells which adapters it has, and subnets that
 * adapters share are one network. The number of adapters is bounded and has nothing to do with roles, so all of
 * them are looked at whenever one node's have changed.
 */

interface FoundAdapter {
  readonly record: Omit<NetworkInterfaceRecord, "network">;
  readonly prefixes: readonly string[];
  readonly defaultGateway: boolean;
}

export function discoverNetworks({ state, stamp }: Configuring, command: CommandOf<"network.discover">): Reaction {
  const node = findNode(state, command.node);
  const found = checkAdapters(state, node.id, command.interfaces);
  const others = allInterfaces(state).filter((one) => one.node !== node.id);
  const change = settle(state, `${stamp.epoch}.${stamp.index}`, [...others.map(knownAdapter), ...found]);
  return said(change, `The adapters of ${node.name} are ${found.length === 0 ? "gone" : found.map(({ record }) => record.adapter).join(", ")}.`);
}

/** Whether telling this of the node would change anything. @throws MusterError when it makes no sense */
export function discoveryChanges(state: ClusterState, node: NodeId, interfaces: CommandOf<"network.discover">["interfaces"]): boolean {
  const told = (one: FoundAdapter["record"]): unknown => [one.id, one.hardwareAddress, one.addresses];
  const known = allInterfaces(state).filter((one) => one.node === node);
  return !sameJson(known.map(told), checkAdapters(state, node, interfaces).map(({ record }) => told(record)));
}

/** A node that is no longer configured has no interfaces. Returns what follows at run time. */
export function forgetInterfacesOf({ state, stamp }: Configuring, node: NodeId): Reaction {
  const left = allInterfaces(state).filter((one) => one.node !== node);
  return said(settle(state, `${stamp.epoch}.${stamp.index}`, left.map(knownAdapter)), null);
}

interface Change {
  readonly appeared: readonly NetworkRecord[];
  readonly gone: readonly { readonly network: NetworkRecord; /** The one that has its subnets now. */ readonly into: NetworkRecord | null }[];
  readonly changed: boolean;
}

/** Makes the tables say that these are the adapters of the cluster. What is so already is not written again. */
function settle(state: ClusterState, place: string, adapters: readonly FoundAdapter[]): Change {
  const before = allNetworks(state);
  const taken = new Set<string>();
  const appeared: NetworkRecord[] = [];
  const records = new Map<string, NetworkInterfaceRecord>();
  let changed = false;
  for (const { members, prefixes } of componentsOf(adapters)) {
    // The oldest network that had one of these subnets goes on as this one; what else was one network is not any more.
    const known = before.find((network) => !taken.has(network.id) && network.prefixes.some((prefix) => prefixes.includes(prefix)));
    const network = known ?? newNetwork(state, `n${place}.${appeared.length}`, prefixes, members.some((member) => member.defaultGateway));
    taken.add(network.id);
    if (known === undefined) appeared.push(network);
    if (known === undefined || !sameJson(known.prefixes, prefixes)) {
      state.tables.networks.put(network.id, { ...network, prefixes });
      changed = true;
    }
    for (const { record } of members) {
      const { id, node, adapter, hardwareAddress, addresses, properties } = record;
      records.set(id, { id, node, network: network.id, adapter, hardwareAddress, addresses, properties });
    }
  }
  const unclaimed = before.filter((network) => !taken.has(network.id));
  for (const network of unclaimed) state.tables.networks.remove(network.id);
  const left = allNetworks(state);
  const gone = unclaimed.map((network) => ({ network, into: left.find((other) => network.prefixes.some((prefix) => other.prefixes.includes(prefix))) ?? null }));
  const { networkInterfaces } = state.tables;
  for (const key of networkInterfaces.keys()) {
    if (records.has(key)) continue;
    networkInterfaces.remove(key);
    changed = true;
  }
  for (const [id, record] of records) {
    if (sameJson(networkInterfaces.get(id), record)) continue;
    networkInterfaces.put(id, record);
    changed = true;
  }
  return { appeared, gone, changed };
}

/** Adapters that share a subnet, directly or through others, are on one network. */
function componentsOf(adapters: readonly FoundAdapter[]): { readonly members: readonly FoundAdapter[]; readonly prefixes: readonly string[] }[] {
  const components: { members: FoundAdapter[]; prefixes: Set<string> }[] = [];
  for (const adapter of adapters) {
    const touching = components.filter((component) => adapter.prefixes.some((prefix) => component.prefixes.has(prefix)));
    const [first = { members: [], prefixes: new Set<string>() }, ...rest] = touching;
    if (touching.length === 0) components.push(first);
    for (const other of rest) {
      first.members.push(...other.members);
      for (const prefix of other.prefixes) first.prefixes.add(prefix);
      components.splice(components.indexOf(other), 1);
    }
    first.members.push(adapter);
    for (const prefix of adapter.prefixes) first.prefixes.add(prefix);
  }
  return components.map(({ members, prefixes }) => ({ members, prefixes: sortedPrefixes(prefixes) }));
}

/** IPv4 first: it is the one that the property Address shows. */
function sortedPrefixes(prefixes: Iterable<string>): string[] {
  const sorted = sortedText(prefixes);
  return [...sorted.filter((prefix) => !prefix.includes(":")), ...sorted.filter((prefix) => prefix.includes(":"))];
}

/** Without a default gateway a network is for the cluster only, with one for both (reference 2.7); DefaultNetworkRole limits it. */
function newNetwork(state: ClusterState, id: string, prefixes: readonly string[], gateway: boolean): NetworkRecord {
  const limit = numberPropertyOf(clusterProperties, state.tables.cluster.get(ONLY)?.properties ?? {}, "DefaultNetworkRole");
  const allowed = (gateway ? NetworkRole.InternalAndClient : NetworkRole.InternalUse) & limit;
  // For clients alone there is no network (reference 2.7).
  const role = allowed === NetworkRole.ClientAccess ? NetworkRole.None : allowed;
  const properties: PropertyBag = withProperty(networkProperties, {}, "Role", role);
  return { id, name: freeNumberedName(state), prefixes, properties };
}

function freeNumberedName(state: ClusterState): string {
  const taken = new Set(allNetworks(state).map((network) => foldName(network.name)));
  let number = 1;
  while (taken.has(`network ${number}`)) number += 1;
  return `Network ${number}`;
}

function knownAdapter(record: NetworkInterfaceRecord): FoundAdapter {
  return { record, prefixes: prefixesOf(record.addresses), defaultGateway: false };
}

function prefixesOf(addresses: readonly string[]): string[] {
  return [...new Set(addresses.map((address) => parseSubnet(address)?.prefix).filter((prefix) => prefix !== undefined))];
}

/** @throws MusterError naming what is wrong; an adapter without an address is on no network and is left out */
function checkAdapters(state: ClusterState, node: NodeId, given: unknown): FoundAdapter[] {
  if (!Array.isArray(given)) throw invalid("interfaces", "a list of adapters is required");
  if (given.length > INTERFACES_PER_NODE_MAX) throw new MusterError("MUSTER_LIMIT", { field: "interfaces", what: "The number of adapters of a node", limit: INTERFACES_PER_NODE_MAX });
  const adapters = given.map((one: unknown, position) => checkAdapter(state, node, one, `interfaces[${position}]`)).sort((left, right) => compareText(left.record.adapter, right.record.adapter));
  const twice = adapters.find((one, position) => one.record.id === adapters[position + 1]?.record.id);
  if (twice !== undefined) throw invalid("interfaces", `the adapter '${twice.record.adapter}' is there twice`);
  return adapters.filter((one) => one.prefixes.length > 0);
}

function checkAdapter(state: ClusterState, node: NodeId, given: unknown, field: string): FoundAdapter {
  const one = (typeof given === "object" && given !== null ? given : {}) as Readonly<Record<string, unknown>>;
  const adapter = requireText(one["adapter"], `${field}.adapter`);
  if (!/^[!-.0-~]+$/.test(adapter) || adapter.length > NAME_LENGTH_MAX) throw invalid(`${field}.adapter`, `1 to ${NAME_LENGTH_MAX} printable characters without blanks and "/"`);
  const hardwareAddress = requireText(one["hardwareAddress"], `${field}.hardwareAddress`);
  if (hardwareAddress.length > TEXT_LENGTH_MAX) throw invalid(`${field}.hardwareAddress`, `at most ${TEXT_LENGTH_MAX} characters`);
  const listed: unknown = one["addresses"];
  if (!Array.isArray(listed)) throw invalid(`${field}.addresses`, "a list of address/length is required");
  if (listed.length > ADDRESSES_PER_INTERFACE_MAX) throw new MusterError("MUSTER_LIMIT", { field: `${field}.addresses`, what: "The number of addresses of an adapter", limit: ADDRESSES_PER_INTERFACE_MAX });
  const addresses = [...new Set(listed.map((address: unknown) => {
    const subnet = parseSubnet(requireText(address, `${field}.addresses`));
    if (subnet === null) throw invalid(`${field}.addresses`, `'${String(address)}' is not an address/length`);
    return subnet.text;
  }))];
  const id = interfaceId(node, adapter);
  const properties = state.tables.networkInterfaces.get(id)?.properties ?? {};
  return { record: { id, node, adapter, hardwareAddress, addresses, properties }, prefixes: prefixesOf(addresses), defaultGateway: one["defaultGateway"] === true };
}

function said({ appeared, gone, changed }: Change, text: string | null): Reaction {
  return (context) => {
    if (!changed && gone.length === 0) return "Nothing has changed.";
    if (text !== null) sayChanged(context, null, text);
    for (const network of appeared) sayChanged(context, null, `The network '${network.name}' was found: ${network.prefixes.join(", ")}.`);
    for (const { network, into } of gone) sayChanged(context, null, `The network '${network.name}' (${network.prefixes.join(", ")}) is gone: ${into === null ? "no node has an interface on it any more" : `an adapter joins it to '${into.name}'`}.`);
    lookAtNetworksAgain(context);
    return null;
  };
}

function sameJson(left: unknown, right: unknown): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}
