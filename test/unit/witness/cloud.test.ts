import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { CLAIMS_KEPT } from "../../../src/quorum/claims.ts";
import type { ClaimRecord, ClaimRequest } from "../../../src/quorum/claims.ts";
import { claim } from "../../../src/quorum/witness.ts";
import type { ClaimOutcome, Witness, WitnessAnswer, WitnessWrite } from "../../../src/quorum/witness.ts";
import { inputWithoutSecrets } from "../../../src/service/history.ts";
import { proveWitness } from "../../../src/service/witnesses.ts";
import { cloudStore, proveCloud } from "../../../src/witness/cloud.ts";
import { createRecordWitness, nameOf } from "../../../src/witness/record-store.ts";
import { createAsk, endpointOf, signedHeaders } from "../../../src/witness/s3.ts";
import type { BucketAddress } from "../../../src/witness/s3.ts";
import { missingPrograms, startObjectStore } from "./object-store.ts";
import type { ObjectStore } from "./object-store.ts";

const KEY = "key-that-must-not-be-seen";

describe("signing", () => {
  // Published by Amazon: "Signature Calculations for the Authorization Header", examples of one chunk.
  const example = { region: "us-east-1", account: "AKIAIOSFODNN7EXAMPLE", key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" };
  const vectors = [
    ["GET", "/?lifecycle", {}, undefined, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"],
    ["GET", "/?max-keys=2&prefix=J", {}, undefined, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"],
    ["PUT", "/test$file.text", { date: "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY" }, "Welcome to Amazon S3.", "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"],
  ] as const;

  for (const [method, path, headers, content, signature] of vectors) {
    test(`gives the published signature of ${method} ${path}`, async () => {
      const signed = await signedHeaders(example, method, new URL(`https://examplebucket.s3.amazonaws.com${path}`), headers, content, new Date("2013-05-24T00:00:00Z"));
      assert.equal(signed["authorization"]?.split("Signature=")[1], signature);
    });
  }

  test("covers the condition and the content", async () => {
    const signed = await signedHeaders(example, "PUT", new URL("https://store/bucket/name"), { "if-none-match": "*" }, "x", new Date());
    assert.match(signed["authorization"]!, /SignedHeaders=host;if-none-match;x-amz-content-sha256;x-amz-date,/);
  });

  test("takes an address with or without its scheme, and nothing more", () => {
    assert.equal(endpointOf("store.example").href, "https://store.example/");
    assert.equal(endpointOf("http://10.0.0.1:9000").href, "http://10.0.0.1:9000/");
    for (const wrong of ["", "https://user:secret@store", "https://store/bucket", "https://store?x", "ftp://store"]) assert.throws(() => endpointOf(wrong), /EndpointInfo is written/, wrong);
  });
});

// ---- a store that does as each test says, where a real one would not -------------

type Handler = (request: IncomingMessage, body: string) => { readonly status: number; readonly body?: string; readonly headers?: Record<string, string> };

describe("what a store may do", () => {
  let server: Server;
  let handler: Handler = () => ({ status: 500 });

  before(async () => {
    server = createServer((request: IncomingMessage, response: ServerResponse) => {
      const parts: Buffer[] = [];
      request.on("data", (part: Buffer) => parts.push(part));
      request.on("end", () => {
        const { status, body = "", headers = {} } = handler(request, Buffer.concat(parts).toString());
        response.writeHead(status, headers).end(body);
      });
    });
    await new Promise<void>((resolve) => server.listen({ host: "127.0.0.1", port: 0 }, resolve));
  });

  after(() => {
    server.close();
    server.closeAllConnections();
  });

  const bucket = (): BucketAddress => ({ endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, bucket: "records", region: "us-east-1", account: "muster", key: KEY });
  const error = (code: string, message = ""): string => `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`;

  /** Objects by name; `honours` decides whether what is there may be written again. */
  function memory(honours: (objects: Map<string, string>, name: string) => boolean): Map<string, string> {
    const objects = new Map<string, string>();
    handler = ({ method, url = "" }, body) => {
      if (method === "PUT") {
        if (objects.has(url) && honours(objects, url)) return { status: 412, body: error("PreconditionFailed") };
        objects.set(url, body);
        return { status: 200 };
      }
      if (method === "DELETE") return { status: objects.delete(url) ? 204 : 404 };
      const found = objects.get(url);
      return found === undefined ? { status: 404, body: error("NoSuchKey") } : { status: 200, body: found };
    };
    return objects;
  }

  test("one that honours the condition is taken, and nothing is left in it", async () => {
    const objects = memory(() => true);
    await proveCloud(bucket(), "muster-1");
    assert.equal(objects.size, 0);
  });

  test("one that writes a name twice is refused when it is configured, and nothing is left in it", async () => {
    const objects = memory(() => false);
    const { endpoint, bucket: container, account } = bucket();
    const properties = { EndpointInfo: endpoint, ContainerName: container, AccountName: account, PrimaryKey: KEY };
    await assert.rejects(proveWitness({ verb: "quorum.set", witness: { kind: "cloud", properties } }, "1"), (refused: Error) => {
      assert.match(refused.message, /lets a name be written a second time \(it does not honour If-None-Match\): both halves of a cluster would get its vote/);
      assert.ok(!refused.message.includes(KEY));
      return true;
    });
    assert.equal(objects.size, 0);
  });

  test("one that looks first and writes later is found out by a race", async () => {
    // The first name is honoured; of the second the first two writers are let through.
    const writers = new Map<string, number>();
    memory((objects, name) => {
      const first = objects.keys().next().value === name;
      writers.set(name, (writers.get(name) ?? 1) + 1);
      return first || writers.get(name)! > 2;
    });
    await assert.rejects(proveCloud(bucket(), "muster-1"), /by 2 at once/);
  });

  test("a condition it does not know is said so", async () => {
    handler = () => ({ status: 501, body: error("NotImplemented", "A header you provided implies functionality that is not implemented") });
    await assert.rejects(proveCloud(bucket(), "muster-1"), /cannot write on condition \(If-None-Match\), and so cannot be a witness/);
  });

  test("a write whose first answer was lost is ours when it is our own that is there", async () => {
    const objects = memory(() => true);
    const store = cloudStore(bucket(), "f");
    objects.set("/records/f/claim-000000000001", "ours");
    assert.equal(await store.create("claim-000000000001", "ours"), true);
    assert.equal(await store.create("claim-000000000001", "theirs"), false);
  });

  test("what is not clear is no answer", async () => {
    const store = cloudStore(bucket(), "f");
    for (const status of [409, 412]) {
      handler = ({ method }) => (method === "PUT" ? { status, body: error("ConditionalRequestConflict") } : { status: 404, body: error("NoSuchKey") });
      await assert.rejects(store.create("a", "x"), /refuses a, and has none/);
    }
    handler = () => ({ status: 503, body: error("SlowDown", "Please reduce your request rate.") });
    await assert.rejects(store.create("a", "x"), /status 503, SlowDown, Please reduce/);
    // A record that is not found and a bucket that is not found are two things.
    handler = () => ({ status: 404, body: error("NoSuchBucket") });
    await assert.rejects(store.read("a"), /has no bucket 'records' \(ContainerName\)/);
    await assert.rejects(store.list(), /has no bucket/);
    handler = () => ({ status: 404, body: "<html>not here</html>" });
    await assert.rejects(store.read("a"), /status 404/);
    handler = () => ({ status: 301, headers: { location: "https://other.example/records" } });
    await assert.rejects(store.read("a"), /at another address: set EndpointInfo and Region \(it says other\.example\)/);
    handler = () => ({ status: 400, body: `<Error><Code>AuthorizationHeaderMalformed</Code><Message>x</Message><Region>eu-north-1</Region></Error>` });
    await assert.rejects(store.read("a"), /set Region=eu-north-1/);
  });

  test("a listing has several pages, and an end", async () => {
    const pages = [["f/claim-1", "f/claim-2"], ["f/a&amp;b"]];
    handler = ({ url = "" }) => {
      const next = new URL(url, "http://x").searchParams.get("continuation-token") === "to=2";
      return { status: 200, body: `<ListBucketResult><IsTruncated>${!next}</IsTruncated>${pages[next ? 1 : 0]!.map((key) => `<Contents><Key>${key}</Key></Contents>`).join("")}<NextContinuationToken>to=2</NextContinuationToken></ListBucketResult>` };
    };
    assert.deepEqual(await cloudStore(bucket(), "f").list(), ["claim-1", "claim-2", "a&b"]);
    handler = () => ({ status: 200, body: "<IsTruncated>true</IsTruncated><NextContinuationToken>1</NextContinuationToken>" });
    await assert.rejects(cloudStore(bucket(), "f").list(), /without an end/);
  });

  test("an answer is read up to a limit", async () => {
    handler = () => ({ status: 200, body: "x".repeat(2 * 1024 * 1024) });
    await assert.rejects(cloudStore(bucket(), "f").read("a"), /more than 1048576 bytes/);
  });

  test("one that is not there is said so", async () => {
    await assert.rejects(createAsk({ ...bucket(), endpoint: "http://127.0.0.1:1" })("GET", "a"), /127\.0\.0\.1:1 cannot be asked: .*ECONNREFUSED/);
  });
});

test("the history shows everything of a witness but its key", () => {
  const command = (properties: object): string => JSON.stringify({ kind: "command", request: { node: 1, incarnation: 1, number: 1 }, command: { verb: "quorum.set", witness: { kind: "cloud", properties } } });
  assert.ok(!inputWithoutSecrets(command({ EndpointInfo: "https://store", PrimaryKey: KEY })).includes(KEY));
  assert.match(inputWithoutSecrets(command({ EndpointInfo: "https://store", PrimaryKey: KEY })), /"PrimaryKey":"\(set\)"/);
  for (const other of ["", command({ SharePath: "/share" }), JSON.stringify({ kind: "command", command: { verb: "quorum.set", witness: null } }), JSON.stringify({ kind: "due" })]) assert.equal(inputWithoutSecrets(other), other);
});

// ---- a real one -------------------------------------------------------------------

const missing = missingPrograms();

describe("Ceph's gateway", { skip: missing === "" ? false : `not installed: ${missing} (Debian: ceph-mon, ceph-osd, radosgw)`, timeout: 180_000 }, () => {
  let store: ObjectStore | null = null;

  before(async () => {
    store = await startObjectStore();
    const made = await createAsk(bucket())("PUT", "");
    assert.equal(made.status, 200, made.body);
  });

  after(() => store?.stop());

  const bucket = (changed: Partial<BucketAddress> = {}): BucketAddress => ({ endpoint: store!.endpoint, bucket: "records", region: "us-east-1", account: store!.account, key: store!.key, ...changed });
  const witnessOf = (name: string): Witness => createRecordWitness(cloudStore(bucket(), `muster-1/${name}`));

  test("can be a witness, also over TLS where its authority is trusted", async () => {
    await proveCloud(bucket(), "muster-1");
    assert.deepEqual(await cloudStore(bucket(), "muster-1").list(), []);
    const secure = { ...bucket(), endpoint: store!.secureEndpoint };
    await assert.rejects(proveCloud(secure, "muster-1"), /cannot be asked: .*self-signed/);
    const program = `import { proveCloud } from ${JSON.stringify(new URL("../../../src/witness/cloud.ts", import.meta.url).href)}; await proveCloud(${JSON.stringify(secure)}, "muster-1");`;
    const { status, stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", program], { encoding: "utf8", timeout: 60_000, env: { ...process.env, NODE_EXTRA_CA_CERTS: store!.authority } });
    assert.equal(status, 0, stderr);
  });

  test("has nothing until it is initialised, and keeps its first record", async () => {
    const witness = witnessOf("first");
    assert.deepEqual(await read(witness), { kind: "missing" });
    assert.equal((await ask(witness, request(1, 5))).kind, "failed");
    assert.deepEqual(await initialise(witness), { kind: "created" });
    assert.deepEqual(await append(witness, { ...record(0), claimant: { node: 2, incarnation: 2 } }), { kind: "exists" });
    const answer = await read(witness);
    assert.equal(answer.kind === "records" && answer.records[0]?.claimant.node, 1);
  });

  test("of halves that claim at the same moment one wins, however often", async () => {
    const [left, right] = [witnessOf("halves"), witnessOf("halves")];
    await initialise(left);
    for (let round = 0; round < 20; round++) {
      const epoch = 20 + 3 * round;
      // Both know of all the rounds before; who is so slow that it sees the other's claim of this round is refused.
      const outcomes = await Promise.all([ask(left, request(1, epoch)), ask(right, { ...request(2, epoch), epoch: epoch + 1 })]);
      assert.equal(outcomes.filter((outcome) => outcome.kind === "won").length, 1, JSON.stringify(outcomes));
    }
  });

  test("of many that write a name at once exactly one does, a hundred times", async () => {
    const one = cloudStore(bucket(), "muster-1/race");
    for (let round = 0; round < 100; round++) {
      const created = await Promise.all(Array.from({ length: 8 }, (_one, number) => one.create(`claim-${round}`, String(number))));
      assert.equal(created.filter(Boolean).length, 1);
      assert.equal(await one.read(`claim-${round}`), String(created.indexOf(true)));
    }
  });

  test("keeps the newest records only", async () => {
    const witness = witnessOf("many");
    await initialise(witness);
    for (let position = 1; position < CLAIMS_KEPT + 5; position++) assert.deepEqual(await append(witness, record(position)), { kind: "created" });
    const names = await cloudStore(bucket(), "muster-1/many").list();
    assert.equal(names?.length, CLAIMS_KEPT);
    assert.ok(names.includes(nameOf(CLAIMS_KEPT + 4)));
  });

  test("says what is wrong, and not the key", async (t) => {
    const wrong = async (changed: Partial<BucketAddress>): Promise<string> => {
      const answer = await read(createRecordWitness(cloudStore(bucket(changed), "muster-1/first")));
      assert.equal(answer.kind, "unreachable");
      assert.ok(answer.kind === "unreachable" && !answer.reason.includes(KEY));
      return answer.kind === "unreachable" ? answer.reason : "";
    };
    assert.match(await wrong({ key: `${KEY}x` }), /PrimaryKey is not the key of AccountName/);
    assert.match(await wrong({ account: "nobody" }), /it knows no account 'nobody' \(AccountName\)/);
    assert.match(await wrong({ bucket: "other" }), /it has no bucket 'other' \(ContainerName\)/);
    t.mock.timers.enable({ apis: ["Date"], now: Date.now() + 3_600_000 });
    assert.match(await wrong({}), /the clock of this node is wrong by (3[56]\d\d) s/);
  });
});

function record(position: number, node = 1): ClaimRecord {
  return { position, epoch: 10 + position, lineage: 0, claimant: { node, incarnation: node }, voters: [{ node, store: `s${node}` }] };
}

function request(node: number, epoch: number): ClaimRequest {
  const voter = { node, store: `s${node}` };
  return { epoch, lineage: 0, claimant: { node, incarnation: node }, voters: [voter], bestAccepted: epoch - 1, accepted: [{ voter, epoch: epoch - 1 }] };
}

function initialise(witness: Witness): Promise<WitnessWrite> {
  return new Promise((resolve) => witness.initialise({ ...record(0), epoch: 0, voters: [] }, resolve));
}

function read(witness: Witness): Promise<WitnessAnswer> {
  return new Promise((resolve) => witness.read(resolve));
}

function append(witness: Witness, one: ClaimRecord): Promise<WitnessWrite> {
  return new Promise((resolve) => witness.append(one, resolve));
}

function ask(witness: Witness, asked: ClaimRequest): Promise<ClaimOutcome> {
  return new Promise((resolve) => claim(witness, asked, resolve));
}
