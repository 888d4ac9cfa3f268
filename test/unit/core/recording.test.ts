import assert from "node:assert/strict";
import { test } from "node:test";
import * as core from "../../../src/core/index.ts";
import type { StepResult } from "../../../src/core/index.ts";
import { Driver } from "./driver.ts";

/** What the state finds and the configuration remembers: where each role ran last. */

/** Does not send what is asked for, but keeps it. */
class Listening extends Driver {
  readonly asked: StepResult["requests"][number][] = [];

  static begun(nodes: number): Listening {
    const driver = new Listening(nodes);
    driver.view();
    return driver;
  }

  override step(input: Parameters<Driver["step"]>[0]): StepResult {
    const result = super.step(input);
    this.asked.push(...result.requests);
    return result;
  }

  override sends = false;
}

test("one request for many changes, a second after the first; when it is carried out there is no other", () => {
  const driver = Listening.begun(3);
  driver.wait(5_000);
  for (const name of ["a", "b", "c"]) driver.role(name, { preferred: ["node2"] });
  driver.wait(999);
  assert.equal(driver.asked.length, 0);
  driver.wait(1);
  assert.equal(driver.asked.length, 1);
  assert.deepEqual(driver.asked[0]?.defaultOwners?.map(([, node]) => node), [2, 2, 2]);
  driver.do(driver.asked[0]!);
  assert.equal(core.nextDeadline(driver.state), null);
  const loaded = core.loadState(core.durableRows(driver.state));
  assert.deepEqual(core.describeGroups(loaded).map((group) => group.defaultOwner), ["node2", "node2", "node2"]);
});

test("a request that nothing comes of is asked again a few times, and anew in the next view", () => {
  const driver = Listening.begun(2);
  driver.role("a");
  driver.wait(24 * 3_600_000);
  assert.equal(driver.asked.length, 5);
  assert.equal(core.nextDeadline(driver.state), null);
  driver.view({ inventories: false });
  driver.wait(1_000);
  assert.equal(driver.asked.length, 6);
});

test("a request that comes late or twice does no harm", () => {
  const driver = Listening.begun(2);
  driver.role("a", { preferred: ["node1"] });
  driver.wait(1_000);
  const late = driver.asked[0]!;
  driver.do({ verb: "group.move", group: "a", node: "node2" });
  driver.do(late);
  // The configuration says node1 now, and is to be put right.
  assert.equal(core.describeGroup(driver.state, "a").defaultOwner, "node2");
  driver.wait(1_000);
  driver.do(driver.asked.at(-1)!);
  driver.do(driver.asked.at(-1)!);
  assert.equal(core.describeGroup(core.loadState(core.durableRows(driver.state)), "a").defaultOwner, "node2");
  driver.do({ verb: "group.delete", group: "a", force: true });
  driver.do(late);
  assert.equal(core.nextDeadline(driver.state), null);
});

test("many changes are recorded in bounded requests", () => {
  const driver = Driver.started(2);
  for (let number = 0; number < 620; number++) driver.do({ verb: "group.create", name: `role-${number}` });
  driver.wait(3_000);
  assert.equal(core.nextDeadline(driver.state), null);
  const loaded = core.loadState(core.durableRows(driver.state));
  assert.ok(core.describeGroups(loaded).every((group) => group.defaultOwner !== null));
});

test("hours of the day are the orderer's: the offset that comes with a deadline is kept", () => {
  const driver = Driver.started(1);
  driver.step({ kind: "due", utcOffsetMinutes: 330 });
  assert.deepEqual(driver.state.tables.localTime.get("-"), { utcOffsetMinutes: 330 });
  driver.step({ kind: "due" });
  assert.deepEqual(driver.state.tables.localTime.get("-"), { utcOffsetMinutes: 330 });
});

test("a role that has lost its owner before the command came is asked for once, not without end", () => {
  const driver = Listening.begun(2);
  driver.role("a", { preferred: ["node1"], possible: ["node1"] });
  driver.wait(1_000);
  const [request] = driver.asked;
  assert.ok(request !== undefined);
  driver.down(1);
  assert.equal(driver.groupState("a"), "Offline nobody");
  driver.do(request);
  driver.asked.length = 0;
  driver.wait(3_600_000);
  assert.ok(driver.asked.length <= 1, `asked ${driver.asked.length} times`);
});
