import assert from "node:assert/strict";
import { test } from "node:test";
import type { Nftables } from "../../../src/network/nftables.ts";
import { NftFilter } from "../../../src/nlb-filter/nft-filter.ts";
import { EngineFilter } from "../../../src/nlb-filter/xdp-filter.ts";
import { LeftoverProgram } from "../../../src/nlb-filter/xdp-program.ts";
import type { FilterPlan } from "../../../src/nlb/filter-contract.ts";

const PLAN: FilterPlan = {
  number: 7, phase: "release", map: "-", isMember: true, operationMode: "multicast", hardwareAddress: "03:bf:0a:4d:00:64", maskedHardwareAddress: null, multicastGroup: null,
  virtualAddresses: [{ address: "10.77.0.100", family: 4 }], rules: [], isDefaultHost: true, wasDefaultHost: false, filtersIcmp: false,
};

/** Tables that are always there, and a kernel that says no once to what begins like this. */
function filterOf(log: string[]): { readonly filter: EngineFilter; refuse: (start: string) => void } {
  let refused: string | null = null;
  const run = (commands: string): string => {
    // Nothing of the tables is missing.
    if (commands.startsWith("list ")) return "table inet muster_nlb_none0";
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

test("a program that a former life left, and that could not be taken off, is tried again with the next attempt", (t) => {
  let [attempts, closed] = [0, 0];
  const leftover = {
    incarnation: 1,
    closeLease: () => (closed += 1),
    remove() {
      attempts += 1;
      if (attempts === 1) throw new Error("no");
    },
  };
  t.mock.method(LeftoverProgram, "find", () => leftover as unknown as LeftoverProgram);
  const { filter } = filterOf([]);
  filter.lease({ do: "close" });
  assert.equal(closed, 1);
  assert.throws(() => filter.apply(PLAN));
  filter.apply(PLAN);
  filter.apply(PLAN);
  assert.equal(attempts, 2);
});
