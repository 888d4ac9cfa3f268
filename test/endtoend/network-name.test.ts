import assert from "node:assert/strict";
import { after, afterEach, describe, test } from "node:test";
import { CANNOT, NameServer, ZONE } from "../unit/resources/name-server.ts";
import { Launcher } from "./support/launcher.ts";
import { Sandbox } from "./support/sandbox.ts";
import { until } from "./support/until.ts";

/** A role with two addresses and a name on them, from the command to the answer of a real name server. */

describe("a name for a role", { skip: CANNOT }, () => {
  const sandbox = new Sandbox("127.0.20.1", "127.0.20.2");
  const dns = new NameServer();
  afterEach(() => sandbox.killAll());
  after(async () => {
    await dns.close();
    sandbox.dispose();
  });

  test("it follows its addresses and its role, and is removed when that is asked for", async () => {
    const key = dns.key("muster", "hmac-sha512");
    await dns.start(["muster"]);
    const launcher = await Launcher.start(sandbox, { options: ["--nodes", "3"], program: ["sleep", "1000"] });
    const done = async (...words: readonly string[]): Promise<void> => {
      const { exitCode, stderr } = await launcher.muster(...words);
      assert.equal(exitCode, 0, stderr);
    };
    await done("group", "create", "web");
    for (const number of [1, 2]) await done("resource", "create", `ip${number}`, "--group", "web", "--type", "IP Address", `Address=127.0.20.${number}`);
    const values = ["Name=web", `DnsZone=${ZONE}`, `DnsServer=${dns.address}`, `TsigKeyFile=${key}`];
    await done("resource", "create", "web name", "--group", "web", "--type", "Network Name", "--dependency", "([ip1] or [ip2])", "LooksAlivePollInterval=100", ...values);
    const twice = await launcher.muster("resource", "create", "other name", "--group", "web", "--type", "Network Name", ...values, "--json");
    assert.equal(twice.error().code, "MUSTER_NAME_IN_USE");
    const secret = await launcher.muster("resource", "create", "other name", "--group", "web", "--type", "Network Name", ...values, "TsigKeyFile=c2VjcmV0", "--json");
    assert.equal(secret.error().field, "TsigKeyFile");

    await done("group", "online", "web");
    await until("both addresses are registered", async () => (await dns.answers("web")) === "127.0.20.1 127.0.20.2");
    await done("resource", "offline", "ip2");
    await until("one of them is", async () => (await dns.answers("web")) === "127.0.20.1");
    assert.equal((await launcher.resource("web name")).state, "Online");
    await done("resource", "online", "ip2");
    await until("both are again", async () => (await dns.answers("web")) === "127.0.20.1 127.0.20.2");

    const before = await dns.marker("web");
    assert.match(before, new RegExp(`^muster=1 cluster=${launcher.clusterId} generation=\\d+ name=demo$`));
    await done("group", "move", "web");
    await until("the new owner's registration", async () => (await dns.marker("web")) !== before);
    assert.equal(await dns.answers("web").then((answer) => answer.split(" ")[0]), "127.0.20.1");

    await done("resource", "set", "web name", "DeregisterOnOffline=1");
    await done("group", "offline", "web");
    assert.deepEqual([await dns.answers("web"), await dns.marker("web")], ["", ""]);
    assert.equal(await launcher.interrupt(), 0);
    await sandbox.assertNothingLeft();
  });
});
