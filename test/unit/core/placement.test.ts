import assert from "node:assert/strict";
import { test } from "node:test";
import * as core from "../../../src/core/index.ts";
import { contextOf } from "../../../src/core/looking.ts";
import { choose, rankNodes } from "../../../src/core/placement.ts";
import type { PlacementRequest } from "../../../src/core/placement.ts";
import { findGroup } from "../../../src/core/resolve.ts";
import type { Command } from "../../../src/model/inputs.ts";
import { Driver } from "./driver.ts";

/** Where a role may go and in which order: one line per rule, each on a cluster made for it. */

interface Case {
  readonly name: string;
  readonly nodes?: number;
  /** What is done before; a text is an online role with that name and those preferred owners: "a node1,node2". */
  readonly given?: readonly (Command | string | ((driver: Driver) => void))[];
  /** The role asked about; by default "web", made here and left offline. */
  readonly web?: Omit<Extract<Command, { verb: "group.create" }>, "verb" | "name">;
  readonly possible?: readonly string[];
  readonly request: PlacementRequest;
  /** Numbers of the nodes that can, best first. Those in one list are equal but for the lot. */
  readonly order: readonly (number | readonly number[])[];
  /** Node and a part of what keeps it. */
  readonly not?: readonly (readonly [number, RegExp])[];
}

const best: PlacementRequest = { situation: "best" };
const start: PlacementRequest = { situation: "start" };
const failure = (from: number): PlacementRequest => ({ situation: "failure", from });
const nodeLost = (from: number): PlacementRequest => ({ situation: "nodeLost", from });
const failback: PlacementRequest = { situation: "failback" };

const domain = (name: string, type: "Site" | "Rack" | "Chassis", parent?: string): Command => ({ verb: "faultdomain.create", name, type, ...(parent === undefined ? {} : { parent }) });
const stands = (node: string, faultDomain: string | null): Command => ({ verb: "node.set", node, faultDomain });
const sites: readonly Command[] = [domain("A", "Site"), domain("B", "Site"), stands("node1", "A"), stands("node2", "A"), stands("node3", "B"), stands("node4", "B")];
const racks: readonly Command[] = [domain("S", "Site"), domain("R1", "Rack", "S"), domain("R2", "Rack", "S"), stands("node1", "R1"), stands("node2", "R1"), stands("node3", "R2"), stands("node4", "R2")];
const rule = (type: "SameNode" | "DifferentNode" | "SameFaultDomain" | "DifferentFaultDomain" | "None", soft = false, enabled = true, groups: readonly string[] = ["web", "a"]): Command => ({ verb: "affinity.create", name: `rule-${type}-${groups.join("-")}`, type, groups, soft, enabled });
const cluster = (properties: Record<string, number | string>): Command => ({ verb: "cluster.set", properties });
const pause = (node: string): Command => ({ verb: "node.pause", node });
const move = (group: string, node: string): Command => ({ verb: "group.move", group, node });
const classes = (group: string, ...names: string[]): Command => ({ verb: "group.set", group, properties: { AntiAffinityClassNames: names } });
const capacity = (node: string, value: number): Command => ({ verb: "node.set", node, properties: { NodeCapacity: value } });

const cases: readonly Case[] = [
  // possible owners and the state of nodes
  { name: "nothing said: every node, by lot", request: best, order: [[1, 2, 3]] },
  { name: "only possible owners", possible: ["node1", "node3"], request: best, order: [[1, 3]], not: [[2, /not a possible owner of the resource 'web-program'/]] },
  { name: "a node that is down", given: [(driver) => void driver.down(2)], request: best, order: [[1, 3]], not: [[2, /^is down$/]] },
  { name: "a node that is paused", given: [pause("node1")], request: best, order: [[2, 3]], not: [[1, /^is paused$/]] },
  { name: "a node that is about to stop", given: [{ verb: "node.shutdown", node: "node1" }], request: best, order: [[2, 3]], not: [[1, /about to stop/]] },
  { name: "a node whose inventory is not known", given: [(driver) => void driver.down(3), (driver) => void (driver.up.add(3), driver.view({ inventories: false }))], request: best, order: [[1, 2]], not: [[3, /has not reported/]] },
  { name: "a node that is quarantined", given: [cluster({ QuarantineThreshold: 1 }), (driver) => void driver.down(2), (driver) => void (driver.up.add(2), driver.view())], request: best, order: [[1, 3]], not: [[2, /^is quarantined$/]] },
  { name: "the node it leaves is never chosen", request: { situation: "best", from: 2 }, order: [[1, 3]] },
  { name: "no node at all", given: [pause("node1"), pause("node2"), pause("node3")], request: best, order: [] },
  // preferred owners
  { name: "preferred owners in their order, then the others", web: { preferredOwners: ["node3", "node1"] }, request: best, order: [3, 1, 2] },
  { name: "a partial list", web: { preferredOwners: ["node2"] }, request: best, order: [2, [1, 3]] },
  { name: "a preferred owner that is no possible owner", web: { preferredOwners: ["node3", "node1"] }, possible: ["node1", "node2"], request: best, order: [1, 2] },
  { name: "a preferred owner that is paused", web: { preferredOwners: ["node3", "node1"] }, given: [pause("node3")], request: best, order: [1, 2] },
  { name: "the list stands above the load", given: ["a node1", "b node1"], web: { preferredOwners: ["node1"] }, request: best, order: [1, [2, 3]] },
  // failure: further down, round the end
  { name: "failure on the first: the second", web: { preferredOwners: ["node1", "node2", "node3"] }, request: failure(1), order: [2, 3] },
  { name: "failure on the second: the third, not back to the top", web: { preferredOwners: ["node1", "node2", "node3"] }, request: failure(2), order: [3, 1] },
  { name: "failure on the last: round to the first", web: { preferredOwners: ["node1", "node2", "node3"] }, request: failure(3), order: [1, 2] },
  { name: "failure without a list: by number", nodes: 4, request: failure(2), order: [3, 4, 1] },
  { name: "failure with a partial list: the rest by number", nodes: 4, web: { preferredOwners: ["node3"] }, request: failure(3), order: [1, 2, 4] },
  { name: "failure outside of the list: on, then the top", nodes: 4, web: { preferredOwners: ["node3"] }, request: failure(2), order: [4, 3, 1] },
  { name: "failure: a node that cannot is passed over", web: { preferredOwners: ["node1", "node2", "node3"] }, given: [pause("node2")], request: failure(1), order: [3] },
  { name: "failure: the load does not matter", given: ["a node2", "b node2"], request: failure(1), order: [2, 3] },
  // the loss of a node
  { name: "node lost with a list: the first that can", web: { preferredOwners: ["node1", "node2", "node3"] }, request: nodeLost(2), order: [1, 3] },
  { name: "node lost with a partial list: then by load", nodes: 4, given: ["a node3"], web: { preferredOwners: ["node4"] }, request: nodeLost(1), order: [4, 2, 3] },
  { name: "node lost without a list: by load and lot", nodes: 4, given: ["a node2"], request: nodeLost(1), order: [[3, 4], 2] },
  { name: "node lost, order instead of lot", nodes: 4, given: [cluster({ DisableGroupPreferredOwnerRandomization: 1 }), "a node3"], request: nodeLost(2), order: [3, 4, 1] },
  { name: "node lost, order instead of lot, with a list", nodes: 4, given: [cluster({ DisableGroupPreferredOwnerRandomization: 1 })], web: { preferredOwners: ["node1"] }, request: nodeLost(2), order: [1, 3, 4] },
  // load
  { name: "the least loaded first", given: ["a node1", "b node1", "c node2"], request: best, order: [3, 2, 1] },
  { name: "offline roles are no load", given: ["a node1", { verb: "group.offline", group: "a" }], request: best, order: [[1, 2, 3]] },
  { name: "a weight counts", given: ["a node1", "b node2", "c node2", { verb: "group.set", group: "a", properties: { GroupWeight: 5 } }], request: best, order: [3, 2, 1] },
  { name: "a weight of nothing", given: ["a node1", { verb: "group.set", group: "a", properties: { GroupWeight: 0 } }, "b node2", "c node3"], request: best, order: [1, [2, 3]] },
  { name: "a role on its way counts where it goes", given: ["a node1", (driver) => void driver.command(move("a", "node2"))], request: best, order: [3, [1, 2]] },
  // start and the default owner
  { name: "start: where it ran last", given: ["a node1", move("web", "node3")], request: start, order: [3, 2, 1] },
  { name: "start: the list stands above where it ran last", web: { preferredOwners: ["node2"] }, given: [move("web", "node3")], request: start, order: [2, [1, 3]] },
  { name: "start: where it ran last cannot", given: [move("web", "node3"), pause("node3")], request: start, order: [[1, 2]] },
  { name: "start: an administrator sets the default owner", given: [(driver) => driver.wait(5_000), { verb: "group.set", group: "web", properties: { DefaultOwner: 2 } }], request: start, order: [2, [1, 3]] },
  { name: "best: where it ran last does not count", given: ["a node3", move("web", "node3")], request: best, order: [[1, 2], 3] },
  // failback
  { name: "failback: the list", web: { preferredOwners: ["node3", "node2"] }, request: failback, order: [3, 2, 1] },
  // sites
  { name: "the role's site first", nodes: 4, given: sites, web: { properties: { PreferredSite: "B" } }, request: best, order: [[3, 4], [1, 2]] },
  { name: "a site by another case", nodes: 4, given: sites, web: { properties: { PreferredSite: "b" } }, request: best, order: [[3, 4], [1, 2]] },
  { name: "the cluster's site first", nodes: 4, given: [...sites, cluster({ PreferredSite: "A" })], request: best, order: [[1, 2], [3, 4]] },
  { name: "the role's site above the cluster's", nodes: 4, given: [...sites, cluster({ PreferredSite: "A" })], web: { properties: { PreferredSite: "B" } }, request: best, order: [[3, 4], [1, 2]] },
  { name: "the role's site above its list", nodes: 4, given: sites, web: { properties: { PreferredSite: "B" }, preferredOwners: ["node1", "node4"] }, request: best, order: [4, 3, 1, 2] },
  { name: "the list above the cluster's site", nodes: 4, given: [...sites, cluster({ PreferredSite: "B" })], web: { preferredOwners: ["node1"] }, request: best, order: [1, [3, 4], 2] },
  { name: "the site's nodes are gone: the others", nodes: 4, given: [...sites, (driver) => void driver.down(3, 4)], web: { properties: { PreferredSite: "B" } }, request: best, order: [[1, 2]] },
  { name: "failure: the same site first", nodes: 4, given: sites, request: failure(2), order: [1, 3, 4] },
  { name: "node lost: the same site first", nodes: 4, given: sites, request: nodeLost(3), order: [4, [1, 2]] },
  { name: "node lost: the list above the same site", nodes: 4, given: sites, web: { preferredOwners: ["node1", "node3"] }, request: nodeLost(1), order: [3, 2, 4] },
  { name: "best for a drain: the same site first", nodes: 4, given: sites, request: { situation: "best", from: 4 }, order: [3, [1, 2]] },
  { name: "the site above the load", nodes: 4, given: [...sites, "a node3", "b node4"], web: { properties: { PreferredSite: "B" } }, request: best, order: [[3, 4], [1, 2]] },
  { name: "a node in a rack of the site", nodes: 4, given: [...racks, domain("T", "Site"), stands("node4", "T")], web: { properties: { PreferredSite: "T" } }, request: best, order: [4, [1, 2, 3]] },
  { name: "a node in no domain", nodes: 4, given: [...sites, stands("node4", null)], web: { properties: { PreferredSite: "B" } }, request: best, order: [3, [1, 2, 4]] },
  // rules between nodes
  { name: "DifferentNode, hard", given: ["a node1", rule("DifferentNode")], request: best, order: [[2, 3]], not: [[1, /has 'a', which the affinity rule/]] },
  { name: "DifferentNode, soft: last", given: ["a node1", "b node2", "c node2", rule("DifferentNode", true)], request: best, order: [3, 2, 1] },
  { name: "soft stands above the list", given: ["a node1", rule("DifferentNode", true)], web: { preferredOwners: ["node1"] }, request: best, order: [[2, 3], 1] },
  { name: "the site stands above a soft rule", nodes: 4, given: [...sites, "a node3", rule("DifferentNode", true)], web: { properties: { PreferredSite: "B" } }, request: best, order: [4, 3, [1, 2]] },
  { name: "a rule that is not enabled", given: ["a node1", "b node2", "c node3", rule("DifferentNode", false, false)], request: best, order: [[1, 2, 3]] },
  { name: "a rule of no type", given: ["a node1", rule("None")], request: best, order: [[2, 3], 1] },
  { name: "the other role is offline", given: ["a node1", { verb: "group.offline", group: "a" }, rule("DifferentNode")], request: best, order: [[1, 2, 3]] },
  { name: "the other role is on its way: neither end", given: ["a node1", rule("DifferentNode"), (driver) => void driver.command(move("a", "node2"))], request: best, order: [3] },
  { name: "the other role's node is down", given: ["a node1", rule("DifferentNode"), (driver) => void driver.down(1)], request: best, order: [3], not: [[1, /is down/], [2, /has 'a'|keeps apart/]] },
  { name: "an administrator does not mind the rules", given: ["a node1", "b node2", "c node3", rule("DifferentNode")], request: { situation: "best", ignoreAffinity: true }, order: [[1, 2, 3]] },
  {
    name: "a move in spite of the rules that was called off leaves no permission",
    given: ["a node1", rule("DifferentNode"), move("web", "node2"), { verb: "group.online", group: "web" }, (driver) => void driver.command({ verb: "group.move", group: "web", node: "node1", ignoreAffinity: true }), (driver) => void driver.command({ verb: "group.cancel", group: "web" })],
    request: best,
    order: [[2, 3]],
    not: [[1, /keeps apart/]],
  },
  { name: "SameNode, hard", given: ["a node2", rule("SameNode")], request: best, order: [2], not: [[1, /is not where 'a' is \(node2\)/]] },
  { name: "SameNode, soft: first", given: ["a node2", "b node2", rule("SameNode", true)], request: best, order: [2, [1, 3]] },
  { name: "SameNode: the other role's node is paused and holds nobody", given: ["a node2", rule("SameNode"), pause("node2")], request: best, order: [[1, 3]] },
  { name: "SameNode: where the other one goes to", given: ["a node2", rule("SameNode"), (driver) => void driver.command(move("a", "node3"))], request: best, order: [3] },
  { name: "two rules that cannot both be kept", given: ["a node2", "b node2", rule("SameNode"), rule("DifferentNode", false, true, ["web", "b"])], request: best, order: [] },
  // rules between fault domains
  { name: "DifferentFaultDomain: the site", nodes: 4, given: [...sites, "a node1", rule("DifferentFaultDomain")], request: best, order: [[3, 4]], not: [[2, /in the fault domain of 'a' \(Site 'A'\)/]] },
  { name: "SameFaultDomain: the site", nodes: 4, given: [...sites, "a node1", rule("SameFaultDomain")], request: best, order: [2, 1], not: [[3, /not in the fault domain of 'a'/]] },
  { name: "one site: the rack", nodes: 4, given: [...racks, "a node3", rule("DifferentFaultDomain")], request: best, order: [[1, 2]], not: [[4, /Rack 'R2'/]] },
  { name: "no domains: the node", given: ["a node1", rule("DifferentFaultDomain")], request: best, order: [[2, 3]], not: [[1, /\(node1\)/]] },
  { name: "a soft rule of domains", nodes: 4, given: [...sites, "a node1", rule("SameFaultDomain", true)], request: best, order: [2, 1, [3, 4]] },
  // classic anti-affinity
  { name: "classes: soft", given: ["a node1", classes("a", "x"), classes("web", "x", "y")], web: { preferredOwners: ["node1", "node2"] }, request: best, order: [2, 3, 1] },
  { name: "classes: names differ in case", given: ["a node1", classes("a", "DB"), classes("web", "db")], web: { preferredOwners: ["node1", "node2"] }, request: best, order: [2, 3, 1] },
  { name: "classes: none in common", given: ["a node1", classes("a", "x"), classes("web", "y")], web: { preferredOwners: ["node1", "node2"] }, request: best, order: [1, 2, 3] },
  { name: "classes: enforced", given: [cluster({ ClusterEnforcedAntiAffinity: 1 }), "a node1", classes("a", "x"), classes("web", "x")], request: best, order: [[2, 3]], not: [[1, /anti-affinity class 'x'/]] },
  { name: "classes: two against one", given: ["a node1", "b node1", "c node2", classes("a", "x"), classes("b", "x"), classes("c", "x"), classes("web", "x")], request: best, order: [3, 2, 1] },
  // capacity
  { name: "a node that is full", given: ["a node1", capacity("node1", 1)], request: best, order: [[2, 3]], not: [[1, /no room for it \(it weighs 1, 1 of 1 are taken\)/]] },
  { name: "a node with room", given: ["a node1", capacity("node1", 2)], web: { preferredOwners: ["node1"] }, request: best, order: [1, [2, 3]] },
  { name: "too heavy for any but one", given: [capacity("node1", 2), capacity("node2", 2)], web: { properties: { GroupWeight: 3 } }, request: best, order: [3] },
  { name: "a node that takes nothing", given: [capacity("node1", 0)], request: best, order: [[2, 3]] },
  { name: "its own weight is not counted twice", given: [move("web", "node1"), { verb: "group.online", group: "web" }, capacity("node1", 1)], web: { preferredOwners: ["node1"] }, request: best, order: [1, [2, 3]] },
];

function clusterOf({ nodes, web, possible, given }: Case): Driver {
  const driver = Driver.started(nodes ?? 3);
  // Sites first: the role may name one.
  const isDomain = (one: unknown): boolean => typeof one === "object" && (one as Command).verb.startsWith("faultdomain.");
  for (const command of (given ?? []).filter(isDomain)) driver.do(command as Command);
  driver.do({ verb: "group.create", name: "web", ...web });
  driver.program("web-program", "web", {}, possible === undefined ? undefined : [...possible]);
  for (const one of (given ?? []).filter((candidate) => !isDomain(candidate))) {
    if (typeof one === "function") one(driver);
    else if (typeof one === "object") driver.do(one);
    else {
      const [name = "", owners = ""] = one.split(" ");
      driver.role(name, { preferred: owners.split(",") });
    }
  }
  return driver;
}

for (const example of cases) {
  test(`placement: ${example.name}`, () => {
    const driver = clusterOf(example);
    const context = contextOf(driver.state);
    const group = findGroup(driver.state, "web");
    const ranked = rankNodes(context, group, example.request);
    const able = ranked.filter((one) => one.obstacle === null);
    const expected = example.order.map((place) => (typeof place === "number" ? [place] : [...place]));
    let position = 0;
    for (const place of expected) {
      const found = able.slice(position, position + place.length).map((one) => one.node);
      assert.deepEqual([...found].sort(), place, `the order is ${able.map((one) => one.node).join(" ")}`);
      position += place.length;
    }
    assert.equal(able.length, position, `${able.map((one) => one.node).join(" ")} can host it`);
    // Choosing and ranking are one thing.
    assert.equal(choose(context, group, example.request), able[0]?.node ?? null);
    for (const { obstacle, place } of ranked) assert.ok((obstacle?.text ?? place).length > 0, "every node has a reason");
    for (const [node, text] of example.not ?? []) assert.match(ranked.find((one) => one.node === node)?.obstacle?.text ?? "it can", text);
    // Looking changes nothing.
    const before = core.snapshot(driver.state);
    rankNodes(contextOf(driver.state), group, example.request);
    assert.equal(core.snapshot(driver.state), before);
  });
}

test("the table is as long as it should be", () => {
  assert.ok(cases.length >= 60, `${cases.length} cases`);
});
