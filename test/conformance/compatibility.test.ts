import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { EventCatalogue } from "../../src/model/events.ts";
import { commonProperties } from "../../src/model/properties.ts";
import type { PropertyOwner } from "../../src/model/properties.ts";
import { EVENTS, FEATURES, FEATURE_WORDS, NLB_EVENTS, PROPERTIES } from "./facts.ts";

/** docs/windows-compatibility.md says what works; this keeps it from saying more, or less, than the code and its tests do. */

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const page = readFileSync(join(root, "docs/windows-compatibility.md"), "utf8");

const HEADINGS: Readonly<Record<PropertyOwner, string>> = {
  cluster: "Properties of a cluster",
  node: "Properties of a node",
  group: "Properties of a group",
  resource: "Properties of a resource",
  resourceType: "Properties of a resource type",
  network: "Properties of a network",
  networkInterface: "Properties of a network interface",
  groupSet: "Properties of a group set",
};

/** Cells of the table under a heading, without its head. */
function rows(heading: string): string[][] {
  const [, section] = page.split(`\n## ${heading}\n`);
  assert.ok(section !== undefined, `no chapter "${heading}"`);
  const lines = (section.split("\n## ")[0] ?? "").split("\n").filter((line) => line.startsWith("| "));
  return lines.slice(2).map((line) => line.slice(2, -2).split(" | ").map((cell) => cell.trim()));
}

/** The text of a test: of a file, or of all files of a story. */
function textOf(named: string, row: string): string {
  const path = join(root, named.replaceAll("`", ""));
  assert.ok(existsSync(path), `${row}: ${named} does not exist`);
  if (!statSync(path).isDirectory()) {
    assert.match(named, /\.test\.ts`$/, `${row}: ${named} is no test`);
    return readFileSync(path, "utf8");
  }
  assert.ok(existsSync(join(path, "golden.txt")), `${row}: ${named} is no story`);
  return globSync(join(path, "*")).map((file) => readFileSync(file, "utf8")).join("\n");
}

test("every feature has one row, and what works names its test", () => {
  const found = rows("Features");
  assert.deepEqual(found.map(([number]) => Number(number)), Array.from({ length: FEATURES }, (_, position) => position + 1));
  for (const [number, , state, how, named] of found) {
    const row = `feature ${number}`;
    assert.ok(["works", "planned", "will not"].includes(state ?? ""), `${row}: ${state}`);
    assert.ok((how ?? "").length > 5, `${row}: nothing is said of it`);
    if (state === "works") assert.match(textOf(named ?? "", row), FEATURE_WORDS[Number(number)] ?? /^$/, `${row}: ${named} does not speak of it`);
    else assert.equal(named, "–", `${row}: a test of what does not work`);
  }
});

for (const owner of Object.keys(HEADINGS) as PropertyOwner[]) {
  test(`every property: ${HEADINGS[owner].toLowerCase()}`, () => {
    const found = rows(HEADINGS[owner]);
    assert.deepEqual(found.map(([name]) => name?.replaceAll("`", "")), PROPERTIES[owner]);
    for (const [cell = "", state, named = ""] of found) {
      const name = cell.replaceAll("`", "");
      const definition = commonProperties[owner].find((property) => property.name === name);
      const expected = definition === undefined ? ["planned", "will not"] : definition.stored === true ? ["kept"] : ["works"];
      assert.ok(expected.includes(state ?? ""), `${name} is called "${state}", the code says ${expected.join(" or ")}`);
      if (state === "works") assert.match(textOf(named, name), new RegExp(`\\b${name}\\b`), `${named} does not speak of ${name}`);
      else assert.ok(named.length > 3, `${name}: no reason`);
    }
  });
}

test("every property of ours is in the published lists, or says that it is our own", () => {
  for (const [owner, table] of Object.entries(commonProperties)) {
    for (const property of table) assert.ok(PROPERTIES[owner]?.includes(property.name) === true || /Muster's own/i.test(property.description), `${owner} ${property.name}`);
  }
});

test("an event has a number of the published list exactly when it is not one of our own", () => {
  const named = new Set(rows("Events").map(([number]) => Number(number)));
  const balancing = readFileSync(new URL("../../docs/nlb.md", import.meta.url), "utf8");
  for (const [name, { code }] of Object.entries(EventCatalogue)) {
    const isBalancing = name.startsWith("Nlb");
    assert.equal((isBalancing ? NLB_EVENTS : EVENTS).has(code), code < 20_000, `${name} ${code}`);
    if (code < 20_000) assert.ok(isBalancing ? new RegExp(`^\\| ${code} \\|`, "m").test(balancing) : named.has(code), `${name} ${code} has no row`);
  }
  assert.equal(new Set(Object.values(EventCatalogue).map(({ code }) => code)).size, Object.keys(EventCatalogue).length, "a number is used twice");
});
