import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Lab } from "../../src/lab/lab.ts";
import type { ClusterView, Plan, QuorumView, ResourceView } from "../../src/model/views.ts";
import { samplesOf } from "../unit/api/exposition.ts";
import { LabCluster } from "./support/cluster.ts";
import { withLab } from "./support/with-lab.ts";

const LOGS = ["/var/lib/muster/nodes/*/service.log", "/var/lib/muster/corosync/corosync.log"];
const OWN = "10.77.0.100";
const MUSTER = fileURLToPath(new URL("../../bin/muster.js", import.meta.url));

describe("machines form a cluster", () => {
  test("three join, a role starts, and goes on elsewhere when its machine loses power", async () => {
    await withLab({ hosts: 3, logs: LOGS }, async (lab) => {
      const cluster = await LabCluster.create(lab);
      await cluster.muster("n2", "group", "create", "web");
      await cluster.muster("n3", "resource", "create", "program", "--group", "web", "--type", "Generic Application", "CommandLine=sleep 1000");
      await cluster.muster("n1", "group", "online", "web");
      const { ownerNode } = await cluster.untilOnline("n1", "web");
      const watcher = lab.hosts.map((host) => host.name).find((name) => name !== ownerNode)!;
      await lab.powerOff(ownerNode!);
      const after = await cluster.untilOnline(watcher, "web", { notOn: ownerNode! });
      assert.ok(after.generation > 0);
      await lab.powerOn(ownerNode!);
      await cluster.muster(ownerNode!, "node", "start");
      await cluster.untilUp(watcher, 3);
    });
  });

  test("from the beginning it has an address, a name and a witness; its API answers there from whichever node has them", async (context) => {
    const shared = mkdtempSync(join(tmpdir(), "muster-forming-"));
    context.after(() => rmSync(shared, { recursive: true, force: true }));
    await withLab({ hosts: 3, visible: [shared], logs: LOGS }, async (lab) => {
      const cluster = new LabCluster(lab);
      const key = `key "lab" { algorithm hmac-sha256; secret "${randomBytes(32).toString("base64")}"; };\n`;
      for (const { name } of lab.hosts) await lab.host(name).run(["sh", "-ec", "umask 077; cat > /etc/muster/dns.key"], { input: key });
      const create = (...words: string[]): string[] => ["cluster", "create", "--name", "office", ...words];
      const dns = ["--dns", "DnsZone=example.test", "DnsServer=10.77.0.9", "TsigKeyFile=/etc/muster/dns.key"];
      for (const wrong of [["--address", OWN], dns, ["--address", `${OWN}/24`, "--dns", "NoSuch=1"], ["--witness", "lighthouse"]]) assert.match((await cluster.refused("n1", ...create(...wrong))).code, /MUSTER_(INVALID_ARGUMENT|UNKNOWN_PROPERTY)/);
      await cluster.muster("n1", ...create("--address", `${OWN}/24`, ...dns, "--witness", "fileShare", `SharePath=${shared}`));
      for (const name of ["n2", "n3"]) await cluster.join("n1", name);
      await cluster.untilUp("n1", 3);
      const { witness } = await cluster.api("n1").get<QuorumView>("/v1/quorum");
      assert.deepEqual([witness?.kind, witness?.state], ["fileShare", "Online"]);
      const name = await cluster.api("n1").get<ResourceView>("/v1/resources/Cluster%20Name");
      assert.deepEqual([name.type, name.dependency, name.privateProperties["Name"]], ["Network Name", "[Cluster IP Address]", "office"]);
      const group = encodeURIComponent("Cluster Group");
      const { ownerNode } = await cluster.untilOnline("n1", group);
      const others = ["n1", "n2", "n3"].filter((one) => one !== ownerNode);
      const answers = async (from: string): Promise<string> => (await cluster.json<{ readonly cluster: ClusterView & { readonly answeredBy: { readonly node: string } } }>(from, "status", "--connect", `https://${OWN}:3343`)).cluster.answeredBy.node;
      for (const from of others) assert.equal(await answers(from), ownerNode);
      await lab.powerOff(ownerNode!);
      const next = await cluster.untilOnline(others[0]!, group, { notOn: ownerNode! });
      for (const from of others) assert.equal(await answers(from), next.ownerNode);
    });
  });

  test("one that was evicted while it did not run is told so when it comes back, and may join again", async () => {
    await withLab({ hosts: 3, logs: LOGS }, async (lab) => {
      const cluster = await LabCluster.create(lab);
      await cluster.muster("n3", "node", "stop");
      await cluster.untilUp("n1", 2);
      await cluster.muster("n1", "node", "evict", "n3", "--force");
      await cluster.muster("n3", "node", "start");
      let said = "";
      await cluster.until("n3 says that it was evicted", 60_000, async () => /evicted/.test((said = (await cluster.try("n3", "status")).stdout)), () => said);
      assert.match(said, /muster node clean/);
      await cluster.muster("n3", "node", "stop");
      const tables = async (host: string): Promise<string> => (await lab.host(host).run(["nft", "list", "tables"])).stdout;
      assert.match(await tables("n3"), /muster_/);
      await cluster.muster("n3", "node", "clean", "--force");
      assert.doesNotMatch(await tables("n3"), /muster_/, "what it would drop may be another cluster's");
      await cluster.muster("n1", "cluster", "set", "AddEvictDelay=0");
      await cluster.join("n1", "n3");
      await cluster.untilUp("n1", 3);
      await cluster.muster("n1", "cluster", "destroy", "--force");
      for (const { name } of lab.hosts) await cluster.until(`nothing is left on ${name}`, 30_000, async () => !/muster_/.test(await tables(name)));
    });
  });

  test("one that was down while another was added comes back, and all four are together", async (context) => {
    await withLab({ hosts: 4, logs: LOGS }, async (lab) => {
      const cluster = await LabCluster.create(lab, { nodes: ["n1", "n2", "n3"] });
      await cluster.muster("n3", "node", "stop");
      await cluster.untilUp("n1", 2);
      await cluster.join("n1", "n4");
      await cluster.untilUp("n1", 3);
      const { epoch } = (await cluster.view("n1"))!;
      await cluster.muster("n3", "node", "start");
      await cluster.untilUp("n1", 4);
      // A busy machine loses tokens of its own: how many views it took is told, not judged.
      context.diagnostic(`${(await cluster.view("n1"))!.epoch - epoch} views until all were together`);
    });
  });

  test("what joining, stopping, cleaning and starting would do is said first, and changes nothing", async () => {
    await withLab({ hosts: 2, logs: LOGS }, async (lab) => {
      const cluster = await LabCluster.create(lab, { nodes: ["n1"] });
      const dry = <Facts>(host: string, ...words: string[]): Promise<Facts & { readonly steps: readonly string[] }> => cluster.json(host, ...words, "--dry-run");
      const running = await cluster.refused("n1", "node", "start", "--dry-run");
      assert.equal(running.code, "MUSTER_SERVICE_RUNS");
      const alone = await dry<{ readonly runs: boolean; readonly plan: unknown }>("n1", "node", "stop");
      assert.deepEqual([alone.runs, alone.plan], [true, null]);
      const { token } = await cluster.json<{ readonly token: string }>("n1", "node", "token");
      const joining = await dry<{ readonly cluster: string; readonly answeredBy: string }>("n2", "node", "join", token);
      assert.equal(joining.cluster, "lab");
      assert.match(joining.answeredBy, /^https:.*:3343$/);
      assert.equal((await cluster.refused("n2", "node", "stop")).code, "MUSTER_NOT_MEMBER");
      await cluster.muster("n2", "node", "join", token);
      await cluster.untilUp("n1", 2);
      await cluster.muster("n1", "group", "create", "web");
      await cluster.muster("n1", "resource", "create", "program", "--group", "web", "--type", "Generic Application", "CommandLine=sleep 1000");
      await cluster.muster("n1", "group", "online", "web");
      const { ownerNode } = await cluster.untilOnline("n1", "web");
      const other = ownerNode === "n1" ? "n2" : "n1";
      const stopping = await dry<{ readonly roles: readonly string[]; readonly plan: Plan }>(ownerNode!, "node", "stop");
      assert.deepEqual([stopping.roles, stopping.plan.moves.map(({ group, to }) => [group, to])], [["web"], [["web", other]]]);
      assert.match(await cluster.muster(ownerNode!, "node", "stop", "--dry-run"), /ROLE +FROM +TO/);
      assert.equal((await dry<{ readonly runs: boolean }>(other, "node", "clean")).runs, true);
      assert.equal((await cluster.group("n1", "web")).ownerNode, ownerNode);
      assert.equal((await cluster.view("n1"))!.nodesUp, 2);
      await cluster.muster(ownerNode!, "node", "stop");
      assert.equal((await cluster.untilOnline(other, "web", { notOn: ownerNode! })).ownerNode, other);
      assert.equal((await dry<{ readonly node: string }>(ownerNode!, "node", "start")).node, ownerNode);
      const metrics: string[] = [];
      for await (const part of cluster.api(other).text("/metrics", {})) metrics.push(part);
      const samples = samplesOf(metrics.join(""));
      const own = `{cluster="lab",node="${other}"`;
      assert.deepEqual([samples.get(`muster_view_active${own}}`), samples.get(`muster_lease_open${own}}`), samples.get(`muster_groups${own},state="Online"}`), samples.get(`muster_nodes${own},state="Down"}`)], [1, 1, 1, 1]);
      assert.ok(samples.get(`muster_lease_margin_minimum_seconds${own}}`)! > 0);
    });
  });

  test("a forced and a prevented start are handed to what supervises the service", async () => {
    await withLab({ hosts: 3, logs: LOGS }, async (lab) => {
      const cluster = await LabCluster.create(lab);
      // In the place of systemd, whose units have no arguments.
      const unit = `case "$1" in cat) exit 0;; start) echo "$*" >> /run/fake/told; setsid ${process.execPath} --disable-warning=ExperimentalWarning ${MUSTER} service run >> /run/fake/journal 2>&1 < /dev/null & exit 0;; *) exit 3;; esac`;
      const supervise = async (name: string): Promise<void> => {
        const { code, stderr } = await lab.host(name).run(["sh", "-ec", "mkdir -p /run/fake /run/systemd/system && cat > /run/fake/systemctl && chmod +x /run/fake/systemctl"], { input: `#!/bin/sh\n${unit}\n` });
        assert.equal(code, 0, stderr);
      };
      const start = async (name: string, ...words: string[]): Promise<void> => {
        const { code, stderr } = await lab.host(name).run(["sh", "-ec", `PATH=/run/fake:$PATH exec ${process.execPath} --disable-warning=ExperimentalWarning ${MUSTER} node start ${words.join(" ")}`], { timeoutMs: 90_000 });
        assert.equal(code, 0, stderr);
      };
      const read = async (name: string, path: string): Promise<string> => (await lab.host(name).run(["cat", path])).stdout;
      const isAsked = (name: string): boolean => existsSync(join(lab.host(name).stateDirectory, "start-once.json"));
      for (const name of ["n1", "n2"]) await supervise(name);
      await cluster.muster("n2", "node", "stop");
      await cluster.untilUp("n1", 2);
      await lab.powerOff("n1", "n3");
      await start("n2", "--prevent-quorum");
      assert.ok(isAsked("n2"), "it is in no view yet");
      await lab.kill("n2", "service run", "SIGKILL");
      await start("n2");
      assert.ok(!isAsked("n2"), "who asks for a common start gets one");
      await cluster.muster("n2", "node", "stop");
      await start("n2", "--force-quorum");
      await cluster.until("n2 serves alone", 60_000, async () => (await cluster.view("n2"))?.state === "Active");
      assert.equal((await cluster.api("n2").get<QuorumView>("/v1/quorum")).forced, true);
      assert.ok(!isAsked("n2"));
      assert.deepEqual((await read("n2", "/run/fake/told")).trim().split("\n"), Array.from({ length: 3 }, () => "start muster.service"));
      assert.match(await read("n2", "/run/fake/journal"), /it may only join[^]*it is started by force/);
    });
  });

  test("one is told over ssh to join, and its token stands in no command line", async () => {
    await withLab({ hosts: 2, logs: LOGS }, async (lab) => {
      const cluster = await LabCluster.create(lab, { nodes: ["n1"] });
      const { address, options } = await letIn(lab, "n1", "n2");
      const refused = await cluster.refused("n1", "node", "add", address, "--ssh-option", ...options, "IdentityFile=/run/none");
      assert.match(refused.message, /did not join/);
      const said = await cluster.muster("n1", "node", "add", address, "--ssh-option", ...options, "IdentityFile=/run/ssh/client");
      await cluster.untilUp("n1", 2);
      assert.doesNotMatch(said, /muster-join|token/i);
      assert.equal((await lab.host("n2").run(["cat", "/run/ssh/words"])).stdout.trim(), "node join -");
    });
  });
});

/** A real sshd on one host, that lets root in from another with a key of the test's own. @returns where, and what ssh is to be told */
async function letIn(lab: Lab, from: string, to: string): Promise<{ readonly address: string; readonly options: readonly string[] }> {
  const address = lab.host(to).addresses[0]!.ipv4;
  const script = (name: string, text: string, input = ""): Promise<void> =>
    lab.host(name).run(["sh", "-ec", text], { input }).then(({ code, stderr }) => assert.equal(code, 0, stderr));
  await script(from, "mkdir -p /run/ssh && ssh-keygen -q -t ed25519 -N '' -f /run/ssh/client");
  const { stdout: key } = await lab.host(from).run(["cat", "/run/ssh/client.pub"]);
  await script(to, "mkdir -p /run/ssh/bin /run/sshd && cat > /run/ssh/authorized && ssh-keygen -q -t ed25519 -N '' -f /run/ssh/host", key);
  await script(to, "cat > /run/ssh/bin/muster && chmod +x /run/ssh/bin/muster", `#!/bin/sh\necho "$*" >> /run/ssh/words\nexec ${process.execPath} --disable-warning=ExperimentalWarning ${MUSTER} "$@"\n`);
  const configuration = [`ListenAddress ${address}`, "HostKey /run/ssh/host", "AuthorizedKeysFile /run/ssh/authorized", "PermitRootLogin prohibit-password", "StrictModes no", "UsePAM no", "PidFile none", "SetEnv PATH=/run/ssh/bin:/usr/sbin:/usr/bin:/sbin:/bin"];
  await script(to, "cat > /run/ssh/sshd_config && /usr/sbin/sshd -f /run/ssh/sshd_config", `${configuration.join("\n")}\n`);
  return { address, options: ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes", "IdentitiesOnly=yes", "LogLevel=ERROR"] };
}
