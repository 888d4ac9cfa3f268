import { isConverged } from "../../../src/nlb/sending.ts";
import { sameMap } from "../../../src/nlb/map.ts";
import type { Machine } from "./agent.ts";
import { NlbWorld, Violation } from "./world.ts";

/** In peace all must be in one map, soon, and serve everything. */

/** So long everything may take: what was broken is noticed, told, listened, and held. */
const SETTLE_PERIODS = 80;
const STEADY_PERIODS = 10;
/** A host that gets no map has tried some times by then, and is watched for as long again. */
const OUTSIDE_MS = 40_000;
const DARK_MOST = 0.1;

export function settle(world: NlbWorld): void {
  calm(world);
  for (const copy of world.copies) oneGivesWay(world, copy);
  if (world.unableToFetch !== null) othersServe(world, world.unableToFetch);
  const startedMs = world.scheduler.nowMs;
  // What was just asked for has to have begun.
  world.scheduler.runUntil(startedMs + 300);
  while (whatIsAmiss(world) !== null) {
    if (world.scheduler.nowMs - startedMs > SETTLE_PERIODS * world.timing.periodMs) throw new Violation(`${SETTLE_PERIODS} periods after the faults ended: ${whatIsAmiss(world)}`);
    world.scheduler.runUntil(world.scheduler.nowMs + 50);
  }
  world.count(`settled within ${Math.ceil((world.scheduler.nowMs - startedMs) / 1_000)} s`);
}

/** Of two with one id one stays, and the other says why it is out and serves nothing; then somebody turns the copy off. */
function oneGivesWay(world: NlbWorld, copy: Machine): void {
  const original = world.machines[copy.id - 1]!;
  const startedMs = world.scheduler.nowMs;
  let settledMs: number | null = null;
  // Who stays may change as long as maps are made; in the end one has stayed for a while.
  while (settledMs === null || world.scheduler.nowMs - settledMs < STEADY_PERIODS * world.timing.periodMs) {
    const out = [copy, original].filter(({ agent }) => agent?.state.out.reason === "duplicateHost");
    if (out.length !== 1) settledMs = null;
    else settledMs ??= world.scheduler.nowMs;
    for (const { agent, kernel } of out) if (agent!.state.isKernelEmpty && [...kernel.serving()].length > 0) throw new Violation(`host ${copy.id} serves, although another has its id`);
    if (world.scheduler.nowMs - startedMs > SETTLE_PERIODS * world.timing.periodMs) throw new Violation(`two hosts ${copy.id}, of which ${[copy, original].map(({ agent }) => agent?.state.out.reason).join(" and ")} after ${SETTLE_PERIODS} periods`);
    world.scheduler.runUntil(world.scheduler.nowMs + 17);
  }
  world.count("two with one id");
  world.kill(copy, true);
}

/** Whom no map reaches costs the others little; then somebody mends it, and starts it anew. */
function othersServe(world: NlbWorld, outside: Machine): void {
  const others = world.machines.filter((machine) => machine !== outside);
  const looks = { all: 0, dark: 0 };
  world.scheduler.runUntil(world.scheduler.nowMs + OUTSIDE_MS);
  const untilMs = world.scheduler.nowMs + OUTSIDE_MS;
  while (world.scheduler.nowMs < untilMs) {
    world.scheduler.runUntil(world.scheduler.nowMs + 17);
    looks.all += 1;
    if (!others.every(({ kernel }) => kernel.isOpen)) looks.dark += 1;
  }
  if (looks.dark > looks.all * DARK_MOST) throw new Violation(`while host ${outside.id} could fetch no map, not all others served, ${looks.dark} times of ${looks.all}`);
  world.count("a host that gets no map");
  world.unableToFetch = null;
  world.kill(outside, true);
  world.start(outside);
}

function calm(world: NlbWorld): void {
  world.note(null, "calm", "");
  world.isCalm = true;
  world.delayMaxMs = 3;
  world.lossChance = 0;
  world.fetchLossChance = 0;
  world.pauseChance = 0;
  world.filterFailureChance = 0;
  world.leaseFailureChance = 0;
  world.cuts.clear();
  for (const machine of [...world.machines, ...world.copies]) {
    machine.cluster = world.cluster;
    machine.persisted = "started";
    world.start(machine);
    const agent = machine.agent!;
    agent.thaw();
    agent.give({ kind: "configuration", cluster: machine.cluster, host: { ...machine.host, rules: {} } });
    agent.give({ kind: "link", isUp: true });
    for (const verb of ["resume", "start"] as const) agent.give({ kind: "command", request: 0, command: { verb } });
    agent.give({ kind: "command", request: 0, command: { verb: "enable", rule: null } });
    for (const rule of agent.state.wanted.ruleKeys) agent.give({ kind: "health", rule, isHealthy: true, capacity: 100 });
  }
}

/** What is not as it should be when nothing is wrong; null = all is well. */
export function whatIsAmiss(world: NlbWorld): string | null {
  const [first] = world.machines as [Machine];
  const { map } = first.agent!.state;
  if (map === null) return `host 1 has no map (${first.agent!.state.out.reason})`;
  if (map.members.length !== world.machines.length) return `the map ${map.id.counter} has ${map.members.length} members`;
  const served = new Map<string, bigint>();
  for (const machine of world.machines) {
    const { state } = machine.agent!;
    if (state.map === null || !sameMap(state.map.id, map.id)) return `host ${machine.id} is not in the map ${map.id.counter} (${state.out.reason})`;
    if (!isConverged(state)) return `host ${machine.id} has not converged`;
    if (!machine.kernel.isOpen) return `the lease of host ${machine.id} is closed`;
    for (const [rule, parts] of machine.kernel.serving()) {
      if (((served.get(rule) ?? 0n) & parts) !== 0n) return `'${rule}' is served twice`;
      served.set(rule, (served.get(rule) ?? 0n) | parts);
    }
  }
  for (const [position, rule] of world.cluster.rules.entries()) {
    if (rule.mode === "disabled") continue;
    const parts = map.owners[position]?.length ?? 0;
    const found = [...served].find(([key]) => key.startsWith(first.agent!.state.active!.ruleKeys[first.agent!.state.active!.cluster.rules.findIndex((other) => other.startPort === rule.startPort)]!));
    if (found === undefined || found[1].toString(2).replaceAll("0", "").length !== (rule.mode === "single" ? 1 : parts > 1 ? parts : 240)) return `not all of port ${rule.startPort} is served`;
  }
  return served.get("default") === 1n ? null : "nobody is the default host";
}
