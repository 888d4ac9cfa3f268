/**
 * States of cluster objects: names and numeric values as Windows publishes them
 * (reference: failover-clustering 2.2), so that every interface can print either.
 */

export const NodeState = { StateUnknown: -1, Up: 0, Down: 1, Paused: 2, Joining: 3 } as const;
export type NodeState = keyof typeof NodeState;

export const NodeDrainStatus = { NotInitiated: 0, InProgress: 1, Completed: 2, Failed: 3 } as const;
export type NodeDrainStatus = keyof typeof NodeDrainStatus;

export const GroupState = { StateUnknown: -1, Online: 0, Offline: 1, Failed: 2, PartialOnline: 3, Pending: 4 } as const;
export type GroupState = keyof typeof GroupState;

export const ResourceState = {
  StateUnknown: -1,
  Inherited: 0,
  Initializing: 1,
  Online: 2,
  Offline: 3,
  Failed: 4,
  Pending: 128,
  OnlinePending: 129,
  OfflinePending: 130,
} as const;
export type ResourceState = keyof typeof ResourceState;

export const NodeFailbackStatus = NodeDrainStatus;

/** Bits of a node's StatusInformation. */
export const NodeStatus = { Normal: 0, Isolated: 1, Quarantined: 2, DrainInProgress: 4, DrainCompleted: 8, DrainFailed: 0x10, AvoidPlacement: 0x20 } as const;

/** What a resume does with the roles that were drained. */
export const ResumeFailback = { DoNotFailbackGroups: 0, FailbackGroupsImmediately: 1, FailbackGroupsPerPolicy: 2 } as const;
export type ResumeFailback = keyof typeof ResumeFailback;

/** Bits of a group's StatusInformation (reference 2.3). */
export const GroupStatus = {
  LockedMode: 0x1,
  Preempted: 0x2,
  WaitingInQueueForMove: 0x4,
  PhysicalResourcesLacking: 0x8,
  WaitingToStart: 0x10,
  EmbeddedFailure: 0x20,
  OfflineDueToAntiAffinityConflict: 0x40,
  NetworkFailure: 0x80,
  Unmonitored: 0x100,
  OsHeartbeat: 0x200,
  ApplicationReady: 0x400,
  OfflineNotLocalDiskOwner: 0x800,
  WaitingForDependencies: 0x1000,
} as const;

/** Bits of a resource's StatusInformation (reference 2.4). */
export const ResourceStatus = {
  LockedMode: 0x1,
  EmbeddedFailure: 0x2,
  FailedDueToInsufficientCpu: 0x4,
  FailedDueToInsufficientMemory: 0x8,
  FailedDueToInsufficientGenericResources: 0x10,
  NetworkFailure: 0x20,
  Unmonitored: 0x40,
  OsHeartbeat: 0x80,
  ApplicationReady: 0x100,
  OfflineNotLocalDiskOwner: 0x200,
} as const;

/** Bits of a group set's StatusInformation (reference 2.13). */
export const GroupSetStatus = { GroupsPending: 0x1, GroupsOnline: 0x2, OsHeartbeat: 0x4, ApplicationReady: 0x8 } as const;

export const NetworkState = { StateUnknown: -1, Unavailable: 0, Down: 1, Partitioned: 2, Up: 3 } as const;
export type NetworkState = keyof typeof NetworkState;

export const NetworkInterfaceState = { StateUnknown: -1, Unavailable: 0, Failed: 1, Unreachable: 2, Up: 3 } as const;
export type NetworkInterfaceState = keyof typeof NetworkInterfaceState;

export const NetworkRole = { None: 0, InternalUse: 1, ClientAccess: 2, InternalAndClient: 3 } as const;

export const GroupPriority = { Disabled: 0, Low: 1000, Medium: 2000, High: 3000 } as const;

export const ColdStartSetting = { Always: 0, DoNotStart: 1, StartAllowed: 2 } as const;

export const EmbeddedFailureAction = { None: 0, LogOnly: 1, Recover: 2 } as const;

export const AffinityRuleType = { None: 0, SameFaultDomain: 1, SameNode: 2, DifferentFaultDomain: 3, DifferentNode: 4 } as const;
export type AffinityRuleType = keyof typeof AffinityRuleType;

/** When a group of a set counts as ready, and when those that wait for the set may start (reference 2.13). */
export const ReadySetting = { Delay: 1, Online: 2, OsHeartbeat: 3, ApplicationReady: 4 } as const;

/** Levels of fault domains, highest first; nodes are below the chassis. */
export const FaultDomainType = { Site: 1, Rack: 2, Chassis: 3 } as const;
export type FaultDomainType = keyof typeof FaultDomainType;

export const WitnessKinds = ["disk", "fileShare", "cloud", "daemon"] as const;
export type WitnessKind = (typeof WitnessKinds)[number];

/** Numbers of the quorum modes (reference 4.1). */
export const QuorumType = { NodeMajority: 0, NodeAndWitnessMajority: 1024, DiskOnly: 4194304 } as const;

/** What keeps two nodes from running one role at once (PROTOCOL part 2). */
export const ProtectionClasses = ["machineLock", "gatedNetwork", "diskReservation", "process"] as const;
export type ProtectionClass = (typeof ProtectionClasses)[number];

export const RestartAction = { DontRestart: 0, RestartNoNotify: 1, RestartNotify: 2 } as const;

/** Numbers of the kinds of groups (reference 2.3). */
export const GroupType = {
  CoreCluster: 1, AvailableStorage: 2, Temporary: 3, SharedVolume: 4, StoragePool: 5, FileServer: 100, PrintServer: 101, DhcpServer: 102, Dtc: 103, Msmq: 104,
  Wins: 105, StandAloneDfs: 106, GenericApplication: 107, GenericService: 108, GenericScript: 109, IScsiNameService: 110, VirtualMachine: 111, TsSessionBroker: 112,
  IScsiTarget: 113, ScaleoutFileServer: 114, VMReplicaBroker: 115, TaskScheduler: 116, ClusterUpdateAgent: 117, ScaleoutCluster: 118, StorageReplica: 119,
  VMReplicaCoordinator: 120, CrossClusterOrchestrator: 121, InfrastructureFileServer: 122, CoreSddc: 123, UserManager: 124, KeyValueStoreManager: 125,
  HcsVirtualMachine: 126, MetaVirtualMachine: 127, Unknown: 9999,
} as const;

/** "Unset" or "unlimited" in 32-bit properties; Windows writes it 0xFFFFFFFF. */
export const UNSET = 0xffffffff;
