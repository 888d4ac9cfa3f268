import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { addressBytes } from "../../src/model/addresses.ts";
import type { Affinity } from "../../src/nlb/filter-contract.ts";
import { BUCKETS } from "../../src/nlb/filter-contract.ts";
import { bucketOf } from "../../src/nlb/hash.ts";
import type { NlbMap } from "../../src/nlb/map.ts";
import { ruleKey, ruleSeed } from "../../src/nlb/parameters.ts";
import { CANNOT, until } from "../unit/network/lab.ts";
import { Balanced } from "./support/balanced.ts";
import { CHI_SQUARE_MAX, FOUR, chiSquare } from "./support/traffic.ts";
import type { Client, Tally } from "./support/traffic.ts";

const HOSTS = 8;
const ALL = Array.from({ length: HOSTS }, (_, place) => place + 1);
const TCP = "tcp all:90-90";
const UDP = "udp all:5000-5000";
const CLIENTS = 50_000;
const AT_ONCE = 96;
/** Heartbeats of a second: what moves is compared, so nobody may be lost in between because the machine is busy. */
const PATIENT_MS = 90_000;
/** Answers of a burst of 500 are there at once; a machine that has other work takes its time. */
const WAIT_MS = 5_000;
/** Fifty thousand in a network of 16 bits: each has an address of its own, and a port that follows from it. */
const clients = (round: number): readonly Client[] => Array.from({ length: CLIENTS }, (_, place) => ({ address: `10.78.${(place >> 8) & 255}.${place & 255}`, port: 20_000 + ((place * 7 + round * 9_973) % 40_000) }));

/** Connections cost more than datagrams: fifty thousand of each kind take minutes, so by default a sample. */
const IS_LONG = process.env["NLB_LONG"] !== undefined;
const tcp = (round: number): readonly Client[] => clients(round).slice(0, IS_LONG ? CLIENTS : 3_000);

describe("a cluster of eight hosts", { skip: CANNOT }, () => {
  let cluster: Balanced;
  before(async () => {
    cluster = await Balanced.form({ hosts: HOSTS, profile: "classic", patienceMs: PATIENT_MS, rules: false, ports: [], talks: [90] });
    for (const [ports, protocol] of [["90", "tcp"], ["5000", "udp"]] as const) cluster.muster(1, "rule", "add", "--ports", ports, "--protocol", protocol, "--affinity", "none");
    await cluster.settled();
    for (const number of ALL) await cluster.servers[number]!.ask("answer", FOUR, 5_000, `h${number}`);
  });
  after(() => cluster?.close());

  const mapOf = async (number = 1): Promise<NlbMap> => (await cluster.snapshot(number)).map!;
  const shareOf = (map: NlbMap, rule: number, host: number): number => map.owners[rule]!.reduce((sum, owner) => sum + (owner === host ? 1 : 0), 0);
  const moved = (before: NlbMap, after: NlbMap): number => before.owners[0]!.reduce((sum, owner, bucket) => sum + (owner === after.owners[0]![bucket] ? 0 : 1), 0);
  const api = (host: number, method: "POST" | "PATCH", path: string, body: unknown): Promise<unknown> => cluster.api(host).send(method, `/v1/nlb/${path}`, { body });
  const weigh = async (weights: readonly (number | null)[]): Promise<void> => {
    await Promise.all(weights.map((weight, place) => api(place + 1, "PATCH", "host", { rules: { [TCP]: { weight }, [UDP]: { weight } } })));
    const wanted = weights.map((weight) => weight ?? 255);
    await until("the weights count", async () => ((await mapOf()).reports.every((reports) => reports.every(({ value }, place) => value === wanted[place])) ? true : null), PATIENT_MS);
    await cluster.settled();
  };

  test("two die at once: only what was theirs moves; they come back: only what they get moves; weights: the least moves", async (context) => {
    const before = await mapOf();
    assert.deepEqual(ALL.map((host) => shareOf(before, 0, host)), ALL.map(() => 30));
    for (const number of [3, 6]) {
      cluster.cut(number);
      cluster.signal(number, "SIGKILL");
    }
    await cluster.settled(ALL.filter((host) => host !== 3 && host !== 6));
    const without = await mapOf();
    assert.deepEqual(ALL.map((host) => shareOf(without, 0, host)), [40, 40, 0, 40, 40, 0, 40, 40]);
    assert.equal(moved(before, without), 60);
    cluster.heal();
    for (const number of [3, 6]) cluster.muster(number, "service", "start");
    await cluster.settled();
    const again = await mapOf();
    assert.deepEqual(ALL.map((host) => shareOf(again, 0, host)), ALL.map(() => 30));
    assert.equal(moved(without, again), 60);
    await weigh([50, 30, 20, 0, 0, 0, 0, 0]);
    const weighted = await mapOf();
    assert.deepEqual(ALL.map((host) => shareOf(weighted, 0, host)), [120, 72, 48, 0, 0, 0, 0, 0]);
    context.diagnostic(`weights of 50, 30 and 20: ${moved(again, weighted)} buckets moved, in one step or in several`);
  });

  /** All of one kind, answered by whom hash and map say; and as the weights say, within what chance does. */
  const count = async (what: string, protocol: "tcp" | "udp", affinity: Affinity, all: readonly Client[], weights: readonly number[], say: (text: string) => void): Promise<void> => {
    const tally = await cluster.client.ask<Tally>(protocol === "tcp" ? "countClients" : "countDatagrams", FOUR, protocol === "tcp" ? 90 : 5_000, all, protocol === "tcp" ? AT_ONCE : WAIT_MS);
    assert.deepEqual(tally.failed.slice(0, 3), [], `${what}: ${tally.failed.length} were not answered`);
    assert.equal(tally.twice, 0, what);
    const { map, mapParameters } = await cluster.snapshot();
    const key = protocol === "tcp" ? TCP : UDP;
    const position = mapParameters!.rules.findIndex((rule) => ruleKey(rule) === key);
    const owners = map!.owners[position]!;
    const seed = ruleSeed(mapParameters!.rules[position]!);
    const expected: Record<string, number> = {};
    for (const { address, port } of all) {
      const name = `h${owners[bucketOf(addressBytes(address, "client"), port, affinity, seed)]!}`;
      expected[name] = (expected[name] ?? 0) + 1;
    }
    assert.deepEqual(Object.entries(tally.byHost).sort(), Object.entries(expected).sort(), `${what}: as hash and map say`);
    // What weights come to in buckets is half a bucket off at most; chance is judged by the buckets.
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    for (const host of ALL) assert.ok(Math.abs(shareOf(map!, position, host) - (BUCKETS * weights[host - 1]!) / total) <= 0.5, `${what}: buckets of host ${host}`);
    const serving = ALL.filter((host) => weights[host - 1]! > 0);
    const found = chiSquare(serving.map((host) => tally.byHost[`h${host}`] ?? 0), serving.map((host) => shareOf(map!, position, host) / BUCKETS));
    const most = CHI_SQUARE_MAX[(serving.length - 1) as keyof typeof CHI_SQUARE_MAX];
    say(`${what}: ${all.length} clients in ${(tally.tookMs / 1_000).toFixed(1)} s, ${JSON.stringify(tally.byHost)}, chi-square ${found.toFixed(2)} (at most ${most} with ${serving.length - 1} degrees of freedom)`);
    assert.ok(found < most, `${what}: chi-square ${found}`);
  };

  const EQUAL = ALL.map(() => 1);
  const WEIGHTED = [50, 30, 20, 0, 0, 0, 0, 0];
  for (const affinity of ["none", "single"] as const) {
    test(`${CLIENTS} clients, affinity ${affinity}: counts of each host as its weight says`, async (context) => {
      const say = (text: string): void => context.diagnostic(text);
      for (const rule of [TCP, UDP]) await api(1, "POST", "changes", { kind: "setRule", rule, values: { affinity } });
      if (IS_LONG || affinity === "none") {
        await weigh(WEIGHTED);
        await count(`50, 30, 20, UDP, affinity ${affinity}`, "udp", affinity, clients(1), WEIGHTED, say);
        await count(`50, 30, 20, TCP, affinity ${affinity}`, "tcp", affinity, tcp(2), WEIGHTED, say);
      }
      if (IS_LONG || affinity === "single") {
        await weigh(ALL.map(() => null));
        await count(`equal weights, UDP, affinity ${affinity}`, "udp", affinity, clients(3), EQUAL, say);
        await count(`equal weights, TCP, affinity ${affinity}`, "tcp", affinity, tcp(4), EQUAL, say);
      }
    });
  }
});
