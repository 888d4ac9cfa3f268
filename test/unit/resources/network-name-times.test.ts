import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { ProviderRecord, ResourceRecord } from "../../../src/model/objects.ts";
import type { PrivateValues, ResourceContext } from "../../../src/monitor/resource-type.ts";
import { DnsServer } from "../../../src/network/dns-query.ts";
import { NameRegistration } from "../../../src/resources/network-name-registration.ts";
import { networkName } from "../../../src/resources/network-name.ts";
import { until } from "../monitor/helpers.ts";
import { CANNOT, NameServer, ZONE } from "./name-server.ts";

const ADDRESS: ProviderRecord = { isOnline: true, resource: { id: "a", name: "a", group: "g", type: "IP Address", dependencies: [], possibleOwners: null, properties: {}, privateProperties: { Address: "192.0.2.1" } } };
const DEFAULTS: PrivateValues = Object.fromEntries(networkName.privateProperties!.map((property) => [property.name, property.default]));

describe("a Network Name as time passes", { skip: CANNOT }, () => {
  let dns: NameServer;
  let key: string;
  before(async () => {
    dns = new NameServer();
    key = dns.key("k");
    await dns.start(["k"]);
  });
  after(() => dns?.close());

  /** What the type asks of the monitor, and nothing else. */
  function started(values: PrivateValues, limitMs = 20_000): { readonly registration: NameRegistration; readonly lines: string[]; readonly troubles: boolean[] } {
    const lines: string[] = [];
    const troubles: boolean[] = [];
    const context: Partial<ResourceContext> = {
      resource: { name: "name" } as ResourceRecord,
      values: { ...DEFAULTS, DnsZone: ZONE, DnsServer: dns.address, TsigKeyFile: key, ...values },
      providers: [ADDRESS],
      clusterId: "c",
      clusterName: "C",
      generation: 1,
      signal: new AbortController().signal,
      log: (text) => void lines.push(text),
      setStatus: ({ networkFailure }) => void troubles.push(networkFailure === true),
    };
    return { registration: new NameRegistration(context as ResourceContext, { refreshMs: 50, firstRetryMs: 20, lastRetryMs: 100, limitMs }), lines, troubles };
  }

  test("it is registered anew after the refresh time, so that what was lost comes back; after the end it is not", async () => {
    const { registration, lines, troubles } = started({ Name: "daily" });
    await registration.start();
    dns.update(key, `zone ${ZONE}`, `update delete daily.${ZONE}. A`, `update delete _muster.daily.${ZONE}. TXT`);
    const times = lines.length;
    await until("two more registrations", () => lines.length >= times + 2);
    assert.equal(await dns.answers("daily"), "192.0.2.1");
    await registration.end();
    const ended = lines.length;
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.equal(lines.length, ended);
    assert.deepEqual(troubles, []);
  });

  test("trouble is told once, tried again with bounded patience, and over when the server is back", async () => {
    await dns.stop();
    const { registration, lines, troubles } = started({ Name: "again" });
    await registration.start();
    await new Promise((resolve) => setTimeout(resolve, 400));
    assert.deepEqual([lines.length, troubles], [1, [true]], lines.join("\n"));
    await dns.run();
    await until("the end of the trouble", () => troubles.at(-1) === false);
    assert.equal(await dns.answers("again"), "192.0.2.1");
    await registration.end();
  });

  test("one attempt takes no longer than its limit, and an end does not wait for it", async () => {
    dns.freeze();
    try {
      const { registration, lines } = started({ Name: "limit", DeregisterOnOffline: 1 }, 100);
      await registration.start();
      assert.match(lines.join("\n"), /trouble with DNS: The DNS server \S+ cannot be used: it was not done within 100 ms/);
      await registration.end();
      assert.match(lines.at(-1) ?? "", /stays in DNS, because it could not be removed/);
    } finally {
      dns.thaw();
    }
  });

  test("without DnsServer it is the primary that the zone names", async () => {
    const { signal } = new AbortController();
    const found = await DnsServer.find(null, ZONE, signal, dns.resolver());
    assert.deepEqual(found.server, { host: "127.0.0.1", port: 53 });
    const named = await DnsServer.find({ host: `ns.${ZONE}`, port: dns.port }, ZONE, signal, dns.resolver());
    assert.deepEqual((await named.lookUp(`daily.${ZONE}`)).addresses, ["192.0.2.1"]);
    await assert.rejects(DnsServer.find(null, "nowhere.test", signal, dns.resolver()), /the primary of nowhere\.test cannot be used/);
  });

  test("values that cannot be are refused where they are given", () => {
    const good = { ...DEFAULTS, Name: "web", DnsZone: ZONE, TsigKeyFile: "/etc/muster/dns.key" };
    const check = (values: PrivateValues): void => networkName.validate?.({ ...good, ...values }, { isGated: true });
    check({});
    check({ Name: "FIFTEEN-LETTERS", DnsName: "a-name-that-is-much-longer-than-that", DnsServer: "[2001:db8::53]:5353" });
    const wrong: [PrivateValues, RegExp][] = [
      [{ Name: "sixteen-letters-" }, /Name: /], [{ Name: "a.b" }, /Name: /], [{ DnsName: "a.b" }, /DnsName: /], [{ DnsName: "a\nsend" }, /DnsName: /],
      [{ DnsZone: "a zone" }, /DnsZone: /], [{ DnsZone: `${"x".repeat(60)}.`.repeat(4) + "yyyy" }, /DnsZone: /], [{ DnsServer: "a b" }, /DnsServer: /],
      [{ TsigKeyFile: "dns.key" }, /TsigKeyFile: .*the key itself does not belong into the database/], [{ TsigKeyFile: "/a\nb" }, /TsigKeyFile: /],
    ];
    for (const [values, message] of wrong) assert.throws(() => check(values), message);
  });
});
