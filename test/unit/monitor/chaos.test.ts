import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { sleepMs } from "../../../src/monitor/clock.ts";
import { CLEAR_ENVIRONMENT, Workbench, runs, until } from "./helpers.ts";
import { ServiceProcess } from "./service.ts";

/** `MUSTER_TEST_SEED=n` repeats a run's choices, `MUSTER_TEST_ROUNDS=n` makes it longer. */
const SEED = Number(process.env["MUSTER_TEST_SEED"] ?? Date.now() % 1_000_000);
const ROUNDS = Number(process.env["MUSTER_TEST_ROUNDS"] ?? 12);
const NODES = 3;

/**
 * The role looks for its earlier copies and writes down each one it sees alive. It has a daemon that left its
 * session, its environment and its files behind.
 */
const PROGRAM = `sh -c '
look() {
  for p in $(cat all.txt 2>/dev/null); do
    if { read -r s </proc/$p/stat; } 2>/dev/null; then case \${s##*) } in Z*|X*) ;; *) echo "$$ saw $p" >>overlap.txt ;; esac; fi
  done
}
look
echo $$ >>all.txt
setsid ${CLEAR_ENVIRONMENT} sh -c "exec 0<&- 1>&- 2>&- 3>&-; echo \\$\\$ >>all.txt; exec sleep 1000" &
while :; do sleep 0.05; done
'`;

type Fault = "kill service" | "kill monitor" | "kill both" | "stop both" | "stop monitor" | "stop all" | "kill role" | "none";
const FAULTS: readonly Fault[] = ["kill service", "kill monitor", "kill both", "stop both", "stop monitor", "stop all", "kill role", "none"];

describe("faults and new owners, at random", () => {
  let bench: Workbench;
  const services: (ServiceProcess | null)[] = [];
  const all: ServiceProcess[] = [];
  before(() => {
    bench = new Workbench();
  });
  after(async () => {
    for (const service of all) await service.end();
    await bench.close();
  });

  async function alive(node: number): Promise<ServiceProcess> {
    const present = services[node] ?? null;
    if (present !== null && runs(present.processId)) return present;
    const made = new ServiceProcess(bench.hostOptions(node, { incarnation: all.length + 1, hangTimeoutMs: 1500 }));
    all.push(made);
    services[node] = await made.started();
    return made;
  }

  test(`never two copies at a time (seed ${SEED}, ${ROUNDS} rounds)`, async () => {
    let state = SEED;
    const random = (below: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    const resource = bench.application("c1", PROGRAM);
    let owner = 1;
    for (let round = 1; round <= ROUNDS; round++) {
      const current = await alive(owner);
      const role = await current.online(bench.online(resource, 2 * round));
      const fault = FAULTS[random(FAULTS.length)] ?? "none";
      await sleepMs(random(60));
      const [monitor = 0] = current.monitorsNow();
      const act = (processId: number, signal: NodeJS.Signals): void => {
        try {
          process.kill(processId, signal);
        } catch {
          // It is gone already.
        }
      };
      if (fault === "stop all") act(role, "SIGSTOP");
      if (fault.startsWith("stop") || fault === "kill both" || fault === "kill monitor") act(monitor, fault.startsWith("stop") ? "SIGSTOP" : "SIGKILL");
      if (fault === "stop both" || fault === "stop all") act(current.processId, "SIGSTOP");
      if (fault === "kill service" || fault === "kill both") act(current.processId, "SIGKILL");
      if (fault === "kill role") act(role, "SIGKILL");
      await sleepMs(random(3) * 15);
      // The others have excluded the owner: one of them is told to start, at once.
      owner = 1 + ((owner - 1 + 1 + random(NODES - 1)) % NODES);
      const taker = await alive(owner);
      const next = await taker.online(bench.online(resource, 2 * round + 1)).catch((error: unknown) => assert.fail(`round ${round}, ${fault}: ${String(error)}`));
      assert.ok(runs(next), `round ${round}, ${fault}`);
      assert.ok(!runs(role), `round ${round}, ${fault}: the old copy is gone`);
      act(current.processId, "SIGCONT");
      assert.ok(!existsSync(bench.path("overlap.txt")), `round ${round}, ${fault}: ${existsSync(bench.path("overlap.txt")) ? readFileSync(bench.path("overlap.txt"), "utf8") : ""}`);
    }
    const seen = readFileSync(bench.path("all.txt"), "utf8").trim().split("\n").map(Number);
    assert.ok(seen.length >= 2 * ROUNDS);
    await until("at most one copy to be alive", () => seen.filter(runs).length <= 2);
  });
});
