import type { EventName } from "../model/events.ts";
import type { FilterDone, FilterPlan, LeaseOrder } from "./filter-contract.ts";
import type { Heartbeat } from "./heartbeat.ts";
import type { MapId, NlbMap } from "./map.ts";
import type { ClusterParameters, HostId, HostParameters } from "./parameters.ts";
import type { CauseName } from "./states.ts";

/**
 * What comes to the convergence of a host, and what it asks for. Every input brings the time: the
 * monotonic clock of the host, read after the input came (a packet received before the clock was
 * read is never taken for younger than it is).
 */
export type Input =
  /** Before anything else: what a former life left in the kernel has to go. */
  | { readonly kind: "begin" }
  /** Time passes: at {@link nextWakeMs} at the latest. */
  | { readonly kind: "tick" }
  /** Let through by the receiver. */
  | { readonly kind: "heartbeat"; readonly heartbeat: Heartbeat }
  /** The content of a map that was asked for. */
  | { readonly kind: "map"; readonly map: NlbMap }
  | { readonly kind: "filterDone"; readonly done: FilterDone }
  /** The lists of all members have been read in for this map. */
  | { readonly kind: "affinityReady"; readonly map: MapId }
  /** Validated. A change of the id needs a new life. */
  | { readonly kind: "configuration"; readonly cluster: ClusterParameters; readonly host: HostParameters }
  | { readonly kind: "command"; readonly request: number; readonly command: Command }
  /** By rule key: what the probe and the metric say. */
  | { readonly kind: "health"; readonly rule: string; readonly isHealthy: boolean; readonly capacity: number }
  /** Connections that are open here, by rule key, and of the default host as `default`. */
  | { readonly kind: "connections"; readonly open: Readonly<Record<string, number>> }
  /** The adapter has lost its link, or has it again. */
  | { readonly kind: "link"; readonly isUp: boolean };

/** `rule`: a rule's key; null = all rules. */
export type Command =
  | { readonly verb: "start" | "stop" | "drainstop" | "suspend" | "resume" }
  | { readonly verb: "enable" | "disable" | "drain"; readonly rule: string | null };

/** What was persisted of a host: its mode, for the next start. */
export type Mode = "stopped" | "started" | "draining" | "suspended";

/**
 * Carried out in this order, each whole before the next. When a `lease` or a `program` fails, what comes after it is left
 * out, but for `answer`, `event` and `persist`; a `program` that was left out is answered by a `filterDone` with a problem.
 * An order to point or close that failed or was left out is made up for by closing the lease before anything is armed: the
 * kernel may point at another slot than the host takes it for.
 */
export type Effect =
  | { readonly do: "send"; readonly heartbeat: Heartbeat }
  | { readonly do: "lease"; readonly order: LeaseOrder }
  /** Answered by `filterDone`. */
  | { readonly do: "program"; readonly plan: FilterPlan }
  /** Over TLS, from the agent of that host; answered by `map`, or not at all. */
  | { readonly do: "fetchMap"; readonly from: HostId; readonly map: MapId }
  /** Get the lists of extended affinity from these hosts, and of nobody else, and read them in; answered by `affinityReady`. */
  | { readonly do: "exchangeAffinity"; readonly map: MapId; readonly from: readonly HostId[] }
  | { readonly do: "persist"; readonly mode: Mode }
  /** `code` = one of ReturnCode. */
  | { readonly do: "answer"; readonly request: number; readonly code: number }
  | { readonly do: "event"; readonly name: EventName; readonly cause: CauseName | null; readonly text: string; readonly next: string | null };
