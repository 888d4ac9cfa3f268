import type { ClusterParameters, HostId, HostParameters, HostRule, PortRule } from "../nlb/parameters.ts";
import type { Mismatch } from "../nlb/consistency.ts";
import type { CauseName, HostState, OutReason } from "../nlb/states.ts";
import type { Answer, Question } from "../nlb/explain.ts";
import type { NlbMap } from "../nlb/map.ts";
import type { AffinityEntry, TakenCounts } from "../nlb-filter/contract.ts";
import type { OpenConnection } from "./connections.ts";
import type { BalancerSnapshot } from "./messages.ts";
import type { FilterEngine } from "../nlb-filter/choice.ts";
import type { BalancedHost } from "./files.ts";
import type { Forecast } from "./forecast.ts";
import type { Health } from "./probes.ts";
import type { Trial } from "./trial.ts";

/** What the API of a balanced host stands on. All methods throw MusterError. */
export interface NlbFacade {
  readonly configuration: BalancedHost;
  status(): Promise<NlbStatus>;
  /** Listeners are told when something that people see is different. @returns what ends it */
  onChange(listener: () => void): () => void;
  snapshot(): Promise<BalancerSnapshot>;
  /** The map with this hash, if this host has it. */
  map(hash: string): Promise<NlbMap | null>;
  /** By rule with extended affinity: the clients who stay with this host. */
  staying(): Promise<Readonly<Record<string, readonly AffinityEntry[]>>>;
  /** Connections that are open, of this host or of all that are heard. */
  connections(query: ConnectionsQuery): Promise<readonly HostConnections[]>;
  /** Extended affinity of one host: who stays with it, and whom it leaves to others. */
  affinity(query: AffinityQuery): Promise<AffinityList>;
  /** Which host takes a packet, and why. */
  who(question: Question): Promise<Answer>;
  /** Why a host, or a rule on each host, is as it is. @param name id or name of a host, key of a rule; null = this host */
  why(name: string | null): Promise<readonly Explanation[]>;
  events(after: number, limit: number): readonly NlbEvent[];
  onEvent(listener: (event: NlbEvent) => void): () => void;

  command(request: CommandRequest): Promise<readonly HostOutcome[]>;
  /** What the command would be answered, and change in the map. Nothing is changed. */
  forecast(request: CommandRequest): Promise<CommandForecast>;
  /** For another host, which works out a forecast: what this one would answer, and be. */
  tries(request: CommandRequest): Promise<Trial>;
  /** Changes what must be equal on all hosts: here, and on all that are heard. */
  changeCluster(change: ClusterChange, options: { readonly dryRun: boolean }): Promise<ClusterChangeOutcome>;
  /** From another host of the cluster: what it changed. Nothing is passed on. */
  takeCluster(clusterId: string, cluster: ClusterParameters): Promise<void>;
  changeHost(change: HostChange, options: { readonly dryRun: boolean }): Promise<HostParameters>;
  /** Makes this host's parameters those of another one. @returns what was different */
  sync(from: HostId | null, options: { readonly dryRun: boolean }): Promise<{ readonly from: HostId; readonly mismatches: readonly Mismatch[] }>;
  /** The end of the cluster: all that are heard leave it, and this host is told who did; it leaves afterwards by itself. */
  dismiss(options: { readonly dryRun: boolean }): Promise<Dismissal>;
  /** From another host: this one is none any more. It stops serving, and nothing of it is left but its process and its log. */
  leave(clusterId: string): Promise<void>;
  /** The answer to {@link leave} has been sent: the process may end. */
  hasLeft(): void;
  /** @returns what an administrator carries to a machine that is to join */
  issueToken(validMs: number): Promise<{ readonly token: string; readonly expiresAtWallMs: number }>;
  admit(request: NlbJoinRequest): Promise<NlbJoinAnswer>;
}

export interface Explanation {
  readonly host: HostId;
  readonly text: string;
  readonly next: string | null;
}

export interface NlbEvent {
  readonly id: number;
  readonly wallTimeMs: number;
  readonly host: HostId;
  readonly name: string;
  readonly code: number;
  readonly level: "information" | "warning" | "error" | "critical";
  readonly cause: CauseName | null;
  readonly text: string;
  readonly next: string | null;
}

export interface NlbStatus {
  readonly cluster: ClusterParameters;
  readonly self: HostId;
  readonly hosts: readonly HostView[];
  readonly rules: readonly RuleView[];
  /** `7 by 1 (3f2a)`; null = none. */
  readonly map: string | null;
  readonly isConverged: boolean;
  /** How often this host converged, since its process started. */
  readonly convergences: number;
  readonly engine: string;
  /** Which connections count as open here, in words. */
  readonly counted: string;
  readonly leaseMs: number;
  readonly holdMs: number;
  /** Its kernel serves what it holds. */
  readonly isLeaseOpen: boolean;
  readonly heartbeats: BalancerSnapshot["heartbeats"];
}

export interface HostView {
  readonly id: HostId;
  /** null = it has not said yet. */
  readonly name: string | null;
  readonly address: string | null;
  readonly state: HostState;
  /** Windows' number of the state. */
  readonly code: number;
  readonly reason: OutReason;
  /** In words, with what helps; null = all is well. */
  readonly why: { readonly text: string; readonly next: string | null } | null;
  readonly heardAgoMs: number | null;
  readonly isMember: boolean;
}

export interface RuleView {
  readonly key: string;
  readonly rule: PortRule;
  /** By host of the map: how much of the rule is its. */
  readonly shares: readonly { readonly host: HostId; readonly parts: number; readonly of: number; readonly weight: number | null; readonly handlingPriority: number; readonly state: "enabled" | "disabled" | "draining"; readonly isHealthy: boolean; readonly capacity: number }[];
  /** Of this host. */
  readonly health: Health;
  readonly openConnections: number;
  readonly taken: TakenCounts[string];
}

export interface ConnectionsQuery {
  /** Lists only those of this rule; null = all. */
  readonly rule: string | null;
  /** So many of each host at most. */
  readonly limit: number;
  /** Of this host alone. */
  readonly isLocal: boolean;
}

export interface ConnectionList {
  /** By rule key, and of what no rule covers as `default`. */
  readonly open: Readonly<Record<string, number>>;
  /** In words. */
  readonly counted: string;
  readonly connections: readonly (OpenConnection & { readonly rule: string })[];
  readonly leftOut: number;
}

export interface HostConnections {
  readonly host: HostId;
  readonly problem: string | null;
  /** null = it could not be asked. */
  readonly list: ConnectionList | null;
}

export interface AffinityQuery {
  /** null = the host that is asked. */
  readonly host: HostId | null;
  /** So many of each list at most. */
  readonly limit: number;
}

export interface AffinityList {
  readonly host: HostId;
  readonly staying: readonly StayingClient[];
  readonly stayingLeftOut: number;
  /** With other hosts, whoever owns their bucket. */
  readonly away: readonly StayingClient[];
  readonly awayLeftOut: number;
}

export interface StayingClient extends AffinityEntry {
  readonly rule: string;
  /** With whom it stays. */
  readonly host: HostId;
}

export interface CommandRequest {
  readonly verb: "start" | "stop" | "drainstop" | "suspend" | "resume" | "enable" | "disable" | "drain";
  /** Key of a rule; null = all. For enable, disable and drain. */
  readonly rule: string | null;
  /** null = this host; "all" = every host that is heard. */
  readonly hosts: readonly HostId[] | "all" | null;
  /** drainstop and drain: then stop, or disable, whatever is still open; null = wait for ever. */
  readonly deadlineMs: number | null;
}

export interface HostOutcome {
  readonly host: HostId;
  /** A return code of Windows' tools; null = it could not be asked. */
  readonly code: number | null;
  readonly problem: string | null;
}

export interface CommandForecast extends Forecast {
  /** What each would answer. */
  readonly hosts: readonly HostOutcome[];
}

export type ClusterChange =
  | { readonly kind: "set"; readonly values: Partial<Omit<ClusterParameters, "rules" | "primaryAddress">> }
  | { readonly kind: "addAddress"; readonly address: string }
  /** Refused for the primary address, and while a rule names it. */
  | { readonly kind: "removeAddress"; readonly address: string }
  /** Rules that name it go with it. */
  | { readonly kind: "replaceAddress"; readonly address: string; readonly to: string }
  | { readonly kind: "addRule"; readonly rule: PortRule; readonly own: Partial<HostRule> }
  /** `rule`: the key of one that is there. */
  | { readonly kind: "setRule"; readonly rule: string; readonly values: Partial<PortRule> }
  | { readonly kind: "deleteRule"; readonly rule: string };

export interface ClusterChangeOutcome {
  readonly before: ClusterParameters;
  readonly after: ClusterParameters;
  /** Which hosts have it now; of a dry run, who would be told. */
  readonly hosts: readonly HostOutcome[];
  /** Parts of rules that would change hands, by rule, from the code that decides; null = there is no map now. */
  readonly moves: Readonly<Record<string, number>> | null;
}

export interface Dismissal {
  /** The other hosts that are heard; of a dry run without a code. */
  readonly hosts: readonly HostOutcome[];
  /** Heard earlier, while this process ran, and not now. */
  readonly silent: readonly { readonly host: HostId; readonly name: string }[];
}

export interface HostChange {
  /** What filters: it is changed while connections are open, and breaks none. */
  readonly engine?: FilterEngine;
  readonly id?: HostId;
  readonly name?: string;
  readonly dedicatedAddresses?: readonly string[];
  readonly initialState?: HostParameters["initialState"];
  readonly retainsSuspended?: boolean;
  readonly rules?: Readonly<Record<string, Partial<HostRule>>>;
}

export interface NlbJoinRequest {
  readonly id: string;
  readonly secret: string;
  readonly name: string;
  /** Wanted; null = the first that is free. */
  readonly host: HostId | null;
  readonly version: string;
}

export interface NlbJoinAnswer {
  readonly clusterId: string;
  readonly cluster: ClusterParameters;
  readonly host: HostId;
  readonly apiPort: number;
  readonly heartbeatPort: number;
  readonly key: string;
  readonly authority: string;
  readonly authorityKey: string;
}
