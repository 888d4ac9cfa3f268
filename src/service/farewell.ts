import { removeStaleAddresses } from "../resources/shared-address-table.ts";
import { gateTable } from "../network/gate-rules.ts";
import { KernelGate } from "../network/gate.ts";
import { Nftables } from "../network/nftables.ts";
import type { ClusterConfiguration } from "./cluster-files.ts";
import { forgetMembership } from "./cluster-files.ts";

/**
 * What made this machine a node is taken away; its service has stopped. First the addresses of roles, then the gate: the tables
 * of a cluster that is no more would drop what the next one sends to the same address, and one without its gate would pass.
 * @param onProblem what could not be taken out of the kernel, a whole sentence; a restart of the machine does it then
 */
export async function forgetNode(directory: string, configuration: ClusterConfiguration, node: string, onProblem: (text: string) => void): Promise<void> {
  try {
    await removeStaleAddresses();
    new KernelGate(new Nftables(), gateTable(configuration.clusterId)).remove();
  } catch (error) {
    onProblem(`The gate of the cluster is still in this machine's packet filter, until it is started anew: ${error instanceof Error ? error.message : String(error)}`);
  }
  forgetMembership(directory, node);
}
