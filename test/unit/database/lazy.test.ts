import assert from "node:assert/strict";
import { test } from "node:test";
import { isAppendOnly, LazyWrites } from "../../../src/database/lazy.ts";

const change = (key: string, value: string | null) => ({ table: "keys", key, value });

test("lazy writes as one: the last change of a row, the highest of each number", () => {
  const writes = new LazyWrites();
  for (const write of [
    { committed: 3, compactTo: 1, apply: { upTo: 3, changes: [change("a", "1"), change("b", "1")] } },
    { committed: 5 },
    { committed: 4, apply: { upTo: 4, changes: [change("a", null)] } },
  ]) {
    assert.ok(writes.takes(write));
    writes.add(write, 1);
  }
  assert.deepEqual(writes.write, { committed: 5, compactTo: 1, apply: { upTo: 4, changes: [change("a", null), change("b", "1")] } });
});

test("what is more than knowledge of entries keeps its place, a mistake too, and there is an end to what is held", () => {
  const writes = new LazyWrites();
  for (const write of [{ promised: 1 }, { accepted: 1 }, { truncateAfter: 1 }, { append: [] }, { metadata: {} }, { replace: { upTo: 1, epoch: 1, rows: [] } }]) assert.equal(writes.takes(write), false);
  writes.add({ apply: { upTo: 7, changes: [] } }, 0);
  assert.equal(writes.takes({ apply: { upTo: 6, changes: [] } }), false);
  writes.add({ apply: { upTo: 8, changes: [change("long", "x")] } }, 2 ** 21);
  assert.equal(writes.takes({ apply: { upTo: 9, changes: [change("more", "x")] } }), false);
});

test("only new entries alone need not wait for lazy writes", () => {
  const append = [{ sequence: 1, epoch: 1, payload: "[]" }];
  assert.ok(isAppendOnly({ append }));
  assert.equal(isAppendOnly({}), false);
  assert.equal(isAppendOnly({ append, accepted: 2 }), false);
  assert.equal(isAppendOnly({ append, truncateAfter: 0 }), false);
});
