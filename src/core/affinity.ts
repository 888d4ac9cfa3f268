import type { GroupId, NodeId } from "../model/identifiers.ts";
import type { AffinityRuleRecord, GroupRecord } from "../model/objects.ts";
import { clusterProperties, numberPropertyOf } from "../model/properties.ts";
import type { AffinityRuleType } from "../model/states.ts";
import type { StepContext } from "./context.ts";
import { faultDomainName, faultDomainOf } from "./fault-domains.ts";
import { isRunning } from "./group-state.ts";
import { classesOf } from "./placement-indices.ts";
import { ONLY } from "./state.ts";
import type { ClusterState } from "./state.ts";
import { wantsAnything } from "./wanted.ts";

/**
 * Which roles shall be together or apart (reference 2.10). Classic anti-affinity is a rule
 * DifferentNode for every pair that shares a class name: soft, or hard with ClusterEnforcedAntiAffinity.
 */

interface Peer {
  readonly group: GroupId;
  readonly type: Exclude<AffinityRuleType, "None">;
  readonly hard: boolean;
  /** What makes them peers, for people. */
  readonly by: string;
}

/** What the rules say of one role, as things stand now. */
export interface AffinityView {
  /** The hard rule that would be broken, as the end of a sentence "node X …"; null = none. */
  broken(node: NodeId): string | null;
  /** The same for soft rules, one text for each. */
  bent(node: NodeId): readonly string[];
  /** A role that must be on the same node and can never be on this one; null = none. */
  leftBehind(node: NodeId, canNever: (group: GroupRecord, node: NodeId) => boolean): string | null;
}

/** null = no rule speaks of the role: the usual case, and it costs two look-ups. */
export function affinityOf(context: StepContext, group: GroupRecord): AffinityView | null {
  const peers = peersOf(context.state, group);
  return peers.length === 0 ? null : new Affinity(context, peers);
}

export function hasPeers(state: ClusterState, group: GroupRecord): boolean {
  return state.placement.rulesByGroup.count(group.id) > 0 || group.properties["AntiAffinityClassNames"] !== undefined;
}

/** Roles that a rule in force or a class name ties to this one. */
export function peersOf(state: ClusterState, group: GroupRecord): Peer[] {
  if (!hasPeers(state, group)) return [];
  const peers: Peer[] = [];
  for (const id of state.placement.rulesByGroup.of(group.id)) {
    const rule = state.tables.affinityRules.get(id);
    if (rule === undefined || !rule.enabled || rule.type === "None") continue;
    for (const other of rule.groups) if (other !== group.id) peers.push({ group: other, type: rule.type, hard: !rule.soft, by: `the affinity rule '${rule.name}'` });
  }
  const hard = numberPropertyOf(clusterProperties, state.tables.cluster.get(ONLY)?.properties ?? {}, "ClusterEnforcedAntiAffinity") === 1;
  for (const name of classesOf(group)) {
    for (const other of state.placement.groupsByClass.of(name)) if (other !== group.id) peers.push({ group: other, type: "DifferentNode", hard, by: `the anti-affinity class '${name}'` });
  }
  return peers;
}

interface Claim {
  readonly hard: boolean;
  /** Node or fault domain it speaks of. */
  readonly where: string;
  readonly text: string;
}

class Affinity implements AffinityView {
  readonly #context: StepContext;
  readonly #together: readonly GroupId[];
  /** Nodes to keep away from, domains to keep away from, nodes and domains to be in. */
  readonly #notNode: Claim[] = [];
  readonly #notDomain: Claim[] = [];
  readonly #onNode: Claim[] = [];
  readonly #inDomain: Claim[] = [];

  constructor(context: StepContext, peers: readonly Peer[]) {
    this.#context = context;
    this.#together = peers.filter((peer) => peer.type === "SameNode" && peer.hard).map((peer) => peer.group);
    for (const peer of peers) this.#add(peer);
  }

  broken(node: NodeId): string | null {
    return this.#violations(node, true)[0] ?? null;
  }

  bent(node: NodeId): readonly string[] {
    return this.#violations(node, false);
  }

  leftBehind(node: NodeId, canNever: (group: GroupRecord, node: NodeId) => boolean): string | null {
    for (const id of this.#together) {
      const group = this.#context.state.tables.groups.get(id);
      if (group !== undefined && wantsAnything(this.#context.state, id) && canNever(group, node)) return group.name;
    }
    return null;
  }

  #violations(node: NodeId, hard: boolean): string[] {
    const key = String(node);
    const domain = this.#notDomain.length + this.#inDomain.length === 0 ? "" : faultDomainOf(this.#context, node);
    const found: string[] = [];
    for (const claim of this.#notNode) if (claim.hard === hard && claim.where === key) found.push(claim.text);
    for (const claim of this.#notDomain) if (claim.hard === hard && claim.where === domain) found.push(claim.text);
    for (const claim of this.#onNode) if (claim.hard === hard && claim.where !== key) found.push(claim.text);
    for (const claim of this.#inDomain) if (claim.hard === hard && claim.where !== domain) found.push(claim.text);
    return found;
  }

  #add(peer: Peer): void {
    const context = this.#context;
    const name = context.state.tables.groups.get(peer.group)?.name ?? peer.group;
    const { hard, by } = peer;
    switch (peer.type) {
      case "DifferentNode":
        for (const node of occupied(context, peer.group)) this.#notNode.push({ hard, where: String(node), text: `has '${name}', which ${by} keeps apart` });
        return;
      case "DifferentFaultDomain":
        for (const node of occupied(context, peer.group)) this.#notDomain.push({ hard, where: faultDomainOf(context, node), text: `is in the fault domain of '${name}' (${faultDomainName(context, node)}), which ${by} keeps apart` });
        return;
      case "SameNode": {
        const node = anchor(context, peer.group);
        if (node !== null) this.#onNode.push({ hard, where: String(node), text: `is not where '${name}' is (${context.nodeName(node)}), which ${by} keeps together` });
        return;
      }
      case "SameFaultDomain": {
        const node = anchor(context, peer.group);
        if (node !== null) this.#inDomain.push({ hard, where: faultDomainOf(context, node), text: `is not in the fault domain of '${name}' (${faultDomainName(context, node)}), which ${by} keeps together` });
      }
    }
  }
}

/** Every node on which the role serves, still runs, or will be in a moment. */
function occupied(context: StepContext, id: GroupId): NodeId[] {
  const { owner, movingTo } = context.group(id);
  if (owner === null || (!wantsAnything(context.state, id) && !runs(context, id))) return [];
  const nodes = movingTo === null || movingTo === owner ? [owner] : [owner, movingTo];
  return nodes.filter((node) => context.node(node).state !== "Down");
}

/**
 * The node that a role gives to those that must be with it. One that is about to lose its roles (down, paused, quarantined)
 * gives nothing: the first role that leaves it chooses, and the others follow.
 */
function anchor(context: StepContext, id: GroupId): NodeId | null {
  const { owner, movingTo } = context.group(id);
  const node = movingTo ?? owner;
  if (node === null || !wantsAnything(context.state, id)) return null;
  const { nodes, quarantines } = context.state.tables;
  if (context.node(node).state !== "Up" || context.node(node).leaving || nodes.get(String(node))?.paused === true || quarantines.has(String(node))) return null;
  return node;
}

function runs(context: StepContext, id: GroupId): boolean {
  return context.state.someResourceOf(id, (resource) => isRunning(context.resource(resource)));
}

/** An administrator insists on that node: the rules do not speak against it while the group stays there. */
export function ignoreAffinityOn(context: StepContext, group: GroupId, node: NodeId | null): void {
  if (node !== null) context.state.tables.affinityIgnored.put(group, { node });
}

/** Pairs of roles that are not as the rule wants them now, in sentences. */
export function violationsOf(context: StepContext, rule: AffinityRuleRecord): string[] {
  if (!rule.enabled || rule.type === "None") return [];
  const found: string[] = [];
  for (const id of rule.groups) {
    const group = context.state.tables.groups.get(id);
    const { owner } = context.group(id);
    if (group === undefined || owner === null || !wantsAnything(context.state, id)) continue;
    const { type } = rule;
    const later = rule.groups.slice(rule.groups.indexOf(id) + 1);
    const view = new Affinity(context, later.map((other) => ({ group: other, type: type as Peer["type"], hard: true, by: `the affinity rule '${rule.name}'` })));
    const broken = view.broken(owner);
    if (broken !== null) found.push(`'${group.name}' is on ${context.nodeName(owner)}, which ${broken}.`);
  }
  return found;
}
