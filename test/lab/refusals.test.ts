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

  async token(): Promise<string> {
    return (await this.cluster.json<{ readonly token: string }>("n1", "node", "token")).token;
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

/** Before there is a second node. */
const JOINING: Readonly<Record<string, Case>> = {
  "not a token": (context, { join: _, ...refusals }) => Promise.resolve([context, refusals]),
};

describe("refused", () => {
  test("what is not right", async (context) => {
    const shared = mkdtempSync(join(tmpdir(), "muster-refusals-"));
    try {
      await withLab({ hosts: 4, visible: [shared], logs: ["/var/lib/muster/nodes/*/service.log"] }, async (lab) => {
        const cluster = await LabCluster.create(lab, { nodes: ["n1"] });
        const refusals = new Refusals(cluster, await LabCluster.create(lab, { nodes: ["n4"] }), shared);
        for (const [name, body] of Object.entries(JOINING)) await context.test(name, (inner) => body(inner, refusals).then(() => undefined));
      });
    } finally {
      rmSync(shared, { recursive: true, force: true });
    }
  });
});
