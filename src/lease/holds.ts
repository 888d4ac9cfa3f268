import type { NodeId } from "../model/identifiers.ts";
import type { Hold } from "../model/votes.ts";
import type { LeaseParameters } from "./parameters.ts";

/**
 * Holds (PROTOCOL part 2): how long a node that a view leaves out may still be serving. Each
 * accepting member says what it knows, the view takes the maximum, takers count it on their own
 * clock from the delivery of ACTIVE.
 */

/** hold_m[h] = max(0, lastEcho + H - now). A member that never echoed says its process start for lastEcho. */
export function holdSince(lastEchoMs: number, holdMs: number, nowMs: number): number {
  return Math.max(0, lastEchoMs + holdMs - nowMs);
}

/** The holds of a view: for each node the maximum over the ACCEPTs, sorted by node. */
export function combineHolds(accepts: readonly (readonly Hold[])[]): Hold[] {
  const combined = new Map<NodeId, Hold>();
  for (const hold of accepts.flat()) {
    const known = combined.get(hold.node);
    combined.set(hold.node, known === undefined ? hold : longerHold(known, hold));
  }
  return [...combined.values()].sort((a, b) => a.node - b.node);
}

/** A cold start without run-time state: nobody knows who ran what, so every configured node that is not here may be serving. */
export function coldHolds(configured: readonly NodeId[], present: readonly NodeId[], parameters: LeaseParameters): Hold[] {
  const absent = configured.filter((node) => !present.includes(node)).sort((a, b) => a - b);
  return absent.map((node) => ({ node, incarnation: null, leaseMs: parameters.holdMs, permitMs: parameters.permitHoldMs }));
}

/** The longer of two. A hold for unknown lives stays one: what is released later may be another life than the one that serves. */
export function longerHold(a: Hold, b: Hold): Hold {
  return { node: a.node, incarnation: newestLife(a, b), leaseMs: Math.max(a.leaseMs, b.leaseMs), permitMs: Math.max(a.permitMs, b.permitMs) };
}

function newestLife(a: Hold, b: Hold): number | null {
  if (isElapsed(a)) return b.incarnation;
  if (isElapsed(b)) return a.incarnation;
  return a.incarnation === null || b.incarnation === null ? null : Math.max(a.incarnation, b.incarnation);
}

function isElapsed(hold: Hold): boolean {
  return hold.leaseMs === 0 && hold.permitMs === 0;
}

/** The holds that run, on this node's clock. They outlive the view that began them. */
export class HoldBook {
  /** Their lengths are moments here. */
  readonly #until = new Map<NodeId, Hold>();

  /** ACTIVE was delivered here just now. */
  activeDelivered(holds: readonly Hold[], nowMs: number): void {
    this.forgetElapsed(nowMs);
    for (const hold of holds) {
      if (isElapsed(hold)) continue;
      const until: Hold = { ...hold, leaseMs: nowMs + hold.leaseMs, permitMs: nowMs + hold.permitMs };
      const known = this.#until.get(hold.node);
      this.#until.set(hold.node, known === undefined ? until : longerHold(known, until));
    }
  }

  /** RELEASED, or a clean inventory of a later life: nothing of lives up to this one serves any more. */
  released(node: NodeId, incarnation: number): void {
    const known = this.#until.get(node);
    if (known !== undefined && known.incarnation !== null && known.incarnation <= incarnation) this.#until.delete(node);
  }

  /** What is left, sorted by node. */
  remaining(nowMs: number): Hold[] {
    return [...this.#until.values()]
      .map((until) => ({ ...until, leaseMs: Math.max(0, until.leaseMs - nowMs), permitMs: Math.max(0, until.permitMs - nowMs) }))
      .filter((hold) => !isElapsed(hold))
      .sort((a, b) => a.node - b.node);
  }

  of(node: NodeId, nowMs: number): Hold | null {
    return this.remaining(nowMs).find((hold) => hold.node === node) ?? null;
  }

  forgetElapsed(nowMs: number): void {
    for (const [node, until] of this.#until) if (until.leaseMs <= nowMs && until.permitMs <= nowMs) this.#until.delete(node);
  }
}
