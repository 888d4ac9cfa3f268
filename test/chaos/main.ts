import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { longestOutageMs } from "../lab/support/answers.ts";
import { nowMs } from "../lab/support/clock.ts";
import * as faults from "../lab/support/faults.ts";
import { Scene, sleep } from "../lab/support/scene.ts";
import type { Fault } from "../lab/support/scene.ts";
import { Random } from "../simulation/random.ts";

/**
 * Random faults on a running lab, while a client asks its role, a role without an address says when it runs, and clients of
 * the database read and write: `npm run chaos -- --minutes 10 --seed 1`. The seed repeats what is done, not how the machine
 * takes it. Everything that was seen is checked; a failure prints the seed, the faults and how the hosts were.
 */

const { values } = parseArgs({ options: { minutes: { type: "string", default: "5" }, seed: { type: "string" }, nodes: { type: "string", default: "3" }, profile: { type: "string", default: "standard" } } });
const minutes = Number(values.minutes);
const seed = values.seed === undefined ? Date.now() % 1_000_000 : Number(values.seed);
const nodes = Number(values.nodes);
const { profile } = values;
if (!(minutes > 0) || !Number.isInteger(seed) || !(Number.isInteger(nodes) && nodes >= 2) || (profile !== "standard" && profile !== "fast")) {
  process.stderr.write("chaos: --minutes M --seed S --nodes N (2 or more) --profile standard|fast\n");
  process.exit(2);
}

const TWO_AT_ONCE = 0.25;
/** How often the next fault does not wait until all is well. */
const IN_A_ROW = 0.25;
const HOLD_MIN_MS = 300;
const HOLD_MAX_MS = 7_000;
const SITE_OFF = "the whole site loses power";
const WHOLE_LIMIT_MS = 120_000;

const KINDS: Readonly<Record<string, Fault>> = {
  "service killed": faults.serviceKilled,
  "service stands still": faults.serviceStopped,
  "monitor killed": faults.monitorKilled,
  "monitor stands still": faults.monitorStopped,
  "corosync killed": faults.corosyncKilled,
  "corosync stands still": faults.corosyncStopped,
  "host stands still": faults.paused,
  "power off": faults.poweredOff,
  "cut off": faults.cutOff,
  "cut off on net0": faults.cutOnFirst,
  "cut off on net1": faults.cutOnSecond,
  "cut off from one": faults.cutFromOne,
  deaf: faults.deaf,
  mute: faults.mute,
  flapping: faults.flapping,
  "datagrams blocked": faults.datagramsBlocked,
  "stopped in good order": faults.stoppedInGoodOrder,
  "role moved": faults.movedAway,
  [SITE_OFF]: siteOff,
};

async function siteOff(scene: Scene): Promise<() => Promise<void>> {
  await scene.client.stop();
  await scene.lab.powerOffAll();
  return async () => {
    await scene.lab.powerOnAll();
    scene.client.start();
  };
}

const random = new Random(seed);
/** The clients of the database have their own: when they ask depends on the machine, and the faults shall not. */
const randomOfClients = new Random(seed + 1);
const startedMs = nowMs();
const EVIDENCE = join(tmpdir(), `muster-chaos-${seed}-${Date.now()}`);
const told: string[] = [];
const outages = new Map<string, number[]>();

function tell(text: string): void {
  const line = `${((nowMs() - startedMs) / 1_000).toFixed(1).padStart(7)} ${text}`;
  told.push(line);
  process.stdout.write(`${line}\n`);
}

/** One or two faults, held for a while, and mended. */
async function round(scene: Scene): Promise<void> {
  const count = random.chance(TWO_AT_ONCE) ? 2 : 1;
  const fromMs = nowMs();
  const owner = scene.client.lastReply?.node;
  const undone: (() => Promise<void>)[] = [];
  const names: string[] = [];
  for (let number = 0; number < count; number++) {
    const kind = random.pick(Object.keys(KINDS));
    const target = random.pick(scene.names);
    // Nothing more happens to a host that is off or stands still, and a command in it would wait.
    const host = scene.lab.host(target);
    if (!host.isOn || host.isPaused) continue;
    tell(`${kind} ${target}${target === owner ? " (owner)" : ""}`);
    try {
      const undo = await KINDS[kind]!(scene, target);
      if (undo !== null) undone.push(undo);
      names.push(`${kind}${kind === SITE_OFF ? "" : target === owner ? ", owner" : ", another"}`);
    } catch (error) {
      tell(`  could not: ${String(error).split("\n")[0]!.slice(0, 200)}`);
      names.push("failed");
    }
  }
  await sleep(random.integer(HOLD_MIN_MS, HOLD_MAX_MS));
  for (const undo of undone.reverse()) await undo();
  if (random.chance(IN_A_ROW)) return;
  const mendedMs = nowMs();
  await scene.untilWhole(scene.names, WHOLE_LIMIT_MS);
  await scene.untilServed({ sinceMs: mendedMs });
  const outageMs = longestOutageMs(scene.client.answers, fromMs, nowMs());
  if (names.length === 1) outages.set(names[0]!, [...(outages.get(names[0]!) ?? []), outageMs]);
  tell(`  whole ${((nowMs() - mendedMs) / 1_000).toFixed(1)} s after mending; no answer for ${outageMs.toFixed(0)} ms at most`);
  scene.check();
  scene.forget();
}

async function play(): Promise<void> {
  await Scene.with({ hosts: nodes, profile: profile as "standard" | "fast", evidenceTo: EVIDENCE }, async (scene) => {
    tell(`ready: seed ${seed}, ${nodes} nodes, profile ${profile}`);
    const workload = scene.workload(() => randomOfClients.next());
    workload.start();
    const endMs = nowMs() + minutes * 60_000;
    let rounds = 0;
    for (; nowMs() < endMs; rounds++) await round(scene);
    await scene.lab.heal();
    await scene.untilWhole(scene.names, WHOLE_LIMIT_MS);
    await scene.judge({ diagnostic: tell }, workload);
    await scene.untilKeptFollowed();
    tell(`${rounds} rounds`);
  });
}

function summary(): string {
  const rows = [...outages].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, times]) => {
    const sorted = times.toSorted((a, b) => a - b);
    return `${name.padEnd(36)} ${String(times.length).padStart(3)} ${sorted[Math.floor(sorted.length / 2)]!.toFixed(0).padStart(8)} ${sorted.at(-1)!.toFixed(0).padStart(8)}`;
  });
  return [`${"FAULT, ALONE".padEnd(36)} RUN  MEDIAN MS    WORST`, ...rows].join("\n");
}

try {
  await play();
  process.stdout.write(`${summary()}\nchaos: nothing was wrong (seed ${seed})\n`);
} catch (error) {
  process.stdout.write(`${summary()}\n\nchaos: FAILED. Again: npm run chaos -- --minutes ${minutes} --seed ${seed} --nodes ${nodes} --profile ${profile}\nLogs and records: ${EVIDENCE}\n${told.join("\n")}\n${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
}
