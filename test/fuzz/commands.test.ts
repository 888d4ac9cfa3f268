import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import * as core from "../../src/core/index.ts";
import type { Command } from "../../src/model/inputs.ts";
import { commonProperties } from "../../src/model/properties.ts";
import { Driver } from "../unit/core/driver.ts";

/**
 * Whatever comes as a command: it is carried out, or refused with a reason and nothing is changed. Never does the
 * core fail, never is half of it done. What comes is put together from right verbs, right fields, names that exist,
 * and every kind of nonsense.
 */

const RUNS = Number(process.env["FUZZ_RUNS"] ?? 4_000);
const SEED = Number(process.env["SEED"] ?? 23);

const VERBS: Readonly<Record<Command["verb"], readonly string[]>> = {
  "group.create": ["name", "properties", "preferredOwners"],
  "group.delete": ["group", "force"],
  "group.set": ["group", "properties", "preferredOwners", "name", "startsAfter"],
  "group.online": ["group", "node", "bestPossible", "ignoreLocked", "ignoreAffinity"],
  "group.offline": ["group", "ignoreLocked"],
  "group.move": ["group", "node", "ignoreLocked", "returnToSource", "queue", "highPriorityStart", "ignoreAffinity"],
  "group.cancel": ["group"],
  "resource.create": ["name", "group", "type", "properties", "privateProperties", "dependency", "possibleOwners"],
  "resource.delete": ["resource", "force"],
  "resource.set": ["resource", "properties", "privateProperties", "possibleOwners", "name"],
  "resource.depend": ["resource", "dependency"],
  "resource.move": ["resource", "group"],
  "resource.online": ["resource", "ignoreLocked"],
  "resource.offline": ["resource", "ignoreLocked"],
  "resource.fail": ["resource"],
  "node.add": ["name"],
  "node.evict": ["node", "force"],
  "node.set": ["node", "properties", "faultDomain"],
  "node.pause": ["node", "drain", "target", "force", "retry"],
  "node.resume": ["node", "failback"],
  "node.shutdown": ["node", "drain"],
  "node.clearQuarantine": ["node"],
  "cluster.set": ["properties", "name"],
  "quorum.set": ["witness"],
  "groupset.create": ["name", "groups", "properties", "startsAfter"],
  "groupset.delete": ["set"],
  "groupset.set": ["set", "name", "properties", "groups", "startsAfter"],
  "affinity.create": ["name", "type", "groups", "enabled", "soft"],
  "affinity.delete": ["rule"],
  "affinity.set": ["rule", "name", "type", "groups", "enabled", "soft"],
  "faultdomain.create": ["name", "type", "parent", "location", "description"],
  "faultdomain.delete": ["domain"],
  "faultdomain.set": ["domain", "name", "parent", "location", "description"],
  "network.discover": ["node", "interfaces"],
  "network.set": ["network", "name", "properties"],
  "core.record": ["defaultOwners", "quarantines"],
  "type.register": ["type"],
  "database.batch": ["operations"],
};

const NAMES = ["web", "idle", "shop", "web-program", "idle-program", "node1", "node2", "NODE3", "back", "apart", "west", "east", "new", "r1.5", "1", "__proto__", "constructor", "toString"];
const name = fc.constantFrom(...NAMES);
const nonsense = fc.oneof({ maxDepth: 3 }, fc.anything({ maxDepth: 3, withBigInt: false, withMap: false, withSet: false, withTypedArray: false, withDate: false }), fc.jsonValue({ maxDepth: 3 }), fc.constantFrom(null, -1, 2 ** 53, Number.NaN, "", " ", "\u0000", "x".repeat(70)));
const propertyName = fc.constantFrom(...new Set(Object.values(commonProperties).flatMap((table) => table.map((property) => property.name))), "CommandLine", "Address", "Nothing", "__proto__");
const bag = fc.dictionary(propertyName, fc.oneof(fc.integer({ min: -2, max: 5_000 }), name, fc.array(name, { maxLength: 2 }), nonsense), { maxKeys: 3 });
const interfaces = fc.array(fc.record({ adapter: fc.constantFrom("eth0", "eth1"), hardwareAddress: fc.constant("02:00:00:00:00:01"), addresses: fc.array(fc.constantFrom("10.0.0.1/24", "10.0.1.1/24", "fd00::1/64", "nonsense"), { maxLength: 2 }), defaultGateway: fc.boolean() }), { maxLength: 2 });
const value = fc.record({ type: fc.constantFrom("string", "number", "binary", "multiString", "other"), value: fc.oneof(name, fc.integer(), nonsense) });
const operation = fc.record({ operation: fc.constantFrom("set", "delete", "exists", "notExists", "equal", "notEqual", "greater", "less", "other"), key: fc.oneof(name, nonsense), value: fc.oneof(value, nonsense) }, { requiredKeys: ["operation", "key"] });

const nodeName = fc.constantFrom("node1", "node2", "NODE3", "3", "back");
const groupName = fc.constantFrom("web", "idle", "shop", "WEB", "new");
const resourceName = fc.constantFrom("web-program", "idle-program", "shop-program", "new");
const fresh = fc.oneof(fc.stringMatching(/^[a-z]{1,6}$/), name);

/** One value that the table allows, of one property that may be set. */
function allowed(owner: keyof typeof commonProperties): fc.Arbitrary<unknown> {
  const settable = commonProperties[owner].filter((property) => property.readOnly !== true);
  return fc.constantFrom(...settable).chain((property) => {
    const least = property.minimum ?? 0;
    const one = property.type === "number" ? fc.integer({ min: least, max: Math.min(property.maximum ?? least, least + 10_000) }) : property.type === "stringList" ? fc.array(fc.constantFrom("a", "b"), { maxLength: 2 }) : fc.constantFrom("", "west");
    return one.map((given) => ({ [property.name]: given }));
  });
}

const OWNERS: Readonly<Record<string, keyof typeof commonProperties>> = { group: "group", resource: "resource", node: "node", cluster: "cluster", groupset: "groupSet", network: "network" };

/** Mostly what the field is made for, so that commands get far; otherwise anything. */
function fieldValue(verb: string, field: string): fc.Arbitrary<unknown> {
  const [object = ""] = verb.split(".");
  const owner = OWNERS[object];
  const made: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
    name: fresh,
    node: nodeName,
    target: nodeName,
    group: groupName,
    resource: resourceName,
    set: fc.constantFrom("back", "new"),
    rule: fc.constantFrom("apart", "new"),
    domain: fc.constantFrom("west", "new"),
    network: fc.constantFrom("Network 1", "new"),
    properties: fc.oneof({ weight: 3, arbitrary: owner === undefined ? bag : allowed(owner) }, { weight: 1, arbitrary: bag }),
    privateProperties: fc.oneof({ weight: 3, arbitrary: fc.constant({ CommandLine: "true" }) }, { weight: 1, arbitrary: fc.constant({ Address: "127.0.0.9" }) }, { weight: 1, arbitrary: bag }),
    preferredOwners: fc.oneof(fc.uniqueArray(nodeName, { maxLength: 3 }), fc.array(name, { maxLength: 3 })),
    possibleOwners: fc.oneof(fc.constant(null), fc.uniqueArray(nodeName, { maxLength: 3 }), fc.array(name, { maxLength: 3 })),
    groups: fc.oneof(fc.uniqueArray(groupName, { maxLength: 3 }), fc.array(name, { maxLength: 3 })),
    startsAfter: fc.oneof(fc.uniqueArray(fc.constantFrom("web", "idle", "back"), { maxLength: 2 }), fc.array(name, { maxLength: 3 })),
    dependency: fc.constantFrom("", "[web-program]", "[idle-program] and ([web-program] or [shop-program])", "[", "nonsense"),
    type:
      object === "type"
        ? fc.record({ name: fresh, description: fc.constant("made up"), properties: fc.constant({}), privateProperties: fc.oneof(fc.constant([]), nonsense) })
        : fc.constantFrom("Generic Application", "IP Address", "SameNode", "DifferentFaultDomain", "Site", "Rack", "Chassis"),
    failback: fc.constantFrom(true, false, "FailbackGroupsPerPolicy", "DoNotFailbackGroups"),
    faultDomain: fc.oneof(fc.constant(null), name),
    parent: fc.oneof(fc.constant(null), name),
    witness: fc.oneof(fc.constant(null), fc.record({ kind: fc.constantFrom("disk", "fileShare", "cloud", "daemon", "moon"), properties: fc.oneof(fc.constant({ SharePath: "/w" }), bag) })),
    interfaces,
    operations: fc.array(operation, { maxLength: 4 }),
    defaultOwners: fc.array(fc.tuple(name, fc.integer({ min: 0, max: 9 })), { maxLength: 2 }),
    quarantines: fc.array(fc.record({ node: fc.integer({ min: 0, max: 9 }), untilWallMs: fc.oneof(fc.constant(null), fc.integer()) }), { maxLength: 2 }),
  };
  const isFlag = /^(force|drain|retry|queue|enabled|soft|bestPossible|ignore|return|highPriority)/.test(field);
  return fc.oneof({ weight: 12, arbitrary: made[field] ?? (isFlag ? fc.boolean() : name) }, { weight: 1, arbitrary: nonsense });
}

const command: fc.Arbitrary<unknown> = fc.constantFrom(...(Object.keys(VERBS) as Command["verb"][])).chain((verb) => {
  const fields = Object.fromEntries(VERBS[verb].map((field) => [field, fieldValue(verb, field)]));
  const extra = fc.dictionary(fc.string({ maxLength: 4 }), nonsense, { maxKeys: 1 });
  // What names the object is nearly always there, or nothing but its absence would be tried.
  const needed = VERBS[verb].slice(0, verb === "resource.create" ? 3 : 1);
  return fc.tuple(fc.oneof({ weight: 9, arbitrary: fc.record(fields, { requiredKeys: needed }) }, { weight: 1, arbitrary: fc.record(fields, { requiredKeys: [] }) }), extra).map(([given, more]) => ({ ...more, ...given, verb }));
});

function begin(): Driver {
  const driver = Driver.started(3);
  driver.role("web", { preferred: ["node1", "node2"] });
  driver.role("idle", { online: false });
  driver.role("shop");
  driver.do({ verb: "groupset.create", name: "back", groups: ["web"] });
  driver.do({ verb: "affinity.create", name: "apart", type: "DifferentNode", groups: ["web", "shop"], soft: true });
  driver.do({ verb: "faultdomain.create", name: "west", type: "Site" });
  driver.do({ verb: "node.pause", node: "node3" });
  for (const node of [1, 2]) driver.do({ verb: "network.discover", node: `node${node}`, interfaces: [{ adapter: "eth0", hardwareAddress: "02:00:00:00:00:01", addresses: [`10.0.0.${node}/24`], defaultGateway: true }] });
  return driver;
}

/** As it would come out of the log: what JSON does not carry is gone. */
function throughTheLog(given: unknown): Command {
  return JSON.parse(JSON.stringify(given)) as Command;
}

function checkOne(driver: Driver, given: unknown): void {
  const before = driver.configuration();
  const everything = driver.everything();
  const dry = core.dryRun(driver.state, throughTheLog(given));
  assert.equal(driver.everything(), everything, "a dry run changed something");
  const result = driver.command(throughTheLog(given));
  const error = result.outcome?.error ?? null;
  assert.notEqual(error?.code, "MUSTER_INTERNAL", error?.message);
  if (error !== null) {
    assert.equal(driver.configuration(), before, `refused with ${error.code}, and something was changed`);
    assert.ok(error.message.length > 5 && error.next.length > 5);
    assert.deepEqual(result.effects, [], "a refused command orders nothing");
  }
  // Only what the service of a cluster asks for is not an administrator's to try.
  assert.equal(dry.error?.code ?? null, error?.code ?? null, "the dry run said otherwise");
  driver.settle();
  assert.equal(core.recomputedHashes(driver.state).state, core.stateHash(driver.state));
  assert.equal(core.snapshot(core.restore(core.snapshot(driver.state))), core.snapshot(driver.state));
  core.describeCluster(driver.state);
}

test(`${RUNS} commands of every kind, one after the other on clusters that they change`, () => {
  const carriedOut = new Map<string, number>();
  fc.assert(
    fc.property(fc.array(command, { minLength: 1, maxLength: 12 }), (commands) => {
      const driver = begin();
      for (const one of commands) {
        checkOne(driver, one);
        const verb = (one as { verb: string }).verb;
        carriedOut.set(verb, carriedOut.get(verb) ?? 0);
        if (driver.lastOutcome?.error === null) carriedOut.set(verb, (carriedOut.get(verb) ?? 0) + 1);
      }
    }),
    { numRuns: Math.ceil(RUNS / 6), seed: SEED },
  );
  // A fuzzer that is always turned away at the door tests the door.
  const never = Object.keys(VERBS).filter((verb) => (carriedOut.get(verb) ?? 0) === 0 && verb !== "group.cancel");
  assert.deepEqual(never, [], "verbs that were never carried out");
});

test("a batch of the database changes all of it or nothing", () => {
  fc.assert(
    fc.property(fc.array(fc.array(operation, { maxLength: 5 }), { minLength: 1, maxLength: 6 }), (batches) => {
      const driver = Driver.started(1);
      for (const operations of batches) {
        const before = JSON.stringify(core.databaseKeys(driver.state).map((key) => [key, core.databaseValue(driver.state, key)]));
        const result = driver.command(throughTheLog({ verb: "database.batch", operations }));
        const error = result.outcome?.error ?? null;
        assert.notEqual(error?.code, "MUSTER_INTERNAL", error?.message);
        const after = JSON.stringify(core.databaseKeys(driver.state).map((key) => [key, core.databaseValue(driver.state, key)]));
        if (error !== null) assert.equal(after, before);
      }
    }),
    { numRuns: 1_500, seed: SEED },
  );
});
