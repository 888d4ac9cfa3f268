import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ASIDE_AFTER_MS, BACK_AFTER_MS, BLIP_MS, StandingAside, whoStandsAside } from "../../../../src/engine/corosync/connectivity.ts";
import type { Row } from "../../../../src/engine/corosync/connectivity.ts";

/** Everybody hears everybody, but for these pairs; `oneWay`: the first hears the second, not the other way round. */
function rowsOf(count: number, cut: readonly (readonly [number, number])[], oneWay: readonly (readonly [number, number])[] = []): Row[] {
  const nodes = Array.from({ length: count }, (_, position) => position + 1);
  const isCut = (a: number, b: number): boolean => cut.some(([x, y]) => (x === a && y === b) || (x === b && y === a)) || oneWay.some(([x, y]) => y === a && x === b);
  return nodes.map((node) => ({ node, heard: nodes.filter((other) => other !== node && !isCut(node, other)) }));
}

describe("who stands aside", () => {
  const cases: readonly (readonly [string, Row[], readonly number[]])[] = [
    ["nobody, when all reach all", rowsOf(3, []), []],
    ["two that miss each other and both reach a third: the higher one", rowsOf(3, [[1, 2]]), [2]],
    ["the one in the middle stays", rowsOf(3, [[2, 3]]), [3]],
    ["who misses most goes", rowsOf(5, [[2, 1], [2, 3], [2, 4]]), [2]],
    ["two separate cuts: one of each", rowsOf(5, [[1, 2], [3, 4]]), [2, 4]],
    ["a cut one way is a cut", rowsOf(3, [], [[1, 2]]), [2]],
    ["a clean partition is nobody's business", rowsOf(4, [[1, 3], [1, 4], [2, 3], [2, 4]]), []],
  ];
  for (const [name, rows, expected] of cases) {
    test(name, () => {
      // Whoever is on some way connected to the same nodes comes to the same answer.
      const answers = rows.filter((row) => row.heard.length > 0).map((row) => whoStandsAside(row.node, rows));
      for (const answer of answers) assert.deepEqual(answer, expected);
    });
  }

  test("who has no vote goes before who has one", () => {
    assert.deepEqual(whoStandsAside(3, rowsOf(3, [[1, 2]]), [[1, 0], [2, 1], [3, 0]]), [1]);
    assert.deepEqual(whoStandsAside(3, rowsOf(3, [[1, 2]]), [[1, 1], [2, 1], [3, 1]]), [2]);
    assert.deepEqual(whoStandsAside(1, rowsOf(5, [[2, 1], [2, 3], [2, 4]]), [[1, 1], [2, 1], [3, 1], [4, 1], [5, 1]]), [2], "equal votes: who lacks most");
  });

  test("what is left always reaches each other", () => {
    for (let seed = 1; seed <= 500; seed++) {
      let state = seed;
      const next = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
      const count = 2 + Math.floor(next() * 7);
      const cut: [number, number][] = [];
      for (let a = 1; a <= count; a++) for (let b = a + 1; b <= count; b++) if (next() < 0.25) cut.push([a, b]);
      const rows = rowsOf(count, cut);
      const aside = whoStandsAside(1, rows);
      const stays = rows.filter((row) => !aside.includes(row.node) && (row.node === 1 || rows[0]!.heard.includes(row.node)));
      if (aside.includes(1)) continue;
      for (const a of stays) for (const b of stays) assert.ok(a === b || a.heard.includes(b.node), `seed ${seed}: ${a.node} and ${b.node} both stay`);
    }
  });
});

test("nothing is done before it has lasted, and not just after a start", () => {
  const standing = new StandingAside(0, 10_000);
  assert.equal(standing.next(5_000, true), false, "the others may just not have been heard yet");
  assert.equal(standing.next(10_000, true), false);
  assert.equal(standing.next(10_000 + ASIDE_AFTER_MS - 1, true), false);
  assert.equal(standing.next(10_000 + ASIDE_AFTER_MS, true), true);
  assert.equal(standing.isAside, true);
  assert.equal(standing.next(20_000, false), false);
  assert.equal(standing.next(21_000, true), false, "it flaps: from the beginning");
  assert.equal(standing.next(22_000, false), false);
  assert.equal(standing.next(22_000 + BACK_AFTER_MS, false), true);
  assert.equal(standing.isAside, false);
});

test("a message that comes late does not undo a cut, two do", () => {
  const standing = new StandingAside(0, 0);
  assert.equal(standing.next(1_000, true), false);
  assert.equal(standing.next(1_250, false), false);
  assert.equal(standing.next(1_250 + BLIP_MS - 1, true), false);
  assert.equal(standing.next(1_000 + ASIDE_AFTER_MS, true), true);
  const other = new StandingAside(0, 0);
  assert.equal(other.next(1_000, true), false);
  for (const nowMs of [1_500, 1_500 + BLIP_MS]) assert.equal(other.next(nowMs, false), false);
  assert.equal(other.next(1_000 + ASIDE_AFTER_MS, true), false, "from the beginning");
});
