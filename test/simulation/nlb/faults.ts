import type { HostRule } from "../../../src/nlb/parameters.ts";
import type { Machine } from "./agent.ts";
import { NlbWorld, oneHost, web } from "./world.ts";

/** One seed in so many has a kernel that refuses some of the orders to its lease. */
const LEASE_FAILS_EVERY = 6;
const LEASE_FAILS = 0.05;

/** Everything that goes wrong, and what administrators do meanwhile; each seed has a mixture of its own. */
export function disturb(world: NlbWorld, seed: number, untilMs: number): void {
  const { random, scheduler, machines } = world;
  const again = (delayMs: () => number, action: () => void): void => {
    scheduler.after(delayMs(), () => {
      if (scheduler.nowMs >= untilMs) return;
      action();
      again(delayMs, action);
    });
  };
  // Started together, one after the other, or long after.
  const spreadMs = random.pick([0, 300, 2_000]);
  for (const machine of machines) scheduler.after(random.next() * spreadMs, () => world.start(machine));
  for (const [place, copy] of world.copies.entries()) scheduler.after((seed * 37 + place) % 4_000, () => world.start(copy));
  const pace = random.pick([200, 500, 1_500]);
  world.delayMaxMs = random.pick([1, 3, 15]);
  world.lossChance = random.pick([0, 0, 0.02, 0.1]);
  world.fetchLossChance = random.pick([0, 0, 0.2]);
  world.filterFailureChance = random.pick([0, 0, 0, 0.05]);
  world.leaseFailureChance = seed % LEASE_FAILS_EVERY === 5 ? LEASE_FAILS : 0;
  world.pauseChance = random.pick([0, 0, 0.002, 0.02]);
  world.pauseMaxMs = random.pick([20, 300, 1_500]);
  const machine = (): Machine => random.pick(machines);
  // Half of the seeds have one kind of fault at a time, so that there is something to lose.
  const kinds = [() => stumble(world), () => joinBesideLoss(world), () => cut(world, pace), () => freeze(world), () => restart(world), () => burst(world), () => administer(world, machine())];
  const used = seed % 2 === 0 ? kinds : [random.pick(kinds), random.pick(kinds)];
  for (const kind of used) again(() => random.integer(pace, 4 * pace), kind);
  if (random.chance(0.3)) again(() => random.integer(pace, 4 * pace), () => {
    machine().clock.rate = random.pick([0.9, 0.95, 1, 1.05, 1.1]);
  });
}

/** A host, or a direction, or a half of all, for a while. */
function cut(world: NlbWorld, pace: number): void {
  const { random, machines, cuts, scheduler } = world;
  const kind = random.pick(["sides", "sides", "one way", "pair"]);
  world.count(`cut: ${kind}`);
  world.note(null, "cut", kind);
  if (kind === "pair") {
    const [a, b] = random.shuffle(machines);
    cuts.add(`${a!.id}>${b!.id}`);
    cuts.add(`${b!.id}>${a!.id}`);
  } else {
    const side = new Set(machines.filter(() => random.chance(0.5)).map(({ id }) => id));
    for (const { id: from } of machines) {
      for (const { id: to } of machines) {
        if (side.has(from) && !side.has(to)) cuts.add(`${from}>${to}`);
        if (kind === "sides" && side.has(to) && !side.has(from)) cuts.add(`${from}>${to}`);
      }
    }
  }
  scheduler.after(random.integer(50, 3 * pace + 1_000), () => {
    world.note(null, "healed", "");
    cuts.clear();
  });
}

function freeze(world: NlbWorld): void {
  const { agent } = world.random.pick(world.machines);
  if (agent === null) return;
  world.count("agent frozen");
  agent.pausedUntilMs = world.scheduler.nowMs + world.random.pick([100, 500, 1_000, 2_500]) * world.random.next();
  world.note(agent.machine.id, "frozen", `until ${agent.pausedUntilMs.toFixed(0)}`);
}

/** Stands still between two steps of a renewal, and is cut off as soon as it goes on. */
function stumble(world: NlbWorld): void {
  const { random } = world;
  const machine = random.pick(world.machines);
  if (machine.agent === null) return;
  world.count("stumble");
  const before = random.pick(["arm", "arm", "send", "point", "program"] as const);
  machine.agent.stumble = { before, forMs: random.integer(100, 480), afterwards: () => isolate(world, machine, 1_500) };
}

/** One host is starting while another one is cut off. */
function joinBesideLoss(world: NlbWorld): void {
  const { random, scheduler } = world;
  const [joiner, lost] = random.shuffle(world.machines) as [Machine, Machine];
  world.count("join beside a loss");
  world.kill(joiner, random.chance(0.5));
  scheduler.after(random.integer(1, 100), () => world.start(joiner));
  scheduler.after(random.integer(1, 900), () => isolate(world, lost, 2_000));
}

function isolate(world: NlbWorld, machine: Machine, mostMs: number): void {
  if (world.isCalm) return;
  world.note(machine.id, "cut off", "");
  for (const { id } of world.machines) {
    if (id === machine.id) continue;
    world.cuts.add(`${id}>${machine.id}`);
    world.cuts.add(`${machine.id}>${id}`);
  }
  world.scheduler.after(world.random.integer(300, mostMs), () => world.cuts.clear());
}

function restart(world: NlbWorld): void {
  const machine = world.random.pick(world.machines);
  world.kill(machine, world.random.chance(0.3));
  world.scheduler.after(world.random.pick([5, 100, 600, 2_000]) * world.random.next(), () => world.start(machine));
}

/** A wire that loses much for a while. */
function burst(world: NlbWorld): void {
  const before = world.lossChance;
  if (before === 0.3) return;
  world.count("burst of losses");
  world.lossChance = 0.3;
  world.scheduler.after(world.random.integer(100, 1_500), () => {
    if (!world.isCalm) world.lossChance = before;
  });
}

function administer(world: NlbWorld, machine: Machine): void {
  const { random } = world;
  const rule: HostRule = { weight: random.pick([null, 0, 1, 10, 50, 100]), handlingPriority: random.integer(1, 64) };
  const done = random.pick([
    () => world.setRule(machine, rule),
    () => world.setRule(machine, rule),
    () => world.command(machine, { verb: random.pick(["start", "start", "stop", "drainstop", "suspend", "resume"]) }),
    () => world.command(machine, { verb: random.pick(["enable", "disable", "drain"]), rule: null }),
    () => machine.agent?.give({ kind: "connections", open: random.chance(0.5) ? {} : { default: 1 } }),
    () => health(world, machine),
    () => world.configure(random.pick([[web("none", 0)], [web("single", 0), oneHost(9_000)], [web("single", 20)], []])),
    () => link(world, machine),
  ]);
  done();
}

function health(world: NlbWorld, machine: Machine): void {
  const { random } = world;
  world.count("health changed");
  for (const rule of machine.agent?.state.wanted.ruleKeys ?? []) machine.agent?.give({ kind: "health", rule, isHealthy: random.chance(0.7), capacity: random.pick([100, 100, 50, 0]) });
}

function link(world: NlbWorld, machine: Machine): void {
  const { agent } = machine;
  if (agent === null) return;
  world.count("link lost");
  world.note(machine.id, "link down", "");
  agent.give({ kind: "link", isUp: false });
  world.scheduler.after(world.random.integer(10, 1_000), () => agent.give({ kind: "link", isUp: true }));
}
