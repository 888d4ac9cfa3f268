import type { EventId } from "./identifiers.ts";

export type EventLevel = "critical" | "error" | "warning" | "information";

/** One line of the history of a cluster: every node that handles the same entry makes the same event. */
export interface ClusterEvent {
  readonly id: EventId;
  /** Number in the catalogue; where the meaning is Windows', Windows' number (reference 11). */
  readonly code: number;
  readonly level: EventLevel;
  /** The event or entry that led to this one. */
  readonly cause: EventId | null;
  readonly wallTimeMs: number;
  readonly clusterTimeMs: number;
  /** Names of the objects it speaks of. */
  readonly node: string | null;
  readonly group: string | null;
  readonly resource: string | null;
  /** A whole sentence. */
  readonly text: string;
  /** The one command that helps, where something is wrong. */
  readonly next: string | null;
}

interface EventDefinition {
  readonly code: number;
  readonly level: EventLevel;
  readonly title: string;
}

/** Every event there is. Codes are never reused; own codes start at 20000. */
export const EventCatalogue = {
  NodeDown: { code: 1135, level: "critical", title: "a node was removed from the active view" },
  ResourceFailed: { code: 1069, level: "error", title: "a resource failed" },
  GroupNotOnline: { code: 1205, level: "error", title: "a role could not be brought completely online" },
  FailoverThresholdExceeded: { code: 1254, level: "error", title: "a role exceeded its failover threshold and is left failed" },
  DrainMoveFailed: { code: 1137, level: "error", title: "a role could not be moved off a draining node" },
  DrainFailed: { code: 1677, level: "error", title: "a node drain failed" },
  EmbeddedFailure: { code: 1250, level: "error", title: "an application inside a resource failed" },
  OperationBlocked: { code: 1071, level: "warning", title: "an operation waits for a locked resource" },
  QueuedMoveGivenUp: { code: 1155, level: "warning", title: "a queued move did not take place" },
  GroupPreempted: { code: 1251, level: "warning", title: "a role was pushed out by a role of higher priority" },
  NodeQuarantined: { code: 1672, level: "error", title: "a node was quarantined" },
  QuarantinedNodeJoined: { code: 1675, level: "warning", title: "a quarantined node joined" },
  InterfaceFailed: { code: 1127, level: "error", title: "a network interface failed" },
  InterfaceUnreachable: { code: 1125, level: "warning", title: "a network interface does not reach others" },
  NetworkPartitioned: { code: 1129, level: "error", title: "a network is partitioned" },
  NetworkDown: { code: 1130, level: "error", title: "a network is down" },
  NodeEvicted: { code: 1011, level: "warning", title: "a node was evicted" },
  ViewActive: { code: 20001, level: "information", title: "a view became active" },
  NodeUp: { code: 20002, level: "information", title: "a node joined the active view" },
  NodePaused: { code: 20003, level: "information", title: "a node was paused" },
  NodeResumed: { code: 20004, level: "information", title: "a node was resumed" },
  DrainStarted: { code: 20005, level: "information", title: "a node drain started" },
  DrainCompleted: { code: 20006, level: "information", title: "a node drain completed" },
  NodeLeft: { code: 20007, level: "information", title: "a node left in good order" },
  NodeAdded: { code: 20008, level: "information", title: "a node was added to the configuration" },
  NodeStopping: { code: 20009, level: "information", title: "the service of a node is about to stop" },
  GroupPlaced: { code: 20010, level: "information", title: "a role got an owner" },
  GroupMoving: { code: 20011, level: "information", title: "a role is being moved" },
  GroupFailover: { code: 20012, level: "warning", title: "a role fails over to another node" },
  GroupOnline: { code: 20013, level: "information", title: "a role is online" },
  GroupOffline: { code: 20014, level: "information", title: "a role is offline" },
  GroupWaiting: { code: 20015, level: "warning", title: "a role has no node that may host it" },
  GroupMoveGivenUp: { code: 20016, level: "warning", title: "a move was given up and the role stays" },
  GroupWaitsToStart: { code: 20017, level: "information", title: "a role waits for its turn to start" },
  GroupDependencyTimeout: { code: 20018, level: "warning", title: "a role is started although what it waits for is not ready" },
  GroupStartsByHand: { code: 20019, level: "information", title: "a role is started by hand only" },
  ResourceOnline: { code: 20020, level: "information", title: "a resource is online" },
  ResourceOffline: { code: 20021, level: "information", title: "a resource is offline" },
  ResourceRestart: { code: 20022, level: "warning", title: "a resource is restarted on its node" },
  ResourceStray: { code: 20023, level: "warning", title: "a leftover resource is ended" },
  QuarantineEnded: { code: 20060, level: "information", title: "a node is no longer quarantined" },
  UpdatesDiscarded: { code: 5396, level: "critical", title: "a forced start discarded changes of another partition" },
  ForcedStart: { code: 20040, level: "critical", title: "the cluster was started by force" },
  ForcedOver: { code: 20041, level: "information", title: "a forced cluster has a majority again" },
  VotesChanged: { code: 20042, level: "information", title: "votes were assigned anew" },
  WitnessClaimed: { code: 20043, level: "warning", title: "a view stands on the vote of the witness" },
  WitnessOnline: { code: 20044, level: "information", title: "the witness works" },
  WitnessFailed: { code: 20045, level: "error", title: "the witness does not work" },
  FileShareWitnessFailed: { code: 1562, level: "error", title: "the file share witness does not work" },
  CloudWitnessFailed: { code: 1568, level: "error", title: "the cloud witness does not work" },
  HeartbeatChanged: { code: 20046, level: "information", title: "silent nodes are missed sooner or later than before" },
  InterfaceUp: { code: 20070, level: "information", title: "a network interface is up again" },
  NetworkUp: { code: 20071, level: "information", title: "a network is up again" },
  NlbHostActive: { code: 5, level: "information", title: "a host became an active member of the load balancing" },
  NlbHostInactive: { code: 6, level: "information", title: "a host is no longer an active member of the load balancing" },
  NlbPartitionHealed: { code: 18, level: "warning", title: "hosts that had converged apart from each other met" },
  NlbDuplicatePriority: { code: 20, level: "warning", title: "two hosts have the same handling priority for a rule of one host" },
  NlbRuleEnabled: { code: 23, level: "information", title: "a port rule was enabled on a host" },
  NlbRuleDisabled: { code: 24, level: "information", title: "a port rule was disabled on a host" },
  NlbConverged: { code: 28, level: "information", title: "load balancing converged" },
  NlbConvergedDefault: { code: 29, level: "information", title: "load balancing converged with this host as the default host" },
  NlbParametersChanged: { code: 36, level: "information", title: "the parameters of the load balancing were read again" },
  NlbRuleDraining: { code: 39, level: "information", title: "a port rule takes no new connections on a host" },
  NlbRuleCountDiffers: { code: 67, level: "warning", title: "another host has another number of port rules" },
  NlbRulesDiffer: { code: 68, level: "warning", title: "another host has other parameters" },
  NlbConverging: { code: 20100, level: "information", title: "load balancing converges" },
  NlbDuplicateHost: { code: 20101, level: "error", title: "two hosts have the same id" },
  NlbStandsAside: { code: 20102, level: "warning", title: "a host stands aside because it does not hear all others" },
  NlbMapUnreachable: { code: 20103, level: "error", title: "a host cannot get the map of the others" },
  NlbFilterFailed: { code: 20104, level: "error", title: "the kernel refused the filter of a host" },
  NlbAffinityLists: { code: 20105, level: "warning", title: "the lists of the extended affinity did not arrive in time" },
  NlbHealthChanged: { code: 20106, level: "warning", title: "the health of a host for a rule changed" },
  ConfigurationChanged: { code: 20030, level: "information", title: "the configuration was changed" },
} as const satisfies Record<string, EventDefinition>;

export type EventName = keyof typeof EventCatalogue;
