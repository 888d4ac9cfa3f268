import type { GroupId, NodeId } from "../model/identifiers.ts";
import type { AffinityRuleRecord, FaultDomainRecord, GroupRecord } from "../model/objects.ts";
import { GroupStatus } from "../model/states.ts";
import type { AffinityRuleView, FaultDomainView } from "../model/views.ts";
import { findAffinityRule } from "./affinity-commands.ts";
import { violationsOf } from "./affinity.ts";
import { obstacleFor } from "./eligibility.ts";
import { findFaultDomain, insideOf } from "./fault-domain-commands.ts";
import { lastOwner } from "./last-owner.ts";
import { contextOf } from "./looking.ts";
import { compareText, foldName } from "./order.ts";
import { WAITING } from "./placement-indices.ts";
import type { ClusterState } from "./state.ts";

/** What people see of placement: fault domains, affinity rules, and what they make of roles and nodes. Reads only. */

export function describeFaultDomains(state: ClusterState): FaultDomainView[] {
  return state.tables.faultDomains
    .keys()
    .map((id) => viewOfDomain(state, state.tables.faultDomains.get(id) as FaultDomainRecord))
    .sort((left, right) => compareText(foldName(left.name), foldName(right.name)));
}

/** @throws MusterError MUSTER_FAULT_DOMAIN_NOT_FOUND */
export function describeFaultDomain(state: ClusterState, name: string): FaultDomainView {
  return viewOfDomain(state, findFaultDomain(state, name));
}

function viewOfDomain(state: ClusterState, domain: FaultDomainRecord): FaultDomainView {
  const { id, name, type, location, description } = domain;
  const parent = domain.parent === null ? null : (state.tables.faultDomains.get(domain.parent)?.name ?? null);
  return { id, name, type, parent, location, description, children: insideOf(state, domain) };
}

export function describeAffinityRules(state: ClusterState): AffinityRuleView[] {
  return state.tables.affinityRules
    .keys()
    .map((id) => viewOfRule(state, state.tables.affinityRules.get(id) as AffinityRuleRecord))
    .sort((left, right) => compareText(foldName(left.name), foldName(right.name)));
}

/** @throws MusterError MUSTER_AFFINITY_RULE_NOT_FOUND */
export function describeAffinityRule(state: ClusterState, name: string): AffinityRuleView {
  return viewOfRule(state, findAffinityRule(state, name));
}

function viewOfRule(state: ClusterState, rule: AffinityRuleRecord): AffinityRuleView {
  const { id, name, type, enabled, soft } = rule;
  const groups = rule.groups.map((group) => state.tables.groups.get(group)?.name ?? group);
  return { id, name, type, groups, enabled, soft, violations: violationsOf(contextOf(state), rule) };
}

export function rulesOf(state: ClusterState, group: GroupId): string[] {
  return state.placement.rulesByGroup
    .of(group)
    .map((id) => state.tables.affinityRules.get(id)?.name ?? id)
    .sort(compareText);
}

export function nameOfLastOwner(state: ClusterState, group: GroupRecord): string | null {
  const last = lastOwner(state, group);
  return last === null ? null : (state.tables.nodes.get(String(last))?.name ?? null);
}

export function quarantinedUntil(state: ClusterState, node: NodeId): number | "cleared" | null {
  const row = state.tables.quarantines.get(String(node));
  return row === undefined ? null : (row.untilWallMs ?? "cleared");
}

/** Bits of a group's StatusInformation that say why it has no node (reference 2.3). */
export function placementBits(state: ClusterState, group: GroupRecord): number {
  const preempted = state.tables.preempted.has(group.id) ? GroupStatus.Preempted : 0;
  if (preempted === 0 && state.tables.groupRuntime.get(group.id)?.reason.rule !== WAITING) return 0;
  const context = contextOf(state);
  const kinds = new Set(state.nodeIds().map((node) => obstacleFor(context, group, node)?.kind));
  return preempted | (kinds.has("room") ? GroupStatus.PhysicalResourcesLacking : 0) | (kinds.has("affinity") ? GroupStatus.OfflineDueToAntiAffinityConflict : 0);
}
