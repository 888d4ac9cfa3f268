import assert from "node:assert/strict";
import { test } from "node:test";
import type { Wire } from "./cluster-wire.ts";
import { converged } from "./cluster-wire.ts";
import { cluster, host, rule } from "./support.ts";

const NEW = cluster([rule({ affinity: "single" })]);

function restart(wire: Wire, id: number): void {
  const { wanted, self } = wire.states.get(id)!;
  wire.states.delete(id);
  wire.run(1_000);
  wire.add(wanted.cluster, host(id), self.incarnation + 1, self.incarnation);
}

test("the lowest host comes back while others have been given parameters that it has not", () => {
  const wire = converged();
  wire.give(2, { kind: "configuration", cluster: NEW, host: host(2) });
  restart(wire, 1);
  wire.run(2_000);
  assert.deepEqual([1, 2, 3].map((id) => wire.stateOf(id)), ["default", "converged", "converged"]);
  assert.equal(wire.states.get(2)!.map!.members.length, 3);
  wire.states.delete(3);
  wire.run(2_000);
  assert.deepEqual([1, 2].map((id) => wire.stateOf(id)), ["default", "converged"]);
  wire.give(1, { kind: "configuration", cluster: NEW, host: host(1) });
  wire.run(1_000);
  assert.deepEqual([1, 2].map((id) => [wire.stateOf(id), wire.states.get(id)!.active!.digest === wire.states.get(2)!.wanted.digest]), [["default", true], ["converged", true]]);
});

for (const verb of ["stop", "suspend"] as const) {
  test(`new parameters reach the kernel of a host after ${verb}`, () => {
    const wire = converged();
    wire.command(3, { verb });
    wire.run(300);
    const { wanted } = wire.states.get(3)!;
    wire.give(3, { kind: "configuration", cluster: { ...wanted.cluster, additionalAddresses: [], operationMode: "unicast" }, host: host(3) });
    wire.run(300);
    const plan = wire.plans.get(3)!;
    assert.deepEqual([plan.virtualAddresses.map(({ address }) => address), plan.operationMode, plan.isMember], [["10.77.0.10"], "unicast", false]);
    assert.equal(wire.states.get(3)!.isKernelEmpty, true);
    assert.ok(plan.rules.every(({ action }) => action.kind === "drop") && !plan.isDefaultHost);
  });
}
