import type { Member } from "../model/identifiers.ts";
import type { LeaseParameters } from "../lease/parameters.ts";
import type { LeaseTerms } from "../lease/steps.ts";
import type { ErrorBody } from "../model/errors.ts";
import type { GateState } from "../network/gate-state.ts";
import type { ChannelDescription } from "./channel.ts";
import type { RealTimeOutcome } from "../platform/real-time.ts";
import type { LeaseFigures } from "./statistics.ts";

/** What the worker is started with. */
export interface WorkerOptions {
  readonly self: Member;
  readonly clusterId: string;
  readonly parameters: LeaseParameters;
  readonly cells: SharedArrayBuffer;
  /** Name of the gate's tables. */
  readonly table: string;
  readonly clustered: readonly string[];
  readonly channel: ChannelDescription;
  /** 1 to 99; null = none is asked for. */
  readonly realTimePriority: number | null;
}

/** What the worker knows; the rest of a status is the host's. */
export interface WorkerStatus {
  readonly figures: LeaseFigures;
  readonly terms: Pick<LeaseTerms, "number" | "epoch" | "members"> | null;
  readonly gate: GateState | null;
}

/** Orders are answered with their number when the kernel has done it. */
export type ToWorker =
  | { readonly type: "terms"; readonly terms: LeaseTerms }
  | { readonly type: "own"; readonly addresses: readonly string[]; readonly order: number }
  | { readonly type: "clustered"; readonly addresses: readonly string[]; readonly order: number }
  | { readonly type: "status"; readonly order: number }
  /** Closes the gate for good. `remove`: and takes its tables away, because no clustered address is left here. */
  | { readonly type: "close"; readonly remove: boolean; readonly order: number };

export type FromWorker =
  | { readonly type: "ready"; readonly realTime: RealTimeOutcome | null }
  | { readonly type: "notStarted"; readonly error: ErrorBody }
  | { readonly type: "answer"; readonly order: number; readonly error: ErrorBody | null; readonly status?: WorkerStatus }
  | { readonly type: "permit"; readonly untilMs: number }
  /** The monitor of a service that died says that nothing of that life is left. */
  | { readonly type: "released"; readonly member: Member }
  /** Somebody else had changed the gate's tables; it is whole again. */
  | { readonly type: "repaired"; readonly problem: string }
  | { readonly type: "ended"; readonly reason: string };
