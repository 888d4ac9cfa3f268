import assert from "node:assert/strict";
import { test } from "node:test";
import * as core from "../../../src/core/index.ts";
import type { Command } from "../../../src/model/inputs.ts";
import type { ServiceFacade } from "../../../src/service/facade.ts";
import { leaveInGoodOrder } from "../../../src/service/leaving.ts";
import { Driver } from "../core/driver.ts";

/** A cluster in which node1 owns a role that leaves only when the test says so. */
function serviceOfNode1(driver: Driver, refuses = false): ServiceFacade {
  return {
    nodeName: "node1",
    status: { phase: "active", epoch: 1, members: ["node1", "node2"], orderer: "node1" },
    state: () => driver.state,
    command: async (command: Command) => (refuses ? Promise.reject(new Error("no view")) : Promise.resolve(driver.command(command))),
  } as unknown as ServiceFacade;
}

function cluster(): Driver {
  const driver = Driver.started(2);
  driver.role("web", { preferred: ["node1"] });
  return driver;
}

const never = (): boolean => false;

test("it waits until the roles have left", async () => {
  const driver = cluster();
  const startedMs = performance.now();
  const left = leaveInGoodOrder(serviceOfNode1(driver), () => performance.now() > startedMs + 10_000, (line) => assert.fail(line));
  setTimeout(() => {
    driver.settle();
    // The log sees to it that the votes follow.
    for (let weights = core.wantedWeights(driver.state, core.knownWeights(driver.state)); weights !== null; weights = core.wantedWeights(driver.state, core.knownWeights(driver.state))) driver.step({ kind: "weights", weights });
  }, 60);
  await left;
  assert.ok(performance.now() < startedMs + 10_000, "it noticed that they had");
  assert.equal(driver.groupState("web"), "Online node2");
});

test("no longer than ShutdownTimeoutInMinutes, and not when somebody insists", async () => {
  const driver = cluster();
  driver.do({ verb: "cluster.set", properties: { ShutdownTimeoutInMinutes: 0 } });
  const lines: string[] = [];
  await leaveInGoodOrder(serviceOfNode1(driver), never, (line) => lines.push(line));
  assert.match(lines.join(), /have not left within 0 min/);
  let insists = false;
  setTimeout(() => (insists = true), 60);
  await leaveInGoodOrder(serviceOfNode1(cluster()), () => insists, (line) => assert.fail(line));
});

test("without a view there is nobody to leave to", async () => {
  const lines: string[] = [];
  await leaveInGoodOrder(serviceOfNode1(cluster(), true), never, (line) => lines.push(line));
  assert.match(lines.join(), /without leaving in good order: no view/);
});
