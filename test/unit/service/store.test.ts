import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { generationAt } from "../../../src/model/identifiers.ts";
import { clusterPaths, createCluster, readCluster, readInitialStore } from "../../../src/service/cluster-files.ts";
import { lastIncarnation, openStore } from "../../../src/service/store.ts";

describe("the first copy of a node's database", () => {
  const directory = mkdtempSync(join(tmpdir(), "muster-store-"));
  after(() => rmSync(directory, { recursive: true, force: true }));
  const configuration = createCluster(directory, "test", ["n1", "n2"]);

  test("has the vote its name was written down for, once", async () => {
    const first = await openStore(directory, configuration, "n1");
    assert.equal(first.store, configuration.nodes[0]!.store);
    assert.equal(readInitialStore(directory, "n1"), null, "the name is used up");
    assert.ok(first.durable.rows.some((row) => row.table === "nodes"), "it begins with the cluster's first state");
    await first.database.close();
    const again = await openStore(directory, configuration, "n1");
    assert.equal(again.store, first.store);
    await again.database.close();
  });

  test("a copy that is made after the first was lost is another copy", async () => {
    rmSync(clusterPaths.database(directory, "n1"));
    for (const suffix of ["-wal", "-shm"]) rmSync(`${clusterPaths.database(directory, "n1")}${suffix}`, { force: true });
    const second = await openStore(directory, configuration, "n1");
    assert.notEqual(second.store, configuration.nodes[0]!.store);
    await second.database.close();
  });

  test("of an earlier release counts on above the generations that roles were started with then", async () => {
    const opened = await openStore(directory, configuration, "n2");
    await new Promise<void>((resolve, reject) => opened.database.write({ promised: 7, metadata: { "log.numbering": "" } }, (error) => (error === null ? resolve() : reject(error))));
    await opened.database.close();
    const upgraded = await openStore(directory, configuration, "n2");
    // An epoch had room for 2^24 entries in the first release.
    assert.ok(generationAt(upgraded.durable.promised + 1, 0) > 7 * 2 ** 24 + 2 ** 24 - 1);
    await upgraded.database.close();
    const again = await openStore(directory, configuration, "n2");
    assert.equal(again.durable.promised, upgraded.durable.promised, "once");
    await again.database.close();
  });

  test("the files of a cluster come back as they were made", () => {
    assert.deepEqual(readCluster(directory), configuration);
    assert.equal(readFileSync(clusterPaths.key(directory), "utf8").length, 64);
  });
});

test("the newest life of a node is read from its own rows, and from the last view it accepted", () => {
  const rows = [
    { table: "requests", key: "1", value: JSON.stringify({ incarnation: 42, highest: 7, failures: [] }) },
    { table: "keys", key: "2", value: "{}" },
  ];
  assert.equal(lastIncarnation({ rows, metadata: {} }, 1), 42);
  assert.equal(lastIncarnation({ rows, metadata: {} }, 2), 0);
  const metadata = { "log.acceptedMembers": JSON.stringify([{ node: 1, incarnation: 41 }, { node: 2, incarnation: 50 }]) };
  assert.equal(lastIncarnation({ rows, metadata }, 1), 42);
  assert.equal(lastIncarnation({ rows, metadata }, 2), 50);
});
