import type { ErrorBody } from "../../model/errors.ts";
import type { Member, NodeId } from "../../model/identifiers.ts";
import type { LinkState } from "./cmap.ts";

/** What the engine and its thread say to each other. A session is one connection to corosync; they are numbered. */

export interface WorkerOptions {
  readonly self: Member;
  readonly protocolVersion: number;
  readonly group: string;
  readonly words: Int32Array;
  readonly linkIntervalMs: number;
}

export type ToWorker =
  /** Frames of type Multicast, for this session only. */
  | { readonly type: "send"; readonly session: number; readonly frames: Uint8Array }
  /** Ends this session if it is still the present one, and begins another. */
  | { readonly type: "drop"; readonly session: number; readonly problem: string }
  | { readonly type: "stop" };

export type FromWorker =
  /** Frames of type Members and Deliver; the first of a session is its first membership. */
  | { readonly type: "batch"; readonly session: number; readonly frames: Uint8Array }
  | { readonly type: "lost"; readonly session: number; readonly problem: string }
  /** There is no corosync to connect to; tried again until there is. Told once until there is a session. */
  | { readonly type: "unreachable"; readonly problem: string }
  | { readonly type: "notice"; readonly text: string }
  /** A node is in the group and cannot be a member. */
  | { readonly type: "refused"; readonly node: NodeId; readonly problem: string }
  | { readonly type: "links"; readonly links: readonly LinkState[] }
  /** This incarnation cannot go on. */
  | { readonly type: "over"; readonly error: ErrorBody };
