import assert from "node:assert/strict";
import { test } from "node:test";
import * as core from "../../../src/core/index.ts";
import type { ErrorCode } from "../../../src/model/errors.ts";
import type { Command } from "../../../src/model/inputs.ts";
import { Driver } from "./driver.ts";

/** Anything may come over the wire: what the type system would refuse is tried too. */
const cases: { readonly command: unknown; readonly code: ErrorCode; readonly field: string | null }[] = [
  { command: { verb: "nonsense" }, code: "MUSTER_INVALID_ARGUMENT", field: "verb" },
  { command: { verb: "group.create" }, code: "MUSTER_INVALID_ARGUMENT", field: "name" },
  { command: { verb: "group.create", name: 7 }, code: "MUSTER_INVALID_ARGUMENT", field: "name" },
  { command: { verb: "group.create", name: "" }, code: "MUSTER_INVALID_ARGUMENT", field: "name" },
  { command: { verb: "group.create", name: " x" }, code: "MUSTER_INVALID_ARGUMENT", field: "name" },
  { command: { verb: "group.create", name: "x".repeat(65) }, code: "MUSTER_INVALID_ARGUMENT", field: "name" },
  { command: { verb: "group.create", name: "é" }, code: "MUSTER_INVALID_ARGUMENT", field: "name" },
  { command: { verb: "group.create", name: "g1.5" }, code: "MUSTER_INVALID_ARGUMENT", field: "name" },
  { command: { verb: "group.create", name: "WEB" }, code: "MUSTER_NAME_IN_USE", field: "name" },
  { command: { verb: "group.create", name: "x", preferredOwners: ["node9"] }, code: "MUSTER_NODE_NOT_FOUND", field: "preferredOwners" },
  { command: { verb: "group.create", name: "x", preferredOwners: ["node1", "1"] }, code: "MUSTER_INVALID_ARGUMENT", field: "preferredOwners" },
  { command: { verb: "group.create", name: "x", preferredOwners: "node1" }, code: "MUSTER_INVALID_ARGUMENT", field: "preferredOwners" },
  { command: { verb: "group.create", name: "x", properties: { Colour: 1 } }, code: "MUSTER_UNKNOWN_PROPERTY", field: "Colour" },
  { command: { verb: "group.create", name: "x", properties: { FailoverPeriod: 2_000 } }, code: "MUSTER_PROPERTY_RANGE", field: "FailoverPeriod" },
  { command: { verb: "group.create", name: "x", properties: { FailoverPeriod: "6" } }, code: "MUSTER_PROPERTY_RANGE", field: "FailoverPeriod" },
  { command: { verb: "group.create", name: "x", properties: [] }, code: "MUSTER_INVALID_ARGUMENT", field: "properties" },
  { command: { verb: "group.set", group: "nobody" }, code: "MUSTER_GROUP_NOT_FOUND", field: "group" },
  { command: { verb: "group.set", group: "web", name: "idle" }, code: "MUSTER_NAME_IN_USE", field: "name" },
  { command: { verb: "group.delete", group: "web" }, code: "MUSTER_GROUP_NOT_OFFLINE", field: "group" },
  { command: { verb: "group.online", group: "nobody" }, code: "MUSTER_GROUP_NOT_FOUND", field: "group" },
  { command: { verb: "group.offline", group: null }, code: "MUSTER_INVALID_ARGUMENT", field: "group" },
  { command: { verb: "group.move", group: "web", node: "node9" }, code: "MUSTER_NODE_NOT_FOUND", field: "node" },
  { command: { verb: "group.move", group: "web", node: "node3" }, code: "MUSTER_NODE_NOT_AVAILABLE", field: "node" },
  { command: { verb: "resource.create", name: "x", group: "nobody", type: "Generic Application" }, code: "MUSTER_GROUP_NOT_FOUND", field: "group" },
  { command: { verb: "resource.create", name: "x", group: "web", type: "Fax" }, code: "MUSTER_TYPE_NOT_FOUND", field: "type" },
  { command: { verb: "resource.create", name: "web-program", group: "web", type: "Generic Application" }, code: "MUSTER_NAME_IN_USE", field: "name" },
  { command: { verb: "resource.create", name: "x", group: "web", type: "Generic Application" }, code: "MUSTER_MISSING_PROPERTY", field: "CommandLine" },
  { command: { verb: "resource.create", name: "x", group: "web", type: "Generic Application", privateProperties: { CommandLine: 5 } }, code: "MUSTER_PROPERTY_RANGE", field: "CommandLine" },
  { command: { verb: "resource.create", name: "x", group: "web", type: "Generic Application", privateProperties: { CommandLine: "" } }, code: "MUSTER_MISSING_PROPERTY", field: "CommandLine" },
  { command: { verb: "resource.create", name: "x", group: "web", type: "IP Address", privateProperties: { Address: "a", Mask: "b" } }, code: "MUSTER_UNKNOWN_PROPERTY", field: "Mask" },
  { command: { verb: "resource.create", name: "x", group: "web", type: "IP Address", privateProperties: { Address: "a" }, dependency: "web-program" }, code: "MUSTER_DEPENDENCY_SYNTAX", field: "dependency" },
  { command: { verb: "resource.create", name: "x", group: "web", type: "IP Address", privateProperties: { Address: "a" }, dependency: "[idle-program]" }, code: "MUSTER_DEPENDENCY_OUTSIDE_GROUP", field: "dependency" },
  { command: { verb: "resource.create", name: "x", group: "web", type: "IP Address", privateProperties: { Address: "a" }, possibleOwners: [] }, code: "MUSTER_INVALID_ARGUMENT", field: "possibleOwners" },
  { command: { verb: "resource.set", resource: "web-program", properties: { PersistentState: 0 } }, code: "MUSTER_READ_ONLY_PROPERTY", field: "PersistentState" },
  { command: { verb: "resource.set", resource: "web-program", properties: { RestartAction: 3 } }, code: "MUSTER_PROPERTY_RANGE", field: "RestartAction" },
  { command: { verb: "resource.set", resource: "web-program", properties: { RestartThreshold: 1.5 } }, code: "MUSTER_PROPERTY_RANGE", field: "RestartThreshold" },
  { command: { verb: "resource.set", resource: "web-program", properties: { RetryPeriodOnFailure: 1_000 } }, code: "MUSTER_PROPERTY_RANGE", field: "RetryPeriodOnFailure" },
  { command: { verb: "resource.delete", resource: "web-program" }, code: "MUSTER_RESOURCE_NOT_OFFLINE", field: "resource" },
  { command: { verb: "resource.delete", resource: "idle-program" }, code: "MUSTER_RESOURCE_HAS_DEPENDENTS", field: "resource" },
  { command: { verb: "resource.fail", resource: "idle-program" }, code: "MUSTER_RESOURCE_NOT_ONLINE", field: "resource" },
  { command: { verb: "resource.online", resource: "nobody" }, code: "MUSTER_RESOURCE_NOT_FOUND", field: "resource" },
  { command: { verb: "node.pause", node: "node3" }, code: "MUSTER_NODE_ALREADY_PAUSED", field: "node" },
  { command: { verb: "node.pause", node: "node9" }, code: "MUSTER_NODE_NOT_FOUND", field: "node" },
  { command: { verb: "node.resume", node: "node1" }, code: "MUSTER_NODE_NOT_PAUSED", field: "node" },
  { command: { verb: "cluster.set", properties: { Description: 1 } }, code: "MUSTER_PROPERTY_RANGE", field: "Description" },
  { command: { verb: "type.register", type: { name: "ip address" } }, code: "MUSTER_NAME_IN_USE", field: "type.name" },
  { command: { verb: "type.register", type: null }, code: "MUSTER_INVALID_ARGUMENT", field: "type" },
  { command: { verb: "type.register", type: { name: "t", privateProperties: [{ name: "9" }] } }, code: "MUSTER_INVALID_ARGUMENT", field: "type.privateProperties[0].name" },
  { command: { verb: "type.register", type: { name: "t", privateProperties: [{ name: "A", type: "float" }] } }, code: "MUSTER_INVALID_ARGUMENT", field: "type.privateProperties[0].type" },
  { command: { verb: "type.register", type: { name: "t", privateProperties: [{ name: "A", type: "number", default: "x" }] } }, code: "MUSTER_INVALID_ARGUMENT", field: "type.privateProperties[0].default" },
  { command: { verb: "type.register", type: { name: "t", properties: { IsAlivePollInterval: 1 } } }, code: "MUSTER_PROPERTY_RANGE", field: "IsAlivePollInterval" },
  { command: { verb: "database.batch", operations: "x" }, code: "MUSTER_INVALID_ARGUMENT", field: "operations" },
  { command: { verb: "database.batch", operations: [{ operation: "set", key: "", value: { type: "string", value: "" } }] }, code: "MUSTER_INVALID_ARGUMENT", field: "operations[1].key" },
  { command: { verb: "database.batch", operations: [{ operation: "set", key: "k".repeat(257), value: { type: "string", value: "" } }] }, code: "MUSTER_INVALID_ARGUMENT", field: "operations[1].key" },
  { command: { verb: "database.batch", operations: [{ operation: "set", key: "k", value: { type: "number", value: 0.5 } }] }, code: "MUSTER_INVALID_ARGUMENT", field: "operations[1].value" },
  { command: { verb: "database.batch", operations: [{ operation: "set", key: "k", value: { type: "binary", value: "é" } }] }, code: "MUSTER_INVALID_ARGUMENT", field: "operations[1].value" },
  { command: { verb: "database.batch", operations: [{ operation: "set", key: "k", value: { type: "string", value: "x".repeat(17_000) } }] }, code: "MUSTER_LIMIT", field: null },
  { command: { verb: "database.batch", operations: [{ operation: "increment", key: "k" }] }, code: "MUSTER_INVALID_ARGUMENT", field: "operations[1].operation" },
  { command: { verb: "database.batch", operations: [{ operation: "set", key: "new", value: { type: "string", value: "x" } }, { operation: "exists", key: "absent" }] }, code: "MUSTER_CONDITION_FAILED", field: null },
];

test("bad input: each case has its named error, names its field, and changes nothing", () => {
  const driver = Driver.started(3);
  driver.role("web", { preferred: ["node1"] });
  driver.role("idle", { preferred: ["node2"], online: false });
  driver.program("needy", "idle", {}, undefined, "[idle-program]");
  driver.do({ verb: "node.pause", node: "node3" });
  const before = driver.everything();
  for (const { command, code, field } of cases) {
    const label = JSON.stringify(command);
    const { outcome, effects, events } = driver.command(command as Command);
    assert.equal(outcome?.error?.code, code, `${label}: ${outcome?.error?.message}`);
    assert.equal(outcome?.error?.field, field, label);
    assert.ok((outcome?.error?.message ?? "").length > 0 && !/\{\w+\}/.test(`${outcome?.error?.message} ${outcome?.error?.next}`), `${label}: ${outcome?.error?.message} ${outcome?.error?.next}`);
    assert.deepEqual([effects, events], [[], []], label);
    assert.equal(driver.everything(), before, label);
  }
});

test("a command that is no object at all is refused", () => {
  const driver = Driver.started(1);
  const before = driver.everything();
  for (const command of [null, undefined, 5, "group.create"]) {
    const { outcome } = core.step(driver.state, { epoch: driver.epoch, index: 100, clusterTimeMs: 5_000, wallTimeMs: 0 }, { kind: "command", requestId: { node: 2, incarnation: 1, number: Number(driver.index++) + 1 }, command: command as unknown as Command });
    assert.notEqual(outcome?.error, null);
    assert.equal(driver.everything(), before);
  }
});

test("limits are kept", () => {
  const driver = Driver.started(1);
  driver.do({ verb: "group.create", name: "big" });
  for (let number = 0; number < 256; number++) driver.program(`r-${number}`, "big");
  const { outcome } = driver.refused({ verb: "resource.create", name: "one-more", group: "big", type: "Generic Application", privateProperties: { CommandLine: "x" } }, "MUSTER_LIMIT");
  assert.match(outcome?.error?.message ?? "", /limited to 256/);
});
