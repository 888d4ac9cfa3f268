import type { EffectId, Generation, ResourceId } from "../model/identifiers.ts";
import type { InventoryItem, ReportedState, ReportedStatus } from "../model/inputs.ts";
import type { ProviderRecord, ResourceRecord } from "../model/objects.ts";

/**
 * What the Cluster Service and its Resource Monitor say to each other. The monitor has no
 * policy: it does what it is told, watches, and reports (reference 1.2).
 * All times are CLOCK_MONOTONIC milliseconds (`process.hrtime`), which all processes of a machine share.
 */
export type MonitorOrder =
  | {
      readonly kind: "online";
      readonly effect: EffectId;
      readonly generation: Generation;
      readonly resource: ResourceRecord;
      /** What it depends on; absent = nothing. */
      readonly providers?: readonly ProviderRecord[];
      readonly groupName: string;
      /** It was online a moment ago, here or elsewhere: its type may take shortcuts. */
      readonly handover?: true;
      readonly reason: string;
      /** Start nothing after this moment: the order is too old to be trusted (PROTOCOL rule 14). */
      readonly startBeforeMs: number;
    }
  | { readonly kind: "offline"; readonly effect: EffectId; readonly generation: Generation; readonly resource: ResourceId; readonly reason: string }
  | { readonly kind: "terminate"; readonly effect: EffectId; readonly generation: Generation; readonly resource: ResourceId; readonly reason: string }
  /** What runs may go on running until then; without a newer permit the monitor ends everything. */
  | { readonly kind: "permit"; readonly untilMs: number }
  /** New poll intervals and the like, for a resource that runs. */
  | { readonly kind: "update"; readonly resource: ResourceRecord }
  /** What a resource that runs depends on is not as it was. */
  | { readonly kind: "providers"; readonly resource: ResourceId; readonly providers: readonly ProviderRecord[] }
  /** End everything at once, then answer `ended`. */
  | { readonly kind: "endAll"; readonly graceful: boolean; readonly reason: string }
  /** The gate is as report `number` of the owned addresses said; otherwise what went wrong. */
  | { readonly kind: "addressesOwned"; readonly number: number; readonly problem: string | null }
  | { readonly kind: "ping"; readonly number: number };

export type MonitorReport =
  | { readonly kind: "ready"; readonly processId: number }
  | {
      readonly kind: "state";
      readonly resource: ResourceId;
      readonly generation: Generation;
      readonly effect: EffectId | null;
      readonly state: ReportedState;
      readonly reason: string;
      readonly processId: number | null;
      /** What the type says beside the state; absent = nothing since it was started. */
      readonly status?: ReportedStatus;
      /** Offline because the permit of its node ran out. */
      readonly permitEnded?: true;
    }
  /** All addresses that resources of this monitor own now; answered with `addressesOwned`. */
  | { readonly kind: "addresses"; readonly number: number; readonly owned: readonly string[] }
  | { readonly kind: "ended" }
  | { readonly kind: "pong"; readonly number: number };

/** The gate, as far as the monitor's host needs it. */
export interface AddressOwner {
  /**
   * These addresses pass the gate from now on, and no others of this node. Calls take effect in the order in which
   * they are made. Resolves when the kernel has it.
   */
  own(addresses: readonly string[]): Promise<void>;
}

/** The service's side of a monitor: a child process in the service, a model in the simulator. */
export interface MonitorHost {
  /** Starts the monitor after ending leftovers of earlier lives of this node. `report` is called for every report. */
  start(listener: MonitorListener): Promise<void>;
  send(order: MonitorOrder): void;
  /** What is not offline right now, as last reported. */
  inventory(): readonly InventoryItem[];
  processIds(): readonly number[];
  /** Ends all resources, then the monitor. Resolves when both are gone. */
  stop(options: { readonly graceful: boolean; readonly reason: string }): Promise<void>;
}

export interface MonitorListener {
  onReport(report: MonitorReport): void;
  /** The monitor died or hung; its resources are proven ended, and a new monitor is started. */
  onDied(reason: string): void;
}
