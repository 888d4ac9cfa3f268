import { readdirSync, readFileSync } from "node:fs";
import { TestNetwork, whyNot } from "./network.ts";
import { median, pause, startMember } from "./process.ts";
import type { TestProcess } from "./process.ts";

/**
 * Measures the engine over three machines of network.ts: latency, throughput, idle processor time, memory. By hand:
 * `node test/unit/engine/corosync/measure.ts`, as root.
 */

const why = whyNot();
if (why !== false) {
  process.stderr.write(`${why}\n`);
  process.exit(2);
}
const network = new TestNetwork();
try {
  for (const machine of network.machines) machine.startCorosync();
  const members = network.machines.map((machine) => startMember(machine, { linkIntervalMs: 2_000 }));
  await Promise.all(members.map((member) => member.membership([1, 2, 3])));
  await pause(1_500);
  await idle(members);
  await latency(members);
  for (const [bytes, count] of [[100, 100_000], [1_024, 30_000], [32_000, 2_000]] as const) await throughput(members, bytes, count);
} finally {
  await network.end();
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function idle(members: readonly TestProcess[]): Promise<void> {
  const usage = async (): Promise<number[]> => Promise.all(members.map(async (member) => Number((await member.ask({ do: "usage" }, "usage"))["cpuUs"])));
  const seconds = 20;
  const before = await usage();
  await pause(seconds * 1_000);
  const after = await usage();
  say(`idle, the whole process: ${after.map((value, position) => `${((value - before[position]!) / 1e4 / seconds).toFixed(2)} %`).join(", ")} of a core`);
  say(`memory of the process (PSS): ${members.map((member) => `${(pss(member.child.pid!) / 1024).toFixed(1)} MiB`).join(", ")}, ${threads(members[0]!.child.pid!)} threads`);
  const without = startMember(network.machines[0]!, { purpose: "bare" }, { MEASURE_WITHOUT_ENGINE: "1" });
  await without.event((event) => event.event === "started");
  await pause(1_000);
  say(`memory of the same process with the engine loaded and not started (PSS): ${(pss(without.child.pid!) / 1024).toFixed(1)} MiB, ${threads(without.child.pid!)} threads`);
  without.signal("SIGKILL");
}

async function latency(members: readonly TestProcess[]): Promise<void> {
  for (const member of members) member.tell({ do: "quiet", quiet: true });
  const count = 2_000;
  members[0]!.tell({ do: "expect", count });
  const mark = members[0]!.mark;
  members[0]!.tell({ do: "time", count, everyMs: 2, bytes: 100 });
  await members[0]!.event((event) => event.event === "reached", mark, 60_000);
  await pause(200);
  for (const member of members) {
    const timings = ((await member.ask({ do: "timings" }, "timings"))["timings"] as number[]).toSorted((a, b) => a - b);
    say(`one way, 100 B, node 1 to ${member.machine.node}: median ${median(timings).toFixed(3)} ms, p95 ${timings[Math.floor(timings.length * 0.95)]!.toFixed(2)}, p99 ${timings[Math.floor(timings.length * 0.99)]!.toFixed(2)} (${timings.length})`);
  }
}

async function throughput(members: readonly TestProcess[], bytes: number, count: number): Promise<void> {
  for (const member of members) {
    member.tell({ do: "quiet", quiet: true });
    member.tell({ do: "expect", count });
  }
  await pause(200);
  const marks = members.map((member) => member.mark);
  const startedAt = Number(process.hrtime.bigint()) / 1e6;
  members[0]!.tell({ do: "stream", count, bytes, window: Math.max(20, Math.min(2_000, Math.floor(2_000_000 / bytes))) });
  const reached = await Promise.all(members.map((member, position) => member.event((event) => event.event === "reached", marks[position], 120_000)));
  const seconds = (Math.max(...reached.map((event) => event.at)) - startedAt) / 1_000;
  const gaps = await Promise.all(members.map(async (member) => (await member.ask({ do: "count" }, "count"))["gaps"]));
  say(`${bytes} B, one sender, delivered at all three: ${(count / seconds).toFixed(0)} messages/s, ${((count * bytes) / seconds / 1e6).toFixed(1)} MB/s, gaps ${gaps.join()}`);
}

/** In KiB. */
function pss(pid: number): number {
  return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1]);
}

function threads(pid: number): number {
  return readdirSync(`/proc/${pid}/task`).length;
}
