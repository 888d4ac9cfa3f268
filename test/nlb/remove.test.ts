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
    cluster = await Balanced.form({ hosts: 2 });
  });
  after(() => cluster?.close());

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
