import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { chooseDedicated } from "../../../src/nlb-filter/adapter.ts";
import { HeartbeatSocket } from "../../../src/nlb-host/heartbeat-socket.ts";
import { CANNOT, Lab, until } from "../network/lab.ts";
import { balancerOn, optionsOf, snapshotOf } from "./support.ts";

test("heartbeats stay in one family of addresses", () => {
  const own = ["fe80::1", "10.0.0.7", "10.0.0.8"];
  assert.equal(chooseDedicated(own, [], true), "10.0.0.7");
  assert.equal(chooseDedicated(own, ["10.0.0.8"], true), "10.0.0.8");
  assert.equal(chooseDedicated(own, ["10.0.0.9"], false), "10.0.0.7");
  assert.equal(chooseDedicated(own, ["fd00::9"], false), "fe80::1");
  assert.equal(chooseDedicated(["fe80::1"], [], true), null);
  assert.equal(chooseDedicated(["fe80::1"], ["10.0.0.9"], false), null);
  assert.equal(chooseDedicated(["fe80::1"], [], false), "fe80::1");
  assert.equal(chooseDedicated([], [], false), null);
});

test("a socket that cannot be bound is no socket, leaves nothing behind, and comes when it can", async () => {
  const blocker = createSocket("udp4");
  const told: boolean[] = [];
  const log: string[] = [];
  let heartbeats: HeartbeatSocket | null = null;
  try {
    blocker.bind(0, "0.0.0.0");
    await once(blocker, "listening");
    const descriptors = (): number => readdirSync("/proc/self/fd").length;
    heartbeats = new HeartbeatSocket(blocker.address().port, () => undefined, () => told.push(heartbeats!.isOpen), (line) => log.push(line));
    const use = (address: string | null): void => heartbeats!.use("lo", address, "10.0.0.1");
    use("127.0.0.1");
    await until("the refusal", () => log.length > 0);
    const before = descriptors();
    for (let round = 0; round < 30; round++) {
      use("127.0.0.1");
      await sleep(2);
    }
    assert.ok(descriptors() < before + 5, `${before} and then ${descriptors()} descriptors`);
    assert.equal(heartbeats.isOpen, false);
    await heartbeats.send(Buffer.from("lost"));
    blocker.close();
    await until("the socket", () => heartbeats!.isOpen);
    await heartbeats.send(Buffer.from("sent"));
    use(null);
    assert.deepEqual(told, [true, false]);
    assert.equal(log.length, 2);
    assert.match(log[1]!, /no address/);
    use("127.0.0.1");
    await until("the socket again", () => heartbeats!.isOpen);
  } finally {
    heartbeats?.close();
    try {
      blocker.close();
    } catch {
      // It is closed already.
    }
  }
});

test("a host that cannot send heartbeats takes no part, and comes back when it can", { skip: CANNOT }, async () => {
  const lab = new Lab(1);
  try {
    const host = balancerOn(lab, 1);
    await host.ask("start", optionsOf(1));
    await until("the host to serve", async () => (await snapshotOf(host)).lease.isOpen);
    // It has an address of IPv6 still, by which it would hear nobody.
    lab.on(1, ["ip", "addr", "del", "10.77.0.1/24", "dev", "eth0"]);
    await until("the host to let go", async () => {
      const { state, map, lease } = await snapshotOf(host);
      return state === "mediaDisconnected" && map === null && !lease.isOpen;
    });
    lab.on(1, ["ip", "addr", "add", "10.77.0.1/24", "dev", "eth0"]);
    await until("the host to serve again", async () => (await snapshotOf(host)).lease.isOpen);
    await host.ask("stop");
  } finally {
    await lab.close();
  }
});
