import assert from "node:assert/strict";
import { test } from "node:test";
import { MusterError } from "../../../src/model/errors.ts";
import { mismatches, parametersDigest } from "../../../src/nlb/consistency.ts";
import { clusterHardware } from "../../../src/nlb/hardware-address.ts";
import type { ClusterParameters, HostParameters, PortRule } from "../../../src/nlb/parameters.ts";
import { ruleKey } from "../../../src/nlb/parameters.ts";
import { timingOf } from "../../../src/nlb/timing.ts";
import { validateCluster, validateHosts } from "../../../src/nlb/validation.ts";
import { cluster, host, rule } from "./support.ts";

function refused(action: () => unknown, code: string, field: string | null): void {
  assert.throws(action, (error: MusterError) => {
    assert.equal(error.code, code, error.message);
    assert.equal(error.toBody().field, field, error.message);
    return true;
  });
}

test("what is right is taken, with addresses in one form", () => {
  const valid = validateCluster(cluster([rule({ virtualAddress: "FD77:0::10" }), rule()], { additionalAddresses: ["fd77:0:0::10"] }));
  assert.deepEqual(valid.additionalAddresses, ["fd77::10"]);
  assert.equal(valid.rules[0]!.virtualAddress, "fd77::10");
});

test("each wrong parameter is named", () => {
  const wrong: readonly (readonly [Partial<ClusterParameters>, string, string])[] = [
    [{ primaryAddress: "10.77.0" }, "MUSTER_INVALID_ARGUMENT", "primaryAddress"],
    [{ primaryAddress: "224.0.0.1" }, "MUSTER_INVALID_ARGUMENT", "primaryAddress"],
    [{ subnetMask: "255.0.255.0" }, "MUSTER_INVALID_ARGUMENT", "subnetMask"],
    [{ primaryAddress: "fd77::1" }, "MUSTER_INVALID_ARGUMENT", "subnetMask"],
    [{ name: "web example" }, "MUSTER_INVALID_ARGUMENT", "name"],
    [{ additionalAddresses: ["10.77.0.10"] }, "MUSTER_NAME_IN_USE", "additionalAddresses[0]"],
    [{ operationMode: "anycast" as "unicast" }, "MUSTER_PROPERTY_RANGE", "operationMode"],
    [{ heartbeatPeriodMs: 50 }, "MUSTER_PROPERTY_RANGE", "heartbeatPeriodMs"],
    [{ heartbeatTolerance: 4 }, "MUSTER_PROPERTY_RANGE", "heartbeatTolerance"],
  ];
  for (const [change, code, field] of wrong) refused(() => validateCluster(cluster([], change)), code, field);
});

test("each wrong field of a port rule is named", () => {
  const wrong: readonly (readonly [Partial<PortRule>, string, string])[] = [
    [{ virtualAddress: "10.77.0.99" }, "MUSTER_INVALID_ARGUMENT", "virtualAddress"],
    [{ startPort: -1 }, "MUSTER_PROPERTY_RANGE", "startPort"],
    [{ endPort: 79 }, "MUSTER_PROPERTY_RANGE", "endPort"],
    [{ endPort: 65_536 }, "MUSTER_PROPERTY_RANGE", "endPort"],
    [{ protocol: "icmp" as "tcp" }, "MUSTER_PROPERTY_RANGE", "protocol"],
    [{ mode: "many" as "single" }, "MUSTER_PROPERTY_RANGE", "mode"],
    [{ affinity: "class" as "single" }, "MUSTER_PROPERTY_RANGE", "affinity"],
    [{ timeoutMinutes: 241 }, "MUSTER_PROPERTY_RANGE", "timeoutMinutes"],
    [{ timeoutMinutes: 20, affinity: "none" }, "MUSTER_INVALID_ARGUMENT", "timeoutMinutes"],
    [{ probe: { kind: "tcp", port: 0, intervalMs: 1_000, timeoutMs: 100 } }, "MUSTER_PROPERTY_RANGE", "probe.port"],
    [{ probe: { kind: "http", port: 80, path: "x", expectedStatus: 200, intervalMs: 1_000, timeoutMs: 100 } }, "MUSTER_INVALID_ARGUMENT", "probe.path"],
    [{ metric: { command: " ", intervalMs: 1_000, timeoutMs: 100 } }, "MUSTER_INVALID_ARGUMENT", "metric.command"],
    [{ metric: { command: "load", intervalMs: 1_000, timeoutMs: 2_000 } }, "MUSTER_PROPERTY_RANGE", "metric.timeoutMs"],
  ];
  for (const [change, code, field] of wrong) refused(() => validateCluster(cluster([rule(change)])), code, `rules[0].${field}`);
});

test("rules overlap with one address, a port and a protocol in common; rules of one address go before rules of all", () => {
  refused(() => validateCluster(cluster([rule({ endPort: 90 }), rule({ startPort: 90, endPort: 99, protocol: "both" })])), "MUSTER_NLB_RULE_OVERLAP", "rules[1]");
  validateCluster(cluster([rule(), rule({ protocol: "udp" }), rule({ virtualAddress: "10.77.0.11" }), rule({ startPort: 81, endPort: 81 })]));
});

test("64 rules are the most, and hosts have to be different", () => {
  const many = (count: number): PortRule[] => Array.from({ length: count }, (_, port) => rule({ startPort: port, endPort: port }));
  assert.equal(validateCluster(cluster(many(64))).rules.length, 64);
  refused(() => validateCluster(cluster(many(65))), "MUSTER_LIMIT", null);
  const single = validateCluster(cluster([rule({ mode: "single" })]));
  validateHosts([host(1), host(64)], single);
  const wrong: readonly (readonly [readonly HostParameters[], string, string])[] = [
    [[host(65)], "MUSTER_PROPERTY_RANGE", "id"],
    [[host(1), host(1)], "MUSTER_NAME_IN_USE", "hosts[1].id"],
    [[host(1, { dedicatedAddresses: ["10.77.0.10"] })], "MUSTER_INVALID_ARGUMENT", "dedicatedAddresses[0]"],
    [[host(1, { rules: { nothing: { weight: 1, handlingPriority: 1 } } })], "MUSTER_INVALID_ARGUMENT", "rules['nothing']"],
    [[host(1, { rules: { "tcp all:80-80": { weight: 101, handlingPriority: 1 } } })], "MUSTER_PROPERTY_RANGE", "rules['tcp all:80-80'].weight"],
    [[host(1, { rules: { "tcp all:80-80": { weight: 1, handlingPriority: 2 } } }), host(2)], "MUSTER_INVALID_ARGUMENT", "hosts[1].rules['tcp all:80-80'].handlingPriority"],
  ];
  for (const [hosts, code, field] of wrong) refused(() => validateHosts(hosts, single), code, field);
});

test("the digest does not depend on the order of rules, and a difference is named", () => {
  const [a, b] = [rule(), rule({ startPort: 443, endPort: 443 })];
  assert.equal(parametersDigest(cluster([a, b])), parametersDigest(cluster([b, a])));
  assert.notEqual(parametersDigest(cluster([a])), parametersDigest(cluster([{ ...a, affinity: "none" }])));
  assert.equal(parametersDigest(cluster([a])), parametersDigest(cluster([{ ...a, probe: { kind: "tcp", port: 80, intervalMs: 1_000, timeoutMs: 100 } }])));
  assert.deepEqual(mismatches(cluster([a]), cluster([{ ...a, affinity: "none" }])), [{ field: `rule '${ruleKey(a)}'`, here: "tcp all:80-80 multiple single 0", there: "tcp all:80-80 multiple none 0" }]);
});

test("hardware addresses are Windows'", () => {
  assert.deepEqual(clusterHardware("199.99.20.70", "multicast", 1), { hardwareAddress: "03:bf:c7:63:14:46", multicastGroup: null, maskedHardwareAddress: null });
  assert.deepEqual(clusterHardware("10.77.0.10", "igmpMulticast", 1), { hardwareAddress: "01:00:5e:7f:00:0a", multicastGroup: "239.255.0.10", maskedHardwareAddress: null });
  assert.equal(clusterHardware("10.77.0.10", "unicast", 3).hardwareAddress, "02:bf:0a:4d:00:0a");
  assert.equal(clusterHardware("10.77.0.10", "windowsUnicast", 3).maskedHardwareAddress, "02:03:0a:4d:00:0a");
  assert.match(clusterHardware("fd77::10", "unicast", 1).hardwareAddress, /^02:bf(:[0-9a-f]{2}){4}$/);
});

test("lengths of time: T 500, L 700, H 886 at 100 ms; the slots come round no sooner than a lease runs out", () => {
  assert.deepEqual(timingOf({ heartbeatPeriodMs: 100, heartbeatTolerance: 5 }), { periodMs: 100, silenceMs: 500, leaseMs: 700, armMs: 100, holdMs: 886, extraMs: 10 });
  for (const heartbeatTolerance of [5, 20, 100]) {
    const { armMs, leaseMs } = timingOf({ heartbeatPeriodMs: 100, heartbeatTolerance });
    assert.ok(7 * armMs >= leaseMs);
  }
});
