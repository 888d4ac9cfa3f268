import assert from "node:assert/strict";
import { test } from "node:test";
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
  const left = leaveInGoodOrder(serviceOfNode1(driver), never, (line) => assert.fail(line));
  setTimeout(() => driver.settle(), 60);
  await left;
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
