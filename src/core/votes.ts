import type { NodeId } from "../model/identifiers.ts";
import type { NodeRecord, WitnessRecord } from "../model/objects.ts";
import { clusterProperties, nodeProperties, numberPropertyOf } from "../model/properties.ts";
import type { Weights } from "../model/votes.ts";
import { assignVotes } from "../quorum/assignment.ts";
import type { VotingNode, VotingRules } from "../quorum/assignment.ts";
import type { WitnessRow } from "./records.ts";
import { domainsOf } from "./fault-domains.ts";
import { foldName } from "./order.ts";
import { ONLY } from "./state.ts";
import type { ClusterState } from "./state.ts";

/** The votes the state asks for (PROTOCOL rule 10, reference 4.3). Reads only. */

/**
 * The votes that should follow the current ones; null = they are as they should be, or nobody can tell yet.
 * The log numbers what comes of it, one change at a time.
 */
export function wantedWeights(state: ClusterState, current: Weights): Weights | null {
  const rules = votingRules(state, current);
  if (rules === null) return null;
  const { witness } = state.tables.cluster.get(ONLY) ?? {};
  // Whether a witness that has a vote still works must be known before its vote is touched.
  if (witness !== undefined && witness !== null && current.witness?.id === witness.id && state.tables.quorum.get(ONLY)?.witness?.id !== witness.id) return null;
  return assignVotes(rules);
}

/** Everything the assignment depends on; null without a view. */
export function votingRules(state: ClusterState, current: Weights): VotingRules | null {
  const quorum = state.tables.quorum.get(ONLY);
  const cluster = state.tables.cluster.get(ONLY);
  if (quorum === undefined || cluster === undefined) return null;
  const stores = new Map(quorum.stores);
  const { witness } = cluster;
  return {
    nodes: state.nodeIds().map((id) => votingNode(state, state.tables.nodes.get(String(id)) as NodeRecord, stores)),
    witness: witness === undefined || witness === null ? null : { record: witness, online: quorum.witness?.id === witness.id && quorum.witness.state === "online" },
    dynamicQuorum: numberPropertyOf(clusterProperties, cluster.properties, "DynamicQuorum") === 1,
    lowerQuorumPriorityNode: numberPropertyOf(clusterProperties, cluster.properties, "LowerQuorumPriorityNodeID"),
    preferredSite: foldName(String(cluster.properties["PreferredSite"] ?? "")),
    current,
    // The number of the change: who draws the lot differs from time to time, and is the same on every node.
    seed: current.version,
  };
}

function votingNode(state: ClusterState, node: NodeRecord, stores: ReadonlyMap<NodeId, string>): VotingNode {
  const leaving = state.tables.nodeRuntime.get(String(node.id))?.leaving === true;
  const store = stores.get(node.id) ?? null;
  return { id: node.id, store, active: store !== null && !leaving, weight: numberPropertyOf(nodeProperties, node.properties, "NodeWeight"), site: siteNameOf(state, node.id) };
}

/** Name of the site a node stands in; null = none. */
function siteNameOf(state: ClusterState, node: NodeId): string | null {
  const site = domainsOf(state, node).find((domain) => domain.type === "Site");
  return site === undefined ? null : foldName(site.name);
}

/** The votes as far as the database knows: before the first change every configured node has one. */
export function knownWeights(state: ClusterState): Weights {
  const stored = state.tables.votes.get(ONLY);
  if (stored !== undefined) return stored;
  const stores = new Map(state.tables.quorum.get(ONLY)?.stores ?? []);
  return { version: 0, votes: state.nodeIds().map((id) => ({ node: id, store: stores.get(id) ?? "", votes: 1 })), witness: null };
}

export function configuredWitness(state: ClusterState): WitnessRecord | null {
  return state.tables.cluster.get(ONLY)?.witness ?? null;
}

/** What was last heard of the configured witness; null = nobody has looked after it yet. */
export function witnessState(state: ClusterState): WitnessRow | null {
  const known = state.tables.quorum.get(ONLY)?.witness ?? null;
  return known?.id === configuredWitness(state)?.id ? known : null;
}

/** The vote a node has now. */
export function voteOf(state: ClusterState, id: NodeId): number {
  return knownWeights(state).votes.find((vote) => vote.node === id)?.votes ?? 0;
}

/** Whether the votes have followed what happened: who is about to stop has given its vote up, where somebody can take it. */
export function votesAreSettled(state: ClusterState): boolean {
  return wantedWeights(state, knownWeights(state)) === null;
}
