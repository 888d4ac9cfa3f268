/** States of a host and return codes, with the numbers that Windows' interfaces use (reference: NLB 3 and 16). */

export const HOST_STATES = ["stopped", "converging", "converged", "default", "draining", "suspended", "mediaDisconnected"] as const;
export type HostState = (typeof HOST_STATES)[number];

export const HostStateCode: Readonly<Record<HostState, number>> = { stopped: 1005, converging: 1006, converged: 1007, default: 1008, draining: 1009, suspended: 1013, mediaDisconnected: 1014 };

/** WLBS return codes, for what speaks to Windows' tools. */
export const ReturnCode = {
  ok: 1000,
  already: 1001,
  drainStop: 1002,
  badParameters: 1003,
  notFound: 1004,
  stopped: 1005,
  draining: 1009,
  suspended: 1013,
  mediaDisconnected: 1014,
  portOverlap: 1150,
  badPortParameters: 1151,
  maxPortRules: 1152,
} as const;

/** Why a host that was started takes no part. */
export const OUT_REASONS = ["none", "listening", "standsAside", "parametersDiffer", "duplicateHost", "filterFailed", "mapUnreachable", "yielded"] as const;
export type OutReason = (typeof OUT_REASONS)[number];

/** What set a convergence off, with Windows' numbers (NLB_EVENT_CONVERGING_…). */
export const ConvergingCause = { badConfig: 1, newMember: 2, unknown: 3, duplicateHostId: 4, numberOfRules: 5, modifiedRules: 6, memberLost: 7, modifiedParameters: 8, affinityLists: 10 } as const;
export type CauseName = keyof typeof ConvergingCause;
