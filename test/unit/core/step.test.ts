import assert from "node:assert/strict";
import { test } from "node:test";
import * as core from "../../../src/core/index.ts";
import type { Command, CoreInput, DatabaseOperation } from "../../../src/model/inputs.ts";
import { Driver, ordersOf } from "./driver.ts";

test("a throw inside a step leaves no trace and is reported", () => {
  const driver = Driver.started(2);
  driver.role("web");
  const before = core.snapshot(driver.state);
  const stamp = { epoch: driver.epoch, index: 500, clusterTimeMs: 9_000, wallTimeMs: 0 };
  const broken: unknown[] = [
    { kind: "view", members: null, learners: [], orderer: 1 },
    { kind: "view", members: [{ node: 1, incarnation: 1 }], learners: null, orderer: 1 },
    { kind: "report" },
    { kind: "inventory", from: { node: 1, incarnation: 1 }, resources: [null] },
  ];
  for (const input of broken) {
    const result = core.step(driver.state, stamp, input as CoreInput);
    assert.equal(result.fault?.code, "MUSTER_INTERNAL", JSON.stringify(input));
    assert.deepEqual([result.effects, result.events, result.changes], [[], [], []]);
    assert.equal(core.snapshot(driver.state), before);
    assert.equal(core.stateHash(driver.state), core.recomputedHashes(driver.state).state);
  }
  driver.index = 501;
  driver.do({ verb: "group.offline", group: "web" });
  assert.match(driver.groupState("web"), /^Offline/);
});

test("a refusal at run time has written nothing durable but the request's number", () => {
  const driver = Driver.started(2);
  driver.role("web", { possible: ["node1"] });
  const before = driver.configuration();
  const { changes } = driver.refused({ verb: "group.move", group: "web", node: "node2" }, "MUSTER_NODE_NOT_AVAILABLE");
  assert.deepEqual(changes.map((change) => change.table), ["requests"]);
  assert.equal(driver.configuration(), before);
  assert.deepEqual(driver.refused({ verb: "resource.fail", resource: "r0.0" }, "MUSTER_RESOURCE_NOT_FOUND").changes.map((change) => change.table), ["requests"]);
});

test("a copy of an earlier generation that ended by order counts as ended, once it answers the newest order", () => {
  const driver = Driver.started(2);
  driver.role("web", { online: false });
  driver.command({ verb: "group.online", group: "web" });
  const [start] = driver.orders.splice(0);
  assert.ok(start);
  const command = driver.command({ verb: "group.offline", group: "web" });
  assert.equal(command.outcome?.error, null);
  const [stop] = driver.orders.splice(0);
  assert.equal(stop?.action, "offline");
  const report = { kind: "report", from: driver.member(stop.node), resource: stop.resource.id, generation: stop.generation - 1, state: "offline", reason: "", processId: null } as const;
  driver.step({ ...report, effect: start.id });
  assert.equal(driver.groupState("web").split(" ")[0], "Pending", "an answer to an order before it proves nothing");
  driver.step({ ...report, effect: stop.id });
  assert.equal(driver.groupState("web").split(" ")[0], "Offline");
});

test("requests: repeated, of an older and of a newer life, failures bounded", () => {
  const driver = Driver.started(1);
  const ask = (incarnation: number, number: number, command: Command): core.StepOutcome => {
    const { outcome } = driver.step({ kind: "command", requestId: { node: 7, incarnation, number }, command });
    assert.ok(outcome);
    return outcome;
  };
  const create = (name: string): Command => ({ verb: "group.create", name });
  assert.deepEqual(ask(5, 1, create("a")), { requestId: { node: 7, incarnation: 5, number: 1 }, error: null, duplicate: false, note: null });
  assert.equal(ask(5, 1, create("a")).duplicate, true);
  assert.equal(ask(5, 1, create("a")).error, null);
  assert.equal(ask(5, 2, create("a")).error?.code, "MUSTER_NAME_IN_USE");
  assert.equal(ask(5, 2, create("a")).error?.code, "MUSTER_NAME_IN_USE");
  assert.equal(ask(4, 99, create("b")).duplicate, true);
  assert.equal(ask(4, 99, create("b")).error?.code, "MUSTER_NO_QUORUM", "what was not done is not said to be");
  assert.equal(ask(6, 1, create("c")).duplicate, false);
  assert.deepEqual(core.describeGroups(driver.state).map((group) => group.name), ["a", "c"]);
  for (let number = 2; number < 302; number++) ask(6, number, create("a"));
  const row = JSON.parse(core.durableRows(driver.state).find((candidate) => candidate.table === "requests" && candidate.key === "7")?.value ?? "{}") as { failures: unknown[]; highest: number };
  assert.equal(row.failures.length, 128);
  assert.equal(row.highest, 301);
  assert.equal(ask(6, 301, create("a")).error?.code, "MUSTER_NAME_IN_USE");
});

test("events: a bounded ring, oldest first, each with a cause that exists or is its entry", () => {
  const driver = Driver.started(2);
  driver.role("web");
  for (let round = 0; round < 120; round++) driver.do({ verb: "group.move", group: "web" });
  const kept = core.events(driver.state);
  assert.equal(kept.length, 1_000 > kept.length ? kept.length : 1_000);
  for (let round = 0; round < 200; round++) driver.do({ verb: "group.move", group: "web" });
  const ring = core.events(driver.state);
  assert.equal(ring.length, 1_000);
  assert.equal(new Set(ring.map((event) => event.id)).size, 1_000);
  const ids = new Set(ring.map((event) => event.id));
  for (const event of ring.slice(100)) {
    assert.match(event.text, /^\S.*\.$/, event.text);
    assert.ok(event.cause !== null && (ids.has(event.cause) || event.cause.endsWith(".0")), `${event.id} ${event.text} <- ${event.cause}`);
  }
});

test("ids come from the entry, are unique, and never those of what was deleted", () => {
  const driver = Driver.started(1);
  driver.role("a", { online: false });
  const first = core.describeGroup(driver.state, "a").id;
  driver.do({ verb: "group.delete", group: "a" });
  driver.role("a", { online: false });
  assert.notEqual(core.describeGroup(driver.state, "a").id, first);
  assert.match(first, /^g1\.\d+$/);
  assert.equal(core.describeGroup(driver.state, core.describeGroup(driver.state, "a").id).name, "a", "objects are found by id too");
});

test("the database: batches with conditions, all or nothing, the failing operation named", () => {
  const driver = Driver.started(1);
  const batch = (...operations: DatabaseOperation[]): core.StepOutcome | null => driver.command({ verb: "database.batch", operations }).outcome;
  const number = (value: number) => ({ type: "number", value }) as const;
  const text = (value: string) => ({ type: "string", value }) as const;
  assert.equal(batch({ operation: "notExists", key: "a" }, { operation: "set", key: "a", value: number(1) }, { operation: "exists", key: "a" })?.error, null);
  const refused = batch({ operation: "set", key: "b", value: text("x") }, { operation: "equal", key: "a", value: number(2) });
  assert.equal(refused?.error?.code, "MUSTER_CONDITION_FAILED");
  assert.deepEqual(refused?.error?.details, { number: 2, operation: "equal", key: "a" });
  assert.equal(core.databaseValue(driver.state, "b"), undefined);
  const holds: [DatabaseOperation, boolean][] = [
    [{ operation: "equal", key: "a", value: number(1) }, true],
    [{ operation: "equal", key: "a", value: text("1") }, false],
    [{ operation: "notEqual", key: "a", value: number(1) }, false],
    [{ operation: "notEqual", key: "none", value: number(1) }, true],
    [{ operation: "greater", key: "a", value: number(0) }, true],
    [{ operation: "greater", key: "a", value: number(1) }, false],
    [{ operation: "less", key: "a", value: number(2) }, true],
    [{ operation: "less", key: "none", value: number(2) }, false],
    [{ operation: "exists", key: "none" }, false],
    [{ operation: "notExists", key: "a" }, false],
  ];
  for (const [operation, expected] of holds) assert.equal(batch(operation)?.error === null, expected, JSON.stringify(operation));
  batch({ operation: "set", key: "b/1", value: text("x") }, { operation: "set", key: "b/2", value: { type: "multiString", value: ["x", "y"] } }, { operation: "delete", key: "a" });
  assert.deepEqual(core.databaseKeys(driver.state, "b/"), ["b/1", "b/2"]);
  assert.deepEqual(core.databaseKeys(driver.state), ["b/1", "b/2"]);
});

test("types: registered, used, changed, described", () => {
  const driver = Driver.started(1);
  const type = { name: "Fax", description: "Sends faxes.", properties: { IsAlivePollInterval: 1_000 }, privateProperties: [{ name: "Number", type: "string", default: "", required: true, description: "Where to." }] } as const;
  driver.do({ verb: "type.register", type });
  assert.equal(driver.do({ verb: "type.register", type }).outcome?.note, "The type 'Fax' is registered already.");
  driver.do({ verb: "group.create", name: "g" });
  driver.refused({ verb: "resource.create", name: "f", group: "g", type: "fax" }, "MUSTER_MISSING_PROPERTY");
  driver.do({ verb: "resource.create", name: "f", group: "g", type: "fax", privateProperties: { Number: "5" } });
  assert.equal(core.describeResource(driver.state, "f").type, "Fax");
  assert.deepEqual(core.describeResourceTypes(driver.state).map((known) => [known.name, known.builtIn]), [["Fax", false], ["Generic Application", true], ["IP Address", true], ["IPv6 Address", true], ["Network Name", true]]);
});

test("views: names, values in force, reasons", () => {
  const driver = Driver.started(2);
  driver.role("web", { preferred: ["node2"], properties: { RestartDelay: 100 }, possible: ["node1", "node2"] });
  const resource = core.describeResource(driver.state, "WEB-program");
  assert.equal(resource.ownerNode, "node2");
  assert.deepEqual(resource.possibleOwners, ["node1", "node2"]);
  assert.equal(resource.properties["RestartDelay"], 100);
  assert.equal(resource.properties["RestartThreshold"], 1);
  assert.equal(resource.privateProperties["StopTimeout"], 5_000);
  const cluster = core.describeCluster(driver.state);
  assert.deepEqual([cluster.state, cluster.nodesUp, cluster.groupsOnline, cluster.problems], ["Active", 2, 1, []]);
  driver.down(1);
  assert.match(core.describeCluster(driver.state).problems[0] ?? "", /^Node node1 is Down/);
  assert.equal(core.describeCluster(core.loadState(core.durableRows(driver.state))).state, "Waiting");
  assert.equal(core.describeGroup(core.loadState(core.durableRows(driver.state)), "web").state, "StateUnknown");
});

test("why: who can host it and who cannot, and what would change it", () => {
  const driver = Driver.started(3);
  driver.role("web", { preferred: ["node2"], possible: ["node1", "node2"] });
  driver.do({ verb: "node.pause", node: "node1" });
  const why = core.explainGroup(driver.state, "web");
  assert.deepEqual(why.nodes.map((node) => [node.node, node.canHost, node.isOwner, node.reason]), [
    ["node2", true, true, "can host it; the only node that can"],
    ["node1", false, false, "is paused"],
    ["node3", false, false, "is not a possible owner of the resource 'web-program'"],
  ]);
  assert.ok(why.whatWouldChangeIt.includes("If its node fails, no other node can take it now."));
  driver.down(2);
  const waiting = core.explainGroup(driver.state, "web");
  assert.equal(waiting.rule, "waiting");
  assert.equal(waiting.command, "muster node resume node1");
});

test("what if: the plan is what then happens, also for timers and for what is under way", () => {
  const driver = Driver.started(3);
  for (let number = 0; number < 6; number++) driver.role(`r${number}`);
  driver.command({ verb: "group.move", group: "r0" });
  const plan = core.whatIf(driver.state, [{ what: "nodeDown", node: "node2" }]);
  assert.equal(plan.quiet, true);
  const owners = new Map(core.describeGroups(driver.state).map((group) => [group.name, group.ownerNode]));
  for (const move of plan.moves) owners.set(move.group, move.to);
  assert.ok(![...owners.values()].includes("node2"));
  const fails = core.whatIf(driver.state, [{ what: "resourceFails", resource: "r3-program" }]);
  assert.equal(fails.durationMs, 500);
  assert.deepEqual(fails.moves.filter((move) => move.group === "r3"), []);
  assert.throws(() => core.whatIf(driver.state, [{ what: "nodeUp", node: "node1" }]), /up already/);
  assert.throws(() => core.whatIf(driver.state, [{ what: "nodeDown", node: "node9" }]), /no node named/);
  assert.equal(core.dryRun(driver.state, { verb: "group.delete", group: "r1" }).error?.code, "MUSTER_GROUP_NOT_OFFLINE");
  const dry = core.dryRun(driver.state, { verb: "group.offline", group: "r1" });
  assert.deepEqual(dry.plan?.groups.filter((group) => group.group === "r1").map((group) => [group.before, group.after]), [["Online", "Offline"]]);
});

test("deleting by force ends what runs and remembers it until it is gone", () => {
  const driver = Driver.started(2);
  driver.role("web", { preferred: ["node1"] });
  const { id } = core.describeResource(driver.state, "web-program");
  const { generation } = core.describeGroup(driver.state, "web");
  assert.deepEqual(ordersOf(driver.command({ verb: "group.delete", group: "web", force: true })), ["1 terminate web-program"]);
  const order = driver.orders.splice(0)[0];
  driver.view({ inventories: false });
  const again = driver.inventory(1, [{ resource: id, generation, state: "online", effect: null, processId: null }]);
  assert.deepEqual(again.effects.map((effect) => effect.id), [order?.id], "the same order again");
  driver.settle();
  driver.view({ inventories: false });
  assert.deepEqual(ordersOf(driver.inventory(1, [])), []);
});

test("what was online a moment ago is handed over; what was not is not", () => {
  const driver = Driver.started(3);
  driver.role("web");
  const starts = (): (boolean | undefined)[] => driver.orders.filter((order) => order.action === "online").map((order) => order.handover);
  driver.command({ verb: "group.move", group: "web" });
  driver.answer(driver.orders.shift()!);
  assert.deepEqual(starts(), [true], "a planned move");
  driver.settle();
  const { ownerNode } = core.describeGroup(driver.state, "web");
  driver.down(core.describeNode(driver.state, ownerNode!).id);
  for (const node of driver.up) driver.inventory(node, []);
  assert.deepEqual([...new Set(starts())], [true], "its node was lost; ordered again it is the same order");
  driver.settle();
  driver.do({ verb: "group.offline", group: "web" });
  driver.wait(61_000);
  driver.command({ verb: "group.online", group: "web" });
  assert.deepEqual(starts(), [undefined], "it was offline for long");
});
