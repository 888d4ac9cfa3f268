import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { CANNOT, until } from "../unit/network/lab.ts";
import { Balanced } from "./support/balanced.ts";
import { FOUR, SIX, broken, byHost, sources } from "./support/traffic.ts";
import type { Outcome, Traffic } from "./support/traffic.ts";

const RULE = "80";
const WORKERS = 6;
const PLACE: Traffic = { address: FOUR, port: 80, sources: sources(4, 20, 10), pauseMs: 5 };
const PLACE_6: Traffic = { ...PLACE, address: SIX, sources: sources(6, 20, 10) };
/** After a host is gone: silence, agreement and the hold of its lease, and the rest for a noisy machine. */
const RESPREAD_MS = 3_000;
/** Until who was asked in vain asks again, by the rules of TCP. */
const RETRY_MS = 1_100;

describe("hosts and rules change while clients ask", { skip: CANNOT }, () => {
  let cluster: Balanced;
  before(async () => {
    cluster = await Balanced.form({ rules: false });
    cluster.muster(1, "rule", "add", "--ports", "80", "--protocol", "tcp", "--affinity", "none");
    await cluster.settled();
  });
  after(() => cluster?.close());
  afterEach(() => {
    const doubles = cluster.doubleAnswers();
    cluster.forgetAnswers();
    assert.deepEqual(doubles, []);
  });

  /** What became of connections while something was done. */
  const during = async (action: () => Promise<void>, place: Traffic = PLACE): Promise<readonly Outcome[]> => {
    await cluster.client.ask("start", place, WORKERS);
    let outcomes: Outcome[] = [];
    try {
      await sleep(200);
      await action();
      await sleep(200);
    } finally {
      outcomes = await cluster.client.ask<Outcome[]>("stop");
    }
    assert.ok(outcomes.length > 50, `${outcomes.length} connections`);
    return outcomes;
  };
  const partsOf = async (number: number): Promise<number> => (await cluster.status(number === 1 ? 2 : 1)).rules[0]?.shares.find(({ host }) => host === number)?.parts ?? 0;

  test("weights, affinities and rules change: no connection breaks", async (context) => {
    for (const place of [PLACE, PLACE_6]) {
      const outcomes = await during(async () => {
        cluster.muster(1, "rule", "set", RULE, "--weight", "90");
        await cluster.settled();
        cluster.muster(2, "rule", "set", RULE, "--affinity", "single");
        await cluster.settled();
        cluster.muster(3, "rule", "add", "--ports", "8000-8010", "--mode", "single");
        await cluster.settled();
        cluster.muster(3, "rule", "delete", "8005");
        cluster.muster(2, "rule", "set", RULE, "--affinity", "none");
        cluster.muster(1, "rule", "set", RULE, "--weight", "equal");
        await cluster.settled();
      }, place);
      assert.deepEqual(broken(outcomes), []);
      context.diagnostic(`${place.address}: ${outcomes.length} connections, ${outcomes.filter(({ connectMs }) => connectMs! > RETRY_MS - 200).length} had to ask twice`);
    }
  });

  test("drainstop: an open download comes to its end, nobody is turned away, and the host stops then", async () => {
    // One that host 3 serves.
    let started: Promise<Outcome> | null = null;
    for (const from of PLACE.sources) {
      cluster.muster(1, "rule", "set", RULE, "--affinity", "single");
      await cluster.settled();
      const { host } = await cluster.api(1).get<{ host: number }>("/v1/nlb/who", { query: { client: from, address: FOUR, port: "80", protocol: "tcp" } });
      if (host !== 3) continue;
      started = cluster.client.ask<Outcome>("one", { ...PLACE, sources: [from], path: "/download/80", limitMs: 20_000 });
      break;
    }
    assert.ok(started !== null, "host 3 has a client");
    await sleep(300);
    const outcomes = await during(async () => {
      cluster.muster(1, "drainstop", "--hosts", "3");
      await until("host 3 takes nothing new", async () => ((await partsOf(3)) === 0 ? true : null));
      assert.equal((await cluster.status(3)).hosts.find(({ id }) => id === 3)?.state, "draining");
      await sleep(300);
    });
    assert.deepEqual(broken(outcomes), []);
    const download = await started;
    assert.equal(download.body, "h3", JSON.stringify(download));
    assert.ok(download.bytes > 80 * 16 * 1_024);
    await cluster.state(1, 3, "stopped");
    cluster.muster(1, "start", "--hosts", "3");
    cluster.muster(1, "rule", "set", RULE, "--affinity", "none");
    await cluster.settled();
  });

  test("suspend takes no command but resume", async () => {
    cluster.muster(1, "suspend", "--hosts", "2");
    await cluster.state(1, 2, "suspended");
    await cluster.settled([1, 3]);
    const refused = cluster.tries(1, "start", "--hosts", "2");
    assert.notEqual(refused.code, 0);
    assert.match(refused.error, /suspended/);
    const outcomes = await during(async () => {
      cluster.muster(1, "resume", "--hosts", "2");
      cluster.muster(1, "start", "--hosts", "2");
      await cluster.settled();
    });
    assert.deepEqual(broken(outcomes), []);
    assert.equal(Object.keys(byHost(outcomes)).length, 3);
  });

  test("the process of a host is stopped in good order, and started again: no connection breaks but its own", async () => {
    const outcomes = await during(async () => {
      cluster.muster(2, "service", "stop");
      await cluster.settled([1, 3]);
      cluster.muster(2, "service", "start");
      await cluster.settled();
    });
    // Connections that were open on it end with it.
    assert.ok(broken(outcomes).length <= WORKERS, JSON.stringify(broken(outcomes)));
  });

  test("a host is dead at once: the others answer its clients", async (context) => {
    let killedMs = 0;
    const outcomes = await during(async () => {
      killedMs = Date.now();
      cluster.cut(3);
      cluster.signal(3, "SIGKILL");
      await cluster.settled([1, 2]);
      await sleep(RETRY_MS);
    });
    assert.deepEqual(broken(outcomes).filter(({ startedMs }) => startedMs > killedMs + RESPREAD_MS), []);
    const late = outcomes.filter(({ startedMs }) => startedMs > killedMs + RESPREAD_MS - 1_000);
    assert.ok(late.every(({ body }) => body !== "h3"));
    context.diagnostic(`${broken(outcomes).length} of ${outcomes.length} broke; the longest wait was ${Math.max(...outcomes.map(({ tookMs }) => tookMs))} ms`);
    cluster.heal();
    cluster.muster(3, "service", "start");
    await cluster.settled();
  });

  test("a host is killed alone, its kernel lives: what is left there serves nobody for long, and nobody twice", async () => {
    let killedMs = 0;
    const outcomes = await during(async () => {
      killedMs = Date.now();
      cluster.signal(1, "SIGKILL");
      await cluster.settled([2, 3]);
      await sleep(RETRY_MS);
    });
    assert.deepEqual(broken(outcomes), []);
    assert.ok(outcomes.every(({ body, startedMs }) => body !== "h1" || startedMs < killedMs + RESPREAD_MS));
    cluster.muster(1, "service", "start");
    await cluster.settled();
  });

  test("a host is paused and goes on: nobody is answered twice, nothing breaks", async () => {
    const outcomes = await during(async () => {
      cluster.signal(2, "SIGSTOP");
      await cluster.settled([1, 3]);
      cluster.signal(2, "SIGCONT");
      await cluster.settled();
    }, PLACE_6);
    assert.deepEqual(broken(outcomes), []);
  });

  test("somebody flushes the tables of a host: they are there again at once, whether it takes part or not, and nobody is answered twice", async () => {
    const losesTables = async (): Promise<void> => {
      cluster.lab.on(2, ["nft", "flush", "ruleset"]);
      await until("the tables", () => ["inet", "arp", "netdev"].every((family) => cluster.lab.on(2, ["nft", "list", "tables"]).includes(`table ${family} muster_nlb_eth0`)));
    };
    await during(async () => {
      await losesTables();
      await cluster.settled();
    });
    // Nothing filtered what it answered for a moment.
    cluster.forgetAnswers();
    const outcomes = await cluster.client.ask<Outcome[]>("burst", PLACE, 200, 10);
    assert.deepEqual(broken(outcomes), []);
    assert.equal(Object.keys(byHost(outcomes)).length, 3);
    cluster.muster(1, "stop", "--hosts", "2");
    await cluster.settled([1, 3]);
    await losesTables();
    cluster.forgetAnswers();
    const others = await cluster.client.ask<Outcome[]>("burst", PLACE, 200, 10);
    assert.deepEqual([broken(others), byHost(others)["h2"]], [[], undefined]);
    cluster.muster(1, "start", "--hosts", "2");
    await cluster.settled();
  });

  test("a host is cut off and comes back: both sides serve until they have heard each other, one cluster serves afterwards", async (context) => {
    const outcomes = await during(async () => {
      cluster.cut(3);
      await cluster.settled([1, 2]);
      await cluster.settled([3]);
      cluster.heal();
      await cluster.settled();
    });
    // Between the moment in which the cable is whole and the one in which a heartbeat has passed it, both are there.
    const doubles = cluster.doubleAnswers().length;
    context.diagnostic(`${doubles} of ${outcomes.length} were answered by both sides`);
    cluster.forgetAnswers();
    // What was open on the host that could not be reached may have been given up; who is answered twice may be reset.
    assert.ok(broken(outcomes).length <= doubles + WORKERS, JSON.stringify(broken(outcomes)));
    assert.equal(Object.keys(byHost(await cluster.client.ask<Outcome[]>("burst", PLACE, 200, 10))).length, 3);
  });

  test("the pace of heartbeats changes: no connection breaks", async () => {
    const outcomes = await during(async () => {
      cluster.muster(1, "set", "--period", "200", "--tolerance", "6");
      await cluster.settled();
      cluster.muster(1, "set", "--period", "100", "--tolerance", "5");
      await cluster.settled();
    });
    assert.deepEqual(broken(outcomes), []);
  });
});
