import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import type { ResourceRecord } from "../../../src/model/objects.ts";
import type { GateState } from "../../../src/network/gate-state.ts";
import type { Remote } from "../network/lab.ts";
import { CANNOT, Lab, until } from "../network/lab.ts";

const ADDRESS = "10.77.0.50";
const ADDRESS6 = "fd77::50";

describe("addresses on an adapter", { skip: CANNOT }, () => {
  let lab: Lab;
  let node: Remote;
  before(() => {
    lab = new Lab(2);
  });
  beforeEach(async () => {
    node = lab.remote(1, new URL("./address-node.ts", import.meta.url));
    await node.ask("start", true);
    await node.ask("open");
  });
  afterEach(async () => {
    await node.ask("end");
    node.kill();
    await node.exited;
    assert.doesNotMatch(onAdapter(), /10\.77\.0\.50|fd77::50/, "an address was left behind");
  });
  after(() => lab.close());

  let count = 0;
  const record = (privateProperties: ResourceRecord["privateProperties"], type = "IP Address"): ResourceRecord => ({ id: `a${++count}`, name: `Address ${count}`, group: "g1", type, dependencies: [], possibleOwners: null, properties: { LooksAlivePollInterval: 50 }, privateProperties });
  const onAdapter = (): string => lab.on(1, ["ip", "-o", "addr", "show", "dev", "eth0"]);

  async function online(resource: ResourceRecord): Promise<string> {
    const effect = await node.ask<string>("online", resource);
    await node.ask("reaches", resource.id, "online", effect);
    return resource.id;
  }

  async function failure(resource: ResourceRecord): Promise<string> {
    const effect = await node.ask<string>("online", resource);
    return (await node.ask<{ reason: string }>("reaches", resource.id, "failed", effect)).reason;
  }

  async function offline(id: string): Promise<void> {
    await node.ask("offline", id);
    await node.ask("reaches", id, "offline");
  }

  test("it answers ping and ARP with the adapter's hardware address, and is gone when it is offline", async () => {
    lab.forgetNeighbours(2);
    const id = await online(record({ Address: ADDRESS }));
    assert.match(onAdapter(), /inet 10\.77\.0\.50\/24 .*noprefixroute/);
    assert.equal(lab.pings(2, ADDRESS), true);
    assert.equal(lab.neighbour(2, ADDRESS), lab.machine(1).hardwareAddress);
    assert.deepEqual((await node.ask<GateState>("gateState")).owned, [ADDRESS]);
    await offline(id);
    assert.doesNotMatch(onAdapter(), /10\.77\.0\.50/);
    assert.equal(lab.pings(2, ADDRESS), false);
    assert.deepEqual(await node.ask("owned"), [[ADDRESS], []]);
    assert.deepEqual((await node.ask<GateState>("gateState")).owned, []);
  });

  test("the same for IPv6", async () => {
    lab.forgetNeighbours(2);
    const id = await online(record({ Address: "FD77:0::0050" }, "IPv6 Address"));
    assert.match(onAdapter(), /inet6 fd77::50\/64 .*deprecated/);
    assert.equal(lab.pings(2, ADDRESS6), true);
    assert.equal(lab.neighbour(2, ADDRESS6), lab.machine(1).hardwareAddress);
    assert.doesNotMatch(lab.on(1, ["ip", "-6", "route", "get", "fd77::2"]), /src fd77::50/, "it must not be the source of what the node begins");
    await node.ask("close");
    assert.equal(lab.pings(2, ADDRESS6), false);
    await offline(id);
    assert.doesNotMatch(onAdapter(), /fd77::50/);
  });

  test("clients that knew another owner learn the new one from the announcements", async () => {
    for (const address of [ADDRESS, ADDRESS6]) lab.on(2, ["ip", "neigh", "replace", address, "lladdr", "0a:00:00:00:00:99", "nud", "stale", "dev", "eth0"]);
    const ids = [await online(record({ Address: ADDRESS })), await online(record({ Address: ADDRESS6 }, "IPv6 Address"))];
    for (const address of [ADDRESS, ADDRESS6]) await until(`the client to learn ${address}`, () => lab.neighbour(2, address) === lab.machine(1).hardwareAddress);
    for (const id of ids) await offline(id);
  });

  test("a duplicate is refused, with the hardware address of the holder, and nothing is changed", async () => {
    for (const address of [`${ADDRESS}/24`, `${ADDRESS6}/64`]) lab.on(2, ["ip", "addr", "add", address, "dev", "eth0", ...(address.includes(":") ? ["nodad"] : [])]);
    const expected = new RegExp(`is already in use by the host with the hardware address ${lab.machine(2).hardwareAddress} on the network of eth0`);
    assert.match(await failure(record({ Address: ADDRESS })), expected);
    assert.match(await failure(record({ Address: ADDRESS6 }, "IPv6 Address")), expected);
    assert.doesNotMatch(onAdapter(), /10\.77\.0\.50|fd77::50/);
    assert.equal((await node.ask<string[][]>("owned")).at(-1)?.length, 0);
    for (const address of [`${ADDRESS}/24`, `${ADDRESS6}/64`]) lab.on(2, ["ip", "addr", "del", address, "dev", "eth0"]);
    await offline(await online(record({ Address: ADDRESS })));
  });

  test("an address of this node, and one that another resource has, is refused and left alone", async () => {
    assert.match(await failure(record({ Address: lab.machine(1).address })), /already in use by this node itself/);
    assert.match(onAdapter(), /inet 10\.77\.0\.1\/24/);
    const id = await online(record({ Address: ADDRESS }));
    assert.match(await failure(record({ Address: ADDRESS })), /already in use by the role 'Role' on this node/);
    assert.equal(lab.pings(2, ADDRESS), true);
    await offline(id);
  });

  test("no adapter in its subnet: the reason says what there is", async () => {
    assert.match(await failure(record({ Address: "10.99.0.1" })), /No adapter of this node can carry 10\.99\.0\.1: none has an address in the same subnet; there is eth0 \(.*10\.77\.0\.1\/24/);
    const id = await online(record({ Address: "10.99.0.1", SubnetMask: "255.255.0.0", OverrideAddressMatch: 1 }));
    assert.match(onAdapter(), /inet 10\.99\.0\.1\/16/);
    assert.doesNotMatch(onAdapter(), /10\.99\.0\.1.*noprefixroute/);
    await offline(id);
  });

  test("values that make no sense are refused", async () => {
    for (const address of ["224.0.0.1", "0.0.0.0", "::1", "localhost", "10.1"]) assert.match(await failure(record({ Address: address })), /is no IPv4 address that a host can have/);
    for (const address of ["ff02::1", "fe80::1", "fe80::1%eth0", "::", "::1", "10.0.0.1"]) assert.match(await failure(record({ Address: address }, "IPv6 Address")), /is no IPv6 address that clients can reach/);
    assert.match(await failure(record({ Address: ADDRESS, SubnetMask: "255.0.255.0" })), /is no mask/);
    assert.match(await failure(record({ Address: ADDRESS, EnableDhcp: 1 })), /EnableDhcp/);
  });

  test("the loss of the link, and of the address, are noticed without a poll", async () => {
    const patient = { ...record({ Address: ADDRESS }), properties: { LooksAlivePollInterval: 60_000, IsAlivePollInterval: 60_000 } };
    await online(patient);
    lab.cable(1, false);
    const failed = await node.ask<{ reason: string }>("reaches", patient.id, "failed");
    assert.match(failed.reason, /10\.77\.0\.50: the adapter eth0 has no link/);
    assert.doesNotMatch(onAdapter(), /10\.77\.0\.50/);
    assert.match(await failure(record({ Address: ADDRESS })), /the adapter eth0 has no link/);
    lab.cable(1, true);
    await until("the link", () => lab.on(1, ["cat", "/sys/class/net/eth0/operstate"]).trim() === "up");
    const again = { ...patient, id: "again" };
    await online(again);
    lab.on(1, ["ip", "addr", "del", `${ADDRESS}/24`, "dev", "eth0"]);
    assert.match((await node.ask<{ reason: string }>("reaches", "again", "failed")).reason, /it is not on the adapter eth0 any more/);
  });

  test("when the monitor is killed nothing is owned at once, and the next one removes what was left", async () => {
    await online(record({ Address: ADDRESS }));
    process.kill(await node.ask<number>("monitor"), "SIGKILL");
    await until("the owned set to be emptied", async () => (await node.ask<string[][]>("owned")).at(-1)?.length === 0);
    assert.equal(lab.pings(2, ADDRESS), false);
    await until("the address to be removed", () => !onAdapter().includes(ADDRESS));
    await until("the death to be told", async () => (await node.ask<string[]>("deaths")).length === 1);
  });

  test("a gate that cannot be changed fails the start, and nothing is left", async () => {
    await node.ask("refuse", "the worker is gone");
    assert.match(await failure(record({ Address: ADDRESS })), /the gate could not be changed: the worker is gone/);
    assert.doesNotMatch(onAdapter(), /10\.77\.0\.50/);
    await node.ask("refuse", null);
  });

  test("terminate in the middle of a start leaves nothing", async () => {
    for (const [type, address] of [["IP Address", ADDRESS], ["IPv6 Address", ADDRESS6]] as const) {
      const resource = record({ Address: address }, type);
      await node.ask("online", resource);
      await new Promise((resolve) => setTimeout(resolve, type === "IP Address" ? 120 : 300));
      await node.ask("terminate", resource.id);
      await node.ask("reaches", resource.id, "offline");
      await until("the address to be gone", () => !onAdapter().includes(address));
    }
  });

  test("loopback addresses need no adapter", async () => {
    const id = await online(record({ Address: "127.77.0.9" }));
    await offline(id);
    assert.deepEqual(await node.ask("owned"), []);
  });
});

describe("addresses without a gate", { skip: CANNOT }, () => {
  test("the embedded engine serves loopback addresses alone", async () => {
    const lab = new Lab(1);
    try {
      const node = lab.remote(1, new URL("./address-node.ts", import.meta.url));
      await node.ask("start", false);
      for (const [type, address] of [["IP Address", ADDRESS], ["IPv6 Address", ADDRESS6]]) {
        const effect = await node.ask<string>("online", { id: type, name: type, group: "g1", type, dependencies: [], possibleOwners: null, properties: {}, privateProperties: { Address: address } });
        assert.match((await node.ask<{ reason: string }>("reaches", type, "failed", effect)).reason, /is not a loopback address/);
      }
      await node.ask("end");
    } finally {
      await lab.close();
    }
  });
});
