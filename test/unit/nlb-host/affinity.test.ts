import assert from "node:assert/strict";
import { test } from "node:test";
import { AffinityExchange } from "../../../src/nlb-host/affinity.ts";
import type { BalancerThread } from "../../../src/nlb-host/balancer-thread.ts";
import type { BalancerSnapshot, ToBalancer } from "../../../src/nlb-host/messages.ts";
import type { Peers } from "../../../src/nlb-host/peers.ts";
import { ruleKey } from "../../../src/nlb/parameters.ts";
import { monotonicMs } from "../../../src/platform/clock.ts";
import { cluster, rule } from "../nlb/support.ts";

const RULE = rule({ timeoutMinutes: 10 });
const HOLD_MS = 200;
const MAP = { counter: 1, proposer: 1, hash: "0123456789abcdef" };
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Host 1 beside others, each of which keeps one client: `10.0.0.` and its id. */
function exchanging() {
  const away: (readonly string[])[] = [];
  const logged: string[] = [];
  const thread = {
    problem: null as Error | null,
    snapshot: null as Pick<BalancerSnapshot, "map" | "lease" | "peers" | "self"> | null,
    question: async () => {
      if (thread.problem !== null) throw thread.problem;
      return [];
    },
    send: (message: ToBalancer) => {
      if (message.kind === "away") away.push(message.entries.map(({ client }) => client));
    },
  };
  const peers = { ask: async (address: string) => ({ json: () => ({ [ruleKey(RULE)]: [{ client: `10.0.0.${address}`, leftMs: 500_000 }] }) }) };
  const affinity = new AffinityExchange(() => thread as unknown as BalancerThread, peers as unknown as Peers, () => cluster([RULE]), (line) => logged.push(line));
  const seen = (...hosts: number[]) => ({ map: { members: hosts.map((host) => ({ host, incarnation: 1 })) }, lease: { leaseMs: 100, holdMs: HOLD_MS, isOpen: true }, peers: [], self: { host: 1, incarnation: 1 } }) as unknown as BalancerSnapshot;
  return { affinity, away, logged, thread, seen };
}

test("clients of a host that is gone are let in when its lease has run out, and not before", async () => {
  const { affinity, away, seen } = exchanging();
  try {
    await affinity.exchange(MAP, [2, 3].map((host) => ({ host, address: String(host) })));
    affinity.look(seen(1, 2, 3));
    assert.deepEqual(away.at(-1), ["10.0.0.2", "10.0.0.3"]);
    const goneAtMs = monotonicMs();
    affinity.look(seen(1, 2));
    await affinity.exchange(MAP, [{ host: 2, address: "2" }]);
    if (monotonicMs() - goneAtMs < HOLD_MS) assert.deepEqual(away.at(-1), ["10.0.0.2", "10.0.0.3"], "its kernel may still answer them");
    for (let looks = 0; away.at(-1)!.length > 1 && looks < 200; looks++) await pause(20);
    assert.ok(monotonicMs() - goneAtMs >= HOLD_MS);
    assert.deepEqual(away.at(-1), ["10.0.0.2"]);
  } finally {
    affinity.stop();
  }
});

test("a host that is back in time keeps its clients", async () => {
  const { affinity, away, seen } = exchanging();
  try {
    await affinity.exchange(MAP, [{ host: 2, address: "2" }]);
    affinity.look(seen(1));
    affinity.look(seen(1, 2));
    await pause(2 * HOLD_MS);
    assert.deepEqual(away.at(-1), ["10.0.0.2"]);
  } finally {
    affinity.stop();
  }
});

test("a kernel that refuses once ends nothing: the next look asks again", async (context) => {
  context.mock.timers.enable({ apis: ["setInterval"] });
  const { affinity, away, logged, thread, seen } = exchanging();
  thread.snapshot = seen(1);
  try {
    affinity.start();
    thread.problem = new Error("nft took too long");
    context.mock.timers.tick(5_000);
    for (let looks = 0; logged.length === 0 && looks < 200; looks++) await pause(20);
    assert.deepEqual(logged, ["nft took too long"]);
    thread.problem = null;
    context.mock.timers.tick(5_000);
    for (let looks = 0; away.length === 0 && looks < 200; looks++) await pause(20);
    assert.deepEqual(away, [[]]);
  } finally {
    affinity.stop();
  }
});
