import assert from "node:assert/strict";
import { test } from "node:test";
import type { BalancerOptions, BalancerSnapshot } from "../../../src/nlb-host/messages.ts";
import { DEFAULT_RULE, HEARTBEAT_PROFILES } from "../../../src/nlb/parameters.ts";
import { Lab, until } from "../network/lab.ts";
import { SKIP } from "./xdp-support.ts";

const VIRTUAL = "10.77.0.100";

test("a balanced host changes its engine while it serves, and says which one it has and why", { skip: SKIP }, async () => {
  const lab = new Lab(2);
  try {
    const host = lab.remote(1, new URL("../nlb-host/remote-host.ts", import.meta.url));
    const options: Omit<BalancerOptions, "key"> = {
      cluster: { primaryAddress: VIRTUAL, subnetMask: "255.255.255.0", name: "xdp.test", additionalAddresses: [], operationMode: "multicast", ...HEARTBEAT_PROFILES.default, filtersIcmp: false, rules: [DEFAULT_RULE] },
      host: { id: 1, name: "one", dedicatedAddresses: ["10.77.0.1"], initialState: "started", retainsSuspended: false, rules: {} },
      adapter: "eth0",
      heartbeatPort: 2_504,
      incarnation: 7,
      persisted: null,
      engine: "auto",
      realTimePriority: null,
    };
    await host.ask("start", options);
    await host.ask("web", 80, "one");
    const get = (): boolean => lab.succeeds(2, ["curl", "-s", "-o", "/dev/null", "--max-time", "2", `http://${VIRTUAL}/`]);
    const engine = async (): Promise<string> => (await host.ask<BalancerSnapshot>("snapshot")).engine;
    await until("the host to serve", get);
    assert.match(await engine(), /^nftables \(eth0 is a virtual adapter/);
    for (const [wanted, named] of [["xdp", /^XDP in the driver \(as configured\)/], ["nftables", /^nftables \(as configured\)/], ["xdp", /^XDP/], ["auto", /^nftables \(eth0 is/]] as const) {
      await host.ask("handle", { kind: "engine", engine: wanted });
      await until(`${wanted}`, async () => named.test(await engine()));
      for (let request = 0; request < 5; request++) assert.ok(get(), wanted);
    }
    await host.ask("handle", { kind: "engine", engine: "xdp" });
    await until("xdp", async () => (await engine()).startsWith("XDP"));
    await host.ask("stop");
    assert.doesNotMatch(lab.on(1, ["ip", "link", "show", "dev", "eth0"]), / xdp/);
    assert.equal(lab.on(1, ["nft", "list", "ruleset"]).trim(), "");
  } finally {
    await lab.close();
  }
});
