import type { Member, NodeId } from "../model/identifiers.ts";
import { isQuorum, isQuorumWithWitness } from "../quorum/weights.ts";
import { ONLY } from "./state.ts";
import type { ClusterState } from "./state.ts";
import { knownWeights, witnessState } from "./votes.ts";

/** Whether a set of nodes could form a view, and by what (PROTOCOL rule 4): for questions about what has not happened. */
export function whyMayForm(state: ClusterState, members: readonly Member[]): "votes" | "witness" | null {
  const weights = [knownWeights(state)];
  const voters = members.map(({ node }) => ({ node, store: storeOf(state, node) }));
  if (isQuorum(weights, voters)) return "votes";
  const witness = witnessState(state);
  return witness?.state === "online" && isQuorumWithWitness(weights, voters, witness.id) ? "witness" : null;
}

/** The copy of a node that has a vote, or had one: which one it comes back with nobody knows before. */
export function storeOf(state: ClusterState, node: NodeId): string {
  const admitted = knownWeights(state).votes.find((vote) => vote.node === node)?.store;
  return admitted ?? new Map(state.tables.quorum.get(ONLY)?.stores ?? []).get(node) ?? "";
}
