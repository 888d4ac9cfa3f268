import type { WitnessKind } from "../../src/model/states.ts";
import type { ClaimRecord } from "../../src/quorum/claims.ts";
import type { Witness, WitnessAnswer, WitnessWrite } from "../../src/quorum/witness.ts";
import type { World } from "./world.ts";

/** How long a reader may be shown what was there before (directory listings, attribute caches). */
const LISTING_LAG_MS = 1_500;
const ARBITRATION_DELAY_MS = 300;

/**
 * Models of the four kinds of witnesses with what is awkward about each: a file share creates exclusively but lists
 * what was there a moment ago; a cloud store puts on condition but its answers get lost; a daemon dies with what it was
 * asked, and its network loses messages; a disk is seen by some nodes only.
 */
export class SimulatedWitness {
  readonly #world: World;
  kind: WitnessKind;
  readonly #records = new Map<string, ClaimRecord[]>();
  /** Per node and configuration: what its last listing showed, and when it was made. */
  readonly #listings = new Map<string, { readonly atMs: number; readonly records: readonly ClaimRecord[] | null }>();
  /** Nodes that do not reach it. */
  readonly cutFrom = new Set<number>();
  hangsUntilMs = 0;
  isDown = false;
  delayMaxMs = 20;

  constructor(world: World, kind: WitnessKind) {
    this.#world = world;
    this.kind = kind;
  }

  /** All records are gone; or another one, which is empty, stands in its place. */
  wipe(): void {
    this.#records.clear();
    this.#listings.clear();
  }

  heal(): void {
    this.cutFrom.clear();
    this.hangsUntilMs = 0;
    this.isDown = false;
    this.delayMaxMs = 20;
  }

  /** Whether a node that asks now will be answered, for who knows all. */
  serves(node: number, id: string): boolean {
    return !this.isDown && !this.cutFrom.has(node) && this.hangsUntilMs <= this.#world.scheduler.nowMs && this.#records.has(id);
  }

  /** Without asking: what the machine that stands for the core in runs of the log alone does. */
  initialiseNow(id: string, first: ClaimRecord): void {
    if (!this.#records.has(id)) this.#records.set(id, [first]);
  }

  connect(node: number, id: string): Witness {
    return {
      initialise: (first, done) => this.#ask<WitnessWrite>(node, done, (reason) => ({ kind: "unknown", reason }), () => {
        if (this.#records.has(id)) return { kind: "exists" };
        this.#records.set(id, [first]);
        return { kind: "created" };
      }),
      read: (done) => this.#ask<WitnessAnswer>(node, done, (reason) => ({ kind: "unreachable", reason }), () => {
        const records = this.#list(node, id);
        return records === null ? { kind: "missing" } : { kind: "records", records };
      }),
      append: (record, done) => {
        const delayMs = this.kind === "fileShare" && !this.#isDefender(id, node) ? ARBITRATION_DELAY_MS : 0;
        this.#world.scheduler.after(delayMs, () => this.#ask<WitnessWrite>(node, done, (reason) => ({ kind: "unknown", reason }), () => this.#append(node, id, record)));
      },
    };
  }

  #append(node: number, id: string, record: ClaimRecord): WitnessWrite {
    const records = this.#records.get(id);
    if (records === undefined) return { kind: "unknown", reason: "its directory is gone" };
    if (records.some((known) => known.position >= record.position)) return { kind: "exists" };
    records.push(record);
    // Who writes sees what it wrote.
    this.#listings.delete(`${node} ${id}`);
    if (records.length > 64) records.shift();
    return { kind: "created" };
  }

  #list(node: number, id: string): readonly ClaimRecord[] | null {
    const { nowMs } = this.#world.scheduler;
    const key = `${node} ${id}`;
    const known = this.#listings.get(key);
    if (this.kind === "fileShare" && known !== undefined && nowMs - known.atMs < LISTING_LAG_MS) return known.records;
    const records = this.#records.get(id) ?? null;
    const listed = records === null ? null : [...records];
    this.#listings.set(key, { atMs: nowMs, records: listed });
    return listed;
  }

  #isDefender(id: string, node: number): boolean {
    return this.#records.get(id)?.at(-1)?.voters.some((voter) => voter.node === node) === true;
  }

  #ask<Result>(node: number, done: (result: Result) => void, failed: (reason: string) => Result, act: () => Result): void {
    const { scheduler, random } = this.#world;
    const wayMs = (): number => 0.5 + random.next() * this.delayMaxMs;
    scheduler.after(wayMs(), () => {
      if (this.cutFrom.has(node)) return scheduler.after(50, () => done(failed("it cannot be reached")));
      // What is asked of a daemon that is down, or of something that hangs, gets no answer at all.
      if (this.isDown || this.hangsUntilMs > scheduler.nowMs) return;
      if (this.kind === "daemon" && !this.#world.isCalm && random.chance(0.05)) return;
      const result = act();
      scheduler.after(wayMs(), () => {
        if (this.kind === "cloud" && !this.#world.isCalm && random.chance(0.15)) return done(failed("its answer was lost"));
        if (this.kind === "daemon" && !this.#world.isCalm && random.chance(0.05)) return;
        done(result);
      });
    });
  }
}

/** Something happens to the witness. */
export function troubleWitness(world: World): void {
  const { witness, random, scheduler } = world;
  if (witness === null) return;
  const until = (ms: number, action: () => void): void => scheduler.after(ms, () => {
    if (!world.isCalm) action();
  });
  const forMs = random.integer(200, 4_000);
  const what = random.pick(["unreachable", "cutFromSome", "hangs", "slow", "down", "heal", "heal", "heal", ...(random.chance(0.3) ? ["wiped"] : [])] as const);
  world.trace.add(scheduler.nowMs, null, "witness", what);
  world.coverage.count(`witness ${what}`);
  switch (what) {
    case "unreachable":
      for (const slot of world.slots) witness.cutFrom.add(slot.node);
      return until(forMs, () => witness.cutFrom.clear());
    case "cutFromSome":
      for (const slot of world.slots) if (random.chance(0.5)) witness.cutFrom.add(slot.node);
      return until(forMs, () => witness.cutFrom.clear());
    case "hangs":
      witness.hangsUntilMs = scheduler.nowMs + forMs;
      return;
    case "slow":
      witness.delayMaxMs = random.pick([300, 1_500, 4_000]);
      return until(forMs, () => void (witness.delayMaxMs = 20));
    case "down":
      witness.isDown = true;
      return until(forMs, () => void (witness.isDown = false));
    case "wiped":
      return witness.wipe();
    default:
      return witness.heal();
  }
}
