import type { NodeId } from "../model/identifiers.ts";
import { assignVotes } from "./assignment.ts";
import type { VotingRules } from "./assignment.ts";
import { totalVotes } from "./weights.ts";

/** What a cluster can lose next without losing quorum (reference 4.3 "Consequences"). */

export interface Survival {
  /** V. */
  readonly total: number;
  /** More than half of V. */
  readonly needed: number;
  /** Votes of the nodes that are here, and of the witness if it can be asked. */
  readonly held: number;
  /** Nodes whose loss alone is survived, and those whose loss is not; sorted. */
  readonly spare: readonly NodeId[];
  readonly fatal: readonly NodeId[];
  /** null = none has a vote or can be asked. */
  readonly survivesWitness: boolean | null;
  /** Pairs of nodes lost at once: how many there are, how many are survived, and some that are not. */
  readonly pairs: { readonly total: number; readonly survived: number; readonly fatal: readonly (readonly [NodeId, NodeId])[] };
  /** Nodes that can be lost one after the other, the votes being assigned anew after each: at the worst, and at best. */
  readonly oneByOne: { readonly atLeast: number; readonly atMost: number };
}

const FATAL_PAIRS_NAMED = 8;

export function survivalOf(rules: VotingRules): Survival {
  const votes = presentVotes(rules);
  const present = [...votes.keys()].sort((a, b) => a - b);
  const witness = usableWitness(rules);
  const total = totalVotes(rules.current);
  const held = [...votes.values()].reduce((sum, one) => sum + one, 0);
  const survives = (lost: number): boolean => 2 * (held - lost + witness) > total;
  const pairs = { total: 0, survived: 0, fatal: [] as (readonly [NodeId, NodeId])[] };
  for (const [position, a] of present.entries()) {
    for (const b of present.slice(position + 1)) {
      pairs.total++;
      if (present.length > 2 && survives(votes.get(a)! + votes.get(b)!)) pairs.survived++;
      else if (pairs.fatal.length < FATAL_PAIRS_NAMED) pairs.fatal.push([a, b]);
    }
  }
  const isSpare = (node: NodeId): boolean => present.length > 1 && survives(votes.get(node)!);
  return {
    total,
    needed: Math.floor(total / 2) + 1,
    held: held + witness,
    spare: present.filter(isSpare),
    fatal: present.filter((node) => !isSpare(node)),
    survivesWitness: witness === 0 ? null : 2 * held > total,
    pairs,
    oneByOne: { atLeast: lostInTurn(rules, "worst"), atMost: lostInTurn(rules, "best") },
  };
}

/** Votes of the admitted nodes that are here, by node. */
function presentVotes(rules: VotingRules): Map<NodeId, number> {
  const active = new Map(rules.nodes.filter((node) => node.active).map((node) => [node.id, node.store]));
  return new Map(rules.current.votes.filter((vote) => active.get(vote.node) === vote.store).map((vote) => [vote.node, vote.votes]));
}

function usableWitness({ witness, current }: VotingRules): number {
  return witness !== null && witness.online && current.witness?.id === witness.record.id ? current.witness.votes : 0;
}

/** Loses one node after the other, always the one whose loss hurts most, or least; counts until it is not survived. */
function lostInTurn(rules: VotingRules, luck: "worst" | "best"): number {
  let now = settle(rules);
  for (let lost = 0; ; lost++) {
    const present = [...presentVotes(now)].sort((a, b) => a[1] - b[1] || a[0] - b[0]);
    if (present.length <= 1) return lost;
    const [gone, its] = (luck === "worst" ? present.at(-1) : present[0])!;
    const held = present.reduce((sum, [, votes]) => sum + votes, 0) - its;
    if (2 * (held + usableWitness(now)) <= totalVotes(now.current)) return lost;
    const left: VotingRules = { ...now, nodes: now.nodes.map((node) => (node.id === gone ? { ...node, active: false } : node)) };
    now = { ...left, current: assignVotes(left) ?? left.current };
  }
}

/** The votes as they will be when nothing more changes: each assignment may need a second one. */
function settle(rules: VotingRules): VotingRules {
  let now = rules;
  for (let round = 0; round < 3; round++) {
    const next = assignVotes(now);
    if (next === null) return now;
    now = { ...now, current: next };
  }
  return now;
}
