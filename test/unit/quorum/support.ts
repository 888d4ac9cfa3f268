import { assignVotes } from "../../../src/quorum/assignment.ts";
import type { VotingRules } from "../../../src/quorum/assignment.ts";
import { isQuorum, isQuorumWithWitness } from "../../../src/quorum/weights.ts";
import type { Voter, Weights } from "../../../src/model/votes.ts";

/** A cluster as far as votes go: who is there, and what the votes became after each change. */
export class Votes {
  rules: VotingRules;

  constructor(nodes: number, witness: boolean, more: Partial<VotingRules> = {}) {
    const all = Array.from({ length: nodes }, (_, position) => ({ id: position + 1, store: `s${position + 1}`, active: true, weight: 1, site: null }));
    this.rules = {
      nodes: all,
      witness: witness ? { record: { id: "w1", kind: "daemon", properties: {} }, online: true } : null,
      dynamicQuorum: true,
      lowerQuorumPriorityNode: 0,
      preferredSite: "",
      current: { version: 1, votes: all.map(({ id, store }) => ({ node: id, store, votes: 1 })), witness: null },
      seed: 7,
      ...more,
    };
    this.settle();
  }

  /** Assigns until nothing changes; returns how many assignments it took. */
  settle(): number {
    for (let round = 0; ; round++) {
      const next = assignVotes(this.rules);
      if (next === null) return round;
      if (round > 5) throw new Error("the votes do not settle");
      this.rules = { ...this.rules, current: next };
    }
  }

  get weights(): Weights {
    return this.rules.current;
  }

  get present(): Voter[] {
    return this.rules.nodes.filter((node) => node.active).map((node) => ({ node: node.id, store: node.store! }));
  }

  /** Nodes with a vote, and "w" for the witness. */
  get voting(): string {
    const nodes = this.weights.votes.filter((vote) => vote.votes > 0).map((vote) => String(vote.node));
    return [...nodes, ...((this.weights.witness?.votes ?? 0) > 0 ? ["w"] : [])].join(" ");
  }

  /** Whether those that are left have quorum; if so, the votes are assigned anew. */
  lose(...nodes: number[]): boolean {
    this.rules = { ...this.rules, nodes: this.rules.nodes.map((node) => (nodes.includes(node.id) ? { ...node, active: false } : node)) };
    if (this.present.length === 0 || !this.#hasQuorum()) return false;
    this.settle();
    return true;
  }

  back(...nodes: number[]): void {
    this.rules = { ...this.rules, nodes: this.rules.nodes.map((node) => (nodes.includes(node.id) ? { ...node, active: true } : node)) };
    this.settle();
  }

  witness(online: boolean): boolean {
    this.rules = { ...this.rules, witness: { ...this.rules.witness!, online } };
    if (!this.#hasQuorum()) return false;
    this.settle();
    return true;
  }

  #hasQuorum(): boolean {
    if (isQuorum([this.weights], this.present)) return true;
    return this.rules.witness?.online === true && isQuorumWithWitness([this.weights], this.present, this.rules.witness.record.id);
  }
}

/** Every way to choose `count` of the numbers 1 to `of`. */
export function choices(of: number, count: number): number[][] {
  if (count === 0) return [[]];
  return Array.from({ length: of }, (_, position) => position + 1).flatMap((first) => choices(of, count - 1).filter((rest) => rest.every((one) => one > first)).map((rest) => [first, ...rest]));
}
