import type { Member, NodeId } from "../model/identifiers.ts";
import type { Hold, Voter, Weights, WeightsInForce } from "../model/votes.ts";
import { HoldBook, holdSince, longerHold } from "./holds.ts";
import { LeaseLengths } from "./lengths.ts";
import type { LeaseParameters } from "./parameters.ts";
import { OWN, weightsNumber } from "./steps.ts";
import type { LeaseMember, LeaseProgram, LeaseTerms } from "./steps.ts";

/** What of ACTIVE matters here. */
export interface ActiveView {
  readonly epoch: number;
  readonly members: readonly LeaseMember[];
  readonly claim: readonly Voter[] | null;
  readonly weights: readonly Weights[];
  readonly holds: readonly Hold[];
}

/** What of an INSTALL matters here. */
export interface AcceptedInstall {
  readonly epoch: number;
  /** Configured nodes that are no members. */
  readonly excluded: readonly NodeId[];
  /** In force in the base: the newest first, and its predecessor if none of the STATEs knew it to be committed. */
  readonly weights: readonly Weights[];
}

/**
 * The main thread's side of the lease: it hands terms to the worker and knows what it has to say
 * in an ACCEPT. Its programs are run to their end before the main thread sends anything that
 * follows from them: the ACCEPT, or an acknowledgement under the new terms.
 */
export class LeaseLedger {
  readonly #self: Member;
  readonly #lengths: LeaseLengths;
  readonly #startedAtMs: number;
  /** Counted from the delivery of ACTIVE on this node. */
  readonly holds = new HoldBook();
  #terms: LeaseTerms | null = null;
  /** The newest weights known to be committed. */
  #committed = 0;
  /** Later than any echo that some other node may have given: ACTIVE was delivered, weights became known to be committed. */
  readonly #assumedAtMs = new Map<NodeId, number>();
  /** The newest life of a node that was seen in a view. */
  readonly #lives = new Map<NodeId, number>();
  /** Lives up to this one serve nothing any more. */
  readonly #released = new Map<NodeId, number>();

  /** @param parameters for weights that carry no token */
  constructor(self: Member, parameters: LeaseParameters, startedAtMs: number) {
    this.#self = self;
    this.#lengths = new LeaseLengths(parameters);
    this.#startedAtMs = startedAtMs;
  }

  /** What is in force here now; empty = this life has not been in a view. */
  get weights(): WeightsInForce {
    return this.#terms?.weights ?? [];
  }

  /** The loop came round. */
  *alive(): LeaseProgram {
    const nowMs = yield { do: "readClock" };
    yield { do: "store", cell: "mainAlive", node: OWN, value: nowMs };
  }

  /** ACTIVE was delivered and lists this node: before anything of its epoch is acknowledged. */
  *activeDelivered(view: ActiveView): LeaseProgram {
    const { epoch, members, claim, weights } = view;
    yield* this.#change({ number: (this.#terms?.number ?? 0) + 1, epoch, members, claim, weights });
    for (const { node, incarnation } of members) {
      // A life that serves now counts, whatever was known of one with a higher number: a clock may have been set back.
      this.#lives.set(node, incarnation);
      if ((this.#released.get(node) ?? 0) >= incarnation) this.#released.delete(node);
    }
    const nowMs = yield* this.#assume(members);
    // With ACTIVE the whole base is committed.
    this.#committed = Math.max(this.#committed, weights[0]?.version ?? 0);
    this.holds.activeDelivered(view.holds, nowMs);
  }

  /** WEIGHTS was appended: before it is acknowledged. */
  *weightsAppended(weights: Weights): LeaseProgram {
    const terms = this.#terms;
    if (terms === null) return;
    yield* this.#change({ ...terms, number: terms.number + 1, weights: [weights, ...terms.weights] });
  }

  /** The newest WEIGHTS is known to be committed: its predecessor counts no longer. */
  *weightsCommitted(): LeaseProgram {
    const terms = this.#terms;
    if (terms === null || terms.weights.length < 2) return;
    // Before the old weights stop to count anywhere: who echoed under them alone may be in no later view.
    yield* this.#assume(terms.members);
    const committed = { ...terms, weights: terms.weights.slice(0, 1) };
    this.#committed = Math.max(this.#committed, weightsNumber(terms));
    this.#terms = committed;
    yield { do: "post", terms: committed };
  }

  /**
   * An INSTALL was carried out: its base is in the log. @returns the holds that go into the
   * ACCEPT: for every configured node that it leaves out. First all of `excludedAt`, then
   * `lastEcho`, or an echo in between would be missed.
   */
  *accept(install: AcceptedInstall): LeaseProgram<Hold[]> {
    const { epoch, weights } = install;
    const nodes = [...install.excluded].sort((a, b) => a - b);
    const terms = this.#terms;
    // The ACCEPT acknowledges the base: it is an append like any other.
    if (terms !== null && weights.length > 0 && !sameRecord(weights[0]!, terms.weights[0])) yield* this.#change({ ...terms, number: terms.number + 1, weights });
    for (const node of nodes) yield { do: "store", cell: "excludedAt", node, value: epoch };
    const lastEchoMs = new Map<NodeId, number>();
    for (const node of nodes) lastEchoMs.set(node, yield { do: "load", cell: "lastEcho", node });
    const nowMs = yield { do: "readClock" };
    // To learn of a commit from an INSTALL is to learn of it: those who knew may not be among the ACCEPTs that count.
    const learned = weights.length === 1 ? (weights[0]?.version ?? 0) : 0;
    if (learned > this.#committed) for (const node of nodes) this.#assumedAtMs.set(node, nowMs);
    this.#committed = Math.max(this.#committed, learned);
    // By what was in force here and by what is from now on: the longer of all.
    const inForce = [...(terms?.weights ?? []), ...weights];
    return nodes.map((node) => this.#hold(node, lastEchoMs.get(node)!, nowMs, this.#lengths.waiting(inForce)));
  }

  /** RELEASED(node, incarnation) was stepped, or a clean inventory of the life after it. */
  released(node: NodeId, incarnation: number): void {
    this.#released.set(node, Math.max(this.#released.get(node) ?? 0, incarnation));
    this.holds.released(node, incarnation);
  }

  #hold(node: NodeId, workerMs: number, nowMs: number, { holdMs, permitHoldMs }: LeaseParameters): Hold {
    const incarnation = this.#lives.get(node) ?? null;
    // Who was never seen may have lives that this one knows nothing of.
    if (incarnation !== null && (this.#released.get(node) ?? 0) >= incarnation) return { node, incarnation, leaseMs: 0, permitMs: 0 };
    const lastEchoMs = Math.max(workerMs, this.#assumedAtMs.get(node) ?? 0, this.#startedAtMs);
    const own: Hold = { node, incarnation, leaseMs: holdSince(lastEchoMs, holdMs, nowMs), permitMs: holdSince(lastEchoMs, permitHoldMs, nowMs) };
    const running = this.holds.of(node, nowMs);
    return running === null ? own : longerHold(own, running);
  }

  /** The worker must give no echo under the old terms once anything is acknowledged under the new ones: hence the cell, before the message. */
  *#change(terms: LeaseTerms): LeaseProgram {
    this.#terms = terms;
    yield { do: "store", cell: "terms", node: OWN, value: terms.number };
    yield { do: "post", terms };
  }

  *#assume(members: readonly LeaseMember[]): LeaseProgram<number> {
    const nowMs = yield { do: "readClock" };
    for (const member of members) if (member.node !== this.#self.node) this.#assumedAtMs.set(member.node, nowMs);
    return nowMs;
  }
}

/** Records of two epochs may have one number: the earlier one was cut, and the later one is new all the same. */
function sameRecord(one: Weights, other: Weights | undefined): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
