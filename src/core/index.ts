/**
 * Every decision of the cluster, pure: the same entries of the log give the same state and the
 * same orders on every node. Imports the vocabulary and nothing else (ARCHITECTURE 1, 2).
 */
export type { ClusterState } from "./state.ts";
export { createState, durableHash, durableRows, fork, loadState, recomputedHashes, restore, snapshot, stateHash } from "./storage.ts";
export type { DurableRow, Genesis } from "./storage.ts";
export { step } from "./step.ts";
export type { DurableRowChange, StepOutcome, StepResult } from "./step.ts";
export type { OwnerChange } from "./context.ts";
export {
  databaseKeys,
  databaseValue,
  describeCluster,
  describeGroup,
  describeGroups,
  describeNode,
  describeNodes,
  describeResource,
  describeResources,
  describeResourceTypes,
  events,
} from "./describe.ts";
export { describeNetwork, describeNetworkInterfaces, describeNetworks } from "./describe-networks.ts";
export { discoveryChanges } from "./network-discovery.ts";
export { connectivityOf } from "./network-step.ts";
export { allInterfaces, interfaceId } from "./network-records.ts";
export { describeGroupSet, describeGroupSets } from "./describe-sets.ts";
export { describeAffinityRule, describeAffinityRules, describeFaultDomain, describeFaultDomains } from "./describe-placement.ts";
export { explainGroup } from "./explain.ts";
export { explainNode, explainResource } from "./explain-parts.ts";
export { dryRun, whatIf } from "./plan.ts";
export { describeQuorum, explainQuorum } from "./describe-quorum.ts";
export { describeHeartbeat, wantedRecord } from "./heartbeat.ts";
export { configuredWitness, knownWeights, wantedWeights, witnessState } from "./votes.ts";
export { maskOf, parseSubnet } from "./subnets.ts";
export { LINKS_MAX } from "./node-addresses.ts";
export { ADDRESSES_PER_INTERFACE_MAX, INTERFACES_PER_NODE_MAX } from "./limits.ts";
export { recordedFailure } from "./recorded.ts";
export { findGroup, findNode, findResource, findType } from "./resolve.ts";
export { providersOf } from "./providers.ts";
export { parseDependency, printDependency } from "./dependency.ts";

import { recordDeadline } from "./recording.ts";
import type { ClusterState } from "./state.ts";

/** The earliest cluster time at which the core wants a "due", null = it waits for nothing. */
export function nextDeadline(state: ClusterState): number | null {
  const record = recordDeadline(state);
  const next = state.nextDeadline();
  return record === null || next === null ? (record ?? next) : Math.min(record, next);
}
