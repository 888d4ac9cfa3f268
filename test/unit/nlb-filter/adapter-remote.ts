import { ClusterAdapter } from "../../../src/nlb-filter/adapter.ts";
import type { AdapterPlan } from "../../../src/nlb-filter/adapter.ts";
import { serve } from "../network/lab.ts";

/** A machine's process for tests of the cluster's adapter. */

let adapter: ClusterAdapter | null = null;
const log: string[] = [];
const replaced: string[] = [];

serve({
  async open() {
    adapter = await ClusterAdapter.open("eth0", () => undefined, (problem) => replaced.push(problem), (line) => log.push(line));
  },
  async apply(plan: AdapterPlan) {
    adapter!.apply(plan);
    await adapter!.settled();
  },
  held: () => adapter!.held().map(({ address }) => address).sort(),
  log: () => log,
  replaced: () => replaced,
  close: () => adapter!.close(),
});
