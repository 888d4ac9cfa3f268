import assert from "node:assert/strict";
import { appendFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { NodeView, QuorumView } from "../../src/model/views.ts";
import { nowMs } from "./support/clock.ts";
import { Scene, sleep } from "./support/scene.ts";
import type { Fault } from "./support/scene.ts";

/** Holds a database, its history and logs; a disk that is full is one file away. */
const STATE_BYTES = 48 * 1024 * 1024;
const LOAD_MS = 2_000;

/** Until a node says that it waits for others. */
function untilWaiting(scene: Scene, name: string): Promise<void> {
  return scene.cluster.until(`${name} waits`, 60_000, async () => (await scene.cluster.view(name))?.state === "Waiting");
}

describe("what happens rarely", () => {
  test("three nodes with small disks", async (context) => {
    await Scene.with({ hosts: 3, stateBytesMax: STATE_BYTES }, async (scene) => {
      const { lab, cluster } = scene;

      await context.test("the whole site loses power while updates run; the nodes start in another order", async (inner) => {
        const workload = scene.workload(undefined, "power");
        workload.start();
        await sleep(LOAD_MS);
        await scene.client.stop();
        await lab.powerOffAll();
        await lab.powerOnAll();
        const onMs = nowMs();
        for (const name of scene.names.toReversed()) await cluster.muster(name, "node", "start");
        scene.client.start();
        await scene.untilWhole();
        inner.diagnostic(`whole ${((nowMs() - onMs) / 1_000).toFixed(1)} s after the power was back`);
        await scene.judge(inner, workload);
        scene.check();
      });

      await context.test("the disk of the owner is full", async (inner) => {
        const owner = await scene.owner();
        const workload = scene.workload(undefined, "disk");
        workload.start();
        const filler = join(lab.host(owner).stateDirectory, "filler");
        const fill: Fault = async () => {
          await lab.host(owner).run(["dd", "if=/dev/zero", "of=/var/lib/muster/filler", "bs=64k"]);
          return async () => rmSync(filler);
        };
        await scene.scenario(inner, { name: "full disk", on: "owner", fault: fill, expect: "either", watchMs: 6_000 });
        await scene.judge(inner, workload);
      });

      await context.test("one node is started by force, the others come back to it", async (inner) => {
        await scene.untilWhole();
        const [n1 = "", n2 = "", n3 = ""] = scene.names;
        await lab.powerOff(n1, n2);
        await untilWaiting(scene, n3);
        await cluster.muster(n3, "node", "stop");
        await cluster.muster(n3, "node", "start", "--force-quorum");
        const forcedMs = nowMs();
        await scene.untilServed({ sinceMs: forcedMs });
        inner.diagnostic(`served ${((nowMs() - forcedMs) / 1_000).toFixed(1)} s after the forced start`);
        assert.equal((await cluster.api(n3).get<QuorumView>("/v1/quorum")).forced, true);
        await cluster.api(n3).send("POST", "/v1/database/batch", { body: { operations: [{ operation: "set", key: "by force", value: { type: "number", value: 1 } }] } });
        await lab.powerOn(n1);
        await lab.powerOn(n2);
        await cluster.muster(n1, "node", "start", "--prevent-quorum");
        await scene.untilWhole();
        assert.deepEqual(await cluster.api(n1).get("/v1/database/value/by%20force", { query: { consistent: "true" } }), { type: "number", value: 1 });
        scene.check();
      });

      await context.test("a node that may only join forms nothing", async () => {
        for (const name of scene.names) await lab.kill(name, "service run", "SIGKILL");
        const [n1 = "", n2 = "", n3 = ""] = scene.names;
        await cluster.muster(n1, "node", "start", "--prevent-quorum");
        await cluster.muster(n2, "node", "start", "--prevent-quorum");
        await sleep(LOAD_MS);
        for (const name of [n1, n2]) assert.notEqual((await cluster.view(name))?.state, "Active");
        await cluster.muster(n3, "node", "start");
        await scene.untilWhole();
        scene.check();
      });

      await context.test("the configuration of corosync is changed by hand, while the node is stopped and while it runs", async () => {
        const [n1 = ""] = scene.names;
        const file = join(lab.host(n1).stateDirectory, "corosync", "corosync.conf");
        const log = join(lab.host(n1).stateDirectory, "nodes", n1, "service.log");
        const told = (): number => readFileSync(log, "utf8").split("was changed by hand: it is written anew").length - 1;
        const before = readFileSync(file, "utf8");
        await cluster.muster(n1, "node", "stop");
        appendFileSync(file, "totem {\n  token: 99999\n}\n");
        await scene.untilWhole();
        assert.equal(readFileSync(file, "utf8"), before);
        assert.equal(told(), 1);
        writeFileSync(file, "totem {\n  version: 2\n  cluster_name: another\n");
        await lab.kill(n1, "corosync -f", "SIGKILL");
        await scene.cluster.until("it is as it was", 30_000, async () => readFileSync(file, "utf8") === before);
        await scene.untilWhole();
        assert.equal(told(), 2);
        scene.check();
      });
    });
  });

  test("a node joins and is evicted while updates run", async (context) => {
    await Scene.with({ hosts: 4, nodes: ["n1", "n2", "n3"] }, async (scene) => {
      const workload = scene.workload();
      workload.start();
      const fromMs = nowMs();
      await scene.cluster.join("n1", "n4");
      await scene.untilWhole(["n1", "n2", "n3", "n4"]);
      context.diagnostic(`joined within ${((nowMs() - fromMs) / 1_000).toFixed(1)} s`);
      await scene.moveTo("n4");
      await assert.rejects(scene.through((api) => api.send("DELETE", "/v1/nodes/n4")), { code: "MUSTER_NODE_NOT_READY_TO_EVICT" });
      await scene.through((api) => api.send("POST", "/v1/nodes/n4/pause", { body: { drain: true } }));
      await scene.cluster.until("it is drained", 60_000, async () => (await scene.through((api) => api.get<NodeView[]>("/v1/nodes"))).find(({ name }) => name === "n4")?.groups.length === 0);
      await scene.through((api) => api.send("DELETE", "/v1/nodes/n4"));
      await scene.cluster.until("it is no node any more", 60_000, async () => (await scene.through((api) => api.get<NodeView[]>("/v1/nodes"))).length === 3 && scene.lab.host("n4").processId("service run") === null);
      await scene.untilWhole();
      await scene.judge(context, workload);
    });
  });
});
