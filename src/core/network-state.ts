import type { NodeId } from "../model/identifiers.ts";
import type { NetworkInterfaceState, NetworkState } from "../model/states.ts";

/** What a network and its interfaces are, from what the nodes report (reference 1.6). Nothing but its arguments counts. */

export interface SeenInterface {
  readonly id: string;
  readonly node: NodeId;
  readonly nodeUp: boolean;
  /** What its node says of it in the present view; null = nothing yet. */
  readonly report: { readonly linkUp: boolean; readonly hears: readonly NodeId[] } | null;
}

export interface DerivedInterface {
  readonly id: string;
  readonly state: NetworkInterfaceState;
  /** Short name of the rule that decided. */
  readonly rule: "node down" | "link down" | "alone" | "heard by nobody" | "not reached" | "reaches all";
  /** Nodes that it does not reach, sorted; of interest when it is Unreachable. */
  readonly missed: readonly NodeId[];
}

export interface DerivedNetwork {
  readonly state: NetworkState;
  readonly interfaces: readonly DerivedInterface[];
}

/**
 * null = not everybody who is up has told yet: then all that can be said is who is down. A view that has just
 * begun would look like a partition otherwise, because the first to report has heard of nobody.
 */
export function deriveNetwork(seen: readonly SeenInterface[]): DerivedNetwork | null {
  const present = seen.filter((one) => one.nodeUp);
  if (present.some((one) => one.report === null)) return null;
  const linked = present.filter((one) => one.report?.linkUp === true);
  const cutOff = new Set(linked.filter((one) => isCutOff(one, linked)).map((one) => one.id));
  const working = linked.filter((one) => !cutOff.has(one.id));
  const interfaces = seen.map((one) => deriveInterface(one, linked, cutOff, working));
  return { state: networkState(interfaces, working), interfaces };
}

function deriveInterface(one: SeenInterface, linked: readonly SeenInterface[], cutOff: ReadonlySet<string>, working: readonly SeenInterface[]): DerivedInterface {
  const { id } = one;
  if (!one.nodeUp) return { id, state: "Unavailable", rule: "node down", missed: [] };
  if (one.report?.linkUp !== true) return { id, state: "Failed", rule: "link down", missed: [] };
  if (cutOff.has(id)) return { id, state: "Failed", rule: "heard by nobody", missed: missedBy(one, linked) };
  const missed = missedBy(one, working);
  if (missed.length > 0) return { id, state: "Unreachable", rule: "not reached", missed };
  return { id, state: "Up", rule: working.some((other) => other.node !== one.node) ? "reaches all" : "alone", missed: [] };
}

/** Nobody answers it while others answer each other: the fault is its own. */
function isCutOff(one: SeenInterface, linked: readonly SeenInterface[]): boolean {
  const others = linked.filter((other) => other.node !== one.node);
  if (others.some((other) => reach(one, other))) return false;
  return others.some((left) => others.some((right) => left.node < right.node && reach(left, right)));
}

/** Both hear each other; the interfaces of one node have no way to lose each other. */
function reach(left: SeenInterface, right: SeenInterface): boolean {
  if (left.node === right.node) return true;
  return left.report?.hears.includes(right.node) === true && right.report?.hears.includes(left.node) === true;
}

function missedBy(one: SeenInterface, others: readonly SeenInterface[]): NodeId[] {
  return [...new Set(others.filter((other) => !reach(one, other)).map((other) => other.node))].sort((left, right) => left - right);
}

/**
 * Up when all are up. Down when none works: all failed, or none of them reaches another. Everything between is
 * Partitioned, also when one has failed and the others reach each other: the source has no fifth state.
 */
function networkState(interfaces: readonly DerivedInterface[], working: readonly SeenInterface[]): NetworkState {
  const states = interfaces.map((one) => one.state).filter((state) => state !== "Unavailable");
  if (states.length === 0) return "Unavailable";
  if (states.every((state) => state === "Up")) return "Up";
  const nodes = new Set(working.map((one) => one.node)).size;
  if (nodes === 0) return "Down";
  const anyReached = nodes === 1 || working.some((left) => working.some((right) => left.node < right.node && reach(left, right)));
  return anyReached ? "Partitioned" : "Down";
}
