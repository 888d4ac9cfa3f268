import type { Engine } from "../engine/contract.ts";
import type { ReleaseOptions } from "../leasing/release.ts";
import { createLocalEngine } from "../engine/local/local.ts";
import type { LeaseHost, LeaseHostOptions } from "../leasing/host.ts";
import type { LogOptions, LogStatus } from "../log/types.ts";
import type { ClusterState } from "../core/index.ts";
import type { Member, NodeId } from "../model/identifiers.ts";
import type { WitnessRecord } from "../model/objects.ts";
import type { Witness } from "../quorum/witness.ts";
import { PROTOCOL_VERSION } from "../model/version.ts";
import type { AdapterReader } from "./adapters.ts";
import { readKey } from "./cluster-files.ts";
import type { ClusterConfiguration } from "./cluster-files.ts";

/** What the log's clocks are set to, which depends on how soon the engine notices what. */
export type LogTimes = Omit<LogOptions, "self" | "store" | "start">;

/** Makes the engine of each life; what outlasts a life (a daemon, a configuration) is its own. */
export interface EngineSource {
  readonly times: LogTimes;
  /** How often the log is told of the time. */
  readonly loopMs: number;
  /** Before the first life. @throws MusterError when there can be no engine as this machine is set up */
  start(): Promise<void>;
  create(self: Member): Engine;
  /** Keeps the lease of a life (PROTOCOL part 2); absent = the machine proves that who was left out serves nothing. */
  createLease?(self: Member, listener: Pick<LeaseHostOptions, "onPermit" | "onExit" | "onReleased">): LeaseHost;
  /** How the monitor of a life tells the others that nothing of it is left, should the service die. */
  releaseOf?(self: Member): ReleaseOptions;
  /** Nodes that the engine hears through the adapter with these addresses; null = it does not use it. */
  heardThrough?(addresses: readonly string[]): readonly NodeId[] | null;
  /** Its links to the other nodes, as it sees them; absent = it has none. */
  links?(): readonly { readonly node: NodeId; readonly link: number; readonly isConnected: boolean }[];
  /** Why there is no engine at the moment, for people; null = there is one. */
  readonly problem?: string | null;
  /** Why the engine runs with a former configuration, a whole sentence; null = it does not. */
  readonly configurationProblem?: string | null;
  /** Nodes that came lately and could not become members, each with why. */
  refused?(): readonly { readonly node: NodeId; readonly problem: string }[];
  /** After each change of what this life takes part in, before {@link EngineSource.onState}. */
  onStatus?(status: LogStatus): void;
  /** After each step that may have changed who belongs to the cluster or who is in the view. */
  onState?(state: ClusterState, members: readonly Member[]): void;
  /** The addresses that the gate is for, when they have changed; else null. */
  followAddresses?(state: ClusterState): readonly string[] | null;
  /** What adapters this machine has; absent = all that the system shows. */
  readonly adapters?: AdapterReader;
  /** A way to the witness; absent = there is none for any kind. */
  readonly connectWitness?: (record: WitnessRecord) => Witness | null;
  /** After the last life. */
  stop(): Promise<void>;
}

export const COMMON_TIMES = { permitMs: 5_000, diskLimitMs: 10_000, keepEntries: 10_000, arbitrationMs: 3_600_000, claimRetryMs: 5_000 } as const;

/**
 * The engine of nodes that share one machine with each other and with their roles: standing still for a while is not
 * death. Claims are ended by QuorumArbitrationTimeMax; `arbitrationMs` is its maximum.
 */
export function embeddedEngines(directory: string, configuration: ClusterConfiguration, log: (line: string) => void): EngineSource {
  return {
    times: { ...COMMON_TIMES, silenceMs: 500, tickMs: 100, detectionMs: 1_500, holdMs: 0 },
    loopMs: 100,
    start: async () => undefined,
    create: (self) => createLocalEngine({ clusterId: configuration.clusterId, directory, key: readKey(directory), self, protocolVersion: PROTOCOL_VERSION, onNotice: log }),
    stop: async () => undefined,
  };
}
