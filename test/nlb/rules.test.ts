import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { CANNOT, until } from "../unit/network/lab.ts";
import { Balanced } from "./support/balanced.ts";
import { CHI_SQUARE_MAX, FOUR, SIX, byHost, broken, chiSquare, sources } from "./support/traffic.ts";
import type { Outcome, Traffic } from "./support/traffic.ts";

const RULE = "80";
const OTHER = "10.77.0.101";
const MANY = { 4: sources(4, 20, 10), 6: sources(6, 20, 10) };

describe("rules of a cluster of three hosts", { skip: CANNOT }, () => {
  let cluster: Balanced;
  before(async () => {
    cluster = await Balanced.form({ addresses: [`${FOUR}/24`, `${SIX}/64`, `${OTHER}/24`], rules: false, ports: [80, 81, 82] });
    cluster.muster(1, "rule", "add", "--ports", "80", "--protocol", "tcp", "--affinity", "none");
    await cluster.settled();
  });
  after(() => cluster?.close());
  afterEach(() => {
    const doubles = cluster.doubleAnswers();
    cluster.forgetAnswers();
    assert.deepEqual(doubles, []);
  });

  const set = async (...words: readonly string[]): Promise<void> => {
    cluster.muster(1, "rule", "set", RULE, ...words);
    await cluster.settled();
  };
  const burst = (traffic: Traffic, count = 300): Promise<readonly Outcome[]> => cluster.client.ask<Outcome[]>("burst", traffic, count, 20);
  const places = [{ address: FOUR, sources: MANY[4], port: 80 }, { address: SIX, sources: MANY[6], port: 80 }];
  /** Which hosts answered a client, or clients that have something in common. */
  const hostsBy = (outcomes: readonly Outcome[], key: (from: string) => string): readonly number[] => {
    const found = new Map<string, Set<string>>();
    for (const { from, body } of outcomes) found.set(key(from), (found.get(key(from)) ?? new Set()).add(body ?? "none"));
    return [...found.values()].map((hosts) => hosts.size);
  };

  test("affinity none: every connection is answered by one host, all hosts answer, in equal parts", async () => {
    for (const place of places) {
      const outcomes = await burst(place, 900);
      assert.deepEqual(broken(outcomes), []);
      const counts = byHost(outcomes);
      assert.ok(chiSquare(["h1", "h2", "h3"].map((host) => counts[host] ?? 0), [1 / 3, 1 / 3, 1 / 3]) < CHI_SQUARE_MAX[2], `${place.address}: ${JSON.stringify(counts)}`);
      assert.ok(hostsBy(outcomes, (from) => from).some((hosts) => hosts > 1), "connections of one client go to several hosts");
    }
  });

  test("what hosts accepted are as many connections as clients made: nothing comes to two", async () => {
    const count = async (): Promise<number> => {
      const accepted = await Promise.all([1, 2, 3].map((number) => cluster.servers[number]!.ask<[string, number][]>("accepted")));
      return accepted.flat().reduce((sum, [, times]) => sum + times, 0);
    };
    const before = await count();
    for (const place of places) assert.deepEqual(broken(await burst(place)), []);
    assert.equal(await count(), before + 600);
  });

  test("affinity single: a client stays with its host; network: so does its network", async () => {
    for (const [affinity, key] of [["single", (from: string) => from], ["network", (from: string) => (from.includes(":") ? from.split("::")[0]! : from.split(".").slice(0, 3).join("."))]] as const) {
      await set("--affinity", affinity);
      for (const place of places) {
        const outcomes = await burst(place, 400);
        assert.deepEqual(broken(outcomes), []);
        assert.ok(hostsBy(outcomes, key).every((hosts) => hosts === 1), `${affinity}, ${place.address}`);
        assert.ok(Object.keys(byHost(outcomes)).length > 1, JSON.stringify(byHost(outcomes)));
      }
    }
    await set("--affinity", "none");
  });

  test("`who` says the host that answers", async () => {
    await set("--affinity", "single");
    for (const place of places) {
      for (const from of place.sources.slice(0, 6)) {
        const { host } = await cluster.api(2).get<{ host: number }>("/v1/nlb/who", { query: { client: from, address: place.address, port: "80", protocol: "tcp" } });
        assert.equal((await cluster.client.ask<Outcome>("one", { ...place, sources: [from] })).body, `h${host}`, from);
      }
    }
    assert.match(cluster.muster(1, "who", `${MANY[4][0]}:1234`, `${FOUR}:80`), /^Host [123] takes it\./);
    await set("--affinity", "none");
  });

  test("weights: connections come as the weights say", async () => {
    for (const [number, weight] of [[1, 10], [2, 30], [3, 60]] as const) cluster.muster(number, "rule", "set", RULE, "--weight", String(weight));
    const wanted = [0.1, 0.3, 0.6];
    const sharesOf = async (): Promise<readonly number[]> => ((await cluster.status()).rules[0]?.shares ?? []).map(({ parts, of }) => parts / of);
    await until("the weights count", async () => (JSON.stringify(await sharesOf()) === JSON.stringify(wanted) ? true : null));
    await cluster.settled();
    for (const place of places) {
      const outcomes = await burst(place, 1_200);
      assert.deepEqual(broken(outcomes), []);
      const counts = byHost(outcomes);
      assert.ok(chiSquare(["h1", "h2", "h3"].map((host) => counts[host] ?? 0), wanted) < CHI_SQUARE_MAX[2], JSON.stringify(counts));
    }
    cluster.muster(1, "rule", "set", RULE, "--weight", "0");
    await until("host 1 has nothing", async () => ((await sharesOf())[0] === 0 ? true : null));
    await cluster.settled();
    assert.equal(byHost(await burst(places[0]!))["h1"], undefined);
    for (const number of [1, 2, 3]) cluster.muster(number, "rule", "set", RULE, "--weight", "equal");
    await until("all are equal", async () => ((await sharesOf()).every((share) => share === 1 / 3) ? true : null));
    await cluster.settled();
  });

  test("single host: the lowest priority has everything; disabled: nobody; what no rule covers: the default host", async () => {
    await set("--mode", "single");
    assert.deepEqual(Object.keys(byHost(await burst(places[0]!))), ["h1"]);
    cluster.muster(1, "rule", "set", RULE, "--priority", "9");
    await until("host 2 has the rule", async () => ((await cluster.status()).rules[0]?.shares.find(({ host }) => host === 2)?.parts === 1 ? true : null));
    await cluster.settled();
    for (const place of places) assert.deepEqual(byHost(await burst(place)), { h2: 300 });
    await set("--mode", "disabled");
    const refused = await cluster.client.ask<Outcome[]>("burst", { ...places[0]!, limitMs: 300 }, 20, 20);
    assert.equal(broken(refused).length, 20);
    await set("--mode", "multiple");
    for (const place of places) assert.deepEqual(byHost(await burst({ ...place, port: 81 }, 60)), { h1: 60 });
  });

  test("a rule of one address comes before a rule of all", async () => {
    cluster.muster(1, "rule", "add", "--ports", "80-90", "--protocol", "tcp", "--address", OTHER, "--mode", "single");
    cluster.muster(3, "rule", "set", `tcp ${OTHER}:80-90`, "--priority", "1");
    cluster.muster(1, "rule", "set", `tcp ${OTHER}:80-90`, "--priority", "7");
    await until("host 3 has the rule", async () => ((await cluster.status()).rules.find(({ rule }) => rule.virtualAddress === OTHER)?.shares.find(({ host }) => host === 3)?.parts === 1 ? true : null));
    await cluster.settled();
    const other = { address: OTHER, sources: MANY[4] };
    assert.deepEqual(byHost(await burst({ ...other, port: 80 }, 60)), { h3: 60 });
    assert.deepEqual(byHost(await burst({ ...other, port: 82 }, 60)), { h3: 60 });
    assert.equal(Object.keys(byHost(await burst(places[0]!))).length, 3, "the rule of all still counts for the other address");
    cluster.muster(1, "rule", "delete", `tcp ${OTHER}:80-90`);
    await cluster.settled();
    assert.equal(Object.keys(byHost(await burst({ ...other, port: 80 }))).length, 3);
    assert.deepEqual(byHost(await burst({ ...other, port: 82 }, 60)), { h1: 60 });
  });

  test("a host whose application is ill gives its share away, and gets it back", async () => {
    cluster.muster(1, "rule", "set", RULE, "--probe", "http:82/health", "--every", "1");
    await cluster.settled();
    await cluster.servers[3]!.ask("well", false);
    const partsOf3 = async (): Promise<number> => (await cluster.status()).rules[0]?.shares.find(({ host }) => host === 3)?.parts ?? -1;
    await until("host 3 has given its share away", async () => ((await partsOf3()) === 0 ? true : null));
    await cluster.settled();
    assert.deepEqual(Object.keys(byHost(await burst(places[0]!))).sort(), ["h1", "h2"]);
    assert.match(cluster.muster(3, "query"), /503/);
    await cluster.servers[3]!.ask("well", true);
    await until("host 3 has its share again", async () => ((await partsOf3()) > 0 ? true : null));
    await cluster.settled();
    assert.equal(Object.keys(byHost(await burst(places[0]!))).length, 3);
    await set("--probe", "none");
  });

  test("extended affinity: a client stays with its host when weights change", async () => {
    await set("--affinity", "single", "--timeout", "5");
    const clients = MANY[4].slice(0, 60);
    const place = { address: FOUR, port: 80, sources: clients };
    const first = new Map((await burst(place, 60)).map(({ from, body }) => [from, body]));
    const before = (await cluster.status()).rules[0]!.shares.map(({ parts }) => parts);
    cluster.muster(1, "rule", "set", RULE, "--weight", "100");
    await until("buckets have moved", async () => (((await cluster.status()).rules[0]?.shares[0]?.parts ?? 0) > before[0]! ? true : null));
    await cluster.settled();
    const outcomes = await burst(place, 180);
    assert.deepEqual(broken(outcomes), []);
    assert.deepEqual(outcomes.filter(({ from, body }) => first.get(from) !== body), []);
    cluster.muster(1, "rule", "set", RULE, "--weight", "equal");
    await set("--affinity", "none", "--timeout", "0");
  });
});
