import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { Voter, Weights } from "../../../src/model/votes.ts";
import { assignVotes } from "../../../src/quorum/assignment.ts";
import type { VotingRules } from "../../../src/quorum/assignment.ts";
import { survivalOf } from "../../../src/quorum/survival.ts";
import { isQuorum, isQuorumWithWitness, isViewQuorum, totalVotes } from "../../../src/quorum/weights.ts";

/** Laws of quorum, whatever the votes: fast-check looks for votes that break one. */

const NODES = 7;
const SEED = Number(process.env["SEED"] ?? 31);
const options = { numRuns: 2_000, seed: SEED };

const voterOf = (node: number): Voter => ({ node, store: `s${node}` });
const set = fc.subarray(Array.from({ length: NODES }, (_, position) => position + 1)).map((nodes) => nodes.map(voterOf));
const weights: fc.Arbitrary<Weights> = fc
  .tuple(fc.array(fc.integer({ min: 0, max: 2 }), { minLength: NODES, maxLength: NODES }), fc.constantFrom(null, 0, 1))
  .map(([votes, witness]) => ({ version: 1, votes: votes.map((vote, position) => ({ ...voterOf(position + 1), votes: vote })), witness: witness === null ? null : { id: "w", kind: "fileShare" as const, properties: {}, votes: witness } }));

const disjoint = (a: readonly Voter[], b: readonly Voter[]): boolean => !a.some((one) => b.some((other) => other.node === one.node));

test("adding a member to a set never makes it non-quorate", () => {
  fc.assert(
    fc.property(weights, weights, set, set, set, fc.option(set), (w, older, some, more, members, claim) => {
      const larger = [...some, ...more.filter((voter) => !some.some((one) => one.node === voter.node))];
      for (const inForce of [[w], [w, older]]) {
        if (isQuorum(inForce, some)) assert.ok(isQuorum(inForce, larger));
        if (isQuorumWithWitness(inForce, some, "w")) assert.ok(isQuorumWithWitness(inForce, larger, "w"));
        if (isViewQuorum(inForce, some, members, claim)) assert.ok(isViewQuorum(inForce, larger, members, claim));
      }
    }),
    options,
  );
});

test("two quorums under the same weights have a member in common, and only one side of a cut can have the witness", () => {
  fc.assert(
    fc.property(weights, set, set, (w, left, right) => {
      if (!disjoint(left, right)) return;
      assert.ok(!(isQuorum([w], left) && isQuorum([w], right)));
      assert.ok(!(isQuorumWithWitness([w], left, "w") && isQuorum([w], right)), "who has the votes cannot be overruled by the witness");
    }),
    options,
  );
});

test("under the joint rule a quorum meets every quorum of the old and of the new weights", () => {
  fc.assert(
    fc.property(weights, weights, set, set, (newer, older, joint, other) => {
      if (!isQuorum([newer, older], joint) || !disjoint(joint, other)) return;
      assert.ok(!isQuorum([newer], other) && !isQuorum([older], other));
    }),
    options,
  );
});

const rules: fc.Arbitrary<VotingRules> = fc
  .record({
    nodes: fc.array(fc.record({ active: fc.boolean(), weight: fc.constantFrom(0, 1, 1, 1), site: fc.constantFrom(null, "west", "east") }), { minLength: 1, maxLength: NODES }),
    witness: fc.option(fc.boolean()),
    lower: fc.integer({ min: 0, max: NODES }),
    site: fc.constantFrom("", "west"),
    current: weights,
    seed: fc.nat(),
  })
  .map(({ nodes, witness, lower, site, current, seed }) => ({
    nodes: nodes.map((node, position) => ({ id: position + 1, store: node.active ? `s${position + 1}` : null, ...node })),
    witness: witness === null ? null : { record: { id: "w", kind: "fileShare" as const, properties: {} }, online: witness },
    dynamicQuorum: true,
    lowerQuorumPriorityNode: lower,
    preferredSite: site,
    current: { ...current, votes: current.votes.slice(0, nodes.length).map((vote) => ({ ...vote, votes: Math.min(1, vote.votes) })) },
    seed,
  }));

test("assigned votes are odd, belong to nodes that are here and may vote, and leave those who commit them a quorum", () => {
  fc.assert(
    fc.property(rules, (given) => {
      const wanted = assignVotes(given);
      if (wanted === null) return;
      assert.equal(totalVotes(wanted) % 2, 1, "an even number of votes could be halved");
      const here = given.nodes.filter((node) => node.active).map((node) => voterOf(node.id));
      assert.ok(isQuorum([wanted], here));
      for (const vote of wanted.votes.filter((one) => one.votes > 0)) {
        const node = given.nodes.find((one) => one.id === vote.node);
        assert.ok(node?.active === true && node.weight === 1, `node ${vote.node} votes`);
      }
      assert.equal(assignVotes({ ...given, current: wanted }), null, "and that is the end of it");
    }),
    options,
  );
});

test("a node that can be lost leaves a quorum, and one that cannot does not", () => {
  fc.assert(
    fc.property(rules, (given) => {
      const survival = survivalOf(given);
      const here = given.nodes.filter((node) => node.active).map((node) => voterOf(node.id));
      const goesOn = (rest: readonly Voter[]): boolean => rest.length > 0 && (isQuorum([given.current], rest) || (given.witness?.online === true && isQuorumWithWitness([given.current], rest, "w")));
      for (const node of survival.spare) assert.ok(goesOn(here.filter((voter) => voter.node !== node)), `node ${node} was said to be spare`);
      for (const node of survival.fatal) assert.ok(!goesOn(here.filter((voter) => voter.node !== node)), `node ${node} was said to be fatal`);
    }),
    options,
  );
});
