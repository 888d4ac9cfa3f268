import assert from "node:assert/strict";
import { test } from "node:test";
import { Wire, converged } from "./cluster-wire.ts";
import { cluster, host } from "./support.ts";

/** Two counts of connections that find nothing, on each of these hosts. */
function nothingOpen(wire: Wire, hosts: readonly number[]): void {
  for (let count = 0; count < 2; count++) {
    for (const id of hosts) wire.give(id, { kind: "connections", open: {} });
    wire.run(300);
  }
}

test("all hosts drain and stop, the default host last", () => {
  const wire = converged();
  for (const id of [1, 2, 3]) wire.command(id, { verb: "drainstop" });
  wire.run(500);
  wire.give(1, { kind: "connections", open: { default: 1 } });
  nothingOpen(wire, [2, 3]);
  wire.give(1, { kind: "connections", open: { default: 1 } });
  wire.run(300);
  assert.deepEqual([1, 2, 3].map((id) => wire.stateOf(id)), ["draining", "stopped", "stopped"]);
  nothingOpen(wire, [1]);
  assert.equal(wire.stateOf(1), "stopped");
});

test("the only host drains and stops", () => {
  const wire = new Wire();
  wire.add(cluster(), host(1));
  wire.run(1_500);
  wire.command(1, { verb: "drainstop" });
  wire.run(300);
  nothingOpen(wire, [1]);
  assert.equal(wire.stateOf(1), "stopped");
});

test("who drains beside a host that does not gives the default part away first", () => {
  const wire = converged();
  wire.command(1, { verb: "drainstop" });
  // Before the others have heard of it.
  wire.give(1, { kind: "connections", open: {} });
  wire.give(1, { kind: "connections", open: {} });
  assert.equal(wire.stateOf(1), "draining");
  wire.run(500);
  nothingOpen(wire, [1]);
  assert.deepEqual([1, 2].map((id) => wire.stateOf(id)), ["stopped", "default"]);
});

test("a host that stops says that it holds nothing in the very step in which its kernel has let go", () => {
  const wire = converged();
  const state = wire.states.get(3)!;
  // Whatever it has just said to the others.
  wire.command(3, { verb: "disable", rule: null });
  wire.run(12);
  wire.command(3, { verb: "stop" });
  wire.give(3, { kind: "filterDone", done: { number: state.planNumber, problem: null } });
  const last = wire.done.findLast(({ host: of, effect }) => of === 3 && effect.do === "send")!.effect;
  assert.ok(last.do === "send" && last.heartbeat.isEmpty && last.heartbeat.state === "stopped");
});
