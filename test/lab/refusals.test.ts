import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { QuorumView } from "../../src/model/views.ts";
import { formatJoinToken, newSecret, parseJoinToken } from "../../src/security/join-token.ts";
import { LabCluster } from "./support/cluster.ts";
import { withLab } from "./support/with-lab.ts";

/** What administrators get wrong: each is refused with a code and a next step, and leaves nothing behind. */
describe("refused", () => {
  test("joining with what is not right", async (context) => {
    await withLab({ hosts: 4, logs: ["/var/lib/muster/nodes/*/service.log"] }, async (lab) => {
      const cluster = await LabCluster.create(lab, { nodes: ["n1"] });
      const other = await LabCluster.create(lab, { nodes: ["n4"] });
      const token = async (...words: string[]): Promise<string> => (await cluster.json<{ readonly token: string }>("n1", "node", "token", ...words)).token;
      const unexpected: string[] = [];
      const refused = async (what: string, code: string, ...words: string[]): Promise<void> => {
        const error = await cluster.refused("n2", "node", "join", ...words);
        context.diagnostic(`${what}: ${error.code}: ${error.message}`);
        if (error.code !== code) unexpected.push(`${what}: ${error.code}`);
        // A machine that was refused can try again with what is right.
        assert.notEqual((await lab.host("n2").run(["test", "-e", "/var/lib/muster/cluster.json"])).code, 0, what);
      };
      await refused("not a token", "MUSTER_INVALID_ARGUMENT", "nonsense");
      const good = await token();
      await refused("a token with another secret", "MUSTER_JOIN_TOKEN_UNKNOWN", formatJoinToken({ ...parseJoinToken(good), secret: newSecret().secret }));
      const theirs = parseJoinToken((await other.json<{ readonly token: string }>("n4", "node", "token")).token);
      await refused("a token of another cluster that leads to this one", "MUSTER_OTHER_CLUSTER", formatJoinToken({ ...theirs, addresses: parseJoinToken(good).addresses }));
      const expired = await token();
      await expire(cluster, parseJoinToken(expired).id);
      await refused("an expired token", "MUSTER_JOIN_TOKEN_UNKNOWN", expired);
      assert.equal((await cluster.refused("n1", "node", "token", "--valid", "0.001")).code, "MUSTER_INVALID_ARGUMENT");
      await refused("a name that is taken", "MUSTER_NAME_IN_USE", await token(), "--node", "n1");
      await refused("an address that is taken", "MUSTER_ADDRESS_IN_USE", await token(), "--network", "10.77.0.1", "10.78.0.2");
      await refused("too few addresses", "MUSTER_INVALID_ARGUMENT", await token(), "--network", "10.77.0.2");
      await lab.cut("n2", { from: "n1" });
      await refused("nobody to be reached", "MUSTER_NOT_REACHABLE", good);
      await lab.heal();

      assert.deepEqual(unexpected, []);

      await cluster.muster("n3", "node", "join", good);
      await refused("a used token", "MUSTER_JOIN_TOKEN_USED", good);
      assert.deepEqual(unexpected, []);
      const again = await cluster.refused("n3", "node", "join", await token());
      assert.equal(again.code, "MUSTER_ALREADY_MEMBER");
      await cluster.untilUp("n1", 2);

      // The other cluster lives in the same network, with the same ports: neither hears of the other's nodes.
      assert.deepEqual((await other.nodes("n4")).map(({ name }) => name), ["n4"]);
      const { code, stderr } = await lab.host("n4").run(["sh", "-c", `MUSTER_CONNECT=https://10.77.0.1:3343 ${process.execPath} --disable-warning=ExperimentalWarning ${new URL("../../bin/muster.js", import.meta.url).pathname} status`]);
      context.diagnostic(`the certificate of another cluster: ${stderr.trim().split("\n")[0]}`);
      assert.notEqual(code, 0);

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
      await cluster.muster("n1", "quorum", "set", "none");
    });
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
