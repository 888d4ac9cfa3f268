import assert from "node:assert/strict";
import { test } from "node:test";
import type { Nftables } from "../../../src/network/nftables.ts";
import { NftFilter } from "../../../src/nlb-filter/nft-filter.ts";
import { EngineFilter } from "../../../src/nlb-filter/xdp-filter.ts";
import { carryOutStep } from "../../../src/nlb-host/carrying-out.ts";
import type { FilterPlan } from "../../../src/nlb/filter-contract.ts";
import type { Effect } from "../../../src/nlb/inputs.ts";

const PLAN: FilterPlan = {
  number: 7, phase: "release", map: "-", isMember: true, operationMode: "multicast", hardwareAddress: "03:bf:0a:4d:00:64", maskedHardwareAddress: null, multicastGroup: null,
  virtualAddresses: [{ address: "10.77.0.100", family: 4 }], rules: [], isDefaultHost: true, wasDefaultHost: false, filtersIcmp: false,
};

test("after an order that failed a plan counts as refused, who asked is answered, and nothing is armed or opened", () => {
  const tried: string[] = [];
  const effects: Effect[] = [
    { do: "persist", mode: "started" },
    { do: "lease", order: { do: "close" } },
    { do: "program", plan: PLAN },
    { do: "lease", order: { do: "arm", slot: 1, lengthMs: 700 } },
    { do: "fetchMap", from: 2, map: { counter: 1, proposer: 2, incarnation: 1, hash: "x" } as never },
    { do: "lease", order: { do: "point", slot: 1 } },
    { do: "event", name: "NlbHostInactive", cause: null, text: "", next: null },
    { do: "persist", mode: "stopped" },
    { do: "answer", request: 1, code: 1_000 },
  ];
  const name = (effect: Effect): string => (effect.do === "lease" ? effect.order.do : effect.do);
  const fails = (wanted: string) => carryOutStep(effects, (effect) => {
    tried.push(name(effect));
    return name(effect) !== wanted;
  });
  assert.deepEqual(fails("close"), [{ kind: "filterDone", done: { number: 7, problem: "an order before it failed" } }]);
  assert.deepEqual(tried.splice(0), ["persist", "close", "close", "event", "persist", "answer"]);
  // The plan that failed says so itself.
  assert.deepEqual(fails("program"), []);
  assert.deepEqual(tried.splice(0), ["persist", "close", "program", "close", "event", "persist", "answer"]);
  assert.deepEqual(fails("none"), []);
  assert.deepEqual(tried, effects.map(name));
});

/** Tables that are always there, and a kernel that says no once to what begins like this. */
function filterOf(log: string[]): { readonly filter: EngineFilter; refuse: (start: string) => void } {
  let refused: string | null = null;
  const run = (commands: string): string => {
    if (commands === "list tables") return ["inet", "arp", "netdev"].map((family) => `table ${family} muster_nlb_none0`).join("\n");
    log.push(commands.split("\n")[0]!);
    if (refused === null || !commands.startsWith(refused)) return "";
    refused = null;
    throw new Error("no");
  };
  const tables = new NftFilter({ run } as unknown as Nftables, { adapter: "none0", hardwareAddress: "0a:00:00:00:00:01" }, 1);
  const filter = new EngineFilter(tables, "none0", 1, "nftables", () => undefined, () => ({ adapter: "none0", hasHardware: false, speedMbit: null, problem: null }));
  return { filter, refuse: (start) => (refused = start) };
}

test("a slot that the kernel may still point at is not armed: who could not point or close does so first", () => {
  const log: string[] = [];
  const { filter, refuse } = filterOf(log);
  const [closing, arming] = ["flush map inet muster_nlb_none0 pointed", "flush set inet muster_nlb_none0 slot3"];
  filter.apply(PLAN);
  for (const order of [{ do: "close" }, { do: "point", slot: 4 }] as const) {
    filter.lease({ do: "arm", slot: 3, lengthMs: 700 });
    filter.lease({ do: "point", slot: 3 });
    refuse(closing);
    assert.throws(() => filter.lease(order));
    refuse(closing);
    assert.throws(() => filter.lease({ do: "arm", slot: 3, lengthMs: 700 }));
    log.length = 0;
    filter.lease({ do: "arm", slot: 3, lengthMs: 700 });
    assert.deepEqual(log.splice(0), [closing, arming]);
    filter.lease({ do: "arm", slot: 3, lengthMs: 700 });
    assert.deepEqual(log, [arming]);
  }
});
