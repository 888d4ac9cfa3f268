import assert from "node:assert/strict";
import { test } from "node:test";
import type { FilterAction, FilterPlan, FilterRule } from "../../../src/nlb/filter-contract.ts";
import { Tcp, icmpFrame, otherFrame, tcpFrame, udpFragments, udpFrame } from "./xdp-frames.ts";
import { ALL, CLUSTER_MAC, FilterLab, SKIP, VIRTUAL, WAYS, plan, rule, share } from "./xdp-support.ts";

/** Plans and frames that nobody thought of: `FROM=n PLANS=n` plays others. */

const FROM = Number(process.env["FROM"] ?? 1);
const PLANS = Number(process.env["PLANS"] ?? 10);
const FRAMES = 300;

class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 to limit - 1 (mulberry32). */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let value = this.#state;
    value = Math.imul(value ^ (value >>> 15), value | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) % limit;
  }

  of<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)]!;
  }

  get yes(): boolean {
    return this.below(2) === 1;
  }
}

function anAction(chance: Chance): FilterAction {
  switch (chance.below(6)) {
    case 0:
      return { kind: "drop" };
    case 1:
      return { kind: "whole", accepts: chance.yes, wasMine: chance.yes };
    default: {
      const owned = ALL.filter(() => chance.yes);
      const rest = ALL.filter((bucket) => !owned.includes(bucket));
      return { ...share(chance.of(["none", "single", "network"]), owned, { recentlyLost: chance.yes ? [] : rest.filter(() => chance.yes), extendedAffinityMs: chance.below(4) === 0 ? 600_000 : 0 }), seed: chance.below(0x7fff_ffff) * 2 } as FilterAction;
    }
  }
}

function aPlan(chance: Chance): FilterPlan {
  const rules: FilterRule[] = [];
  for (const address of [null, ...VIRTUAL]) {
    let port = chance.below(50);
    for (let count = chance.below(address === null ? 12 : 4); count > 0; count--) {
      const end = port + chance.below(20);
      rules.push(rule(`${address} ${port}`, [port, end], chance.of(["tcp", "udp", "both"]), anAction(chance), address));
      port = end + 1 + chance.below(20);
    }
  }
  return plan(rules, { isMember: chance.below(10) !== 0, isDefaultHost: chance.yes, wasDefaultHost: chance.yes, filtersIcmp: chance.yes });
}

function aFrame(chance: Chance, number: number): { readonly name: string; readonly client: string; readonly frames: readonly Buffer[] } {
  const server = chance.of(VIRTUAL);
  const isSix = server.includes(":");
  const client = isSix ? `fd01:${chance.below(0xffff).toString(16)}:${number.toString(16)}:1::1` : `10.1.${number >> 8}.${number & 0xff}`;
  const flow = { client, clientPort: 1 + chance.below(65_000), server, serverPort: chance.below(200) };
  const one = (name: string, ...frames: Buffer[]) => ({ name: `${name} ${JSON.stringify(flow)}`, client, frames });
  switch (chance.below(8)) {
    case 0:
      return one("ICMP", icmpFrame(CLUSTER_MAC, client, server, isSix ? chance.of([1, 128, 129, 135]) : chance.of([0, 3, 8, 11])));
    case 1:
      return one("another protocol", otherFrame(CLUSTER_MAC, client, server));
    case 2:
      return one("fragments", ...udpFragments(CLUSTER_MAC, flow, 1 + number));
    case 3: {
      const flags = chance.below(64);
      return one(`flags ${flags}`, tcpFrame(CLUSTER_MAC, flow, flags));
    }
    case 4:
    case 5:
      return one("UDP", udpFrame(CLUSTER_MAC, flow, isSix && chance.yes ? { hopByHop: true } : {}));
    default:
      return one("SYN", tcpFrame(CLUSTER_MAC, flow, Tcp.syn));
  }
}

test(`${PLANS} random plans, ${FRAMES} random packets each: all engines let the same ones through`, { skip: SKIP }, async (t) => {
  const lab = new FilterLab();
  try {
    await lab.host.ask("probe");
    const results = new Map<string, string[]>();
    let passed = 0;
    for (const way of WAYS) {
      for (let seed = FROM; seed < FROM + PLANS; seed++) {
        const chance = new Chance(seed);
        const wanted = aPlan(chance);
        const packets = Array.from({ length: FRAMES }, (_, number) => aFrame(chance, number));
        // A filter of its own for each: fragments that a former plan had made up its mind about have the same numbers.
        await lab.makeWay(way);
        await lab.host.ask("apply", wanted);
        if (seed % 5 !== 0) await lab.open();
        const seen = new Set(await lab.passes(packets.flatMap(({ frames }) => frames)));
        const through = packets.filter(({ client }) => seen.has(client)).map(({ name }) => name);
        if (way === "nftables") {
          results.set(`${seed}`, through);
          passed += through.length;
        } else assert.deepEqual(through, results.get(`${seed}`), `${way}, seed ${seed}: ${JSON.stringify(wanted)}`);
        await lab.host.ask("remove");
      }
    }
    t.diagnostic(`${passed} of ${PLANS * FRAMES} packets passed`);
    assert.ok(passed > 0 && passed < PLANS * FRAMES);
  } finally {
    await lab.close();
  }
});
