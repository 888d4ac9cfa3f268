import { parseArgs } from "node:util";
import type { Balanced } from "./support/balanced.ts";
import { describePlanned, formPlanned, plannedChanges } from "./support/planned.ts";

const USAGE = `Planned changes of a balancing cluster under load, drawn by seed: weights, rules, drains, engines, hosts that join and leave.
Ends with 1 if a connection broke or two hosts answered one request. Needs root.

  node test/nlb/soak.ts --changes 200 --seed 1
`;

const { values } = parseArgs({ options: { changes: { type: "string", default: "200" }, seed: { type: "string", default: "1" }, help: { type: "boolean" } } });
if (values.help || ![values.changes, values.seed].every((text) => /^\d+$/.test(text))) {
  process.stderr.write(USAGE);
  process.exitCode = values.help ? 0 : 2;
} else {
  await soak(Number(values.changes), Number(values.seed));
}

async function soak(changes: number, seed: number): Promise<void> {
  const startedMs = performance.now();
  const cluster = await formPlanned(true);
  try {
    const talk = (text: string): void => void process.stdout.write(`${((performance.now() - startedMs) / 1_000).toFixed(1).padStart(7)} ${text}\n`);
    const outcome = await plannedChanges(cluster, { seed, changes, isLong: true, talk });
    process.stdout.write(`${describePlanned(outcome)}\n`);
    const wrong = [...outcome.doubles, ...outcome.broken.map((one) => JSON.stringify(one)), ...outcome.talks.problems];
    for (const line of wrong.slice(0, 60)) process.stdout.write(`${line}\n`);
    process.stdout.write(wrong.length + outcome.datagrams.twice === 0 ? `soak: nothing broke (seed ${seed})\n` : `soak: ${wrong.length + outcome.datagrams.twice} wrong (seed ${seed})\n`);
    if (wrong.length + outcome.datagrams.twice > 0) process.exitCode = 1;
  } catch (error) {
    process.stdout.write(`soak: ${(error as Error).message} (seed ${seed})\n`);
    for (let number = 1; number < cluster.clientNumber; number++) process.stdout.write(`${await hostNow(cluster, number)}\n`);
    process.exitCode = 1;
  } finally {
    await cluster.close();
  }
}

/** What a host knows when something did not come to its end. */
async function hostNow(cluster: Balanced, number: number): Promise<string> {
  try {
    const { state, why, map, openConnections, engine, out } = await cluster.snapshot(number);
    const sockets = cluster.lab.on(number, ["ss", "-Htan", "state", "connected", "exclude", "time-wait"]);
    return `host ${number}: ${JSON.stringify({ state, out: out.reason, why: why.reason, map: map?.id.counter, openConnections, engine })}\n${sockets.split("\n").slice(0, 40).join("\n")}`;
  } catch (error) {
    return `host ${number}: ${(error as Error).message}`;
  }
}
