import assert from "node:assert/strict";
import { test } from "node:test";
import { duration, table } from "../../../src/cli/output.ts";
import { parsePairs } from "../../../src/cli/properties.ts";
import { exitCodes } from "../../../src/cli/exit-codes.ts";
import { MusterError, ErrorCatalogue } from "../../../src/model/errors.ts";
import { resourceProperties } from "../../../src/model/properties.ts";

test("columns line up and the last one is not padded", () => {
  assert.equal(table(["A", "B"], [["one", "x"], ["three", "a long text"]]), "A      B\none    x\nthree  a long text");
  assert.equal(table(["A", "B"], []), "A  B");
});

test("times are told in the largest sensible unit", () => {
  const cases: readonly (readonly [number, string])[] = [[0, "0 ms"], [999, "999 ms"], [1_000, "1 s"], [75_000, "1 min 15 s"], [3_600_000, "1 h 0 min"], [-5, "0 ms"]];
  for (const [ms, text] of cases) assert.equal(duration(ms), text);
});

test("NAME=VALUE becomes what the property is; the rest is left to the cluster to refuse", () => {
  assert.deepEqual(parsePairs(["RestartThreshold=5", "Description=a=b c"], resourceProperties), { RestartThreshold: 5, Description: "a=b c" });
  assert.deepEqual(parsePairs(["RestartThreshold=many", "Unknown=1"], resourceProperties), { RestartThreshold: "many", Unknown: "1" });
  assert.throws(() => parsePairs(["RestartThreshold"], resourceProperties), (error: unknown) => error instanceof MusterError && error.code === "MUSTER_INVALID_ARGUMENT");
});

test("every error has an exit code that is told", () => {
  const told = exitCodes().flatMap(({ errors }) => errors);
  assert.deepEqual([...told].sort(), Object.keys(ErrorCatalogue).sort());
});
