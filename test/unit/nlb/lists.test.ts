import assert from "node:assert/strict";
import { test } from "node:test";
import type { Wire } from "./cluster-wire.ts";
import { converged } from "./cluster-wire.ts";
import { rule } from "./support.ts";

/** Which hosts' lists host 1 asked for since then. */
function askedSince(wire: Wire, from: number): readonly (readonly number[])[] {
  return wire.done.slice(from).flatMap(({ host, effect }) => (host === 1 && effect.do === "exchangeAffinity" ? [effect.from] : []));
}

function aloneWithLists(readsLists: boolean): { readonly wire: Wire; readonly asked: readonly (readonly number[])[] } {
  const wire = converged([rule({ timeoutMinutes: 20 })]);
  wire.readsLists = () => readsLists;
  const from = wire.done.length;
  wire.states.delete(2);
  wire.states.delete(3);
  wire.run(2_000);
  return { wire, asked: askedSince(wire, from) };
}

function warnings(wire: Wire): number {
  return wire.done.filter(({ host, effect }) => host === 1 && effect.do === "event" && effect.name === "NlbAffinityLists").length;
}

test("the last host reads its lists in anew, of nobody, before it takes", () => {
  const { wire, asked } = aloneWithLists(true);
  assert.deepEqual(asked.at(-1), []);
  assert.equal(wire.stateOf(1), "default");
  assert.equal(warnings(wire), 0);
});

test("lists that are never read in hold it up for two silence times at most", () => {
  const { wire, asked } = aloneWithLists(false);
  assert.deepEqual(asked.at(-1), []);
  assert.equal(wire.stateOf(1), "default");
  assert.equal(warnings(wire), 1);
});
