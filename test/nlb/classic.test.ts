import assert from "node:assert/strict";
import { test } from "node:test";
import { CANNOT, until } from "../unit/network/lab.ts";
import { Balanced } from "./support/balanced.ts";
import { FOUR, broken, byHost, sources } from "./support/traffic.ts";
import type { Outcome } from "./support/traffic.ts";

/** With heartbeats of a second everything takes ten times as long: `npm run soak:nlb-long` has the time. */
const skip = CANNOT === false && process.env["NLB_LONG"] === undefined ? "takes a minute: npm run soak:nlb-long" : CANNOT;
const PATIENCE_MS = 60_000;

test("the profile classic: hosts form a cluster, one dies, the others answer its clients, it comes back", { skip }, async () => {
  const cluster = await Balanced.form({ profile: "classic", rules: false, patienceMs: PATIENCE_MS });
  const all = async (): Promise<readonly string[]> => {
    const outcomes = await cluster.client.ask<Outcome[]>("burst", { address: FOUR, port: 80, sources: sources(4, 20, 10) }, 200, 10);
    assert.deepEqual(broken(outcomes), []);
    return Object.keys(byHost(outcomes)).sort();
  };
  try {
    cluster.muster(1, "rule", "add", "--ports", "80", "--protocol", "tcp", "--affinity", "none");
    await until("the rule is in force", async () => ((await cluster.snapshot()).map?.owners.length === 1 ? true : null), PATIENCE_MS);
    await cluster.settled();
    const { heartbeatPeriodMs } = (await cluster.status()).cluster;
    assert.equal(heartbeatPeriodMs, 1_000);
    assert.deepEqual(await all(), ["h1", "h2", "h3"]);
    cluster.cut(3);
    cluster.signal(3, "SIGKILL");
    await cluster.settled([1, 2]);
    assert.deepEqual(await all(), ["h1", "h2"]);
    cluster.heal();
    cluster.muster(3, "service", "start");
    await cluster.settled();
    assert.deepEqual(await all(), ["h1", "h2", "h3"]);
    assert.deepEqual(cluster.doubleAnswers(), []);
  } finally {
    await cluster.close();
  }
});
