import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { connect, createServer } from "node:net";
import type { Server, Socket } from "node:net";
import { test } from "node:test";
import { Channel } from "../../../src/engine/local/channel.ts";
import { answer, call, Role } from "../../../src/engine/local/handshake.ts";
import type { CallFailure } from "../../../src/engine/local/handshake.ts";
import { sequencerName } from "../../../src/engine/local/names.ts";
import { createLocalEngine } from "../../../src/engine/local/local.ts";
import { newCluster, record, until } from "./recorder.ts";

/** Abstract sockets can be bound and called by anybody: strangers, other versions, other keys. */

async function squat(name: string, onConnection: (socket: Socket) => void): Promise<{ server: Server; end: () => void }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen({ path: name }, resolve));
  return {
    server,
    end: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

test("a wrong key is refused: the node stays outside and is told who refused it", async () => {
  const { clusterId, key } = newCluster();
  const one = record({ clusterId, key, self: { node: 1, incarnation: 1 } });
  const stranger = record({ clusterId, key: randomBytes(32), self: { node: 2, incarnation: 1 } });
  await one.start();
  await stranger.start();
  try {
    stranger.engine.multicast(Buffer.from("let me in"));
    await until("its own message", () => stranger.messages.length === 1);
    assert.deepEqual(stranger.memberships.map((members) => members.map((member) => member.node)), [[2]]);
    assert.match(stranger.notices.join(), /generation 1: who listens there does not hold the key/);
    // The sequencer of generation 1 sees the higher one, asks it for its proof and stays.
    await until("a notice", () => one.notices.some((text) => text.startsWith("generation 2: who listens there does not hold the key")));
    assert.deepEqual(one.memberships.map((members) => members.map((member) => member.node)), [[1]]);
    assert.deepEqual(one.messages, []);

    const two = record({ clusterId, key, self: { node: 2, incarnation: 2 } });
    await two.start();
    assert.deepEqual(two.memberships.at(-1)?.map((member) => member.node), [1, 2], "who holds the key finds the right one");
    await two.engine.stop();
  } finally {
    await Promise.all([one.engine.stop(), stranger.engine.stop()]);
  }
});

const squatters: [string, (socket: Socket) => void][] = [
  ["stays silent", () => {}],
  ["talks nonsense", (socket) => void socket.write("HTTP/1.1 400 Bad Request\r\n\r\n".repeat(20))],
  ["closes at once", (socket) => void socket.destroy()],
  ["claims to be welcome without proof", (socket) => void socket.write(Buffer.from([0, 0, 0, 1, 4]))],
];
for (const [what, behave] of squatters) {
  test(`a squatter on the name that ${what}: the next generation`, async () => {
    const { clusterId, key } = newCluster();
    const squatter = await squat(sequencerName(clusterId, 1), behave);
    const one = record({ clusterId, key, self: { node: 1, incarnation: 1 }, hangTimeoutMs: 400 });
    const two = record({ clusterId, key, self: { node: 2, incarnation: 1 }, hangTimeoutMs: 400 });
    try {
      await Promise.all([one.start(), two.start()]);
      await until("both in one", () => one.memberships.at(-1)?.length === 2 && two.memberships.at(-1)?.length === 2);
    } finally {
      await Promise.all([one.engine.stop(), two.engine.stop()]);
      squatter.end();
    }
  });
}

test("a squatter on the highest number there is does not stop anybody", async () => {
  const { clusterId, key } = newCluster();
  const squatter = await squat(sequencerName(clusterId, 2 ** 31), () => {});
  const one = record({ clusterId, key, self: { node: 1, incarnation: 1 }, hangTimeoutMs: 400 });
  const two = record({ clusterId, key, self: { node: 2, incarnation: 1 }, hangTimeoutMs: 400 });
  try {
    await one.start();
    await two.start();
    await until("both in one", () => one.memberships.at(-1)?.length === 2);
  } finally {
    await Promise.all([one.engine.stop(), two.engine.stop()]);
    squatter.end();
  }
});

test("a stranger cannot pass our words on: a proof holds for one name only", async () => {
  const { clusterId, key } = newCluster();
  const one = record({ clusterId, key, self: { node: 1, incarnation: 1 } });
  await one.start();
  // The squatter on generation 2 hands everything through to the real sequencer of generation 1.
  const relay = await squat(sequencerName(clusterId, 2), (socket) => {
    const behind = connect({ path: sequencerName(clusterId, 1) });
    behind.on("error", () => {});
    socket.pipe(behind).pipe(socket);
  });
  const two = record({ clusterId, key, self: { node: 2, incarnation: 1 } });
  try {
    await two.start();
    assert.match(two.notices.join(), /generation 2: who listens there does not hold the key/);
    assert.deepEqual(two.memberships.at(-1)?.map((member) => member.node), [1, 2], "joined generation 1 itself");
  } finally {
    await Promise.all([one.engine.stop(), two.engine.stop()]);
    relay.end();
  }
});

test("a caller without the key is refused after its proof, and hears nothing before", async () => {
  const { clusterId, key } = newCluster();
  const one = record({ clusterId, key, self: { node: 1, incarnation: 1 }, hangTimeoutMs: 400 });
  await one.start();
  const name = sequencerName(clusterId, 1);
  try {
    const socket = connect({ path: name });
    const channel = new Channel(socket, 1024);
    const failure = await new Promise<CallFailure>((resolve, reject) => {
      socket.once("connect", () =>
        call(channel, name, Role.member, { key: randomBytes(32), self: { node: 9, incarnation: 1 }, protocolVersion: 1 }, () => reject(new Error("welcome")), resolve),
      );
    });
    assert.equal(failure.kind, "unproven");
    channel.close("done");

    // One that says nothing is closed when its time is up.
    const mute = connect({ path: name });
    await new Promise<void>((resolve) => mute.once("close", () => resolve()).on("error", () => {}).resume());
    assert.deepEqual(one.memberships.map((members) => members.length), [1]);
  } finally {
    await one.engine.stop();
  }
});

test("a stranger who floods with connections does not keep a member out", async () => {
  const { clusterId, key } = newCluster();
  const one = record({ clusterId, key, self: { node: 1, incarnation: 1 } });
  await one.start();
  const mutes = Array.from({ length: 200 }, () => connect({ path: sequencerName(clusterId, 1) }).on("error", () => {}));
  const two = record({ clusterId, key, self: { node: 2, incarnation: 1 } });
  try {
    await two.start();
    assert.deepEqual(two.memberships.at(-1)?.map((member) => member.node), [1, 2]);
  } finally {
    for (const mute of mutes) mute.destroy();
    await Promise.all([one.engine.stop(), two.engine.stop()]);
  }
});

test("a node of another version is refused by name of both versions, and the cluster stays as it is", async () => {
  const { clusterId, key } = newCluster();
  const one = record({ clusterId, key, self: { node: 1, incarnation: 1 }, protocolVersion: 3 });
  const two = record({ clusterId, key, self: { node: 2, incarnation: 1 }, protocolVersion: 4 });
  await one.start();
  try {
    await assert.rejects(two.start(), { code: "MUSTER_VERSION_MISMATCH", message: "Node 1 speaks protocol version 3; this node speaks 4." });
    await assert.rejects(one.engine.fetch({ node: 2, incarnation: 1 }, Buffer.from("x"), 500), { code: "MUSTER_NOT_REACHABLE" });
    assert.deepEqual(one.memberships.map((members) => members.length), [1]);
    assert.deepEqual(two.lost, []);
  } finally {
    await one.engine.stop();
    await two.engine.stop();
  }
});

test("a sequencer refuses a proven caller of another version as well", async () => {
  const { clusterId, key } = newCluster();
  const name = sequencerName(clusterId, 1);
  const credentials = { key, self: { node: 1, incarnation: 1 }, protocolVersion: 1 };
  let peers = 0;
  const callee = await squat(name, (socket) => answer(new Channel(socket, 1024), name, credentials, () => peers++));
  try {
    const socket = connect({ path: name });
    const channel = new Channel(socket, 1024);
    const failure = await new Promise<CallFailure>((resolve, reject) => {
      socket.once("connect", () => call(channel, name, Role.member, { ...credentials, self: { node: 2, incarnation: 1 }, protocolVersion: 2 }, () => reject(new Error("welcome")), resolve));
    });
    assert.deepEqual(failure, { kind: "version", node: 1, theirs: 1 });
    assert.equal(peers, 0);
    channel.close("done");
  } finally {
    callee.end();
  }
});

test("wrong options are named", () => {
  const { clusterId, key } = newCluster();
  const good = { clusterId, key, self: { node: 1, incarnation: 1 }, protocolVersion: 1 };
  for (const [wrong, field] of [
    [{ clusterId: "a/b" }, "clusterId"],
    [{ clusterId: "" }, "clusterId"],
    [{ key: Buffer.alloc(31) }, "key"],
    [{ self: { node: 0, incarnation: 1 } }, "self"],
    [{ self: { node: 65, incarnation: 1 } }, "self"],
    [{ self: { node: 1, incarnation: 1.5 } }, "self"],
    [{ protocolVersion: -1 }, "protocolVersion"],
  ] as const) {
    assert.throws(
      () => createLocalEngine({ ...good, ...wrong }),
      (error: { code?: string; details?: { field?: string } }) => error.code === "MUSTER_INVALID_ARGUMENT" && error.details?.field === field,
    );
  }
});
