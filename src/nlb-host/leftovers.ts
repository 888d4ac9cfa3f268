import { Nftables } from "../network/nftables.ts";
import { ClusterAdapter } from "../nlb-filter/adapter.ts";
import { NftFilter } from "../nlb-filter/nft-filter.ts";
import { EngineFilter } from "../nlb-filter/xdp-filter.ts";
import { readBalancedHost, readLife } from "./files.ts";

/**
 * Takes away what a host that ended without a word left in the kernel, where no later life will. Nothing of the host may run.
 * @returns false = there is nothing of it
 * @throws MusterError when the directory, the adapter or the kernel cannot be used
 */
export async function clearLeftovers(directory: string, log: (line: string) => void): Promise<boolean> {
  const file = readBalancedHost(directory);
  if (file === null) return false;
  const { incarnation } = readLife(directory);
  const filter = new EngineFilter(new NftFilter(new Nftables(), { adapter: file.adapter, hardwareAddress: "" }, incarnation), file.adapter, incarnation, file.engine, log);
  const left = filter.leftover().incarnation;
  // A later one is another cluster's, which has the adapter by now; an earlier one is ours, if the last life ended before it had begun.
  if (left === null || left > incarnation) return false;
  // The addresses first: without the filter every packet would be answered.
  const adapter = await ClusterAdapter.open(file.adapter, () => undefined, () => undefined, log);
  await adapter.close();
  filter.remove();
  return true;
}
