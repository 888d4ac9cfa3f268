import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { BalancerSnapshot, FromBalancer } from "../../../src/nlb-host/messages.ts";
import type { PortRule } from "../../../src/nlb/parameters.ts";
import { DEFAULT_RULE, HEARTBEAT_PROFILES } from "../../../src/nlb/parameters.ts";
import type { Remote } from "../network/lab.ts";
import { Lab, until } from "../network/lab.ts";
import { SKIP } from "./xdp-support.ts";

/** Hosts with both engines share a cluster: connections stay when buckets move, and nobody answers twice. */

const VIRTUAL = "10.77.0.100";
const HOSTS = [1, 2, 3] as const;
const CLIENT = 4;
const RULE: PortRule = { ...DEFAULT_RULE, startPort: 80, endPort: 90, protocol: "tcp", affinity: "none" };
const PATIENCE = 30_000;

/** Stands for the main threads: hands maps from one to the other. */
function relay(hosts: ReadonlyMap<number, Remote>): NodeJS.Timeout {
  const done = new Map<number, number>();
  return setInterval(() => {
    for (const [id, host] of hosts) {
      const told = host.told as unknown as FromBalancer[];
      for (let position = done.get(id) ?? 0; position < told.length; position++) {
        const message = told[position]!;
        if (message.kind === "fetchMap") void hosts.get(message.from)?.ask<string | null>("map").then((map) => (map === null ? undefined : host.ask("hear", map))).catch(() => undefined);
        if (message.kind === "exchangeAffinity") void host.ask("handle", { kind: "affinityReady", map: message.map }).catch(() => undefined);
      }
      done.set(id, told.length);
    }
  }, 5);
}

test("three hosts, nftables and XDP mixed, one comes and goes and engines change: no connection breaks, no SYN is answered twice", { skip: SKIP, timeout: 120_000 }, async (t) => {
  const lab = new Lab(4);
  const hosts = new Map<number, Remote>();
  let relaying: NodeJS.Timeout | null = null;
  try {
    for (const id of HOSTS) hosts.set(id, lab.remote(id, new URL("../nlb-host/remote-host.ts", import.meta.url)));
    relaying = relay(hosts);
    const servers = HOSTS.map((id) => lab.remote(id, new URL("./xdp-remote.ts", import.meta.url)));
    const client = lab.remote(CLIENT, new URL("./xdp-remote.ts", import.meta.url));
    for (const server of servers) {
      await server.ask("slowServer", 80, 160, 2_000, 50);
      await server.ask("slowServer", 81, 1, 10, 0);
    }
    for (const [id, host] of hosts) {
      await host.ask("start", {
        cluster: { primaryAddress: VIRTUAL, subnetMask: "255.255.255.0", name: "xdp.test", additionalAddresses: [], operationMode: "multicast", ...HEARTBEAT_PROFILES.default, filtersIcmp: false, rules: [RULE] },
        host: { id, name: `h${id}`, dedicatedAddresses: [`10.77.0.${id}`], initialState: "started", retainsSuspended: false, rules: {} },
        adapter: "eth0", heartbeatPort: 2_504, incarnation: 100 + id, persisted: null, engine: id === 3 ? "nftables" : "xdp", realTimePriority: null,
      });
    }
    const settled = (members: number) => async (): Promise<boolean> => {
      const all = await Promise.all([...hosts.values()].map((host) => host.ask<BalancerSnapshot>("snapshot")));
      return all.filter(({ map, lease, state }) => map?.members.length === members && lease.isOpen && state !== "converging").length === members;
    };
    await until("three members", settled(3), PATIENCE);
    const engines = await Promise.all([...hosts.values()].map(async (host) => (await host.ask<BalancerSnapshot>("snapshot")).engine));
    t.diagnostic(engines.join("; "));

    const downloads = client.ask<{ bytes: number; problem: string | null }[]>("downloads", Array.from({ length: 30 }, () => VIRTUAL), 80);
    const shorts = Promise.all([0, 1, 2].map(() => client.ask<{ count: number; problems: string[]; longestMs: number }>("many", VIRTUAL, 81, 8_000)));
    const answers = client.ask<{ answered: number; twice: number; resets: number }>("watch", VIRTUAL, 8_000);
    await sleep(700);
    // Its buckets go to the others; its connections stay.
    await hosts.get(1)!.ask("handle", { kind: "command", request: 1, command: { verb: "drainstop" } });
    await sleep(1_500);
    await hosts.get(2)!.ask("handle", { kind: "engine", engine: "nftables" });
    await hosts.get(3)!.ask("handle", { kind: "engine", engine: "xdp" });
    await sleep(1_500);
    await hosts.get(1)!.ask("handle", { kind: "command", request: 2, command: { verb: "start" } });
    await until("three members again", settled(3), PATIENCE);
    await hosts.get(2)!.ask("handle", { kind: "engine", engine: "xdp" });

    const done = await downloads;
    assert.deepEqual(done.filter(({ bytes, problem }) => problem !== null || bytes !== 320_000), []);
    for (const { count, problems, longestMs } of await shorts) {
      t.diagnostic(`${count} short connections, the longest ${longestMs.toFixed(0)} ms`);
      assert.deepEqual(problems, []);
    }
    const seen = await answers;
    t.diagnostic(`SYNs answered: ${JSON.stringify(seen)}`);
    assert.ok(seen.answered > 100);
    assert.deepEqual([seen.twice, seen.resets], [0, 0]);
    for (const host of hosts.values()) await host.ask("stop");
  } finally {
    clearInterval(relaying ?? undefined);
    await lab.close();
  }
});
