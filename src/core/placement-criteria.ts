import type { NodeId } from "../model/identifiers.ts";
import type { GroupRecord } from "../model/objects.ts";
import { clusterProperties, numberPropertyOf, propertyOf } from "../model/properties.ts";
import type { AffinityView } from "./affinity.ts";
import { loadsOf, ownLoad } from "./capacity.ts";
import type { StepContext } from "./context.ts";
import { effectiveOrder, whyNeverOn } from "./eligibility.ts";
import { siteOf, standsInSite } from "./fault-domains.ts";
import { hashText } from "./hash.ts";
import { lastOwner } from "./last-owner.ts";
import type { PlacementRequest } from "./placement.ts";
import { ONLY } from "./state.ts";

/** One thing that nodes are compared by. */
export interface Criterion {
  /** Less is better. */
  value(node: NodeId): number;
  /** Why a node comes before another one, when this decides. */
  better(node: NodeId): string;
  worse(node: NodeId): string;
}

/**
 * What nodes that can host a group are compared by, most important first. Left out is what cannot make a
 * difference: without sites, rules and lists three or fewer remain.
 *
 * The order is the reference's (2.10 "Sites"): storage stands above the group's site, that above the
 * cluster's. There is no storage yet; its affinity will be a criterion at the top of this list.
 * Preferred owners and sites: a node that an administrator named for this very role counts as being in the
 * cluster's preferred site and in the same site, because a name is more exact than a rule for everybody. The
 * role's own PreferredSite stands above its list: both were said of the role, and a site that
 * gave way to every list would be good for nothing.
 */
export function criteriaOf(context: StepContext, group: GroupRecord, request: PlacementRequest, affinity: AffinityView | null): Criterion[] {
  const criteria: Criterion[] = [];
  if (context.state.tables.faultDomains.size > 0) criteria.push(...siteCriteria(context, group, request));
  if (affinity !== null) criteria.push(...affinityCriteria(context, request, affinity));
  const byOrder = byTheList(context, group, request);
  if (byOrder !== null) criteria.push(byOrder);
  if (request.situation !== "failure") criteria.push(byLoad(context, group), byLot(context, group));
  return criteria;
}

function siteCriteria(context: StepContext, group: GroupRecord, request: PlacementRequest): Criterion[] {
  const criteria: Criterion[] = [];
  const named = (node: NodeId): boolean => group.preferredOwners.includes(node);
  const own = String(group.properties["PreferredSite"] ?? "");
  if (own !== "") criteria.push(yesOrNo((node) => standsInSite(context, node, own), `it is in the role's preferred site '${own}'`, `it is not in the role's preferred site '${own}'`));
  const cluster = context.once("preferred site", () => String(propertyOf(clusterProperties, context.state.tables.cluster.get(ONLY)?.properties ?? {}, "PreferredSite")));
  if (cluster !== "") criteria.push(yesOrNo((node) => named(node) || standsInSite(context, node, cluster), `it is in the cluster's preferred site '${cluster}'`, `it is not in the cluster's preferred site '${cluster}'`));
  const from = request.from ?? null;
  const left = from === null ? null : siteOf(context, from);
  if (from !== null && left !== null) {
    criteria.push(yesOrNo((node) => named(node) || siteOf(context, node) === left, `it is in the same site as ${context.nodeName(from)}`, `it is in another site than ${context.nodeName(from)}`));
  }
  return criteria;
}

function affinityCriteria(context: StepContext, request: PlacementRequest, affinity: AffinityView): Criterion[] {
  const canNever = (other: GroupRecord, node: NodeId): boolean => whyNeverOn(context, other, node) !== null;
  const follow: Criterion = {
    value: (node) => (affinity.leftBehind(node, canNever) === null ? 0 : 1),
    better: () => "every role that must be with it can be there",
    worse: (node) => `'${affinity.leftBehind(node, canNever)}', which must be with it, can never be there`,
  };
  if (request.ignoreAffinity === true) return [];
  const soft: Criterion = {
    value: (node) => affinity.bent(node).length,
    better: () => "no affinity rule speaks against it as much",
    worse: (node) => `it ${affinity.bent(node)[0] ?? "breaks an affinity rule"}`,
  };
  return [soft, follow];
}

/** The list of preferred owners, the node it ran on last, or the order of nodes; null = none of them says anything. */
function byTheList(context: StepContext, group: GroupRecord, request: PlacementRequest): Criterion | null {
  const listed = (node: NodeId): number => {
    const position = group.preferredOwners.indexOf(node);
    return position < 0 ? group.preferredOwners.length : position;
  };
  const say = (node: NodeId): string => (group.preferredOwners.includes(node) ? `preferred owner number ${listed(node) + 1}` : "it is no preferred owner");
  if (request.situation === "failure" && request.from !== undefined && request.from !== null) return roundFrom(context, group, request.from, () => 0);
  if (request.situation === "nodeLost" && request.from !== undefined && request.from !== null && keepsToOrder(context)) return roundFrom(context, group, request.from, listed);
  if (group.preferredOwners.length > 0) return { value: listed, better: say, worse: say };
  const last = request.situation === "start" ? lastOwner(context.state, group) : null;
  return last === null ? null : yesOrNo((node) => node === last, "it ran there last", "it ran elsewhere last");
}

/** Circular: the next in the list after the node it leaves, and never back to the top. */
function roundFrom(context: StepContext, group: GroupRecord, from: NodeId, above: (node: NodeId) => number): Criterion {
  const order = effectiveOrder(context, group);
  const positions = new Map(order.map((node, position) => [node, position]));
  const start = positions.get(from) ?? 0;
  const distance = (node: NodeId): number => ((positions.get(node) ?? 0) - start + order.length) % order.length;
  return {
    value: (node) => above(node) * order.length + distance(node),
    better: () => `next in the list after ${context.nodeName(from)}`,
    worse: () => "further down in the list",
  };
}

/** After the loss of a node roles without a list go by lot, unless an administrator wants the order of nodes (reference 1.10). */
function keepsToOrder(context: StepContext): boolean {
  return context.once("order of nodes", () => numberPropertyOf(clusterProperties, context.state.tables.cluster.get(ONLY)?.properties ?? {}, "DisableGroupPreferredOwnerRandomization") === 1);
}

function byLoad(context: StepContext, group: GroupRecord): Criterion {
  const loads = loadsOf(context);
  const own = ownLoad(context, group);
  const value = (node: NodeId): number => (loads.get(node) ?? 0) - (own.nodes.includes(node) ? own.weight : 0);
  const say = (node: NodeId): string => `the load of its other roles is ${value(node)}`;
  return { value, better: say, worse: say };
}

/** Spreads groups over equally loaded nodes without any order of nodes being favoured; the same on every node. */
function byLot(context: StepContext, group: GroupRecord): Criterion {
  const draw = (node: NodeId): number => hashText(`${context.stamp.epoch} ${group.id} ${node}`).high >>> 0;
  return { value: draw, better: () => "the lot fell on it", worse: () => "by lot" };
}

function yesOrNo(is: (node: NodeId) => boolean, yes: string, no: string): Criterion {
  return { value: (node) => (is(node) ? 0 : 1), better: () => yes, worse: () => no };
}
