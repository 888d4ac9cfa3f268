import type { NodeId } from "../model/identifiers.ts";
import { clusterProperties, nodeProperties, numberPropertyOf } from "../model/properties.ts";
import { withoutSecrets, witnessProperties } from "../model/properties/witness.ts";
import { QuorumType } from "../model/states.ts";
import { effectiveProperties } from "../model/views.ts";
import type { QuorumExplanation, QuorumNodeView, QuorumView, QuorumWitnessView } from "../model/views.ts";
import { survivalOf } from "../quorum/survival.ts";
import type { Survival } from "../quorum/survival.ts";
import { nodeName, nodeRow, nowOf } from "./describe.ts";
import { ONLY } from "./state.ts";
import type { ClusterState } from "./state.ts";
import { configuredWitness, knownWeights, votingRules, witnessState } from "./votes.ts";

/** The votes as people see them: who has one and why, and what can be lost next (reference 4). Reads only. */

export function describeQuorum(state: ClusterState): QuorumView {
  const weights = knownWeights(state);
  const quorum = state.tables.quorum.get(ONLY);
  const rules = votingRules(state, weights);
  // Who is about to stop is still here.
  const survival = rules === null ? null : survivalOf({ ...rules, nodes: rules.nodes.map((node) => ({ ...node, active: node.store !== null })) });
  const witness = describeWitness(state);
  const name = (id: NodeId): string => nodeName(state, id);
  return {
    type: witness === null ? "NodeMajority" : "NodeAndWitnessMajority",
    typeNumber: witness === null ? QuorumType.NodeMajority : QuorumType.NodeAndWitnessMajority,
    dynamicQuorum: isDynamic(state),
    votes: survival?.total ?? weights.votes.reduce((sum, vote) => sum + vote.votes, weights.witness?.votes ?? 0),
    needed: survival?.needed ?? 0,
    held: survival?.held ?? 0,
    nodes: state.nodeIds().map((id) => describeVoter(state, id)),
    witness,
    claimed: quorum?.claimed ?? false,
    forced: quorum?.forced ?? false,
    change: weights.version,
    sinceMs: quorum?.sinceMs ?? 0,
    forMs: Math.max(0, nowOf(state) - (quorum?.sinceMs ?? 0)),
    survives: survival === null ? null : { nodes: survival.spare.map(name), notNodes: survival.fatal.map(name), witness: survival.survivesWitness, pairs: survival.pairs.survived, pairsTotal: survival.pairs.total, oneByOneAtLeast: survival.oneByOne.atLeast, oneByOneAtMost: survival.oneByOne.atMost },
    sentences: survival === null ? ["No view is active: nobody can say what could be lost."] : sentencesOf(survival, name),
  };
}

function describeVoter(state: ClusterState, id: NodeId): QuorumNodeView {
  const node = state.tables.nodes.get(String(id));
  const vote = knownWeights(state).votes.find((one) => one.node === id);
  const weight = numberPropertyOf(nodeProperties, node?.properties ?? {}, "NodeWeight");
  const present = new Map(state.tables.quorum.get(ONLY)?.stores ?? []).has(id);
  return { node: nodeName(state, id), present, weight, vote: vote?.votes ?? 0, reason: whyVote(state, id, weight, present, vote?.votes ?? 0) };
}

function whyVote(state: ClusterState, id: NodeId, weight: number, present: boolean, vote: number): string {
  const row = nodeRow(state, id);
  if (weight === 0) return "It never votes: its NodeWeight is 0.";
  if (row.state === "Joining") return "It is catching up, and gets its vote when its copy is complete.";
  if (vote > 0) return present ? "It votes." : "It keeps its vote although it is not there.";
  if (!present) return "It has no vote while it is not there.";
  if (row.leaving) return "It gave up its vote, because it is about to stop.";
  const lower = numberPropertyOf(clusterProperties, state.tables.cluster.get(ONLY)?.properties ?? {}, "LowerQuorumPriorityNodeID");
  if (lower === id) return "The votes would be even: it gives up its own, as LowerQuorumPriorityNodeID says.";
  return "The votes would be even: one node has to do without, and it is this one.";
}

function describeWitness(state: ClusterState): QuorumWitnessView | null {
  const record = configuredWitness(state);
  if (record === null) return null;
  const known = witnessState(state);
  const weights = knownWeights(state);
  const vote = weights.witness?.id === record.id ? weights.witness.votes : 0;
  const stateName = known === null ? "Unknown" : known.state === "online" ? "Online" : "Failed";
  const reason = known === null ? "Nobody has looked after it yet." : known.state === "failed" ? `It does not work: ${known.reason}.` : vote > 0 ? (isDynamic(state) ? "It votes: the number of nodes that vote is even." : "It votes, as configured.") : "It has no vote: the number of nodes that vote is odd without it.";
  return { kind: record.kind, state: stateName, vote, reason, sinceMs: known?.sinceMs ?? 0, properties: withoutSecrets(effectiveProperties(witnessProperties[record.kind], record.properties)) };
}

function isDynamic(state: ClusterState): boolean {
  return numberPropertyOf(clusterProperties, state.tables.cluster.get(ONLY)?.properties ?? {}, "DynamicQuorum") === 1;
}

function sentencesOf(survival: Survival, name: (id: NodeId) => string): string[] {
  const list = (ids: readonly NodeId[]): string => ids.map(name).join(" or ");
  const all = [...survival.spare, ...survival.fatal];
  if (all.length === 1) return [`${name(all[0]!)} is the last node: nothing more can be lost.`];
  const sentences: string[] = [];
  if (survival.fatal.length === 0) sentences.push("Any one node can be lost.");
  else if (survival.spare.length === 0) sentences.push("No node can be lost.");
  else sentences.push(`${list(survival.spare)} can be lost; ${list(survival.fatal)} cannot.`);
  const { pairs, oneByOne } = survival;
  if (pairs.survived === pairs.total && pairs.total > 0) sentences.push("Any two nodes can be lost at once.");
  else if (pairs.survived > 0) sentences.push(`Of ${pairs.total} pairs of nodes ${pairs.survived} can be lost at once; not ${pairs.fatal.slice(0, 3).map(([a, b]) => `${name(a)} and ${name(b)}`).join(", nor ")}.`);
  else if (survival.spare.length > 1) sentences.push(`You can lose ${list(survival.spare)}, not two of them at once.`);
  if (survival.survivesWitness !== null) sentences.push(survival.survivesWitness ? "The witness can be lost." : "The witness cannot be lost: the view stands on its vote.");
  sentences.push(oneByOne.atLeast === oneByOne.atMost ? `One after the other, ${oneByOne.atLeast} can be lost.` : `One after the other, ${oneByOne.atLeast} can be lost for certain, ${oneByOne.atMost} with luck.`);
  return sentences;
}

export function explainQuorum(state: ClusterState): QuorumExplanation {
  const view = describeQuorum(state);
  const voting = [...view.nodes.filter((node) => node.vote > 0).map((node) => node.node), ...((view.witness?.vote ?? 0) > 0 ? ["the witness"] : [])];
  const { rule, command } = ruleOf(view);
  return {
    summary: `${view.votes} ${view.votes === 1 ? "vote" : "votes"} (${voting.join(", ")}); ${view.needed} needed, ${view.held} here.${view.forced ? " The cluster was started by force." : ""}${view.claimed ? " The view stands on the vote of the witness." : ""}`,
    rule,
    sinceMs: view.sinceMs,
    forMs: view.forMs,
    nodes: view.nodes,
    witness: view.witness,
    canBeLost: view.sentences,
    whatWouldChangeIt: changesOf(view),
    command,
  };
}

function ruleOf(view: QuorumView): { readonly rule: string; readonly command: string | null } {
  if (view.forced) return { rule: "forced", command: "muster node list" };
  if (view.claimed) return { rule: "claim", command: "muster node list" };
  if (view.witness?.state === "Failed") return { rule: "witnessFailed", command: "muster quorum set" };
  if (view.survives !== null && view.survives.notNodes.length > 0 && view.nodes.filter((node) => node.present).length > 1 && view.witness === null) return { rule: "noWitness", command: "muster quorum set" };
  return { rule: view.dynamicQuorum ? "dynamicQuorum" : "configured", command: null };
}

function changesOf(view: QuorumView): string[] {
  const sentences: string[] = [];
  const absent = view.nodes.filter((node) => !node.present && node.weight > 0).map((node) => node.node);
  if (absent.length > 0) sentences.push(`When ${absent.join(", ")} ${absent.length === 1 ? "is" : "are"} back, ${absent.length === 1 ? "it gets its vote" : "they get their votes"} back.`);
  if (view.witness === null && view.nodes.length > 1) sentences.push("A witness would vote whenever the number of nodes that vote is even.");
  if (view.witness?.state === "Failed") sentences.push("When the witness works again, it is given its vote where it is needed.");
  if (view.forced) sentences.push("When a majority of the nodes is back, the rules of quorum hold again.");
  if (!view.dynamicQuorum) sentences.push("With DynamicQuorum=1 the votes would follow the nodes that are there.");
  return sentences;
}
