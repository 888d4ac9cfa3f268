import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { NlbState } from "../../../src/nlb/convergence-state.ts";
import { DEFAULT_HOST_PART } from "../../../src/nlb/convergence-state.ts";
import { forgetLost } from "../../../src/nlb/planning.ts";

const stateWith = (open: Readonly<Record<string, number>>, lost: readonly (readonly [string, readonly number[]])[], countsSinceLoss = 2): NlbState =>
  ({ countsSinceLoss, active: null, wanted: { ruleTexts: ["text"], ruleKeys: ["rule"] }, openConnections: open, recentlyLost: new Map(lost.map(([text, parts]) => [text, Uint8Array.from(parts)])) }) as unknown as NlbState;

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
});
