import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { filterTable } from "../../src/nlb-filter/ruleset.ts";
import { hostPaths } from "../../src/nlb-host/files.ts";
import { CANNOT, until } from "../unit/network/lab.ts";
import { Balanced } from "./support/balanced.ts";
import { FOUR } from "./support/traffic.ts";

describe("a host that ended without a word and is removed", { skip: CANNOT }, () => {
  let cluster: Balanced;
  before(async () => {
    cluster = await Balanced.form({ hosts: 2, spare: 1 });
  });
  after(() => cluster?.close());

  test("what joining and leaving would do is said first, and changes nothing; the process says in JSON what it does", async () => {
    const parse = (number: number, ...words: string[]): Record<string, unknown> => JSON.parse(cluster.muster(number, ...words, "--json")) as Record<string, unknown>;
    const token = cluster.muster(1, "token").trim();
    const joining = parse(3, "join", token, "--adapter", "eth0", "--dry-run");
    assert.deepEqual([joining["dryRun"], joining["cluster"], joining["host"]], [true, "cluster.local", null]);
    assert.equal(existsSync(cluster.directory(3)), false);
    const leaving = parse(2, "remove", "--dry-run");
    assert.deepEqual([leaving["host"], leaving["runs"], leaving["others"]], [2, true, [1]]);
    assert.match(cluster.muster(2, "remove", "--dry-run"), /^What would be done:\n {2}Host 2 would stop/);
    await cluster.settled();
    assert.deepEqual(parse(2, "service", "stop"), { stopped: true, ran: true });
    assert.deepEqual(parse(2, "service", "stop"), { stopped: true, ran: false });
    assert.deepEqual(parse(2, "service", "start"), { host: 2, started: true });
    await cluster.settled();
    // The dry run has not used it.
    cluster.muster(3, "join", token, "--adapter", "eth0", "--name", "h3");
    await cluster.settled([1, 2, 3]);
    assert.deepEqual(parse(3, "remove"), { removed: true, ran: true, host: 3, cluster: "cluster.local" });
    await cluster.settled();
  });

  const tables = (): string => cluster.lab.on(2, ["nft", "list", "tables"]);
  const addresses = (): string => cluster.lab.on(2, ["ip", "addr", "show", "dev", "eth0"]);

  test("leaves no table and no address, and the others go on", async () => {
    cluster.signal(2, "SIGKILL");
    await until("its processes are gone", async () => (cluster.processes(2).length === 0 ? true : null));
    assert.ok(tables().includes(filterTable("eth0")));
    assert.ok(addresses().includes(`${FOUR}/`));
    cluster.muster(2, "remove");
    assert.ok(!tables().includes(filterTable("eth0")));
    assert.ok(!addresses().includes(`${FOUR}/`));
    assert.equal(existsSync(hostPaths.configuration(cluster.directory(2))), false);
    await cluster.settled([1]);
  });
});
