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

/** What only whole clusters can show. */
export const EXPECTED_OF_CLUSTERS = ["start after the holds"] as const;

/** What must have happened in so many seeds, or else the faults do not reach it. */
export const EXPECTED_RULES = [
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

/** From so many seeds on they must all have happened. */
export const EXPECTED_FROM_SEEDS = 300;
