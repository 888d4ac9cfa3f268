import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkAnswers, lastGenerations, longestOutageMs } from "./support/answers.ts";
import type { Answer } from "./support/answers.ts";
import { checkHeartbeats, parseHeartbeats } from "./support/heartbeats.ts";
import type { Heartbeat } from "./support/heartbeats.ts";
import { checkLinearizable, list, register } from "./support/linearizability.ts";
import type { ListInput, Operation, RegisterInput, RegisterOutput } from "./support/linearizability.ts";

/** A check that cannot fail is worth nothing: histories made by hand, good and bad ones. */

let connections = 0;
function answer(sentMs: number, receivedMs: number | null, node: string, generation: number, more: Partial<Answer> = {}): Answer {
  const isReplied = receivedMs !== null;
  return { kind: "own", connection: ++connections, begunMs: sentMs, sentMs, receivedMs, node: isReplied ? node : null, generation: isReplied ? generation : null, ...more };
}

describe("what a client may see of a role", () => {
  const moved = [answer(0, 1, "n1", 1), answer(10, 11, "n1", 1), answer(20, null, "", 0), answer(30, 31, "n2", 2), answer(40, 41, "n2", 2)];

  it("is one owner after the other", () => {
    assert.deepEqual(checkAnswers(moved), []);
    assert.equal(longestOutageMs(moved, 0, 50), 20);
    assert.equal(longestOutageMs(moved, 12, 25), 13);
    assert.deepEqual(lastGenerations(moved), { own: 2, kept: null });
  });

  it("is not an old owner that answers after the new one has, on any connection", () => {
    assert.match(checkAnswers([...moved, answer(50, 51, "n1", 1)])[0]!, /generation 1 .n1, own.* sent 19\.0 ms after generation 2/);
    const kept = { kind: "kept", connection: 7_000 } as const;
    assert.match(checkAnswers([...moved, answer(5, 6, "n1", 1, kept), answer(32, 33, "n1", 1, kept)])[0]!, /n1, kept connection 7000/);
    // Late, but first: the order of the list does not count.
    assert.equal(checkAnswers([answer(50, 51, "n1", 1), ...moved]).length, 1);
  });

  it("may be an old owner's late reply to a request from before", () => {
    assert.deepEqual(checkAnswers([...moved, answer(25, 60, "n1", 1)]), []);
    assert.deepEqual(checkAnswers([...moved, answer(31, 60, "n1", 1)]), []);
  });

  it("is not one generation on two nodes, nor one connection with two generations", () => {
    assert.match(checkAnswers([...moved, answer(50, 51, "n3", 2)])[0]!, /generation 2 was served by n2 and by n3/);
    const kept = { kind: "kept", connection: 7_001 } as const;
    assert.match(checkAnswers([answer(0, 1, "n1", 1, kept), answer(2, 3, "n2", 2, kept)])[0]!, /connection 7001 was answered by generation 1 and by 2/);
  });
});

describe("what a role without an address may say of itself", () => {
  const beats = (node: string, generation: number, ...times: number[]): Heartbeat[] => times.map((atMs) => ({ life: `${node}/${generation}`, node, generation, atMs }));

  it("is one life after the other", () => {
    const text = [...beats("n1", 1, 0, 20, 40), ...beats("n2", 2, 50, 70)].map((beat) => `${JSON.stringify(beat)}\n`).join("");
    assert.deepEqual(checkHeartbeats(parseHeartbeats(`${text}{"life":`)), []);
  });

  it("is not two at a time, and not an earlier generation later", () => {
    assert.match(checkHeartbeats([...beats("n1", 1, 0, 20, 60), ...beats("n2", 2, 50, 70)])[0]!, /still ran 10\.0 ms after/);
    // It stood still while another began, and went on.
    assert.match(checkHeartbeats([...beats("n1", 1, 0, 20, 5_000), ...beats("n2", 2, 50, 70), ...beats("n3", 3, 90, 100)])[0]!, /still ran/);
    assert.match(checkHeartbeats([...beats("n1", 2, 0, 20), ...beats("n2", 1, 50, 70)])[0]!, /began with generation 1 after/);
  });
});

describe("linearizability", () => {
  const read = (calledMs: number, returnedMs: number, output: number | null): Operation<RegisterInput, RegisterOutput> => ({ calledMs, returnedMs, input: { kind: "read" }, output });
  const write = (calledMs: number, returnedMs: number | null, value: number): Operation<RegisterInput, RegisterOutput> => ({ calledMs, returnedMs, input: { kind: "write", value }, ...(returnedMs === null ? {} : { output: true }) });
  const compareAndSet = (calledMs: number, returnedMs: number | null, expected: number, value: number, output?: boolean): Operation<RegisterInput, RegisterOutput> => ({ calledMs, returnedMs, input: { kind: "compareAndSet", expected, value }, ...(output === undefined ? {} : { output }) });
  const judge = (...history: Operation<RegisterInput, RegisterOutput>[]): string => checkLinearizable(register, history);

  it("holds where an order explains what was seen", () => {
    assert.equal(judge(), "linearizable");
    assert.equal(judge(read(0, 1, null), write(2, 3, 1), read(4, 5, 1)), "linearizable");
    // Both reads overlap the write: the earlier one may have seen it, the other one not, in this order only.
    assert.equal(judge(write(0, 10, 1), read(1, 2, null), read(3, 4, 1)), "linearizable");
    assert.equal(judge(write(0, 1, 1), compareAndSet(2, 9, 1, 2, true), compareAndSet(3, 8, 1, 3, false), read(10, 11, 2)), "linearizable");
  });

  it("does not hold for stale reads, lost writes and two winners", () => {
    assert.equal(judge(write(0, 1, 1), read(2, 3, null)), "not linearizable");
    assert.equal(judge(write(0, 10, 1), read(1, 2, 1), read(3, 4, null)), "not linearizable");
    assert.equal(judge(write(0, 1, 1), write(2, 3, 2), read(4, 5, 1)), "not linearizable");
    assert.equal(judge(write(0, 1, 1), compareAndSet(2, 9, 1, 2, true), compareAndSet(3, 8, 1, 3, true)), "not linearizable");
    assert.equal(judge(write(0, 1, 1), compareAndSet(2, 3, 1, 2, false)), "not linearizable");
    // Two readers that disagree about the order of two writes.
    assert.equal(judge(write(0, 10, 1), write(0, 10, 2), read(11, 12, 1), read(13, 14, 2)), "not linearizable");
  });

  it("takes an unknown outcome for one that may come at any later time, or never", () => {
    assert.equal(judge(write(0, 1, 1), write(2, null, 2), read(3, 4, 1), read(50, 51, 2)), "linearizable");
    assert.equal(judge(write(0, 1, 1), write(2, null, 2), read(3, 4, 1), read(50, 51, 1)), "linearizable");
    assert.equal(judge(write(0, 1, 1), write(2, null, 2), read(3, 4, 2), read(50, 51, 1)), "not linearizable");
    assert.equal(judge(write(0, 1, 1), read(2, 3, 2), write(4, null, 2)), "not linearizable");
    assert.equal(judge(write(0, 1, 1), compareAndSet(2, null, 1, 2), compareAndSet(3, 4, 1, 3, false), read(5, 6, 2)), "linearizable");
    assert.equal(judge(write(0, 1, 1), compareAndSet(2, null, 1, 2), compareAndSet(3, 4, 1, 3, true), read(5, 6, 2)), "not linearizable");
  });

  it("is judged for lists, too", () => {
    const append = (calledMs: number, returnedMs: number | null, item: string): Operation<ListInput, string> => ({ calledMs, returnedMs, input: { kind: "append", item }, ...(returnedMs === null ? {} : { output: "" }) });
    const whole = (calledMs: number, returnedMs: number, output: string): Operation<ListInput, string> => ({ calledMs, returnedMs, input: { kind: "read" }, output });
    assert.equal(checkLinearizable(list, [append(0, 5, "a"), append(1, 4, "b"), whole(6, 7, "b a"), append(8, null, "c"), whole(9, 10, "b a"), whole(11, 12, "b a c")]), "linearizable");
    assert.equal(checkLinearizable(list, [append(0, 1, "a"), append(2, 3, "b"), whole(6, 7, "b a")]), "not linearizable");
    assert.equal(checkLinearizable(list, [append(0, 1, "a"), append(2, 3, "b"), whole(6, 7, "a")]), "not linearizable");
    assert.equal(checkLinearizable(list, [append(0, null, "a"), whole(2, 3, "a"), whole(4, 5, "a a")]), "not linearizable");
  });

  it("copes with many at a time, and gives up rather than go on for ever", () => {
    const burst = Array.from({ length: 40 }, (_, number) => write(number * 2, number * 2 + 25, number));
    assert.equal(judge(...burst, read(200, 201, 39)), "linearizable");
    assert.equal(judge(...burst.map((one, number) => (number % 5 === 0 ? write(one.calledMs, null, number) : one)), read(200, 201, 35)), "linearizable");
    assert.equal(judge(...burst.map((one) => write(one.calledMs, one.calledMs + 9, one.calledMs / 2)), read(200, 201, 3)), "not linearizable");
    assert.equal(checkLinearizable(register, [...burst, read(200, 201, 3)], 100), "undecided");
  });
});
