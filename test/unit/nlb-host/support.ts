import type { BalancerOptions, BalancerSnapshot } from "../../../src/nlb-host/messages.ts";
import { DEFAULT_RULE } from "../../../src/nlb/parameters.ts";
import type { Lab, Remote } from "../network/lab.ts";

export const VIRTUAL = "10.77.0.100";

/** Two seconds of silence: nothing that a test looks for is gone before a slow machine has looked. */
export function optionsOf(id: number, more: Partial<BalancerOptions> = {}): Omit<BalancerOptions, "key"> {
  return {
    cluster: { primaryAddress: VIRTUAL, subnetMask: "255.255.255.0", name: "host.test", additionalAddresses: [], operationMode: "multicast", heartbeatPeriodMs: 100, heartbeatTolerance: 20, filtersIcmp: false, rules: [DEFAULT_RULE] },
    host: { id, name: `h${id}`, dedicatedAddresses: [], initialState: "started", retainsSuspended: false, rules: {} },
    adapter: "eth0", heartbeatPort: 2_504, incarnation: 100 + id, persisted: null, engine: "nftables", realTimePriority: null, ...more,
  };
}

export function balancerOn(lab: Lab, machine: number): Remote {
  return lab.remote(machine, new URL("./remote-host.ts", import.meta.url));
}

export function snapshotOf(host: Remote): Promise<BalancerSnapshot> {
  return host.ask<BalancerSnapshot>("snapshot");
}
