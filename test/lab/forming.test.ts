import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { LabCluster } from "./support/cluster.ts";
import { withLab } from "./support/with-lab.ts";

const LOGS = ["/var/lib/muster/nodes/*/service.log", "/var/lib/muster/corosync/corosync.log"];

describe("machines form a cluster", () => {
  test("three join, a role starts, and goes on elsewhere when its machine loses power", async () => {
    await withLab({ hosts: 3, logs: LOGS }, async (lab) => {
      const cluster = await LabCluster.create(lab);
      await cluster.muster("n2", "group", "create", "web");
      await cluster.muster("n3", "resource", "create", "program", "--group", "web", "--type", "Generic Application", "CommandLine=sleep 1000");
      await cluster.muster("n1", "group", "online", "web");
      const { ownerNode } = await cluster.untilOnline("n1", "web");
      const watcher = lab.hosts.map((host) => host.name).find((name) => name !== ownerNode)!;
      await lab.powerOff(ownerNode!);
      const after = await cluster.untilOnline(watcher, "web", { notOn: ownerNode! });
      assert.ok(after.generation > 0);
      await lab.powerOn(ownerNode!);
      await cluster.muster(ownerNode!, "node", "start");
      await cluster.untilUp(watcher, 3);
    });
  });
});
