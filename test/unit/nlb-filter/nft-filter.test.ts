import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { addressBytes } from "../../../src/model/addresses.ts";
import type { AffinityEntry, TakenCounts } from "../../../src/nlb-filter/contract.ts";
import type { FilterAction, FilterPlan, FilterRule } from "../../../src/nlb/filter-contract.ts";
import { BUCKETS } from "../../../src/nlb/filter-contract.ts";
import { bucketOf } from "../../../src/nlb/hash.ts";
import type { Remote } from "../network/lab.ts";
import { CANNOT, Lab } from "../network/lab.ts";

const FOUR = "10.77.0.100";
const SIX = "fd77::100";
const OTHER = "10.77.0.101";
const CLUSTER_MAC = "03:bf:0a:4d:00:64";
const PORT = 7_000;
const SEED = 0xcafe;
const HALF = Array.from({ length: BUCKETS / 2 }, (_, place) => place * 2);
/** Nobody answers: a SYN that is dropped would be sent again after a second. */
const REFUSED_AFTER_MS = 250;
const LIMIT_MS = 3_000;
const HOUR_MS = 3_600_000;

const share = (more: Partial<Extract<FilterAction, { kind: "share" }>> = {}): FilterAction => ({ kind: "share", affinity: "none", seed: SEED, owned: HALF, recentlyLost: [], extendedAffinityMs: 0, ...more });
const rule = (action: FilterAction, more: Partial<FilterRule> = {}): FilterRule => ({ key: "the rule", virtualAddress: null, startPort: PORT, endPort: PORT, protocol: "both", action, ...more });
const plan = (rules: readonly FilterRule[], more: Partial<FilterPlan> = {}): FilterPlan => ({
  number: 1, phase: "take", map: "-", isMember: true, operationMode: "multicast", hardwareAddress: CLUSTER_MAC, maskedHardwareAddress: null, multicastGroup: null,
  virtualAddresses: [{ address: FOUR, family: 4 }, { address: SIX, family: 6 }, { address: OTHER, family: 4 }], rules, isDefaultHost: false, wasDefaultHost: false, filtersIcmp: false, ...more,
});

describe("the filter in nftables", { skip: CANNOT }, () => {
  let lab: Lab;
  let host: Remote;
  let client: Remote;
  let localPort = 20_000;
  before(async () => {
    lab = new Lab(2);
    for (const address of [`${FOUR}/32`, `${OTHER}/32`]) lab.on(1, ["ip", "addr", "add", address, "dev", "eth0"]);
    lab.on(1, ["ip", "addr", "add", `${SIX}/128`, "dev", "eth0", "nodad"]);
    host = lab.remote(1, new URL("./remote.ts", import.meta.url));
    client = lab.remote(2, new URL("./remote.ts", import.meta.url));
    await host.ask("answer", PORT);
    await host.ask("answer", PORT + 1);
  });
  after(() => lab.close());

  const load = async (next: FilterPlan, isOpen = true): Promise<void> => {
    await host.ask("make", lab.machine(1).hardwareAddress, 77);
    await host.ask("apply", next);
    if (!isOpen) return;
    await host.ask("lease", { do: "arm", slot: 1, lengthMs: HOUR_MS });
    await host.ask("lease", { do: "point", slot: 1 });
  };
  const own = (address: string): string => (address.includes(":") ? lab.machine(2).address6 : lab.machine(2).address);
  const connects = (address: string, port = PORT, fromPort = (localPort += 1), name: string | null = null, limitMs = LIMIT_MS): Promise<boolean> => client.ask("connect", address, port, own(address), fromPort, limitMs, name);
  const refused = async (address: string, port = PORT): Promise<boolean> => !(await connects(address, port, (localPort += 1), null, REFUSED_AFTER_MS));

  test("a connection is taken when its bucket is owned, by the same reckoning as ours, and nobody answers the others", async () => {
    await load(plan([rule(share())]));
    for (const address of [FOUR, SIX]) {
      const seen = { taken: 0, left: 0 };
      for (let count = 0; count < 24; count++) {
        const fromPort = (localPort += 7);
        const isOurs = HALF.includes(bucketOf(addressBytes(own(address), "client"), fromPort, "none", SEED));
        assert.equal(await connects(address, PORT, fromPort, null, isOurs ? LIMIT_MS : REFUSED_AFTER_MS), isOurs, `${address} from port ${fromPort}`);
        seen[isOurs ? "taken" : "left"] += 1;
      }
      assert.ok(seen.taken > 3 && seen.left > 3, JSON.stringify(seen));
    }
    assert.ok((await host.ask<TakenCounts>("taken"))["the rule"]! >= 8);
  });

  test("datagrams go by bucket, also those in fragments", async () => {
    await load(plan([rule(share())]));
    for (const bytes of [10, 4_000]) {
      for (let count = 0; count < 8; count++) {
        const fromPort = (localPort += 7);
        const isOurs = HALF.includes(bucketOf(addressBytes(own(FOUR), "client"), fromPort, "none", SEED));
        assert.equal(await client.ask("datagram", FOUR, PORT, fromPort, bytes, isOurs ? LIMIT_MS : REFUSED_AFTER_MS), isOurs, `${bytes} bytes from port ${fromPort}`);
      }
    }
  });

  test("nothing new passes without a lease; what is open stays", async () => {
    const all = plan([rule(share({ owned: Array.from({ length: BUCKETS }, (_, bucket) => bucket) }))]);
    await load(all, false);
    assert.ok(await refused(FOUR));
    await host.ask("lease", { do: "arm", slot: 3, lengthMs: 400 });
    assert.ok(await refused(FOUR), "armed is not open");
    await host.ask("lease", { do: "arm", slot: 3, lengthMs: 400 });
    await host.ask("lease", { do: "point", slot: 3 });
    assert.ok(await connects(FOUR, PORT, (localPort += 1), "stays"));
    await sleep(450);
    assert.ok(await refused(FOUR), "it has run out");
    await host.ask("lease", { do: "point", slot: 3 });
    assert.ok(await refused(FOUR), "a confirmation that comes late opens nothing");
    assert.ok(await client.ask("exchange", "stays", LIMIT_MS));
    await host.ask("lease", { do: "arm", slot: 4, lengthMs: HOUR_MS });
    await host.ask("lease", { do: "point", slot: 4 });
    assert.ok(await connects(FOUR));
    await host.ask("lease", { do: "close" });
    assert.ok(await refused(FOUR));
  });

  test("open connections outlast any change of who owns what, and end when the rule is disabled", async () => {
    const whole = (accepts: boolean): FilterPlan => plan([rule({ kind: "whole", accepts, wasMine: !accepts })]);
    await load(whole(true));
    assert.ok(await connects(SIX, PORT, (localPort += 1), "kept"));
    await host.ask("apply", whole(false));
    assert.ok(await refused(SIX));
    assert.ok(await client.ask("exchange", "kept", LIMIT_MS));
    await host.ask("apply", plan([rule(share({ owned: [], recentlyLost: [...HALF, ...HALF.map((bucket) => bucket + 1)].sort((a, b) => a - b) }))]));
    assert.ok(await client.ask("exchange", "kept", LIMIT_MS));
    await host.ask("apply", plan([rule({ kind: "drop" })]));
    assert.equal(await client.ask("exchange", "kept", REFUSED_AFTER_MS), false);
  });

  test("a rule of one address goes before a rule of all; the default host takes the rest", async () => {
    await load(plan([rule({ kind: "whole", accepts: true, wasMine: false }, { key: "one", virtualAddress: OTHER }), rule({ kind: "drop" })]));
    assert.ok(await connects(OTHER));
    assert.ok(await refused(FOUR));
    assert.ok(await refused(FOUR, PORT + 1));
    await host.ask("apply", plan([rule({ kind: "drop" })], { isDefaultHost: true }));
    assert.ok(await connects(FOUR, PORT + 1));
    assert.ok(await refused(FOUR));
    await host.ask("apply", plan([], { isMember: false, isDefaultHost: true }));
    assert.ok(await refused(FOUR, PORT + 1), "a host that takes no part answers nobody");
  });

  test("echo requests: every host, or the default host alone", async () => {
    await load(plan([]));
    assert.ok(lab.pings(2, FOUR) && lab.pings(2, SIX));
    await host.ask("apply", plan([], { filtersIcmp: true }));
    assert.ok(!lab.pings(2, FOUR) && !lab.pings(2, SIX));
    await host.ask("apply", plan([], { filtersIcmp: true, isDefaultHost: true }));
    assert.ok(lab.pings(2, FOUR) && lab.pings(2, SIX));
  });

  test("clients are told the cluster's hardware address, in answers and in requests", async () => {
    await load(plan([], { isDefaultHost: true }));
    lab.forgetNeighbours(2);
    assert.ok(lab.pings(2, FOUR) && lab.pings(2, SIX));
    assert.equal(lab.neighbour(2, FOUR), CLUSTER_MAC);
    assert.equal(lab.neighbour(2, SIX), CLUSTER_MAC);
    lab.forgetNeighbours(2);
    lab.forgetNeighbours(1);
    // What the host asks with a virtual address as its sender teaches the others, too.
    lab.on(1, ["ping", "-n", "-c", "1", "-W", "1", "-I", FOUR, lab.machine(2).address], () => true);
    assert.ok(["", CLUSTER_MAC].includes(lab.neighbour(2, FOUR)), lab.neighbour(2, FOUR));
    assert.ok(await connects(FOUR, PORT + 1));
  });

  test("extended affinity: a client stays with the host that remembers it, and is left alone by the one that is told to", async () => {
    const all = Array.from({ length: BUCKETS }, (_, bucket) => bucket);
    const extended = (owned: readonly number[], affinity: "single" | "network" = "single"): FilterPlan => plan([rule(share({ affinity, owned, extendedAffinityMs: 60_000 }))]);
    await load(extended(all));
    assert.ok(await connects(FOUR) && (await connects(SIX)));
    const staying = await host.ask<readonly AffinityEntry[]>("staying", "the rule");
    assert.deepEqual(staying.map(({ client: one }) => one).sort(), [lab.machine(2).address, lab.machine(2).address6]);
    assert.ok(staying.every(({ leftMs }) => leftMs > 50_000 && leftMs <= 60_000), JSON.stringify(staying));
    await host.ask("apply", extended([]));
    assert.ok(await connects(FOUR), "it is remembered, although its bucket has gone");
    await host.ask("setAway", "the rule", [{ client: lab.machine(2).address, leftMs: 60_000 }]);
    assert.ok(await refused(FOUR));
    await host.ask("setAway", "the rule", []);
    await host.ask("addStaying", "the rule", [{ client: lab.machine(2).address, leftMs: 5_000 }]);
    assert.ok(await connects(FOUR));
    await load(extended(all, "network"));
    assert.ok(await connects(FOUR));
    assert.deepEqual((await host.ask<readonly AffinityEntry[]>("staying", "the rule")).map(({ client: one }) => one), ["10.77.0.0"]);
  });

  test("a new life finds whose rules there are; afterwards nothing is left", async () => {
    await load(plan([rule(share())]));
    assert.deepEqual(await host.ask("make", lab.machine(1).hardwareAddress, 1_795_252_768_031), { incarnation: 77 });
    await host.ask("lease", { do: "close" });
    await host.ask("apply", plan([]));
    assert.deepEqual(await host.ask("make", lab.machine(1).hardwareAddress, 1), { incarnation: 1_795_252_768_031 });
    await host.ask("remove");
    assert.equal(await host.ask("ruleset"), "");
  });
});
