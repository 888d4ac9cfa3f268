import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as core from "../../../src/core/index.ts";
import type { Hold } from "../../../src/model/votes.ts";
import { Driver } from "./driver.ts";

/** Starts that wait until nodes that were left out can serve no more, and are given when they cannot (PROTOCOL part 2). */

const LEASE_MS = 1_000;
const PERMIT_MS = 6_000;
const LOST: Hold = { node: 3, incarnation: 1, leaseMs: LEASE_MS, permitMs: PERMIT_MS };
const LONG_AGO: Hold = { ...LOST, leaseMs: 0, permitMs: 0 };

/** Three nodes; the third has the role, and nothing is answered any more but by the test. */
class Bench {
  readonly driver = Driver.started();

  constructor() {
    this.driver.role("batch", { preferred: ["node3", "node1"] });
    assert.equal(core.describeGroup(this.driver.state, "batch").ownerNode, "node3");
    assert.equal(this.worker, "Online");
  }

  get worker(): string {
    return core.describeResource(this.driver.state, "batch-program").state;
  }

  /** All that are in it say that they run nothing. */
  view(nodes: readonly number[], holds: readonly Hold[] = []): void {
    const { driver } = this;
    driver.epoch++;
    driver.index = -1;
    driver.step({ kind: "view", members: nodes.map((node) => driver.member(node)), learners: [], orderer: nodes[0]!, ...(holds.length === 0 ? {} : { holds }) });
    for (const node of nodes) driver.inventory(node, []);
  }

  pass(timeMs: number): void {
    this.driver.now += timeMs;
  }

  due(): void {
    const next = core.nextDeadline(this.driver.state);
    if (next !== null && next <= this.driver.now) this.driver.step({ kind: "due" });
  }

  answer(): void {
    this.driver.settle();
  }

  get starts(): readonly number[] {
    return this.driver.orders.filter(({ action }) => action === "online").map(({ node }) => node);
  }
}

describe("a start waits for a node that was left out", () => {
  test("until its hold has elapsed", () => {
    const bench = new Bench();
    bench.view([1, 2], [LOST]);
    assert.deepEqual([bench.starts, bench.worker], [[], "Offline"]);
    bench.pass(LEASE_MS);
    bench.due();
    assert.deepEqual(bench.starts, [], "it has no gate: the lease is not what counts");
    bench.pass(PERMIT_MS - LEASE_MS);
    bench.due();
    assert.deepEqual(bench.starts, [1]);
    bench.answer();
    assert.equal(bench.worker, "Online");
  });

  test("a hold that elapses while there is no view is over when there is one", () => {
    const bench = new Bench();
    bench.view([1, 2], [LOST]);
    bench.pass(PERMIT_MS + 500);
    bench.view([1, 2], [LONG_AGO]);
    bench.due();
    assert.deepEqual(bench.starts, [1]);
    assert.ok((core.nextDeadline(bench.driver.state) ?? Number.POSITIVE_INFINITY) > bench.driver.now, "nothing is due for ever");
  });

  test("a later view makes a hold no shorter, and may make it longer", () => {
    const bench = new Bench();
    bench.view([1, 2], [LOST]);
    bench.pass(2_000);
    bench.view([1, 2], [LONG_AGO]);
    bench.pass(PERMIT_MS - 2_001);
    bench.due();
    assert.deepEqual(bench.starts, []);
    bench.view([1, 2], [{ ...LOST, permitMs: 500 }]);
    bench.pass(1);
    bench.due();
    assert.deepEqual(bench.starts, []);
    bench.pass(499);
    bench.due();
    assert.deepEqual(bench.starts, [1]);
  });

  test("until its monitor says that nothing is left, or a later life of it has nothing", () => {
    const released = new Bench();
    released.view([1, 2], [LOST]);
    released.driver.step({ kind: "released", from: { node: 1, incarnation: 1 }, released: { node: 3, incarnation: 1 } });
    assert.deepEqual(released.starts, [1]);
    const later = new Bench();
    later.view([1, 2], [LOST]);
    later.driver.incarnations.set(3, 2);
    later.view([1, 2, 3]);
    assert.deepEqual(later.starts, [1]);
  });

  test("an order whose answer was lost is given again when the hold is over, also when it elapsed without a view", () => {
    for (const isSeen of [true, false]) {
      const bench = new Bench();
      bench.view([1, 2], [LOST]);
      bench.pass(PERMIT_MS);
      bench.due();
      assert.deepEqual(bench.starts, [1]);
      bench.driver.orders.length = 0;
      bench.view([1], [LOST, { node: 2, incarnation: 1, leaseMs: LEASE_MS, permitMs: PERMIT_MS }]);
      assert.deepEqual(bench.starts, [], "node 2 may know more of it");
      bench.pass(PERMIT_MS);
      if (isSeen) bench.due();
      else {
        bench.view([1], [LONG_AGO, { ...LONG_AGO, node: 2 }]);
        bench.due();
      }
      assert.deepEqual(bench.starts.slice(0, 1), [1]);
      bench.answer();
      assert.equal(bench.worker, "Online");
    }
  });
});
