import assert from "node:assert/strict";
import { test } from "node:test";
import * as core from "../../../src/core/index.ts";
import { deriveNetwork } from "../../../src/core/network-state.ts";
import { isInside, maskOf, parseSubnet } from "../../../src/core/subnets.ts";
import type { ErrorCode } from "../../../src/model/errors.ts";
import type { Command } from "../../../src/model/inputs.ts";
import type { NetworkInterfaceState, NetworkState } from "../../../src/model/states.ts";
import { Dice, Driver } from "./driver.ts";

/** What each node says: "-" its node is down, "?" nothing yet, "x" no link, else the nodes it hears. */
const derivations: { readonly says: readonly string[]; readonly network: NetworkState | "nothing"; readonly interfaces: readonly NetworkInterfaceState[] }[] = [
  { says: [""], network: "Up", interfaces: ["Up"] },
  { says: ["x"], network: "Down", interfaces: ["Failed"] },
  { says: ["-"], network: "Unavailable", interfaces: ["Unavailable"] },
  { says: ["?"], network: "nothing", interfaces: [] },
  { says: ["2", "1"], network: "Up", interfaces: ["Up", "Up"] },
  { says: ["2", "?"], network: "nothing", interfaces: [] },
  { says: ["", "-"], network: "Up", interfaces: ["Up", "Unavailable"] },
  { says: ["-", "-"], network: "Unavailable", interfaces: ["Unavailable", "Unavailable"] },
  // One way is no way.
  { says: ["2", ""], network: "Down", interfaces: ["Unreachable", "Unreachable"] },
  { says: ["", ""], network: "Down", interfaces: ["Unreachable", "Unreachable"] },
  { says: ["", "x"], network: "Partitioned", interfaces: ["Up", "Failed"] },
  { says: ["x", "x"], network: "Down", interfaces: ["Failed", "Failed"] },
  { says: ["23", "13", "12"], network: "Up", interfaces: ["Up", "Up", "Up"] },
  { says: ["2", "1", ""], network: "Partitioned", interfaces: ["Up", "Up", "Failed"] },
  { says: ["2", "1", "12"], network: "Partitioned", interfaces: ["Up", "Up", "Failed"] },
  { says: ["3", "3", "12"], network: "Partitioned", interfaces: ["Unreachable", "Unreachable", "Up"] },
  { says: ["", "", ""], network: "Down", interfaces: ["Unreachable", "Unreachable", "Unreachable"] },
  { says: ["2", "1", "-"], network: "Up", interfaces: ["Up", "Up", "Unavailable"] },
  { says: ["x", "x", "-"], network: "Down", interfaces: ["Failed", "Failed", "Unavailable"] },
  { says: ["2", "1", "x"], network: "Partitioned", interfaces: ["Up", "Up", "Failed"] },
  { says: ["2", "1", "4", "3"], network: "Partitioned", interfaces: ["Unreachable", "Unreachable", "Unreachable", "Unreachable"] },
  { says: ["24", "13", "24", "13"], network: "Partitioned", interfaces: ["Unreachable", "Unreachable", "Unreachable", "Unreachable"] },
];

for (const { says, network, interfaces } of derivations) {
  test(`nodes say ${says.map((text) => `"${text}"`).join(" ")}: ${network}`, () => {
    const derived = deriveNetwork(
      says.map((text, position) => ({ id: `i${position}`, node: position + 1, nodeUp: text !== "-", report: text === "-" || text === "?" ? null : { linkUp: text !== "x", hears: text === "x" ? [] : [...text].map(Number) } })),
    );
    assert.equal(derived?.state ?? "nothing", network);
    assert.deepEqual(derived?.interfaces.map((one) => one.state) ?? [], interfaces);
  });
}

test("two interfaces of one node do not lose each other", () => {
  const seen = [1, 1, 2].map((node, position) => ({ id: `i${position}`, node, nodeUp: true, report: { linkUp: true, hears: [node === 1 ? 2 : 1] } }));
  assert.deepEqual(deriveNetwork(seen)?.interfaces.map((one) => one.state), ["Up", "Up", "Up"]);
});

test("an interface that nobody answers has failed, also when its node has another one that works", () => {
  const seen = [
    { id: "1/a", node: 1, nodeUp: true, report: { linkUp: true, hears: [2] } },
    { id: "1/b", node: 1, nodeUp: true, report: { linkUp: true, hears: [] } },
    { id: "2/a", node: 2, nodeUp: true, report: { linkUp: true, hears: [1] } },
  ];
  assert.deepEqual(deriveNetwork(seen)?.interfaces.map((one) => one.state), ["Up", "Failed", "Up"]);
});

test("addresses and subnets", () => {
  const prefix = (text: string): string | undefined => parseSubnet(text)?.prefix;
  assert.equal(prefix("10.1.2.3/24"), "10.1.2.0/24");
  assert.equal(prefix("10.1.2.3/0"), "0.0.0.0/0");
  assert.equal(prefix("10.1.2.3/32"), "10.1.2.3/32");
  assert.equal(prefix("FD00:0:0:1::5/64"), "fd00:0:0:1::/64");
  assert.equal(prefix("::1/128"), "::1/128");
  assert.equal(parseSubnet("2001:DB8:0:0:1:0:0:1/48")?.text, "2001:db8::1:0:0:1/48");
  assert.equal(parseSubnet("0:0:0:0:0:0:0:0/0")?.text, "::/0");
  for (const wrong of ["", "10.0.0.1", "10.0.0/24", "10.0.0.256/24", "10.0.0.1/33", "::/129", "1::2::3/64", "1:2:3:4:5:6:7/64", "12345::/64", "1:2:3:4:5:6:7:8::/64", "g::/64", "10.0.0.1/-1"]) assert.equal(parseSubnet(wrong), null, wrong);
  assert.ok(isInside("127.0.0.100", "127.0.0.0/8"));
  assert.ok(!isInside("10.0.1.1", "10.0.0.0/24") && !isInside("nonsense", "10.0.0.0/24"));
  assert.deepEqual([maskOf(24), maskOf(0), maskOf(32)], ["255.255.255.0", "0.0.0.0", "255.255.255.255"]);
});

function adapter(name: string, ...addresses: string[]): Extract<Command, { verb: "network.discover" }>["interfaces"][number] {
  return { adapter: name, hardwareAddress: `02:00:00:00:00:0${name.at(-1)}`, addresses, defaultGateway: false };
}

test("what a node tells again writes nothing", () => {
  const driver = Driver.started(2);
  const tell = (): core.StepResult => driver.command({ verb: "network.discover", node: "node1", interfaces: [adapter("eth1", "10.0.1.1/24"), adapter("eth0", "10.0.0.1/24", "FD00:0::1/64"), adapter("eth2")] });
  assert.deepEqual(tell().changes.map((change) => change.table), ["networks", "networks", "networkInterfaces", "networkInterfaces", "requests"]);
  const again = tell();
  assert.deepEqual(again.changes.map((change) => change.table), ["requests"]);
  assert.deepEqual(again.events, []);
  assert.equal(core.discoveryChanges(driver.state, 1, [adapter("eth1", "10.0.1.1/24"), adapter("eth0", "10.0.0.1/24", "fd00::1/64")]), false);
  assert.equal(core.discoveryChanges(driver.state, 1, [adapter("eth1", "10.0.1.1/24")]), true);
  assert.equal(core.discoveryChanges(driver.state, 2, []), false);
});

test("views and properties of networks and interfaces", () => {
  const driver = Driver.started(1);
  driver.do({ verb: "network.discover", node: "node1", interfaces: [adapter("eth0", "10.0.0.7/24", "fd00::7/64")] });
  const [network] = core.describeNetworks(driver.state);
  assert.deepEqual([network?.properties["Address"], network?.properties["AddressMask"], network?.properties["IPv6Addresses"], network?.properties["IPv6PrefixLengths"], network?.properties["Role"]], ["10.0.0.0", "255.255.255.0", ["fd00::"], ["64"], 1]);
  const [one] = core.describeNetworkInterfaces(driver.state);
  assert.deepEqual([one?.name, one?.properties["Address"], one?.properties["AdapterId"], one?.properties["Node"], one?.properties["Network"], one?.state], ["node1 - eth0", "10.0.0.7", "02:00:00:00:00:00", "node1", "Network 1", "StateUnknown"]);
});

test("discoveries and networks that make no sense are refused", () => {
  const driver = Driver.started(2);
  driver.do({ verb: "network.discover", node: "node1", interfaces: [adapter("eth0", "10.0.0.1/24")] });
  const before = driver.everything();
  const cases: readonly (readonly [unknown, ErrorCode, string | null])[] = [
    [{ verb: "network.discover", node: "node9", interfaces: [] }, "MUSTER_NODE_NOT_FOUND", "node"],
    [{ verb: "network.discover", node: "node1" }, "MUSTER_INVALID_ARGUMENT", "interfaces"],
    [{ verb: "network.discover", node: "node1", interfaces: [null] }, "MUSTER_INVALID_ARGUMENT", "interfaces[0].adapter"],
    [{ verb: "network.discover", node: "node1", interfaces: [adapter("a b", "10.0.0.1/24")] }, "MUSTER_INVALID_ARGUMENT", "interfaces[0].adapter"],
    [{ verb: "network.discover", node: "node1", interfaces: [adapter("e", "10.0.0.1/24"), adapter("e", "10.0.0.2/24")] }, "MUSTER_INVALID_ARGUMENT", "interfaces"],
    [{ verb: "network.discover", node: "node1", interfaces: [adapter("e", "10.0.0.1")] }, "MUSTER_INVALID_ARGUMENT", "interfaces[0].addresses"],
    [{ verb: "network.discover", node: "node1", interfaces: [{ adapter: "e", addresses: [] }] }, "MUSTER_INVALID_ARGUMENT", "interfaces[0].hardwareAddress"],
    [{ verb: "network.discover", node: "node1", interfaces: [{ ...adapter("e"), addresses: "x" }] }, "MUSTER_INVALID_ARGUMENT", "interfaces[0].addresses"],
    [{ verb: "network.discover", node: "node1", interfaces: Array.from({ length: 33 }, (_, n) => adapter(`e${n}`, "10.0.0.1/24")) }, "MUSTER_LIMIT", "interfaces"],
    [{ verb: "network.discover", node: "node1", interfaces: [adapter("e", ...Array.from({ length: 33 }, (_, n) => `10.0.0.${n}/24`))] }, "MUSTER_LIMIT", "interfaces[0].addresses"],
    [{ verb: "network.set", network: "Network 9" }, "MUSTER_NETWORK_NOT_FOUND", "network"],
    [{ verb: "network.set", network: "Network 1", properties: { Role: 4 } }, "MUSTER_PROPERTY_RANGE", "Role"],
    [{ verb: "network.set", network: "Network 1", properties: { Role: 2 } }, "MUSTER_INVALID_ARGUMENT", "Role"],
    [{ verb: "network.set", network: "Network 1", properties: { Role: 0 } }, "MUSTER_ONLY_INTERNAL_NETWORK", "Role"],
    [{ verb: "network.set", network: "Network 1", properties: { Metric: 0 } }, "MUSTER_PROPERTY_RANGE", "Metric"],
    [{ verb: "network.set", network: "Network 1", properties: { Colour: 1 } }, "MUSTER_UNKNOWN_PROPERTY", "Colour"],
    [{ verb: "network.set", network: "Network 1", properties: null }, "MUSTER_INVALID_ARGUMENT", "properties"],
    [{ verb: "network.set", network: "Network 1", name: "n1.2.0" }, "MUSTER_INVALID_ARGUMENT", "name"],
  ];
  for (const [command, code, field] of cases) {
    const { outcome } = driver.command(command as Command);
    assert.deepEqual([outcome?.error?.code, outcome?.error?.field], [code, field], JSON.stringify(command).slice(0, 120));
    assert.equal(driver.everything(), before);
  }
});

test("reports of who is not in the view, or of a former life, change nothing", () => {
  const driver = Driver.started(2);
  driver.do({ verb: "network.discover", node: "node1", interfaces: [adapter("eth0", "10.0.0.1/24")] });
  const before = driver.everything();
  const interfaces = [{ interface: "1/eth0", linkUp: false, hears: [] }];
  driver.step({ kind: "connectivity", from: { node: 1, incarnation: 99 }, interfaces });
  driver.step({ kind: "connectivity", from: { node: 7, incarnation: 1 }, interfaces });
  assert.equal(driver.everything(), before);
  const { events } = driver.step({ kind: "connectivity", from: driver.member(1), interfaces });
  assert.deepEqual(events.map((event) => event.code), [1127, 1130]);
  assert.deepEqual(driver.step({ kind: "connectivity", from: driver.member(1), interfaces }).events, []);
  assert.match(core.describeCluster(driver.state).problems.join(" "), /Network 1 is Down/);
});

test("random discoveries: every adapter is on the one network that has its subnets, and a copy made from the configuration agrees", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const dice = new Dice(seed);
    const driver = Driver.started(4);
    for (let turn = 0; turn < 30; turn++) {
      const interfaces = Array.from({ length: dice.below(4) }, (_, n) => adapter(`eth${n}`, ...Array.from({ length: 1 + dice.below(2) }, () => `10.0.${dice.below(5)}.${1 + dice.below(200)}/24`)));
      driver.do({ verb: "network.discover", node: `node${1 + dice.below(4)}`, interfaces });
      const networks = core.describeNetworks(driver.state);
      const all = networks.flatMap((network) => network.prefixes);
      assert.equal(new Set(all).size, all.length, "a subnet is in one network");
      assert.ok(networks.every((network) => network.interfaces.length > 0));
      for (const one of core.describeNetworkInterfaces(driver.state)) {
        const network = networks.find((candidate) => candidate.name === one.network);
        for (const address of one.addresses) assert.ok(network?.prefixes.includes(parseSubnet(address)!.prefix));
      }
      const copy = core.loadState(core.durableRows(driver.state));
      assert.equal(core.durableHash(copy), core.durableHash(driver.state));
      assert.equal(core.recomputedHashes(driver.state).state, core.stateHash(driver.state));
    }
  }
});

test("64 nodes with four networks: a view's worth of reports, and a network that falls apart, take no more than a moment", () => {
  const driver = Driver.started(64);
  for (let node = 1; node <= 64; node++) driver.do({ verb: "network.discover", node: `node${node}`, interfaces: [0, 1, 2, 3].map((net) => adapter(`eth${net}`, `10.${net}.0.${node}/24`)) });
  driver.view();
  const all = Array.from({ length: 64 }, (_, position) => position + 1);
  const report = (node: number, hears: readonly number[]): void => void driver.step({ kind: "connectivity", from: driver.member(node), interfaces: [0, 1, 2, 3].map((net) => ({ interface: `${node}/eth${net}`, linkUp: true, hears: hears.filter((other) => other !== node) })) });
  const startedMs = performance.now();
  for (const node of all) report(node, all);
  assert.ok(core.describeNetworks(driver.state).every((network) => network.state === "Up"));
  for (const node of all) report(node, []);
  assert.ok(core.describeNetworks(driver.state).every((network) => network.state === "Down"));
  const tookMs = performance.now() - startedMs;
  assert.ok(tookMs < 3_000, `128 reports took ${Math.round(tookMs)} ms`);
});
