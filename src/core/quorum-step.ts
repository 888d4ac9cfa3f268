import type { EventName } from "../model/events.ts";
import type { NodeId } from "../model/identifiers.ts";
import { detectionTimeMs } from "../model/heartbeat.ts";
import type { ViewInput, WeightsInput, WitnessInput } from "../model/inputs.ts";
import type { WitnessKind } from "../model/states.ts";
import type { Weights } from "../model/votes.ts";
import type { StepContext } from "./context.ts";
import { isCurrent } from "./leftovers.ts";
import type { QuorumRow } from "./records.ts";
import { ONLY } from "./state.ts";
import type { ClusterState } from "./state.ts";

/** What happens to the votes, the witness and a forced cluster (PROTOCOL rules 5, 10, 13). */

/** The copies of the view, and what was out of the ordinary about it. */
export function noteQuorum(context: StepContext, input: ViewInput): void {
  const before = context.state.tables.quorum.get(ONLY);
  const stores = input.members.map((member, position) => [member.node, input.stores?.[position] ?? ""] as const).filter(([node]) => !input.learners.includes(node));
  const majority = 2 * stores.length > context.state.nodeIds().length;
  const forced = input.forced === true || (before?.forced ?? false);
  const row: QuorumRow = { stores, claimed: input.claimed === true, forced: forced && !majority, witness: before?.witness ?? null, sinceMs: context.now };
  context.state.tables.quorum.put(ONLY, row);
  if (input.claimed === true) context.event("WitnessClaimed", { node: input.orderer, text: "The view stands on the vote of the witness: the nodes that are here had not enough votes alone.", next: "muster quorum show" });
  if (input.forced === true) context.event("ForcedStart", { node: input.orderer, text: `The cluster was started by force on ${context.nodeName(input.orderer)}: its copy of the database is the one that counts.`, next: "muster quorum show" });
  if (forced && majority) context.event("ForcedOver", { node: input.orderer, text: "A majority of the nodes is back: the rules of quorum hold again." });
  for (const id of input.discarded ?? []) {
    context.event("UpdatesDiscarded", { node: id, text: `${context.nodeName(id)} had changes that the forced cluster does not have; they are lost.`, next: "muster events" });
  }
}

/** New votes, committed: the durable half. */
export function configureWeights(state: ClusterState, { weights }: WeightsInput): Weights | undefined {
  const before = state.tables.votes.get(ONLY);
  state.tables.votes.put(ONLY, weights);
  return before;
}

export function reactToWeights(context: StepContext, { weights }: WeightsInput, before: Weights | undefined): void {
  const { tokenMs, formerTokenMs } = weights;
  if (tokenMs !== undefined && formerTokenMs !== undefined && tokenMs !== before?.tokenMs) {
    context.event("HeartbeatChanged", { text: `The heartbeat follows its properties: a silent node is missed after at most ${detectionTimeMs(tokenMs, context.state.nodeIds().length)} ms (token ${tokenMs} ms, before ${formerTokenMs} ms).` });
  }
  const hadVote = (id: NodeId): boolean => before === undefined || before.votes.some((vote) => vote.node === id && vote.votes > 0);
  const gained = weights.votes.filter((vote) => vote.votes > 0 && !hadVote(vote.node)).map((vote) => context.nodeName(vote.node));
  const lost = weights.votes.filter((vote) => vote.votes === 0 && hadVote(vote.node)).map((vote) => context.nodeName(vote.node));
  const witnessBefore = before?.witness?.votes ?? 0;
  const witnessNow = weights.witness?.votes ?? 0;
  if (witnessBefore !== witnessNow) (witnessNow > 0 ? gained : lost).push("the witness");
  if (gained.length === 0 && lost.length === 0) return;
  const parts = [...(gained.length === 0 ? [] : [`${gained.join(", ")} ${gained.length === 1 ? "votes" : "vote"} now`]), ...(lost.length === 0 ? [] : [`${lost.join(", ")} ${lost.length === 1 ? "does" : "do"} not vote any more`])];
  context.event("VotesChanged", { text: `The votes follow what is there: ${parts.join("; ")}.` });
}

/** A level: what the node that looks after the witness knows of it. */
export function reactToWitness(context: StepContext, input: WitnessInput): void {
  const { quorum, cluster } = context.state.tables;
  const row = quorum.get(ONLY);
  if (row === undefined || !isCurrent(context, input.from) || cluster.get(ONLY)?.witness?.id !== input.witness) return;
  const same = row.witness?.id === input.witness;
  if (same && row.witness?.state === input.state && row.witness.reason === input.reason) return;
  const changed = !same || row.witness?.state !== input.state;
  quorum.put(ONLY, { ...row, witness: { id: input.witness, state: input.state, reason: input.reason, sinceMs: changed ? context.now : (row.witness?.sinceMs ?? context.now) } });
  if (!changed) return;
  if (input.state === "online") context.event("WitnessOnline", { node: input.from.node, text: "The witness works." });
  else context.event(FAILED_BY_KIND[cluster.get(ONLY)!.witness!.kind] ?? "WitnessFailed", { node: input.from.node, text: `The witness does not work: ${input.reason}.`, next: "muster quorum show" });
}

/** Windows has numbers for these two (reference 11); disk and daemon are told by Muster's own. */
const FAILED_BY_KIND: { readonly [Kind in WitnessKind]?: EventName } = { fileShare: "FileShareWitnessFailed", cloud: "CloudWitnessFailed" };
