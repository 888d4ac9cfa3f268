import assert from "node:assert/strict";
import { test } from "node:test";
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
