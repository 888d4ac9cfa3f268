import assert from "node:assert/strict";
import { test } from "node:test";
import { armBatch, pointBatch } from "../../../src/network/gate-rules.ts";

/** What `nft -f` sends for the same commands, but for the numbers of sets inside a transaction, which are left out. */

const REQUEST = 1;
const ACKNOWLEDGE = 4;
const CREATE = 0x400;

function messagesOf(batch: Buffer): { type: number; flags: number; body: Buffer }[] {
  const messages = [];
  for (let at = 0; at < batch.length; at += batch.readUInt32LE(at)) {
    messages.push({ type: batch.readUInt16LE(at + 4), flags: batch.readUInt16LE(at + 6), body: batch.subarray(at + 16, at + batch.readUInt32LE(at)) });
  }
  return messages;
}

test("arming a slot empties and fills it in both tables, between the marks of a transaction", () => {
  const messages = messagesOf(armBatch("muster_x", 3, 750));
  assert.deepEqual(messages.map(({ type, flags }) => [type, flags]), [
    [0x10, REQUEST],
    [0x0a0e, REQUEST],
    [0x0a0c, REQUEST | CREATE],
    [0x0a0e, REQUEST],
    [0x0a0c, REQUEST | CREATE | ACKNOWLEDGE],
    [0x11, REQUEST],
  ]);
  assert.deepEqual(messages.map(({ body }) => body[0]), [0, 1, 1, 3, 3, 0]);
  assert.equal(messages[0]!.body.toString("hex"), "0000000a");
  const filled = messages[2]!.body.toString("hex");
  // 750 ms as 64 bits in the order of the network, and the keys 2 (IPv4) and 10 (IPv6).
  assert.equal(filled.split("0c00040000000000000002ee").length, 3);
  assert.ok(filled.includes("0500010002") && filled.includes("050001000a"));
  assert.ok(messages[4]!.body.toString("hex").includes("060001000806"));
});

test("pointing leads to the chain of one slot", () => {
  const [, , map] = messagesOf(pointBatch("muster_x", 5));
  const text = map!.body.toString("latin1");
  assert.ok(text.includes("pointed\0") && text.includes("slot5\0"));
  assert.ok(map!.body.toString("hex").includes("fffffffc"));
});
