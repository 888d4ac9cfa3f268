import assert from "node:assert/strict";
import { test } from "node:test";
import { CANNOT } from "../network/lab.ts";
import { Tcp, tcpFrame } from "./xdp-frames.ts";
import { ALL, CLUSTER_MAC, FilterLab, SKIP, VIRTUAL, plan, rule, share } from "./xdp-support.ts";

/** Somebody takes the tables away, as reloading a firewall does. */

const HOUR_MS = 3_600_000;
const frames = (clients: readonly string[]): Buffer[] => clients.map((client) => tcpFrame(CLUSTER_MAC, { client, clientPort: 40_000, server: VIRTUAL[0], serverPort: 80 }, Tcp.syn));
const sticky = (owned: readonly number[], number = 1) => plan([rule("s", [80, 80], "tcp", share("single", owned, { extendedAffinityMs: HOUR_MS }))], { number });

for (const engine of ["nftables", "xdp"] as const) {
  test(`tables that somebody took away are there again with the next order, plan or look, and stay closed until they are opened: ${engine}`, { skip: engine === "xdp" ? SKIP : CANNOT }, async () => {
    const lab = new FilterLab();
    const losesTables = async (...families: readonly string[]): Promise<void> => {
      for (const family of families) lab.lab.on(1, ["nft", "delete", "table", family, "muster_nlb_eth0"]);
    };
    const all = ["inet", "arp", "netdev"];
    try {
      await lab.host.ask("probe");
      await lab.make(engine);
      assert.equal(await lab.host.ask("repair"), false, "nothing was loaded yet");
      await lab.host.ask("apply", sticky(ALL));
      await lab.open();
      await lab.host.ask("setAway", "s", [{ client: "10.1.7.7", leftMs: HOUR_MS }]);
      assert.equal(await lab.host.ask("repair"), false);
      for (const families of [all, ["inet"], ["netdev"], ["arp"]]) {
        await losesTables(...families);
        // Who takes no part has nothing to order.
        assert.equal(await lab.host.ask("repair"), true, families.join());
        if (engine === "nftables") assert.deepEqual(await lab.passes(frames(["10.1.1.1"])), [], "no slot is open");
        await lab.open();
        assert.deepEqual(await lab.passes(frames(["10.1.1.1", "10.1.7.7"])), ["10.1.1.1"], "others' clients are still others'");
      }
      await losesTables(...all);
      await lab.open();
      assert.deepEqual(await lab.passes(frames(["10.1.1.1", "10.1.7.7"])), ["10.1.1.1"]);
      await losesTables(...all);
      // The same plan asks the kernel for no change.
      for (const [owned, client] of [[ALL, "10.1.2.2"], [[], "10.1.3.3"]] as const) {
        await lab.host.ask("apply", sticky(owned, 2));
        await lab.open();
        assert.deepEqual(await lab.passes(frames([client])), owned === ALL ? [client] : []);
        await losesTables(...all);
      }
      assert.match((await lab.host.ask<string[]>("log")).join("\n"), /somebody took the tables/);
      await lab.host.ask("remove");
      assert.equal(await lab.host.ask("repair"), false, "what was removed stays away");
    } finally {
      await lab.close();
    }
  });
}
