import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { filterTable } from "../../src/nlb-filter/ruleset.ts";
import type { AffinityList, CommandForecast, Dismissal, HostConnections } from "../../src/nlb-host/facade.ts";
import { NLB_API_PORT, hostPaths } from "../../src/nlb-host/files.ts";
import { CANNOT, Remote, until } from "../unit/network/lab.ts";
import { Balanced } from "./support/balanced.ts";
import { FOUR, SIX, broken, byHost, sources } from "./support/traffic.ts";
import type { Outcome, Traffic } from "./support/traffic.ts";

const RULE = "80";
const MORE = "10.77.0.101";
const OTHER = "10.77.0.102";
const PLACE: Traffic = { address: FOUR, port: 80, sources: sources(4, 20, 10) };
const ALL = [1, 2, 3] as const;
/** Of /proc/PID/task/THREAD/stat, after the name: the scheduling policy. */
const POLICY_FIELD = 38;
const ROUND_ROBIN = "2";
/** Longer than two counts of connections take. */
const COUNTED_TWICE_MS = 3_000;

describe("what an administrator asks of a cluster of three hosts", { skip: CANNOT }, () => {
  let cluster: Balanced;
  before(async () => {
    cluster = await Balanced.form({ rules: false, ports: [80, 81] });
    cluster.muster(1, "rule", "add", "--ports", "80", "--protocol", "tcp", "--affinity", "none");
    cluster.muster(1, "rule", "add", "--ports", "81", "--protocol", "tcp", "--mode", "single");
    await cluster.settled();
  });
  after(() => cluster?.close());

  /** By rule, the owner of each part; of the map that a host is in. */
  const owners = async (number: number): Promise<readonly (readonly number[])[]> => ((await cluster.snapshot(number)).map?.owners ?? []).map((parts) => [...parts]);
  const applied = (parts: readonly number[], { moves }: CommandForecast["rules"][number]): readonly number[] => {
    const next = [...parts];
    for (const { from, to, parts: moved } of moves) {
      for (const part of moved) {
        assert.equal(next[part], from);
        next[part] = to;
      }
    }
    return next;
  };

  describe("a dry run says what then happens", () => {
    const steps: readonly (readonly [words: readonly string[], asked: number, serving: readonly number[]])[] = [
      [["drain", RULE, "--hosts", "2"], 1, ALL],
      [["enable", RULE, "--hosts", "2"], 3, ALL],
      [["disable", "81", "--hosts", "1"], 1, ALL],
      [["enable", "--hosts", "1"], 2, ALL],
      [["stop", "--hosts", "1"], 1, [2, 3]],
      [["start"], 1, ALL],
      [["suspend", "--hosts", "3"], 2, [1, 2]],
      [["resume", "--hosts", "3"], 2, [1, 2]],
      [["start", "--hosts", "3"], 1, ALL],
      [["drainstop", "--hosts", "2"], 2, [1, 3]],
      [["start", "--hosts", "2"], 3, ALL],
    ];
    for (const [words, asked, serving] of steps) {
      test(`${words.join(" ")}, asked of host ${asked}`, async () => {
        const maps = await Promise.all(serving.map(async (number) => ({ number, map: (await cluster.snapshot(number)).map })));
        // It serves before and afterwards.
        const { number: looking, map } = maps.find((one) => one.map !== null)!;
        const former = await owners(looking);
        const forecast = JSON.parse(cluster.muster(asked, ...words, "--dry-run", "--json")) as CommandForecast;
        assert.deepEqual((await cluster.snapshot(looking)).map?.id, map!.id, "nothing was changed");
        const wanted = forecast.rules.map((one, position) => applied(former[position]!, one));
        const outcomes = JSON.parse(cluster.muster(asked, ...words, "--json")) as CommandForecast["hosts"];
        assert.deepEqual(outcomes, forecast.hosts);
        await until("the map is as it was foretold", async () => (JSON.stringify(await owners(looking)) === JSON.stringify(wanted) ? true : null));
        await cluster.settled(serving);
        assert.deepEqual(await owners(looking), wanted);
        assert.equal((await cluster.snapshot(looking)).map?.defaultHost, forecast.defaultHost.after);
      });
    }

    test("for people: shares and moves; what would be refused is refused", () => {
      const text = cluster.muster(1, "stop", "--hosts", "2", "--dry-run");
      assert.match(text, /^HOST +STATE NOW +WOULD ANSWER\n2 +converged +1000 ok$/m);
      assert.match(text, /^tcp all:80-80 +2 +33\.3% +0\.0%$/m);
      assert.match(text, /'tcp all:80-80': 40 of 240 from host 2 to host 1 \(buckets [0-9, -]+\)/);
      const refused = cluster.tries(1, "drain", "99", "--dry-run");
      assert.notEqual(refused.code, 0);
      assert.match(refused.error, /there is no rule '99'/);
    });
  });

  test("an address comes: a client is answered there, by all; it goes: nothing of it is left", async () => {
    const addressesOf = (number: number): string => cluster.lab.on(number, ["ip", "addr", "show", "dev", "eth0"]);
    const before = cluster.muster(1, "params");
    assert.match(cluster.muster(1, "vip", "add", MORE, "--dry-run"), new RegExp(`additionalAddresses: .*${SIX} -> ${SIX},${MORE}`));
    assert.equal(cluster.muster(1, "params"), before);
    cluster.muster(2, "vip", "add", `${MORE}/24`);
    await cluster.settled();
    assert.match(cluster.muster(3, "vip", "list"), new RegExp(`^${MORE} +additional`, "m"));
    await until("all have the address", () => ALL.every((number) => addressesOf(number).includes(`${MORE}/32`)));
    const outcomes = await cluster.client.ask<Outcome[]>("burst", { ...PLACE, address: MORE, limitMs: 5_000 }, 200, 20);
    assert.deepEqual(broken(outcomes), []);
    assert.equal(Object.keys(byHost(outcomes)).length, 3, JSON.stringify(byHost(outcomes)));
    assert.deepEqual(cluster.doubleAnswers(), []);

    cluster.muster(1, "rule", "add", "--address", MORE, "--ports", "443", "--protocol", "tcp");
    const named = cluster.tries(1, "vip", "remove", MORE);
    assert.notEqual(named.code, 0);
    assert.match(named.error, /muster nlb rule delete 'tcp 10\.77\.0\.101:443-443'/);
    for (const address of [FOUR, "10.77.0.99"]) assert.notEqual(cluster.tries(1, "vip", "remove", address).code, 0, address);
    assert.match(cluster.tries(1, "vip", "add", "10.77.0.2").error, /dedicated address of host 2/);

    cluster.muster(1, "vip", "set", MORE, OTHER);
    await cluster.settled();
    await until("the address was replaced", () => ALL.every((number) => !addressesOf(number).includes(`${MORE}/32`) && addressesOf(number).includes(`${OTHER}/32`)));
    assert.match(cluster.muster(2, "rule", "list"), /tcp 10\.77\.0\.102:443-443/);
    cluster.muster(1, "rule", "delete", "443");
    await cluster.client.ask("start", { ...PLACE, address: OTHER, limitMs: 300 }, 60);
    try {
      await sleep(300);
      cluster.muster(3, "vip", "remove", OTHER);
      await cluster.settled();
    } finally {
      const meanwhile = await cluster.client.ask<Outcome[]>("stop");
      assert.ok(meanwhile.some(({ body }) => body !== null), "it was answered before");
    }
    assert.deepEqual(cluster.doubleAnswers(), [], "while it went, it was filtered");
    await until("the address is gone", () => ALL.every((number) => !addressesOf(number).includes(OTHER)));
    const gone = await cluster.client.ask<Outcome[]>("burst", { ...PLACE, address: OTHER, limitMs: 300 }, 20, 20);
    assert.equal(broken(gone).length, 20);
    for (const number of ALL) assert.doesNotMatch(cluster.lab.on(number, ["nft", "list", "ruleset"]), /10\.77\.0\.10[12]/);
  });

  test("dedicated addresses are set and unset, and never those of the cluster", () => {
    cluster.muster(2, "dip", "add", "10.77.0.2");
    assert.equal(cluster.muster(2, "dip", "list").trim(), "10.77.0.2");
    assert.notEqual(cluster.tries(2, "dip", "add", FOUR).code, 0);
    assert.notEqual(cluster.tries(2, "dip", "remove", "10.77.0.9").code, 0);
    cluster.muster(2, "dip", "remove", "10.77.0.2");
    assert.match(cluster.muster(2, "dip", "list"), /those of the adapter/);
  });

  test("connections are counted where they are, and shown", async () => {
    const downloads = Array.from({ length: 6 }, () => cluster.client.ask<Outcome>("one", { ...PLACE, path: "/download/240", limitMs: 30_000 }));
    const found = await until("all are open", async () => {
      const all = await cluster.api(1).get<HostConnections[]>("/v1/nlb/connections", { query: { limit: "100" } });
      return all.reduce((sum, { list }) => sum + (list?.open["tcp all:80-80"] ?? 0), 0) === 6 ? all : null;
    });
    assert.deepEqual(found.map(({ host, problem }) => [host, problem]), [[1, null], [2, null], [3, null]]);
    for (const { list } of found) assert.equal(list!.connections.filter(({ rule, address, port }) => rule === "tcp all:80-80" && address === FOUR && port === 80).length, list!.open["tcp all:80-80"]);
    const busy = found.filter(({ list }) => list!.open["tcp all:80-80"]! > 1);
    const limited = await cluster.api(2).get<HostConnections[]>("/v1/nlb/connections", { query: { limit: "1", rule: "tcp all:80-80" } });
    for (const { host } of busy) assert.equal(limited.find((one) => one.host === host)!.list!.leftOut, found.find((one) => one.host === host)!.list!.open["tcp all:80-80"]! - 1);
    assert.match(cluster.muster(3, "connections", "--rule", RULE), /^tcp all:80-80 +1 +\d+$/m);
    assert.match(cluster.muster(3, "connections", "--rule", RULE, "--list", "--limit", "1"), new RegExp(`^${busy[0]!.host} +tcp all:80-80 +10\\.78\\.[0-9.]+:\\d+ +${FOUR}:80`, "m"));
    for (const { body, host } of (await Promise.all(downloads)).map(({ body }) => ({ body, host: Number(body?.slice(1)) }))) assert.ok(ALL.includes(host as 1), String(body));
  });

  test("connections that are open go on while their rule is changed, deleted and made anew", async () => {
    const downloads = Array.from({ length: 12 }, (_, position) => cluster.client.ask<Outcome>("one", { ...PLACE, ...(position % 2 === 0 ? {} : { address: SIX, sources: sources(6, 20, 10) }), path: "/download/240", limitMs: 30_000 }));
    await until("all are open", async () => {
      const all = await cluster.api(1).get<HostConnections[]>("/v1/nlb/connections");
      return all.reduce((sum, { list }) => sum + (list?.open["tcp all:80-80"] ?? 0), 0) === downloads.length ? true : null;
    });
    for (const words of [["rule", "set", RULE, "--affinity", "single"], ["rule", "set", RULE, "--mode", "single"], ["rule", "delete", RULE], ["rule", "add", "--ports", "70-80", "--protocol", "both"], ["rule", "add", "--address", FOUR, "--ports", "80", "--protocol", "tcp", "--affinity", "network"]]) {
      cluster.muster(1, ...words);
      await cluster.settled();
    }
    assert.deepEqual(broken(await Promise.all(downloads)), []);
    cluster.muster(1, "rule", "delete", `tcp ${FOUR}:80-80`);
    cluster.muster(1, "rule", "delete", "70");
    cluster.muster(1, "rule", "add", "--ports", "80", "--protocol", "tcp", "--affinity", "none");
    await cluster.settled();
  });

  test("a connection that is passed on counts: draining waits for it", async () => {
    const inside = cluster.lab.behind(2, "inner", "10.88.0.2");
    const container = new Remote(inside, fileURLToPath(new URL("./support/server.ts", import.meta.url)), "");
    try {
      await container.ask("listen", 8_080, "inside");
      cluster.lab.on(2, ["nft", `table ip passing { chain to { type nat hook prerouting priority dstnat; ip daddr ${FOUR} tcp dport 90 dnat to 10.88.0.2:8080; }; }`]);
      cluster.muster(2, "rule", "add", "--ports", "90", "--protocol", "tcp", "--mode", "single", "--priority", "1");
      cluster.muster(1, "rule", "set", "90", "--priority", "4");
      await until("host 2 has the rule", async () => ((await cluster.status()).rules.find(({ key }) => key === "tcp all:90-90")?.shares.find(({ host }) => host === 2)?.parts === 1 ? true : null));
      await cluster.settled();
      const download = cluster.client.ask<Outcome>("one", { ...PLACE, port: 90, path: "/download/120", limitMs: 30_000 });
      await until("it is counted", async () => ((await cluster.status(2)).rules.find(({ key }) => key === "tcp all:90-90")?.openConnections === 1 ? true : null));
      assert.match(cluster.muster(2, "connections", "--list", "--rule", "90"), /passed on to 10\.88\.0\.2/);
      assert.match(cluster.muster(2, "query"), /connections that it passes on/);
      cluster.muster(1, "drainstop", "--hosts", "2");
      await sleep(COUNTED_TWICE_MS);
      assert.equal((await cluster.status(1)).hosts.find(({ id }) => id === 2)?.state, "draining");
      assert.equal((await download).body, "inside");
      await cluster.state(1, 2, "stopped");
      cluster.muster(1, "start", "--hosts", "2");
      cluster.muster(1, "rule", "delete", "90");
      cluster.lab.on(2, ["nft", "delete", "table", "ip", "passing"]);
      await cluster.settled();
    } finally {
      container.kill();
      await container.exited;
    }
  });

  test("clients whom extended affinity keeps are listed, here and as others leave them alone", async () => {
    cluster.muster(1, "rule", "set", RULE, "--affinity", "single", "--timeout", "5");
    await cluster.settled();
    const outcomes = await cluster.client.ask<Outcome[]>("burst", PLACE, 60, 10);
    assert.deepEqual(broken(outcomes), []);
    const expected = new Map(outcomes.map(({ from, body }) => [from, Number(body!.slice(1))]));
    for (const host of ALL) {
      const clients = [...expected].filter(([, keeper]) => keeper === host).map(([from]) => from).sort();
      const { staying, stayingLeftOut } = JSON.parse(cluster.muster(2, "affinity", "list", "--host", `h${host}`, "--json")) as AffinityList;
      assert.deepEqual([staying.map(({ client }) => client).sort(), stayingLeftOut], [clients, 0]);
      assert.ok(staying.every((one) => one.rule === "tcp all:80-80" && one.host === host && one.leftMs > 0 && one.leftMs <= 300_000));
    }
    const here = [...expected.values()].filter((host) => host === 1).length;
    assert.match(cluster.muster(1, "affinity", "list", "--limit", "1"), new RegExp(`^${here - 1} more\\.$`, "m"));
    await until("host 1 leaves the clients of the others alone", async () => {
      const { away } = await cluster.api(1).get<AffinityList>("/v1/nlb/affinity/list");
      return away.length === expected.size - here && away.every(({ client, host }) => expected.get(client) === host) ? true : null;
    });
    cluster.muster(1, "rule", "set", RULE, "--affinity", "none", "--timeout", "0");
    await cluster.settled();
  });

  test("the thread that keeps the lease goes before other programs, or the log says why it does not", () => {
    const policies = cluster.processes(1).flatMap((id) => readdirSync(`/proc/${id}/task`).map((thread) => readFileSync(`/proc/${id}/task/${thread}/stat`, "utf8").replace(/^.*\) /, "").split(" ")[POLICY_FIELD]));
    const log = readFileSync(hostPaths.log(cluster.directory(1)), "utf8");
    assert.ok(policies.includes(ROUND_ROBIN) || /real-time priority/.test(log), policies.join());
  });

  test("the cluster ends: nothing of it is left; who could not be told is named, with what helps", async () => {
    assert.match(cluster.tries(1, "destroy").error, /serves .*10\.77\.0\.100.*on the hosts 1, 2, 3/);
    const plan = JSON.parse(cluster.muster(1, "destroy", "--dry-run", "--json")) as Dismissal;
    assert.deepEqual(plan.hosts.map(({ host }) => host), [2, 3]);
    await cluster.settled();
    // Host 3 is heard, and its API cannot be reached.
    cluster.lab.on(3, ["nft", `table inet deaf { chain in { type filter hook input priority 0; tcp dport ${NLB_API_PORT} drop; }; }`]);
    const { code, error } = cluster.tries(1, "destroy", "--force");
    assert.equal(code, 0, error);
    assert.match(error, /still believe in it; on each of them: muster nlb remove: host 3 h3/);
    await cluster.settled([3]);
    cluster.muster(3, "remove");
    for (const number of ALL) {
      await until(`the process of host ${number} has ended`, () => cluster.processes(number).length === 0);
      assert.doesNotMatch(cluster.lab.on(number, ["nft", "list", "tables"]), new RegExp(filterTable("eth0")));
      assert.doesNotMatch(cluster.lab.on(number, ["ip", "addr", "show"]), new RegExp(`${FOUR}/|${SIX}/`));
      assert.doesNotMatch(cluster.lab.on(number, ["bridge", "fdb", "show", "dev", "eth0"]), /02:bf/);
      assert.deepEqual(readdirSync(cluster.directory(number)), ["agent.log"]);
      assert.ok(!existsSync(hostPaths.configuration(cluster.directory(number))));
    }
    const refused = await cluster.client.ask<Outcome[]>("burst", { ...PLACE, limitMs: 300 }, 10, 10);
    assert.equal(broken(refused).length, 10);
    assert.match(cluster.tries(1, "query").error, /no host|No .*answers/i);
  });
});
