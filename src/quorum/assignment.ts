import { tokensIn } from "../model/heartbeat.ts";
import type { NodeId } from "../model/identifiers.ts";
import type { WitnessRecord } from "../model/objects.ts";
import { totalVotes } from "./weights.ts";
import type { Vote, Weights, WitnessVote } from "../model/votes.ts";

/** Who votes after a change of the membership or of the witness: dynamic quorum and dynamic witness (reference 4.3). */

export interface VotingNode {
  readonly id: NodeId;
  /** The copy it holds; null = not known, because it has not been seen. */
  readonly store: string | null;
  /** In the view, and not about to leave it. */
  readonly active: boolean;
  /** NodeWeight: 0 never votes. */
  readonly weight: number;
  /** Name of the site it stands in; null = none. */
  readonly site: string | null;
}

export interface VotingRules {
  readonly nodes: readonly VotingNode[];
  /** null = none is configured. */
  readonly witness: { readonly record: WitnessRecord; readonly online: boolean } | null;
  readonly dynamicQuorum: boolean;
  /** 0 = none. */
  readonly lowerQuorumPriorityNode: NodeId;
  /** "" = none. */
  readonly preferredSite: string;
  readonly current: Weights;
  /** Draws who loses the vote when nothing else decides. */
  readonly seed: number;
}

/**
 * The weights that should follow the current ones; null = they are as they should be. Only copies that the
 * current weights know can be given a vote: others are admitted by the log first (PROTOCOL rule 10).
 */
export function assignVotes(rules: VotingRules): Weights | null {
  const { current, dynamicQuorum } = rules;
  const nodes = new Map(rules.nodes.map((node) => [node.id, node]));
  const admitted = current.votes.filter((vote) => nodes.has(vote.node));
  const voters = admitted.filter((vote) => mayVote(nodes.get(vote.node)!, vote, dynamicQuorum)).map((vote) => vote.node);
  // Nobody who is here may vote: there is nothing better than what is in force.
  if (voters.length === 0) return null;
  const witness = witnessVote(rules, voters.length);
  const without = dynamicQuorum && voters.length % 2 === 0 && (witness?.votes ?? 0) === 0 ? whoLosesTheVote(rules, nodes, voters) : null;
  const voting = new Set(voters);
  const votes: Vote[] = admitted.map((vote) => ({ node: vote.node, store: vote.store, votes: voting.has(vote.node) && vote.node !== without ? 1 : 0 }));
  const wanted: Weights = { version: current.version + 1, votes, witness, ...tokensIn(current) };
  if (sameVotes(wanted, current)) return null;
  // What takes the quorum from those who are to commit it would never be committed, and would stand in the way of the next view.
  const held = votes.reduce((sum, vote) => sum + (isPresent(nodes.get(vote.node)!, vote) ? vote.votes : 0), 0);
  return 2 * held > totalVotes(wanted) ? wanted : null;
}

/** Without dynamic quorum the votes are as configured, whoever is there. */
function mayVote(node: VotingNode, vote: Vote, dynamicQuorum: boolean): boolean {
  return node.weight > 0 && (!dynamicQuorum || isPresent(node, vote));
}

function isPresent(node: VotingNode, vote: Vote): boolean {
  return node.active && node.store === vote.store;
}

function witnessVote({ witness, dynamicQuorum, current }: VotingRules, voters: number): WitnessVote | null {
  if (witness === null) return null;
  const { record, online } = witness;
  const { id } = record;
  // A witness has a vote only after its first record was written, and while it works.
  const known = current.witness?.id === id;
  if (!online && !known) return null;
  // Beside a single voter it would not break a tie but make one.
  const wanted = dynamicQuorum ? (online && voters % 2 === 0 ? 1 : 0) : voters > 1 ? 1 : 0;
  // Never two witnesses with a vote at once: one of them would have to be asked for each of the weights.
  const votes = !known && (current.witness?.votes ?? 0) > 0 ? 0 : wanted;
  return { id, votes, record };
}

/** LowerQuorumPriorityNodeID; else a node outside the preferred site; else who has none now; else a draw. */
function whoLosesTheVote(rules: VotingRules, nodes: ReadonlyMap<NodeId, VotingNode>, voters: readonly NodeId[]): NodeId {
  if (voters.includes(rules.lowerQuorumPriorityNode)) return rules.lowerQuorumPriorityNode;
  const outside = voters.filter((id) => nodes.get(id)?.site !== rules.preferredSite);
  const bySite = rules.preferredSite !== "" && outside.length > 0 ? outside : voters;
  const voteless = new Set(rules.current.votes.filter((vote) => vote.votes === 0).map((vote) => vote.node));
  const stay = bySite.filter((id) => voteless.has(id));
  const candidates = stay.length > 0 ? stay : bySite;
  return candidates[draw(rules.seed, candidates.length)]!;
}

/** A number below `limit` that looks random and is the same for the same seed. */
function draw(seed: number, limit: number): number {
  let mixed = Math.imul(seed ^ (seed >>> 16), 0x45d9f3b);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x45d9f3b);
  return ((mixed ^ (mixed >>> 16)) >>> 0) % limit;
}

function sameVotes(a: Weights, b: Weights): boolean {
  const sameWitness = a.witness?.id === b.witness?.id && (a.witness?.votes ?? 0) === (b.witness?.votes ?? 0);
  if (!sameWitness || a.votes.length !== b.votes.length) return false;
  return a.votes.every((vote, position) => {
    const other = b.votes[position]!;
    return vote.node === other.node && vote.store === other.store && vote.votes === other.votes;
  });
}
