/** Every bound of the core, by name. What would pass one is refused with MUSTER_LIMIT or dropped, oldest first. */

export const GROUPS_MAX = 10_000;
export const RESOURCES_PER_GROUP_MAX = 256;
export const GROUP_SETS_MAX = 500;
export const RESOURCE_TYPES_MAX = 1_000;
/** Properties a registered resource type may have. */
export const TYPE_PROPERTIES_MAX = 256;

export const KEYS_MAX = 100_000;
export const KEY_LENGTH_MAX = 256;
/** A value of the free part of the database, as JSON. */
export const VALUE_LENGTH_MAX = 16 * 1024;
export const BATCH_OPERATIONS_MAX = 1_000;

export const NAME_LENGTH_MAX = 64;
export const DEPENDENCY_LENGTH_MAX = 8_192;

export const EVENTS_KEPT = 1_000;
/** Failures of commands remembered per asking node, so that a repeated request gets the same answer. */
export const REQUEST_FAILURES_KEPT = 128;
/** Failures remembered per resource; a RestartThreshold at or above it never escalates. */
export const FAILURES_KEPT = 1_000;
/** Failovers remembered per group; a FailoverThreshold at or above it never stops a group. */
export const FAILOVERS_KEPT = 1_000;

/** Longest wait for the inventories of all members when the run-time state is empty (PROTOCOL rule 15). */
export const INVENTORY_WAIT_MS = 10_000;

/** A plan stops here even when the cluster would still not be quiet. */
export const PLAN_STEPS_MAX = 200_000;
/** A plan looks no further ahead than this. */
export const PLAN_HORIZON_MS = 24 * 3_600_000;

export const FAULT_DOMAINS_MAX = 1_000;
export const AFFINITY_RULES_MAX = 1_000;
export const AFFINITY_GROUPS_MAX = 1_000;
/** Free text of an administrator: descriptions, locations. */
export const TEXT_LENGTH_MAX = 1_024;

/** From the first change that the configuration shall remember until it is asked to. */
export const RECORD_WAIT_MS = 1_000;
/** Default owners in one command. */
export const RECORDS_PER_REQUEST_MAX = 500;
/** Requests to remember in a row that nothing came of. */
export const RECORD_TRIES_MAX = 5;

/** The window in which the departures of a node are counted (reference 1.8). */
export const QUARANTINE_WINDOW_MS = 3_600_000;
/** Departures remembered per node; a QuarantineThreshold above it never quarantines. */
export const DEPARTURES_KEPT = 100;

/** How often roles that could go nowhere are looked at again in one step. */
export const SERVE_ROUNDS_MAX = 100;

export const INTERFACES_PER_NODE_MAX = 32;
export const ADDRESSES_PER_INTERFACE_MAX = 32;
