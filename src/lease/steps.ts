import type { Member, NodeId } from "../model/identifiers.ts";
import type { Voter, WeightsInForce } from "../model/votes.ts";

/**
 * What the lease code asks of the world, one step at a time. The code is written as programs
 * that yield steps and are told the answer: whoever runs them can stop between any two, as a
 * scheduler of a real machine can, and safety must not depend on where.
 */
export type LeaseStep =
  | { readonly do: "readClock" }
  | { readonly do: "load"; readonly cell: Cell; readonly node: NodeId }
  | { readonly do: "store"; readonly cell: Cell; readonly node: NodeId; readonly value: number }
  /** Put the slot into the gate with a time-out, whatever it held before. */
  | { readonly do: "arm"; readonly slot: number; readonly timeoutMs: number }
  | { readonly do: "sendTick"; readonly tick: LeaseTick }
  /** From now on this slot alone decides whether the gate is open. */
  | { readonly do: "point"; readonly slot: number }
  /** No slot decides: closed. */
  | { readonly do: "close" }
  /** The addresses that pass the gate while it is open. */
  | { readonly do: "own"; readonly addresses: readonly string[] }
  /** Tells the main thread that its order with this number has been carried out. */
  | { readonly do: "answer"; readonly order: number }
  /** Processes without a gate may run until then. */
  | { readonly do: "permit"; readonly untilMs: number }
  | { readonly do: "exit"; readonly reason: string }
  /** The main thread hands the worker new terms; what it handed before arrives before. */
  | { readonly do: "post"; readonly terms: LeaseTerms };

/** Yields steps; each is answered with a number, which is 0 where nothing is asked. */
export type LeaseProgram<Result = void> = Generator<LeaseStep, Result, number>;

/**
 * Memory that the main thread and the worker share, sequentially consistent, each cell with one
 * writer. `lastEcho` (worker): when a new tick of that node was last echoed. `excludedAt`
 * (main): the newest epoch of which an INSTALL that leaves that node out was accepted. `terms`
 * (main): the number of the newest terms. `mainAlive` (main): when its loop last came round.
 */
export type Cell = "lastEcho" | "excludedAt" | "terms" | "mainAlive";

/** For cells of which there is one, not one for each node. */
export const OWN = 0;

/** TICK (PROTOCOL part 2, step 2): echoes ride in it. */
export interface LeaseTick {
  readonly from: Member;
  readonly epoch: number;
  /** The sender's W number: the newest WEIGHTS it has appended. */
  readonly weights: number;
  readonly number: number;
  /** The newest tick heard from each peer, by node. */
  readonly heard: readonly (readonly [NodeId, number])[];
}

export interface LeaseMember extends Member {
  readonly store: string;
}

/** What leases are given under: the newest delivered ACTIVE that lists this node, and the weights appended since. */
export interface LeaseTerms {
  /** Rises with every change of epoch or W number, not when weights become known to be committed. */
  readonly number: number;
  readonly epoch: number;
  readonly members: readonly LeaseMember[];
  /** The voters behind the claim on the witness that decided the view (rule 5); null = votes did. */
  readonly claim: readonly Voter[] | null;
  /** The newest first, and its predecessor while it is not known to be committed. */
  readonly weights: WeightsInForce;
}

/** W number: what ticks and echoes must agree on. */
export function weightsNumber(terms: LeaseTerms): number {
  return terms.weights[0]?.version ?? 0;
}
