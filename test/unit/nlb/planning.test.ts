import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { NlbState } from "../../../src/nlb/convergence-state.ts";
import { DEFAULT_HOST_PART } from "../../../src/nlb/convergence-state.ts";
import { isNothing } from "../../../src/nlb/holding.ts";
import { forgetLost } from "../../../src/nlb/planning.ts";
import { converged } from "./cluster-wire.ts";
import { cluster, host, rule } from "./support.ts";

const stateWith = (open: Readonly<Record<string, number>>, lost: readonly (readonly [string, readonly number[]])[], countsSinceLoss = 2): NlbState =>
  ({ countsSinceLoss, active: null, wanted: { digest: "new", ruleTexts: ["text"], ruleKeys: ["rule"] }, openConnections: open, recentlyLost: new Map(lost.map(([text, parts]) => [text, Uint8Array.from(parts)])) }) as unknown as NlbState;

describe("parts that were lost", () => {
  test("are forgotten when no connection is open, and that is told once", () => {
    const state = stateWith({ rule: 0 }, [["text", [1, 0]], [DEFAULT_HOST_PART, [0]]]);
    assert.equal(forgetLost(state), true);
    assert.equal(forgetLost(state), false);
  });

  test("are kept until a count has come that was certainly taken afterwards", () => {
    const lost = [["text", [1, 0]]] as const;
    assert.equal(forgetLost(stateWith({ rule: 0 }, lost, 0)), false);
    assert.equal(forgetLost(stateWith({ rule: 0 }, lost, 1)), false);
    assert.equal(forgetLost(stateWith({ rule: 0 }, lost, 2)), true);
  });

  test("nothing is not forgotten beside what still has connections: each look would ask for another plan", () => {
    const lost = [["text", [1, 0]], [DEFAULT_HOST_PART, [0]]] as const;
    const state = stateWith({ rule: 3 }, lost);
    assert.equal(forgetLost(state), false);
    assert.equal(forgetLost(stateWith({ rule: 3 }, lost)), false);
    assert.deepEqual([...state.recentlyLost.keys()], ["text"]);
  });

  test("are kept while the map is for other rules than those that are counted by", () => {
    const state = stateWith({ "new rule": 0 }, [["text", [1, 0]]]);
    state.active = { ...state.wanted, digest: "old" };
    assert.equal(forgetLost(state), false);
    state.active = state.wanted;
    assert.equal(forgetLost(state), true);
  });

  test("are kept when rules change until counts have come that were made by the new ones", () => {
    const wire = converged([rule()]);
    wire.command(1, { verb: "drain", rule: null });
    wire.run(300);
    for (let count = 0; count < 3; count++) wire.give(1, { kind: "connections", open: { "tcp all:80-80": 1 } });
    const { wanted, recentlyLost } = wire.states.get(1)!;
    assert.ok(!isNothing(recentlyLost));
    // The change is taken back before the map follows; meanwhile counts were by its rules.
    wire.give(1, { kind: "configuration", cluster: cluster([rule({ startPort: 81, endPort: 81 })]), host: host(1) });
    for (let count = 0; count < 2; count++) wire.give(1, { kind: "connections", open: { "tcp all:81-81": 0 } });
    wire.give(1, { kind: "configuration", cluster: wanted.cluster, host: host(1) });
    wire.run(50);
    assert.ok(!isNothing(wire.states.get(1)!.recentlyLost));
    for (let count = 0; count < 2; count++) wire.give(1, { kind: "connections", open: {} });
    assert.ok(isNothing(wire.states.get(1)!.recentlyLost));
  });
});
