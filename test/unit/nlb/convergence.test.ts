import assert from "node:assert/strict";
import { test } from "node:test";
import { whoStandsAside } from "../../../src/nlb/connectivity.ts";
import { initialMode } from "../../../src/nlb/convergence-state.ts";
import { verdictOf, whoTakes, whyShare } from "../../../src/nlb/explain.ts";
import type { HostId } from "../../../src/nlb/parameters.ts";
import { mismatchError, refusalOf } from "../../../src/nlb/refusals.ts";
import { ReturnCode } from "../../../src/nlb/states.ts";
import { whyHost } from "../../../src/nlb/why.ts";
import { converged } from "./cluster-wire.ts";
import { cluster, host, rule } from "./support.ts";

test("three hosts converge, each answers its share, and the answer to 'who' is the kernel's", () => {
  const wire = converged();
  assert.deepEqual([1, 2, 3].map((id) => wire.stateOf(id)), ["default", "converged", "converged"]);
  const { map, active } = wire.states.get(2)!;
  const taken = new Set<number | null>();
  for (let port = 1_000; port < 1_300; port++) {
    for (const to of [80, 90, 4_000]) {
      const question = { client: "192.0.2.7", clientPort: port, address: "10.77.0.11", port: to, protocol: "tcp" } as const;
      const { host: answer } = whoTakes(question, active!.cluster, map!);
      taken.add(answer);
      assert.deepEqual([1, 2, 3].filter((id) => verdictOf(wire.plans.get(id)!, question)), [answer]);
    }
  }
  assert.deepEqual([...taken].sort(), [1, 2, 3]);
  assert.match(whyShare(active!.cluster, map!, "tcp all:80-80", 2), /80 of 240, 33.3 %/);
});

test("nothing is taken before all have let go, and a lost host's share not before its lease has run out", () => {
  const wire = converged();
  wire.states.delete(3);
  wire.run(860);
  assert.equal(wire.plans.get(1)!.phase, "release");
  assert.match(whyHost(wire.states.get(1)!, wire.nowMs).reason, /lease of host 3/);
  wire.run(200);
  assert.deepEqual([1, 2].map((id) => wire.stateOf(id)), ["default", "converged"]);
  const share = wire.plans.get(1)!.rules.find(({ key }) => key === "tcp all:80-80")!.action;
  assert.equal(share.kind === "share" && share.owned.length, 120);
});

test("a host that stops in good order is not waited for", () => {
  const wire = converged();
  assert.equal(wire.command(3, { verb: "stop" }), ReturnCode.ok);
  wire.run(250);
  assert.deepEqual([1, 2, 3].map((id) => wire.stateOf(id)), ["default", "converged", "stopped"]);
  assert.equal(wire.plans.get(3)!.isMember, false);
});

test("draining: nothing new, and it ends when nothing is open", () => {
  const wire = converged();
  assert.equal(wire.command(1, { verb: "drainstop" }), ReturnCode.ok);
  wire.run(300);
  wire.give(1, { kind: "connections", open: { "tcp all:80-80": 2 } });
  wire.run(300);
  assert.deepEqual([1, 2].map((id) => wire.stateOf(id)), ["draining", "default"]);
  assert.ok(wire.plans.get(1)!.isMember && !wire.plans.get(1)!.isDefaultHost);
  wire.give(1, { kind: "connections", open: {} });
  wire.run(300);
  assert.deepEqual([1, 2].map((id) => wire.stateOf(id)), ["stopped", "default"]);
});

test("commands are answered as Windows does", () => {
  const wire = converged();
  assert.equal(wire.command(2, { verb: "start" }), ReturnCode.already);
  assert.equal(wire.command(2, { verb: "drain", rule: "tcp all:1-1" }), ReturnCode.notFound);
  assert.equal(wire.command(2, { verb: "drain", rule: "tcp all:80-80" }), ReturnCode.ok);
  wire.run(300);
  const share = wire.plans.get(2)!.rules.find(({ key }) => key === "tcp all:80-80")!.action;
  assert.equal(share.kind === "share" && share.owned.length, 0);
  assert.equal(wire.command(2, { verb: "suspend" }), ReturnCode.stopped);
  assert.equal(wire.command(2, { verb: "start" }), ReturnCode.suspended);
  assert.equal(wire.command(2, { verb: "resume" }), ReturnCode.ok);
  assert.equal(wire.command(2, { verb: "enable", rule: null }), ReturnCode.stopped);
  assert.equal(wire.command(2, { verb: "drainstop" }), ReturnCode.stopped);
  assert.equal(initialMode(host(1, { retainsSuspended: true }), "suspended"), "suspended");
  assert.equal(initialMode(host(1), "suspended"), "started");
});

test("return codes are errors where there are errors", () => {
  assert.equal(refusalOf(ReturnCode.already, 2, null), null);
  assert.deepEqual([ReturnCode.stopped, ReturnCode.suspended, ReturnCode.draining, ReturnCode.notFound].map((code) => refusalOf(code, 2, null)!.code), ["MUSTER_NLB_STOPPED", "MUSTER_NLB_SUSPENDED", "MUSTER_NLB_DRAINING", "MUSTER_NLB_RULE_NOT_FOUND"]);
  assert.equal(mismatchError({ field: "name", here: "a", there: "b" }, 3).message, "name: host 3 has 'b', this host has 'a'.");
});

test("health and weights move shares", () => {
  const wire = converged();
  wire.give(1, { kind: "health", rule: "tcp all:80-80", isHealthy: false, capacity: 100 });
  wire.give(1, { kind: "health", rule: "tcp all:90-90", isHealthy: false, capacity: 100 });
  wire.run(300);
  const owned = (id: HostId): number => {
    const { action } = wire.plans.get(id)!.rules.find(({ key }) => key === "tcp all:80-80")!;
    return action.kind === "share" ? action.owned.length : -1;
  };
  assert.deepEqual([1, 2, 3].map(owned), [0, 120, 120]);
  const single = wire.plans.get(2)!.rules.find(({ key }) => key === "tcp all:90-90")!.action;
  assert.ok(single.kind === "whole" && single.accepts);
});

test("a host with other parameters is kept out, told why, and the others go on", () => {
  const wire = converged();
  wire.add(cluster([rule()]), host(4));
  wire.run(2_000);
  assert.equal(wire.stateOf(4), "converging");
  assert.match(whyHost(wire.states.get(4)!, wire.nowMs).reason, /Host \d has other parameters \(2 port rules there, 1 here\)/);
  assert.deepEqual([1, 2, 3].map((id) => wire.stateOf(id)), ["default", "converged", "converged"]);
  wire.give(4, { kind: "configuration", cluster: wire.states.get(1)!.wanted.cluster, host: host(4) });
  wire.run(500);
  assert.equal(wire.stateOf(4), "converged");
});

test("who has the fewest links stands aside; of equals the highest id", () => {
  const linked = (cut: readonly string[]) => (a: number, b: number): boolean => !cut.includes(`${Math.min(a, b)}-${Math.max(a, b)}`);
  assert.deepEqual(whoStandsAside([1, 2, 3], linked([])), []);
  assert.deepEqual(whoStandsAside([1, 2, 3], linked(["1-2"])), [2]);
  assert.deepEqual(whoStandsAside([1, 2, 3, 4], linked(["1-2", "1-3"])), [1]);
  assert.deepEqual(whoStandsAside([1, 2, 3, 4], linked(["1-2", "3-4"])), [4, 2]);
});
