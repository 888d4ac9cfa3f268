import type { NodeId } from "../model/identifiers.ts";
import type { GroupRecord } from "../model/objects.ts";
import { affinityOf } from "./affinity.ts";
import type { AffinityView } from "./affinity.ts";
import type { StepContext } from "./context.ts";
import { obstacleOf, whyNot } from "./eligibility.ts";
import type { Obstacle } from "./eligibility.ts";
import { criteriaOf } from "./placement-criteria.ts";
import type { Criterion } from "./placement-criteria.ts";

/** Choosing a node for a group (reference 2.10, 2.14): the one place that decides where a role goes. */

export { effectiveOrder, whyNeverOn, whyNot } from "./eligibility.ts";

/**
 * Why a node is looked for:
 * - `best`: an administrator or a drain asks for the best possible node;
 * - `start`: the group has no owner and gets one;
 * - `failure`: it failed on the node it is on, and goes further down the list;
 * - `nodeLost`: the node it was on is gone;
 * - `failback`: which of its preferred owners it should be on.
 */
export type Situation = "best" | "start" | "failure" | "nodeLost" | "failback";

export interface PlacementRequest {
  readonly situation: Situation;
  /** The node it leaves: never chosen. */
  readonly from?: NodeId | null;
  /** An administrator asked not to mind the affinity rules. */
  readonly ignoreAffinity?: boolean;
}

export interface RankedNode {
  readonly node: NodeId;
  /** null = it can host the group now. */
  readonly obstacle: Obstacle | null;
  /** Why it comes where it does among those that can. */
  readonly place: string;
}

/** The node for the group, or null when none can take it. */
export function choose(context: StepContext, group: GroupRecord, request: PlacementRequest): NodeId | null {
  const candidates = new Candidates(context, group, request);
  let best: NodeId | null = null;
  for (const node of candidates.nodes()) {
    // Whether it can is asked last, and only of those that would win.
    if (best !== null && candidates.compare(node, best) >= 0) continue;
    if (candidates.obstacle(node) === null) best = node;
  }
  return best;
}

/** Every node: first those that can, best first, each with its reason; then those that cannot, each with what keeps it. */
export function rankNodes(context: StepContext, group: GroupRecord, request: PlacementRequest): RankedNode[] {
  const candidates = new Candidates(context, group, request);
  const able: NodeId[] = [];
  const unable: RankedNode[] = [];
  for (const node of candidates.nodes()) {
    const obstacle = candidates.obstacle(node);
    if (obstacle === null) able.push(node);
    else unable.push({ node, obstacle, place: "" });
  }
  able.sort((left, right) => candidates.compare(left, right));
  const ranked = able.map((node, position) => ({ node, obstacle: null, place: candidates.place(node, able[position - 1], able[position + 1]) }));
  return [...ranked, ...unable];
}

class Candidates {
  readonly #context: StepContext;
  readonly #group: GroupRecord;
  readonly #request: PlacementRequest;
  readonly #affinity: AffinityView | null;
  readonly #criteria: readonly Criterion[];

  constructor(context: StepContext, group: GroupRecord, request: PlacementRequest) {
    this.#context = context;
    this.#group = group;
    this.#request = request;
    this.#affinity = affinityOf(context, group);
    this.#criteria = criteriaOf(context, group, request, this.#affinity);
  }

  nodes(): readonly NodeId[] {
    const { from } = this.#request;
    const all = this.#context.state.nodeIds();
    return from === undefined || from === null ? all : all.filter((node) => node !== from);
  }

  compare(left: NodeId, right: NodeId): number {
    for (const criterion of this.#criteria) {
      const difference = criterion.value(left) - criterion.value(right);
      if (difference !== 0) return difference;
    }
    return left - right;
  }

  obstacle(node: NodeId): Obstacle | null {
    return obstacleOf(this.#context, this.#group, node, this.#affinity, this.#request.ignoreAffinity === true);
  }

  /** The criterion that decided, in words. */
  place(node: NodeId, before: NodeId | undefined, after: NodeId | undefined): string {
    const other = before ?? after;
    if (other === undefined) return "the only node that can";
    const criterion = this.#criteria.find((candidate) => candidate.value(node) !== candidate.value(other));
    if (before === undefined) return `first choice: ${criterion?.better(node) ?? "the first in the order of nodes"}`;
    return `after ${this.#context.nodeName(before)}: ${criterion?.worse(node) ?? "later in the order of nodes"}`;
  }
}

/** "node1 is down, node2 is paused": for everyone who asks why a group waits. */
export function whyNowhere(context: StepContext, group: GroupRecord, except: NodeId | null): string {
  const reasons: string[] = [];
  for (const id of context.state.nodeIds()) {
    if (id === except) continue;
    const reason = whyNot(context, group, id);
    if (reason !== null) reasons.push(`${context.nodeName(id)} ${reason}`);
  }
  return reasons.length === 0 ? "there is no other node" : reasons.join(", ");
}

/** After a failure: further down the list from the node it is on, round the end, never back to the top. */
export function nextNode(context: StepContext, group: GroupRecord, from: NodeId): NodeId | null {
  return choose(context, group, { situation: "failure", from });
}

/** The best possible node but one. */
export function bestNode(context: StepContext, group: GroupRecord, except: NodeId | null, options: { readonly ignoreAffinity?: boolean } = {}): NodeId | null {
  return choose(context, group, { situation: "best", from: except, ...options });
}
