import assert from "node:assert/strict";
import { test } from "node:test";
import * as core from "../../../src/core/index.ts";
import { commonProperties } from "../../../src/model/properties.ts";
import { GroupSetStatus, GroupStatus, NodeStatus, ResourceStatus } from "../../../src/model/states.ts";
import { PROTOCOL_VERSION } from "../../../src/model/version.ts";
import { Driver } from "./driver.ts";

/** Properties that nobody sets: what they say follows from the state (reference 1.10, 2.3, 2.4, 2.7). */

type Shown = { readonly properties: Readonly<Record<string, unknown>> };

function shows(shown: Shown, expected: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(expected)) assert.deepEqual(shown.properties[name], value, name);
}

function driver(): Driver {
  const made = Driver.started(3);
  made.do({ verb: "faultdomain.create", name: "west", type: "Site" });
  made.do({ verb: "node.set", node: "node1", faultDomain: "west" });
  made.role("web", { preferred: ["node1"] });
  made.do({ verb: "groupset.create", name: "front", groups: ["web"] });
  return made;
}

test("of the cluster", () => {
  const { state } = driver();
  shows(core.describeCluster(state), { ClusterFunctionalLevel: PROTOCOL_VERSION, FixQuorum: 0, WitnessDynamicWeight: 0 });
  const forced = Driver.started(3);
  forced.epoch += 1;
  forced.index = -1;
  forced.step({ kind: "view", members: [forced.member(1)], learners: [], orderer: 1, stores: ["s"], forced: true });
  shows(core.describeCluster(forced.state), { FixQuorum: 1 });
});

test("of a node", () => {
  const made = driver();
  const node = (): Shown => core.describeNode(made.state, "node1");
  shows(node(), { NodeName: "node1", FaultDomain: ["Site:west"], FaultDomainId: core.describeFaultDomain(made.state, "west").id, DynamicWeight: 1, NodeHighestVersion: PROTOCOL_VERSION, NodeLowestVersion: PROTOCOL_VERSION });
  shows(node(), { NodeDrainStatus: 0, NodeDrainTarget: -1, NodeFailbackStatus: 0, DrainErrorCode: 0, StatusInformation: NodeStatus.Normal });
  made.command({ verb: "node.pause", node: "node1", drain: true, target: "node2" });
  shows(node(), { NodeDrainStatus: 1, NodeDrainTarget: 2, StatusInformation: NodeStatus.DrainInProgress });
  made.settle();
  shows(node(), { NodeDrainStatus: 2, StatusInformation: NodeStatus.DrainCompleted });
  made.command({ verb: "node.resume", node: "node1", failback: true });
  shows(node(), { NodeDrainStatus: 0, NodeDrainTarget: -1, NodeFailbackStatus: 1 });
  made.settle();
  shows(node(), { NodeFailbackStatus: 2 });
  made.do({ verb: "group.set", group: "web", properties: { LockedFromMoving: 1 } });
  made.do({ verb: "node.pause", node: "node1", drain: true });
  shows(node(), { NodeDrainStatus: 3, DrainErrorCode: 1137, StatusInformation: NodeStatus.DrainFailed });
});

test("of a group, its resources and its set", () => {
  const made = driver();
  const resource = core.describeResource(made.state, "web-program");
  const group = core.describeGroup(made.state, "web");
  shows(group, { StatusInformation: 0 });
  shows(core.describeGroupSet(made.state, "front"), { Name: "front", StatusInformation: GroupSetStatus.GroupsOnline });
  made.step({ kind: "report", from: made.member(1), resource: resource.id, generation: group.generation, effect: null, state: "online", reason: "", processId: null, status: { locked: true, osHeartbeat: true, applicationReady: true } });
  shows(core.describeResource(made.state, "web-program"), { StatusInformation: ResourceStatus.LockedMode | ResourceStatus.OsHeartbeat | ResourceStatus.ApplicationReady });
  shows(core.describeGroup(made.state, "web"), { StatusInformation: GroupStatus.LockedMode | GroupStatus.OsHeartbeat | GroupStatus.ApplicationReady });
  shows(core.describeGroupSet(made.state, "front"), { StatusInformation: GroupSetStatus.GroupsOnline | GroupSetStatus.OsHeartbeat | GroupSetStatus.ApplicationReady });
});

test("a kind of group is a number that tools read", () => {
  const made = driver();
  made.do({ verb: "group.set", group: "web", properties: { GroupType: 107 } });
  shows(core.describeGroup(made.state, "web"), { GroupType: 107 });
  made.refused({ verb: "group.set", group: "web", properties: { GroupType: 0 } }, "MUSTER_PROPERTY_RANGE");
});

test("what is computed cannot be set", () => {
  const made = driver();
  const [computed] = commonProperties.node.filter((property) => property.computed === true && property.type === "number");
  made.refused({ verb: "node.set", node: "node1", properties: { [computed?.name ?? ""]: 1 } }, "MUSTER_READ_ONLY_PROPERTY");
});

test("a node is stopped with or without its roles, as DrainOnShutdown says", () => {
  const made = driver();
  made.do({ verb: "cluster.set", properties: { DrainOnShutdown: 0 } });
  made.do({ verb: "node.shutdown", node: "node1" });
  assert.equal(core.describeGroup(made.state, "web").ownerNode, "node1");
  const other = driver();
  other.do({ verb: "node.shutdown", node: "node1" });
  assert.notEqual(core.describeGroup(other.state, "web").ownerNode, "node1");
});

test("of a network and an interface", () => {
  const made = Driver.started(2);
  for (const node of [1, 2]) made.do({ verb: "network.discover", node: `node${node}`, interfaces: [{ adapter: "eth0", hardwareAddress: `02:00:00:00:00:0${node}`, addresses: [`10.0.0.${node}/24`, `fd00::${node}/64`], defaultGateway: true }] });
  const [network] = core.describeNetworks(made.state);
  assert.ok(network !== undefined);
  shows(network, { Name: network.name, Address: "10.0.0.0", AddressMask: "255.255.255.0", IPv4Addresses: ["10.0.0.0"], IPv4PrefixLengths: ["24"], Role: 3 });
  const found = core.describeNetworkInterfaces(made.state).find((one) => one.node === "node1");
  assert.ok(found !== undefined);
  shows(found, { Name: found.name, Adapter: "eth0", AdapterId: "02:00:00:00:00:01", Address: "10.0.0.1", IPv4Addresses: ["10.0.0.1"], Network: network.name, Node: "node1" });
});
