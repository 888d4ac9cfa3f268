import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { ResourceRecord } from "../../../src/model/objects.ts";
import type { StateReport, TestHost } from "./helpers.ts";
import { Workbench, until } from "./helpers.ts";

const example = fileURLToPath(new URL("../../../docs/examples/backup-lock.ts", import.meta.url));

/** Says what stands in a file, one word per line: `locked`, `!locked`, `embedded REASON`, `well`, `nonsense`. */
const TELLER = `
import { existsSync, readFileSync, rmSync } from "node:fs";
export default {
  name: "Teller",
  privateProperties: [{ name: "Path", type: "string", default: "", description: "What to say." }],
  online() {},
  looksAlive(context) {
    const path = context.values.Path;
    if (!existsSync(path)) return true;
    const [word, ...rest] = readFileSync(path, "utf8").split(" ");
    rmSync(path);
    if (word === "embedded") context.signalEmbeddedFailure(rest.join(" "));
    else if (word === "well") context.signalEmbeddedFailure(null);
    else if (word === "late") setTimeout(() => context.setStatus({ locked: true }), 300);
    else context.setStatus({ [word.replace("!", "")]: word === "number" ? 5 : !word.startsWith("!") });
    return true;
  },
};
`;

describe("what a type says beside the state", () => {
  let bench: Workbench;
  let node: TestHost;
  before(async () => {
    bench = new Workbench();
    const directory = bench.path("types");
    mkdirSync(directory);
    writeFileSync(`${directory}/teller.mjs`, TELLER);
    copyFileSync(example, `${directory}/backup-lock.ts`);
    node = await bench.host(1, { resourceTypeDirectory: directory }).start();
  });
  after(() => bench.close());

  function resource(id: string, type = "Teller"): ResourceRecord {
    return { id, name: id, group: "g1", type, dependencies: [], possibleOwners: null, properties: { LooksAlivePollInterval: 20 }, privateProperties: { Path: bench.path(id) } };
  }

  function reportsOf(id: string): StateReport[] {
    return node.reports.filter((report) => report.resource === id);
  }

  /** At once whole: the module must not read half a word. */
  function put(id: string, text: string): void {
    writeFileSync(bench.path(`${id}.new`), text);
    renameSync(bench.path(`${id}.new`), bench.path(id));
  }

  async function says(id: string, text: string): Promise<StateReport> {
    const before = reportsOf(id).length;
    put(id, text);
    return until(`the report of ${text}`, () => reportsOf(id)[before]);
  }

  test("it is reported when it changes, with every later report, and in the inventory; it ends with the start", async () => {
    await node.bringOnline(bench.online(resource("s1")));
    assert.ok(!("status" in node.host.inventory()[0]!), "it has said nothing");
    assert.deepEqual((await says("s1", "locked")).status, { locked: true });
    assert.deepEqual(node.host.inventory().find((item) => item.resource === "s1")?.status, { locked: true });
    const ready = await says("s1", "applicationReady");
    assert.deepEqual([ready.state, ready.status], ["online", { locked: true, applicationReady: true }]);
    assert.deepEqual((await says("s1", "!locked")).status, { locked: false, applicationReady: true });
    // The same once more is no news.
    const count = reportsOf("s1").length;
    put("s1", "!locked");
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.equal(reportsOf("s1").length, count);
    node.host.send({ kind: "offline", effect: bench.effect(), generation: 1, resource: "s1", reason: "test" });
    assert.equal((await node.reaches("s1", "offline")).status, undefined);
    await node.bringOnline(bench.online(resource("s1"), 2));
    assert.equal(reportsOf("s1").at(-1)?.status, undefined);
  });

  test("an embedded failure has its reason, until it is well again", async () => {
    await node.bringOnline(bench.online(resource("s2")));
    const failed = await says("s2", "embedded the guest does not answer");
    assert.deepEqual([failed.state, failed.status, failed.reason], ["online", { embeddedFailure: true }, "the guest does not answer"]);
    const well = await says("s2", "well");
    assert.deepEqual([well.status, well.reason], [{ embeddedFailure: false }, "test"]);
  });

  test("a status that nobody knows, or no status at all, is a failure with its name", async () => {
    for (const [id, word, problem] of [["s3", "sleepy", /setStatus: 'sleepy' is not one of locked/], ["s4", "embeddedFailure", /setStatus: 'embeddedFailure' is not one of/], ["s5", "number", /setStatus: 'number'/]] as const) {
      await node.bringOnline(bench.online(resource(id)));
      put(id, word);
      assert.match((await node.reaches(id, "failed")).reason, problem);
    }
  });

  test("what a life says after its end does not count", async () => {
    await node.bringOnline(bench.online(resource("s6")));
    put("s6", "late");
    await new Promise((resolve) => setTimeout(resolve, 150));
    node.host.send({ kind: "offline", effect: bench.effect(), generation: 1, resource: "s6", reason: "test" });
    await node.reaches("s6", "offline");
    await node.bringOnline(bench.online(resource("s6"), 2));
    await new Promise((resolve) => setTimeout(resolve, 400));
    assert.deepEqual(reportsOf("s6").filter((report) => report.status !== undefined), []);
  });

  test("the example of the documentation locks while its file is there", async () => {
    await node.bringOnline(bench.online(resource("s7", "Backup Lock")));
    put("s7", "");
    await until("it is locked", () => reportsOf("s7").at(-1)?.status?.locked === true);
    rmSync(bench.path("s7"));
    await until("it is free", () => reportsOf("s7").at(-1)?.status?.locked === false);
  });
});
