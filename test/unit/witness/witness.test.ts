import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import type { Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { CLAIMS_KEPT } from "../../../src/quorum/claims.ts";
import type { ClaimRecord, ClaimRequest } from "../../../src/quorum/claims.ts";
import { claim } from "../../../src/quorum/witness.ts";
import type { ClaimOutcome, Witness, WitnessAnswer, WitnessWrite } from "../../../src/quorum/witness.ts";
import { createIdentity, fingerprint } from "../../../src/security/certificates.ts";
import { createWitnessDaemon } from "../../../src/witness/daemon-server.ts";
import { daemonStore } from "../../../src/witness/daemon.ts";
import { fileShareStore } from "../../../src/witness/file-share.ts";
import { createRecordWitness, nameOf } from "../../../src/witness/record-store.ts";
import type { RecordStore } from "../../../src/witness/record-store.ts";

const base = mkdtempSync(join(tmpdir(), "muster-witness-"));
let daemon: Server;
let pin = "";

before(async () => {
  const identity = await createIdentity("witness.test");
  pin = fingerprint(identity.certificate);
  daemon = createWitnessDaemon({ directory: join(base, "daemon"), identity, log: () => undefined });
  await new Promise<void>((resolve) => daemon.listen({ host: "127.0.0.1", port: 0 }, resolve));
});

after(() => {
  daemon.close();
  daemon.closeAllConnections();
  rmSync(base, { recursive: true, force: true });
});

function daemonOf(witness: string, changed: Partial<Parameters<typeof daemonStore>[0]> = {}): RecordStore {
  return daemonStore({ address: `127.0.0.1:${(daemon.address() as AddressInfo).port}`, fingerprint: pin, token: "secret", cluster: "cluster", witness, ...changed });
}

function record(position: number, node = 1): ClaimRecord {
  return { position, epoch: 10 + position, lineage: 0, claimant: { node, incarnation: node }, voters: [{ node, store: `s${node}` }] };
}

function request(node: number, epoch: number): ClaimRequest {
  const voter = { node, store: `s${node}` };
  return { epoch, lineage: 0, claimant: { node, incarnation: node }, voters: [voter], bestAccepted: epoch - 1, accepted: [{ voter, epoch: epoch - 1 }] };
}

const initialise = (witness: Witness): Promise<WitnessWrite> => new Promise((resolve) => witness.initialise({ ...record(0), epoch: 0, voters: [] }, resolve));
const read = (witness: Witness): Promise<WitnessAnswer> => new Promise((resolve) => witness.read(resolve));
const append = (witness: Witness, one: ClaimRecord): Promise<WitnessWrite> => new Promise((resolve) => witness.append(one, resolve));
const ask = (witness: Witness, asked: ClaimRequest): Promise<ClaimOutcome> => new Promise((resolve) => claim(witness, asked, resolve));

const kinds: Readonly<Record<string, (name: string) => RecordStore>> = {
  "file share": (name) => fileShareStore(base, `share/${name}`),
  daemon: (name) => daemonOf(name),
};

for (const [kind, storeOf] of Object.entries(kinds)) {
  describe(kind, () => {
    test("has nothing until it is initialised, and keeps its first record", async () => {
      const witness = createRecordWitness(storeOf("first"));
      assert.deepEqual(await read(witness), { kind: "missing" });
      assert.equal((await ask(witness, request(1, 5))).kind, "failed");
      assert.deepEqual(await initialise(witness), { kind: "created" });
      assert.deepEqual(await append(witness, { ...record(0), claimant: { node: 2, incarnation: 2 } }), { kind: "exists" });
      const answer = await read(witness);
      assert.equal(answer.kind === "records" && answer.records[0]?.claimant.node, 1);
    });

    test("of halves that claim at the same moment one wins, however often", async () => {
      const [left, right] = [createRecordWitness(storeOf("halves")), createRecordWitness(storeOf("halves"))];
      await initialise(left);
      for (let round = 0; round < 10; round++) {
        const epoch = 20 + 3 * round;
        // Both know of all the rounds before; who is so slow that it sees the other's claim of this round is refused.
        const outcomes = await Promise.all([ask(left, request(1, epoch)), ask(right, { ...request(2, epoch), epoch: epoch + 1 })]);
        assert.equal(outcomes.filter((outcome) => outcome.kind === "won").length, 1, JSON.stringify(outcomes));
      }
    });

    test("old records go, the newest stay", async () => {
      const witness = createRecordWitness(storeOf("old"));
      await initialise(witness);
      for (let position = 1; position <= CLAIMS_KEPT + 5; position++) assert.deepEqual(await append(witness, record(position)), { kind: "created" });
      const answer = await read(witness);
      assert.ok(answer.kind === "records");
      assert.equal(answer.records.length, CLAIMS_KEPT);
      assert.equal(Math.max(...answer.records.map((one) => one.position)), CLAIMS_KEPT + 5);
    });

    test("what a listing does not show yet is found by its name", async () => {
      const store = storeOf("late");
      const witness = createRecordWitness({ ...store, list: async () => ((await store.list()) === null ? null : [nameOf(0)]) });
      await initialise(witness);
      await append(witness, record(1));
      await append(witness, record(2));
      const answer = await read(witness);
      assert.deepEqual(answer.kind === "records" && answer.records.map((one) => one.position), [0, 1, 2]);
    });
  });
}

test("file share: a share that is not there answers with a reason; a torn record is not built upon", async () => {
  const gone = createRecordWitness(fileShareStore(join(base, "nowhere"), "w"));
  assert.equal((await initialise(gone)).kind, "unknown");
  const torn = createRecordWitness(fileShareStore(base, "torn"));
  await initialise(torn);
  writeFileSync(join(base, "torn", nameOf(1)), '{"position":1,');
  const answer = await read(torn);
  assert.match(answer.kind === "unreachable" ? answer.reason : answer.kind, /cannot be read/);
  assert.deepEqual(readdirSync(join(base, "torn")).filter((name) => name.startsWith("writing-")), []);
});

test("file share: what is no record but has its name is never taken for one that was created", async () => {
  mkdirSync(join(base, "plain", nameOf(0)), { recursive: true });
  const answer = await append(createRecordWitness(fileShareStore(base, "plain")), record(0));
  assert.equal(answer.kind, "unknown");
});

test("a place far away is read in few turns, never more at once than it bears", async () => {
  const store = fileShareStore(base, "far");
  const witness = createRecordWitness(store);
  await initialise(witness);
  for (let position = 1; position < 40; position++) await append(witness, record(position));
  let [now, most, turns] = [0, 0, 0];
  const far = createRecordWitness({
    ...store,
    readsAtOnce: 16,
    async read(name) {
      if (now === 0) turns++;
      most = Math.max(most, ++now);
      await new Promise((resolve) => setImmediate(resolve));
      now--;
      return store.read(name);
    },
  });
  const answer = await read(far);
  assert.deepEqual(answer.kind === "records" && answer.records.map((one) => one.position), Array.from({ length: 40 }, (_, position) => position));
  assert.equal(most, 16);
  assert.equal(turns, 4, "three for the records, one for what the listing may not show");
});

test("one question at a time, and one that waits for its answer: a place that hangs is not asked again", async () => {
  let asked = 0;
  const { promise, resolve } = Promise.withResolvers<null>();
  const witness = createRecordWitness({
    ...kinds["file share"]!("hangs"),
    list: () => {
      asked++;
      return promise;
    },
  });
  const first = read(witness);
  const second = read(witness);
  assert.match(((await read(witness)) as { readonly reason: string }).reason, /has not answered/);
  assert.equal(asked, 1);
  resolve(null);
  assert.deepEqual(await first, { kind: "missing" });
  assert.deepEqual(await second, { kind: "missing" });
  assert.deepEqual(await read(witness), { kind: "missing" });
  assert.equal(asked, 3);
});

test("daemon: a token that a power cut tore keeps nobody out", async () => {
  const directory = join(base, "daemon", "torn");
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "token"), "");
  await initialise(createRecordWitness(daemonOf("guarded", { cluster: "torn" })));
  const answer = await read(createRecordWitness(daemonOf("guarded", { cluster: "torn", token: "other" })));
  assert.match((answer as { readonly reason: string }).reason, /another cluster has this name/);
});

test("daemon: another certificate, another token, names and methods that are none", async () => {
  await initialise(createRecordWitness(daemonOf("guarded")));
  const reasonOf = async (store: RecordStore): Promise<string> => {
    const answer = await read(createRecordWitness(store));
    return answer.kind === "unreachable" ? answer.reason : answer.kind;
  };
  assert.match(await reasonOf(daemonOf("guarded", { fingerprint: "00".repeat(32) })), /shows another certificate/);
  assert.match(await reasonOf(daemonOf("guarded", { token: "other" })), /another cluster has this name/);
  assert.match(await reasonOf(daemonOf("../etc", {})), /there is nothing here|missing/);
  assert.match(await reasonOf(daemonOf("guarded", { address: "127.0.0.1:1" })), /ECONNREFUSED/);
  await assert.rejects(daemonOf("guarded").create("claim-1", "{}"), /no record has such a name|refuses/);
  await assert.rejects(daemonOf("guarded").create(nameOf(9), "x".repeat(70_000)), /at most|ECONNRESET|EPIPE/);
});
