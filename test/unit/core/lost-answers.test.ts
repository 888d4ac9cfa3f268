import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as core from "../../../src/core/index.ts";
import type { InventoryItem } from "../../../src/model/inputs.ts";
import { Driver } from "./driver.ts";

/** Orders and answers that are lost on the way, and moments that pass while nobody looks: nothing waits for ever. */

const PROGRAM = "web-program";
const DEPENDENCY_TIMEOUT_MS = 600_000;

function row(driver: Driver): core.ClusterState["tables"]["resourceRuntime"] extends { get(key: string): infer Row } ? NonNullable<Row> : never {
  return driver.state.tables.resourceRuntime.get(core.describeResource(driver.state, PROGRAM).id)!;
}

function generation(driver: Driver): number {
  return core.describeGroup(driver.state, "web").generation;
}

/** All go on as they are; what was on its way is lost. */
function nextView(driver: Driver): void {
  driver.orders.length = 0;
  driver.epoch++;
  driver.index = -1;
  const members = [...driver.up].sort((left, right) => left - right).map((node) => driver.member(node));
  driver.step({ kind: "view", members, learners: [], orderer: members[0]!.node });
}

function report(driver: Driver, effect: string | null, said: { readonly state: "offline" | "failed" | "online"; readonly generation?: number }): void {
  driver.step({ kind: "report", from: driver.member(1), resource: row(driver).id, generation: said.generation ?? generation(driver), effect, state: said.state, reason: "", processId: null });
}

describe("a moment that has passed is no deadline any more", () => {
  /** A role that waits for another one, which is offline; its time is up. */
  function waiting(preferred: string, then: (driver: Driver) => void): Driver {
    const driver = Driver.started(3);
    driver.role("db", { online: false });
    driver.do({ verb: "group.create", name: "web" });
    driver.program(PROGRAM, "web", {}, [preferred]);
    driver.do({ verb: "group.set", group: "web", startsAfter: ["db"] });
    driver.do({ verb: "group.online", group: "web" });
    assert.match(core.describeGroup(driver.state, "web").reason.text, /waits for/);
    then(driver);
    driver.now += DEPENDENCY_TIMEOUT_MS + 1;
    driver.step({ kind: "due" });
    return driver;
  }

  const cases: readonly (readonly [string, (driver: Driver) => void])[] = [
    ["nobody wants it online any more", (driver) => void driver.do({ verb: "group.offline", group: "web" })],
    ["the only node that can take it is lost", (driver) => void driver.down(3)],
    ["the only node that can take it is paused", (driver) => void driver.do({ verb: "node.pause", node: "node3" })],
  ];
  for (const [name, then] of cases) {
    test(`of a role that waits for another one: ${name}`, () => {
      const driver = waiting("node3", then);
      const next = core.nextDeadline(driver.state);
      assert.ok(next === null || next > driver.now, `${next} is not after ${driver.now}`);
    });
  }
});

describe("an order that was lost is given again", () => {
  test("although the node still tells of a failure of an earlier stay", () => {
    const driver = Driver.started(2);
    driver.role("web", { preferred: ["node1", "node2"], properties: { RestartThreshold: 0 } });
    const former: InventoryItem = { resource: row(driver).id, generation: generation(driver), state: "failed", effect: row(driver).lastEffect, processId: null };
    driver.fails(PROGRAM);
    driver.settle();
    assert.equal(core.describeGroup(driver.state, "web").ownerNode, "node2");
    driver.down(2);
    nextView(driver);
    driver.inventory(1, [former]);
    assert.deepEqual(driver.orders.map(({ node, action }) => `${node} ${action}`), ["1 online"]);
    driver.settle();
    assert.equal(row(driver).state, "Online");
  });

  test("what became of it answers it, also when it is said of a later order", () => {
    const driver = Driver.started(2);
    driver.role("web", { preferred: ["node1"] });
    driver.command({ verb: "group.offline", group: "web" });
    const stop = driver.orders.splice(0)[0]!;
    assert.equal(row(driver).pendingEffect, stop.id);
    report(driver, `${driver.epoch}.${driver.index + 9}.1`, { state: "offline" });
    assert.deepEqual([row(driver).state, driver.orders.length], ["Offline", 0]);
  });

  test("a start that was dropped for the end of a stray copy is given up and tried again", () => {
    const driver = Driver.started(2);
    driver.role("web", { preferred: ["node1"] });
    const first = generation(driver);
    driver.do({ verb: "group.move", group: "web", node: "node2" });
    driver.command({ verb: "group.move", group: "web", node: "node1" });
    driver.answer(driver.orders.shift()!);
    const start = driver.orders.splice(0)[0]!;
    assert.equal(start.action, "online");
    report(driver, null, { state: "online", generation: first });
    const end = driver.orders.splice(0)[0]!;
    assert.equal(end.action, "terminate");
    report(driver, end.id, { state: "offline", generation: first });
    driver.settle();
    driver.wait(60_000);
    assert.equal(row(driver).state, "Online");
  });
});

describe("what the permit of a node ended has not failed", () => {
  const OUTAGES = 10;

  test("the inventory says so: it starts again where it was, however often", () => {
    const driver = Driver.started(3);
    driver.role("web", { preferred: ["node1"] });
    for (let outage = 0; outage < OUTAGES; outage++) {
      driver.now += 10_000;
      nextView(driver);
      const { id, lastEffect } = row(driver);
      driver.inventory(1, [{ resource: id, generation: generation(driver), state: "offline", effect: lastEffect, processId: null, permitEnded: true }]);
      for (const node of [2, 3]) driver.inventory(node, []);
      driver.settle();
      assert.equal(row(driver).state, "Online");
    }
    assert.deepEqual([row(driver).failuresMs, core.describeGroup(driver.state, "web").ownerNode], [[], "node1"]);
  });

  test("the monitor says so, in the view or when it is asked for an answer that was lost", () => {
    const driver = Driver.started(3);
    driver.role("web", { preferred: ["node1"] });
    for (let outage = 0; outage < OUTAGES; outage++) {
      driver.now += 10_000;
      const ended = (): void => void driver.step({ kind: "report", from: driver.member(1), resource: row(driver).id, generation: generation(driver), effect: row(driver).pendingEffect ?? row(driver).lastEffect, state: "offline", reason: "", processId: null, permitEnded: true });
      ended();
      assert.equal(row(driver).state, "OnlinePending");
      driver.orders.length = 0;
      ended();
      driver.settle();
      assert.equal(row(driver).state, "Online");
    }
    assert.deepEqual([row(driver).failuresMs, core.describeGroup(driver.state, "web").ownerNode], [[], "node1"]);
  });

  test("one of an earlier stay is none of this one", () => {
    const driver = Driver.started(3);
    driver.role("web", { preferred: ["node1"] });
    nextView(driver);
    driver.inventory(1, [{ resource: row(driver).id, generation: generation(driver) - 1, state: "offline", effect: null, processId: null, permitEnded: true }]);
    assert.equal(row(driver).failuresMs.length, 1);
  });

  test("what shall be offline stays so", () => {
    const driver = Driver.started(3);
    driver.role("web", { preferred: ["node1"] });
    const { id, lastEffect } = row(driver);
    driver.command({ verb: "group.offline", group: "web" });
    nextView(driver);
    driver.inventory(1, [{ resource: id, generation: generation(driver), state: "offline", effect: lastEffect, processId: null, permitEnded: true }]);
    driver.settle();
    assert.equal(row(driver).state, "Offline");
  });
});

test("a drain that failed for want of nodes is tried again when a quarantine ends", () => {
  const driver = Driver.started(2);
  driver.do({ verb: "cluster.set", properties: { QuarantineThreshold: 1, QuarantineDuration: 60 } });
  driver.role("web", { preferred: ["node1"] });
  const runs = (): void => void driver.inventory(1, [{ resource: row(driver).id, generation: generation(driver), state: "online", effect: row(driver).lastEffect, processId: 1 }]);
  driver.down(2);
  runs();
  driver.up.add(2);
  nextView(driver);
  runs();
  driver.inventory(2, []);
  driver.do({ verb: "node.pause", node: "node1", drain: true, retry: true });
  assert.equal(core.describeNode(driver.state, "node1").drainStatus, "Failed");
  driver.wait(61_000);
  assert.equal(core.describeNode(driver.state, "node1").drainStatus, "Completed");
  assert.equal(core.describeGroup(driver.state, "web").ownerNode, "node2");
});
