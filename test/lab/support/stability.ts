import assert from "node:assert/strict";
import type { ClusterView } from "../../../src/model/views.ts";
import { nowMs } from "./clock.ts";
import type { LabCluster } from "./cluster.ts";

/** Within this time after a fault the nodes that can be together are, whatever the fault is (PROTOCOL part 1). */
const STABLE_WITHIN_MS = 10_000;
/** So long it must last to count. */
const WATCHED_MS = 6_000;
const LOOK_MS = 200;
const ASK_LIMIT_MS = 5_000;

/**
 * Watches the views that nodes say are active until long after the time within which they must have settled.
 * @returns when the newest of them began, after the fault, and who is in it
 * @throws AssertionError when there was a newer one later, or none
 */
export async function watchStability(cluster: LabCluster, names: readonly string[], faultAtMs: number): Promise<{ readonly changedMs: number; readonly members: readonly string[] }> {
  const views: { readonly afterMs: number; readonly epoch: number; readonly members: readonly string[] }[] = [];
  while (nowMs() - faultAtMs < STABLE_WITHIN_MS + WATCHED_MS) {
    const seen = await Promise.all(names.map((name) => cluster.view(name)));
    const newest = seen.reduce<ClusterView | null>((best, view) => (view?.state === "Active" && view.epoch > (best?.epoch ?? -1) ? view : best), null);
    if (newest !== null && newest.epoch > (views.at(-1)?.epoch ?? -1)) views.push({ afterMs: nowMs() - faultAtMs, epoch: newest.epoch, members: newest.members });
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  const last = views.at(-1);
  assert.ok(last !== undefined, "no view was active");
  assert.ok(last.afterMs <= STABLE_WITHIN_MS, `there was a new view after ${(last.afterMs / 1_000).toFixed(1)} s: ${JSON.stringify(views)}`);
  let inIt: readonly unknown[] = [];
  // A busy machine may not answer at once; a view that was left does not come back.
  await cluster.until(`all of ${last.members.join(", ")} say that they are in view ${last.epoch}`, ASK_LIMIT_MS, async () => {
    const seen = await Promise.all(last.members.map((name) => cluster.view(name)));
    inIt = seen.map((view) => view && [view.state, view.epoch, view.problems[0]]);
    return seen.every((view) => view?.state === "Active" && view.epoch === last.epoch);
  }, () => JSON.stringify({ inIt, views }));
  return { changedMs: last.afterMs, members: last.members };
}
