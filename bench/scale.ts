import { measureReal, noFigures } from "./scale/real.ts";
import { measureSimulated } from "./scale/simulated.ts";
import type { SimulatedFigures } from "./scale/simulated.ts";
import { chosen, needRoot, readOptions, talk } from "./support/options.ts";
import { spreadOf } from "./support/statistics.ts";
import { figure, table } from "./support/table.ts";

/**
 * Many nodes: 16 real ones on hosts of a lab, 64 in the simulator: `sudo npm run bench:scale` [-- --trials 3]
 * [-- --only simulated] [-- --only real] [-- --json]. See docs/benchmarks.md.
 */

const REAL_NODES = 16;
const SIMULATED_NODES = 64;
const ROLES = 200;
const TRIALS = 3;

const options = readOptions();
const trials = options.trials ?? TRIALS;
const parts = chosen(["simulated", "real"], options.only);
if (parts.includes("real")) needRoot();
const failures: string[] = [];
const simulated: SimulatedFigures[] = [];
const real = noFigures();
for (let seed = 1; parts.includes("simulated") && seed <= trials; seed++) {
  talk(`${SIMULATED_NODES} simulated nodes, seed ${seed}`);
  try {
    simulated.push(measureSimulated(SIMULATED_NODES, ROLES, seed));
  } catch (error) {
    failures.push(`simulated, seed ${seed}: ${(error as Error).message}`);
  }
}
if (parts.includes("real")) {
  talk(`${REAL_NODES} nodes in a lab`);
  try {
    await measureReal(REAL_NODES, ROLES, trials, real);
  } catch (error) {
    failures.push(`real: ${(error as Error).message}`);
  }
}
process.stdout.write(options.json ? `${JSON.stringify({ bench: "scale", simulated, real, failures }, null, 2)}\n` : report());

function report(): string {
  const row = (name: string, values: readonly number[]): string[][] => {
    if (values.length === 0) return [];
    const { count, min, median, max } = spreadOf(values);
    return [[name, String(count), ...[min, median, max].map(figure)]];
  };
  const of = (value: (one: SimulatedFigures) => number): readonly number[] => simulated.map(value);
  return [
    table(`${SIMULATED_NODES} simulated nodes (times are simulated: what the protocol waits for)`, ["", "runs", "min", "median", "max"], [
      ...row("all started at once, until all are in one view, ms", of((one) => one.coldStartMs)),
      ...row("one node started again, until all are in one view, ms", of((one) => one.joinMs)),
      ...row(`loss of a node with ${ROLES} roles, until all are online elsewhere, ms`, of((one) => one.failoverMs)),
      ...row("processor time of that for each node, ms, the simulator in it", of((one) => one.failoverCpuMs)),
      ...row("idle: per cent of a core for each node, the simulator in it", of((one) => one.idlePercent)),
    ]),
    "\n",
    table(`${REAL_NODES} nodes on hosts of a lab, which share this machine's processors`, ["", "count", "min", "median", "max"], [
      ...row("join: from the request for a token until the node is up, ms", real.joinMs),
      ...row(`loss of a node with ${ROLES} roles, until the first is online elsewhere, ms`, real.firstRoleMs),
      ...row(`loss of a node with ${ROLES} roles, until the last is online elsewhere, ms`, real.lastRoleMs),
      ...row("idle: per cent of a core for each node", real.idlePercent),
      ...row("memory of a node, MB (PSS as on a machine of its own)", real.memoryMb),
    ]),
    ...failures.map((failure) => `FAILED        ${failure}\n`),
  ].join("");
}
