import assert from "node:assert/strict";
import { test } from "node:test";
import type { WitnessInput } from "../../../src/model/inputs.ts";
import type { Witness, WitnessAnswer } from "../../../src/quorum/witness.ts";
import type { Replica } from "../../../src/service/replica.ts";
import { WitnessKeeper } from "../../../src/service/witness-keeper.ts";
import { Driver } from "../core/driver.ts";

/** Who looks after the witness, when, and how long a look may take (reference 1.7, 4.4). */

const MINUTE_MS = 60_000;

interface Keeping {
  readonly keeper: WitnessKeeper;
  readonly driver: Driver;
  readonly said: WitnessInput[];
  readonly looks: ((answer: WitnessAnswer) => void)[];
}

function keeping(properties: Record<string, number>): Keeping {
  const driver = Driver.started(2);
  driver.do({ verb: "cluster.set", properties });
  driver.do({ verb: "quorum.set", witness: { kind: "fileShare", properties: { SharePath: "/srv/witness" } } });
  const looks: ((answer: WitnessAnswer) => void)[] = [];
  const said: WitnessInput[] = [];
  const witness = { read: (done: (answer: WitnessAnswer) => void) => void looks.push(done) } as unknown as Witness;
  const replica = { status: { phase: "active", epoch: 1 }, isOrderer: true, weights: [], lineage: 1 } as unknown as Replica<unknown>;
  const keeper = new WitnessKeeper(driver.member(1), replica, () => driver.state, () => witness, (input) => {
    said.push(input);
    driver.step(input);
  });
  return { keeper, driver, said, looks };
}

const WORKS: WitnessAnswer = { kind: "records", records: [{ position: 0, epoch: 1, lineage: 1, claimant: { node: 1, incarnation: 1 }, voters: [] }] };

test("a failed witness is looked at again after WitnessRestartInterval, not before", () => {
  const { keeper, said, looks } = keeping({ WitnessRestartInterval: 10 });
  keeper.tick(0);
  looks[0]?.({ kind: "unreachable", reason: "no route" });
  keeper.tick(1);
  assert.deepEqual(said.map(({ state, reason }) => `${state} ${reason}`), ["failed no route"]);
  keeper.tick(10 * MINUTE_MS - 1_000);
  assert.equal(looks.length, 1);
  keeper.tick(10 * MINUTE_MS);
  assert.equal(looks.length, 2);
  looks[1]?.(WORKS);
  keeper.tick(10 * MINUTE_MS + 1);
  assert.equal(said.at(-1)?.state, "online");
});

test("a look that takes longer than QuorumArbitrationTimeMax counts as a failure, and its late answer does not", () => {
  const { keeper, said, looks } = keeping({ QuorumArbitrationTimeMax: 3 });
  keeper.tick(0);
  keeper.tick(2_900);
  assert.equal(said.length, 0);
  keeper.tick(3_100);
  assert.match(said[0]?.reason ?? "", /did not answer within 3 s/);
  looks[0]?.(WORKS);
  keeper.tick(3_200);
  assert.equal(said.length, 1);
});
