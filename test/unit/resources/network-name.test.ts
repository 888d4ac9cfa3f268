import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { delimiter } from "node:path";
import { after, before, describe, test } from "node:test";
import type { PropertyBag, ProviderRecord, ResourceRecord } from "../../../src/model/objects.ts";
import type { StateReport, TestHost } from "../monitor/helpers.ts";
import { Workbench, until } from "../monitor/helpers.ts";
import { ALIAS, CANNOT, HELD, NameServer, ZONE } from "./name-server.ts";

describe("Network Name", { skip: CANNOT }, () => {
  let dns: NameServer;
  let bench: Workbench;
  let other: Workbench;
  let node: TestHost;
  let stranger: TestHost;
  let key: string;
  let key512: string;
  let wrongKey: string;
  const path = process.env["PATH"];

  before(async () => {
    dns = new NameServer();
    key = dns.key("k256");
    key512 = dns.key("k512", "hmac-sha512");
    wrongKey = dns.key("k256", "hmac-sha256", "wrong.key");
    await dns.start(["k256", "k512"]);
    // Notes how it was called, and then is nsupdate.
    mkdirSync(dns.path("bin"));
    writeFileSync(dns.path("bin/nsupdate"), `#!/bin/sh\ncat /proc/$$/cmdline /proc/$$/environ >> ${dns.path("calls")}\nPATH=$(echo "$PATH" | cut -d: -f2-) exec nsupdate "$@"\n`);
    chmodSync(dns.path("bin/nsupdate"), 0o755);
    process.env["PATH"] = `${dns.path("bin")}${delimiter}${path ?? ""}`;
    bench = new Workbench();
    other = new Workbench();
    node = await bench.host().start();
    stranger = await other.host(1, { clusterName: "OTHER one" }).start();
  });
  after(async () => {
    process.env["PATH"] = path;
    await bench?.close();
    await other?.close();
    await dns?.close();
  });

  let count = 0;
  const record = (name: string, values: PropertyBag = {}, properties: PropertyBag = {}): ResourceRecord => ({
    id: `n${++count}`, name: `Name ${count}`, group: "g1", type: "Network Name", dependencies: [["a"]], possibleOwners: null,
    properties: { LooksAlivePollInterval: 50, ...properties },
    privateProperties: { Name: name, DnsZone: ZONE, DnsServer: dns.address, TsigKeyFile: key, ...values },
  });
  const provider = (address: string, isOnline = true): ProviderRecord => ({
    isOnline,
    resource: { id: `a${address}`, name: address, group: "g1", type: address.includes(":") ? "IPv6 Address" : "IP Address", dependencies: [], possibleOwners: null, properties: {}, privateProperties: { Address: address } },
  });
  const providers = (...addresses: readonly string[]): { providers: ProviderRecord[] } => ({ providers: addresses.map((address) => provider(address)) });
  const online = (resource: ResourceRecord, generation: number, ...addresses: readonly string[]): Promise<StateReport> => node.bringOnline(bench.online(resource, generation, providers(...addresses)));

  async function failure(resource: ResourceRecord, generation = 1, addresses: readonly string[] = ["127.0.9.1"], on = node, by = bench): Promise<string> {
    const order = by.online(resource, generation, providers(...addresses));
    on.host.send(order);
    return (await on.reaches(resource.id, "failed", order.effect)).reason;
  }

  async function offline({ id }: ResourceRecord): Promise<void> {
    node.host.send({ kind: "offline", effect: bench.effect(), generation: 99, resource: id, reason: "test" });
    await node.reaches(id, "offline");
  }

  const troubled = (id: string): boolean => node.reports.findLast((report) => report.resource === id)?.status?.networkFailure === true;

  test("forward and reverse, both versions of addresses, with the TTL; all of it stays when it goes offline", async () => {
    const web = record("WEB", { PublishPTRRecords: 1, HostRecordTTL: 300 });
    await online(web, 7, "127.0.9.1", "192.0.2.1", "2001:DB8:0::1");
    const all = [{ address: "127.0.9.1", ttl: 300 }, { address: "192.0.2.1", ttl: 300 }, { address: "2001:db8::1", ttl: 300 }];
    assert.deepEqual(await dns.addresses("web"), all);
    for (const { address } of all) assert.equal(await dns.pointers(address), `web.${ZONE}`);
    assert.equal(await dns.marker("web"), `muster=1 cluster=${bench.clusterId} generation=7 name=TEST`);
    assert.equal(troubled(web.id), false);
    await offline(web);
    assert.deepEqual(await dns.addresses("web"), all);
  });

  test("the next owner takes the name over: its addresses replace the others, in both directions", async () => {
    const web = record("web", { PublishPTRRecords: 1 });
    await online(web, 8, "192.0.2.2");
    assert.deepEqual(await dns.addresses("web"), [{ address: "192.0.2.2", ttl: 1200 }]);
    assert.deepEqual(await Promise.all(["192.0.2.1", "192.0.2.2", "2001:db8::1"].map((address) => dns.pointers(address))), ["", `web.${ZONE}`, ""]);
    await offline(web);
  });

  test("an owner of an earlier generation cannot put back its address", async () => {
    assert.match(await failure(record("web", { RequireDNS: 1 }), 6, ["192.0.2.9"]), /registered by a later start of the role/);
    assert.equal(await dns.answers("web"), "192.0.2.2");
  });

  test("what an administrator keeps at the name stays", async () => {
    dns.update(key, `zone ${ZONE}`, `update add web.${ZONE}. 60 TXT "v=spf1 -all"`);
    const web = record("web");
    await online(web, 9, "192.0.2.3");
    assert.equal(await dns.answers("web"), "192.0.2.3");
    assert.deepEqual(await dns.resolver().resolveTxt(`web.${ZONE}`), [["v=spf1 -all"]]);
    await offline(web);
  });

  test("held by somebody else: refused, with who it is, whatever RequireDNS says; nothing is changed", async () => {
    assert.match(await failure(record(HELD)), /held\.cluster\.test is not this cluster's: it stands for 192\.0\.2\.99, which this cluster did not register\. Choose another DnsName/);
    assert.match(await failure(record(ALIAS)), /it is an alias of held\.cluster\.test/);
    assert.match(await failure(record("web"), 99, ["127.0.9.1"], stranger, other), new RegExp(`it is registered by the cluster 'TEST' \\(${bench.clusterId}\\)`));
    assert.equal(await dns.answers(HELD), "192.0.2.99");
    assert.equal(await dns.answers("web"), "192.0.2.3");
  });

  test("only addresses that are online, and what comes and goes later; all of them with RegisterAllProvidersIP", async () => {
    const one = record("one");
    await node.bringOnline(bench.online(one, 1, { providers: [provider("192.0.2.11"), provider("192.0.2.12", false)] }));
    assert.equal(await dns.answers("one"), "192.0.2.11");
    node.host.send({ kind: "providers", resource: one.id, providers: [provider("192.0.2.11"), provider("192.0.2.12")] });
    await untilAnswered("one", "192.0.2.11 192.0.2.12");
    node.host.send({ kind: "providers", resource: one.id, providers: [provider("192.0.2.11", false), provider("192.0.2.12")] });
    await untilAnswered("one", "192.0.2.12");
    const all = record("all", { RegisterAllProvidersIP: 1 });
    await node.bringOnline(bench.online(all, 1, { providers: [provider("192.0.2.11"), provider("192.0.2.12", false)] }));
    assert.equal(await dns.answers("all"), "192.0.2.11 192.0.2.12");
    await Promise.all([offline(one), offline(all)]);
  });

  test("without an address it fails, and says what to do", async () => {
    assert.match(await failure(record("bare"), 1, []), /depends on no IP Address or IPv6 Address\. Say which it stands for: muster resource depend 'Name \d+'/);
    const order = bench.online(record("bare"), 1, { providers: [provider("127.0.9.1", false)] });
    node.host.send(order);
    assert.match((await node.reaches(order.resource.id, "failed", order.effect)).reason, /depends on no IP Address or IPv6 Address that is online/);
  });

  test("removed when that is asked for, or when it has another name by then", async () => {
    const gone = record("gone", { PublishPTRRecords: 1, DeregisterOnOffline: 1 });
    await online(gone, 1, "192.0.2.21");
    assert.equal(await dns.pointers("192.0.2.21"), `gone.${ZONE}`);
    await offline(gone);
    assert.deepEqual([await dns.answers("gone"), await dns.marker("gone"), await dns.pointers("192.0.2.21")], ["", "", ""]);

    const renamed = record("before");
    await online(renamed, 1, "192.0.2.22");
    const after = { ...renamed, privateProperties: { ...renamed.privateProperties, DnsName: "after" } };
    node.host.send({ kind: "update", resource: after });
    await offline(after);
    assert.deepEqual([await dns.answers("before"), await dns.marker("before")], ["", ""]);
    await online(after, 1, "192.0.2.22");
    assert.equal(await dns.answers("after"), "192.0.2.22");
    await offline(after);
  });

  test("a key with hmac-sha512", async () => {
    const strong = record("strong", { TsigKeyFile: key512, RequireDNS: 1 });
    await online(strong, 1, "192.0.2.31");
    assert.equal(await dns.answers("strong"), "192.0.2.31");
    await offline(strong);
  });

  test("a wrong key, none, or one without the right: with RequireDNS it fails and says why, without it is online and says so", async () => {
    assert.match(await failure(record("w1", { TsigKeyFile: wrongKey, RequireDNS: 1 })), /refuses w1\.cluster\.test: the key has another secret or algorithm there \(BADSIG\)\. Compare the key in TsigKeyFile/);
    assert.match(await failure(record("refused", { RequireDNS: 1 })), /the key may not change this name \(REFUSED\)/);
    assert.match(await failure(record("w2", { TsigKeyFile: dns.path("none.key"), RequireDNS: 1 })), /none\.key cannot be used: there is no such file on this node\. Put the key there on every node/);
    assert.match(await failure(record("w3", { TsigKeyFile: dns.path("named.conf"), RequireDNS: 1 })), /named\.conf cannot be used: there is no key in it/);
    const lenient = record("w4", { TsigKeyFile: wrongKey });
    await online(lenient, 1, "127.0.9.1");
    assert.equal(troubled(lenient.id), true);
    assert.match(bench.output(lenient.id), /trouble with DNS: .*BADSIG/);
    await offline(lenient);
  });

  test("a reverse record that is somebody else's stays, and is told; the name is online", async () => {
    dns.update(key, "zone 2.0.192.in-addr.arpa", `update add 41.2.0.192.in-addr.arpa. 60 PTR old.${ZONE}.`);
    const name = record("pointer", { PublishPTRRecords: 1, RequireDNS: 1 });
    await online(name, 1, "192.0.2.41", "10.9.9.9");
    assert.equal(await dns.answers("pointer"), "10.9.9.9 192.0.2.41");
    assert.equal(await dns.pointers("192.0.2.41"), `old.${ZONE}`);
    assert.match(bench.output(name.id), /reverse record of 10\.9\.9\.9: \S+ serves no zone for it; reverse record of 192\.0\.2\.41: it stands for old\.cluster\.test/);
    assert.equal(troubled(name.id), true);
    await offline(name);
  });

  test("with RequireDNS the server is asked: what was taken away is put back, what somebody else put there is a failure", async () => {
    const watched = record("watched", { RequireDNS: 1 }, { IsAlivePollInterval: 100 });
    await online(watched, 1, "192.0.2.51");
    dns.update(key, `zone ${ZONE}`, `update delete watched.${ZONE}. A`);
    await untilAnswered("watched", "192.0.2.51");
    dns.update(key, `zone ${ZONE}`, `update delete watched.${ZONE}. A`, `update delete _muster.watched.${ZONE}. TXT`, `update add watched.${ZONE}. 60 A 192.0.2.98`);
    assert.match((await node.reaches(watched.id, "failed")).reason, /is not this cluster's: it stands for 192\.0\.2\.98/);
    assert.equal(await dns.answers("watched"), "192.0.2.98");
  });

  test("a server that is down, or answers nothing: online all the same, told, and registered when it is back", async () => {
    await dns.stop();
    const patient = record("patient");
    await online(patient, 1, "192.0.2.61");
    assert.equal(troubled(patient.id), true);
    assert.match(bench.output(patient.id), /trouble with DNS: The DNS server 127\.0\.0\.1:\d+ cannot be used: connection refused\. Check DnsServer/);
    assert.match(await failure(record("strict", { RequireDNS: 1 })), /cannot be used: connection refused/);
    await dns.run();
    await untilAnswered("patient", "192.0.2.61");
    await until("the trouble to be over", () => !troubled(patient.id));

    const watched = record("silent", { RequireDNS: 1 }, { IsAlivePollInterval: 100 });
    await online(watched, 1, "192.0.2.62");
    dns.freeze();
    await until("trouble", () => troubled(watched.id));
    dns.thaw();
    await until("the trouble to be over", () => !troubled(watched.id));
    assert.equal((await node.reaches(watched.id, "online")).state, "online", "no answer is no failure of what is registered");
    await Promise.all([offline(patient), offline(watched)]);
  });

  test("an end does not wait for a server that does not answer", async () => {
    dns.freeze();
    const order = bench.online(record("waiting", { RequireDNS: 1 }), 1, providers("127.0.9.1"));
    node.host.send(order);
    await node.reaches(order.resource.id, "onlinePending");
    node.host.send({ kind: "terminate", effect: bench.effect(), generation: 1, resource: order.resource.id, reason: "test" });
    await node.reaches(order.resource.id, "offline");
    dns.thaw();
  });

  test("the secret is in no command line, no environment, no output and no record", () => {
    const secrets = [key, key512, wrongKey].map((file) => /secret "([^"]+)"/.exec(readFileSync(file, "utf8"))?.[1] ?? "");
    assert.ok(secrets.every((secret) => secret.length > 20));
    const calls = readFileSync(dns.path("calls"), "utf8").replaceAll("\u0000", " ");
    assert.match(calls, /nsupdate -k \S+\/k512\.key -t 4 -u 2 -r 1/);
    const outputs = readdirSync(bench.path("output")).map((file) => readFileSync(bench.path(`output/${file}`), "utf8"));
    const told = [calls, ...outputs, JSON.stringify([...node.reports, ...stranger.reports])].join("\n");
    for (const secret of secrets) assert.equal(told.includes(secret), false);
  });

  async function untilAnswered(label: string, expected: string): Promise<void> {
    let now = "";
    const timer = setInterval(() => void dns.answers(label).then((answer) => (now = answer), () => undefined), 50);
    try {
      await until(`${label} to be answered with ${expected}`, () => now === expected);
    } finally {
      clearInterval(timer);
    }
  }
});
