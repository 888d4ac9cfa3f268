import assert from "node:assert/strict";
import { test } from "node:test";
import type { AdapterPlan } from "../../../src/nlb-filter/adapter.ts";
import { CANNOT, Lab, until } from "../network/lab.ts";

const PLAN: AdapterPlan = {
  operationMode: "igmpMulticast", hardwareAddress: "01:00:5e:7f:00:64", multicastGroup: "239.255.0.100",
  virtualAddresses: [{ address: "10.77.0.100", family: 4 }, { address: "fd77::100", family: 6 }, { address: "10.77.0.101", family: 4 }],
};

test("an address, or the group, that the adapter cannot have holds up no other, and comes when it can", { skip: CANNOT }, async () => {
  const lab = new Lab(1);
  try {
    const host = lab.remote(1, new URL("./adapter-remote.ts", import.meta.url));
    const groups = (): string => lab.on(1, ["ip", "maddress", "show", "dev", "eth0"]);
    await host.ask("open");
    lab.on(1, ["sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=1"]);
    // More groups than a machine may have for one socket: none.
    lab.on(1, ["sysctl", "-qw", "net.ipv4.igmp_max_memberships=0"]);
    await host.ask("apply", PLAN);
    assert.deepEqual(await host.ask("held"), ["10.77.0.100", "10.77.0.101"]);
    await until("the log", async () => /the group 239/.test((await host.ask<string[]>("log")).join("\n")));
    assert.match((await host.ask<string[]>("log")).join("\n"), /fd77::100/);
    assert.doesNotMatch(groups(), /239\.255\.0\.100/);
    lab.on(1, ["sysctl", "-qw", "net.ipv4.igmp_max_memberships=20"]);
    await until("the group", () => groups().includes("239.255.0.100"));
    lab.on(1, ["sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=0"]);
    await until("the address", async () => (await host.ask<string[]>("held")).includes("fd77::100"));
    await host.ask("close");
    assert.doesNotMatch(groups(), /239\.255\.0\.100/);
    assert.doesNotMatch(lab.on(1, ["ip", "addr", "show", "dev", "eth0"]), /::100|0\.10[01]/);
  } finally {
    await lab.close();
  }
});

test("another adapter under its name, or another hardware address, is told once; an address that the plans gave it is not", { skip: CANNOT }, async () => {
  const lab = new Lab(1);
  try {
    const host = lab.remote(1, new URL("./adapter-remote.ts", import.meta.url));
    const isHardware = (address: string): boolean => lab.on(1, ["ip", "link", "show", "dev", "eth0"]).includes(`link/ether ${address}`);
    const told = async (count: number): Promise<string[]> => until(`${count} reports`, async () => {
      const replaced = await host.ask<string[]>("replaced");
      return replaced.length === count ? replaced : null;
    });
    await host.ask("open");
    for (const operationMode of ["windowsUnicast", "multicast"] as const) {
      const hardwareAddress = operationMode === "multicast" ? "03:bf:0a:4d:00:64" : "02:bf:0a:4d:00:64";
      await host.ask("apply", { ...PLAN, operationMode, hardwareAddress, multicastGroup: null });
      assert.ok(isHardware(operationMode === "multicast" ? lab.machine(1).hardwareAddress : hardwareAddress));
    }
    lab.cable(1, false);
    lab.cable(1, true);
    assert.deepEqual(await told(0), []);
    lab.on(1, ["ip", "link", "set", "dev", "eth0", "address", "0a:00:00:00:00:77"]);
    assert.match((await told(1))[0]!, /0a:00:00:00:00:77 now, and was 0a:00:00:00:00:01/);
    await host.ask("close");

    await host.ask("open");
    await host.ask("apply", { ...PLAN, operationMode: "multicast", hardwareAddress: "03:bf:0a:4d:00:64", multicastGroup: null });
    lab.on(1, ["ip", "link", "del", "eth0"]);
    lab.on(1, ["ip", "link", "add", "eth0", "address", lab.machine(1).hardwareAddress, "type", "veth", "peer", "name", "other"]);
    assert.match((await told(2))[1]!, /another adapter/);
    await host.ask("close");
  } finally {
    await lab.close();
  }
});
