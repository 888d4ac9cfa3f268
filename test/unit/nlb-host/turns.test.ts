import assert from "node:assert/strict";
import { test } from "node:test";
import { Turns } from "../../../src/nlb-host/turns.ts";

/** A host that tells others what it is changed to. */
class Told {
  readonly turns = new Turns();
  parameters = "";
  readonly #others: () => readonly Told[];
  readonly #onTheWay: () => Promise<void>;

  constructor(others: () => readonly Told[], onTheWay: () => Promise<void>) {
    this.#others = others;
    this.#onTheWay = onTheWay;
  }

  change(parameters: string): Promise<readonly string[]> {
    return this.turns.take(async () => {
      this.parameters = parameters;
      return this.turns.tell(() => Promise.all(this.#others().map((other) => this.#tell(other, parameters))));
    });
  }

  async #tell(other: Told, parameters: string): Promise<string> {
    await this.#onTheWay();
    const answer = await other.takes(parameters).then(() => "ok", (error: { readonly code: string }) => error.code);
    await this.#onTheWay();
    return answer;
  }

  takes(parameters: string): Promise<void> {
    return this.turns.takeFromOther(async () => void (this.parameters = parameters));
  }
}

function pair(onTheWay: () => Promise<void>): readonly [Told, Told] {
  const one: Told = new Told(() => [two], onTheWay);
  const two: Told = new Told(() => [one], onTheWay);
  return [one, two];
}

test("two hosts that are changed at once refuse each other's change, and do not swap", async () => {
  const [one, two] = pair(() => new Promise((resolve) => setImmediate(resolve)));
  assert.deepEqual(await Promise.all([one.change("a"), two.change("b")]), [["MUSTER_BUSY"], ["MUSTER_BUSY"]]);
  assert.deepEqual([one.parameters, two.parameters], ["a", "b"]);
  assert.deepEqual(await one.change("c"), ["ok"]);
  assert.deepEqual([one.parameters, two.parameters], ["c", "c"]);
});

test("what comes when a host has told, or has not begun to, is the last word on both", async () => {
  const [one, two] = pair(() => Promise.resolve());
  const first = one.change("a");
  await Promise.resolve();
  assert.deepEqual((await Promise.all([first, two.change("b")])).flat().sort(), ["MUSTER_BUSY", "ok"]);
  assert.equal(one.parameters, two.parameters);
});

test("one turn after the other, also after one that failed", async () => {
  const turns = new Turns();
  const order: number[] = [];
  const failed = turns.take(async () => {
    await Promise.resolve();
    order.push(1);
    throw new Error("no");
  });
  const next = turns.take(async () => order.push(2));
  await assert.rejects(failed, /no/);
  await next;
  assert.deepEqual(order, [1, 2]);
});
