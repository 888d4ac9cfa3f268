import assert from "node:assert/strict";
import { test } from "node:test";
import { Assembler, FRAGMENTS_MAX, FRAGMENT_BYTES_MAX, Fragmenter } from "../../../src/log/fragments.ts";

function message(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, position) => (position === 0 ? 0x7b : (position * 7) % 251));
}

test("what fits is sent as it is; the rest in pieces that are put together again", () => {
  const fragmenter = new Fragmenter();
  const assembler = new Assembler();
  for (const length of [1, FRAGMENT_BYTES_MAX, FRAGMENT_BYTES_MAX + 1, 200_000]) {
    const whole = message(length);
    const pieces = fragmenter.cut(whole);
    assert.ok(pieces.every((piece) => piece.length <= FRAGMENT_BYTES_MAX));
    const results = pieces.map((piece) => assembler.add("1", piece));
    assert.ok(results.slice(0, -1).every((result) => result === null));
    assert.deepEqual(results.at(-1), whole);
  }
});

test("pieces of several senders do not mix", () => {
  const [a, b] = [new Fragmenter().cut(message(60_000)), new Fragmenter().cut(message(50_000))];
  const assembler = new Assembler();
  const results: (Uint8Array | null)[] = [];
  for (let part = 0; part < Math.max(a.length, b.length); part++) {
    if (a[part] !== undefined) results.push(assembler.add("a", a[part]!));
    if (b[part] !== undefined) results.push(assembler.add("b", b[part]!));
  }
  assert.deepEqual(results.filter((result) => result !== null).map((result) => result!.length).sort(), [50_000, 60_000]);
});

test("with a piece missing nothing comes out, and the next message does", () => {
  const fragmenter = new Fragmenter();
  const assembler = new Assembler();
  const first = fragmenter.cut(message(100_000));
  first.splice(2, 1);
  assert.ok(first.every((piece) => assembler.add("1", piece) === null));
  const second = fragmenter.cut(message(60_000));
  assert.equal(second.map((piece) => assembler.add("1", piece)).at(-1)?.length, 60_000);
  assembler.add("1", fragmenter.cut(message(60_000))[0]!);
  assembler.keepOnly(["2"]);
  assert.equal(assembler.add("1", fragmenter.cut(message(60_000))[1]!), null);
});

test("a message beyond all bounds is refused", () => {
  assert.throws(() => new Fragmenter().cut(message(FRAGMENT_BYTES_MAX * (FRAGMENTS_MAX + 1))), RangeError);
});
