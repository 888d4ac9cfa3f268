import type { Lab } from "../../src/lab/lab.ts";
import { SERVER } from "./role.ts";

/** What can happen to the node that has the role. */
export const FAULTS = ["node killed", "link cut", "program crashed", "service crashed", "clean stop", "planned move"] as const;
export type FaultName = (typeof FAULTS)[number];
/** What is done to the host, and needs nothing of whoever keeps the role available. */
type HostFault = "node killed" | "link cut" | "program crashed";
export type OwnFault = Exclude<FaultName, HostFault>;

/** One way of keeping the role available, on three hosts of a lab. */
export interface Contender {
  /** Makes the cluster and starts the role. @throws Error */
  start(): Promise<void>;
  /** True when all nodes take part and the role runs. */
  isWhole(): Promise<boolean>;
  /**
   * Does it to the node; the role's next node is `target`. Returns when it was done; what a planned change takes may
   * go on.
   */
  inject(fault: OwnFault, node: string, target: string): Promise<void>;
  /** Undoes it and starts what was ended, as systemd or an administrator does. The cluster may take its time afterwards. */
  mend(fault: FaultName, node: string): Promise<void>;
}

/** Does it to the node that has the role; see {@link Contender.inject}. */
export async function inject(lab: Lab, contender: Contender, fault: FaultName, node: string, target: string): Promise<void> {
  switch (fault) {
    case "node killed":
      return lab.powerOff(node);
    case "link cut":
      return lab.cut(node);
    case "program crashed":
      return void lab.host(node).kill(SERVER, "SIGKILL");
    default:
      return contender.inject(fault, node, target);
  }
}

export interface ContenderKind {
  readonly name: string;
  /** One line for the report: how it is set up. */
  readonly setup: string;
  readonly faults: readonly FaultName[];
  /** True for what may be compared of memory and idle time: what a node runs for the cluster. */
  readonly hasCost: boolean;
  make(lab: Lab): Contender;
}
