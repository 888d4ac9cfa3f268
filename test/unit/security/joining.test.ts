import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { createState, step } from "../../../src/core/index.ts";
import type { ClusterState } from "../../../src/core/index.ts";
import { createHostCluster, forgetOwnMembership } from "../../../src/host/create.ts";
import { forgetJoinRequest, joinRequestOf } from "../../../src/host/join-attempt.ts";
import { MusterError } from "../../../src/model/errors.ts";
import type { ErrorCode } from "../../../src/model/errors.ts";
import type { Command } from "../../../src/model/inputs.ts";
import { PROTOCOL_VERSION } from "../../../src/model/version.ts";
import { createRequest } from "../../../src/security/certificates.ts";
import { formatJoinToken, parseJoinToken } from "../../../src/security/join-token.ts";
import { clusterPaths, readCluster, readMembers, writeMembers } from "../../../src/service/cluster-files.ts";
import type { ClusterConfiguration } from "../../../src/service/cluster-files.ts";
import { Joining } from "../../../src/service/joining.ts";
import type { JoinRequest } from "../../../src/service/joining.ts";

const base = mkdtempSync(join(tmpdir(), "muster-joining-"));
after(() => rmSync(base, { recursive: true, force: true }));
let directories = 0;

const failsWith = (code: ErrorCode) => (error: unknown) => error instanceof MusterError && error.code === code;

/** A created cluster of one node whose commands are stepped here, by the real core. */
class Founder {
  readonly directory = join(base, `founder-${++directories}`);
  readonly configuration: ClusterConfiguration;
  readonly state: ClusterState;
  readonly joining: Joining;
  #index = 0;

  private constructor(directory: string, configuration: ClusterConfiguration) {
    this.directory = directory;
    this.configuration = configuration;
    this.state = createState({ clusterId: configuration.clusterId, clusterName: configuration.clusterName, nodes: configuration.nodes });
    this.#step({ kind: "view", members: [{ node: 1, incarnation: 1 }], learners: [], orderer: 1 });
    this.joining = new Joining({ directory, configuration, state: () => this.state, read: async () => undefined, command: async (command) => this.command(command), tokenMs: () => 500 });
  }

  static async create(): Promise<Founder> {
    const directory = join(base, `founder-${++directories}`);
    return new Founder(directory, await createHostCluster({ directory, clusterName: "office", node: "n1", addresses: ["10.0.0.1"], profile: "standard" }));
  }

  command(command: Command): void {
    const result = this.#step({ kind: "command", requestId: { node: 1, incarnation: 1, number: this.#index + 1 }, command });
    if (result.outcome?.error != null) throw MusterError.fromBody(result.outcome.error);
  }

  #step(input: Parameters<typeof step>[2]): ReturnType<typeof step> {
    return step(this.state, { epoch: 1, index: this.#index++, clusterTimeMs: this.#index, wallTimeMs: Date.now() }, input);
  }

  async token(): Promise<{ readonly id: string; readonly secret: string; readonly text: string }> {
    const { token } = await this.joining.issue(60_000);
    return { ...parseJoinToken(token), text: token };
  }
}

async function requestFor(token: { readonly id: string; readonly secret: string }, node: string, address: string): Promise<JoinRequest> {
  const { request } = await createRequest(node);
  return { id: token.id, secret: token.secret, node, addresses: [address], request, protocolVersion: PROTOCOL_VERSION, wallTimeMs: Date.now() };
}

describe("a machine joins", () => {
  test("it gets what it needs, certified for its name, and the same again when the answer was lost", async () => {
    const founder = await Founder.create();
    const token = await founder.token();
    assert.match(token.text, /^muster-join-1\./);
    const request = await requestFor(token, "n2", "10.0.0.2");
    const answer = await founder.joining.admit(request);
    assert.deepEqual(answer.members.nodes, [{ id: 1, name: "n1", addresses: ["10.0.0.1"] }, { id: 2, name: "n2", addresses: ["10.0.0.2"] }]);
    assert.deepEqual(answer.founders, founder.configuration.nodes, "the log begins with the founders");
    assert.deepEqual([answer.host.node, answer.host.id, answer.host.tokenMs], ["n2", 2, 500]);
    const certificate = new X509Certificate(answer.certificate);
    assert.ok(certificate.verify(new X509Certificate(answer.authority).publicKey));
    assert.match(certificate.subject, /CN=n2/);
    assert.match(certificate.subjectAltName ?? "", /DNS:n2.*IP Address:10\.0\.0\.2/);
    const again = await founder.joining.admit(request);
    assert.deepEqual(again.members, answer.members);
  });

  test("a token counts once, for one machine, for a while, in one cluster", async () => {
    const founder = await Founder.create();
    const token = await founder.token();
    await founder.joining.admit(await requestFor(token, "n2", "10.0.0.2"));
    await assert.rejects(founder.joining.admit(await requestFor(token, "n3", "10.0.0.3")), failsWith("MUSTER_JOIN_TOKEN_USED"));
    await assert.rejects(founder.joining.admit(await requestFor(token, "n2", "10.0.0.2")), failsWith("MUSTER_JOIN_TOKEN_USED"), "another key under the same name");
    const other = await founder.token();
    await assert.rejects(founder.joining.admit(await requestFor({ ...other, secret: "forged" }, "n3", "10.0.0.3")), failsWith("MUSTER_JOIN_TOKEN_UNKNOWN"));
    const stranger = await Founder.create();
    await assert.rejects(stranger.joining.admit(await requestFor(other, "n3", "10.0.0.3")), failsWith("MUSTER_JOIN_TOKEN_UNKNOWN"));
    const { token: expired } = await founder.joining.issue(-1);
    await assert.rejects(founder.joining.admit(await requestFor(parseJoinToken(expired), "n3", "10.0.0.3")), failsWith("MUSTER_JOIN_TOKEN_UNKNOWN"));
  });

  test("what is refused has not used the token up, and has changed nothing", async () => {
    const founder = await Founder.create();
    const token = await founder.token();
    const attempt = async (change: Partial<JoinRequest>): Promise<unknown> => founder.joining.admit({ ...(await requestFor(token, "n2", "10.0.0.2")), ...change });
    await assert.rejects(attempt({ node: "N1" }), failsWith("MUSTER_NAME_IN_USE"));
    await assert.rejects(attempt({ addresses: ["10.0.0.1"] }), failsWith("MUSTER_ADDRESS_IN_USE"));
    await assert.rejects(attempt({ addresses: ["fd00::1"] }), failsWith("MUSTER_INVALID_ARGUMENT"));
    await assert.rejects(attempt({ addresses: ["10.0.0.2", "10.1.0.2"] }), failsWith("MUSTER_INVALID_ARGUMENT"));
    await assert.rejects(attempt({ addresses: ["ten"] }), failsWith("MUSTER_INVALID_ARGUMENT"));
    await assert.rejects(attempt({ protocolVersion: PROTOCOL_VERSION + 1 }), failsWith("MUSTER_VERSION_MISMATCH"));
    await assert.rejects(attempt({ wallTimeMs: Date.now() - 120_000 }), failsWith("MUSTER_CLOCKS_APART"));
    await assert.rejects(attempt({ request: "-----BEGIN NONSENSE-----" }), failsWith("MUSTER_INVALID_ARGUMENT"));
    assert.equal(founder.state.nodeIds().length, 1);
    await attempt({});
    assert.equal(founder.state.nodeIds().length, 2);
  });

  test("two machines with one token at the same moment: one joins", async () => {
    const founder = await Founder.create();
    const token = await founder.token();
    const both = await Promise.allSettled([founder.joining.admit(await requestFor(token, "n2", "10.0.0.2")), founder.joining.admit(await requestFor(token, "n3", "10.0.0.3"))]);
    assert.deepEqual(both.map((one) => one.status).sort(), ["fulfilled", "rejected"]);
    assert.equal(founder.state.nodeIds().length, 2);
  });
});

test("tokens that are none", () => {
  const token = { clusterName: "office", addresses: ["10.0.0.1:3343"], authority: "ab", id: "1", secret: "s" };
  assert.deepEqual(parseJoinToken(formatJoinToken(token)), token);
  for (const text of ["", "nonsense", "muster-join-1.", "muster-join-1.e30", `${formatJoinToken(token).slice(0, -8)}`, formatJoinToken({ ...token, addresses: [] })]) assert.throws(() => parseJoinToken(text), failsWith("MUSTER_INVALID_ARGUMENT"), text);
});

test("an attempt whose answer was lost is made again with the same key, another one with its own", async () => {
  const directory = join(base, "attempt");
  const first = await joinRequestOf(directory, "t1", "n2");
  assert.deepEqual(await joinRequestOf(directory, "t1", "n2"), { ...first });
  assert.notEqual((await joinRequestOf(directory, "t1", "n3")).key, first.key);
  const other = await joinRequestOf(directory, "t2", "n3");
  writeFileSync(join(directory, "join.json"), '{"tokenId":"t2"');
  assert.notEqual((await joinRequestOf(directory, "t2", "n3")).key, other.key, "torn");
  assert.equal(statSync(join(directory, "join.json")).mode & 0o777, 0o600);
  forgetJoinRequest(directory);
  assert.deepEqual(readdirSync(directory), []);
});

describe("the files of a membership", () => {
  test("a machine belongs to one cluster; a name or address that is none leaves nothing behind", async () => {
    const founder = await Founder.create();
    const options = { directory: founder.directory, clusterName: "other", node: "n1", addresses: ["10.0.0.1"], profile: "standard" as const };
    await assert.rejects(createHostCluster(options), failsWith("MUSTER_ALREADY_MEMBER"));
    const fresh = join(base, "fresh");
    await assert.rejects(createHostCluster({ ...options, directory: fresh, node: "no.dots" }), failsWith("MUSTER_INVALID_ARGUMENT"));
    await assert.rejects(createHostCluster({ ...options, directory: fresh, clusterName: "" }), failsWith("MUSTER_INVALID_ARGUMENT"));
    await assert.rejects(createHostCluster({ ...options, directory: fresh, profile: "ultra" as "fast" }), failsWith("MUSTER_INVALID_ARGUMENT"));
    assert.equal(existsSync(fresh), false);
    await forgetOwnMembership(founder.directory, () => undefined);
    assert.equal(readCluster(founder.directory), null);
    assert.equal(existsSync(clusterPaths.authorityKey(founder.directory)), false);
  });

  test("the list of members is replaced whole; one that cannot be read is that of the founders", async () => {
    const { directory, configuration } = await Founder.create();
    writeMembers(directory, { tokenMs: 200, nodes: [{ id: 7, name: "n7", addresses: ["10.0.0.7"] }] });
    assert.deepEqual(readMembers(directory, configuration).nodes.map((node) => node.id), [7]);
    writeFileSync(clusterPaths.members(directory), readFileSync(clusterPaths.members(directory), "utf8").slice(0, 10));
    assert.deepEqual(readMembers(directory, configuration).nodes.map((node) => node.name), ["n1"]);
  });
});
