import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeEntry, encodeEntry } from "../../../src/log/codec.ts";
import { EntryStore } from "../../../src/log/entries.ts";
import type { EntryBody, LogEntry } from "../../../src/log/types.ts";
import type { Weights } from "../../../src/model/votes.ts";

const firstWeights: Weights = { version: 1, votes: [{ node: 1, store: "s1", votes: 1 }], witness: null };

function entry(sequence: number, epoch: number, body: EntryBody = { type: "input", payload: `${sequence}` }): LogEntry {
  return { epoch, index: sequence, sequence, clusterTimeMs: 10 * sequence, wallTimeMs: 0, origin: { node: 1, incarnation: 7, number: sequence }, body };
}

function weightsEntry(sequence: number, epoch: number, version: number): LogEntry {
  return entry(sequence, epoch, { type: "weights", weights: { ...firstWeights, version } });
}

function emptyStore(): EntryStore {
  return new EntryStore({ entries: [], before: { sequence: 0, epoch: 0 }, weights: { sequence: 0, weights: firstWeights } });
}

test("entries are appended without holes", () => {
  const store = emptyStore();
  store.append(entry(1, 2));
  store.append(entry(2, 2));
  assert.throws(() => store.append(entry(4, 2)));
  assert.deepEqual(store.tag(5), { accepted: 5, sequence: 2, lastEntryEpoch: 2 });
  assert.equal(store.epochAt(3), undefined);
});

test("cutting back takes the weights in the cut part along", () => {
  const store = emptyStore();
  store.append(entry(1, 1));
  store.append(weightsEntry(2, 1, 2));
  store.append(entry(3, 1));
  assert.deepEqual(store.weightsInForce(1).map((weights) => weights.version), [2, 1]);
  assert.deepEqual(store.weightsInForce(2).map((weights) => weights.version), [2]);
  store.truncateAfter(1);
  assert.deepEqual(store.weightsInForce(1).map((weights) => weights.version), [1]);
  assert.equal(store.last, 1);
});

test("compaction keeps the place before the first entry and the weights that count", () => {
  const store = emptyStore();
  for (let sequence = 1; sequence <= 10; sequence++) store.append(sequence === 4 ? weightsEntry(4, 1, 2) : entry(sequence, sequence < 6 ? 1 : 3));
  store.compactTo(5);
  assert.equal(store.first, 6);
  assert.equal(store.epochAt(5), 1);
  assert.equal(store.slice(4, 8), undefined, "what is gone is said to be gone");
  assert.deepEqual(store.slice(5, 8)?.map((one) => one.sequence), [6, 7, 8]);
  assert.deepEqual(store.committedWeights(10).weights.version, 2);
  assert.throws(() => store.truncateAfter(4));
  store.compactTo(100);
  assert.equal(store.last, 10);
  assert.deepEqual(store.tag(3), { accepted: 3, sequence: 10, lastEntryEpoch: 3 });
});

test("votes of a forced start outlast older ones in the entries behind a copy", () => {
  const store = emptyStore();
  store.replace(4, 1, { version: 9, votes: [], witness: null });
  store.append(weightsEntry(5, 1, 8));
  assert.deepEqual(store.weightsInForce(5).map((weights) => weights.version), [9]);
  store.append(weightsEntry(6, 1, 10));
  assert.deepEqual(store.weightsInForce(5).map((weights) => weights.version), [10, 9]);
});

test("a copy replaces everything", () => {
  const store = emptyStore();
  store.append(entry(1, 1));
  store.replace(20, 6, { ...firstWeights, version: 9 });
  assert.equal(store.last, 20);
  assert.deepEqual(store.weightsInForce(20).map((weights) => weights.version), [9]);
  store.append(entry(21, 7));
  assert.equal(store.at(21)?.epoch, 7);
});

test("entries come back from the database as they were", () => {
  for (const one of [entry(3, 4), weightsEntry(5, 6, 7), { ...entry(8, 9), origin: null }]) assert.deepEqual(decodeEntry(encodeEntry(one)), one);
});
