import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeMembers, encodeMembers, Frame, frame, FrameReader, HEADER_BYTES, MalformedFrame } from "../../../src/engine/local/frames.ts";

test("frames come out whole, however the stream is cut", () => {
  const sent = [Buffer.alloc(0), Buffer.from("a"), Buffer.alloc(1_000, "b"), Buffer.from("end")];
  const stream = Buffer.concat(sent.map((body, position) => frame(position + 1, body)));
  for (const step of [1, 2, 3, 4, 5, 6, 7, 100, 999, stream.length]) {
    const reader = new FrameReader(1_000);
    const got: string[] = [];
    for (let offset = 0; offset < stream.length; offset += step) {
      reader.push(stream.subarray(offset, offset + step), (type, body) => {
        got.push(`${type}:${body.toString()}`);
        return true;
      });
    }
    assert.deepEqual(got, sent.map((body, position) => `${position + 1}:${body.toString()}`), `in steps of ${step}`);
  }
});

test("a frame that is too long, or has no type, is malformed before a byte of it is kept", () => {
  for (const length of [0, 1_002, 0xffffffff]) {
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeUInt32BE(length);
    assert.throws(() => new FrameReader(1_000).push(header, () => true), MalformedFrame, `length ${length}`);
  }
});

test("reading ends when the holder says so", () => {
  const reader = new FrameReader(10);
  let count = 0;
  reader.push(Buffer.concat([frame(1), frame(2), frame(3)]), () => ++count < 2);
  assert.equal(count, 2);
});

test("members survive the way through a frame; a torn list does not", () => {
  const members = [
    { node: 1, incarnation: Date.now() * 1_000 },
    { node: 64, incarnation: Number.MAX_SAFE_INTEGER },
  ];
  const reader = new FrameReader(1_000);
  reader.push(encodeMembers(members), (type, body) => {
    assert.equal(type, Frame.Members);
    assert.deepEqual(decodeMembers(body), members);
    assert.throws(() => decodeMembers(body.subarray(1)), MalformedFrame);
    return true;
  });
});
