import assert from "node:assert/strict";
import { test } from "node:test";
import type { FilterPlan } from "../../../src/nlb/filter-contract.ts";
import { run } from "../network/lab.ts";
import { ALL, FilterLab, SKIP, VIRTUAL, plan, rule, share } from "./xdp-support.ts";

/** Frames get to TCP in every mode, with the program in the driver and in the kernel's stack. */

const MODES: readonly Partial<FilterPlan>[] = [
  { operationMode: "unicast", hardwareAddress: "02:bf:0a:4d:00:64" },
  { operationMode: "multicast", hardwareAddress: "03:bf:0a:4d:00:64" },
  { operationMode: "igmpMulticast", hardwareAddress: "01:00:5e:7f:00:64" },
  { operationMode: "windowsUnicast", hardwareAddress: "02:bf:0a:4d:00:64", maskedHardwareAddress: "02:01:0a:4d:00:64" },
];

for (const place of ["driver", "kernel's stack"] as const) {
  test(`every mode delivers with the program in the ${place}`, { skip: SKIP }, async () => {
    const lab = new FilterLab();
    const { namespace } = lab.lab.machine(1);
    try {
      lab.makeAdapter(place === "driver");
      for (const address of VIRTUAL) run(["ip", "-n", namespace, "addr", "add", `${address}/${address.includes(":") ? 128 : 32}`, "dev", "eth0", ...(address.includes(":") ? ["nodad"] : [])]);
      await lab.host.ask("slowServer", 80, 20, 2_000, 1);
      await lab.host.ask("sink", 90);
      let number = 0;
      for (const mode of MODES) {
        await lab.make("xdp");
        await lab.host.ask("apply", plan([rule("a", [80, 90], "tcp", share("none", ALL))], { ...mode, number: ++number }));
        await lab.open();
        assert.ok((await lab.host.ask<string>("name")).startsWith(`XDP in the ${place}`), await lab.host.ask("name"));
        if (mode.operationMode === "windowsUnicast") run(["ip", "-n", namespace, "link", "set", "dev", "eth0", "address", mode.hardwareAddress!]);
        for (const address of [VIRTUAL[0], VIRTUAL[2]]) {
          lab.lab.forgetNeighbours(2);
          assert.deepEqual(await lab.sender.ask("downloads", [address, address], 80), [{ bytes: 40_000, problem: null }, { bytes: 40_000, problem: null }], `${mode.operationMode} ${address}`);
          assert.equal(lab.lab.neighbour(2, address), mode.hardwareAddress);
        }
        assert.equal(await lab.sender.ask("uploads", VIRTUAL[0], 90, 5_000_000), 5_000_000, "frames as large as senders make them");
        await lab.host.ask("remove");
        if (mode.operationMode === "windowsUnicast") run(["ip", "-n", namespace, "link", "set", "dev", "eth0", "address", lab.hardwareAddress]);
      }
    } finally {
      await lab.close();
    }
  });
}

test("what comes by another adapter is decided all the same", { skip: SKIP }, async () => {
  const lab = new FilterLab();
  try {
    const inside = lab.inNamespace(lab.lab.behind(1, "inner", "10.88.0.2"));
    run(["ip", "-n", lab.lab.machine(1).namespace, "addr", "add", `${VIRTUAL[0]}/32`, "dev", "eth0"]);
    await lab.host.ask("slowServer", 80, 1, 10, 0);
    for (const engine of ["nftables", "xdp"] as const) {
      await lab.make(engine);
      await lab.host.ask("apply", plan([rule("a", [80, 80], "tcp", share("none", ALL))]));
      assert.deepEqual(await inside.ask("tries", VIRTUAL[0], 80, 300), false, `${engine}, without a lease`);
      await lab.open();
      assert.deepEqual(await inside.ask("tries", VIRTUAL[0], 80, 5_000), true, engine);
      await lab.host.ask("remove");
    }
  } finally {
    await lab.close();
  }
});

test("frames larger than a page reach the program in the driver", { skip: SKIP }, async () => {
  const lab = new FilterLab();
  const [host, sender] = [lab.lab.machine(1).namespace, lab.lab.machine(2).namespace];
  try {
    const bridge = host.replace(/n1$/, "sw");
    for (const [namespace, device] of [[bridge, "p1"], [bridge, "p2"], [host, "eth0"], [sender, "eth0"], [bridge, "br0"]] as const) run(["ip", "-n", namespace, "link", "set", "dev", device, "mtu", "9000"]);
    run(["ip", "-n", host, "addr", "add", `${VIRTUAL[0]}/32`, "dev", "eth0"]);
    await lab.host.ask("sink", 90);
    await lab.make("xdp");
    await lab.host.ask("apply", plan([rule("a", [90, 90], "tcp", share("none", ALL))]));
    await lab.open();
    assert.match(await lab.host.ask<string>("name"), /^XDP in the driver/);
    assert.equal(await lab.sender.ask("uploads", VIRTUAL[0], 90, 5_000_000), 5_000_000);
  } finally {
    await lab.close();
  }
});
