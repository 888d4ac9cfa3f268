import assert from "node:assert/strict";
import { test } from "node:test";
import { parseTime } from "../../../src/cli/times.ts";

const NOON = new Date(2026, 4, 4, 12, 0, 0).getTime();

test("times are understood as people write them", () => {
  const cases: readonly (readonly [string, number])[] = [
    ["90min", NOON - 5_400_000],
    ["12h ago", NOON - 43_200_000],
    ["3d", NOON - 259_200_000],
    ["11:30", new Date(2026, 4, 4, 11, 30).getTime()],
    ["23:50", new Date(2026, 4, 3, 23, 50).getTime()],
    ["2026-05-04T02:00", new Date(2026, 4, 4, 2, 0).getTime()],
    ["2026-05-04 02:00:30", new Date(2026, 4, 4, 2, 0, 30).getTime()],
    ["2026-05-04T02:00:00Z", Date.UTC(2026, 4, 4, 2)],
  ];
  for (const [text, expected] of cases) assert.equal(parseTime(text, "--at", NOON), expected, text);
});

test("what is no time is refused with its field", () => {
  for (const text of ["yesterday", "", "12", "5w"]) assert.throws(() => parseTime(text, "--at", NOON), /--at/, text);
});
