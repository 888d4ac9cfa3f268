import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { GroupView, NetworkInterfaceView, NetworkView, ResourceView } from "../../src/model/views.ts";
import { Launcher } from "./support/launcher.ts";
import { ROOT, Sandbox } from "./support/sandbox.ts";
import { sleep, until } from "./support/until.ts";

/** What only the machine and a resource type can say: which networks there are, and that a role must not be moved now. */

const ADDRESS = "127.0.19.1";
const sandbox = new Sandbox(ADDRESS);
const backup = sandbox.path("backup-runs");
let launcher: Launcher;

before(async () => {
  const directory = sandbox.path("cluster");
  mkdirSync(join(directory, "resource-types"), { recursive: true, mode: 0o700 });
  copyFileSync(join(ROOT, "docs", "examples", "backup-lock.ts"), join(directory, "resource-types", "backup-lock.ts"));
  launcher = await Launcher.start(sandbox, { directory, options: ["--address", ADDRESS, "--port", "18191"] });
});
after(() => sandbox.dispose());

async function run(...words: readonly string[]): Promise<string> {
  const result = await launcher.muster(...words);
  assert.equal(result.exitCode, 0, `muster ${words.join(" ")}: ${result.stderr}`);
  return result.stdout;
}

test("the nodes find the networks of the machine by themselves; an administrator names them and says what they are for", async () => {
  const interfaces = await until("all interfaces are up", async () => {
    const all = await launcher.json<NetworkInterfaceView[]>("network", "interfaces");
    return all.length > 0 && all.every((one) => one.state === "Up") && new Set(all.map((one) => one.node)).size === 3 ? all : null;
  });
  const networks = await launcher.json<NetworkView[]>("network", "list");
  assert.ok(networks.length > 0 && networks.every((one) => one.state === "Up"), JSON.stringify(networks));
  assert.deepEqual(networks.flatMap((one) => one.interfaces).sort(), interfaces.map((one) => one.name).sort());

  const name = networks[0]!.name;
  await run("network", "set", name, "Metric=7", "--rename", "front");
  const shown = await launcher.json<NetworkView>("network", "show", "front");
  assert.deepEqual([shown.id, shown.properties["Metric"], shown.properties["AutoMetric"]], [networks[0]!.id, 7, 0]);
  assert.match(await run("network", "list"), /front +Up +.* 7 \(set\) +All its interfaces are up\./);
  assert.match(await run("network", "show", "front"), /front: Up\. All its interfaces are up\..*\nSubnets: /);
  assert.match(await run("network", "interfaces"), /n1 - \S+ +front +Up/);
  assert.equal((await launcher.muster("network", "set", "front", "Role=2", "--json")).error().code, "MUSTER_INVALID_ARGUMENT");
  assert.equal((await launcher.muster("network", "show", "nowhere", "--json")).error().code, "MUSTER_NETWORK_NOT_FOUND");
});

test("an idle cluster says nothing of its networks again", async () => {
  const position = async (): Promise<number> => (await launcher.client("n1").send<{ at: { index: number } }>("PATCH", "/v1/cluster", { body: { properties: { Description: String(Date.now()) } } })).at.index;
  // What the start of the cluster leaves to be recorded is recorded after a second.
  await sleep(2_000);
  const before = await position();
  await sleep(3_000);
  assert.equal((await position()) - before, 1, "nothing else came into the log meanwhile");
});

test("a type locks its role: a move is refused, or waits, or ends it all the same", async () => {
  const group = (): Promise<GroupView> => launcher.get<GroupView>("/v1/groups/ledger");
  const locked = (wanted: boolean): Promise<unknown> => until(`locked: ${wanted}`, async () => ((Number((await launcher.get<ResourceView>("/v1/resources/ledger-lock")).properties["StatusInformation"]) & 1) === 1) === wanted);
  await run("group", "create", "ledger");
  await run("resource", "create", "ledger-lock", "--group", "ledger", "--type", "Backup Lock", `Path=${backup}`, "LooksAlivePollInterval=100");
  await run("group", "online", "ledger");
  const first = (await group()).ownerNode!;
  const others = ["n1", "n2", "n3"].filter((name) => name !== first);

  writeFileSync(backup, "");
  await locked(true);
  const refused = await launcher.muster("group", "move", "ledger", others[0]!, "--json");
  assert.equal(refused.error().code, "MUSTER_RESOURCE_LOCKED");
  assert.equal((await launcher.muster("group", "offline", "ledger", "--json")).error().code, "MUSTER_RESOURCE_LOCKED");
  assert.equal((await group()).ownerNode, first);

  await run("group", "move", "ledger", others[0]!, "--queue", "--no-wait");
  assert.equal((await group()).queuedMoveTo, others[0]);
  await sleep(500);
  assert.deepEqual([(await group()).ownerNode, (await group()).state], [first, "Online"], "it waits");
  rmSync(backup);
  await until("the move takes place", async () => (await group()).ownerNode === others[0] && (await group()).state === "Online");

  writeFileSync(backup, "");
  await locked(true);
  await run("group", "move", "ledger", first, "--ignore-locked");
  assert.deepEqual([(await group()).ownerNode, (await group()).state], [first, "Online"]);
});
