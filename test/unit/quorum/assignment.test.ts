import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { assignVotes } from "../../../src/quorum/assignment.ts";
import { totalVotes } from "../../../src/quorum/weights.ts";
import { Votes, choices } from "./support.ts";

describe("dynamic quorum and dynamic witness (reference 4.3)", () => {
  test("the number of votes is always odd", () => {
    for (let nodes = 1; nodes <= 8; nodes++) {
      for (const witness of [false, true]) {
        const votes = new Votes(nodes, witness);
        assert.equal(totalVotes(votes.weights) % 2, 1, `${nodes} nodes, ${witness ? "a" : "no"} witness: ${votes.voting}`);
      }
    }
  });

  test("without a witness an even number of nodes leaves one without a vote", () => {
    assert.equal(new Votes(3, false).voting, "1 2 3");
    assert.equal(new Votes(4, false).voting.split(" ").length, 3);
    assert.equal(new Votes(2, false).voting.split(" ").length, 1);
  });

  test("a witness votes beside an even number of nodes only", () => {
    assert.equal(new Votes(4, true).voting, "1 2 3 4 w");
    assert.equal(new Votes(3, true).voting, "1 2 3");
    assert.equal(new Votes(2, true).voting, "1 2 w");
    assert.equal(new Votes(1, true).voting, "1");
  });

  test("whoever is not there has no vote, and whoever returns has one again", () => {
    const votes = new Votes(5, false);
    assert.equal(votes.lose(5), true);
    assert.equal(votes.weights.votes.find((vote) => vote.node === 5)?.votes, 0);
    assert.equal(votes.weights.votes.length, 5, "its copy stays known: it need not be admitted again");
    votes.back(5);
    assert.equal(votes.voting, "1 2 3 4 5");
  });

  test("a node with NodeWeight 0 never votes and does not count", () => {
    const votes = new Votes(4, false);
    votes.rules = { ...votes.rules, nodes: votes.rules.nodes.map((node) => ({ ...node, weight: node.id === 4 ? 0 : 1 })) };
    votes.settle();
    assert.equal(votes.voting, "1 2 3");
  });

  test("LowerQuorumPriorityNodeID gives up its vote first, if it is there", () => {
    assert.equal(new Votes(4, false, { lowerQuorumPriorityNode: 3 }).voting, "1 2 4");
    assert.equal(new Votes(3, false, { lowerQuorumPriorityNode: 3 }).voting, "1 2 3", "an odd number needs nobody to give up");
    const votes = new Votes(5, false, { lowerQuorumPriorityNode: 5 });
    votes.lose(5);
    assert.equal(votes.voting.split(" ").length, 3, "one of the others");
  });

  test("otherwise a node outside the preferred site does", () => {
    for (let seed = 0; seed < 20; seed++) {
      const votes = new Votes(4, false, { preferredSite: "north", seed });
      votes.rules = { ...votes.rules, nodes: votes.rules.nodes.map((node) => ({ ...node, site: node.id <= 2 ? "north" : "south" })), current: { ...votes.weights, votes: votes.weights.votes.map((vote) => ({ ...vote, votes: 1 })) } };
      votes.settle();
      assert.ok(votes.voting.startsWith("1 2"), votes.voting);
    }
  });

  test("otherwise it is drawn, and whoever has none now keeps it so", () => {
    const drawn = new Set(Array.from({ length: 40 }, (_, seed) => new Votes(4, false, { seed }).voting));
    assert.equal(drawn.size, 4, "every node can be drawn");
    const votes = new Votes(4, false);
    const before = votes.voting;
    votes.rules = { ...votes.rules, seed: votes.rules.seed + 1 };
    assert.equal(votes.settle(), 0);
    assert.equal(votes.voting, before);
  });

  test("without dynamic quorum the votes stay as configured", () => {
    const votes = new Votes(4, true, { dynamicQuorum: false });
    assert.equal(votes.voting, "1 2 3 4 w");
    votes.lose(3);
    assert.equal(votes.voting, "1 2 3 4 w");
    const odd = new Votes(3, true, { dynamicQuorum: false });
    assert.equal(odd.voting, "1 2 3 w");
    odd.witness(false);
    assert.equal(odd.voting, "1 2 3 w", "a witness that fails keeps its vote, as it was configured");
  });

  test("a copy that was not admitted gets no vote", () => {
    const votes = new Votes(3, false);
    votes.rules = { ...votes.rules, nodes: votes.rules.nodes.map((node) => (node.id === 3 ? { ...node, store: "another" } : node)) };
    votes.settle();
    assert.equal(votes.weights.votes.find((vote) => vote.node === 3)?.votes, 0);
    assert.equal(votes.voting.split(" ").length, 1, "two that may vote are an even number");
  });

  test("no change takes the quorum from those who are to commit it", () => {
    const votes = new Votes(3, false, { dynamicQuorum: false });
    votes.rules = { ...votes.rules, nodes: votes.rules.nodes.map((node) => ({ ...node, active: node.id !== 1, weight: node.id === 2 ? 0 : 1 })) };
    assert.equal(assignVotes(votes.rules), null, "nodes 2 and 3 have two of three votes now, and would have one of two");
    votes.rules = { ...votes.rules, nodes: votes.rules.nodes.map((node) => ({ ...node, active: true })) };
    votes.settle();
    assert.equal(votes.voting, "1 3", "once node 1 is back");
  });

  test("an evicted node is not mentioned any more", () => {
    const votes = new Votes(4, false);
    votes.rules = { ...votes.rules, nodes: votes.rules.nodes.filter((node) => node.id !== 2) };
    votes.settle();
    assert.deepEqual(votes.weights.votes.map((vote) => vote.node), [1, 3, 4]);
    assert.equal(votes.voting, "1 3 4");
  });

  test("a witness has no vote before it was seen to work, and a new one none beside the old", () => {
    const votes = new Votes(4, false);
    votes.rules = { ...votes.rules, witness: { record: { id: "w1", kind: "cloud", properties: {} }, online: false } };
    votes.settle();
    assert.equal(votes.weights.witness === null, true);
    votes.witness(true);
    assert.equal(votes.voting, "1 2 3 4 w");
    votes.rules = { ...votes.rules, witness: { record: { id: "w2", kind: "cloud", properties: {} }, online: true } };
    const step = assignVotes(votes.rules)!;
    assert.deepEqual([step.witness?.id, step.witness?.votes], ["w2", 0], "first the old vote ends");
    votes.settle();
    assert.equal(votes.voting, "1 2 3 4 w");
    assert.equal(votes.weights.witness?.id, "w2");
  });

  test("when nobody who may vote is there, the votes stay", () => {
    const votes = new Votes(2, false);
    const before = votes.weights;
    votes.rules = { ...votes.rules, nodes: votes.rules.nodes.map((node) => ({ ...node, weight: 0 })) };
    assert.equal(assignVotes(votes.rules), null);
    assert.equal(votes.weights, before);
  });
});

/** Shares of the choices of nodes whose loss is survived: 1 = yes, 0 = no, between = it depends on which. */
function share(nodes: number, witness: boolean, ...losses: number[]): number {
  let survived = 0;
  let all = 0;
  const seeds = [1, 2, 3, 4, 5];
  for (const seed of seeds) {
    const lost = (gone: readonly number[], left: readonly number[]): void => {
      const [next, ...rest] = left;
      if (next === undefined) {
        all++;
        const votes = new Votes(nodes, witness, { seed });
        let position = 0;
        survived += losses.every((count) => votes.lose(...gone.slice(position, (position += count)))) ? 1 : 0;
        return;
      }
      const free = choices(nodes, next).filter((choice) => choice.every((one) => !gone.includes(one)));
      for (const choice of free) lost([...gone, ...choice], rest);
    };
    lost([], losses);
  }
  return survived / all;
}

describe("what a cluster survives", () => {
  /** The published table: nodes, witness, one, one and then another, two at once. */
  const published: readonly (readonly [number, boolean, string, string, string])[] = [
    [2, false, "half", "no", "no"],
    [2, true, "yes", "no", "no"],
    [3, false, "yes", "half", "no"],
    [3, true, "yes", "yes", "no"],
    [4, false, "yes", "yes", "half"],
    [4, true, "yes", "yes", "yes"],
    [5, false, "yes", "yes", "yes"],
    [5, true, "yes", "yes", "yes"],
    [6, false, "yes", "yes", "yes"],
    [6, true, "yes", "yes", "yes"],
  ];
  const word = (part: number): string => (part === 1 ? "yes" : part === 0 ? "no" : part === 0.5 ? "half" : String(part));
  for (const [nodes, witness, one, another, two] of published) {
    test(`${nodes} nodes with${witness ? "" : "out"} a witness: one ${one}, then another ${another}, two at once ${two}`, () => {
      assert.deepEqual([word(share(nodes, witness, 1)), word(share(nodes, witness, 1, 1)), word(share(nodes, witness, 2))], [one, another, two]);
    });
  }

  test("node by node it shrinks to the last one", () => {
    const votes = new Votes(7, true);
    for (const node of [1, 2, 3, 4, 5, 6]) assert.equal(votes.lose(node), true, `without ${node}`);
    assert.equal(votes.voting, "7");
  });

  test("two nodes and a witness: a node, then the witness; then nothing more", () => {
    const votes = new Votes(2, true);
    assert.equal(votes.lose(1), true);
    assert.equal(votes.voting, "2", "alone it needs no witness");
    assert.equal(votes.witness(false), true);
    assert.equal(votes.lose(2), false);
  });

  test("losing half or more of the votes at once cannot be mended", () => {
    assert.equal(new Votes(5, false).lose(1, 2, 3), false);
    assert.equal(new Votes(6, true).lose(1, 2, 3), true, "half of the nodes, with the witness");
    assert.equal(new Votes(6, true).lose(1, 2, 3, 4), false);
  });

  test("a clean shutdown moves the vote first", () => {
    const votes = new Votes(2, false);
    const holder = Number(votes.voting);
    votes.rules = { ...votes.rules, nodes: votes.rules.nodes.map((node) => (node.id === holder ? { ...node, active: false } : node)) };
    votes.settle();
    assert.equal(votes.voting, String(3 - holder), "a node that is about to leave counts as gone while it still can commit");
    assert.equal(votes.lose(holder), true);
  });

  test("the witness is lost: its vote ends, and the nodes are made odd", () => {
    const votes = new Votes(4, true);
    assert.equal(votes.witness(false), true);
    assert.equal(votes.voting.split(" ").length, 3);
    votes.witness(true);
    assert.equal(votes.voting, "1 2 3 4 w");
  });

  test("of two sites without a witness the one with more votes goes on", () => {
    const votes = new Votes(4, false, { lowerQuorumPriorityNode: 4 });
    assert.equal(new Votes(4, false, { lowerQuorumPriorityNode: 4 }).lose(1, 2), false);
    assert.equal(votes.lose(3, 4), true);
  });
});
