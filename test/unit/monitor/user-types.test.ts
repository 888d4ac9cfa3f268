import assert from "node:assert/strict";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { ResourceRecord } from "../../../src/model/objects.ts";
import type { PropertyBag } from "../../../src/model/objects.ts";
import { describeResourceTypes } from "../../../src/monitor/describe-types.ts";
import { defineResourceType, privateValuesOf, toResourceTypeRecord } from "../../../src/monitor/resource-type.ts";
import { loadResourceTypes } from "../../../src/monitor/type-loader.ts";
import { builtInTypes } from "../../../src/resources/index.ts";
import { builtInResourceTypes } from "../../../src/model/resource-types.ts";
import type { TestHost } from "./helpers.ts";
import { Workbench, runs, until } from "./helpers.ts";

const example = fileURLToPath(new URL("../../../docs/examples/heartbeat-file.ts", import.meta.url));

/** Modules as users write them: without any import. Each behaves as its one private property says. */
const PROBE = `
export default {
  name: "Probe",
  privateProperties: [
    { name: "Behaviour", type: "string", default: "", description: "What goes wrong." },
    { name: "Journal", type: "string", default: "", description: "Where calls are noted." },
  ],
  open: async (context) => { note(context, "open"); return { calls: 0 }; },
  async online(context, state) {
    note(context, "online");
    const behaviour = context.values.Behaviour;
    if (behaviour === "throw online") throw new Error("I do not want to");
    if (behaviour === "slow online") for (let step = 0; step < 8; step++) { await sleep(100); context.progress(); }
    if (behaviour === "hang online") await new Promise((resolve) => context.signal.addEventListener("abort", resolve));
    if (behaviour === "never online") await new Promise(() => {});
    if (behaviour === "signal") setTimeout(() => context.signalFailure("the event came"), 150);
    if (behaviour === "children") { context.spawn("sleep", ["1000"]); context.spawn("sleep", ["1000"]); }
    if (behaviour === "crash") setTimeout(() => { throw new Error("a timer of mine broke"); }, 150);
  },
  async offline(context) { note(context, "offline"); if (context.values.Behaviour === "throw offline") throw new Error("no"); },
  terminate(context) { note(context, "terminate"); },
  async looksAlive(context, state) {
    note(context, "looksAlive");
    if (context.values.Behaviour === "hang poll") await new Promise(() => {});
    return context.values.Behaviour !== "looks dead" && context.values.Behaviour !== "is dead";
  },
  isAlive(context, state) {
    note(context, "isAlive");
    return context.values.Behaviour !== "is dead";
  },
  close(context) { note(context, "close"); },
};
import { appendFileSync } from "node:fs";
function note(context, call) { if (context.values.Journal !== "") appendFileSync(context.values.Journal, call + "\\n"); }
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
`;

describe("resource types of users", () => {
  let bench: Workbench;
  let node: TestHost;
  let directory: string;
  before(async () => {
    bench = new Workbench();
    directory = bench.path("types");
    mkdirSync(directory);
    writeFileSync(`${directory}/probe.mjs`, PROBE);
    writeFileSync(`${directory}/a-syntax-error.mjs`, "export default {");
    writeFileSync(`${directory}/throws.js`, "throw new Error('not today');");
    writeFileSync(`${directory}/no-default.mjs`, "export const x = 1;");
    writeFileSync(`${directory}/no-online.mjs`, `export default { name: "Lame" };`);
    writeFileSync(`${directory}/no-name.mjs`, `export default { online() {} };`);
    writeFileSync(`${directory}/bad-table.mjs`, `export default { name: "T", online() {}, privateProperties: [{ name: "a b" }] };`);
    writeFileSync(`${directory}/usurper.mjs`, `export default { name: "IP Address", online() {} };`);
    writeFileSync(`${directory}/notes.txt`, "not a module");
    copyFileSync(example, `${directory}/heartbeat-file.ts`);
    node = await bench.host(1, { resourceTypeDirectory: directory }).start();
  });
  after(() => bench.close());

  function probe(id: string, behaviour: string, properties: PropertyBag = {}): ResourceRecord {
    return { id, name: id, group: "g1", type: "Probe", dependencies: [], possibleOwners: null, properties, privateProperties: { Behaviour: behaviour, Journal: bench.path(`${id}.journal`) } };
  }

  function journal(id: string): string[] {
    return existsSync(bench.path(`${id}.journal`)) ? readFileSync(bench.path(`${id}.journal`), "utf8").trim().split("\n") : [];
  }

  test("bad modules are named with what is wrong, and do not hurt the others", async () => {
    const { records, problems } = await describeResourceTypes(directory);
    assert.deepEqual(records.map((record) => record.name).sort(), ["Heartbeat File", "Probe"]);
    const found = Object.fromEntries(problems.map(({ file, problem }) => [file, problem]));
    assert.deepEqual(Object.keys(found).sort(), ["a-syntax-error.mjs", "bad-table.mjs", "no-default.mjs", "no-name.mjs", "no-online.mjs", "throws.js", "usurper.mjs"]);
    assert.match(found["throws.js"] ?? "", /not today/);
    assert.match(found["no-default.mjs"] ?? "", /no default export/);
    assert.match(found["no-online.mjs"] ?? "", /online: the type 'Lame' must have a function here/);
    assert.match(found["no-name.mjs"] ?? "", /^name: /);
    assert.match(found["bad-table.mjs"] ?? "", /'a b' is no name for a property/);
    assert.match(found["usurper.mjs"] ?? "", /there is a type named 'IP Address' already/);
    const missing = await loadResourceTypes(builtInTypes, bench.path("nowhere"));
    assert.match(missing.problems[0]?.problem ?? "", /ENOENT/);
  });

  test("modules that hang while they are loaded are left out; one that blocks is ended", async () => {
    const hanging = bench.path("hanging");
    mkdirSync(hanging);
    for (const name of ["one", "two", "three"]) writeFileSync(`${hanging}/${name}.mjs`, `await new Promise((resolve) => setTimeout(resolve, 3_600_000)); export default {};`);
    copyFileSync(example, `${hanging}/heartbeat-file.ts`);
    const { records, problems } = await describeResourceTypes(hanging);
    assert.equal(records.length, 1);
    assert.deepEqual(problems.map(({ problem }) => problem), Array(3).fill("it was not loaded within 5000 ms"));
    writeFileSync(`${hanging}/blocks.mjs`, `for (;;);`);
    const blocked = await describeResourceTypes(hanging, 1500);
    assert.match(blocked.problems[0]?.problem ?? "", /the modules were not loaded within 1500 ms/);
  });

  test("a type that could not be loaded is the reason of its resources", async () => {
    const order = bench.online({ ...probe("u0", ""), type: "Lame" });
    node.host.send(order);
    assert.match((await node.reaches("u0", "failed", order.effect)).reason, /no resource type named 'Lame'.*no-online\.mjs could not be loaded: online: the type 'Lame'/);
  });

  test("the example of the documentation: online, polled, offline, and failed when its file cannot be written", async () => {
    const path = bench.path("heartbeat");
    const resource: ResourceRecord = { ...probe("u1", "", { LooksAlivePollInterval: 50, IsAlivePollInterval: 100 }), type: "Heartbeat File", privateProperties: { Path: path, Interval: 50 } };
    await node.bringOnline(bench.online(resource));
    const first = readFileSync(path, "utf8");
    assert.match(first, /^node1 /);
    await until("the next write", () => readFileSync(path, "utf8") !== first);
    node.host.send({ kind: "offline", effect: bench.effect(), generation: 1, resource: "u1", reason: "test" });
    await node.reaches("u1", "offline");
    assert.ok(!existsSync(path));
    mkdirSync(bench.path("folder"));
    await node.bringOnline(bench.online({ ...resource, privateProperties: { Path: bench.path("folder/beat"), Interval: 50 } }));
    rmSync(bench.path("folder"), { recursive: true });
    assert.match((await node.reaches("u1", "failed")).reason, /cannot write: ENOENT|IsAlive failed: ENOENT/);
    const wrong = bench.online({ ...resource, id: "u1b", privateProperties: { Path: "relative" } });
    node.host.send(wrong);
    assert.match((await node.reaches("u1b", "failed", wrong.effect)).reason, /Path: give the whole path/);
  });

  test("the calls of a life, in their order", async () => {
    await node.bringOnline(bench.online(probe("u2", "")));
    node.host.send({ kind: "offline", effect: bench.effect(), generation: 1, resource: "u2", reason: "test" });
    await node.reaches("u2", "offline");
    assert.deepEqual(journal("u2"), ["open", "online", "offline", "close"]);
    node.host.send(bench.online(probe("u3", "throw online")));
    assert.equal((await node.reaches("u3", "failed")).reason, "I do not want to");
    assert.deepEqual(journal("u3"), ["open", "online", "terminate", "close"]);
    await node.bringOnline(bench.online(probe("u4", "throw offline")));
    node.host.send({ kind: "offline", effect: bench.effect(), generation: 1, resource: "u4", reason: "test" });
    await node.reaches("u4", "offline");
    assert.deepEqual(journal("u4"), ["open", "online", "offline", "terminate", "close"]);
    assert.match(bench.output("u4"), /offline failed, ending it at once: no/);
  });

  test("LooksAlive false asks IsAlive at once; only IsAlive false is a failure", async () => {
    await node.bringOnline(bench.online(probe("u5", "looks dead", { LooksAlivePollInterval: 60, IsAlivePollInterval: 3_600_000 })));
    await until("some polls", () => journal("u5").length >= 8);
    const polls = journal("u5").slice(2);
    assert.ok(polls.every((call, index) => call === (index % 2 === 0 ? "looksAlive" : "isAlive")), polls.join(" "));
    await node.bringOnline(bench.online(probe("u6", "is dead", { LooksAlivePollInterval: 60, IsAlivePollInterval: 3_600_000 })));
    assert.match((await node.reaches("u6", "failed")).reason, /IsAlive says it is not alive/);
    await until("close", () => journal("u6").includes("close"));
    assert.deepEqual(journal("u6").slice(2), ["looksAlive", "isAlive", "terminate", "close"]);
  });

  test("a poll that does not answer in time is a failure, and no other poll is made beside it", async () => {
    await node.bringOnline(bench.online(probe("u7", "hang poll", { LooksAlivePollInterval: 60, IsAlivePollInterval: 100 })));
    assert.match((await node.reaches("u7", "failed")).reason, /LooksAlive failed: looksAlive did not answer within 2000 ms/);
    assert.equal(journal("u7").filter((call) => call === "looksAlive").length, 1);
  });

  test("an event is a failure without a poll", async () => {
    await node.bringOnline(bench.online(probe("u8", "signal", { LooksAlivePollInterval: 3_600_000 })));
    assert.equal((await node.reaches("u8", "failed")).reason, "the event came");
  });

  test("PendingTimeout counts from the last progress", async () => {
    await node.bringOnline(bench.online(probe("u9", "slow online", { PendingTimeout: 400 })));
    const order = bench.online(probe("u10", "hang online", { PendingTimeout: 200 }));
    node.host.send(order);
    assert.match((await node.reaches("u10", "failed", order.effect)).reason, /online did not answer within 200 ms/);
  });

  test("processes a type starts end with it, although it does nothing about them", async () => {
    const online = await node.bringOnline(bench.online(probe("u11", "children")));
    const before = bench.processes().filter((processId) => processId !== node.monitorProcessId);
    assert.ok(before.includes(online.processId ?? 0));
    const effect = bench.effect();
    node.host.send({ kind: "terminate", effect, generation: 1, resource: "u11", reason: "test" });
    await node.reaches("u11", "offline", effect);
    assert.ok(!runs(online.processId ?? 0));
  });

  test("a call that exceeds DeadlockTimeout ends the monitor; the host names the reason and starts another", async () => {
    assert.deepEqual(node.deaths, []);
    const bystander = await node.bringOnline(bench.online(bench.application("u12", "sleep 1000")));
    node.host.send(bench.online(probe("u13", "never online", { DeadlockTimeout: 1000 })));
    await until("the death", () => node.deaths.length > 0);
    assert.match(node.deaths[0] ?? "", /exceeded its DeadlockTimeout \(code 81\)/);
    assert.ok(!runs(bystander.processId ?? 0), "all trees were ended");
    assert.deepEqual(node.inventoriesAtDeath, [0]);
    await node.bringOnline(bench.online(probe("u13", ""), 2));
  });

  test("an error that a type lets escape ends the monitor in good order", async () => {
    const deaths = node.deaths.length;
    await node.bringOnline(bench.online(probe("u14", "crash"), 2));
    await until("the death", () => node.deaths.length > deaths);
    assert.match(node.deaths.at(-1) ?? "", /internal error \(code 70\)/);
    await node.bringOnline(bench.online(probe("u14", ""), 3));
  });
});

describe("the contract of resource types", () => {
  test("the built-in types are what the model says, with code", () => {
    assert.deepEqual(builtInTypes.map(toResourceTypeRecord), builtInResourceTypes);
  });

  test("private values: defaults, checks, required ones", () => {
    const type = defineResourceType({
      name: "T",
      privateProperties: [
        { name: "Needed", type: "string", default: "", required: true, description: "" },
        { name: "Count", type: "number", default: 3, minimum: 1, maximum: 5, description: "" },
      ],
      online: () => undefined,
    });
    assert.deepEqual(privateValuesOf(type, { Needed: "x" }), { Needed: "x", Count: 3 });
    assert.throws(() => privateValuesOf(type, {}), { code: "MUSTER_MISSING_PROPERTY" });
    assert.throws(() => privateValuesOf(type, { Needed: "x", Count: 9 }), { code: "MUSTER_PROPERTY_RANGE" });
    assert.throws(() => privateValuesOf(type, { Needed: "x", Other: 9 }), { code: "MUSTER_UNKNOWN_PROPERTY" });
  });
});
