import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { forecastOf, movesBetween } from "../../../src/nlb-host/forecast.ts";
import type { BalancerSnapshot } from "../../../src/nlb-host/messages.ts";
import { tryCommand } from "../../../src/nlb-host/trial.ts";
import type { Trial } from "../../../src/nlb-host/trial.ts";
import { parametersDigest } from "../../../src/nlb/consistency.ts";
import { createState } from "../../../src/nlb/convergence-state.ts";
import type { NlbState } from "../../../src/nlb/convergence-state.ts";
import { step } from "../../../src/nlb/convergence.ts";
import type { Command, Mode } from "../../../src/nlb/inputs.ts";
import { proposeMap } from "../../../src/nlb/map.ts";
import type { RuleReport } from "../../../src/nlb/assignment.ts";
import { ReturnCode } from "../../../src/nlb/states.ts";
import { cluster, host, rule } from "../nlb/support.ts";

const CLUSTER = cluster([rule({ affinity: "none" }), rule({ startPort: 25, endPort: 25, mode: "single" })]);
const DIGEST = parametersDigest(CLUSTER);
const RULES = ["tcp all:25-25", "tcp all:80-80"] as const;
const SINGLE_FIRST = [...CLUSTER.rules].reverse();
const reportsOf = (id: number, state: RuleReport["state"] = "enabled"): RuleReport[] => [id, 255].map((value) => ({ value, capacity: 100, isHealthy: true, state }));

/** What host 1 sees: the map has the hosts 1 to 3, and host 4 is heard and stopped. */
function snapshot(members: readonly number[] = [1, 2, 3]): BalancerSnapshot {
  const map = members.length === 0 ? null : proposeMap({ counter: 7, proposer: 1, parameters: DIGEST, rules: SINGLE_FIRST, members: members.map((id) => ({ host: id, incarnation: id, reports: reportsOf(id), isDraining: false })), base: null });
  const peers = [2, 3, 4].map((id) => ({ host: id, incarnation: id, heartbeat: { state: members.includes(id) ? "converged" : "stopped", isDraining: false, wanted: DIGEST, rules: reportsOf(id) } }));
  return { self: { host: 1, incarnation: 1 }, mode: members.includes(1) ? "started" : "stopped", isLinkUp: true, wanted: DIGEST, reports: reportsOf(1), map, mapParameters: map === null ? null : CLUSTER, peers } as unknown as BalancerSnapshot;
}

function trial(id: number, change: Partial<Trial>): Trial {
  return { host: id, incarnation: id, code: ReturnCode.ok, wasRunning: true, isRunning: true, isDraining: false, wanted: DIGEST, reports: reportsOf(id), ...change };
}

const after = (trials: readonly Trial[], key: (typeof RULES)[number] = RULES[1], seen = snapshot()): Record<number, number> =>
  Object.fromEntries(forecastOf(seen, CLUSTER, trials).rules.find((one) => one.key === key)!.shares.map((share) => [share.host, share.after]));

describe("what a command would change", () => {
  test("nothing, and nothing moves", () => {
    const { rules, defaultHost } = forecastOf(snapshot(), CLUSTER, []);
    assert.deepEqual(rules.map(({ key, of }) => [key, of]), [[RULES[0], 1], [RULES[1], 240]]);
    assert.ok(rules.every(({ moves, shares }) => moves.length === 0 && shares.every((share) => share.before === share.after)));
    assert.deepEqual(defaultHost, { before: 1, after: 1 });
  });

  test("a host that stops gives away what it has, and nothing else moves", () => {
    const { rules, defaultHost } = forecastOf(snapshot(), CLUSTER, [trial(1, { isRunning: false })]);
    assert.deepEqual(rules[1]!.shares, [{ host: 1, before: 80, after: 0 }, { host: 2, before: 80, after: 120 }, { host: 3, before: 80, after: 120 }]);
    assert.ok(rules[1]!.moves.every(({ from }) => from === 1));
    assert.equal(rules[1]!.moves.reduce((sum, { parts }) => sum + parts.length, 0), 80);
    assert.deepEqual(rules[0]!.moves, [{ from: 1, to: 2, parts: [0] }]);
    assert.deepEqual(defaultHost, { before: 1, after: 2 });
  });

  test("one that drains stays a member without a share; a rule that is drained or disabled moves alone", () => {
    assert.deepEqual(after([trial(2, { isDraining: true })]), { 1: 120, 2: 0, 3: 120 });
    const [single, many] = reportsOf(2, "draining");
    const one = trial(2, { reports: [reportsOf(2)[0]!, many!] });
    assert.deepEqual([after([one]), after([one], RULES[0])], [{ 1: 120, 2: 0, 3: 120 }, { 1: 1, 2: 0, 3: 0 }]);
    assert.deepEqual(after([trial(1, { reports: [{ ...single!, state: "disabled" }, reportsOf(1)[1]!] })], RULES[0]), { 1: 0, 2: 1, 3: 0 });
  });

  test("one that starts takes its part, unless its parameters differ; with nobody there it takes all", () => {
    const starts = trial(4, { wasRunning: false });
    assert.deepEqual(after([starts]), { 1: 60, 2: 60, 3: 60, 4: 60 });
    assert.deepEqual(after([{ ...starts, wanted: "0000000000000001" }]), { 1: 80, 2: 80, 3: 80 });
    assert.deepEqual(after([trial(1, { wasRunning: false })], RULES[1], snapshot([])), { 1: 240 });
  });

  test("with nobody left nobody has anything", () => {
    const { rules, defaultHost } = forecastOf(snapshot(), CLUSTER, [1, 2, 3].map((id) => trial(id, { isRunning: false })));
    assert.deepEqual(rules[1]!.shares.map((share) => share.after), [0, 0, 0]);
    assert.deepEqual(rules[1]!.moves.map(({ from, to, parts }) => [from, to, parts.length]), [[1, 0, 80], [2, 0, 80], [3, 0, 80]]);
    assert.equal(defaultHost.after, 0);
  });

  test("moves are told from whom to whom, part by part", () => {
    assert.deepEqual(movesBetween(Uint8Array.of(1, 1, 2, 3), Uint8Array.of(1, 2, 1, 2)), [{ from: 1, to: 2, parts: [1] }, { from: 2, to: 1, parts: [2] }, { from: 3, to: 2, parts: [3] }]);
    assert.deepEqual(movesBetween(new Uint8Array(0), Uint8Array.of(4)), [{ from: 0, to: 4, parts: [0] }]);
  });
});

describe("a command is tried on a copy", () => {
  const begun = (mode: Mode): NlbState => {
    const state = createState(CLUSTER, host(1), 9, 0, mode, 0);
    step(state, { kind: "begin" }, 0);
    step(state, { kind: "filterDone", done: { number: state.planNumber, problem: null } }, 0);
    return state;
  };

  test("it answers what the command is answered then, and changes nothing", () => {
    const commands: readonly Command[] = [...(["start", "stop", "drainstop", "suspend", "resume"] as const).map((verb) => ({ verb })), ...(["enable", "disable", "drain"] as const).flatMap((verb) => [null, RULES[0], "tcp all:1-1"].map((name) => ({ verb, rule: name })))];
    for (const mode of ["started", "stopped", "draining", "suspended"] as const) {
      for (const command of commands) {
        const state = begun(mode);
        const before = structuredClone(state);
        const tried = tryCommand(state, command, 5);
        assert.deepEqual(state, before, `${mode} ${JSON.stringify(command)}`);
        const answer = step(state, { kind: "command", request: 3, command }, 5).find((effect) => effect.do === "answer");
        assert.equal(tried.code, answer?.code, `${mode} ${JSON.stringify(command)}`);
        assert.equal(tried.isDraining, state.mode === "draining");
        assert.equal(tried.isRunning, state.mode === "started" || state.mode === "draining");
      }
    }
    assert.deepEqual(tryCommand(begun("started"), { verb: "drain", rule: RULES[1] }, 5).reports.map(({ state }) => state), ["enabled", "draining"]);
  });
});
