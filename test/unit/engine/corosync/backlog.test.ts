import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { TestNetwork, whyNot } from "./network.ts";
import { pause, startMember } from "./process.ts";
import type { TestProcess } from "./process.ts";

/** Everything that waits is bounded: in the engine, in its thread, and for a process that does not run. */

const skip = whyNot();
const MEBIBYTE = 1024 * 1024;
let network: TestNetwork;
let members: TestProcess[] = [];

before(async () => {
  if (skip !== false) return;
  network = new TestNetwork({ machines: 2 });
  for (const machine of network.machines) machine.startCorosync();
  members = network.machines.map((machine) => startMember(machine));
  for (const member of members) member.tell({ do: "quiet", quiet: true });
  await Promise.all(members.map((member) => member.membership([1, 2])));
});
after(async () => {
  if (skip === false) await network.end();
});

test("more is sent at once than may wait: the connection is given up, and made anew", { skip }, async (t) => {
  const [one, two] = members as [TestProcess, TestProcess];
  const marks = [one.mark, two.mark];
  const before = Number((await one.ask({ do: "usage" }, "usage"))["rss"]);
  const flooded = await one.ask({ do: "flood", count: 40_000, bytes: 1_024 }, "flooded");
  const alone = await one.event((event) => event.event === "members" && event.members?.length === 1, marks[0]);
  assert.ok(alone.at >= flooded.at - 1_000);
  assert.match(String(one.events.slice(marks[0]).find((event) => event.event === "notice")?.["text"]), /corosync does not take what is sent/);
  await one.membership([1, 2], marks[0]);
  await two.event((event) => event.event === "members" && event.members?.length === 1, marks[1]);
  await two.membership([1, 2], marks[1]);
  const counted = await two.ask({ do: "count" }, "count");
  assert.equal(counted["gaps"], 0, "what did come is whole");
  const grown = (Number((await one.ask({ do: "usage" }, "usage"))["rss"]) - before) / MEBIBYTE;
  t.diagnostic(`40 MB at once: memory grew by ${grown.toFixed(0)} MiB; ${String(counted["seen"])} messages of it came`);
  assert.ok(grown < 120);
});

test("a process whose main loop stands still is dropped when it is too far behind, and comes back", { skip }, async (t) => {
  const [one, two] = members as [TestProcess, TestProcess];
  for (const member of members) member.tell({ do: "quiet", quiet: true });
  const marks = [one.mark, two.mark];
  two.tell({ do: "block", timeMs: 9_000 });
  await pause(200);
  one.tell({ do: "stream", count: 9_000, bytes: 8_192, window: 100 });
  await one.event((event) => event.event === "members" && event.members?.length === 1, marks[0], 30_000);
  await two.event((event) => event.event === "unblocked", marks[1], 30_000);
  const counted = await two.ask({ do: "count" }, "count");
  t.diagnostic(`70 MB for a process that stood still: it has ${(Number(counted["rss"]) / MEBIBYTE).toFixed(0)} MiB`);
  await Promise.all(members.map((member, position) => member.membership([1, 2], marks[position])));
  await two.event((event) => event.event === "notice" && String(event["text"]).includes("bytes behind"), marks[1]);
  two.tell({ do: "quiet", quiet: false });
  one.tell({ do: "multicast", text: "after all" });
  await two.event((event) => event.event === "message" && event["text"] === "after all", marks[1]);
});
