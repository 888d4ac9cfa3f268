import assert from "node:assert/strict";
import { test } from "node:test";
import * as core from "../../../src/core/index.ts";
import { MusterError } from "../../../src/model/errors.ts";
import { Driver } from "./driver.ts";

test("expressions that are understood", () => {
  const cases: [string, string[][]][] = [
    ["", []],
    ["  ", []],
    ["[a]", [["a"]]],
    ["[a b]", [["a b"]]],
    ["[ a ]", [["a"]]],
    ["([a])", [["a"]]],
    ["[a] and [b]", [["a"], ["b"]]],
    ["[a] AND ([b] OR [c])", [["a"], ["b", "c"]]],
    ["([a] or [b]) and ([c] or [d] or [e])", [["a", "b"], ["c", "d", "e"]]],
    ["\t[r1.2]and[b]", [["r1.2"], ["b"]]],
  ];
  for (const [text, expected] of cases) assert.deepEqual(core.parseDependency(text), expected, text);
});

test("expressions that are not: each says where", () => {
  const cases: [string, RegExp][] = [
    ["a", /'a' at character 1 is not understood/],
    ["[a] [b]", /'and' expected at character 5, found '\[b\]'/],
    ["[a] and", /a name in brackets is missing at the end/],
    ["[a] or [b]", /'and' expected at character 5, found 'or'/],
    ["([a] or [b]", /'or' or '\)' is missing at the end/],
    ["([a] and [b])", /'or' or '\)' expected at character 6, found 'and'/],
    ["(([a]))", /a name in brackets expected at character 2/],
    ["[]", /'\[\]' at character 1/],
    ["[a] & [b]", /'&' at character 5/],
    ["not [a]", /'not' at character 1/],
    ["[a", /'\[' at character 1/],
  ];
  for (const [text, problem] of cases) {
    assert.throws(
      () => core.parseDependency(text),
      (error: unknown) => error instanceof MusterError && error.code === "MUSTER_DEPENDENCY_SYNTAX" && problem.test(error.message) && error.details["field"] === "dependency",
      text,
    );
  }
});

test("names and ids are resolved, printed back, and doubled ones dropped", () => {
  const driver = Driver.started(1);
  driver.do({ verb: "group.create", name: "g" });
  for (const name of ["a", "B c", "d"]) driver.program(name, "g");
  const id = core.describeResource(driver.state, "d").id;
  driver.program("top", "g", {}, undefined, `([A] or [b C] or [a]) and [${id}] and ([b c] or [a])`);
  assert.equal(core.describeResource(driver.state, "top").dependency, "([a] or [B c]) and [d]");
});

test("cycles, other groups and unknown names are refused and change nothing", () => {
  const driver = Driver.started(1);
  for (const group of ["g", "h"]) driver.do({ verb: "group.create", name: group });
  driver.program("a", "g");
  driver.program("b", "g", {}, undefined, "[a]");
  driver.program("c", "g", {}, undefined, "[b]");
  driver.program("far", "h");
  const before = driver.everything();
  const cycle = driver.refused({ verb: "resource.depend", resource: "a", dependency: "[c]" }, "MUSTER_DEPENDENCY_CYCLE");
  assert.match(cycle.outcome?.error?.message ?? "", /a → c → b → a/);
  driver.refused({ verb: "resource.depend", resource: "a", dependency: "[a]" }, "MUSTER_DEPENDENCY_CYCLE");
  driver.refused({ verb: "resource.depend", resource: "a", dependency: "[far]" }, "MUSTER_DEPENDENCY_OUTSIDE_GROUP");
  driver.refused({ verb: "resource.depend", resource: "a", dependency: "[nobody]" }, "MUSTER_RESOURCE_NOT_FOUND");
  assert.equal(driver.everything(), before);
});
