import { setTimeout as sleep } from "node:timers/promises";
import type { Balanced } from "../test/nlb/support/balanced.ts";
import { FOUR, broken, sources } from "../test/nlb/support/traffic.ts";
import type { Outcome, Traffic } from "../test/nlb/support/traffic.ts";

/** How long clients notice that a host is dead, how long a change takes, and what planned changes break. */

const PLACE: Traffic = { address: FOUR, port: 80, sources: sources(4, 20, 10), pauseMs: 2 };
/** A client that gives up so soon sees when a new connection is answered again; TCP's own second attempt comes after a second. */
const IMPATIENT_MS = 100;
const WORKERS = 12;
const WATCH_AFTER_MS = 500;
const RULE = "tcp all:80-80";
const ALL = [1, 2, 3];
/** One in so many planned changes is a host that is taken out and put in again. */
const DRAIN_EVERY = 20;

/** From the moment in which a host is dead to the last new connection that is not answered, ms. */
export async function killed(cluster: Balanced, number: number): Promise<number> {
  await cluster.client.ask("start", { ...PLACE, limitMs: IMPATIENT_MS }, WORKERS);
  await sleep(300);
  const killedMs = Date.now();
  cluster.cut(number);
  cluster.signal(number, "SIGKILL");
  await cluster.settled(ALL.filter((other) => other !== number));
  await sleep(WATCH_AFTER_MS);
  const failed = broken(await cluster.client.ask<Outcome[]>("stop")).filter(({ startedMs }) => startedMs >= killedMs);
  cluster.heal();
  cluster.muster(number, "service", "start");
  await cluster.settled();
  return Math.max(0, ...failed.map(({ startedMs }) => startedMs - killedMs));
}

/** Until a changed rule is in force on all hosts, ms. */
export async function changed(cluster: Balanced, affinity: "single" | "none"): Promise<number> {
  const startedMs = performance.now();
  await cluster.api(1).send("POST", "/v1/nlb/changes", { body: { kind: "setRule", rule: RULE, values: { affinity } } });
  await cluster.settled();
  return performance.now() - startedMs;
}

/** @returns connections in all, those that broke, and those that had to ask for a connection twice */
export async function planned(cluster: Balanced, count: number, talk: (text: string) => void): Promise<{ readonly all: number; readonly broken: number; readonly late: number }> {
  const total = { all: 0, broken: 0, late: 0 };
  const take = async (): Promise<void> => {
    const outcomes = await cluster.client.ask<Outcome[]>("stop");
    total.all += outcomes.length;
    total.broken += broken(outcomes).length;
    total.late += outcomes.filter(({ connectMs }) => connectMs !== null && connectMs > 900).length;
  };
  await cluster.client.ask("start", PLACE, WORKERS);
  for (let number = 0; number < count; number++) {
    if (number % 50 === 49) {
      talk(`planned changes: ${number + 1} of ${count}`);
      await take();
      await cluster.client.ask("start", PLACE, WORKERS);
    }
    await plannedChange(cluster, number);
    await cluster.settled();
  }
  await take();
  return total;
}

async function plannedChange(cluster: Balanced, number: number): Promise<void> {
  const host = (number % ALL.length) + 1;
  const api = cluster.api(host);
  const command = (verb: string): Promise<unknown> => cluster.api(1).send("POST", "/v1/nlb/command", { body: { verb, rule: null, hosts: [3], deadlineMs: null } });
  if (number % DRAIN_EVERY === DRAIN_EVERY - 1) {
    await command("drainstop");
    await cluster.state(1, 3, "stopped");
    await command("start");
  } else if (number % 4 === 3) await api.send("POST", "/v1/nlb/changes", { body: { kind: "setRule", rule: RULE, values: { affinity: number % 8 === 3 ? "single" : "none" } } });
  else await api.send("PATCH", "/v1/nlb/host", { body: { rules: { [RULE]: { weight: 10 + ((number * 37) % 90) } } } });
}
