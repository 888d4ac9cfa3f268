import type { NodeId } from "../../model/identifiers.ts";

/**
 * Partial connectivity (PROTOCOL part 1): A and B do not reach each other, and both reach C. corosync does not relay, so
 * it forms one membership after the other without end. Heartbeats of our own tell who hears whom, and everybody works
 * out alone, by the same rule, who stands aside: it stops its own corosync until everybody reaches everybody again.
 */

/** Whom a node hears, as it said itself. */
export interface Row {
  readonly node: NodeId;
  readonly heard: readonly NodeId[];
}

/** The votes as one node last knew them. */
export interface KnownVotes {
  readonly version: number;
  readonly votes: readonly (readonly [NodeId, number])[];
}

/**
 * Who stands aside so that the others all reach each other. Of those that lack a connection the one with the fewest
 * votes goes first, or the others could not go on without it; of equals the one that lacks the most connections, and of
 * equals again the one with the highest number: the same answer on every node that knows the same rows.
 * @param rows of the nodes that were heard lately, directly or through others; `self` among them
 * @param votes the newest that any of them knows
 */
export function whoStandsAside(self: NodeId, rows: readonly Row[], votes: KnownVotes["votes"] = []): readonly NodeId[] {
  const heard = new Map(rows.map((row) => [row.node, new Set(row.heard)]));
  const votesOf = new Map(votes);
  const reach = (a: NodeId, b: NodeId): boolean => heard.get(a)?.has(b) === true && heard.get(b)?.has(a) === true;
  let members = componentOf(self, [...heard.keys()].sort((a, b) => a - b), reach);
  const aside: NodeId[] = [];
  for (;;) {
    const lacking = members.map((node) => ({ node, votes: votesOf.get(node) ?? 0, count: members.filter((other) => other !== node && !reach(node, other)).length })).filter(({ count }) => count > 0);
    const [first] = lacking.sort((a, b) => a.votes - b.votes || b.count - a.count || b.node - a.node);
    if (first === undefined) return aside.sort((a, b) => a - b);
    aside.push(first.node);
    members = members.filter((node) => node !== first.node);
  }
}

/** All that are reached from one node, through others if need be. */
function componentOf(start: NodeId, nodes: readonly NodeId[], reach: (a: NodeId, b: NodeId) => boolean): NodeId[] {
  const found = new Set([start]);
  for (const node of found) for (const other of nodes) if (!found.has(other) && reach(node, other)) found.add(other);
  return [...found].sort((a, b) => a - b);
}

/**
 * What a decision must outlast before anything is done: for half a second after a node died some still hear of it and
 * others do not. With the silence that is waited for before, and what stopping corosync takes, a view is stable some four
 * seconds after a cut; ten are promised.
 */
export const ASIDE_AFTER_MS = 1_500;
/** Two messages that a busy machine sent late do not make a cut undone. */
export const BLIP_MS = 750;
/** Flapping links must not stop and start an engine all the time. */
export const BACK_AFTER_MS = 5_000;

/** Turns what the rule says at each moment into what is done. */
export class StandingAside {
  #isAside = false;
  #changedAtMs: number | null = null;
  #otherwiseAtMs: number | null = null;
  #newcomerUntilMs: number;

  /** @param graceMs after a start: the others have not been heard yet */
  constructor(nowMs: number, graceMs: number) {
    this.#newcomerUntilMs = nowMs + graceMs;
  }

  get isAside(): boolean {
    return this.#isAside;
  }

  /** @param shouldBe what the rule says now @returns whether anything is to be done about it */
  next(nowMs: number, shouldBe: boolean): boolean {
    if (shouldBe === this.#isAside || nowMs < this.#newcomerUntilMs) {
      this.#otherwiseAtMs ??= nowMs;
      if (this.#isAside || nowMs - this.#otherwiseAtMs >= BLIP_MS) this.#changedAtMs = null;
      return false;
    }
    this.#otherwiseAtMs = null;
    this.#changedAtMs ??= nowMs;
    if (nowMs - this.#changedAtMs < (shouldBe ? ASIDE_AFTER_MS : BACK_AFTER_MS)) return false;
    this.#isAside = shouldBe;
    this.#changedAtMs = null;
    return true;
  }
}
