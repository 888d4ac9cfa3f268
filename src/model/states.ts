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

export const RestartAction = { DontRestart: 0, RestartNoNotify: 1, RestartNotify: 2 } as const;

/** "Unset" or "unlimited" in 32-bit properties; Windows writes it 0xFFFFFFFF. */
export const UNSET = 0xffffffff;
