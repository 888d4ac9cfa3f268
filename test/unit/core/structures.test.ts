import assert from "node:assert/strict";
import { test } from "node:test";
import { Deadlines } from "../../../src/core/deadlines.ts";
import { addHash, hashText, printHash, subtractHash, ZERO_HASH } from "../../../src/core/hash.ts";
import { IndexMap } from "../../../src/core/index-map.ts";
import { SharedMap } from "../../../src/core/shared-map.ts";
import { createGuard, Table } from "../../../src/core/table.ts";
import { Dice } from "./driver.ts";

test("a shared map behaves like a map, and forks do not see each other", () => {
  for (let seed = 1; seed <= 30; seed++) {
    const dice = new Dice(seed);
    const pairs: { shared: SharedMap<number>; plain: Map<string, number> }[] = [{ shared: new SharedMap(), plain: new Map() }];
    for (let turn = 0; turn < 2_000; turn++) {
      const { shared, plain } = dice.pick(pairs);
      const key = `k${dice.below(300)}`;
      if (dice.chance(60)) {
        shared.set(key, turn);
        plain.set(key, turn);
      } else {
        shared.delete(key);
        plain.delete(key);
      }
      if (dice.chance(1) && pairs.length < 6) pairs.push({ shared: shared.fork(), plain: new Map(plain) });
    }
    for (const { shared, plain } of pairs) {
      assert.equal(shared.size, plain.size);
      assert.deepEqual(shared.keys().sort(), [...plain.keys()].sort());
      for (const [key, value] of plain) assert.equal(shared.get(key), value);
    }
  }
});

test("an index gives sorted ids and keeps forks apart", () => {
  const index = new IndexMap();
  for (const id of ["b", "a", "c"]) index.add("x", id);
  const fork = index.fork();
  fork.remove("x", "a");
  index.add("x", "d");
  assert.deepEqual(index.of("x"), ["a", "b", "c", "d"]);
  assert.deepEqual(fork.of("x"), ["b", "c"]);
  fork.remove("x", "b");
  fork.remove("x", "c");
  assert.equal(fork.count("x"), 0);
  assert.deepEqual(fork.of("x"), []);
});

test("deadlines: the earliest first, moved and cancelled ones are forgotten", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const dice = new Dice(seed);
    let deadlines = new Deadlines();
    const plain = new Map<string, number>();
    for (let turn = 0; turn < 3_000; turn++) {
      const key = `k${dice.below(40)}`;
      const at = dice.chance(30) ? null : dice.below(1_000);
      deadlines.set(key, at);
      if (at === null) plain.delete(key);
      else plain.set(key, at);
      if (dice.chance(2)) deadlines = deadlines.fork();
      assert.equal(deadlines.next(), plain.size === 0 ? null : Math.min(...plain.values()));
    }
    const due = [...plain].filter(([, at]) => at <= 500).sort(([a, left], [b, right]) => left - right || (a < b ? -1 : 1));
    assert.deepEqual(deadlines.due(500), due.map(([key]) => key));
    assert.deepEqual(deadlines.due(500), due.map(([key]) => key), "asking changes nothing");
  }
});

test("hashes add up in any order and can be taken away", () => {
  const a = hashText("a");
  const b = hashText("b");
  assert.deepEqual(addHash(addHash(ZERO_HASH, a), b), addHash(addHash(ZERO_HASH, b), a));
  assert.deepEqual(subtractHash(addHash(a, b), b), a);
  assert.match(printHash(a), /^[0-9a-f]{16}$/);
  const seen = new Set<string>();
  for (let number = 0; number < 50_000; number++) seen.add(printHash(hashText(`row ${number}`)));
  assert.equal(seen.size, 50_000);
});

test("a table: roll-back restores rows, index and hash; each phase may do only its part", () => {
  const guard = createGuard(false);
  const durable = new Table<{ n: number }>("durable", "durable", guard);
  const volatile = new Table<{ n: number }>("volatile", "volatile", guard);
  const followed: string[] = [];
  durable.hook = (before, after, key) => followed.push(`${key} ${before?.n ?? "-"} ${after?.n ?? "-"}`);

  assert.throws(() => durable.put("a", { n: 1 }), /written in the phase "idle"/);
  guard.phase = "configure";
  durable.put("a", { n: 1 });
  assert.throws(() => volatile.get("a"), /read while the configuration is decided/);
  assert.throws(() => volatile.keys(), /read while/);
  assert.throws(() => volatile.put("a", { n: 1 }), /written in the phase "configure"/);
  assert.deepEqual(durable.commit(), [{ key: "a", value: '{"n":1}' }]);
  const hash = durable.hash;

  durable.put("a", { n: 2 });
  durable.put("b", { n: 3 });
  durable.remove("a");
  durable.rollback();
  assert.deepEqual(durable.get("a"), { n: 1 });
  assert.equal(durable.has("b"), false);
  assert.deepEqual(durable.hash, hash);
  assert.deepEqual(durable.recomputeHash(), hash);
  assert.deepEqual(followed.slice(-2), ["a - 1", "b 3 -"]);

  guard.phase = "react";
  assert.throws(() => durable.put("a", { n: 9 }), /durable table durable was written in the phase "react"/);
  volatile.put("a", { n: 1 });
  volatile.commit();
});
