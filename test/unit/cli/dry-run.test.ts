import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { machinePlanText } from "../../../src/cli/machine-plan.ts";
import { createHostCluster } from "../../../src/host/create.ts";
import { createBalancingCluster } from "../../../src/host/balanced-host.ts";
import { formatJoinToken } from "../../../src/security/join-token.ts";
import { cluster } from "../nlb/support.ts";

const MUSTER = fileURLToPath(new URL("../../../bin/muster.js", import.meta.url));
const LIMIT_MS = 60_000;
const CANNOT = process.getuid?.() === 0 ? false : "needs root";
/** Nobody listens there. */
const TOKEN = formatJoinToken({ clusterName: "shop", addresses: ["127.0.0.1:9"], authority: "00", id: "a", secret: "hush" });

describe("dry runs of what concerns this machine", { skip: CANNOT }, () => {
  let place: string;
  let member: string;
  let host: string;
  before(async () => {
    place = mkdtempSync(join(tmpdir(), "muster-dry-run-"));
    member = join(place, "member");
    host = join(place, "host");
    await createHostCluster({ directory: member, clusterName: "shop", node: "n1", addresses: ["127.0.0.1"], profile: "standard" });
    await createBalancingCluster({ directory: host, adapter: "lo", name: "h1", id: 3, dedicatedAddresses: [] }, cluster(), { apiPort: 1, heartbeatPort: 2 });
  });
  after(() => rmSync(place, { recursive: true, force: true }));

  /** Names, contents, modes and times of all files. */
  const files = (): string[] => readdirSync(place, { recursive: true, encoding: "utf8" }).sort().map((name) => {
    const entry = statSync(join(place, name));
    return `${name} ${entry.mode} ${entry.mtimeMs} ${entry.isFile() ? readFileSync(join(place, name), "base64") : ""}`;
  });

  function run(...words: string[]): { readonly code: number | null; readonly out: string; readonly error: string } {
    const before = files();
    const { status, stdout, stderr } = spawnSync(process.execPath, ["--disable-warning=ExperimentalWarning", MUSTER, ...words, "--dry-run"], { encoding: "utf8", timeout: LIMIT_MS, killSignal: "SIGKILL" });
    assert.deepEqual(files(), before, `${words.join(" ")} changed files`);
    return { code: status, out: stdout, error: stderr };
  }

  function plan(...words: string[]): Record<string, any> { // oxlint-disable-line typescript/no-explicit-any
    const { code, out, error } = run(...words, "--json");
    assert.equal(code, 0, error);
    assert.match(error, /Nothing was changed\./);
    const answer = JSON.parse(out);
    assert.equal(answer.dryRun, true);
    assert.ok(answer.steps.length > 0);
    return answer;
  }

  function refused(pattern: RegExp, ...words: string[]): void {
    const { code, out, error } = run(...words, "--json");
    assert.notEqual(code, 0, out);
    assert.match(error, pattern);
  }

  const create = (...words: string[]): string[] => ["cluster", "create", "--directory", join(place, "new"), "--network", "127.0.0.1", "--node", "n1", ...words];

  test("cluster create: what would be made, and what would be refused", () => {
    const found = plan(...create("--name", "shop", "--address", "192.0.2.50/24", "--witness", "fileShare", "SharePath=/mnt"));
    assert.deepEqual([found["cluster"], found["node"], found["addresses"], found["address"], found["witness"], found["start"]], ["shop", "n1", ["127.0.0.1"], "192.0.2.50", "fileShare", true]);
    assert.equal(plan(...create("--name", "shop", "--no-start"))["steps"].length, 1);
    assert.match(run(...create("--name", "shop")).out, /^What would be done:\n {2}The cluster shop would be made in /);
    refused(/MUSTER_INVALID_ARGUMENT/, ...create("--name", "shop", "--profile", "slow"));
    refused(/MUSTER_INVALID_ARGUMENT/, ...create("--name", "no/name"));
    refused(/MUSTER_INVALID_ARGUMENT/, ...create("--name", "shop", "--address", "192.0.2.50"));
    refused(/MUSTER_NOT_OWN_ADDRESS/, "cluster", "create", "--name", "shop", "--directory", join(place, "new"), "--network", "203.0.113.7");
    refused(/MUSTER_ALREADY_MEMBER/, "cluster", "create", "--name", "shop", "--directory", member, "--network", "127.0.0.1");
  });

  test("node join: a token that nobody takes, one that is none, and a machine that is a node", () => {
    const join_ = (token: string, directory: string): string[] => ["node", "join", token, "--directory", directory, "--network", "127.0.0.1", "--node", "n2"];
    refused(/MUSTER_NOT_REACHABLE/, ...join_(TOKEN, join(place, "new")));
    refused(/MUSTER_INVALID_ARGUMENT/, ...join_("nonsense", join(place, "new")));
    refused(/MUSTER_ALREADY_MEMBER/, ...join_(TOKEN, member));
  });

  test("node start, stop and clean of a node whose service does not run", () => {
    const start = plan("node", "start", "--directory", member, "--force-quorum", "--clear-quarantine");
    assert.deepEqual([start["node"], start["cluster"], start["unit"], start["how"], start["clearQuarantine"]], ["n1", "shop", null, "force", true]);
    assert.match(start["notes"][0], /other nodes are down/);
    refused(/--prevent-quorum/, "node", "start", "--directory", member, "--force-quorum", "--prevent-quorum");
    assert.deepEqual([plan("node", "stop", "--directory", member)["runs"], run("node", "stop", "--directory", member).code], [false, 0]);
    const clean = plan("node", "clean", "--directory", member);
    assert.deepEqual([clean["runs"], clean["notes"].some((note: string) => /--force/.test(note))], [false, true]);
    assert.equal(plan("node", "clean", "--directory", member, "--force")["notes"].some((note: string) => /refused/.test(note)), false);
    for (const verb of ["start", "stop", "clean"]) refused(/MUSTER_NOT_MEMBER/, "node", verb, "--directory", join(place, "new"));
  });

  test("nlb create, join and remove", () => {
    const nlb = (...words: string[]): string[] => ["nlb", ...words, "--adapter", "lo"];
    const made = plan(...nlb("create", "--directory", join(place, "new"), "--address", "192.0.2.10/24", "192.0.2.11/24", "--name", "h1"));
    assert.deepEqual([made["cluster"].primaryAddress, made["cluster"].additionalAddresses, made["host"].id, made["addresses"].includes("127.0.0.1")], ["192.0.2.10", ["192.0.2.11"], 1, true]);
    refused(/MUSTER_NLB_HOST_EXISTS/, ...nlb("create", "--directory", host, "--address", "192.0.2.10/24"));
    refused(/--adapter/, "nlb", "create", "--directory", join(place, "new"), "--address", "192.0.2.10/24", "--adapter", "none0");
    refused(/MUSTER_/, ...nlb("create", "--directory", join(place, "new"), "--address", "192.0.2.10/24", "--mode", "anycast"));
    refused(/MUSTER_NOT_REACHABLE/, ...nlb("join", TOKEN, "--directory", join(place, "new")));
    refused(/MUSTER_NLB_HOST_EXISTS/, ...nlb("join", TOKEN, "--directory", host));
    const removed = plan("nlb", "remove", "--directory", host);
    assert.deepEqual([removed["host"], removed["runs"], removed["addresses"].includes("10.77.0.10")], [3, false, true]);
    refused(/MUSTER_NLB_NO_HOST/, "nlb", "remove", "--directory", join(place, "new"));
  });
});

test("a plan for people has its steps, what is to be known, and the details below", () => {
  assert.equal(machinePlanText({ facts: {}, steps: ["One.", "Two."], notes: ["Three."], detail: "A table" }), "What would be done:\n  One.\n  Two.\n\nTo know:\n  Three.\n\nA table");
  assert.equal(machinePlanText({ facts: {}, steps: ["One."] }), "What would be done:\n  One.");
});
