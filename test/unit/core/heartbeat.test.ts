import assert from "node:assert/strict";
import { test } from "node:test";
import * as core from "../../../src/core/index.ts";
import type { PropertyBag } from "../../../src/model/objects.ts";
import type { Weights } from "../../../src/model/votes.ts";
import { Driver } from "./driver.ts";

/** Windows' heartbeat properties, as the core has the numbered weights follow them. */

const PROFILE_MS = 500;
/** Nodes of two subnets that are joined by a router. */
const ACROSS = ["10.0.1.1/24", "10.0.2.2/24"];

function started(addresses: readonly string[], tells: readonly number[] = addresses.map((_, position) => position + 1)): Driver {
  const driver = new Driver(addresses.length);
  driver.state = core.createState({ clusterId: "test", clusterName: "test", nodes: addresses.map((text, position) => ({ id: position + 1, name: `node${position + 1}`, addresses: [text.split("/")[0]!] })) });
  driver.view();
  for (const node of tells) driver.do({ verb: "network.discover", node: `node${node}`, interfaces: [{ adapter: "eth0", hardwareAddress: `02:00:00:00:00:0${node}`, addresses: [addresses[node - 1]!], defaultGateway: false }] });
  return driver;
}

/** The next weights: an entry of the log. */
function follow(driver: Driver): Weights | null {
  const weights = core.wantedRecord(driver.state, core.knownWeights(driver.state), PROFILE_MS);
  if (weights !== null) driver.step({ kind: "weights", weights });
  return weights;
}

function followVotes(driver: Driver): void {
  while (follow(driver) !== null) continue;
}

function set(driver: Driver, properties: PropertyBag): void {
  driver.do({ verb: "cluster.set", properties });
}

test("a pair that was changed brings another token, with the former one; the votes stay", () => {
  const driver = Driver.started(3);
  followVotes(driver);
  const before = core.knownWeights(driver.state);
  assert.deepEqual([before.tokenMs, before.formerTokenMs], [undefined, undefined]);
  set(driver, { SameSubnetThreshold: 20 });
  const weights = follow(driver);
  assert.deepEqual(weights, { ...before, version: before.version + 1, tokenMs: 9_090, formerTokenMs: PROFILE_MS });
  assert.match(core.events(driver.state).at(-1)!.text, /missed after at most 20113 ms \(token 9090 ms, before 500 ms\)/);
  // The next change waits until nobody acts by the former token any more; a change of the votes does not, and takes both over.
  set(driver, { SameSubnetThreshold: 10 });
  assert.equal(follow(driver), null);
  driver.down(3);
  const voted = follow(driver);
  assert.deepEqual([voted?.tokenMs, voted?.formerTokenMs], [9_090, PROFILE_MS]);
  followVotes(driver);
  const { formerTokenMs: _former, ...settled } = core.knownWeights(driver.state);
  driver.step({ kind: "weights", weights: { ...settled, version: settled.version + 1 } });
  const back = follow(driver);
  assert.deepEqual([back?.tokenMs, back?.formerTokenMs], [PROFILE_MS, 9_090], "both at their defaults are the profile");
});

test("votes and token may change together", () => {
  const driver = Driver.started(3);
  followVotes(driver);
  set(driver, { SameSubnetThreshold: 5 });
  driver.down(3);
  const weights = follow(driver);
  assert.equal(weights?.tokenMs, 2_272);
  assert.notDeepEqual(weights?.votes, core.wantedWeights(driver.state, { ...weights!, votes: [] })?.votes);
});

test("the embedded engine has no token", () => {
  const driver = Driver.started(3);
  followVotes(driver);
  set(driver, { SameSubnetThreshold: 5 });
  assert.equal(core.wantedRecord(driver.state, core.knownWeights(driver.state), null), null);
  assert.equal(core.describeHeartbeat(driver.state, null), null);
});

test("the other pair counts where nodes are in different subnets", () => {
  const cases: readonly (readonly [string, Driver, boolean])[] = [
    ["one subnet", started(["10.0.1.1/24", "10.0.1.2/24"]), false],
    ["two subnets", started(ACROSS), true],
    ["one of the two subnets is not known yet", started(ACROSS, [1]), false],
    ["three nodes, one of them elsewhere", started(["10.0.1.1/24", "10.0.1.2/24", "10.0.2.3/24"]), true],
  ];
  for (const [what, driver, spans] of cases) {
    set(driver, { CrossSubnetThreshold: 40 });
    const heartbeat = core.describeHeartbeat(driver.state, PROFILE_MS);
    assert.deepEqual([heartbeat?.spansSubnets, heartbeat?.tokenMs], [spans, spans ? 18_181 : PROFILE_MS], what);
    followVotes(driver);
    assert.equal(core.knownWeights(driver.state).tokenMs, spans ? 18_181 : undefined, what);
  }
});

test("between sites the properties for sites count, and those for subnets only within one", () => {
  const driver = started(["10.0.1.1/24", "10.0.2.2/24"]);
  set(driver, { CrossSubnetThreshold: 40, CrossSiteDelay: 2_000, CrossSiteThreshold: 30 });
  const seen = (): unknown[] => {
    const heartbeat = core.describeHeartbeat(driver.state, PROFILE_MS);
    return [heartbeat?.spansSubnets, heartbeat?.spansSites, heartbeat?.tokenMs];
  };
  assert.deepEqual(seen(), [true, false, 18_181]);
  for (const [node, site] of [["node1", "west"], ["node2", "east"]] as const) {
    driver.do({ verb: "faultdomain.create", name: site, type: "Site" });
    driver.do({ verb: "node.set", node, faultDomain: site });
  }
  assert.deepEqual(seen(), [false, true, 27_272]);
  driver.do({ verb: "node.set", node: "node2", faultDomain: "west" });
  assert.deepEqual(seen(), [true, false, 18_181], "one site, two subnets");
  followVotes(driver);
  assert.equal(core.knownWeights(driver.state).tokenMs, 18_181);
});

test("what comes of properties is said before they are set, with the bounds", () => {
  const driver = started(ACROSS);
  const inForce = { tokenMs: PROFILE_MS, detectionMs: 1_210 };
  assert.deepEqual(core.describeHeartbeat(driver.state, PROFILE_MS, { CrossSubnetDelay: 4_000, CrossSubnetThreshold: 120 }), { tokenMs: 60_000, detectionMs: 132_110, boundedFromMs: 218_181, spansSubnets: true, spansSites: false, inForce });
  assert.deepEqual(core.describeHeartbeat(driver.state, PROFILE_MS), { ...inForce, boundedFromMs: null, spansSubnets: true, spansSites: false, inForce });
  driver.refused({ verb: "cluster.set", properties: { SameSubnetDelay: 249 } }, "MUSTER_PROPERTY_RANGE");
  assert.equal(driver.lastOutcome?.error?.field, "SameSubnetDelay");
});
