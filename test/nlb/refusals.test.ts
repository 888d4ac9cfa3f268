import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { NLB_HEARTBEAT_PORT, hostPaths } from "../../src/nlb-host/files.ts";
import type { BalancedHost } from "../../src/nlb-host/files.ts";
import { MusterError } from "../../src/model/errors.ts";
import { CANNOT, until } from "../unit/network/lab.ts";
import { Balanced } from "./support/balanced.ts";
import { FOUR, broken, byHost, sources } from "./support/traffic.ts";
import type { Outcome, Traffic } from "./support/traffic.ts";

const PLACE: Traffic = { address: FOUR, port: 80, sources: sources(4, 20, 10) };
/** Of the heartbeats: what `groupOf` makes of 10.77.0.100. */
const GROUP = "239.254.0.100";

describe("what a cluster refuses", { skip: CANNOT }, () => {
  let cluster: Balanced;
  before(async () => {
    cluster = await Balanced.form({ hosts: 2, spare: 1 });
  });
  after(() => cluster?.close());

  const configuration = (number: number): BalancedHost => JSON.parse(readFileSync(hostPaths.configuration(cluster.directory(number)), "utf8")) as BalancedHost;
  const rewrite = (number: number, change: (file: BalancedHost) => BalancedHost): void => writeFileSync(hostPaths.configuration(cluster.directory(number)), JSON.stringify(change(configuration(number))));

  test("forged heartbeats: they are counted, and nothing else happens", async () => {
    const before = (await cluster.status(1)).heartbeats;
    const map = (await cluster.status(1)).map;
    const forged = Array.from({ length: 40 }, (_, position) => {
      const body = Buffer.concat([Buffer.from([0x4d, 0x4c, 1]), randomBytes(120 + position)]);
      return Buffer.concat([body, createHmac("sha256", randomBytes(32)).update(body).digest()]).toString("base64");
    });
    const others = [Buffer.from([0x4d, 0x4c, 9, ...randomBytes(80)]), randomBytes(1), randomBytes(400), Buffer.alloc(0), randomBytes(1_400)].map((bytes) => bytes.toString("base64"));
    await cluster.client.ask("send", cluster.lab.machine(1).address, NLB_HEARTBEAT_PORT, [...forged, ...others]);
    const refused = await until("they are counted", async () => {
      const now = (await cluster.status(1)).heartbeats.refused;
      return now.forged - before.refused.forged >= 40 && now.version > before.refused.version && now.malformed > before.refused.malformed ? now : null;
    });
    assert.ok(refused.forged >= 40);
    assert.equal((await cluster.status(1)).map, map);
    assert.ok(cluster.lab.on(1, ["ip", "maddr", "show", "dev", "eth0"]).includes(GROUP));
  });

  test("another machine with the same id is kept out and named; with an id of its own it comes in", async () => {
    cluster.join(3, "--no-start");
    rewrite(3, (file) => ({ ...file, host: { ...file.host, id: 2 } }));
    cluster.muster(3, "service", "start");
    await until("the second host 2 says why it is out", async () => {
      const why = cluster.tries(3, "why").out;
      return /same id|has the id 2 too|id/.test(why) && (await cluster.snapshot(3)).out.reason === "duplicateHost" ? true : null;
    });
    assert.match(cluster.muster(3, "query"), /same id|has the id/);
    await cluster.settled([1, 2]);
    const outcomes = await cluster.client.ask<Outcome[]>("burst", PLACE, 100, 10);
    assert.deepEqual(broken(outcomes), []);
    assert.deepEqual(Object.keys(byHost(outcomes)).sort(), ["h1", "h2"]);
    cluster.muster(3, "host", "set", "--id", "3");
    await cluster.settled([1, 2, 3]);
    assert.deepEqual(cluster.doubleAnswers(), []);
  });

  test("a host whose parameters differ is kept out, says which, and `sync` cures it", async () => {
    cluster.muster(3, "service", "stop");
    rewrite(3, (file) => ({ ...file, cluster: { ...file.cluster, rules: file.cluster.rules.map((rule) => ({ ...rule, affinity: "none" as const })) } }));
    cluster.muster(3, "service", "start");
    const seenBy1 = async (): Promise<string | undefined> => (await cluster.status(1)).hosts.find(({ id }) => id === 3)?.reason;
    await until("host 3 is out", async () => ((await seenBy1()) === "parametersDiffer" ? true : null));
    await cluster.settled([1, 2]);
    assert.match(cluster.muster(3, "query"), /muster nlb sync/);
    assert.match(cluster.muster(1, "query"), /Its parameters differ from those of host 1/);
    assert.match(cluster.muster(3, "sync", "--dry-run"), /multiple none/);
    assert.equal(await seenBy1(), "parametersDiffer");
    cluster.muster(3, "sync");
    await cluster.settled([1, 2, 3]);
  });

  test("a token counts once", () => {
    const token = cluster.muster(1, "token").trim();
    const twice = ["join", token, "--adapter", "eth0", "--no-start"];
    // A machine that is a host already says so; the token is not asked for.
    assert.match(cluster.tries(3, ...twice).error, /host/i);
    assert.notEqual(cluster.tries(3, ...twice).code, 0);
  });

  test("whatever the API is sent, it answers with what is wrong, and goes on", async () => {
    const api = cluster.api(1);
    const rule = { virtualAddress: null, startPort: 5_000, endPort: 5_001, protocol: "tcp", mode: "multiple", affinity: "none", timeoutMinutes: 0, probe: null, metric: null };
    const junk: readonly unknown[] = [null, 0, -1, 1.5, 1e300, "", "x", "\u0000", "a".repeat(5_000), [], {}, [[]], true, { __proto__: null }, "::1", "10.77.0.100", 65_536, ["all"]];
    const fields = Object.keys(rule);
    const bodies: [method: "POST" | "PATCH" | "PUT", path: string, body: unknown][] = [
      ...fields.flatMap((field) => junk.map((value): [method: "POST", path: string, body: unknown] => ["POST", "changes?dryRun=true", { kind: "addRule", rule: { ...rule, [field]: value }, own: {} }])),
      ...["primaryAddress", "subnetMask", "name", "additionalAddresses", "operationMode", "heartbeatPeriodMs", "heartbeatTolerance", "filtersIcmp", "rules", "other"].flatMap((field) => junk.map((value): [method: "POST", path: string, body: unknown] => ["POST", "changes?dryRun=true", { kind: "set", values: { [field]: value } }])),
      ...["id", "name", "dedicatedAddresses", "initialState", "rules", "other"].flatMap((field) => junk.map((value): [method: "PATCH", path: string, body: unknown] => ["PATCH", "host?dryRun=true", { [field]: value }])),
      ...["verb", "rule", "hosts", "deadlineMs"].flatMap((field) => junk.filter((value) => !(field === "rule" && value === null) && !(field === "hosts" && (value === null || JSON.stringify(value) === "[]")) && !(field === "deadlineMs" && value === null)).map((value): [method: "POST", path: string, body: unknown] => ["POST", "command", { verb: "enable", rule: null, hosts: [9], deadlineMs: null, [field]: value }])),
      ...["changes", "command", "sync", "tokens", "join"].flatMap((path) => junk.map((value): [method: "POST", path: string, body: unknown] => ["POST", path, value])),
      ...junk.map((value): [method: "PUT", path: string, body: unknown] => ["PUT", "cluster", value]),
    ];
    let refused = 0;
    for (const [method, path, body] of bodies) {
      const [name, query] = path.split("?");
      try {
        await api.send(method, `/v1/nlb/${name}`, { body, query: query === undefined ? {} : { dryRun: "true" } });
      } catch (error) {
        const known = MusterError.from(error);
        assert.notEqual(known.code, "MUSTER_INTERNAL", `${method} ${path} ${JSON.stringify(body)?.slice(0, 200)}: ${known.message}`);
        assert.notEqual(known.code, "MUSTER_NOT_REACHABLE", `${method} ${path} ${JSON.stringify(body)?.slice(0, 200)}: ${known.message}`);
        assert.ok(known.message.length > 10 && known.next.length > 5);
        refused += 1;
      }
    }
    assert.ok(refused > bodies.length * 0.7, `${refused} of ${bodies.length} were refused`);
    await assert.rejects(api.send("POST", "/v1/nlb/changes", { body: { kind: "addRule", rule: { ...rule, startPort: 70_000 }, own: {} } }), /startPort/);
    await assert.rejects(api.send("POST", "/v1/nlb/changes", { body: { kind: "set", values: { primaryAddress: "10.77.0.101" } } }), /primaryAddress/);
    await assert.rejects(api.send("PATCH", "/v1/nlb/host", { body: { rules: { "tcp all:1-1": { weight: 5 } } } }), /tcp all:1-1/);
    for (const path of ["who?client=x&address=y&port=80&protocol=tcp", "who", "maps/zz", "maps/0000000000000000", "events?after=-1", "why?name=nobody"]) {
      const [name, query] = path.split("?");
      const outcome = await api.get(`/v1/nlb/${name}`, { query: Object.fromEntries(new URLSearchParams(query)) }).catch((error: unknown) => MusterError.from(error).code);
      assert.notEqual(outcome, "MUSTER_INTERNAL", path);
    }
    await sleep(100);
    await cluster.settled([1, 2, 3]);
  });
});
