import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { LogMessage } from "../../../src/log/types.ts";
import { Random } from "../../simulation/random.ts";
import { LogCluster } from "./support.ts";

const SEEDS = 40;
const STEPS = 1_500;
const CALM_ROUNDS = 150;
/** So much may be on its way before nothing new is asked for. */
const ON_THE_WAY_MAX = 200;

interface Datagram {
  readonly from: number;
  readonly to: number;
  readonly message: LogMessage;
}

/** A cluster whose group and datagrams deliver in any order, the group in that of each sender; some ways are closed to datagrams. */
class DisorderedCluster {
  readonly cluster: LogCluster;
  readonly ids: readonly number[];
  readonly requested: string[] = [];
  readonly #random: Random;
  readonly #loss: number;
  readonly #closed: ReadonlySet<string>;
  readonly #numbers = new Map<number, number>();
  readonly #group = new Map<string, LogMessage[]>();
  readonly #datagrams: Datagram[] = [];

  constructor(random: Random) {
    this.#random = random;
    const count = random.pick([2, 3, 4, 5]);
    this.ids = Array.from({ length: count }, (_, position) => position + 1);
    this.#loss = random.pick([0, 0.02, 0.3, 1]);
    this.#closed = new Set(this.ids.flatMap((from) => this.ids.map((to) => `${from}>${to}`)).filter(() => random.chance(0.15)));
    this.cluster = new LogCluster(count, null, true);
    this.cluster.members(...this.ids);
    this.cluster.settle();
  }

  /** One thing that happens. */
  step(asks: boolean): void {
    const random = this.#random;
    const kind = random.next();
    if (kind < 0.45) this.#deliver();
    else if (kind < 0.75) this.#deliverDatagram();
    else if (kind < 0.9) this.cluster.at(random.pick(this.ids)).sync();
    else if (asks && this.#datagrams.length + this.#groupLength() < ON_THE_WAY_MAX) this.#ask(random.pick(this.ids));
    this.#collect();
  }

  /** Nobody is to be taken for silent: ticks arrive before much time has passed. */
  pass(ms: number): void {
    while (this.#groupLength() > 0) this.#deliver();
    for (const id of this.ids) {
      this.cluster.at(id).nowMs += ms;
      this.cluster.at(id).step({ kind: "tick" });
    }
    this.#collect();
  }

  #groupLength(): number {
    return [...this.#group.values()].reduce((sum, messages) => sum + messages.length, 0);
  }

  #ask(id: number): void {
    const durable = this.#random.chance(0.8);
    const number = durable ? (this.#numbers.get(id) ?? 0) + 1 : 0;
    if (durable) {
      this.#numbers.set(id, number);
      this.requested.push(`${id}-${number}`);
    }
    this.cluster.at(id).step({ kind: "request", durable, number, payload: `${id}-${number}` });
  }

  #deliver(): void {
    const ways = [...this.#group].filter(([, messages]) => messages.length > 0);
    if (ways.length === 0) return;
    const [way, messages] = this.#random.pick(ways);
    const [from, to] = way.split(">").map(Number) as [number, number];
    this.cluster.at(to).step({ kind: "message", from: this.cluster.at(from).self, message: messages.shift()! });
  }

  #deliverDatagram(): void {
    if (this.#datagrams.length === 0) return;
    const position = this.#random.chance(0.7) ? 0 : Math.floor(this.#random.next() * this.#datagrams.length);
    const { from, to, message } = this.#datagrams.splice(position, 1)[0]!;
    this.cluster.at(to).step({ kind: "datagram", from: this.cluster.at(from).self, message });
  }

  #collect(): void {
    for (const from of this.ids) {
      const node = this.cluster.at(from);
      const sent = node.take();
      const datagrams = node.datagrams.splice(0);
      for (const to of this.ids) {
        const way = `${from}>${to}`;
        this.#group.set(way, [...(this.#group.get(way) ?? []), ...sent]);
        for (const message of datagrams) {
          if (from !== to && (this.#closed.has(way) || this.#random.chance(this.#loss))) continue;
          this.#datagrams.push({ from, to, message });
          if (this.#random.chance(0.05)) this.#datagrams.push({ from, to, message });
        }
      }
    }
  }
}

describe("entries that come in any order and by two ways", () => {
  test("end no view, and are stepped by all in one order", () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const disordered = new DisorderedCluster(new Random(seed));
      const { cluster, ids } = disordered;
      for (let step = 0; step < STEPS; step++) {
        disordered.step(true);
        if (step % 20 === 0) disordered.pass(20);
      }
      for (let round = 0; round < CALM_ROUNDS; round++) {
        for (let step = 0; step < 20; step++) disordered.step(false);
        disordered.pass(20);
      }
      cluster.settle();
      for (const id of ids) assert.deepEqual([cluster.view(id), cluster.at(id).left], [ids, []], `seed ${seed}, node ${id}: ${JSON.stringify(cluster.at(id).log.status)}`);
      for (const id of ids) assert.deepEqual(cluster.payloads(id), cluster.payloads(1), `seed ${seed}, node ${id}`);
      assert.deepEqual(cluster.payloads(1).toSorted(), disordered.requested.toSorted(), `seed ${seed}`);
      const epochs = ids.map((id) => cluster.at(id).log.runtime!.epoch);
      assert.deepEqual([...new Set(cluster.at(1).applied.map((entry) => entry.epoch))], [epochs[0]], `seed ${seed}: one epoch`);
    }
  });
});
