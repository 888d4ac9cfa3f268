/** One search: a model, its bounds, and what is to come of it. */
export interface Run {
  readonly name: string;
  readonly model: "lease" | "log" | "nlb";
  readonly defines: Readonly<Record<string, number>>;
  /** The sentence that is left out; the checker must then find a violation. */
  readonly bug?: string;
  /** Takes a minute and more: with `--all` only. */
  readonly isLong?: boolean;
}

const LEASE_VIEWS = { TICKS: 1, EPOCHS: 3, SLOTS: 1, WEIGHTS: 0 };
const LEASE_SLOTS = { TICKS: 3, EPOCHS: 2, SLOTS: 2, WEIGHTS: 0 };
const LEASE_WEIGHTS = { TICKS: 1, EPOCHS: 2, SLOTS: 1, VOTERS: 2 };

/** All form a view that brings W 2 along, then node 1 alone forms one. */
const LEASE_WEIGHTS_AND_VIEWS = { ...LEASE_WEIGHTS, EPOCHS: 3, SECOND_SET: 7, THIRD_SET: 2 };

/** The token changes, to a longer and to a shorter one. */
const LEASE_TOKEN = { TICKS: 1, EPOCHS: 2, SLOTS: 1, TOKEN: 1, SECOND_SET: 6, THIRD_SET: 6 };
const LONGER = { ...LEASE_TOKEN, OLD: 1, NEW: 2, RESTARTS: 1 };
const SHORTER = { ...LEASE_TOKEN, OLD: 2, NEW: 1 };

const LEASE: readonly Run[] = [
  { name: "lease: views", model: "lease", defines: LEASE_VIEWS },
  { name: "lease: views, a pause between any two steps", model: "lease", defines: { ...LEASE_SLOTS, TICKS: 2, FINE: 1 } },
  { name: "lease: slots come round", model: "lease", defines: LEASE_SLOTS },
  { name: "lease: a restart", model: "lease", defines: { ...LEASE_VIEWS, EPOCHS: 3, RESTARTS: 1 } },
  { name: "lease: L is two steps of time", model: "lease", defines: { ...LEASE_SLOTS, TICKS: 2, LENGTH: 2 } },
  { name: "lease: weights, node 1 gets all votes", model: "lease", defines: LEASE_WEIGHTS },
  { name: "lease: weights and two more views", model: "lease", defines: LEASE_WEIGHTS_AND_VIEWS },
  { name: "lease: weights, the holder gets all votes", model: "lease", defines: { ...LEASE_WEIGHTS, VOTERS: 1 } },
  { name: "lease: weights, the holder loses its vote", model: "lease", defines: { ...LEASE_WEIGHTS, VOTERS: 6 } },
  { name: "lease: a longer token", model: "lease", defines: { ...LONGER, RESTARTS: 0 } },
  { name: "lease: a longer token, a restart", model: "lease", defines: LONGER, isLong: true },
  { name: "lease: a shorter token", model: "lease", defines: SHORTER },
  { name: "lease: weights, node 2 loses its vote", model: "lease", defines: { ...LEASE_WEIGHTS, VOTERS: 3 } },
];

const LEASE_BUGS: Readonly<Record<string, Run["defines"]>> = {
  SEND_BEFORE_ARMING: LEASE_SLOTS,
  CONFIRM_BEFORE_EVIDENCE: LEASE_SLOTS,
  ARM_THE_POINTED_SLOT: LEASE_SLOTS,
  ECHO_AFTER_ACCEPT: LEASE_SLOTS,
  LAST_ECHO_AFTER_SENDING: LEASE_SLOTS,
  READ_BEFORE_EXCLUDING: LEASE_SLOTS,
  HOLD_FROM_ACCEPT: { ...LEASE_SLOTS, TICKS: 1 },
  RETURNS_AS_IT_WAS: { ...LEASE_VIEWS, SECOND_SET: 6, THIRD_SET: 3 },
  EXCLUSION_IS_FORGOTTEN: { ...LEASE_VIEWS, RESTARTS: 1 },
  EVIDENCE_UNDER_NEW_WEIGHTS_ONLY: { ...LEASE_WEIGHTS, VOTERS: 1 },
  VIEW_WITHOUT_JOINT_RULE: LEASE_WEIGHTS,
  VOUCHES_UNDER_OLD_TERMS: LEASE_WEIGHTS,
  ECHO_UNDER_OLD_TERMS: { ...LEASE_WEIGHTS, VOTERS: 2 },
  COMMIT_IS_NO_ECHO: LEASE_WEIGHTS,
  INSTALL_TEACHES_NO_COMMIT: LEASE_WEIGHTS,
  LONGER_L_WHEN_APPENDED: LONGER,
  SHORTER_H_WHEN_APPENDED: SHORTER,
  NO_FORMER_TOKEN: SHORTER,
  BASE_IS_NOT_APPENDED_BEFORE_ACCEPT: LEASE_WEIGHTS_AND_VIEWS,
};

const LOG_THREE = { NODES: 3, EPOCHS: 3 };
const LOG_TWO = { NODES: 3, EPOCHS: 2 };
const LOG_CLAIMS = { NODES: 2, WITNESS: 1, EPOCHS: 3 };

const LOG: readonly Run[] = [
  { name: "log: three views, two updates", model: "log", defines: { ...LOG_THREE, UPDATES: 2 } },
  { name: "log: a wiped store", model: "log", defines: { ...LOG_TWO, WIPES: 1 } },
  { name: "log: node 2 loses its vote", model: "log", defines: { ...LOG_TWO, VOTERS: 3 } },
  { name: "log: node 0 gets all votes", model: "log", defines: { ...LOG_TWO, VOTERS: 1 } },
  { name: "log: three views and weights", model: "log", defines: { ...LOG_THREE, UPDATES: 0, VOTERS: 1 } },
  { name: "log: a wiped store gets its vote again", model: "log", defines: { ...LOG_TWO, VOTERS: 7, WIPES: 1 } },
  { name: "log: claims of two nodes", model: "log", defines: { ...LOG_CLAIMS, UPDATES: 2 } },
  { name: "log: claims of two nodes and weights", model: "log", defines: { ...LOG_CLAIMS, VOTERS: 1 } },
  { name: "log: claims of three nodes, two updates", model: "log", defines: { ...LOG_CLAIMS, NODES: 3, UPDATES: 2 } },
  { name: "log: claims of three nodes and weights", model: "log", defines: { ...LOG_CLAIMS, NODES: 3, VOTERS: 5, EPOCHS: 2 } },
  { name: "log: claims and a wiped store", model: "log", defines: { ...LOG_CLAIMS, NODES: 3, WIPES: 1, EPOCHS: 2 } },
  { name: "log: claims of three nodes and weights, three views", model: "log", defines: { ...LOG_CLAIMS, NODES: 3, VOTERS: 5 }, isLong: true },
  { name: "log: claims and a wiped store, three views", model: "log", defines: { ...LOG_CLAIMS, NODES: 3, WIPES: 1 }, isLong: true },
];

const LOG_BUGS: Readonly<Record<string, Run["defines"]>> = {
  BEST_LOG_IS_THE_LONGEST: { ...LOG_THREE, UPDATES: 2 },
  BEST_LOG_IS_THE_PROPOSERS: LOG_THREE,
  ACKNOWLEDGES_AFTER_PROMISE: LOG_THREE,
  APPENDS_OVER_HOLES: { ...LOG_THREE, UPDATES: 2 },
  WIPED_STORE_VOTES: { ...LOG_TWO, WIPES: 1 },
  NO_JOINT_RULE: { ...LOG_THREE, VOTERS: 1 },
  WITNESS_ACKNOWLEDGES: LOG_CLAIMS,
  ONLY_THE_NEWEST_CLAIM_COUNTS: { ...LOG_CLAIMS, VOTERS: 1 },
  CLAIM_OF_A_STALE_LOG: LOG_CLAIMS,
  CLAIMERS_SHRINK_WITH_THEIR_VOTES: { ...LOG_CLAIMS, NODES: 3, VOTERS: 5, EPOCHS: 2 },
};

const NLB_TWO = { MAPS: 2 };

const NLB: readonly Run[] = [
  { name: "nlb: two maps", model: "nlb", defines: NLB_TWO },
  { name: "nlb: two maps, two buckets, L is two steps of time", model: "nlb", defines: { ...NLB_TWO, BUCKETS: 2, LENGTH: 2 } },
  { name: "nlb: host 0 begins a new life", model: "nlb", defines: { ...NLB_TWO, RESTARTER: 0 } },
  { name: "nlb: host 1 begins a new life", model: "nlb", defines: { ...NLB_TWO, RESTARTER: 1 } },
  { name: "nlb: host 0 gives up its map", model: "nlb", defines: { ...NLB_TWO, LEAVES: 1 } },
  { name: "nlb: host 0 is cut off, and comes back", model: "nlb", defines: { MAPS: 3, SECOND_SET: 6, THIRD_SET: 7 } },
  { name: "nlb: a planned change, then host 0 is lost", model: "nlb", defines: { MAPS: 3, SECOND_SET: 7, THIRD_SET: 6 } },
  { name: "nlb: partitions that overlap", model: "nlb", defines: { MAPS: 3, SECOND_SET: 5, THIRD_SET: 6 } },
  { name: "nlb: a host joins, and is alone then", model: "nlb", defines: { MAPS: 3, FIRST_SET: 5, SECOND_SET: 3, THIRD_SET: 2 } },
  { name: "nlb: three maps", model: "nlb", defines: { MAPS: 3 }, isLong: true },
];

const NLB_BUGS: Readonly<Record<string, Run["defines"]>> = {
  TAKES_BEFORE_ALL_HAVE_RELEASED: NLB_TWO,
  TAKES_BEFORE_ALL_HAVE_ECHOED: { MAPS: 3, FIRST_SET: 5, SECOND_SET: 3, THIRD_SET: 2 },
  TAKES_WITHOUT_WAITING_FOR_HOLDS: NLB_TWO,
  HOLDS_ARE_NOT_TOLD: { MAPS: 3, SECOND_SET: 5, THIRD_SET: 6 },
  ECHO_IS_NO_HOLD: NLB_TWO,
  ECHO_IN_ANOTHER_MAP: NLB_TWO,
  ADOPTS_AN_OLDER_MAP: NLB_TWO,
  SAYS_RELEASED_BEFORE_THE_KERNEL_HAS: NLB_TWO,
  OPENS_WITHOUT_EVIDENCE: NLB_TWO,
  ASKS_BEFORE_IT_IS_ARMED: NLB_TWO,
  SAYS_EMPTY_BEFORE_THE_KERNEL_IS: { ...NLB_TWO, LEAVES: 1 },
  NEW_LIFE_LEAVES_THE_OLD_RULES: { ...NLB_TWO, RESTARTER: 0 },
  NEW_LIFE_DOES_NOT_LISTEN: { ...NLB_TWO, RESTARTER: 1 },
};

/** Found deep: with the long runs. */
const LONG_BUGS: readonly string[] = ["LONGER_L_WHEN_APPENDED"];

function bugs(model: Run["model"], table: Readonly<Record<string, Run["defines"]>>): Run[] {
  return Object.entries(table).map(([bug, defines]) => ({ name: `${model}: finds ${bug.toLowerCase().replaceAll("_", " ")}`, model, defines, bug, ...(LONG_BUGS.includes(bug) ? { isLong: true } : {}) }));
}

export const RUNS: readonly Run[] = [...LEASE, ...bugs("lease", LEASE_BUGS), ...LOG, ...bugs("log", LOG_BUGS), ...NLB, ...bugs("nlb", NLB_BUGS)];
