import assert from "node:assert/strict";
import { test } from "node:test";
import type { FilterPlan } from "../../../src/nlb/filter-contract.ts";
import { bucketOf } from "../../../src/nlb/hash.ts";
import { addressBytes } from "../../../src/network/address-text.ts";
import { Tcp, icmpFrame, otherFrame, tcpFrame, udpFragments, udpFrame } from "./xdp-frames.ts";
import { ALL, CLUSTER_MAC, WAYS, FilterLab, SKIP, VIRTUAL, plan, rule, share } from "./xdp-support.ts";

/** What a host takes must not depend on its engine: frames from a wire, to the same plans in nftables and in XDP. */

const NAMES = { nftables: /^nftables/, driver: /^XDP in the driver/, stack: /^XDP in the kernel's stack/ } as const;
const four = (number: number): string => `10.1.${number >> 8}.${number & 0xff}`;
const six = (number: number): string => `fd01:${(number * 7919) & 0xffff ? ((number * 7919) & 0xffff).toString(16) : "1"}:${number.toString(16)}:1::${(number + 1).toString(16)}`;

test("nftables, XDP and TypeScript put 600 clients into the same buckets, by every affinity", { skip: SKIP }, async (t) => {
  const lab = new FilterLab();
  try {
    await lab.host.ask("probe");
    const half = ALL.filter((bucket) => (bucket * 7) % 5 < 2);
    const affinities = ["none", "single", "network"] as const;
    const clients = Array.from({ length: 600 }, (_, number) => (number < 300 ? four(number * 97) : six(number)));
    const portOf = (number: number): number => 1_024 + ((number * 6_151) % 60_000);
    const results: Record<string, string[]> = {};
    for (const way of WAYS) {
      await lab.makeWay(way);
      for (const affinity of affinities) {
        await lab.host.ask("apply", plan([rule("a", [80, 80], "both", share(affinity, half))]));
        await lab.open();
        const frames = clients.map((client, number) => {
          const flow = { client, clientPort: portOf(number), server: client.includes(":") ? VIRTUAL[2] : VIRTUAL[0], serverPort: 80 };
          return number % 2 === 0 ? tcpFrame(CLUSTER_MAC, flow, Tcp.syn) : udpFrame(CLUSTER_MAC, flow);
        });
        results[`${way} ${affinity}`] = await lab.passes(frames);
      }
      assert.match(await lab.host.ask<string>("name"), NAMES[way]);
      await lab.host.ask("remove");
    }
    for (const affinity of affinities) {
      const expected = clients.filter((client, number) => half.includes(bucketOf(addressBytes(client), portOf(number), affinity, 0xcafe))).sort();
      t.diagnostic(`${affinity}: ${expected.length} of ${clients.length}`);
      for (const way of WAYS) assert.deepEqual(results[`${way} ${affinity}`], expected, `${way} ${affinity}`);
    }
  } finally {
    await lab.close();
  }
});

const RULES = [
  rule("web", [80, 80], "tcp", share("none", ALL)),
  rule("foreign", [81, 81], "tcp", share("none", [])),
  rule("lost", [82, 82], "tcp", share("none", [], { recentlyLost: ALL })),
  rule("both", [5_000, 5_010], "both", share("single", ALL)),
  rule("udp", [6_000, 6_000], "udp", share("network", ALL)),
  rule("mine", [7_000, 7_000], "tcp", { kind: "whole", accepts: true, wasMine: false }),
  rule("others", [7_001, 7_001], "both", { kind: "whole", accepts: false, wasMine: false }),
  rule("was", [7_002, 7_002], "both", { kind: "whole", accepts: false, wasMine: true }),
  rule("off", [7_003, 7_003], "both", { kind: "drop" }),
  rule("own", [8_080, 8_080], "tcp", { kind: "drop" }, VIRTUAL[1]),
  rule("all", [8_080, 8_080], "tcp", { kind: "whole", accepts: true, wasMine: false }),
];

/** One client for each case, of both families. */
function cases(): { readonly name: string; readonly client: string; readonly frames: readonly Buffer[] }[] {
  const all: { name: string; client: string; frames: readonly Buffer[] }[] = [];
  const add = (name: string, make: (client: string, server: string) => readonly Buffer[], servers: readonly string[] = VIRTUAL): void => {
    for (const server of servers) {
      const client = server.includes(":") ? six(all.length) : four(all.length);
      all.push({ name: `${name} to ${server}`, client, frames: make(client, server) });
    }
  };
  for (const port of [79, 80, 81, 82, 4_999, 5_000, 5_010, 5_011, 6_000, 7_000, 7_001, 7_002, 7_003, 8_080]) {
    const flow = (client: string, server: string) => ({ client, clientPort: 40_000, server, serverPort: port });
    add(`SYN ${port}`, (client, server) => [tcpFrame(CLUSTER_MAC, flow(client, server), Tcp.syn)]);
    add(`UDP ${port}`, (client, server) => [udpFrame(CLUSTER_MAC, flow(client, server))]);
    add(`ACK without a connection ${port}`, (client, server) => [tcpFrame(CLUSTER_MAC, flow(client, server), Tcp.ack)]);
    add(`fragments ${port}`, (client, server) => udpFragments(CLUSTER_MAC, flow(client, server), 77 + port));
  }
  const web = (client: string, server: string) => ({ client, clientPort: 40_000, server, serverPort: 80 });
  for (const flags of [Tcp.rst, Tcp.syn | Tcp.ack, Tcp.syn | Tcp.fin, Tcp.syn | Tcp.rst, 0, Tcp.syn | 8]) add(`flags ${flags}`, (client, server) => [tcpFrame(CLUSTER_MAC, web(client, server), flags)]);
  add("extension", (client, server) => [tcpFrame(CLUSTER_MAC, web(client, server), Tcp.syn, { hopByHop: true })], [VIRTUAL[2]]);
  add("extension, foreign", (client, server) => [tcpFrame(CLUSTER_MAC, { ...web(client, server), serverPort: 81 }, Tcp.syn, { hopByHop: true })], [VIRTUAL[2]]);
  add("another protocol", (client, server) => [otherFrame(CLUSTER_MAC, client, server)]);
  for (const type of [8, 0, 3, 11]) add(`ICMP ${type}`, (client, server) => [icmpFrame(CLUSTER_MAC, client, server, type)], [VIRTUAL[0]]);
  for (const type of [128, 129, 1, 2, 134, 135, 136]) add(`ICMPv6 ${type}`, (client, server) => [icmpFrame(CLUSTER_MAC, client, server, type)], [VIRTUAL[2]]);
  add("not virtual", (client) => [tcpFrame("0a:00:00:00:00:01", { client, clientPort: 40_000, server: "10.77.0.1", serverPort: 81 }, Tcp.syn)], [VIRTUAL[0]]);
  return all;
}

test("every kind of rule and packet is treated alike, whatever the plan and the lease", { skip: SKIP }, async (t) => {
  const lab = new FilterLab();
  try {
    await lab.host.ask("probe");
    const plans: Record<string, { readonly plan: FilterPlan; readonly lease: "open" | "armed" | "expired" }> = {
      "lease closed": { plan: plan(RULES), lease: "armed" },
      member: { plan: plan(RULES), lease: "open" },
      "default host": { plan: plan(RULES, { isDefaultHost: true }), lease: "open" },
      "default host before": { plan: plan(RULES, { wasDefaultHost: true }), lease: "open" },
      "filters ICMP": { plan: plan(RULES, { filtersIcmp: true }), lease: "open" },
      "default host, filters ICMP": { plan: plan(RULES, { filtersIcmp: true, isDefaultHost: true }), lease: "open" },
      stopped: { plan: plan(RULES, { isMember: false, isDefaultHost: true }), lease: "open" },
      "no rules": { plan: plan([], { isDefaultHost: true }), lease: "open" },
      "lease expired": { plan: plan(RULES, { isDefaultHost: true }), lease: "expired" },
    };
    const all = cases();
    const results = new Map<string, Record<string, string[]>>();
    for (const way of WAYS) {
      await lab.makeWay(way);
      const byPlan: Record<string, string[]> = {};
      for (const [name, { plan: wanted, lease }] of Object.entries(plans)) {
        await lab.host.ask("apply", wanted);
        if (lease === "armed") await lab.host.ask("lease", { do: "arm", slot: 3, lengthMs: 60_000 });
        else await lab.open(lease === "expired" ? 1 : 60_000, lease === "expired" ? 5 : 0);
        if (lease === "expired") await new Promise((resolve) => setTimeout(resolve, 50));
        const passed = new Set(await lab.passes(all.flatMap(({ frames }) => frames)));
        byPlan[name] = all.filter(({ client }) => passed.has(client)).map((one) => one.name);
      }
      results.set(way, byPlan);
      await lab.host.ask("remove");
    }
    const [nftables, xdp, stack] = WAYS.map((way) => results.get(way)!);
    for (const name of Object.keys(plans)) {
      t.diagnostic(`${name}: ${xdp![name]!.length} of ${all.length} pass`);
      assert.deepEqual(xdp![name], nftables![name], name);
      assert.deepEqual(stack![name], nftables![name], `${name}, in the stack`);
    }
    // That both say the same would not be enough.
    const member = xdp!["member"]!;
    for (const name of ["SYN 80 to 10.77.0.100", "SYN 80 to fd77::100", "UDP 5000 to fd77::100", "fragments 6000 to 10.77.0.100", "fragments 6000 to fd77::100", "SYN 8080 to 10.77.0.100", "extension to fd77::100"]) assert.ok(member.includes(name), name);
    for (const name of ["SYN 81 to 10.77.0.100", "SYN 8080 to 10.77.0.101", "SYN 7003 to fd77::100", "ACK without a connection 80 to 10.77.0.100", "UDP 79 to 10.77.0.100", "fragments 7001 to fd77::100", "extension, foreign to fd77::100"]) assert.ok(!member.includes(name), name);
    assert.deepEqual(xdp!["lease closed"]!.filter((name) => /SYN \d|UDP|fragments/.test(name)), []);
    assert.deepEqual(xdp!["lease expired"]!.filter((name) => /SYN \d|UDP|fragments/.test(name)), []);
  } finally {
    await lab.close();
  }
});
