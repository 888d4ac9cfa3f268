import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import type { ViewInput } from "../../../src/model/inputs.ts";
import { LogCluster } from "./support.ts";

function viewOf(cluster: LogCluster, id: number): ViewInput {
  const entry = cluster.at(id).applied.findLast((one) => one.index === 0)!;
  return JSON.parse(entry.body.type === "input" ? entry.body.payload : "") as ViewInput;
}

describe("CLAIM: four nodes and a witness", () => {
  let cluster: LogCluster;

  beforeEach(() => {
    cluster = new LogCluster(4, { id: "w", votes: 1 });
    cluster.members(1, 2, 3, 4);
    cluster.settle();
    cluster.cut = new Set([3, 4]);
    cluster.members(1, 2);
    cluster.members(3, 4);
    cluster.settle();
  });

  test("each half asks once, by one node, with all its votes", () => {
    assert.deepEqual(cluster.nodes.map((node) => node.claims.length), [1, 0, 1, 0]);
    assert.deepEqual(cluster.at(1).claims[0]!.request.voters, [{ node: 1, store: "s1" }, { node: 2, store: "s2" }]);
    assert.equal(cluster.phase(1), "forming");
  });

  test("who wins goes on, and needs everybody of the view for each update", () => {
    const [claim] = cluster.at(1).claims;
    cluster.at(1).step({ kind: "claimed", epoch: claim!.epoch, outcome: { kind: "won" } });
    cluster.settle();
    assert.deepEqual(cluster.view(1), [1, 2]);
    assert.equal(viewOf(cluster, 2).claimed, true);
    cluster.at(2).lost = true;
    cluster.at(1).step({ kind: "request", durable: true, number: 1, payload: "a" });
    cluster.settle();
    assert.deepEqual(cluster.payloads(1), [], "the witness never counts for an acknowledgement");
    cluster.at(2).lost = false;
    cluster.pass(200);
    assert.deepEqual(cluster.payloads(1), ["a"]);
  });

  test("who is refused waits and says why; so does who gets no answer", () => {
    cluster.at(1).step({ kind: "claimed", epoch: cluster.at(1).claims[0]!.epoch, outcome: { kind: "refused", reason: "others went on", waitsFor: [3] } });
    cluster.settle();
    const { status } = cluster.at(2).log;
    assert.ok(status.phase === "waiting" && status.reason?.includes("others went on"), JSON.stringify(status));
    cluster.pass(2_200);
    const other = cluster.at(4).log.status;
    assert.ok(other.phase === "waiting" && other.reason?.includes("did not answer within 2 s"), JSON.stringify(other));
    assert.ok(cluster.at(1).claims.length > 1, "it is asked again after a while, under another number");
  });

  test("an answer counts for its number alone", () => {
    const [claim] = cluster.at(1).claims;
    cluster.at(1).step({ kind: "members", members: [1, 2].map((id) => cluster.at(id).self) });
    cluster.settle();
    cluster.at(1).step({ kind: "claimed", epoch: claim!.epoch, outcome: { kind: "won" } });
    cluster.settle();
    assert.deepEqual([cluster.phase(1), cluster.view(1)], ["forming", []]);
  });

  test("asking takes its time without anybody else losing patience", () => {
    cluster.pass(1_800);
    assert.deepEqual(cluster.nodes.map((node) => node.claims.length), [1, 0, 1, 0]);
  });
});

describe("forced start", () => {
  let cluster: LogCluster;

  beforeEach(() => {
    cluster = new LogCluster(3);
    cluster.members(1, 2, 3);
    cluster.settle();
    cluster.at(1).step({ kind: "request", durable: true, number: 1, payload: "before" });
    cluster.settle();
  });

  function force(id: number): void {
    cluster.at(id).restart("force");
    cluster.members(id);
    cluster.pass(200);
  }

  test("begins a history above all counters, alone, with the only vote", () => {
    cluster.cut = new Set([1]);
    force(1);
    assert.deepEqual(cluster.view(1), [1]);
    assert.equal(viewOf(cluster, 1).forced, true);
    assert.deepEqual(cluster.at(1).log.weights.map((weights) => weights.votes), [[{ node: 1, store: "s1", votes: 1 }]]);
    assert.deepEqual(cluster.payloads(1), [], "what it had is its base, and not new");
    const { status } = cluster.at(1).log;
    assert.ok(status.phase === "active" && status.epoch > 60 && Number.isSafeInteger(status.epoch * 2 ** 22));
  });

  test("others that went on without it give up what they had, and it is said", () => {
    cluster.cut = new Set([1]);
    cluster.members(2, 3);
    cluster.settle();
    cluster.at(2).step({ kind: "request", durable: true, number: 1, payload: "lost" });
    cluster.settle();
    assert.deepEqual(cluster.payloads(3), ["before", "lost"]);
    force(1);
    cluster.cut = new Set();
    cluster.members(1, 2, 3);
    cluster.pass(500);
    assert.deepEqual([cluster.at(2).left[0], cluster.at(3).left[0]], ["forced", "forced"], "what they run has to end");
    cluster.at(2).restart("prevent");
    cluster.at(3).restart("prevent");
    cluster.members(1, 2, 3);
    cluster.pass(3_000);
    assert.deepEqual(cluster.view(1), [1, 2, 3]);
    const discarded = cluster.at(1).applied.filter((one) => one.index === 0).map((one) => (JSON.parse(one.body.type === "input" ? one.body.payload : "{}") as ViewInput).discarded ?? []);
    assert.deepEqual([...new Set(discarded.flat())].sort(), [2, 3]);
    assert.equal(cluster.at(2).log.lineage, cluster.at(1).log.lineage);
    assert.equal(cluster.at(2).log.tag.split(":")[2], cluster.at(1).log.tag.split(":")[2]);
  });

  test("of two forced starts the later one goes before", () => {
    cluster.cut = new Set([1]);
    force(1);
    // Its counter passes the number with which the later one begins: the moment of the start decides, not the counter.
    for (let views = 0; views < 70; views++) {
      cluster.members(1);
      cluster.settle();
    }
    cluster.at(3).nowMs += 60_000;
    cluster.at(3).restart("force");
    cluster.members(3);
    cluster.pass(200);
    const [earlier, later] = [cluster.at(1).log.status, cluster.at(3).log.status];
    assert.ok(earlier.phase === "active" && later.phase === "active" && earlier.epoch > later.epoch);
    assert.ok(cluster.at(3).log.lineage > cluster.at(1).log.lineage);
    cluster.cut = new Set();
    cluster.members(1, 3);
    cluster.pass(500);
    assert.equal(cluster.at(1).left[0], "forced");
    assert.deepEqual(cluster.at(3).left, []);
  });

  test("who was started to join only never forms, and joins who did", () => {
    for (const id of [1, 2, 3]) cluster.at(id).restart("prevent");
    cluster.members(1, 2, 3);
    cluster.pass(500);
    const { status } = cluster.at(1).log;
    assert.ok(status.phase === "waiting" && status.reason?.includes("join only"), JSON.stringify(status));
    cluster.at(3).restart();
    cluster.members(1, 2, 3);
    cluster.pass(500);
    assert.deepEqual(cluster.view(1), [1, 2, 3]);
  });
});
