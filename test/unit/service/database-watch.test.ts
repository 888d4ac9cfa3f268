import assert from "node:assert/strict";
import { test } from "node:test";
import type { StepResult } from "../../../src/core/index.ts";
import type { LogEntry } from "../../../src/log/types.ts";
import { DatabaseWatch } from "../../../src/service/database-watch.ts";
import type { DatabaseChange } from "../../../src/service/database-watch.ts";

const value = { type: "string", value: "blue" } as const;

function entry(sequence: number | null, index: number): LogEntry {
  return { epoch: 3, index, sequence, clusterTimeMs: 0, wallTimeMs: 0, origin: null, body: { type: "input", payload: "" } };
}

function changing(...keys: readonly string[]): StepResult {
  const changes = keys.map((key) => ({ table: "keys", key, value: JSON.stringify(value) }));
  return { effects: [], events: [], ownerChanges: [], changes: [...changes, { table: "requests", key: "1", value: "{}" }], outcome: null, requests: [], fault: null };
}

test("every change is told once, with its place; what concerns other tables is not", () => {
  const watch = new DatabaseWatch();
  const told: DatabaseChange[] = [];
  const stop = watch.listen((change) => told.push(change));
  watch.onEntry(entry(1, 1), changing("a", "b"));
  watch.onEntry(entry(null, 2), changing());
  watch.onEntry(entry(2, 3), changing());
  stop();
  watch.onEntry(entry(3, 4), changing("c"));
  assert.deepEqual(told, [{ at: { epoch: 3, index: 1 }, keys: [{ key: "a", value }, { key: "b", value }], readAgain: false }]);
});

test("who caught up by a copy is told to read again", () => {
  const watch = new DatabaseWatch();
  const told: DatabaseChange[] = [];
  watch.listen((change) => told.push(change));
  watch.onEntry(entry(1, 1), changing());
  watch.onView(4, 1);
  assert.equal(told.length, 0, "nothing was missed");
  watch.onView(5, 9);
  watch.onEntry(entry(12, 4), changing("a"));
  assert.deepEqual(told.map((change) => [change.at.epoch, change.readAgain]), [[5, true], [3, true]]);
});
