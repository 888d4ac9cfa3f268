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
  const linked: readonly Linked[] = present.filter((one) => one.report?.linkUp === true).map(({ id, node, report }) => ({ id, node, hears: new Set(report?.hears) }));
  const cutOff = cutOffOf(linked);
  const working = linked.filter((one) => !cutOff.has(one.id));
  const byId = new Map(linked.map((one) => [one.id, one]));
  const interfaces = seen.map((one): DerivedInterface => {
    const { id } = one;
    const link = byId.get(id);
    if (!one.nodeUp) return { id, state: "Unavailable", rule: "node down", missed: [] };
    if (link === undefined) return { id, state: "Failed", rule: "link down", missed: [] };
    if (cutOff.has(id)) return { id, state: "Failed", rule: "heard by nobody", missed: missedBy(link, linked) };
    const missed = missedBy(link, working);
    if (missed.length > 0) return { id, state: "Unreachable", rule: "not reached", missed };
    return { id, state: "Up", rule: working.some((other) => other.node !== one.node) ? "reaches all" : "alone", missed: [] };
  });
  return { state: networkState(interfaces, working), interfaces };
}

/** An interface that has a link. */
interface Linked {
  readonly id: string;
  readonly node: NodeId;
  readonly hears: ReadonlySet<NodeId>;
}

/** Nobody answers them while others answer each other: the fault is their own. */
function cutOffOf(linked: readonly Linked[]): ReadonlySet<string> {
  const alone = linked.filter((one) => !linked.some((other) => other.node !== one.node && reach(one, other)));
  return new Set(alone.length === linked.length ? [] : alone.map(({ id }) => id));
}

/** Both hear each other; the interfaces of one node have no way to lose each other. */
function reach(left: Linked, right: Linked): boolean {
  return left.node === right.node || (left.hears.has(right.node) && right.hears.has(left.node));
}

function missedBy(one: Linked, others: readonly Linked[]): NodeId[] {
  return [...new Set(others.filter((other) => !reach(one, other)).map((other) => other.node))].sort((left, right) => left - right);
}

/**
 * Up when all are up. Down when none works: all failed, or none of them reaches another. Everything between is
 * Partitioned, also when one has failed and the others reach each other: the source has no fifth state.
 */
function networkState(interfaces: readonly DerivedInterface[], working: readonly Linked[]): NetworkState {
  const states = interfaces.map((one) => one.state).filter((state) => state !== "Unavailable");
  if (states.length === 0) return "Unavailable";
  if (states.every((state) => state === "Up")) return "Up";
  if (working.length === 0) return "Down";
  const alone = working.every((one) => one.node === working[0]?.node);
  return alone || working.some((left) => working.some((right) => left.node < right.node && reach(left, right))) ? "Partitioned" : "Down";
}
