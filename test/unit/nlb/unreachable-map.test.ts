import assert from "node:assert/strict";
import { test } from "node:test";
import { whyHost } from "../../../src/nlb/why.ts";
import { Wire } from "./cluster-wire.ts";
import { cluster, host, rule } from "./support.ts";

/** Three hosts with the rule that maps can be fetched by. */
function wireWith(canFetch: Wire["canFetch"]): Wire {
  const wire = new Wire();
  wire.canFetch = canFetch;
  for (const id of [1, 2, 3]) wire.add(cluster([rule({ affinity: "none" })]), host(id));
  return wire;
}

function givenUp(wire: Wire, id: number): number {
  return wire.done.filter(({ host: of, effect }) => of === id && effect.do === "event" && effect.name === "NlbMapUnreachable").length;
}

test("a map that the proposer does not give is asked for from the others that have it", () => {
  const wire = wireWith((by, from) => !(by === 3 && from === 1));
  wire.run(3_000);
  assert.deepEqual([1, 2, 3].map((id) => wire.stateOf(id)), ["default", "converged", "converged"]);
  assert.equal(givenUp(wire, 3), 0);
});

test("a host that gets no map costs the others their lease ever more rarely, and comes in when it gets one", () => {
  const wire = wireWith((by) => by !== 3);
  wire.run(60_000);
  // 7, 12, 22 and 42 seconds from one coming back to the next, where it was 7 each time.
  assert.equal(givenUp(wire, 3), 4);
  assert.deepEqual([1, 2].map((id) => wire.stateOf(id)), ["default", "converged"]);
  wire.canFetch = () => true;
  wire.run(2_000);
  assert.match(whyHost(wire.states.get(3)!, wire.nowMs).next!, /muster nlb stop and muster nlb start/);
  for (const verb of ["stop", "start"] as const) wire.command(3, { verb });
  wire.run(2_000);
  assert.deepEqual([1, 2, 3].map((id) => wire.stateOf(id)), ["default", "converged", "converged"]);
  assert.equal(wire.states.get(3)!.unreachableTimes, 0);
});

test("who stays out for long comes back when the host is gone that gave no map", () => {
  const wire = wireWith((_, from) => from !== 1);
  wire.run(30_000);
  assert.equal(wire.stateOf(1), "default");
  wire.states.delete(1);
  wire.run(5_000);
  assert.deepEqual([2, 3].map((id) => wire.stateOf(id)), ["default", "converged"]);
});
