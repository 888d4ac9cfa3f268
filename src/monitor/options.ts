import type { NodeId } from "../model/identifiers.ts";

/** What a monitor process is started with: one JSON argument. */
export interface MonitorOptions {
  /** The directory of the cluster: locks and output are below it. */
  readonly directory: string;
  readonly clusterId: string;
  readonly clusterName: string;
  readonly nodeId: NodeId;
  readonly nodeName: string;
  readonly incarnation: number;
  /** The directory Muster was started in. */
  readonly workingDirectory: string;
  /** Directory with modules of users' resource types; null = none. */
  readonly resourceTypeDirectory: string | null;
  /** The service has a gate: addresses other than loopback can be served. */
  readonly isGated: boolean;
  /** How the others are told that nothing is left when the service dies: what `leasing/release.ts` takes; null = nobody needs to know. */
  readonly release: unknown;
}
