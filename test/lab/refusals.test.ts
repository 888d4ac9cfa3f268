import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { MusterError } from "../../src/model/errors.ts";
import type { GroupView, NodeView, QuorumView, ResourceView } from "../../src/model/views.ts";
import { formatJoinToken, newSecret, parseJoinToken } from "../../src/security/join-token.ts";
import { PROTOCOL_VERSION } from "../../src/model/version.ts";
import { LabCluster } from "./support/cluster.ts";
import { withLab } from "./support/with-lab.ts";

const MUSTER = fileURLToPath(new URL("../../bin/muster.js", import.meta.url));
const VERSION = fileURLToPath(new URL("../../src/model/version.ts", import.meta.url));
const CLOCK_AHEAD = fileURLToPath(new URL("./support/programs/clock-ahead.mjs", import.meta.url));
const NODE = [process.execPath, "--disable-warning=ExperimentalWarning"];

/** What administrators get wrong: each is refused with a code and a next step, and leaves nothing behind. */
class Refusals {
  readonly cluster: LabCluster;
  readonly other: LabCluster;
  readonly shared: string;

  constructor(cluster: LabCluster, other: LabCluster, shared: string) {
    this.cluster = cluster;
    this.other = other;
    this.shared = shared;
  }

  token(): Promise<string> {
    return tokenOf(this.cluster);
  }

  /** Joining from n2, which may try again afterwards with what is right, and is no node of anything. */
  async join(context: TestContext, code: string, words: readonly string[], nodeOptions: readonly string[] = []): Promise<string> {
    const n2 = this.cluster.host("n2");
    const before = await this.#known();
    const result = await n2.run([...NODE, ...nodeOptions, MUSTER, "node", "join", ...words, "--json"], { timeoutMs: 60_000 });
    assert.notEqual(result.code, 0, result.stdout);
    const { error } = JSON.parse(result.stderr.trim().split("\n").at(-1)!) as { readonly error: { readonly code: string; readonly message: string; readonly next: string } };
    context.diagnostic(`${error.code}: ${error.message} ${error.next}`);
    assert.equal(error.code, code, error.message);
    assert.notEqual(error.next, "");
    assert.notEqual((await n2.run(["test", "-e", "/var/lib/muster/cluster.json"])).code, 0, "a membership was left behind");
    assert.equal(await this.#known(), before, "the cluster was changed");
    return error.message;
  }

  async #known(): Promise<string> {
    return JSON.stringify((await this.cluster.nodes("n1")).map(({ name, addresses }) => [name, addresses]));
  }

  /** With other words than its own for the time of the body; mounts are the host's. */
  async withOtherVersion<Value>(name: string, body: () => Promise<Value>): Promise<Value> {
    const file = join(this.shared, "version.ts");
    writeFileSync(file, readFileSync(VERSION, "utf8").replace(`PROTOCOL_VERSION = ${PROTOCOL_VERSION}`, `PROTOCOL_VERSION = ${PROTOCOL_VERSION + 1}`));
    const host = this.cluster.host(name);
    assert.equal((await host.run(["mount", "--bind", file, VERSION])).code, 0);
    try {
      return await body();
    } finally {
      await host.run(["umount", VERSION]);
    }
  }
}

type Case = (context: TestContext, refusals: Refusals) => Promise<unknown>;

const WEB = "10.77.0.120";

/** Before there is a second node. */
const JOINING: Readonly<Record<string, Case>> = {
  "what is no token": (context, refusals) => refusals.join(context, "MUSTER_INVALID_ARGUMENT", ["nonsense"]),
  "a forged token: another secret": async (context, refusals) => refusals.join(context, "MUSTER_JOIN_TOKEN_UNKNOWN", [formatJoinToken({ ...parseJoinToken(await refusals.token()), secret: newSecret().secret })]),
  "a forged token: another authority": async (context, refusals) => refusals.join(context, "MUSTER_OTHER_CLUSTER", [formatJoinToken({ ...parseJoinToken(await refusals.token()), authority: "ab".repeat(32) })]),
  "a token of another cluster that leads to this one": async (context, refusals) => {
    const theirs = parseJoinToken((await refusals.other.json<{ readonly token: string }>("n4", "node", "token")).token);
    await refusals.join(context, "MUSTER_OTHER_CLUSTER", [formatJoinToken({ ...theirs, addresses: parseJoinToken(await refusals.token()).addresses })]);
  },
  "an expired token": async (context, refusals) => {
    const expired = await refusals.token();
    await expire(refusals.cluster, parseJoinToken(expired).id);
    await refusals.join(context, "MUSTER_JOIN_TOKEN_UNKNOWN", [expired]);
    assert.equal((await refusals.cluster.refused("n1", "node", "token", "--valid", "0.001")).code, "MUSTER_INVALID_ARGUMENT");
  },
  "the name of another node": async (context, refusals) => refusals.join(context, "MUSTER_NAME_IN_USE", [await refusals.token(), "--node", "N1"]),
  "the address of another node": async (context, refusals) => {
    const n2 = refusals.cluster.host("n2");
    await n2.run(["ip", "address", "add", "10.77.0.1/24", "dev", "eth0"]);
    try {
      assert.match(await refusals.join(context, "MUSTER_ADDRESS_IN_USE", [await refusals.token(), "--network", "10.77.0.1", "10.78.0.2"]), /10\.77\.0\.1 is already in use by the node n1/);
    } finally {
      await n2.run(["ip", "address", "delete", "10.77.0.1/24", "dev", "eth0"]);
    }
  },
  "too few addresses": async (context, refusals) => refusals.join(context, "MUSTER_INVALID_ARGUMENT", [await refusals.token(), "--network", "10.77.0.2"]),
  "an address that is not this machine's": async (context, refusals) => assert.match(await refusals.join(context, "MUSTER_NOT_OWN_ADDRESS", [await refusals.token(), "--network", "10.77.0.99", "10.78.0.2"]), /10\.77\.0\.99 is no address of this machine; it has 10\.77\.0\.2/),
  "a host that nobody can resolve": async (context, refusals) => assert.match(await refusals.join(context, "MUSTER_NOT_REACHABLE", [formatJoinToken({ ...parseJoinToken(await refusals.token()), addresses: ["no.such.host.invalid:3343"] })]), /no\.such\.host\.invalid/),
  "nobody to be reached": async (context, refusals) => {
    const token = await refusals.token();
    const { lab } = refusals.cluster;
    await lab.cut("n2", { from: "n1" });
    try {
      await refusals.join(context, "MUSTER_NOT_REACHABLE", [token]);
    } finally {
      await lab.heal();
    }
  },
  "a clock that is an hour ahead": async (context, refusals) => assert.match(await refusals.join(context, "MUSTER_CLOCKS_APART", [await refusals.token()], ["--import", CLOCK_AHEAD]), /differs from this cluster's by 3[56]\d\d s/),
  "a machine with another version": (context, refusals) => refusals.withOtherVersion("n2", async () => assert.match(await refusals.join(context, "MUSTER_VERSION_MISMATCH", [await refusals.token()]), new RegExp(`speaks protocol version ${PROTOCOL_VERSION + 1}; this node speaks ${PROTOCOL_VERSION}`))),
};

/** With n3 as the second node. */
const MEMBERS: Readonly<Record<string, Case>> = {
  "a machine that is a node already": async (_context, { cluster }) => assert.equal((await cluster.refused("n3", "node", "join", await tokenOf(cluster))).code, "MUSTER_ALREADY_MEMBER"),
  "the certificate of another cluster": async (context, { cluster, other }) => {
    // They live in the same network, with the same ports: neither hears of the other's nodes.
    assert.deepEqual((await other.nodes("n4")).map(({ name }) => name), ["n4"]);
    const { code, message } = await other.refused("n4", "status", "--connect", "https://10.77.0.1:3343");
    context.diagnostic(message);
    assert.equal(code, "MUSTER_OTHER_CLUSTER");
    await cluster.untilUp("n1", 2);
  },
  "a node with another version": otherVersion,
  "a copy of another node": clone,
  "a wrong netmask": wrongNetmask,
  "a witness that cannot be one": witnesses,
  "two administrators at once": twoAdministrators,
};

/** The reason stands in `status` on both sides. */
async function otherVersion(context: TestContext, refusals: Refusals): Promise<void> {
  const { cluster } = refusals;
  const says = async (name: string): Promise<string> => {
    const { stdout, stderr } = await cluster.try(name, "status");
    return `${stdout}${stderr}`;
  };
  await cluster.muster("n3", "node", "stop");
  await refusals.withOtherVersion("n3", async () => {
    await cluster.muster("n3", "node", "start");
    let seen = "";
    for (const [name, pattern] of [["n1", new RegExp(`n3 cannot be a member: node \\d+ speaks protocol version ${PROTOCOL_VERSION + 1}, this node ${PROTOCOL_VERSION}`)], ["n3", new RegExp(`ode \\S+ speaks protocol version ${PROTOCOL_VERSION}(; this node speaks|, this node) ${PROTOCOL_VERSION + 1}`)]] as const) {
      await cluster.until(`${name} says why`, 30_000, async () => pattern.test((seen = await says(name))), () => seen);
      context.diagnostic(`${name}: ${pattern.exec(seen)![0]}`);
    }
  }).finally(async () => {
    await cluster.try("n3", "node", "stop");
    await cluster.muster("n3", "node", "start");
    await cluster.untilUp("n1", 2);
  });
  assert.doesNotMatch(await says("n1"), /protocol version/);
}

/** The disk of a node in another machine, which has other addresses. */
async function clone(context: TestContext, { cluster }: Refusals): Promise<void> {
  const [n2, n3] = [cluster.host("n2"), cluster.host("n3")];
  cpSync(n3.stateDirectory, n2.stateDirectory, { recursive: true, filter: (path) => !path.endsWith(".sock") });
  try {
    const { code, stderr } = await cluster.try("n2", "node", "start");
    context.diagnostic(`${code} ${stderr.trim()}`);
    assert.notEqual(code, 0);
    assert.match(stderr, /10\.77\.0\.3 is no address of this machine/);
    await cluster.untilUp("n1", 2);
  } finally {
    await cluster.try("n2", "node", "stop");
    await n2.run(["sh", "-c", "rm -rf /var/lib/muster/*"]);
  }
}

async function wrongNetmask(context: TestContext, { cluster }: Refusals): Promise<void> {
  const api = cluster.api("n1");
  const create = (SubnetMask: string): Promise<unknown> => api.send("POST", "/v1/resources", { body: { name: "address", group: "masked", type: "IP Address", privateProperties: { Address: WEB, SubnetMask } } });
  await api.send("POST", "/v1/groups", { body: { name: "masked" } });
  await assert.rejects(create("255.0.255.0"), (error) => MusterError.from(error).code === "MUSTER_INVALID_ARGUMENT");
  await create("255.255.0.0");
  await api.send("POST", "/v1/groups/masked/online", { body: {} });
  let seen: GroupView | null = null;
  await cluster.until("it has failed", 30_000, async () => (seen = await cluster.group("n1", "masked")).state === "Failed", () => JSON.stringify(seen));
  const { reason } = await api.get<ResourceView>("/v1/resources/address");
  context.diagnostic(reason.text);
  assert.match(reason.text, /its mask is \/16, and that of eth0 is \/24/);
  for (const name of ["n1", "n3"]) assert.doesNotMatch((await cluster.host(name).run(["ip", "-o", "address"])).stdout, new RegExp(WEB.replaceAll(".", "\\.")));
  await api.send("PATCH", "/v1/resources/address", { body: { privateProperties: { SubnetMask: "255.255.255.0" } } });
  await api.send("POST", "/v1/groups/masked/online", { body: {} });
  await cluster.untilOnline("n1", "masked");
}

/** A cluster without its witness goes on; what is wrong with it is told. */
async function witnesses(context: TestContext, { cluster }: Refusals): Promise<void> {
  for (const [what, kind, ...properties] of [
    ["a share that is not there", "fileShare", "SharePath=/nowhere/at/all"],
    ["a share that is read-only", "fileShare", "SharePath=/sys/kernel"],
    ["a daemon that nobody can resolve", "daemon", "Address=no.such.host.invalid:3345", `Fingerprint=${"ab".repeat(32)}`],
    ["a daemon that does not answer", "daemon", "Address=10.77.0.77:3345", `Fingerprint=${"ab".repeat(32)}`],
  ] as const) {
    await cluster.muster("n1", "quorum", "set", kind, ...properties);
    let seen: QuorumView["witness"] = null;
    await cluster.until(`${what} has failed`, 30_000, async () => {
      seen = (await cluster.api("n1").get<QuorumView>("/v1/quorum")).witness;
      return seen !== null && seen.vote === 0 && seen.state === "Failed";
    }, () => JSON.stringify(seen));
    context.diagnostic(`${what}: ${seen!.reason}`);
  }
  assert.equal((await cluster.refused("n1", "quorum", "set", "daemon", "Address=10.77.0.77:3345")).code, "MUSTER_INVALID_ARGUMENT");
  const store = ["EndpointInfo=http://10.77.0.77:9000", "ContainerName=witness", "AccountName=a", "PrimaryKey=k"];
  const { code, message } = await cluster.refused("n1", "quorum", "set", "cloud", ...store);
  assert.equal(code, "MUSTER_NO_WITNESS_CLIENT", message);
  // Each machine has a /run of its own, as where a share is not mounted.
  await cluster.muster("n1", "quorum", "set", "fileShare", "SharePath=/run");
  let said = "";
  await cluster.until("the node that does not see it says so", 30_000, async () => /sees nothing of what others wrote on the witness/.test((said = (await Promise.all(["n1", "n3"].map(async (name) => (await cluster.try(name, "status")).stdout))).join("\n"))), () => said);
  await cluster.muster("n1", "quorum", "set", "none");
  await cluster.until("nothing is said any more", 30_000, async () => !/sees nothing/.test((said = (await Promise.all(["n1", "n3"].map(async (name) => (await cluster.try(name, "status")).stdout))).join("\n"))), () => said);
}

const ROUNDS = 10;

/** Both at the same moment, each on another node: one wins or both do, and nothing is half done or lost. */
async function twoAdministrators(context: TestContext, { cluster }: Refusals): Promise<void> {
  const [one, two] = [cluster.api("n1"), cluster.api("n3")];
  const outcomes = async (...asked: readonly Promise<unknown>[]): Promise<string[]> => (await Promise.allSettled(asked)).map((answer) => (answer.status === "fulfilled" ? "done" : MusterError.from(answer.reason).code)).sort();
  const seen: Record<string, Set<string>> = { delete: new Set(), online: new Set() };
  for (let round = 0; round < ROUNDS; round++) {
    const name = `group ${round}`;
    const group = `/v1/groups/${encodeURIComponent(name)}`;
    const create = (api: typeof one): Promise<unknown> => api.send("POST", "/v1/groups", { body: { name } });
    assert.deepEqual(await outcomes(create(one), create(two)), ["MUSTER_NAME_IN_USE", "done"]);

    // Different properties: both changes stay. The same one: it is one of the two, on every node.
    const set = (api: typeof one, properties: object): Promise<unknown> => api.send("PATCH", group, { body: { properties } });
    assert.deepEqual(await outcomes(set(one, { FailoverPeriod: 7 }), set(two, { FailoverThreshold: 9 })), ["done", "done"]);
    assert.deepEqual(await outcomes(set(one, { Description: "one" }), set(two, { Description: "two" })), ["done", "done"]);
    const read = (api: typeof one): Promise<GroupView> => api.get<GroupView>(group, { query: { consistent: "true" } });
    const [left, right] = await Promise.all([read(one), read(two)]);
    assert.deepEqual(left.properties, right.properties);
    assert.deepEqual([left.properties["FailoverPeriod"], left.properties["FailoverThreshold"]], [7, 9]);
    assert.match(String(left.properties["Description"]), /^(one|two)$/);

    // One deletes the role while the other adds to it.
    const [added] = await Promise.allSettled([two.send("POST", "/v1/resources", { body: { name: `program ${round}`, group: name, type: "Generic Application", privateProperties: { CommandLine: "sleep 1000" } } }), one.send("DELETE", group)]);
    seen["delete"]!.add(added.status === "fulfilled" ? "added" : MusterError.from(added.reason).code);
    const [groups, resources] = await Promise.all([one.get<GroupView[]>("/v1/groups", { query: { consistent: "true" } }), two.get<ResourceView[]>("/v1/resources", { query: { consistent: "true" } })]);
    for (const resource of resources) assert.ok(groups.some((candidate) => candidate.name === resource.group), `${resource.name} belongs to nothing`);
  }

  await outcomes(one.send("POST", "/v1/groups", { body: { name: "torn" } }));
  await one.send("POST", "/v1/resources", { body: { name: "torn program", group: "torn", type: "Generic Application", privateProperties: { CommandLine: "sleep 1000" } } });
  for (let round = 0; round < ROUNDS; round++) {
    for (const outcome of await outcomes(one.send("POST", "/v1/groups/torn/online", { body: {} }), two.send("POST", "/v1/groups/torn/move", { body: { node: round % 2 === 0 ? "n1" : "n3" } }))) seen["online"]!.add(outcome);
  }
  let state: GroupView | null = null;
  await cluster.until("the role that was torn at is online", 30_000, async () => (state = await cluster.group("n1", "torn")).state === "Online", () => JSON.stringify(state));
  const running = await Promise.all(["n1", "n3"].map(async (name) => (await cluster.host(name).run(["pgrep", "-fc", "^sleep 1000$"])).stdout.trim()));
  assert.deepEqual(running.toSorted(), ["0", "1"], "its program runs once");
  context.diagnostic(JSON.stringify(Object.fromEntries(Object.entries(seen).map(([what, codes]) => [what, [...codes]]))));
}

const tokenOf = async (cluster: LabCluster): Promise<string> => (await cluster.json<{ readonly token: string }>("n1", "node", "token")).token;

/** Two machines that want one name at one moment: one gets it. */
async function oneName(context: TestContext, { cluster }: Refusals): Promise<void> {
  const hosts = ["n2", "n5"] as const;
  const tokens = await Promise.all(hosts.map(() => tokenOf(cluster)));
  const joined = await Promise.all(hosts.map((host, place) => cluster.try(host, "node", "join", tokens[place]!, "--node", "twin", "--no-start", "--json")));
  const [won, lost] = joined[0]!.code === 0 ? [0, 1] : [1, 0];
  context.diagnostic(joined[lost]!.stderr.trim().split("\n").at(-1)!);
  assert.equal(joined[won]!.code, 0, joined[won]!.stderr);
  assert.match(joined[lost]!.stderr, /MUSTER_NAME_IN_USE/);
  assert.notEqual((await cluster.host(hosts[lost]!).run(["test", "-e", "/var/lib/muster/cluster.json"])).code, 0);
  assert.equal((await cluster.api("n1").get<NodeView[]>("/v1/nodes", { query: { consistent: "true" } })).filter(({ name }) => name === "twin").length, 1);
}

describe("refused", () => {
  test("what is not right", async (context) => {
    const shared = mkdtempSync(join(tmpdir(), "muster-refusals-"));
    try {
      await withLab({ hosts: 5, visible: [shared], logs: ["/var/lib/muster/nodes/*/service.log"] }, async (lab) => {
        const cluster = await LabCluster.create(lab, { nodes: ["n1"] });
        const refusals = new Refusals(cluster, await LabCluster.create(lab, { nodes: ["n4"] }), shared);
        const each = async (cases: Readonly<Record<string, Case>>): Promise<void> => {
          for (const [name, body] of Object.entries(cases)) await context.test(name, (inner) => body(inner, refusals).then(() => undefined));
        };
        await each(JOINING);
        const good = await refusals.token();
        await cluster.muster("n3", "node", "join", good);
        await cluster.untilUp("n1", 2);
        await each({ "a token that was used": (inner) => refusals.join(inner, "MUSTER_JOIN_TOKEN_USED", [good]), ...MEMBERS, "one name for two machines": oneName });
      });
    } finally {
      rmSync(shared, { recursive: true, force: true });
    }
  });
});

/** The shortest token counts for a minute; what the cluster keeps of it is set back instead. */
async function expire(cluster: LabCluster, id: string): Promise<void> {
  const api = cluster.api("n1");
  const key = (await api.get<string[]>("/v1/database")).find((one) => one.endsWith(id))!;
  const { type, value } = await api.get<{ readonly type: string; readonly value: string }>(`/v1/database/value/${key}`);
  const stored = { ...(JSON.parse(value) as object), expiresAtWallMs: Date.now() - 1 };
  await api.send("POST", "/v1/database/batch", { body: { operations: [{ operation: "set", key, value: { type, value: JSON.stringify(stored) } }] } });
}
