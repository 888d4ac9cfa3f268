import type { Member, NodeId } from "../../../src/model/identifiers.ts";
import type { Hold, Voter, Weights } from "../../../src/model/votes.ts";
import { combineHolds } from "../../../src/lease/holds.ts";
import type { LeaseMember } from "../../../src/lease/steps.ts";
import { isQuorum, isQuorumWithWitness, isViewQuorum } from "../../../src/quorum/weights.ts";
import type { Bug } from "./bugs.ts";

/**
 * The log as far as the lease needs it: epochs, votes and who holds which role. An oracle: what
 * it decides obeys part 1 of the protocol, what it draws is as bad as that part allows.
 */

/** On the disk of a node: it outlives its service. */
export interface Disk {
  promised: number;
  accepted: number;
  lastActive: number;
  /** In force in its log, the newest first. */
  weights: readonly Weights[];
  /** Lives that an accepted INSTALL left out: they may not return. */
  readonly leftOut: Map<NodeId, number>;
  /** Who is to run each role, as of `lastActive`. */
  roles: ReadonlyMap<string, Member | null>;
}

/** What a node says of itself when it promises. */
export interface State {
  readonly member: LeaseMember;
  readonly accepted: number;
  readonly lastActive: number;
  readonly weights: readonly Weights[];
  readonly leftOut: ReadonlyMap<NodeId, number>;
  readonly roles: ReadonlyMap<string, Member | null>;
}

export interface Formation {
  readonly epoch: number;
  readonly members: readonly Member[];
  readonly states: Map<NodeId, State>;
  install: Install | null;
  readonly accepts: Map<NodeId, readonly Hold[]>;
  active: Active | null;
}

export interface Install {
  readonly epoch: number;
  readonly members: readonly LeaseMember[];
  readonly excluded: readonly NodeId[];
  readonly weights: readonly Weights[];
  readonly claim: readonly Voter[] | null;
}

export interface Active {
  readonly epoch: number;
  readonly members: readonly LeaseMember[];
  readonly weights: Weights;
  readonly claim: readonly Voter[] | null;
  readonly holds: readonly Hold[];
  readonly roles: ReadonlyMap<string, Member | null>;
}

export const WITNESS = "w";

export class Witness {
  readonly #claims: { readonly epoch: number; readonly voters: readonly Voter[] }[] = [];

  /** The chain: who stood behind the newest claim and accepted it, or a best log of later; or it came to nothing, and the one before is judged. */
  claim(epoch: number, voters: readonly Voter[], states: readonly State[]): boolean {
    if (this.#claims.some((claim) => claim.epoch >= epoch)) return false;
    const best = Math.max(...states.map((state) => state.accepted));
    for (const claim of [...this.#claims].reverse()) {
      const behind = states.filter((state) => claim.voters.some((voter) => voter.node === state.member.node));
      if (best > claim.epoch || behind.some((state) => state.accepted >= claim.epoch)) break;
      if (behind.length === 0) return false;
    }
    this.#claims.push({ epoch, voters });
    return true;
  }
}

export type Decision = { readonly kind: "install"; readonly install: Install } | { readonly kind: "end"; readonly lives: readonly Member[] } | { readonly kind: "wait" };

/** Rules 4 to 6, once all members of the formation have promised. */
export function decide(formation: Formation, nodes: readonly NodeId[], witness: Witness, bug: Bug | null): Decision {
  const states = formation.members.map((member) => formation.states.get(member.node)!);
  const returning = formation.members.filter((member) => states.some((state) => (state.leftOut.get(member.node) ?? 0) >= member.incarnation));
  if (returning.length > 0 && bug !== "a left-out life returns") return { kind: "end", lives: returning };
  const best = states.reduce((a, b) => (b.accepted > a.accepted || (b.accepted === a.accepted && versionOf(b) > versionOf(a)) ? b : a));
  const isKnown = states.some((state) => versionOf(state) === versionOf(best) && state.weights.length === 1);
  const weights = isKnown || bug === "no joint rule" ? best.weights.slice(0, 1) : best.weights;
  const members = states.map((state) => state.member);
  const install = { epoch: formation.epoch, members, excluded: nodes.filter((node) => !members.some((member) => member.node === node)), weights };
  if (isQuorum(weights, members)) return { kind: "install", install: { ...install, claim: null } };
  const voters = members.filter((member) => weights.some((one) => one.votes.some((vote) => vote.node === member.node && vote.votes > 0)));
  if (voters.length > 0 && isQuorumWithWitness(weights, members, WITNESS) && witness.claim(formation.epoch, voters, states)) return { kind: "install", install: { ...install, claim: voters } };
  return { kind: "wait" };
}

/** Rule 7: the members' ACCEPTs are a quorum. The roles are those of the newest view that any member knows. */
export function activate(formation: Formation, chooseOwner: (members: readonly Member[]) => Member, bug: Bug | null): Active | null {
  const install = formation.install!;
  const accepters = install.members.filter((member) => formation.accepts.has(member.node));
  if (!isViewQuorum(install.weights, accepters, install.members, install.claim)) return null;
  const newest = [...formation.states.values()].reduce((a, b) => (b.lastActive > a.lastActive ? b : a));
  const roles = new Map<string, Member | null>();
  for (const [role, owner] of newest.roles) {
    const stays = owner !== null && install.members.some((member) => member.node === owner.node && member.incarnation === owner.incarnation);
    roles.set(role, stays ? owner : chooseOwner(install.members));
  }
  const holds = bug === "no hold" ? [] : combineHolds([...formation.accepts.values()]);
  return { epoch: install.epoch, members: install.members, weights: install.weights[0]!, claim: install.claim, holds, roles };
}

function versionOf(state: State): number {
  return state.weights[0]!.version;
}
