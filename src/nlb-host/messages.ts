import type { FilterEngine } from "../nlb-filter/choice.ts";
import type { AffinityEntry, TakenCounts } from "../nlb-filter/contract.ts";
import type { MusterError } from "../model/errors.ts";
import type { EventName } from "../model/events.ts";
import type { RuleReport } from "../nlb/assignment.ts";
import type { Digest } from "../nlb/consistency.ts";
import type { Heartbeat, Refusal } from "../nlb/heartbeat.ts";
import type { Command, Mode } from "../nlb/inputs.ts";
import type { MapId, NlbMap } from "../nlb/map.ts";
import type { ClusterParameters, HostId, HostParameters } from "../nlb/parameters.ts";
import type { CauseName, HostState, OutReason } from "../nlb/states.ts";

/**
 * Between the main thread of a balanced host, which talks to people and to other hosts, and the thread that keeps its
 * place in the map: heartbeats, convergence, and the kernel's filter and lease. That thread waits for nothing but the kernel.
 */

export interface BalancerOptions {
  readonly cluster: ClusterParameters;
  readonly host: HostParameters;
  readonly adapter: string;
  /** 32 bytes, of the whole cluster. */
  readonly key: Uint8Array;
  readonly heartbeatPort: number;
  /** Higher than that of any former life of this host. */
  readonly incarnation: number;
  readonly persisted: Mode | null;
  readonly engine: FilterEngine;
  /** Real-time priority of the thread, 1 to 99; null = as everything else. Where it is refused, the log says so. */
  readonly realTimePriority: number | null;
}

export type ToBalancer =
  | { readonly kind: "configuration"; readonly cluster: ClusterParameters; readonly host: HostParameters }
  | { readonly kind: "command"; readonly request: number; readonly command: Command }
  | { readonly kind: "health"; readonly rule: string; readonly isHealthy: boolean; readonly capacity: number }
  | { readonly kind: "connections"; readonly open: Readonly<Record<string, number>> }
  | { readonly kind: "map"; readonly map: NlbMap }
  /** Clients of a rule who stay with other hosts, of all of them together. */
  | { readonly kind: "away"; readonly rule: string; readonly entries: readonly AffinityEntry[] }
  | { readonly kind: "affinityReady"; readonly map: MapId }
  | { readonly kind: "engine"; readonly engine: FilterEngine }
  /** Answered by `answer` with the same request. */
  | { readonly kind: "ask"; readonly request: number; readonly question: Question }
  | { readonly kind: "stop"; readonly request: number };

/** `staying` answers {@link AffinityEntry}s; `snapshot` a {@link BalancerSnapshot}; `try` a Trial. */
export type Question = { readonly what: "snapshot" } | { readonly what: "try"; readonly command: Command } | { readonly what: "staying"; readonly rule: string };

export type FromBalancer =
  | { readonly kind: "ready"; readonly snapshot: BalancerSnapshot }
  /** Something that people see is different. */
  | { readonly kind: "changed"; readonly snapshot: BalancerSnapshot }
  /** Over TLS, from the main thread of that host; a map that cannot be had is not answered. */
  | { readonly kind: "fetchMap"; readonly from: HostId; readonly address: string | null; readonly map: MapId }
  | { readonly kind: "exchangeAffinity"; readonly map: MapId; readonly from: readonly { readonly host: HostId; readonly address: string | null }[] }
  | { readonly kind: "persist"; readonly mode: Mode }
  /** Return code of a command, or an answer to a question. */
  | { readonly kind: "answer"; readonly request: number; readonly result: unknown }
  | { readonly kind: "event"; readonly name: EventName; readonly cause: CauseName | null; readonly text: string; readonly next: string | null }
  | { readonly kind: "log"; readonly line: string }
  /** It could not start; the thread ends. */
  | { readonly kind: "failed"; readonly error: ReturnType<MusterError["toBody"]> };

/** All of it is plain data. */
export interface BalancerSnapshot {
  readonly self: { readonly host: HostId; readonly incarnation: number };
  readonly mode: Mode;
  readonly state: HostState;
  /** Why it is in this state, as its own convergence sees it. */
  readonly why: { readonly reason: string; readonly next: string | null };
  readonly out: { readonly reason: OutReason; readonly host: HostId; readonly sinceMs: number };
  /** The monotonic clock when this was taken. */
  readonly nowMs: number;
  readonly isLinkUp: boolean;
  readonly map: NlbMap | null;
  /** What the map is made for; null = there is none. */
  readonly mapParameters: ClusterParameters | null;
  /** Of the parameters that this host has been given, whatever the map is made for. */
  readonly wanted: Digest;
  /** Its word about each rule of these, in canonical order. */
  readonly reports: readonly RuleReport[];
  /** By ascending id. */
  readonly peers: readonly PeerView[];
  readonly ruleStates: Readonly<Record<string, "enabled" | "disabled" | "draining">>;
  readonly health: Readonly<Record<string, { readonly isHealthy: boolean; readonly capacity: number }>>;
  readonly taken: TakenCounts;
  readonly openConnections: Readonly<Record<string, number>> | null;
  readonly engine: string;
  readonly heartbeats: { readonly sent: number; readonly accepted: number; readonly refused: Readonly<Record<Refusal, number>> };
  readonly lease: { readonly leaseMs: number; readonly holdMs: number; readonly isOpen: boolean };
}

export interface PeerView {
  readonly host: HostId;
  readonly incarnation: number;
  /** Where its heartbeats come from; its API is there too. */
  readonly address: string | null;
  readonly heardAgoMs: number;
  readonly isMutual: boolean;
  readonly heartbeat: Heartbeat;
}
