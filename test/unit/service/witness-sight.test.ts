import assert from "node:assert/strict";
import { test } from "node:test";
import type { WitnessRecord } from "../../../src/model/objects.ts";
import type { Witness, WitnessAnswer } from "../../../src/quorum/witness.ts";
import { WitnessSight } from "../../../src/service/witness-sight.ts";

/** Whether each node sees the witness that another one says works (reference 4.4). */

const MINUTE_MS = 60_000;
const SEEN: WitnessAnswer = { kind: "records", records: [{ position: 0, epoch: 1, lineage: 1, claimant: { node: 1, incarnation: 1 }, voters: [] }] };
const share = (id: string): WitnessRecord => ({ id, kind: "fileShare", properties: { SharePath: "/srv/witness" } });

interface Looking {
  readonly sight: WitnessSight;
  readonly looks: ((answer: WitnessAnswer) => void)[];
  readonly notices: string[];
  watched: WitnessRecord | null;
}

function looking(): Looking {
  const looks: ((answer: WitnessAnswer) => void)[] = [];
  const notices: string[] = [];
  const witness = { read: (done: (answer: WitnessAnswer) => void) => void looks.push(done) } as unknown as Witness;
  const made: Looking = { looks, notices, watched: share("1.1"), sight: new WitnessSight({ watched: () => made.watched, connect: () => witness, onNotice: (text) => notices.push(text) }) };
  return made;
}

test("a share that is not mounted here: said with what to do, and no more once it is", () => {
  const { sight, looks, notices } = looking();
  sight.tick(0);
  looks[0]!({ kind: "missing" });
  assert.match(sight.problem!, /sees nothing .* Mount the share on all nodes at \/srv\/witness/);
  sight.tick(MINUTE_MS - 1);
  assert.equal(looks.length, 1);
  sight.tick(MINUTE_MS);
  looks[1]!(SEEN);
  assert.equal(sight.problem, null);
  assert.equal(notices.length, 2);
});

test("one that this node cannot reach: said with the reason", () => {
  const { sight, looks } = looking();
  sight.tick(0);
  looks[0]!({ kind: "unreachable", reason: "no route to host" });
  assert.match(sight.problem!, /cannot reach the witness, which others can: no route to host/);
});

test("one that does not answer is not asked again and again; what it says of a former configuration counts for nothing", () => {
  const made = looking();
  const { sight, looks } = made;
  sight.tick(0);
  sight.tick(10 * MINUTE_MS);
  assert.equal(looks.length, 1);
  made.watched = share("2.2");
  sight.tick(10 * MINUTE_MS + 1);
  assert.equal(looks.length, 2);
  looks[0]!({ kind: "missing" });
  assert.equal(sight.problem, null);
});

test("without a witness to look at, or when this node looks after it itself, there is nothing wrong", () => {
  const made = looking();
  made.sight.tick(0);
  made.looks[0]!({ kind: "missing" });
  made.watched = null;
  made.sight.tick(1);
  assert.equal(made.sight.problem, null);
});
