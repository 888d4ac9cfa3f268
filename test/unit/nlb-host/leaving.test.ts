import assert from "node:assert/strict";
import { test } from "node:test";
import { CANNOT, Lab, until } from "../network/lab.ts";
import { balancerOn, optionsOf, snapshotOf } from "./support.ts";

test("a host that stops in good order tells the others that it holds nothing any more, before it ends", { skip: CANNOT }, async () => {
  const lab = new Lab(2);
  try {
    const [leaving, other] = [balancerOn(lab, 1), balancerOn(lab, 2)];
    await leaving.ask("start", optionsOf(1));
    await until("the host to serve", async () => (await snapshotOf(leaving)).lease.isOpen);
    await other.ask("start", optionsOf(2));
    const heard = async () => (await snapshotOf(other)).peers.find(({ host }) => host === 1)?.heartbeat;
    await until("the other to hear it", async () => ((await heard())?.isEmpty === false ? true : null));
    await leaving.ask("stop");
    // Nothing is sent any more: what it said last is what the other has, until it is missed.
    const last = await until("its last word", async () => {
      const heartbeat = await heard();
      return heartbeat === undefined || heartbeat.isEmpty ? { heartbeat } : null;
    });
    assert.deepEqual([last.heartbeat?.wants, last.heartbeat?.isEmpty], [false, true]);
    await other.ask("stop");
  } finally {
    await lab.close();
  }
});

test("a host whose adapter is made anew ends, and says why", { skip: CANNOT }, async () => {
  const lab = new Lab(1);
  try {
    const host = balancerOn(lab, 1);
    await host.ask("start", optionsOf(1));
    await until("the host to serve", async () => (await snapshotOf(host)).lease.isOpen);
    lab.on(1, ["ip", "link", "del", "eth0"]);
    await until("the host to let go", async () => (await snapshotOf(host)).map === null);
    lab.on(1, ["ip", "link", "add", "eth0", "address", lab.machine(1).hardwareAddress, "type", "veth", "peer", "name", "other"]);
    assert.notEqual(await host.exited, 0);
  } finally {
    await lab.close();
  }
});
