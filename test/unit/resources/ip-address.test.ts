import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { ResourceRecord } from "../../../src/model/objects.ts";
import type { TestHost } from "../monitor/helpers.ts";
import { Workbench, until } from "../monitor/helpers.ts";

describe("IP Address", () => {
  let bench: Workbench;
  let other: Workbench;
  let node: TestHost;
  let stranger: TestHost;
  before(async () => {
    bench = new Workbench();
    other = new Workbench();
    node = await bench.host().start();
    stranger = await other.host(1, { clusterName: "OTHER" }).start();
  });
  after(async () => {
    await bench.close();
    await other.close();
  });

  // One address per test process, so that test runs side by side do not meet.
  const address = `127.${1 + (process.pid % 250)}.${Math.floor(process.pid / 250) % 250}.9`;
  const record = (id: string, value: string): ResourceRecord => ({ id, name: `Address ${id}`, group: "g1", type: "IP Address", dependencies: [], possibleOwners: null, properties: { LooksAlivePollInterval: 50 }, privateProperties: { Address: value } });

  test("one holder on the machine: a second cluster and a second role are refused, and told who has it", async () => {
    const online = await node.bringOnline(bench.online(record("i1", address)));
    assert.equal(online.processId, null);
    const foreign = other.online(record("i2", address));
    stranger.host.send(foreign);
    const refused = await stranger.reaches("i2", "failed", foreign.effect);
    assert.match(refused.reason, new RegExp(`^Duplicate address: ${address} is already in use by the role 'Role' of the cluster 'TEST' on node node1 \\(process \\d+\\)`));
    const second = bench.online(record("i3", address));
    node.host.send(second);
    assert.match((await node.reaches("i3", "failed", second.effect)).reason, /Duplicate address/);
  });

  test("after offline, and after the holder's monitor was killed, it is free", async () => {
    node.host.send({ kind: "offline", effect: bench.effect(), generation: 1, resource: "i1", reason: "test" });
    await node.reaches("i1", "offline");
    await stranger.bringOnline(other.online(record("i2", address)));
    process.kill(stranger.monitorProcessId, "SIGKILL");
    await until("the death", () => stranger.deaths.length > 0);
    await node.bringOnline(bench.online(record("i1", address)));
  });

  test("other addresses are refused with what to do", async () => {
    for (const [index, value] of ["10.0.0.1", "::1", "localhost", "127.0.0.256", "127.1", ""].entries()) {
      const order = bench.online(record(`wrong${index}`, value));
      node.host.send(order);
      assert.match((await node.reaches(`wrong${index}`, "failed", order.effect)).reason, /is not a loopback address\. The embedded engine serves addresses in 127\.0\.0\.0\/8/);
    }
  });
});
