import assert from "node:assert/strict";
import { test } from "node:test";
import type { ClusterView } from "../../src/model/views.ts";
import { LabCluster } from "./support/cluster.ts";
import { withLab } from "./support/with-lab.ts";

const LOGS = ["/var/lib/muster/nodes/*/service.log"];

interface Answer extends ClusterView {
  readonly answeredBy: { readonly node: string; readonly phase: string; readonly reason: string | null; readonly epoch?: number };
}

test("two nodes that do not reach each other, while a third reaches both: one stands aside, and comes back", async (context) => {
  await withLab({ hosts: 3, logs: LOGS }, async (lab) => {
    const cluster = await LabCluster.create(lab);
    await lab.cut("n1", { from: "n2" });
    const started = Date.now();
    const upFor = async (host: string): Promise<number> => {
      const { stdout, code } = await cluster.try(host, "status", "--json");
      if (code !== 0) return 0;
      const view = JSON.parse(stdout) as { readonly cluster?: Answer } & Answer;
      return (view.cluster ?? view).state === "Active" ? (view.cluster ?? view).nodesUp : 0;
    };
    let stableSince: number | null = null;
    let pair = "";
    // The same two for a while: corosync alone would form one membership after the other.
    await cluster.until("a view of two that stays", 90_000, async () => {
      const ups = await Promise.all(["n1", "n2", "n3"].map(upFor));
      const now = ups.join(",");
      const isPair = ups.filter((up) => up === 2).length === 2;
      if (!isPair || now !== pair) stableSince = isPair ? Date.now() : null;
      pair = now;
      return stableSince !== null && Date.now() - stableSince > 10_000;
    });
    context.diagnostic(`stable after ${((stableSince! - started) / 1_000).toFixed(1)} s (ups as n1,n2,n3 see it: ${pair})`);
    const [n1, n2] = pair.split(",");
    const aside = n1 === "2" ? "n2" : "n1";
    assert.notEqual(n1, n2, "one of the two that do not reach each other is in it");
    assert.match((await cluster.try(aside, "status")).stdout + (await cluster.try(aside, "status")).stderr, /stands aside|no view is active/);
    await lab.heal();
    for (const host of ["n1", "n2", "n3"]) await cluster.untilUp(host, 3, 90_000);
  });
});
