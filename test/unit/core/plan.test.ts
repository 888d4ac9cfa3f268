import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import * as core from "../../../src/core/index.ts";
import type { Hypothesis, Plan } from "../../../src/model/views.ts";
import { Driver } from "./driver.ts";

/** "What if?" answers with what then happens: the same code decides, and resources do as they are told. */

/** Everything a plan says of the groups, from a state. */
function places(driver: Driver): Map<string, string> {
  return new Map(core.describeGroups(driver.state).map((group) => [group.name, `${group.state} ${group.ownerNode ?? "nobody"}`]));
}

function predicted(before: ReadonlyMap<string, string>, plan: Plan): Map<string, string> {
  const after = new Map(before);
  for (const group of plan.groups) {
    if (group.after === null) after.delete(group.group);
    else after.set(group.group, `${group.after} ${group.ownerNode ?? "nobody"}`);
  }
  return after;
}

/** The votes follow what is there, as the log sees to it. */
function followVotes(driver: Driver): void {
  for (let weights = core.wantedWeights(driver.state, core.knownWeights(driver.state)); weights !== null; weights = core.wantedWeights(driver.state, core.knownWeights(driver.state))) driver.step({ kind: "weights", weights });
}

function cluster(nodes: number): Driver {
  const driver = Driver.started(nodes);
  followVotes(driver);
  return driver;
}

function votes(driver: Driver): string {
  return core.describeQuorum(driver.state).nodes.filter((node) => node.vote > 0).map((node) => node.node).join(" ");
}

describe("what if", () => {
  test("one node after the other may go down to the last, because the votes follow", () => {
    const driver = cluster(5);
    const steps: Hypothesis[] = ["node2", "node3", "node4"].map((node) => ({ what: "nodeDown", node }));
    assert.equal(core.whatIf(driver.state, steps).stopped, false);
  });

  test("three of five at the same moment stop the cluster, and no role is served then", () => {
    const driver = cluster(5);
    driver.role("web");
    const plan = core.whatIf(driver.state, [{ what: "nodesDown", nodes: ["node1", "node2", "node3"] }]);
    assert.equal(plan.stopped, true);
    assert.deepEqual(plan.groups, [{ group: "web", before: "Online", after: "Offline", ownerNode: null }]);
    assert.match(plan.notes.join(" "), /node4, node5 have no quorum/);
  });

  test("who was lost and comes back makes it go on", () => {
    const driver = cluster(3);
    driver.role("web", { preferred: ["node3"] });
    const plan = core.whatIf(driver.state, [{ what: "nodesDown", nodes: ["node1", "node2"] }, { what: "nodeUp", node: "node2" }]);
    assert.equal(plan.stopped, false);
    assert.match(plan.notes.join(" "), /has no quorum/);
  });

  test("a cut leaves the side with the votes, and the roles of the other side move", () => {
    const driver = cluster(5);
    driver.role("web", { preferred: ["node5", "node1"] });
    const plan = core.whatIf(driver.state, [{ what: "networkCut", nodes: ["node4", "node5"] }]);
    assert.match(plan.notes.join(" "), /node1, node2, node3 go on; node4, node5 stop/);
    assert.deepEqual(plan.groups.map((group) => `${group.group} ${group.ownerNode}`), ["web node1"]);
  });

  test("a cut in halves goes by the votes: an even number of nodes never has an even number of votes", () => {
    const driver = cluster(4);
    const voting = votes(driver).split(" ");
    assert.equal(voting.length, 3);
    const [first, second] = voting as [string, string];
    const plan = core.whatIf(driver.state, [{ what: "networkCut", nodes: [first, second] }]);
    assert.equal(plan.stopped, false);
    assert.match(plan.notes.join(" "), new RegExp(`${[first, second].sort().join(", ")} go on`));
  });

  test("what cannot be assumed is refused with its field", () => {
    const driver = cluster(3);
    const refused = (step: Hypothesis, pattern: RegExp): void => void assert.throws(() => core.whatIf(driver.state, [step]), pattern);
    refused({ what: "networkCut", nodes: ["node1", "node2", "node3"] }, /nodes: .*both sides/);
    refused({ what: "nodeUp", node: "node1" }, /up already/);
    refused({ what: "nodesDown", nodes: [] }, /nodes: names of nodes/);
    refused({ what: "witness", state: "lost" }, /no witness is configured/);
    assert.throws(() => core.whatIf(driver.state, [{ what: "nodesDown", nodes: ["node1", "node2"] }, { what: "command", command: { verb: "group.create", name: "g" } }]), /has stopped/);
  });

  test("nothing is changed by asking", () => {
    const driver = cluster(3);
    driver.role("web");
    const before = core.snapshot(driver.state);
    core.whatIf(driver.state, [{ what: "nodeDown", node: "node1" }, { what: "command", command: { verb: "group.set", group: "web", properties: { Priority: 3_000 } } }]);
    assert.equal(core.snapshot(driver.state), before);
    assert.equal(core.recomputedHashes(driver.state).state, core.stateHash(driver.state));
  });

  test("the loss of nodes ends as was said, whatever the roles are like", () => {
    const role = fc.record({ preferred: fc.uniqueArray(fc.integer({ min: 1, max: 5 }), { maxLength: 3 }), possible: fc.uniqueArray(fc.integer({ min: 1, max: 5 }), { maxLength: 3 }), priority: fc.constantFrom(0, 1_000, 2_000, 3_000), delayed: fc.boolean(), after: fc.boolean() });
    fc.assert(
      fc.property(fc.array(role, { minLength: 1, maxLength: 6 }), fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 3 }), (roles, losses) => {
        const driver = cluster(5);
        for (const [position, one] of roles.entries()) {
          const properties = { Priority: one.priority, GroupStartDelay: one.delayed ? 5_000 : 0 };
          driver.do({ verb: "group.create", name: `g${position}`, preferredOwners: one.preferred.map((node) => `node${node}`), properties });
          driver.program(`g${position}-program`, `g${position}`, {}, one.possible.length === 0 ? undefined : one.possible.map((node) => `node${node}`));
          if (one.after && position > 0) driver.do({ verb: "group.set", group: `g${position}`, startsAfter: [`g${position - 1}`] });
          driver.do({ verb: "group.online", group: `g${position}` });
        }
        driver.wait(900_000);
        for (const node of losses) {
          if (!driver.up.has(node) || driver.up.size === 1) continue;
          const before = places(driver);
          const plan = core.whatIf(driver.state, [{ what: "nodeDown", node: `node${node}` }]);
          if (plan.stopped) return;
          driver.down(node);
          followVotes(driver);
          driver.settle();
          driver.wait(900_000);
          assert.deepEqual(places(driver), predicted(before, plan));
        }
      }),
      { numRuns: 150, seed: Number(process.env["SEED"] ?? 11) },
    );
  });
});
