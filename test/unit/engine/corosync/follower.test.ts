import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, mock, test } from "node:test";
import { ConfigurationFollower } from "../../../../src/engine/corosync/follower.ts";

/** Lets everything go on that waits for nothing but promises. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("corosync follows the configuration", () => {
  let refusal: string | null = null;
  let asked: string[] = [];
  let notices: string[] = [];
  let follower: ConfigurationFollower;

  beforeEach(() => {
    mock.timers.enable({ apis: ["setTimeout"] });
    [refusal, asked, notices] = [null, [], []];
    follower = new ConfigurationFollower({
      apply: (configuration) => {
        asked.push(configuration);
        return refusal === null ? Promise.resolve() : Promise.reject(new Error(refusal));
      },
      onNotice: (text) => notices.push(text),
    });
  });
  afterEach(() => {
    follower.stop();
    mock.timers.reset();
  });

  const pass = async (timeMs: number): Promise<void> => {
    mock.timers.tick(timeMs);
    await settle();
  };

  test("what is taken is not asked again", async () => {
    follower.follow("a");
    await settle();
    await pass(120_000);
    assert.deepEqual([asked, notices, follower.problem], [["a"], [], null]);
  });

  test("a refusal is told once and asked again with growing pauses, until it is taken", async () => {
    refusal = "it does not answer";
    follower.follow("a");
    await settle();
    assert.match(follower.problem!, /it does not answer/);
    await pass(999);
    assert.equal(asked.length, 1);
    await pass(1);
    assert.equal(asked.length, 2);
    await pass(1_999);
    assert.equal(asked.length, 2);
    await pass(1);
    assert.equal(asked.length, 3);
    assert.equal(notices.length, 1);
    refusal = null;
    await pass(4_000);
    assert.deepEqual([asked.length, follower.problem], [4, null]);
    await pass(600_000);
    assert.equal(asked.length, 4);
  });

  test("pauses have an end to their growth", async () => {
    refusal = "no";
    follower.follow("a");
    await settle();
    for (let minute = 0; minute < 20; minute++) await pass(60_000);
    assert.equal(asked.length, 21);
  });

  test("a newer one takes the place of one that is refused, at once", async () => {
    refusal = "no";
    follower.follow("a");
    await settle();
    follower.follow("b");
    await settle();
    assert.deepEqual(asked, ["a", "b"]);
    refusal = null;
    await pass(1_000);
    await pass(600_000);
    assert.deepEqual(asked, ["a", "b", "b"]);
  });

  test("a newer one that comes while the former is being applied is applied after it", async () => {
    follower.follow("a");
    follower.follow("b");
    await settle();
    assert.deepEqual(asked, ["a", "b"]);
  });

  test("stopped, it asks no more", async () => {
    refusal = "no";
    follower.follow("a");
    await settle();
    follower.stop();
    await pass(600_000);
    assert.deepEqual([asked, follower.problem], [["a"], null]);
  });
});
