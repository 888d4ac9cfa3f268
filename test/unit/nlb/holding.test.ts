import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DEFAULT_HOST_PART, configurationOf } from "../../../src/nlb/convergence-state.ts";
import type { NlbState } from "../../../src/nlb/convergence-state.ts";
import { inheritedBy } from "../../../src/nlb/holding.ts";
import { keyOfText, ruleKey, ruleText } from "../../../src/nlb/parameters.ts";
import type { PortRule } from "../../../src/nlb/parameters.ts";
import { cluster, host, rule } from "./support.ts";

const WEB = rule({ affinity: "none" });
const MAIL = rule({ startPort: 25, endPort: 25, mode: "single" });
const of = (rules: readonly PortRule[]): ReturnType<typeof configurationOf> => configurationOf(cluster(rules), host(1));

describe("where connections may be open after a change of parameters", () => {
  const state = (before: readonly PortRule[] | null, held: readonly PortRule[], recentlyLost: readonly PortRule[] = []): NlbState => {
    const parts = (rules: readonly PortRule[]): ReadonlyMap<string, Uint8Array> => new Map(rules.map((one) => [ruleText(one), new Uint8Array(one.mode === "single" ? 1 : 240).fill(1)]));
    return { active: before === null ? null : of(before), held: parts(held), recentlyLost: parts(recentlyLost) } as unknown as NlbState;
  };
  const marked = (from: NlbState, to: readonly PortRule[]): readonly string[] => [...inheritedBy(from, of(to))].map(([text]) => text).sort();

  test("nowhere, when nothing was changed, or nothing was held", () => {
    assert.deepEqual(marked(state([WEB, MAIL], [WEB]), [WEB, MAIL]), []);
    assert.deepEqual(marked(state([WEB], []), [MAIL]), []);
  });

  test("under the rule that was changed, all of it; under others not", () => {
    const changed = { ...WEB, affinity: "single" as const };
    assert.deepEqual([...inheritedBy(state([WEB, MAIL], [WEB, MAIL]), of([changed, MAIL]))], [[ruleText(changed), new Uint8Array(240).fill(1)]]);
    assert.deepEqual(marked(state(null, [], [WEB]), [changed]), [ruleText(changed)]);
  });

  test("under a new rule; under any rule and none when one is gone", () => {
    const special = rule({ virtualAddress: "10.77.0.11" });
    assert.deepEqual(marked(state([WEB], [WEB]), [WEB, special]), [ruleText(special)]);
    assert.deepEqual(marked(state([WEB, MAIL], [WEB]), [MAIL]), [DEFAULT_HOST_PART, ruleText(MAIL)]);
    assert.deepEqual(marked(state([WEB, MAIL], [WEB]), [{ ...WEB, endPort: 90 }, MAIL]), [DEFAULT_HOST_PART, ruleText(MAIL), ruleText({ ...WEB, endPort: 90 })].sort());
    // A rule of which this host held nothing had no connections here.
    assert.deepEqual(marked(state([WEB, MAIL], [MAIL]), [MAIL]), []);
  });

  test("the text of a rule begins with its key", () => {
    for (const one of [WEB, MAIL, rule({ virtualAddress: "fd77::10", timeoutMinutes: 5 })]) assert.equal(keyOfText(ruleText(one)), ruleKey(one));
  });
});
