import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import { MESSAGE_BYTES_MAX } from "../../../src/engine/contract.ts";
import { Channel } from "../../../src/engine/local/channel.ts";
import { Frame, frameHeader } from "../../../src/engine/local/frames.ts";
import { call, Role } from "../../../src/engine/local/handshake.ts";
import { sequencerName } from "../../../src/engine/local/names.ts";
import { MEMBER_QUEUE_BYTES_MAX } from "../../../src/engine/local/timing.ts";
import type { Member } from "../../../src/model/identifiers.ts";
import { clock, TestCluster } from "./cluster.ts";
import { newCluster, record, until } from "./recorder.ts";

/** Order, limits and speed of multicasts. */

test("everybody sees all messages in one order, each sender's in the order it sent them, its own included", async () => {
  const cluster = new TestCluster();
  try {
    const members = await cluster.form(3);
    for (let n = 1; n <= 200; n++) for (const member of members) member.tell({ do: "multicast", text: `${member.self.node}:${n}` });
    const seen = await Promise.all(
      members.map(async (member) => {
        const isMessage = (event: { event: string }): boolean => event.event === "message";
        await until("600 messages", () => member.events.filter(isMessage).length === 600);
        return member.events.filter(isMessage).map((event) => event.text ?? "");
      }),
    );
    assert.deepEqual(seen[1], seen[0]);
    assert.deepEqual(seen[2], seen[0]);
    for (const node of [1, 2, 3]) {
      const own = seen[0]?.filter((text) => text.startsWith(`${node}:`));
      assert.deepEqual(own, Array.from({ length: 200 }, (_, n) => `${node}:${n + 1}`));
    }
  } finally {
    await cluster.end();
  }
});

test("throughput of three processes that all send", async (t) => {
  const cluster = new TestCluster({ hangTimeoutMs: 5_000 });
  try {
    const members = await cluster.form(3);
    for (const [bytes, each] of [
      [200, 40_000],
      [8_000, 1_200], // less in all than may wait for one member
    ] as const) {
      const total = each * members.length;
      const marks = members.map((member) => member.events.length);
      for (const member of members) {
        member.tell({ do: "quiet", quiet: true });
        member.tell({ do: "expect", count: total });
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
      const startedAt = clock();
      for (const member of members) member.tell({ do: "flood", count: each, bytes, window: 200 });
      const reached = await Promise.all(members.map((member, position) => member.event((event) => event.event === "reached", marks[position], 60_000)));
      assert.equal(new Set(reached.map((event) => event.order)).size, 1, "one order");
      const tookMs = Math.max(...reached.map((event) => event.at)) - startedAt;
      t.diagnostic(`${bytes} bytes: ${Math.round((total / tookMs) * 1000)} messages/s, each delivered to 3 processes`);
    }
  } finally {
    await cluster.end();
  }
});

test("time from a multicast to its own delivery, one at a time", async (t) => {
  const cluster = new TestCluster();
  try {
    const members = await cluster.form(3);
    for (const [member, what] of [
      [members[0], "the sequencer's process"],
      [members[2], "another process"],
    ] as const) {
      assert.ok(member !== undefined);
      const mark = member.events.length;
      member.tell({ do: "quiet", quiet: true });
      member.tell({ do: "expect", count: 2_000 });
      await new Promise((resolve) => setTimeout(resolve, 50));
      const startedAt = clock();
      member.tell({ do: "flood", count: 2_000, bytes: 200, window: 1 });
      const reached = await member.event((event) => event.event === "reached", mark);
      t.diagnostic(`${what}: ${(((reached.at - startedAt) / 2_000) * 1_000).toFixed(0)} µs on average`);
    }
  } finally {
    await cluster.end();
  }
});

test("a message that is too large is refused and changes nothing", async () => {
  const { clusterId, key } = newCluster();
  const one = record({ clusterId, key, self: { node: 1, incarnation: 1 } });
  await one.start();
  try {
    assert.throws(() => one.engine.multicast(new Uint8Array(MESSAGE_BYTES_MAX + 1)), { code: "MUSTER_LIMIT" });
    one.engine.multicast(new Uint8Array(MESSAGE_BYTES_MAX));
    await until("the largest message", () => one.messages.length === 1);
    assert.equal(one.messages[0]?.text.length, MESSAGE_BYTES_MAX);
    assert.equal(one.memberships.length, 1);
  } finally {
    await one.engine.stop();
  }
});

test("what is sent before a membership or after the end is dropped", async () => {
  const { clusterId, key } = newCluster();
  const one = record({ clusterId, key, self: { node: 1, incarnation: 1 } });
  one.engine.multicast(Buffer.from("too early"));
  await one.start();
  one.engine.multicast(Buffer.from("now"));
  await until("one message", () => one.messages.length > 0);
  await one.engine.stop();
  one.engine.multicast(Buffer.from("too late"));
  assert.deepEqual(one.messages.map((message) => message.text), ["now"]);
});

/** A member that holds the key and does as the test says. */
async function rawMember(clusterId: string, key: Buffer, self: Member): Promise<{ channel: Channel; closed: Promise<string> }> {
  const name = sequencerName(clusterId, 1);
  const socket = connect({ path: name });
  const channel = new Channel(socket, 1024 * 1024);
  const closed = new Promise<string>((resolve) => (channel.onClose = resolve));
  await new Promise<void>((resolve, reject) => {
    const onWelcome = (): void => {
      channel.onFrame = () => {};
      resolve();
    };
    socket.once("connect", () => call(channel, name, Role.member, { key, self, protocolVersion: 1 }, onWelcome, (failure) => reject(new Error(failure.kind))));
  });
  return { channel, closed };
}

test("a member that does not read is dropped when too much waits for it; the others lose nothing", async () => {
  const { clusterId, key } = newCluster();
  const settings = { clusterId, key, hangTimeoutMs: 60_000 };
  const one = record({ ...settings, self: { node: 1, incarnation: 1 } });
  const two = record({ ...settings, self: { node: 2, incarnation: 1 } });
  await one.start();
  await two.start();
  const slow = await rawMember(clusterId, key, { node: 3, incarnation: 1 });
  try {
    await until("three members", () => one.memberships.at(-1)?.length === 3);
    slow.channel.socket.pause();
    const payload = Buffer.alloc(MESSAGE_BYTES_MAX, "x");
    let sent = 0;
    while (one.memberships.at(-1)?.length === 3) {
      assert.ok(sent < 4_000, "dropped before 128 MiB were sent");
      for (let n = 0; n < 10; n++, sent++) two.engine.multicast(payload);
      await until("own messages", () => two.messages.length === sent);
    }
    assert.ok(sent * MESSAGE_BYTES_MAX > MEMBER_QUEUE_BYTES_MAX / 2, "not before a lot waited");
    await until("all messages", () => one.messages.length === sent && two.messages.length === sent);
    assert.deepEqual(one.memberships.at(-1)?.map((member) => member.node), [1, 2]);
  } finally {
    slow.channel.close("done");
    await Promise.all([one.engine.stop(), two.engine.stop()]);
  }
});

test("a member that breaks the rules is dropped", async () => {
  const { clusterId, key } = newCluster();
  const one = record({ clusterId, key, self: { node: 1, incarnation: 1 } });
  await one.start();
  try {
    const offences: [string, Buffer][] = [
      ["an endless frame", Buffer.from([0xff, 0xff, 0xff, 0xff, Frame.Multicast])],
      ["a frame without type", Buffer.from([0, 0, 0, 0, 0])],
      ["an unknown type", frameHeader(99, 0)],
      ["a message over the limit", frameHeader(Frame.Multicast, MESSAGE_BYTES_MAX + 1)],
      ["a sequencer's frame", frameHeader(Frame.Ping, 0)],
    ];
    for (const [what, bytes] of offences) {
      const raw = await rawMember(clusterId, key, { node: 2, incarnation: 1 });
      await until(`membership before ${what}`, () => one.memberships.at(-1)?.length === 2);
      raw.channel.socket.write(bytes);
      await raw.closed;
      await until(`dropped for ${what}`, () => one.memberships.at(-1)?.length === 1);
    }
    assert.deepEqual(one.messages, []);
  } finally {
    await one.engine.stop();
  }
});

test("a sender that outruns the sequencer loses its connection, not its memory, and joins again", async () => {
  const { clusterId, key } = newCluster();
  const one = record({ clusterId, key, self: { node: 1, incarnation: 1 } });
  const two = record({ clusterId, key, self: { node: 2, incarnation: 1 } });
  await one.start();
  await two.start();
  try {
    await until("two members", () => one.memberships.at(-1)?.length === 2);
    const memberships = two.memberships.length;
    const payload = new Uint8Array(MESSAGE_BYTES_MAX);
    for (let n = 0; n < 1_000; n++) two.engine.multicast(payload); // 32 MiB in one turn
    await until("a new membership", () => two.memberships.length > memberships && two.memberships.at(-1)?.length === 2);
    two.engine.multicast(Buffer.from("still here"));
    await until("a message after it", () => one.messages.at(-1)?.text === "still here");
    assert.deepEqual([...one.lost, ...two.lost], []);
  } finally {
    await Promise.all([one.engine.stop(), two.engine.stop()]);
  }
});

