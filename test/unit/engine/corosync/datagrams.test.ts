import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import type { Socket } from "node:dgram";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, test } from "node:test";
import { DATAGRAM_BYTES_MAX } from "../../../../src/engine/contract.ts";
import { DatagramCipher, SEAL_BYTES } from "../../../../src/engine/corosync/datagram-cipher.ts";
import { Datagrams } from "../../../../src/engine/corosync/datagrams.ts";
import type { Member } from "../../../../src/model/identifiers.ts";

const LIMIT_MS = 10_000;
const LOOK_MS = 10;
const KEY = Buffer.alloc(32, 7);
const ONE: Member = { node: 1, incarnation: 1_000 };
const TWO: Member = { node: 2, incarnation: 2_000 };

describe("how datagrams are encrypted", () => {
  const one = new DatagramCipher("c", ONE, KEY);
  const two = new DatagramCipher("c", TWO, KEY);

  test("the other member reads them, and nobody without the key", () => {
    const message = one.seal(Buffer.from("an update"));
    assert.equal(message.length, "an update".length + SEAL_BYTES);
    assert.equal(message.includes("an update"), false);
    assert.deepEqual(two.senderOf(message, [ONE, TWO]), ONE);
    assert.equal(two.open(ONE, message)?.toString(), "an update");
    assert.equal(new DatagramCipher("c", TWO, randomBytes(32)).open(ONE, message), null, "another key");
    assert.equal(new DatagramCipher("d", TWO, KEY).open(ONE, message), null, "another cluster");
  });

  test("no bit of them can be changed", () => {
    const message = one.seal(Buffer.from("an update"));
    for (let position = 0; position < message.length; position++) {
      const changed = Buffer.from(message);
      changed[position]! ^= 1;
      assert.equal(two.open(ONE, changed), null, `byte ${position}`);
    }
    assert.equal(two.senderOf(message.subarray(0, SEAL_BYTES - 1), [ONE]), null);
    assert.equal(two.senderOf(Buffer.alloc(0), [ONE]), null);
  });

  test("only members are senders, each in its present life", () => {
    const message = one.seal(Buffer.from("x"));
    assert.equal(two.senderOf(message, [TWO]), null);
    assert.equal(two.senderOf(message, [{ node: 1, incarnation: 1_001 }, TWO]), null);
    assert.equal(two.open(TWO, message), null, "nobody speaks for another");
  });

  test("what was read is not read again; what was overtaken is read", () => {
    const three = new DatagramCipher("c", ONE, KEY);
    const messages = Array.from({ length: 1_000 }, (_, number) => three.seal(Buffer.from(String(number))));
    const read = (number: number): string | undefined => two.open(ONE, messages[number]!)?.toString();
    for (const number of [0, 255, 7, 6, 200]) assert.equal(read(number), String(number));
    for (const number of [0, 255, 7, 6, 200]) assert.equal(read(number), undefined, `${number} again`);
    assert.equal(read(256), "256");
    assert.equal(read(0), undefined, "long ago, and read before");
    assert.equal(read(999), "999");
    assert.equal(read(999 - 256), undefined, "overtaken by too many");
    assert.equal(read(999 - 255), String(999 - 255));
    const changed = Buffer.from(messages[800]!);
    changed[changed.length - 1]! ^= 1;
    assert.equal(two.open(ONE, changed), null);
    assert.equal(read(800), "800", "a forgery with its number does not keep it out");
  });

  test("equal messages differ, in one life and in two of one incarnation", () => {
    const again = new DatagramCipher("c", ONE, KEY);
    const messages = [one.seal(Buffer.from("x")), one.seal(Buffer.from("x")), again.seal(Buffer.from("x"))];
    assert.equal(new Set(messages.map((message) => message.subarray(-17).toString("hex"))).size, 3);
    for (const message of messages) assert.equal(two.open(ONE, message)?.toString(), "x");
  });
});

/** Two on one machine: with an address of loopback each could not have one port, so the test is the other member. */
describe("datagrams on the wire", () => {
  let other: Socket;
  let two: Datagrams;
  let port: number;
  let received: string[];

  beforeEach(async () => {
    received = [];
    const free = createSocket("udp4");
    free.bind(0);
    await once(free, "listening");
    ({ port } = free.address());
    free.close();
    await once(free, "close");
    two = new Datagrams({ clusterId: "c", self: TWO, key: KEY, port, addressesOf: () => ["127.0.0.1"], onDatagram: (from, payload) => received.push(`${from.node}: ${Buffer.from(payload).toString().slice(0, 20)}`), onNotice: () => undefined });
    two.start();
    two.follow([ONE, TWO]);
    other = createSocket("udp4");
    other.bind(0, "127.0.0.1");
    await once(other, "listening");
  });

  afterEach(() => {
    two.close();
    other.close();
  });

  async function until(condition: () => boolean): Promise<void> {
    const endMs = performance.now() + LIMIT_MS;
    while (!condition()) {
      assert.ok(performance.now() < endMs, "it did not come to that in time");
      await sleep(LOOK_MS);
    }
  }

  test("what is no member's is dropped, and what follows it arrives", async () => {
    const one = new DatagramCipher("c", ONE, KEY);
    for (const message of [Buffer.from("nonsense"), Buffer.alloc(0), new DatagramCipher("c", ONE, randomBytes(32)).seal(Buffer.from("forged")), new DatagramCipher("c", TWO, KEY).seal(Buffer.from("its own")), one.seal(Buffer.from("true"))]) other.send(message, port, "127.0.0.1");
    await until(() => received.length > 0);
    assert.deepEqual(received, ["1: true"]);
  });

  test("the longest arrives; one that is longer is not sent", async () => {
    other.send(new DatagramCipher("c", ONE, KEY).seal(Buffer.alloc(DATAGRAM_BYTES_MAX, "x")), port, "127.0.0.1");
    await until(() => received.length === 1);
    // To itself, so to say: member 1 has the same address and port.
    two.send(Buffer.alloc(DATAGRAM_BYTES_MAX + 1));
    two.send(Buffer.from("short"));
    await sleep(100);
    assert.equal(received.length, 1, "its own are not listened to");
  });
});
