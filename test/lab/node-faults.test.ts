import { describe, test } from "node:test";
import * as faults from "./support/faults.ts";
import { Scene } from "./support/scene.ts";
import type { Scenario } from "./support/scene.ts";

/**
 * What fails inside a node, while a client asks its role all the time and clients of the database write. One cluster
 * for all, because making one costs more than breaking it.
 */
const SCENARIOS: readonly Scenario[] = [
  { name: "the service of the owner is killed", on: "owner", fault: faults.serviceKilled, expect: "moves" },
  { name: "the service of the owner stands still", on: "owner", fault: faults.serviceStopped, expect: "moves" },
  { name: "the service of another node stands still until its lease worker ends it", on: "other", fault: faults.serviceStopped, expect: "stays", watchMs: 4_000 },
  // What the program of a role was is not known any more when its monitor is gone: it is started again where it was.
  { name: "the monitor of the owner is killed", on: "owner", fault: faults.monitorKilled, expect: "either" },
  { name: "the monitor of the owner stands still", on: "owner", fault: faults.monitorStopped, expect: "either", watchMs: 5_000 },
  // It may be back before the others have missed it.
  { name: "corosync of the owner is killed", on: "owner", fault: faults.corosyncKilled, expect: "either" },
  { name: "corosync of the owner stands still", on: "owner", fault: faults.corosyncStopped, expect: "moves" },
  { name: "all processes of the owner stand still and go on late", on: "owner", fault: faults.paused, expect: "moves" },
  { name: "the owner loses power", on: "owner", fault: faults.poweredOff, expect: "moves" },
  { name: "the firewall of the owner is flushed, and the gate with it", on: "owner", fault: faults.gateFlushed, expect: "either", watchMs: 4_000 },
  { name: "the cable of the owner is out on the network of the clients", on: "owner", fault: faults.unplugged, expect: "moves" },
  { name: "the role is moved", on: "owner", fault: faults.movedAway, expect: "moves" },
];

describe("a node fails", () => {
  test("three nodes, profile fast", async (context) => {
    await Scene.with({ hosts: 3, profile: "fast" }, async (scene) => {
      const workload = scene.workload();
      workload.start();
      for (const scenario of SCENARIOS) await context.test(scenario.name, (inner) => scene.scenario(inner, scenario).then(() => undefined));
      await context.test("all nodes are restarted one after the other", async (inner) => {
        for (const name of scene.names) {
          const { outageMs } = await scene.scenario(inner, { name: `${name} stops in good order`, on: "owner", fault: (where) => faults.stoppedInGoodOrder(where, name), expect: "either", watchMs: 0 });
          inner.diagnostic(`${name}: ${outageMs.toFixed(0)} ms`);
        }
      });
      await scene.judge(context, workload);
      await scene.untilKeptFollowed();
    });
  });
});
