import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { ClusterEvent } from "../../src/model/events.ts";
import type { GroupSetView, GroupView } from "../../src/model/views.ts";
import { Launcher } from "./support/launcher.ts";
import type { NodeAnswer } from "./support/launcher.ts";
import { Sandbox } from "./support/sandbox.ts";
import { sleep, until } from "./support/until.ts";

/** What happened, what waits for what, and who goes where, asked of a real cluster. */

const ADDRESS = "127.0.18.1";
const sandbox = new Sandbox(ADDRESS);
let launcher: Launcher;

before(async () => {
  launcher = await Launcher.start(sandbox, { options: ["--address", ADDRESS, "--port", "18181"] });
});
after(() => sandbox.dispose());

async function run(...words: readonly string[]): Promise<string> {
  const result = await launcher.muster(...words);
  assert.equal(result.exitCode, 0, `muster ${words.join(" ")}: ${result.stderr}`);
  return result.stdout;
}

async function role(name: string): Promise<void> {
  await run("group", "create", name);
  await run("resource", "create", `${name}-program`, "--group", name, "--type", "Generic Application", "CommandLine=sleep 1000");
}

function group(name: string): Promise<GroupView> {
  return launcher.get<GroupView>(`/v1/groups/${name}`);
}

test("history: the cluster of before can still be seen, and why it was so", async () => {
  await role("ledger");
  await run("group", "online", "ledger");
  const owner = (await group("ledger")).ownerNode ?? "";
  await sleep(1_100);
  const before = Date.now();
  await sleep(300);
  await run("group", "offline", "ledger");

  const at = new Date(before).toISOString();
  const past = await launcher.json<{ groups: GroupView[]; why: { summary: string } | null }>("history", "replay", "--at", at, "--why", "ledger");
  assert.equal(past.groups.find((one) => one.name === "ledger")?.state, "Online");
  assert.match(past.why?.summary ?? "", new RegExp(`'ledger' is online on ${owner}`));
  assert.equal((await group("ledger")).state, "Offline", "looking back changes nothing");
  assert.match(await run("history", "replay", "--at", at), /ledger +Online/);

  const lines = await launcher.json<{ id: string; text: string; orders: number }[]>("history", "list", "--about", "ledger", "--since", "10min");
  const online = lines.find((line) => /shall be online/.test(line.text));
  assert.ok(online !== undefined && online.orders === 1, JSON.stringify(lines));
  assert.match(await run("history", "show", online.id), /online ledger-program/);
  const refused = await launcher.muster("history", "replay", "--at", "2001-01-01T00:00", "--json");
  assert.equal(refused.exitCode, 105);
  assert.equal(refused.error().code, "MUSTER_HISTORY_BEFORE");
  assert.equal((await launcher.muster("history", "show", "99999.1", "--json")).error().code, "MUSTER_HISTORY_NOT_FOUND");
});

test("events can be asked for by time and number", async () => {
  const all = await launcher.json<ClusterEvent[]>("events", "--since", "1h");
  assert.ok(all.length > 0);
  assert.deepEqual(await launcher.json<ClusterEvent[]>("events", "--until", "2001-01-01"), []);
  const online = await launcher.json<ClusterEvent[]>("events", "--code", "20013");
  assert.ok(online.length > 0 && online.every((event) => event.code === 20013));
});

test("group sets: what starts after a set waits for it", async () => {
  await role("store");
  await role("shop");
  await run("groupset", "create", "back", "StartupSetting=2", "--groups", "store");
  await run("group", "set", "shop", "--starts-after", "back");
  await run("group", "online", "shop", "--no-wait");
  await until("the shop waits", async () => (await group("shop")).waitsFor.includes("back"));
  const set = await launcher.json<GroupSetView>("groupset", "show", "back");
  assert.deepEqual([set.isReady, set.waiting], [false, ["shop"]]);
  assert.match(await run("why", "shop"), /waits for the group set 'back'/);
  await run("group", "online", "store");
  await until("the shop is online", async () => (await group("shop")).state === "Online");
});

test("a node that is about to stop gives its roles away first", async () => {
  const { ownerNode } = await group("shop");
  await run("node", "shutdown", ownerNode ?? "");
  const node = await launcher.get<NodeAnswer & { readonly mayStop: boolean }>(`/v1/nodes/${ownerNode}`);
  assert.ok(node.mayStop);
  assert.deepEqual(node.groups, []);
  await until("the shop is online elsewhere", async () => {
    const shop = await group("shop");
    return shop.state === "Online" && shop.ownerNode !== ownerNode;
  });
});

test("SIGTERM of one node: its roles leave first, and nobody takes it for a failure", async () => {
  await until("all nodes take roles", async () => (await launcher.get<NodeAnswer[]>("/v1/nodes")).every((node) => node.state === "Up" && node.inventoryKnown));
  const { ownerNode } = await group("shop");
  const name = ownerNode ?? "";
  const { information } = await launcher.get<NodeAnswer>(`/v1/nodes/${name}`);
  const after = (await launcher.get<ClusterEvent[]>("/v1/events")).at(-1)?.id ?? "0.0.0";
  process.kill(information?.processId ?? 0, "SIGTERM");
  await until("it has left", async () => (await launcher.json<ClusterEvent[]>("events", "--after", after)).some((event) => event.code === 20007 && event.node === name));
  const events = await launcher.json<ClusterEvent[]>("events", "--after", after);
  const codes = events.map((event) => event.code);
  assert.ok(codes.indexOf(20006) < codes.indexOf(20007), "drained before it left");
  assert.ok(!codes.includes(1135), "no failure");
  assert.ok(!events.some((event) => event.code === 20012 && event.group === "shop"), "no failover");
  await until("the shop is online elsewhere", async () => (await group("shop")).state === "Online");
});

test("a resource goes to another role while it is offline", async () => {
  await run("group", "offline", "ledger");
  await run("resource", "move", "ledger-program", "store");
  assert.deepEqual((await group("store")).resources, ["ledger-program", "store-program"]);
  assert.equal((await launcher.muster("resource", "move", "store-program", "ledger", "--json")).error().code, "MUSTER_RESOURCE_NOT_OFFLINE");
});
