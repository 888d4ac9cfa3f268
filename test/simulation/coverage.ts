import { EventCatalogue } from "../../src/model/events.ts";
import type { Kind } from "./kinds.ts";

/** How often each rule of the protocol was needed: what never was has not been tested. */
export class Coverage {
  readonly #counts = new Map<string, number>();

  count(rule: string, times = 1): void {
    this.#counts.set(rule, (this.#counts.get(rule) ?? 0) + times);
  }

  /** Adds what another run counted. */
  add(counts: Readonly<Record<string, number>>): void {
    for (const [rule, times] of Object.entries(counts)) this.count(rule, times);
  }

  toRecord(): Record<string, number> {
    return Object.fromEntries([...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}

/** What must have happened in so many seeds, or else the faults do not reach it. */
const EXPECTED_RULES = [
  "entries past the group",
  "claim won",
  "claim lost",
  "claim refused: partition in time",
  "claim failed",
  "claim out of time",
  "view stands on a claim",
  "view of the last node",
  "view decided under two weights",
  "forced start",
  "joined a forced cluster",
  "votes: an even number, one without",
  "votes: without dynamic quorum",
  "votes: NodeWeight 0",
  "votes: the witness has one",
  "votes: the witness lost its one",
  "copy admitted",
  "prevented from forming",
  "holds in ACTIVE",
  "holds of everybody who is not there",
] as const;

const EXPECTED_FROM_SEEDS = 300;

/** What takes several things at once: in a hundred seeds it may not happen, in as many as the tests play it must. */
const RARE_FROM_SEEDS = 600;
const RARE: readonly string[] = [
  "event FailoverThresholdExceeded",
  "event GroupPreempted",
  "reason of a group: preempted",
  "reason of a group: retry",
  "reason of a resource: stays",
];

/** Once in a thousand seeds or two: looked for where many thousands are played. */
const RAREST_FROM_SEEDS = 10_000;
const RAREST: readonly string[] = ["event ResourceStray", "reason of a group: adopted"];

/** Events that need what the simulator has not: machines that are added and evicted, networks, and an engine with a token. */
const EVENTS_ELSEWHERE: readonly string[] = ["HeartbeatChanged", "InterfaceFailed", "InterfaceUnreachable", "InterfaceUp", "NetworkDown", "NetworkPartitioned", "NetworkUp", "NodeAdded", "NodeEvicted"];

/** Every rule that a reason can name, and what the core does beside. */
const EXPECTED_OF_CLUSTERS: readonly string[] = [
  "start after the holds",
  "order online",
  "order offline",
  "order terminate",
  "what if: a loss is as foretold",
  "what if: the cluster stops, as foretold",
  ...Object.keys(EventCatalogue).filter((name) => !EVENTS_ELSEWHERE.includes(name) && !name.startsWith("Nlb")).map((name) => `event ${name}`),
  ...reasonsOf("group", ["adopted", "asked offline", "asked online", "by hand", "failed", "failover", "initial", "move cancelled", "move queued", "moving", "node lost", "offline", "online", "partial", "placed", "preempted", "preferred owner", "restart", "retry", "start delay", "start order", "waiting"]),
  ...reasonsOf("node", ["drain", "joined", "left", "quarantine ended", "quarantined", "resumed", "stopping"]),
  ...reasonsOf("resource", ["ended", "failed", "initial", "locked", "moving", "new attempt", "not wanted", "offline", "online", "owner changed", "provider failed", "restart", "starting", "stays", "waits"]),
];

function reasonsOf(kind: string, rules: readonly string[]): string[] {
  return rules.map((rule) => `reason of a ${kind}: ${rule}`);
}

export function expectedOf(kind: Kind): readonly string[] {
  return kind === "cluster" ? [...EXPECTED_RULES, ...EXPECTED_OF_CLUSTERS] : EXPECTED_RULES;
}

/** Whether a rule that did not fire in so many seeds is a fault of the simulator. */
export function mustHaveFired(rule: string, seeds: number): boolean {
  if (RAREST.includes(rule)) return seeds >= RAREST_FROM_SEEDS;
  return seeds >= (RARE.includes(rule) ? RARE_FROM_SEEDS : EXPECTED_FROM_SEEDS);
}
