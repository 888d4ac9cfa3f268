import { MusterError } from "../model/errors.ts";
import type { FaultDomainRecord, GroupRecord, NodeRecord } from "../model/objects.ts";
import { clusterProperties, groupProperties, nodeProperties } from "../model/properties.ts";
import { FaultDomainType } from "../model/states.ts";
import type { CommandOf, Configuring, Reaction } from "./command.ts";
import { sayChanged } from "./group-commands.ts";
import { FAULT_DOMAINS_MAX, TEXT_LENGTH_MAX } from "./limits.ts";
import { foldName } from "./order.ts";
import { checkName, findNode, invalid, mergeProperties, requireText, withProperty } from "./resolve.ts";
import { ONLY } from "./state.ts";
import type { ClusterState } from "./state.ts";

/** Commands on fault domains (reference 2.14), and where a node stands. They move nothing that runs. */

export function createFaultDomain({ state, stamp }: Configuring, command: CommandOf<"faultdomain.create">): Reaction {
  if (state.tables.faultDomains.size >= FAULT_DOMAINS_MAX) throw new MusterError("MUSTER_LIMIT", { what: "The number of fault domains", limit: FAULT_DOMAINS_MAX });
  const type = checkType(command.type);
  const domain: FaultDomainRecord = {
    id: `d${stamp.epoch}.${stamp.index}`,
    name: freeName(state, command.name, null),
    type,
    parent: checkParent(state, type, command.parent ?? null),
    location: checkText(command.location ?? "", "location"),
    description: checkText(command.description ?? "", "description"),
  };
  state.tables.faultDomains.put(domain.id, domain);
  return said(`The fault domain '${domain.name}' was created.`);
}

export function setFaultDomain({ state }: Configuring, command: CommandOf<"faultdomain.set">): Reaction {
  const before = findFaultDomain(state, command.domain);
  const domain: FaultDomainRecord = {
    ...before,
    name: command.name === undefined ? before.name : freeName(state, command.name, before),
    parent: command.parent === undefined ? before.parent : checkParent(state, before.type, command.parent),
    location: checkText(command.location ?? before.location, "location"),
    description: checkText(command.description ?? before.description, "description"),
  };
  state.tables.faultDomains.put(domain.id, domain);
  if (before.type === "Site" && domain.name !== before.name) renameSite(state, before.name, domain.name);
  return said(`The fault domain '${before.name}' was changed.${domain.name === before.name ? "" : ` Its name is now '${domain.name}'.`}`);
}

export function deleteFaultDomain({ state }: Configuring, command: CommandOf<"faultdomain.delete">): Reaction {
  const domain = findFaultDomain(state, command.domain);
  const inside = insideOf(state, domain);
  if (inside.length > 0) throw new MusterError("MUSTER_FAULT_DOMAIN_IN_USE", { field: "domain", name: domain.name, users: `${inside.join(", ")} ${inside.length === 1 ? "is" : "are"} in it` });
  const preferring = domain.type === "Site" ? preferringSite(state, domain.name) : [];
  if (preferring.length > 0) throw new MusterError("MUSTER_FAULT_DOMAIN_IN_USE", { field: "domain", name: domain.name, users: `it is the PreferredSite of ${preferring.join(", ")}` });
  state.tables.faultDomains.remove(domain.id);
  return said(`The fault domain '${domain.name}' was deleted.`);
}

/** Properties of a node, and the fault domain it stands in. */
export function setNode({ state }: Configuring, command: CommandOf<"node.set">): Reaction {
  const before = findNode(state, command.node);
  const { faultDomain, ...rest } = before;
  const domain = command.faultDomain === undefined ? faultDomain : command.faultDomain === null ? undefined : findFaultDomain(state, command.faultDomain, "faultDomain").id;
  const properties = mergeProperties(nodeProperties, before.properties, command.properties, "properties", "a node");
  state.tables.nodes.put(String(before.id), { ...rest, properties, ...(domain === undefined ? {} : { faultDomain: domain }) });
  return said(`The node ${before.name} was changed.`);
}

export function findFaultDomain(state: ClusterState, name: unknown, field = "domain"): FaultDomainRecord {
  const text = requireText(name, field);
  const found = named(state, text) ?? state.tables.faultDomains.get(text);
  if (found === undefined) throw new MusterError("MUSTER_FAULT_DOMAIN_NOT_FOUND", { field, name: text });
  return found;
}

/** Names of the domains and nodes that stand directly in it. */
export function insideOf(state: ClusterState, domain: FaultDomainRecord): string[] {
  const domains = state.tables.faultDomains.keys().map((id) => state.tables.faultDomains.get(id) as FaultDomainRecord);
  const nodes = state.nodeIds().map((id) => state.tables.nodes.get(String(id)) as NodeRecord);
  return [...domains.filter((other) => other.parent === domain.id), ...nodes.filter((node) => node.faultDomain === domain.id)].map((one) => one.name);
}

/** A PreferredSite that does not exist would be passed over silently: it is refused instead. */
export function checkPreferredSite(state: ClusterState, properties: unknown): void {
  const site = (properties as { readonly PreferredSite?: unknown } | null | undefined)?.PreferredSite;
  if (typeof site !== "string" || site === "") return;
  if (named(state, site)?.type !== "Site") throw new MusterError("MUSTER_FAULT_DOMAIN_NOT_FOUND", { field: "PreferredSite", name: site });
}

function named(state: ClusterState, name: string): FaultDomainRecord | undefined {
  const folded = foldName(name);
  for (const id of state.tables.faultDomains.keys()) {
    const domain = state.tables.faultDomains.get(id);
    if (domain !== undefined && foldName(domain.name) === folded) return domain;
  }
  return undefined;
}

/** Nodes are fault domains of the lowest level: their names count too. */
function freeName(state: ClusterState, value: unknown, own: FaultDomainRecord | null): string {
  const name = checkName(value);
  const taken = named(state, name);
  const isNode = state.nodeIds().some((id) => foldName(state.tables.nodes.get(String(id))?.name ?? "") === foldName(name));
  if (isNode || (taken !== undefined && taken.id !== own?.id)) throw new MusterError("MUSTER_NAME_IN_USE", { field: "name", name });
  return name;
}

/** A parent of a higher level: so there is no way round in a circle. */
function checkParent(state: ClusterState, type: FaultDomainType, name: string | null): string | null {
  if (name === null) return null;
  const parent = findFaultDomain(state, name, "parent");
  if (FaultDomainType[parent.type] >= FaultDomainType[type]) throw invalid("parent", `'${parent.name}' is a ${parent.type}, and a ${type} stands in something of a higher level (${Object.keys(FaultDomainType).join(", ")})`);
  return parent.id;
}

function checkType(value: unknown): FaultDomainType {
  const text = requireText(value, "type");
  const found = (Object.keys(FaultDomainType) as FaultDomainType[]).find((type) => foldName(type) === foldName(text));
  if (found === undefined) throw invalid("type", `one of ${Object.keys(FaultDomainType).join(", ")}; nodes are there by themselves`);
  return found;
}

function checkText(value: unknown, field: string): string {
  const text = requireText(value, field);
  if (text.length > TEXT_LENGTH_MAX) throw invalid(field, `a text of at most ${TEXT_LENGTH_MAX} characters is required`);
  return text;
}

/** Who names a site as preferred goes on to mean it. */
function renameSite(state: ClusterState, from: string, to: string): void {
  const cluster = state.tables.cluster.get(ONLY);
  if (cluster !== undefined && prefers(cluster.properties, from)) state.tables.cluster.put(ONLY, { ...cluster, properties: withProperty(clusterProperties, cluster.properties, "PreferredSite", to) });
  for (const id of state.tables.groups.keys()) {
    const group = state.tables.groups.get(id) as GroupRecord;
    if (prefers(group.properties, from)) state.tables.groups.put(id, { ...group, properties: withProperty(groupProperties, group.properties, "PreferredSite", to) });
  }
}

function preferringSite(state: ClusterState, site: string): string[] {
  const cluster = state.tables.cluster.get(ONLY);
  const groups = state.tables.groups.keys().map((id) => state.tables.groups.get(id) as GroupRecord);
  const names = groups.filter((group) => prefers(group.properties, site)).map((group) => `'${group.name}'`);
  return cluster !== undefined && prefers(cluster.properties, site) ? ["the cluster", ...names] : names;
}

function prefers(properties: GroupRecord["properties"], site: string): boolean {
  return foldName(String(properties["PreferredSite"] ?? "")) === foldName(site);
}

/** What waited for a place may find one now. */
function said(text: string): Reaction {
  return (context) => {
    sayChanged(context, null, text);
    context.touchWaiting();
    return null;
  };
}
