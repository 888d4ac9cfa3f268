import type { ClusterState } from "../../src/core/index.ts";
import type { NodeId } from "../../src/model/identifiers.ts";
import type { GroupRecord } from "../../src/model/objects.ts";
import { UNSET } from "../../src/model/states.ts";

/** The rules of placement once more, as plainly as they can be said: what the core decides is held against them. */

/** Whether anything of the role shall be online. */
export function wantsOnline(state: ClusterState, group: GroupRecord): boolean {
  const resources = resourcesOf(state, group);
  const own = group.properties["PersistentState"] === 1;
  if (resources.length === 0) return own;
  return resources.some(({ properties }) => (properties["PersistentState"] === undefined ? own : properties["PersistentState"] === 1));
}

export function resourcesOf(state: ClusterState, group: GroupRecord) {
  return state.tables.resources
    .keys()
    .map((key) => state.tables.resources.get(key)!)
    .filter((resource) => resource.group === group.id);
}

/** A node that takes roles now. */
export function takesRoles(state: ClusterState, node: NodeId): boolean {
  const row = state.tables.nodeRuntime.get(String(node));
  const record = state.tables.nodes.get(String(node));
  return row !== undefined && record !== undefined && row.state === "Up" && row.inventoryKnown && !row.leaving && !record.paused && !state.tables.quarantines.has(String(node));
}

/** The hard rule about nodes that a role would break there; null = none. */
export function brokenRule(state: ClusterState, group: GroupRecord, node: NodeId): string | null {
  const { affinityRules } = state.tables;
  for (const key of affinityRules.keys()) {
    const rule = affinityRules.get(key)!;
    if (!rule.enabled || rule.soft || !rule.groups.includes(group.id)) continue;
    for (const id of rule.groups) {
      const other = id === group.id ? undefined : state.tables.groups.get(id);
      if (other === undefined) continue;
      const at = placeOf(state, other);
      if (at === null || !wantsOnline(state, other)) continue;
      if (rule.type === "DifferentNode" && at === node && state.tables.nodeRuntime.get(String(at))?.state !== "Down") return `'${rule.name}' keeps it apart from '${other.name}'`;
      if (rule.type === "SameNode" && at !== node && takesRolesOrJoins(state, at)) return `'${rule.name}' keeps it together with '${other.name}' on node ${at}`;
    }
  }
  if (state.tables.cluster.get("-")?.properties["ClusterEnforcedAntiAffinity"] !== 1) return null;
  const classes = classesOf(group);
  for (const id of state.tables.groups.keys()) {
    const other = state.tables.groups.get(id)!;
    if (id === group.id || !wantsOnline(state, other) || placeOf(state, other) !== node) continue;
    const shared = classesOf(other).find((name) => classes.includes(name));
    if (shared !== undefined && state.tables.nodeRuntime.get(String(node))?.state !== "Down") return `both it and '${other.name}' are of the class '${shared}'`;
  }
  return null;
}

/** Whether anything at all speaks against a role on a node now; weights are looked at without a thought of pushing others out. */
export function mayHost(state: ClusterState, group: GroupRecord, node: NodeId): boolean {
  if (!takesRoles(state, node)) return false;
  if (resourcesOf(state, group).some((resource) => resource.possibleOwners !== null && !resource.possibleOwners.includes(node))) return false;
  if (inHardRuleOfDomains(state, group) || brokenRule(state, group, node) !== null) return false;
  const capacity = Number(state.tables.nodes.get(String(node))!.properties["NodeCapacity"] ?? UNSET);
  if (capacity === UNSET) return true;
  let taken = weightOf(group);
  for (const id of state.tables.groups.keys()) {
    const other = state.tables.groups.get(id)!;
    if (id !== group.id && placeOf(state, other) === node && wantsOnline(state, other) && !state.tables.preempted.has(id)) taken += weightOf(other);
  }
  return taken <= capacity;
}

/** Rules about fault domains are not said again here; a role in one is only asked whether it says why it waits. */
function inHardRuleOfDomains(state: ClusterState, group: GroupRecord): boolean {
  return state.tables.affinityRules.keys().some((key) => {
    const rule = state.tables.affinityRules.get(key)!;
    return rule.enabled && !rule.soft && rule.groups.includes(group.id) && (rule.type === "SameFaultDomain" || rule.type === "DifferentFaultDomain" || rule.type === "SameNode");
  });
}

function placeOf(state: ClusterState, group: GroupRecord): NodeId | null {
  const row = state.tables.groupRuntime.get(group.id);
  return row === undefined ? null : (row.movingTo ?? row.owner);
}

function takesRolesOrJoins(state: ClusterState, node: NodeId): boolean {
  const row = state.tables.nodeRuntime.get(String(node));
  return row?.state === "Up" && !row.leaving && state.tables.nodes.get(String(node))?.paused !== true && !state.tables.quarantines.has(String(node));
}

function classesOf(group: GroupRecord): readonly string[] {
  const names = group.properties["AntiAffinityClassNames"];
  return Array.isArray(names) ? (names as string[]) : [];
}

function weightOf(group: GroupRecord): number {
  return Number(group.properties["GroupWeight"] ?? 1);
}
