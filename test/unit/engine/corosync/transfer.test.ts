import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, test } from "node:test";
import { Transfer } from "../../../../src/engine/corosync/transfer.ts";
import type { TransferPeer } from "../../../../src/engine/corosync/transfer.ts";
import { FETCH_BYTES_MAX, MESSAGE_BYTES_MAX } from "../../../../src/engine/contract.ts";
import type { Member, NodeId } from "../../../../src/model/identifiers.ts";
import { TestAuthority } from "./certificates.ts";
import type { Credentials } from "./certificates.ts";
import { whyNot } from "./network.ts";

/** Bulk transfer over loopback addresses, each of which plays a machine. Needs openssl only. */

const skip = String(whyNot()).includes("openssl") ? whyNot() : false;
const authority = skip === false ? new TestAuthority() : null;
const stranger = skip === false ? new TestAuthority() : null;
after(() => {
  authority?.end();
  stranger?.end();
});

const PORT = 20_000 + (process.pid % 20_000);
const ONE: Member = { node: 1, incarnation: 4 };
const TWO: Member = { node: 2, incarnation: 7 };
const BOOK: Record<NodeId, TransferPeer> = { 1: { name: "one", addresses: ["127.8.0.1"] }, 2: { name: "two", addresses: ["127.8.0.2"] } };
const open = new Set<Transfer>();
const notices: string[] = [];

function transfer(self: Member, credentials: Credentials, change: Partial<{ addresses: string[]; book: Record<NodeId, TransferPeer>; clusterId: string; protocolVersion: number }> = {}): Transfer {
  const book = change.book ?? BOOK;
  const made = new Transfer({
    ...credentials,
    port: PORT,
    listenAddresses: change.addresses ?? [`127.8.0.${self.node}`],
    peerOf: (node) => book[node] ?? null,
    clusterId: change.clusterId ?? "c",
    self,
    protocolVersion: change.protocolVersion ?? 1,
    onNotice: (text) => notices.push(text),
  });
  open.add(made);
  return made;
}

async function withPair(run: (one: Transfer, two: Transfer) => Promise<void>, change: Parameters<typeof transfer>[2] = {}): Promise<void> {
  const one = transfer(ONE, authority!.issue("one"), change);
  const two = transfer(TWO, authority!.issue("two"));
  try {
    await one.listen(() => Promise.resolve(Buffer.from("one")));
    await two.listen(answer);
    await run(one, two);
  } finally {
    await endAll();
  }
}

async function endAll(): Promise<void> {
  await Promise.all([...open].map((each) => each.close()));
  open.clear();
}

const BIG = Buffer.alloc(30 * 1024 * 1024, "0123456789abcde\n");
function answer(from: Member, request: Uint8Array): Promise<Uint8Array> {
  const text = Buffer.from(request).toString();
  if (text === "big") return Promise.resolve(BIG);
  if (text === "fail") return Promise.reject(new Error("no such thing"));
  if (text === "never") return new Promise(() => {});
  if (text === "huge") return Promise.resolve({ length: FETCH_BYTES_MAX + 1 } as Uint8Array);
  return Promise.resolve(Buffer.from(`${from.node}.${from.incarnation} asked: ${text.length}`));
}

test("asked and answered, small and large, several at once", { skip }, async () => {
  await withPair(async (one) => {
    assert.equal(Buffer.from(await one.fetch(TWO, Buffer.from("hello"), 3_000)).toString(), "1.4 asked: 5");
    assert.equal(Buffer.from(await one.fetch(TWO, Buffer.alloc(MESSAGE_BYTES_MAX, "x"), 3_000)).toString(), `1.4 asked: ${MESSAGE_BYTES_MAX}`);
    const replies = await Promise.all([1, 2, 3].map(() => one.fetch(TWO, Buffer.from("big"), 20_000)));
    for (const reply of replies) assert.equal(BIG.compare(reply), 0);
  });
});

test("failures are passed on; what is too large is refused; time-outs hold", { skip }, async () => {
  await withPair(async (one) => {
    await assert.rejects(one.fetch(TWO, Buffer.from("fail"), 3_000), { code: "MUSTER_NOT_REACHABLE", message: /no such thing/ });
    await assert.rejects(one.fetch(TWO, Buffer.from("huge"), 3_000), { code: "MUSTER_NOT_REACHABLE", message: /more than/ });
    await assert.rejects(one.fetch(TWO, Buffer.alloc(MESSAGE_BYTES_MAX + 1), 3_000), { code: "MUSTER_LIMIT" });
    await assert.rejects(one.fetch(TWO, Buffer.from("never"), 300), { code: "MUSTER_TIMEOUT" });
    await assert.rejects(one.fetch({ node: 9, incarnation: 1 }, Buffer.from("x"), 300), { code: "MUSTER_NOT_REACHABLE", message: /not known/ });
    await assert.rejects(one.fetch({ node: 2, incarnation: 6 }, Buffer.from("x"), 3_000), { code: "MUSTER_NOT_REACHABLE", message: /another member answers/ });
  });
});

test("more than are served at once are refused", { skip }, async () => {
  await withPair(async (one) => {
    const waiting = Array.from({ length: 8 }, () => one.fetch(TWO, Buffer.from("never"), 1_500).catch((error: unknown) => error));
    await new Promise((resolve) => setTimeout(resolve, 700));
    await assert.rejects(one.fetch(TWO, Buffer.from("x"), 3_000), { code: "MUSTER_BUSY" });
    await Promise.all(waiting);
  });
});

test("a dead first address, and one where another node answers, are passed over", { skip }, async () => {
  const book = { ...BOOK, 2: { name: "two", addresses: ["127.8.0.77", "127.8.0.1", "127.8.0.2"] } };
  await withPair(
    async (one) => {
      assert.equal(Buffer.from(await one.fetch(TWO, Buffer.from("hello"), 5_000)).toString(), "1.4 asked: 5");
    },
    { book },
  );
});

test("nobody there: every address is named", { skip }, async () => {
  const one = transfer(ONE, authority!.issue("one"));
  try {
    await one.listen(answer);
    await assert.rejects(one.fetch(TWO, Buffer.from("x"), 3_000), { code: "MUSTER_NOT_REACHABLE", message: /node 2: 127\.8\.0\.2: connect ECONNREFUSED/ });
  } finally {
    await endAll();
  }
});

test("the certificate of another cluster is refused by both sides, in clear words", { skip }, async () => {
  const one = transfer(ONE, authority!.issue("one"));
  const two = transfer(TWO, stranger!.issue("two"));
  try {
    await one.listen(answer);
    await two.listen(answer);
    await assert.rejects(one.fetch(TWO, Buffer.from("x"), 3_000), { code: "MUSTER_NOT_REACHABLE", message: /the certificate is not of this cluster's authority/ });
    await assert.rejects(two.fetch(ONE, Buffer.from("x"), 3_000), { code: "MUSTER_NOT_REACHABLE", message: /the certificate is not of this cluster's authority/ });
    // One that trusts us and is not trusted is told by the other side.
    const both = { ...stranger!.issue("two"), authority: authority!.issue("x").authority };
    const three = transfer({ node: 3, incarnation: 1 }, both, { addresses: ["127.8.0.3"] });
    await three.listen(answer);
    await assert.rejects(three.fetch(ONE, Buffer.from("x"), 3_000), { code: "MUSTER_NOT_REACHABLE", message: /the certificate is not of this cluster's authority/ });
    assert.match(notices.join("\n"), /a transfer from 127\.\d+\.\d+\.\d+ was refused: the certificate is not of this cluster's authority/);
  } finally {
    await endAll();
  }
});

test("a node cannot speak for another one, nor with another version, nor for another cluster", { skip }, async () => {
  const one = transfer(ONE, authority!.issue("one"));
  await one.listen(answer);
  const credentials = authority!.issue("two");
  try {
    const cases = [
      [transfer({ node: 3, incarnation: 1 }, credentials, { addresses: ["127.8.0.3"] }), "MUSTER_NOT_REACHABLE", /its certificate is of 'two', which is not node 3 here/],
      [transfer(TWO, credentials, { addresses: ["127.8.0.4"], protocolVersion: 2 }), "MUSTER_VERSION_MISMATCH", /Node 1 speaks protocol version 1; this node speaks 2/],
      [transfer(TWO, credentials, { addresses: ["127.8.0.5"], clusterId: "d" }), "MUSTER_NOT_REACHABLE", /this is the cluster c/],
    ] as const;
    for (const [caller, code, message] of cases) await assert.rejects(caller.fetch(ONE, Buffer.from("x"), 3_000), { code, message });
  } finally {
    await endAll();
  }
});

test("who only connects keeps nobody out", { skip }, async () => {
  await withPair(async (one) => {
    const mutes = Array.from({ length: 60 }, () => connect({ host: "127.8.0.2", port: PORT }).on("error", () => {}));
    try {
      await new Promise((resolve) => setTimeout(resolve, 100));
      assert.equal(Buffer.from(await one.fetch(TWO, Buffer.from("hello"), 3_000)).toString(), "1.4 asked: 5");
    } finally {
      for (const mute of mutes) mute.destroy();
    }
  });
});

test("an address that is taken, or is not there, is named; one that works is enough", { skip }, async () => {
  const one = transfer(ONE, authority!.issue("one"));
  await one.listen(answer);
  try {
    await assert.rejects(transfer(ONE, authority!.issue("one")).listen(answer), { code: "MUSTER_ADDRESS_IN_USE", message: /127\.8\.0\.1 port \d+/ });
    await assert.rejects(transfer(ONE, authority!.issue("one"), { addresses: ["192.0.2.1"] }).listen(answer), { code: "MUSTER_INVALID_ARGUMENT", message: /EADDRNOTAVAIL/ });
    await assert.rejects(transfer(ONE, authority!.issue("one"), { addresses: [] }).listen(answer), { code: "MUSTER_INVALID_ARGUMENT" });
    await transfer(TWO, authority!.issue("two"), { addresses: ["192.0.2.1", "127.8.0.2"] }).listen(answer);
    assert.equal(Buffer.from(await one.fetch(TWO, Buffer.from("hello"), 3_000)).toString(), "1.4 asked: 5");
  } finally {
    await endAll();
  }
});

test("fetches that are under way end when the node stops", { skip }, async () => {
  await withPair(async (one, two) => {
    const waiting = one.fetch(TWO, Buffer.from("never"), 10_000);
    const checked = assert.rejects(waiting, { code: "MUSTER_NOT_REACHABLE" });
    await new Promise((resolve) => setTimeout(resolve, 200));
    await two.close();
    await checked;
    const refused = assert.rejects(one.fetch(TWO, Buffer.from("x"), 5_000), { code: "MUSTER_NOT_REACHABLE" });
    await one.close();
    await refused;
  });
});
