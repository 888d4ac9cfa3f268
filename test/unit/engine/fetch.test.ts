import assert from "node:assert/strict";
import { test } from "node:test";
import { FETCH_BYTES_MAX, MESSAGE_BYTES_MAX } from "../../../src/engine/contract.ts";
import { median, pause, TestCluster } from "./cluster.ts";
import { newCluster, record } from "./recorder.ts";

/** Bulk transfer past the sequencer. */

test("a fetch is answered by the member itself", async () => {
  const { clusterId, key } = newCluster();
  const one = record({ clusterId, key, self: { node: 1, incarnation: 1 } });
  const two = record({ clusterId, key, self: { node: 2, incarnation: 7 } }, (from, request) => Promise.resolve(Buffer.from(`${from.node}.${from.incarnation}: ${Buffer.from(request).toString()}`)));
  await one.start();
  await two.start();
  try {
    const reply = await one.engine.fetch({ node: 2, incarnation: 7 }, Buffer.from("please"), 1_000);
    assert.equal(Buffer.from(reply).toString(), "1.1: please");
    const own = await two.engine.fetch({ node: 2, incarnation: 7 }, Buffer.alloc(0), 1_000);
    assert.equal(Buffer.from(own).toString(), "2.7: ");
  } finally {
    await Promise.all([one.engine.stop(), two.engine.stop()]);
  }
});

test("what can go wrong with a fetch has its name", async () => {
  const { clusterId, key } = newCluster();
  const answers: Record<string, () => Promise<Uint8Array>> = {
    fail: () => Promise.reject(new Error("no such snapshot")),
    never: () => new Promise(() => {}),
    huge: () => Promise.resolve({ length: FETCH_BYTES_MAX + 1 } as Uint8Array),
    empty: () => Promise.resolve(new Uint8Array(0)),
  };
  const one = record({ clusterId, key, self: { node: 1, incarnation: 1 } });
  const two = record({ clusterId, key, self: { node: 2, incarnation: 1 } }, (_, request) => answers[Buffer.from(request).toString()]?.() ?? Promise.reject(new Error("what?")));
  await one.start();
  await two.start();
  const ask = (request: string, timeoutMs = 1_000): Promise<Uint8Array> => one.engine.fetch({ node: 2, incarnation: 1 }, Buffer.from(request), timeoutMs);
  try {
    assert.equal((await ask("empty")).length, 0);
    await assert.rejects(ask("fail"), { code: "MUSTER_NOT_REACHABLE", message: /node 2: no such snapshot/ });
    await assert.rejects(ask("never", 100), { code: "MUSTER_TIMEOUT" });
    await assert.rejects(ask("huge"), { code: "MUSTER_NOT_REACHABLE", message: /more than 268435456/ });
    await assert.rejects(ask("x".repeat(MESSAGE_BYTES_MAX + 1)), { code: "MUSTER_LIMIT" });
    await assert.rejects(one.engine.fetch({ node: 2, incarnation: 2 }, Buffer.from("x"), 1_000), { code: "MUSTER_NOT_REACHABLE" });

    // No more than eight at once; the ninth is told so.
    const waiting = Array.from({ length: 8 }, () => ask("never", 5_000).catch((error: { code: string }) => error.code));
    await pause(200);
    await assert.rejects(ask("empty"), { code: "MUSTER_BUSY" });
    await two.engine.stop();
    assert.deepEqual(new Set(await Promise.all(waiting)), new Set(["MUSTER_NOT_REACHABLE"]), "the end of the member ends its fetches at once");
  } finally {
    await Promise.all([one.engine.stop(), two.engine.stop()]);
  }
  await assert.rejects(ask("empty"), { code: "MUSTER_NOT_REACHABLE" });
});

test("a wrong key gets no answer to a fetch", async () => {
  const { clusterId, key } = newCluster();
  let isAsked = false;
  const one = record({ clusterId, key, self: { node: 1, incarnation: 1 } }, () => {
    isAsked = true;
    return Promise.resolve(new Uint8Array(1));
  });
  const stranger = record({ clusterId, key: Buffer.alloc(32, 1), self: { node: 2, incarnation: 1 } });
  await one.start();
  await stranger.start();
  try {
    await assert.rejects(stranger.engine.fetch({ node: 1, incarnation: 1 }, Buffer.from("x"), 1_000), { code: "MUSTER_NOT_REACHABLE", message: /key/ });
    assert.equal(isAsked, false);
  } finally {
    await Promise.all([one.engine.stop(), stranger.engine.stop()]);
  }
});

test("20 MiB are fetched while multicasts go on", async (t) => {
  const cluster = new TestCluster();
  try {
    const members = await cluster.form(3);
    const [one, two] = members;
    assert.ok(one !== undefined && two !== undefined);
    const memberships = two.events.filter((event) => event.event === "members").length;
    one.tell({ do: "chatter", everyMs: 2, burst: 5 });
    const gaps: number[] = [];
    const fetchMs: number[] = [];
    for (let trial = 0; trial < 3; trial++) {
      const mark = two.events.length;
      two.tell({ do: "fetch", from: one.self, request: "big" });
      const fetched = await two.event((event) => event.event === "fetched" || event.event === "fetchFailed", mark, 20_000);
      assert.equal(fetched.bytes, 20 * 1024 * 1024);
      assert.ok("muster muster muster ".includes(fetched.tail ?? "?"));
      fetchMs.push(fetched.tookMs ?? Number.NaN);
      const times = two.events.slice(mark).filter((event) => event.event === "message" && event.at <= fetched.at).map((event) => event.at);
      gaps.push(...times.slice(1).map((at, position) => at - (times[position] ?? at)));
    }
    assert.equal(two.events.filter((event) => event.event === "members").length, memberships, "nobody was dropped for it");
    t.diagnostic(`20 MiB in ${median(fetchMs).toFixed(0)} ms (median of 3); longest gap between multicasts meanwhile ${Math.max(...gaps).toFixed(1)} ms`);
    assert.ok(Math.max(...gaps) < 1_000, "multicasts are not held up");
  } finally {
    await cluster.end();
  }
});
