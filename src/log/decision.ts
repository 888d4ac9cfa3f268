import { sameMember } from "../model/identifiers.ts";
import type { Member } from "../model/identifiers.ts";
import type { Voter, WeightsInForce } from "../model/votes.ts";
import { isAdmitted, isQuorum, isQuorumWithWitness, missingVoters, votesOf, votingWitness } from "../quorum/weights.ts";
import type { Ballot, LogState } from "./state.ts";
import { assertRule, send } from "./state.ts";
import type { Exclusion, Install, MemberState } from "./types.ts";

/** What the proposer makes of the STATEs it got (PROTOCOL part 1, rules 4 to 6): go on, ask the witness, or wait. */

/** Whether those that answered could go on alone, if need be with the witness. */
export function mayGoOn(states: readonly MemberState[]): boolean {
  const best = bestLog(states);
  if (best === undefined) return false;
  const weights = weightsOf(states, best);
  const voters = states.map(voterOf);
  const witness = votingWitness(weights);
  return isQuorum(weights, voters) || (witness !== null && isQuorumWithWitness(weights, voters, witness.id));
}

/**
 * The weights in force in the best log. What any of the members knows to be committed need not be
 * doubted because the holder of the best log does not know it yet.
 */
function weightsOf(states: readonly MemberState[], best: MemberState): WeightsInForce {
  const known = Math.max(...ofLineage(states, best).map((one) => one.weights.at(-1)?.version ?? 0));
  return best.weights.filter((one) => one.version >= known);
}

/** Logs of an earlier lineage count for nothing (rule 13). */
function ofLineage(states: readonly MemberState[], best: MemberState): readonly MemberState[] {
  return states.filter((one) => one.lineage === best.lineage);
}

/** Rule 4: the highest (forced start, accepted epoch, sequence); among equals the lowest node. */
function bestLog(states: readonly MemberState[]): MemberState | undefined {
  return [...states].sort((a, b) => b.lineage - a.lineage || b.tag.accepted - a.tag.accepted || b.tag.sequence - a.tag.sequence || a.member.node - b.member.node)[0];
}

/**
 * Lives that have served and missed a view that another one accepted. Who accepted something newer since was let in
 * by a quorum: had the missed view been active, one of that quorum would have accepted it too.
 */
export function whoMissedAView(states: readonly MemberState[]): (Exclusion & { readonly accepter: Member })[] {
  return states.flatMap((one) => {
    const newer = ofLineage(states, one).filter(({ tag, acceptedMembers }) => tag.accepted > one.tag.accepted && acceptedMembers.length > 0 && !acceptedMembers.some((member) => sameMember(member, one.member)));
    const newest = bestLog(newer);
    return one.hasServed && newest !== undefined ? [{ member: one.member, epoch: newest.tag.accepted, accepter: newest.member }] : [];
  });
}

function voterOf(one: MemberState): Voter {
  return { node: one.member.node, store: one.store };
}

export function decide(state: LogState, unsorted: readonly MemberState[]): void {
  const { ballot } = state;
  if (ballot === null || ballot.claiming !== null) return;
  const states = [...unsorted].sort((a, b) => a.member.node - b.member.node);
  const best = bestLog(states);
  assertRule(best !== undefined, "a ballot has at least one state");
  const weights = weightsOf(states, best);
  assertRule(weights.length > 0, "the best log holds every committed entry");
  const voters = states.map(voterOf);
  if (states.every((one) => one.prevented)) return wait(state, ballot, weights, states, "these nodes were started to join only: somebody else has to form the cluster");
  if (isQuorum(weights, voters)) return sendInstall(state, ballot, states, best, weights, null);
  const witness = votingWitness(weights);
  if (witness === null || !isQuorumWithWitness(weights, voters, witness.id)) return wait(state, ballot, weights, states, null);
  const behind = voters.filter((voter) => weights.some((one) => votesOf([one], voter) > 0));
  const sameLineage = ofLineage(states, best);
  state.ballot = {
    ...ballot,
    claiming: {
      sinceMs: state.clock.nowMs,
      install: (claim) => sendInstall(state, ballot, states, best, weights, claim),
      wait: (reason, retryMs) => wait(state, ballot, weights, states, reason, retryMs),
      voters: behind,
    },
  };
  state.effects.push({
    kind: "claim",
    epoch: ballot.epoch,
    witness,
    request: {
      epoch: ballot.epoch,
      lineage: best.lineage,
      claimant: state.options.self,
      voters: behind,
      bestAccepted: best.tag.accepted,
      accepted: sameLineage.map((one) => ({ voter: voterOf(one), epoch: one.tag.accepted })),
    },
  });
}

function wait(state: LogState, ballot: Ballot, weights: WeightsInForce, states: readonly MemberState[], reason: string | null, retryMs: number | null = null): void {
  state.ballot = null;
  send(state, { kind: "waiting", epoch: ballot.epoch, members: ballot.members, waitingFor: missingVoters(weights, states.map(voterOf)), reason, retryMs });
}

function sendInstall(state: LogState, ballot: Ballot, states: readonly MemberState[], best: MemberState, weights: WeightsInForce, claim: readonly Voter[] | null): void {
  state.ballot = null;
  const full = states.filter((one) => isAdmitted(weights, voterOf(one)) && one.lineage === best.lineage);
  const runtime = newestRuntime(ofLineage(states, best), full, best);
  // Without any run-time state, who has the base already: everybody waits for the orderer.
  const orderer: Member = (runtime ?? bestLog(full)!).member;
  const install: Install = {
    epoch: ballot.epoch,
    base: best.tag,
    committed: Math.max(...ofLineage(states, best).map((one) => one.committed)),
    clusterTimeMs: Math.max(...states.map((one) => one.clusterTimeMs)),
    source: best.member,
    members: states.map((one) => one.member),
    stores: states.map((one) => one.store),
    leftOut: ballot.leftOut,
    learners: states.filter((one) => !full.includes(one)).map((one) => one.member.node),
    orderer,
    runtime: runtime?.runtime ?? null,
    claim,
    lineage: best.lineage,
    forcedFrom: best.forcedFrom,
    forced: false,
    discarded: states.filter((one) => isDiscarded(one, best)).map((one) => one.member.node),
  };
  send(state, { kind: "install", install });
}

/** Rule 13: whether a copy of another lineage holds what the forced start did not know. */
function isDiscarded(one: MemberState, best: MemberState): boolean {
  const from = best.forcedFrom;
  return one.lineage !== best.lineage && from !== null && (one.lineage > 0 || one.tag.accepted > from.accepted || one.committed > from.sequence);
}

/**
 * The voter whose run-time state everybody goes on from: the newest of the newest epoch that
 * is known to have been active. (A formation that was broken off has raised `accepted`
 * everywhere without any run-time state of its epoch; that must not cost the state there is.)
 * Its log must reach the base by entries: run-time state cannot be carried over a copy.
 */
function newestRuntime(states: readonly MemberState[], voters: readonly MemberState[], best: MemberState): MemberState | undefined {
  const lastActive = Math.max(...states.map((one) => one.lastActive));
  const holders = voters.filter((one) => one.runtime !== null && one.runtime.epoch === lastActive && one.committed >= best.firstKept - 1);
  return holders.sort((a, b) => b.runtime!.index - a.runtime!.index || a.member.node - b.member.node)[0];
}

