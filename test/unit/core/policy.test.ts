import assert from "node:assert/strict";
import { test } from "node:test";
import * as core from "../../../src/core/index.ts";
import { UNSET } from "../../../src/model/states.ts";
import { Driver, ordersOf } from "./driver.ts";

const HOUR = 3_600_000;

/** What a series of failures, each followed by a wait, leads to (reference 2.9). */
const cases: { readonly name: string; readonly properties: Record<string, number>; readonly group?: Record<string, number>; readonly waits: readonly number[]; readonly states: readonly string[] }[] = [
  { name: "RestartAction 0 stays failed for ever", properties: { RestartAction: 0 }, waits: [10 * HOUR], states: ["Failed node1"] },
  { name: "RestartAction 1 restarts", properties: { RestartAction: 1 }, waits: [500], states: ["Online node1"] },
  { name: "RestartAction 1 never fails over", properties: { RestartAction: 1 }, waits: [500, 500], states: ["Online node1", "Failed node1"] },
  { name: "RestartAction 1 is tried again after the retry period", properties: { RestartAction: 1 }, waits: [500, HOUR], states: ["Online node1", "Online node1"] },
  { name: "threshold 0 escalates at once", properties: { RestartThreshold: 0 }, waits: [0], states: ["Online node2"] },
  { name: "threshold 1: the second failure escalates", properties: { RestartThreshold: 1 }, waits: [500, 0], states: ["Online node1", "Online node2"] },
  { name: "threshold 3: the fourth failure escalates", properties: { RestartThreshold: 3 }, waits: [500, 500, 500, 0], states: ["Online node1", "Online node1", "Online node1", "Online node2"] },
  { name: "before the restart delay has passed nothing runs", properties: { RestartDelay: 2_000 }, waits: [1_999], states: ["Pending node1"] },
  { name: "delay 0 restarts with the next deadline", properties: { RestartDelay: 0 }, waits: [0], states: ["Online node1"] },
  { name: "the window slides", properties: { RestartThreshold: 1, RestartPeriod: 10_000 }, waits: [10_000, 10_000, 10_000, 500, 0], states: ["Online node1", "Online node1", "Online node1", "Online node1", "Online node2"] },
  { name: "an unset threshold never escalates", properties: { RestartThreshold: UNSET }, waits: Array.from({ length: 30 }, () => 500), states: Array.from({ length: 30 }, () => "Online node1") },
  { name: "counters begin anew on the next node", properties: { RestartThreshold: 1 }, waits: [500, 500, 500, 0], states: ["Online node1", "Online node2", "Online node2", "Online node3"] },
  { name: "the default FailoverThreshold is the number of nodes - 1", properties: { RestartThreshold: 0 }, waits: [0, 0, 0], states: ["Online node2", "Online node3", "Failed node3"] },
  { name: "FailoverThreshold 0 never fails over", properties: { RestartThreshold: 0 }, group: { FailoverThreshold: 0 }, waits: [0], states: ["Failed node1"] },
  { name: "FailoverThreshold 1", properties: { RestartThreshold: 0 }, group: { FailoverThreshold: 1 }, waits: [0, 0], states: ["Online node2", "Failed node2"] },
  { name: "failovers are forgotten after the period", properties: { RestartThreshold: 0 }, group: { FailoverThreshold: 1, FailoverPeriod: 1 }, waits: [HOUR, HOUR, HOUR], states: ["Online node2", "Online node3", "Online node1"] },
  { name: "a FailoverPeriod of 0 never forgets", properties: { RestartThreshold: 0, RetryPeriodOnFailure: UNSET }, group: { FailoverThreshold: 1, FailoverPeriod: 0 }, waits: [100 * HOUR, 0], states: ["Online node2", "Failed node2"] },
  { name: "a retry that succeeds", properties: { RestartThreshold: 0 }, group: { FailoverThreshold: 0 }, waits: [HOUR], states: ["Online node1"] },
  { name: "no retry when it is unset", properties: { RestartThreshold: 0, RetryPeriodOnFailure: UNSET }, group: { FailoverThreshold: 0 }, waits: [1_000 * HOUR], states: ["Failed node1"] },
];

for (const { name, properties, group, waits, states } of cases) {
  test(name, () => {
    const driver = Driver.started(3);
    driver.role("web", { preferred: ["node1"], properties, online: false });
    driver.do({ verb: "group.set", group: "web", properties: group ?? {} });
    driver.do({ verb: "group.online", group: "web" });
    for (const [position, wait] of waits.entries()) {
      driver.fails("web-program");
      driver.settle();
      driver.wait(wait);
      assert.equal(driver.groupState("web"), states[position], `after failure ${position + 1}`);
    }
  });
}

test("a role that starts nowhere tours all nodes and ends failed, with reason and command", () => {
  const driver = Driver.started(3);
  driver.role("web", { preferred: ["node2"], online: false });
  driver.command({ verb: "group.online", group: "web" });
  const visited: number[] = [];
  for (let round = 0; round < 50; round++) {
    const effect = driver.orders.shift();
    if (effect !== undefined) {
      visited.push(effect.node);
      driver.answer(effect, "failed", "exit code 7");
      continue;
    }
    const deadline = core.nextDeadline(driver.state);
    if (deadline === null || deadline > driver.now + 10_000) break;
    driver.now = deadline;
    driver.step({ kind: "due" });
  }
  assert.deepEqual(visited, [2, 2, 1, 1, 3, 3]);
  const view = core.describeGroup(driver.state, "web");
  assert.equal(view.state, "Failed");
  assert.match(view.reason.text, /'web-program' failed twice within 15 minutes \(exit code 7\), and the role has failed over twice in 6 hours already/);
  assert.equal(view.reason.command, "muster group online web");
  assert.deepEqual(view.failovers, { count: 2, threshold: 2, periodHours: 6 });
  driver.do({ verb: "group.online", group: "web" });
  assert.equal(driver.groupState("web"), "Online node3");
  assert.equal(core.describeGroup(driver.state, "web").failovers.count, 0);
});

test("a node loss counts no failure and no failover; the next node of the preferred list is taken", () => {
  const driver = Driver.started(4);
  driver.role("web", { preferred: ["node1", "node4"] });
  const result = driver.down(1);
  assert.deepEqual(ordersOf(result), ["4 online web-program"]);
  driver.settle();
  assert.equal(driver.groupState("web"), "Online node4");
  assert.equal(core.describeGroup(driver.state, "web").failovers.count, 0);
});

test("an offline role of a lost node gets an owner, and nothing is started", () => {
  const driver = Driver.started(2);
  driver.role("web", { preferred: ["node1"], online: false });
  assert.deepEqual(ordersOf(driver.down(1)), []);
  assert.equal(driver.groupState("web"), "Offline node2");
});

test("nothing is placed on a node before its inventory", () => {
  const driver = Driver.started(2);
  driver.role("web", { possible: ["node2"], online: false });
  driver.down(2);
  driver.do({ verb: "group.online", group: "web" });
  assert.equal(driver.groupState("web"), "Offline nobody");
  driver.up.add(2);
  assert.deepEqual(ordersOf(driver.view({ inventories: false })), []);
  driver.refused({ verb: "group.move", group: "web", node: "node2" }, "MUSTER_NODE_NOT_AVAILABLE");
  assert.deepEqual(ordersOf(driver.inventory(2, [])), ["2 online web-program"]);
});

test("roles without preferred owners are spread; the spread is the same on every node and differs between epochs", () => {
  const spread = (epoch: number): string => {
    const driver = Driver.started(4);
    driver.epoch = epoch;
    for (let number = 0; number < 12; number++) driver.role(`r${number}`);
    const counts = core.describeNodes(driver.state).map((node) => node.groups.length);
    assert.deepEqual(counts, [3, 3, 3, 3]);
    return core.describeGroups(driver.state).map((group) => group.ownerNode).join(" ");
  };
  assert.equal(spread(1), spread(1));
  assert.notEqual(spread(1), spread(2));
});

test("a failure while going offline counts nothing", () => {
  const driver = Driver.started(2);
  driver.role("web", { preferred: ["node1"], properties: { RestartThreshold: 0 } });
  driver.command({ verb: "group.offline", group: "web" });
  const effect = driver.orders.shift();
  assert.ok(effect);
  driver.answer(effect, "failed", "it hung");
  assert.equal(driver.groupState("web"), "Offline node1");
  assert.equal(core.describeResource(driver.state, "web-program").failures.count, 0);
});

test("reports are levels: again, late, of another life, of another generation", () => {
  const driver = Driver.started(2);
  driver.role("web", { preferred: ["node1"] });
  const resource = core.describeResource(driver.state, "web-program");
  const { generation } = core.describeGroup(driver.state, "web");
  const report = { kind: "report", from: driver.member(1), resource: resource.id, generation, effect: null, state: "online", reason: "", processId: null } as const;
  const before = driver.everything();
  assert.deepEqual(driver.step(report).events, []);
  driver.step({ ...report, from: { node: 1, incarnation: 9 }, state: "failed" });
  driver.step({ ...report, from: { node: 2, incarnation: 1 }, state: "failed" });
  driver.step({ ...report, generation: generation - 1, state: "failed" });
  driver.step({ ...report, resource: "r77.7", state: "offline" });
  assert.equal(driver.everything(), before);
  assert.deepEqual(ordersOf(driver.step({ ...report, generation: generation - 1 })), ["1 terminate web-program"]);
  driver.settle();
  driver.fails("web-program");
  const failures = core.describeResource(driver.state, "web-program").failures.count;
  driver.step({ ...report, state: "failed" });
  assert.equal(core.describeResource(driver.state, "web-program").failures.count, failures, "said twice, counted once");
});

test("only the answer to an order proves that nothing runs", () => {
  const driver = Driver.started(2);
  driver.role("web", { preferred: ["node1"], properties: { RestartThreshold: 0 }, online: false });
  driver.command({ verb: "group.online", group: "web" });
  // A failure that may be older than the order: the role may not start elsewhere before the end is certain.
  assert.deepEqual(ordersOf(driver.fails("web-program", "an old failure")), ["1 terminate web-program"]);
  assert.equal(core.describeGroup(driver.state, "web").ownerNode, "node2");
  const online = driver.orders.shift();
  const terminate = driver.orders.shift();
  assert.ok(online && terminate);
  driver.answer(online);
  assert.equal(driver.resourceState("web-program"), "Offline");
  assert.deepEqual(ordersOf(driver.answer(terminate)), ["2 online web-program"]);
});

test("inventory: adopts, re-orders, counts what is missing as failed, ends what does not belong", () => {
  const driver = Driver.started(2);
  driver.role("web", { preferred: ["node1"] });
  const resource = core.describeResource(driver.state, "web-program").id;
  const { generation } = core.describeGroup(driver.state, "web");
  const item = { resource, generation, state: "online", effect: null, processId: 42 } as const;
  driver.view({ inventories: false });
  driver.inventory(1, [item]);
  assert.equal(driver.groupState("web"), "Online node1");
  assert.equal(core.describeResource(driver.state, "web-program").processId, 42);
  assert.deepEqual(ordersOf(driver.inventory(2, [{ ...item, generation: generation - 5 }])), ["2 terminate web-program"]);
  driver.settle();
  driver.view({ inventories: false });
  const { events } = driver.inventory(1, []);
  assert.match(events[0]?.text ?? "", /failed on node1: it does not run any more/);
  assert.equal(driver.groupState("web"), "Pending node1");
});

test("cold start: the highest generation wins, whatever the order of the inventories", () => {
  for (const order of [[1, 2, 3], [3, 2, 1], [2, 3, 1]]) {
    const driver = Driver.started(3);
    driver.role("web", { preferred: ["node1"] });
    const resource = core.describeResource(driver.state, "web-program").id;
    driver.state = core.loadState(core.durableRows(driver.state));
    driver.view({ inventories: false });
    const stopped: string[] = [];
    for (const node of order) {
      const items = node === 1 ? [] : [{ resource, generation: node * 10, state: "online", effect: null, processId: null } as const];
      stopped.push(...ordersOf(driver.inventory(node, items)));
    }
    assert.deepEqual(stopped, ["2 terminate web-program"], order.join());
    driver.settle();
    assert.equal(driver.groupState("web"), "Online node3");
  }
});

test("a drain spreads, settles by itself, and an empty node is drained at once", () => {
  const driver = Driver.started(3);
  for (let number = 0; number < 4; number++) driver.role(`r${number}`, { preferred: ["node1"] });
  driver.do({ verb: "group.set", group: "r0", preferredOwners: [] });
  for (let number = 0; number < 4; number++) driver.do({ verb: "group.set", group: `r${number}`, preferredOwners: [] });
  driver.do({ verb: "node.pause", node: "node1", drain: true });
  assert.equal(core.describeNode(driver.state, "node1").drainStatus, "Completed");
  assert.deepEqual(core.describeNodes(driver.state).map((node) => node.groups.length), [0, 2, 2]);
  driver.do({ verb: "node.resume", node: "node1" });
  driver.do({ verb: "node.pause", node: "node1", drain: true });
  assert.equal(core.describeNode(driver.state, "node1").drainStatus, "Completed");
  assert.equal(core.describeNode(driver.state, "node1").state, "Paused");
});

test("a paused node stays paused when it comes back", () => {
  const driver = Driver.started(2);
  driver.do({ verb: "node.pause", node: "node2" });
  driver.down(2);
  assert.equal(core.describeNode(driver.state, "node2").state, "Down");
  driver.up.add(2);
  driver.view();
  assert.equal(core.describeNode(driver.state, "node2").state, "Paused");
});

test("wishes of single resources: set, followed by the role's, cleared by it", () => {
  const driver = Driver.started(1);
  driver.do({ verb: "group.create", name: "web" });
  driver.program("a", "web");
  driver.program("b", "web", {}, undefined, "[a]");
  driver.program("c", "web");
  driver.do({ verb: "resource.online", resource: "b" });
  assert.deepEqual(["a", "b", "c"].map((name) => driver.resourceState(name)), ["Online", "Online", "Offline"]);
  assert.equal(driver.groupState("web"), "PartialOnline node1");
  driver.do({ verb: "group.online", group: "web" });
  assert.equal(driver.groupState("web"), "Online node1");
  driver.do({ verb: "resource.offline", resource: "c" });
  assert.equal(core.describeGroup(driver.state, "web").wantedState, "Online");
  driver.program("late", "web");
  assert.equal(driver.resourceState("late"), "Offline", "a new resource is offline");
  driver.do({ verb: "group.offline", group: "web" });
  assert.equal(driver.groupState("web"), "Offline node1");
  assert.ok(core.durableRows(driver.state).filter((row) => row.table === "resources").every((row) => !row.value.includes("PersistentState")));
});

test("a failure that may be older than the order to go offline ends nothing: the order is given again", () => {
  const driver = Driver.started(2);
  driver.role("web", { preferred: ["node1"] });
  driver.command({ verb: "group.move", group: "web", node: "node2" });
  const offline = driver.orders.shift();
  assert.ok(offline);
  const { effects } = driver.fails("web-program", "an old failure");
  assert.deepEqual(effects.map((effect) => [effect.id, effect.action]), [[offline.id, "offline"]]);
  assert.equal(core.describeGroup(driver.state, "web").ownerNode, "node1");
  assert.deepEqual(ordersOf(driver.answer(offline)), ["2 online web-program"]);
});

test("a copy that waits to be ended does not hold a role back when its node is lost", () => {
  const driver = Driver.started(2);
  driver.role("web", { preferred: ["node1"], online: false });
  const resource = core.describeResource(driver.state, "web-program").id;
  driver.inventory(2, [{ resource, generation: 1, state: "online", effect: null, processId: null }]);
  assert.deepEqual(ordersOf(driver.command({ verb: "group.online", group: "web" })), []);
  assert.deepEqual(ordersOf(driver.down(2)), ["1 online web-program"]);
});

test("a deleted resource leaves no deadline behind", () => {
  const driver = Driver.started(1);
  driver.role("web");
  driver.fails("web-program");
  assert.notEqual(core.nextDeadline(driver.state), null);
  driver.do({ verb: "group.delete", group: "web", force: true });
  assert.equal(core.nextDeadline(driver.state), null);
});

test("a node that resumes takes what waited for it", () => {
  const driver = Driver.started(1);
  driver.role("web", { online: false });
  driver.do({ verb: "node.pause", node: "node1" });
  driver.do({ verb: "group.online", group: "web" });
  assert.equal(driver.groupState("web"), "Offline node1");
  assert.equal(core.describeGroup(driver.state, "web").reason.command, "muster node resume node1");
  driver.do({ verb: "node.resume", node: "node1" });
  assert.equal(driver.groupState("web"), "Online node1");
  assert.equal(core.describeNode(driver.state, "node1").state, "Up");
});
