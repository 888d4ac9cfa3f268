import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { changedCluster, hostAfter, movesOf, refuseDedicated, whoIsRight } from "../../../src/nlb-host/changes.ts";
import { inCanonicalOrder, parametersDigest } from "../../../src/nlb/consistency.ts";
import { NO_MAP, proposeMap } from "../../../src/nlb/map.ts";
import type { ClusterParameters } from "../../../src/nlb/parameters.ts";
import { cluster, host, rule } from "../nlb/support.ts";

const OWN = rule({ virtualAddress: "10.77.0.11", startPort: 443, endPort: 443 });
const BEFORE = cluster([rule({ affinity: "none" }), OWN]);
const OWN_KEY = "tcp 10.77.0.11:443-443";

function seen(before: ClusterParameters, weights: readonly number[], draining: readonly number[] = []): Parameters<typeof movesOf>[0] {
  const { rules } = inCanonicalOrder(before);
  const members = weights.map((value, position) => ({ host: position + 1, incarnation: 1, isDraining: draining.includes(position + 1), reports: rules.map(() => ({ value, capacity: 100, isHealthy: true, state: "enabled" as const })) }));
  const map = proposeMap({ counter: 3, proposer: 1, parameters: parametersDigest(before), rules, members, base: null });
  return { self: { host: 1, incarnation: 1 }, mode: draining.includes(1) ? "draining" : "started", map, mapParameters: before, peers: members.slice(1).map((one) => ({ host: one.host, heartbeat: { isDraining: one.isDraining } })) };
}

describe("virtual addresses", () => {
  test("one comes: in one form, and not twice", () => {
    assert.deepEqual(changedCluster(BEFORE, { kind: "addAddress", address: "FD77:0::11" }).additionalAddresses, ["10.77.0.11", "fd77::10", "fd77::11"]);
    for (const address of ["10.77.0.10", "10.77.0.11", "fd77:0::10", "127.0.0.1", "224.0.0.1", "web"]) assert.throws(() => changedCluster(BEFORE, { kind: "addAddress", address }), { name: "MusterError" }, address);
  });

  test("one goes, unless it is the primary one, the last one, or a rule names it; the refusal says what to do", () => {
    assert.deepEqual(changedCluster(BEFORE, { kind: "removeAddress", address: "FD77::10" }).additionalAddresses, ["10.77.0.11"]);
    assert.throws(() => changedCluster(BEFORE, { kind: "removeAddress", address: "10.77.0.11" }), new RegExp(`'${OWN_KEY}' names 10\\.77\\.0\\.11.*muster nlb rule delete`));
    assert.throws(() => changedCluster(BEFORE, { kind: "removeAddress", address: "10.77.0.10" }), /primary address.*muster nlb destroy/);
    assert.throws(() => changedCluster(cluster([], { additionalAddresses: [] }), { kind: "removeAddress", address: "10.77.0.10" }), /last address/);
    assert.throws(() => changedCluster(BEFORE, { kind: "removeAddress", address: "10.77.0.99" }), /none of the cluster's addresses \(10\.77\.0\.10,/);
  });

  test("one is replaced: its rules go with it, and what a host says of them", () => {
    const after = changedCluster(BEFORE, { kind: "replaceAddress", address: "10.77.0.11", to: "10.77.0.12" });
    assert.deepEqual(after.additionalAddresses, ["10.77.0.12", "fd77::10"]);
    assert.equal(after.rules[1]!.virtualAddress, "10.77.0.12");
    const own = { weight: 10, handlingPriority: 3 };
    assert.deepEqual(hostAfter(host(1, { rules: { [OWN_KEY]: own } }), BEFORE, after).rules, { "tcp 10.77.0.12:443-443": own });
    assert.throws(() => changedCluster(BEFORE, { kind: "replaceAddress", address: "10.77.0.10", to: "10.77.0.12" }), /primary/);
    assert.throws(() => changedCluster(BEFORE, { kind: "replaceAddress", address: "10.77.0.11", to: "fd77::10" }), { name: "MusterError" });
  });

  test("what is a host's own is none of the cluster's", () => {
    refuseDedicated(BEFORE, new Map([["10.77.0.101", 1]]));
    assert.throws(() => refuseDedicated(changedCluster(BEFORE, { kind: "addAddress", address: "10.77.0.101" }), new Map([["10.77.0.101", 1]])), /dedicated address of host 1/);
    assert.throws(() => hostAfter(host(1), BEFORE, changedCluster(BEFORE, { kind: "addAddress", address: "10.77.0.101" })), /dedicatedAddresses/);
  });
});

describe("what a change of parameters moves", () => {
  test("nothing for another address, everything for another affinity", () => {
    const with12 = changedCluster(BEFORE, { kind: "addAddress", address: "10.77.0.12" });
    assert.deepEqual(movesOf(seen(BEFORE, [50, 50]), BEFORE, with12, host(1)), { "tcp all:80-80": 0, [OWN_KEY]: 0 });
    const network = changedCluster(BEFORE, { kind: "setRule", rule: "tcp all:80-80", values: { affinity: "network" } });
    assert.deepEqual(movesOf(seen(BEFORE, [50, 50]), BEFORE, network, host(1)), { "tcp all:80-80": 240, [OWN_KEY]: 0 });
  });

  test("a rule that becomes one host's goes by priorities, not by the weights that hosts reported", () => {
    const single = changedCluster(cluster([rule()]), { kind: "setRule", rule: "tcp all:80-80", values: { mode: "single" } });
    const view = seen(cluster([rule()]), [90, 1]);
    assert.deepEqual(movesOf(view, cluster([rule()]), single, host(1)), { "tcp all:80-80": 1 });
    assert.deepEqual(movesOf({ ...view, map: null }, cluster([rule()]), single, host(1)), null);
  });

  test("who drains gets nothing of a new rule", () => {
    const added = changedCluster(BEFORE, { kind: "addRule", rule: rule({ startPort: 90, endPort: 90 }), own: {} });
    assert.equal(movesOf(seen(BEFORE, [50, 50], [1, 2]), BEFORE, added, host(1))!["tcp all:90-90"], 0);
    assert.equal(movesOf(seen(BEFORE, [50, 50], [2]), BEFORE, added, host(1))!["tcp all:90-90"], 240);
  });
});

test("whose parameters count: those of who serves, not of who remembers a map", () => {
  const peer = (host: number, counter: number, proposer: number): Parameters<typeof whoIsRight>[0][number] => ({ host, heartbeat: { map: { ...NO_MAP, counter, proposer } } });
  assert.equal(whoIsRight([peer(2, 9, 0), peer(4, 7, 3), peer(3, 7, 3)]), 3);
  assert.equal(whoIsRight([peer(3, 9, 0), peer(2, 0, 0)]), 2);
  assert.equal(whoIsRight([]), null);
});
