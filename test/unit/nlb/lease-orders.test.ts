import assert from "node:assert/strict";
import { test } from "node:test";
import type { Effect } from "../../../src/nlb/inputs.ts";
import { Wire, converged } from "./cluster-wire.ts";
import { cluster, host } from "./support.ts";

/** Orders to the lease of one host, from a moment on. */
function ordersOf(wire: Wire, id: number, from: number): readonly string[] {
  const orders = wire.done.slice(from).flatMap(({ host: of, effect }: { host: number; effect: Effect }) => (of === id && effect.do === "lease" ? [effect.order] : []));
  return orders.map((order) => (order.do === "close" ? "close" : `${order.do} ${order.slot}`));
}

test("the lease could not be closed: the host has not let go, and does both once more", () => {
  const wire = converged();
  let refused = 0;
  wire.refuses = (to, order) => to === 3 && order.do === "close" && refused++ === 0;
  const from = wire.done.length;
  wire.command(3, { verb: "stop" });
  wire.run(50);
  assert.equal(wire.states.get(3)!.isKernelEmpty, false);
  wire.run(300);
  assert.equal(wire.states.get(3)!.isKernelEmpty, true);
  assert.ok(ordersOf(wire, 3, from).includes("close"));
  assert.equal(wire.plans.get(3)!.isMember, false);
});

test("a start whose first order fails begins all the same", () => {
  const wire = new Wire();
  wire.refuses = (_, order) => order.do === "close" && wire.nowMs < 150;
  wire.add(cluster(), host(1));
  wire.run(1_600);
  assert.equal(wire.stateOf(1), "default");
});

test("a host whose lease cannot be closed lets go by a plan for the next map, and comes back", () => {
  const wire = converged();
  wire.refuses = (to, order) => to === 3 && order.do === "close";
  wire.give(3, { kind: "link", isUp: false });
  wire.run(1_000);
  assert.equal(wire.states.get(3)!.isKernelEmpty, false);
  wire.give(3, { kind: "link", isUp: true });
  wire.run(2_000);
  assert.deepEqual([1, 2, 3].map((id) => wire.stateOf(id)), ["default", "converged", "converged"]);
});
