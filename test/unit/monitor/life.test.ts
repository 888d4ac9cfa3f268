import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { TestHost } from "./helpers.ts";
import { Workbench, runs } from "./helpers.ts";

describe("the life of a resource", () => {
  let bench: Workbench;
  let node: TestHost;
  before(async () => {
    bench = new Workbench();
    node = await bench.host().start();
  });
  after(() => bench.close());

  test("online, offline: each order is answered, with its effect and the process", async () => {
    const order = bench.online(bench.application("a1", "sleep 1000"));
    const online = await node.bringOnline(order);
    assert.equal(online.generation, 1);
    assert.ok(online.processId !== null && runs(online.processId));
    assert.deepEqual(node.host.inventory(), [{ resource: "a1", generation: 1, state: "online", effect: order.effect, processId: online.processId }]);
    const effect = bench.effect();
    node.host.send({ kind: "offline", effect, generation: 1, resource: "a1", reason: "test" });
    const offline = await node.reaches("a1", "offline", effect);
    assert.equal(offline.processId, null);
    assert.ok(!runs(online.processId));
    assert.deepEqual(node.host.inventory(), []);
  });
});
