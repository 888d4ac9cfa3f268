import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { ErrorCatalogue, MusterError } from "../../../src/model/errors.ts";
import type { ErrorCode } from "../../../src/model/errors.ts";
import { EventCatalogue } from "../../../src/model/events.ts";
import { compareOrdinalIds, generationAt, INDEX_MAX, ordinalId } from "../../../src/model/identifiers.ts";
import { commonProperties, validateProperties } from "../../../src/model/properties.ts";
import { builtInResourceTypes } from "../../../src/model/resource-types.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..");
const sources = globSync("src/**/*.ts", { cwd: root }).map((file) => readFileSync(join(root, file), "utf8"));

test("an error survives the way through the API", () => {
  const error = new MusterError("MUSTER_NODE_NOT_FOUND", { name: "n9" });
  assert.equal(error.message, "There is no node named 'n9'.");
  const back = MusterError.fromBody(JSON.parse(JSON.stringify(error.toBody())));
  assert.deepEqual([back.code, back.message, back.next, back.exitCode], [error.code, error.message, error.next, error.exitCode]);
});

test("what was not foreseen keeps its cause", () => {
  const cause = new TypeError("no such thing");
  const wrapped = MusterError.from(cause);
  assert.equal(wrapped.code, "MUSTER_INTERNAL");
  assert.equal(wrapped.cause, cause);
});

test("every error says what to do, and is used somewhere", () => {
  for (const code of Object.keys(ErrorCatalogue) as ErrorCode[]) {
    const { message, next, httpStatus, exitCode } = ErrorCatalogue[code];
    assert.ok(message.length > 0 && next.length > 0, code);
    assert.ok(httpStatus >= 400 && httpStatus < 600 && exitCode > 0 && exitCode < 128, code);
    assert.ok(sources.some((text) => text.includes(`"${code}"`)), `${code} is raised nowhere`);
  }
});

test("every event is raised somewhere", () => {
  const raised = globSync("src/{core,nlb}/*.ts", { cwd: root }).map((file) => readFileSync(join(root, file), "utf8")).join("\n");
  for (const name of Object.keys(EventCatalogue)) assert.match(raised, new RegExp(`\\b${name}\\b`), `${name} is raised nowhere`);
});

test("event codes are unique", () => {
  const codes = Object.values(EventCatalogue).map((event) => event.code);
  assert.equal(new Set(codes).size, codes.length);
});

test("ids order by epoch, index and number", () => {
  const ids = ["10.0.0", "2.10.1", "2.9.5", "2.10.0"];
  assert.deepEqual(ids.sort(compareOrdinalIds), ["2.9.5", "2.10.0", "2.10.1", "10.0.0"]);
  assert.equal(ordinalId(3, 4, 5), "3.4.5");
  assert.ok(generationAt(2, 0) > generationAt(1, INDEX_MAX), "a later epoch is a later generation");
});

test("every default is allowed by its own definition", () => {
  const tables = [...Object.values(commonProperties), ...builtInResourceTypes.map((type) => type.privateProperties)];
  for (const table of tables) {
    for (const property of table) {
      if (property.readOnly) continue;
      assert.doesNotThrow(() => validateProperties([property], { [property.name]: property.default }, "test"), property.name);
    }
  }
});
