import type { ClusterParameters, HostParameters, PortRule } from "../../../src/nlb/parameters.ts";
import { DEFAULT_RULE } from "../../../src/nlb/parameters.ts";

export function cluster(rules: readonly PortRule[] = [DEFAULT_RULE], change: Partial<ClusterParameters> = {}): ClusterParameters {
  return { primaryAddress: "10.77.0.10", subnetMask: "255.255.255.0", name: "web.example.org", additionalAddresses: ["10.77.0.11", "fd77::10"], operationMode: "multicast", heartbeatPeriodMs: 100, heartbeatTolerance: 5, filtersIcmp: false, rules, ...change };
}

export function rule(change: Partial<PortRule> = {}): PortRule {
  return { ...DEFAULT_RULE, startPort: 80, endPort: 80, protocol: "tcp", ...change };
}

export function host(id: number, change: Partial<HostParameters> = {}): HostParameters {
  return { id, name: `host${id}`, dedicatedAddresses: [`10.77.0.${100 + id}`], initialState: "started", retainsSuspended: false, rules: {}, ...change };
}
