import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import type { LogMessage } from "../../../src/log/types.ts";
import { LogCluster } from "./support.ts";

/** Entries and acknowledgements that do not wait for the order of the group. */
describe("past the group's order", () => {
  let cluster: LogCluster;

  beforeEach(() => {
    cluster = new LogCluster(3, null, true);
    cluster.members(1, 2, 3);
    cluster.settle();
  });

  function request(number: number, durable = true): void {
    cluster.at(1).step({ kind: "request", durable, number, payload: `r${number}` });
  }

  function payloads(): string[][] {
    return [1, 2, 3].map((id) => cluster.payloads(id));
  }

  test("durable entries and their acknowledgements go by datagrams alone", () => {
    request(1);
    assert.deepEqual(cluster.at(1).take(), [], "the group carries nothing");
    cluster.settle();
    assert.deepEqual(payloads(), [["r1"], ["r1"], ["r1"]]);
    assert.deepEqual(kinds(cluster), [], "and nothing afterwards");
  });

  test("what does not arrive is brought by the group, and so is all that follows", () => {
    cluster.passesDatagrams = false;
    request(1);
    cluster.settle();
    assert.deepEqual(payloads(), [[], [], []]);
    cluster.pass(300);
    assert.deepEqual(payloads(), [["r1"], ["r1"], ["r1"]]);
    request(2);
    assert.deepEqual(cluster.at(1).take().map((message) => message.kind), ["entries"]);
  });

  test("after a while datagrams are tried again", () => {
    cluster.passesDatagrams = false;
    request(1);
    cluster.pass(300);
    cluster.passesDatagrams = true;
    cluster.pass(6_000);
    request(2);
    assert.deepEqual(cluster.at(1).take(), []);
    cluster.settle();
    assert.deepEqual(payloads()[2], ["r1", "r2"]);
  });

  test("an entry of memory takes those along that may be missing somewhere, so the group has no hole", () => {
    cluster.passesDatagrams = false;
    request(1);
    cluster.settle();
    request(0, false);
    cluster.settle();
    assert.deepEqual(payloads(), [["r1"], ["r1"], ["r1"]]);
    assert.deepEqual([1, 2, 3].map((id) => cluster.view(id)), [[1, 2, 3], [1, 2, 3], [1, 2, 3]], "nobody left the view for a hole");
  });

  test("entries in another order are put into theirs", () => {
    const messages = [1, 2, 3].map((number) => {
      request(number);
      // Nothing is acknowledged: the next one waits for this one only so long.
      cluster.at(1).nowMs += 60;
      cluster.at(1).take();
      return cluster.at(1).datagrams.splice(0)[0]!;
    });
    for (const message of messages.toReversed()) for (const node of cluster.nodes) node.step({ kind: "datagram", from: cluster.at(1).self, message });
    cluster.settle();
    assert.deepEqual(payloads(), Array.from({ length: 3 }, () => ["r1", "r2", "r3"]));
    assert.deepEqual([2, 3].map((id) => cluster.view(id)), [[1, 2, 3], [1, 2, 3]]);
  });

  test("what is ordered while others are on their way to the disks is sent with one message", () => {
    request(1);
    cluster.at(1).take();
    const [first] = cluster.at(1).datagrams.splice(0);
    for (const number of [2, 3, 4]) request(number);
    cluster.at(1).take();
    assert.deepEqual(cluster.at(1).datagrams, [], "they wait for each other");
    for (const node of cluster.nodes) node.step({ kind: "datagram", from: cluster.at(1).self, message: first! });
    for (const node of cluster.nodes) node.sync();
    const acknowledged = cluster.nodes.flatMap((node) => node.datagrams.splice(0).map((message) => ({ from: node.self, message })));
    for (const { from, message } of acknowledged) cluster.at(1).step({ kind: "datagram", from, message });
    assert.deepEqual(cluster.at(1).datagrams.map((message) => (message.kind === "entries" ? message.entries.length : message.kind)), [3], "until the first one is committed");
  });

  test("they do not wait for a quorum that does not answer, nor does what lives in memory wait for any", () => {
    request(1);
    cluster.at(1).take();
    request(2);
    cluster.at(1).nowMs += 60;
    cluster.at(1).take();
    assert.equal(cluster.at(1).datagrams.length, 2);
    request(3);
    request(0, false);
    assert.deepEqual(cluster.at(1).take().map((message) => (message.kind === "entries" ? message.entries.length : message.kind)), [4], "with all that may be missing somewhere");
  });

  test("a datagram of an earlier epoch does nothing", () => {
    request(1);
    cluster.at(1).take();
    const old = cluster.at(1).datagrams.splice(0);
    cluster.members(1, 2, 3);
    cluster.settle();
    const before = payloads();
    for (const message of old) for (const node of cluster.nodes) node.step({ kind: "datagram", from: cluster.at(1).self, message });
    cluster.settle();
    assert.deepEqual(payloads(), before);
  });

  test("only the orderer's entries count, and nothing but entries and acknowledgements", () => {
    request(1);
    cluster.at(1).take();
    const [entries] = cluster.at(1).datagrams.splice(0);
    cluster.at(3).step({ kind: "datagram", from: cluster.at(2).self, message: entries! });
    cluster.at(3).step({ kind: "datagram", from: cluster.at(1).self, message: { kind: "propose", epoch: 999, members: [] } });
    assert.deepEqual([cluster.payloads(3), cluster.view(3)], [[], [1, 2, 3]]);
  });

  test("no acknowledgement is sent before the disk has answered", () => {
    request(1);
    cluster.at(1).take();
    const [entries] = cluster.at(1).datagrams.splice(0);
    cluster.at(2).step({ kind: "datagram", from: cluster.at(1).self, message: entries! });
    assert.deepEqual(cluster.at(2).datagrams, []);
    cluster.at(2).sync();
    assert.deepEqual(cluster.at(2).datagrams.map((message) => message.kind), ["acknowledge"]);
  });

  test("a slow disk is not taken for a lost datagram", () => {
    request(1);
    cluster.settle();
    for (let number = 2; number <= 6; number++) {
      request(number);
      cluster.settle();
      cluster.pass(100);
    }
    assert.deepEqual(cluster.at(1).take(), []);
    assert.equal(payloads()[0]!.length, 6);
  });

  test("what one member lacks is brought to it however slow another one is", () => {
    const late: LogMessage[] = [];
    let lost = false;
    cluster.losesDatagram = (_from, to, message) => {
      if (message.kind !== "entries") return false;
      if (to === 2) late.push(message);
      const isLost = to === 3 && !lost && message.entries.some((entry) => entry.body.type === "input" && entry.body.payload === "r20");
      if (isLost) lost = true;
      return to === 2 || isLost;
    };
    for (let number = 1; number <= 30; number++) {
      request(number);
      cluster.settle();
    }
    assert.equal(payloads()[2]!.length, 19);
    for (let times = 0; times < 5; times++) {
      cluster.at(2).step({ kind: "datagram", from: cluster.at(1).self, message: late.shift()! });
      cluster.settle();
      cluster.pass(100);
    }
    assert.equal(payloads()[2]!.length, 30);
  });

  test("what waits to be confirmed is no more than the engine takes at once", () => {
    cluster.losesDatagram = (_from, to) => to === 3;
    const payload = "x".repeat(20_000);
    let most = 0;
    const measure = (): void => {
      cluster.at(1).step({ kind: "flush" });
      most = Math.max(most, JSON.stringify(cluster.at(1).sent).length);
      cluster.settle();
    };
    for (let number = 1; number <= 500; number++) {
      cluster.at(1).step({ kind: "request", durable: true, number, payload });
      measure();
    }
    cluster.at(1).nowMs += 300;
    cluster.at(1).step({ kind: "tick" });
    measure();
    assert.ok(most < 3 * 1024 * 1024, `${most} bytes at once`);
    assert.equal(cluster.view(1).length, 3);
  });

  test("where acknowledgements do not arrive, nobody waits for ticks for long", () => {
    cluster.losesDatagram = (_from, to, message) => to === 1 && message.kind === "acknowledge";
    for (let number = 1; number <= 4; number++) {
      request(number);
      cluster.settle();
      cluster.pass(200);
    }
    request(5);
    assert.deepEqual(cluster.at(1).take().map((message) => message.kind), ["entries"]);
  });

  test("a datagram that comes again does not change the way of acknowledgements", () => {
    request(1);
    cluster.at(1).take();
    const [old] = cluster.at(1).datagrams;
    cluster.settle();
    cluster.passesDatagrams = false;
    request(2);
    cluster.pass(300);
    request(3);
    for (const message of cluster.at(1).take()) cluster.at(2).step({ kind: "message", from: cluster.at(1).self, message });
    cluster.at(2).step({ kind: "datagram", from: cluster.at(1).self, message: old! });
    cluster.at(2).sync();
    assert.deepEqual([cluster.at(2).datagrams, cluster.at(2).sent.map((message) => message.kind)], [[], ["acknowledge"]]);
  });

  test("after hundreds that arrived, what is missed is brought by the group, and the next goes by datagram again", () => {
    let number = 1;
    for (; number <= 300; number++) {
      request(number);
      cluster.settle();
    }
    cluster.passesDatagrams = false;
    request(number++);
    cluster.pass(300);
    cluster.passesDatagrams = true;
    assert.deepEqual(payloads().map((one) => one.length), [301, 301, 301]);
    request(number++);
    assert.deepEqual(cluster.at(1).take(), [], "it goes past the group");
    cluster.settle();
    cluster.passesDatagrams = false;
    request(number++);
    cluster.pass(300);
    request(number++);
    assert.deepEqual(cluster.at(1).take().map((message) => message.kind), ["entries"], "so soon again it is more than a bad moment");
  });

  test("whoever stood still itself hears first what has come meanwhile", () => {
    request(1);
    cluster.at(1).nowMs += 1_000;
    cluster.at(1).step({ kind: "tick" });
    assert.deepEqual(cluster.at(1).take().map((message) => message.kind).filter((kind) => kind !== "tick"), []);
    cluster.settle();
    assert.deepEqual(payloads(), [["r1"], ["r1"], ["r1"]]);
  });

  test("one datagram that arrives does not make up for all that are lost", () => {
    let number = 1;
    const lose = (): void => {
      cluster.passesDatagrams = false;
      request(number++);
      cluster.pass(300);
      cluster.passesDatagrams = true;
    };
    lose();
    cluster.pass(1_100);
    request(number++);
    cluster.settle();
    lose();
    cluster.pass(1_200);
    request(number++);
    assert.deepEqual(cluster.at(1).take().map((message) => message.kind), ["entries"], "it is longer this time");
    cluster.pass(1_000);
    for (let times = 0; times < 3; times++) {
      request(number++);
      cluster.settle();
      cluster.pass(2_000);
    }
    lose();
    cluster.pass(1_100);
    request(number++);
    assert.deepEqual(cluster.at(1).take(), [], "they have arrived for long enough");
  });
});

/** What the nodes would send in the group now, ticks left out. */
function kinds(cluster: LogCluster): LogMessage["kind"][] {
  return cluster.nodes.flatMap((node) => node.take()).map((message) => message.kind).filter((kind) => kind !== "tick");
}
