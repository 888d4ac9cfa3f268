import type { ClusterState } from "../core/index.ts";
import type { ClusterEvent } from "../model/events.ts";
import type { Command } from "../model/inputs.ts";
import type { DryRun, Hypothesis, LeaseView, Plan } from "../model/views.ts";
import type { ClusterConfiguration } from "./cluster-files.ts";
import type { DatabaseListener } from "./database-watch.ts";
import type { ServiceHistory } from "./history.ts";
import type { Joining } from "./joining.ts";
import type { CommandOutcome } from "./node.ts";

export type ServiceStatus =
  | { readonly phase: "active"; readonly epoch: number; readonly members: readonly string[]; readonly orderer: string }
  | { readonly phase: "starting" | "forming" | "waiting" | "left"; readonly reason: string };

/** Facts of one node that are not part of the replicated state. */
export interface NodeInformation {
  readonly node: string;
  readonly version: string;
  readonly processId: number;
  readonly monitorProcessIds: readonly number[];
  /** Version of its copy of the database: promised:epoch:sequence. */
  readonly tag: string;
  readonly committed: number;
  readonly isOrderer: boolean;
  /** How much longer its roles may run without new evidence of a majority. */
  readonly permitLeftMs: number;
  readonly memoryBytes: number;
}

/** A link of the engine to another node, as this node sees it. */
export interface LinkView {
  readonly peer: string;
  /** 0 is the first address of the nodes, and so on. */
  readonly link: number;
  readonly isConnected: boolean;
}

/** What the API may ask of the service of its node; there is no other door. */
export interface ServiceFacade {
  readonly nodeName: string;
  readonly configuration: ClusterConfiguration;
  readonly directory: string;
  readonly status: ServiceStatus;
  /** How other machines become nodes. */
  readonly joining: Pick<Joining, "issue" | "admit">;
  readonly history: Pick<ServiceHistory, "list" | "find" | "at">;
  /** What this node knows beside the replicated state and an administrator should: whole sentences. */
  problems(): readonly string[];
  /** For reading only, and only until the next turn of the event loop. @throws MusterError MUSTER_NO_QUORUM while the node is between two lives */
  state(): ClusterState;
  /** The newest events, oldest first. */
  events(): readonly ClusterEvent[];
  /** Called after every change of state, events or status. @returns how to end it */
  onChange(listener: () => void): () => void;
  /** Called for every change of the free part of the database. @returns how to end it */
  onDatabaseChange(listener: DatabaseListener): () => void;
  /**
   * Carries out a command through the log; resolves when it is committed.
   * @throws MusterError the refusal; MUSTER_NO_QUORUM when nothing was sent, MUSTER_TIMEOUT when it may still take effect
   */
  command(command: Command, timeoutMs: number): Promise<CommandOutcome>;
  /** Resolves when `state()` is at least as new as the cluster was at the call. */
  read(timeoutMs: number): Promise<void>;
  dryRun(command: Command): DryRun;
  whatIf(steps: readonly Hypothesis[]): Plan;
  /** Facts of a node of the cluster; null when it does not answer. */
  information(nodeName: string): Promise<NodeInformation | null>;
  /** The lease of this node; null where the machine proves more (the embedded engine). @throws MusterError while there is none */
  lease(): Promise<LeaseView | null>;
  /** Links of the engine to the other nodes; null where it has none (the embedded engine). */
  links(): readonly LinkView[] | null;
  /** Where the output of a resource's processes lies. */
  outputFile(resourceId: string): string;
}
