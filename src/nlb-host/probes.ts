import { spawn } from "node:child_process";
import { get } from "node:http";
import { connect } from "node:net";
import type { ClusterParameters, HealthProbe, MetricCommand, PortRule } from "../nlb/parameters.ts";
import { ruleKey } from "../nlb/parameters.ts";

/** What a probe found; capacity is how much of its weight the host can carry, 0 to 100. */
export interface Health {
  readonly isHealthy: boolean;
  readonly capacity: number;
  /** Of what is not well; null = all is. */
  readonly reason: string | null;
}

/** Answers that must agree before a host changes its mind: one lost answer is no illness. */
const FAILURES_UNTIL_ILL = 2;
const OUTPUT_CHARACTERS_MAX = 4_096;
const WELL: Health = { isHealthy: true, capacity: 100, reason: null };

/**
 * Looks at the applications behind the rules, each at its own pace. A host that is not well for a rule drains itself
 * from it, and comes back when the probe says so; a metric makes its share smaller.
 */
export class Probes {
  readonly #onHealth: (rule: string, health: Health) => void;
  readonly #running = new Map<string, { readonly text: string; stop: () => void }>();
  readonly #known = new Map<string, Health>();

  constructor(onHealth: (rule: string, health: Health) => void) {
    this.#onHealth = onHealth;
  }

  /** Starts, goes on with and ends probes so that they are those of the rules. */
  use(cluster: ClusterParameters): void {
    const wanted = new Map(cluster.rules.filter(({ probe, metric }) => probe !== null || metric !== null).map((rule) => [ruleKey(rule), rule]));
    for (const [key, { text, stop }] of this.#running) {
      const rule = wanted.get(key);
      if (rule !== undefined && textOf(rule) === text) continue;
      stop();
      this.#running.delete(key);
      this.#tell(key, WELL);
    }
    for (const [key, rule] of wanted) if (!this.#running.has(key)) this.#running.set(key, { text: textOf(rule), stop: this.#watch(key, rule) });
  }

  health(rule: string): Health {
    return this.#known.get(rule) ?? WELL;
  }

  /** Tells what is known to a balancer that has just begun: what does not change is told once only. */
  repeat(): void {
    for (const [rule, health] of this.#known) this.#onHealth(rule, health);
  }

  stop(): void {
    for (const { stop } of this.#running.values()) stop();
    this.#running.clear();
  }

  #watch(key: string, { probe, metric }: PortRule): () => void {
    let failures = 0;
    let health = WELL;
    let isOver = false;
    const update = (change: Partial<Health>): void => {
      // What was on its way when the probe was ended is nobody's word any more: no later one would undo it.
      if (!isOver) this.#tell(key, (health = { ...health, ...change }));
    };
    const stops = [
      probe === null ? null : every(probe.intervalMs, async () => {
        const reason = await problemOf(probe);
        failures = reason === null ? 0 : failures + 1;
        if (reason === null) update({ isHealthy: true, reason: null });
        else if (failures >= FAILURES_UNTIL_ILL) update({ isHealthy: false, reason });
      }),
      metric === null ? null : every(metric.intervalMs, async () => {
        const capacity = await measure(metric);
        // A metric that says nothing takes nothing away: the probe is there for that.
        if (capacity !== null) update({ capacity });
      }),
    ];
    return () => {
      isOver = true;
      stops.forEach((stop) => stop?.());
    };
  }

  #tell(key: string, health: Health): void {
    const known = this.health(key);
    if (known.isHealthy === health.isHealthy && known.capacity === health.capacity && known.reason === health.reason) return;
    this.#known.set(key, health);
    this.#onHealth(key, health);
  }
}

function textOf({ probe, metric }: PortRule): string {
  return JSON.stringify([probe, metric]);
}

/** The next one only when the last one has ended. */
function every(intervalMs: number, action: () => Promise<void>): () => void {
  let isStopped = false;
  let timer: NodeJS.Timeout | undefined;
  const turn = async (): Promise<void> => {
    await action();
    if (!isStopped) timer = setTimeout(() => void turn(), intervalMs);
  };
  void turn();
  return () => {
    isStopped = true;
    clearTimeout(timer);
  };
}

/** @returns what is wrong; null = nothing */
export function problemOf(probe: HealthProbe): Promise<string | null> {
  if (probe.kind === "tcp") return tcpProblem(probe.port, probe.timeoutMs);
  if (probe.kind === "http") return httpProblem(probe);
  return run(probe.command, probe.timeoutMs).then(({ problem }) => problem);
}

function tcpProblem(port: number, timeoutMs: number): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    const finish = (problem: string | null): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(problem);
    };
    const timer = setTimeout(() => finish(`port ${port} did not answer within ${timeoutMs} ms`), timeoutMs);
    socket.once("connect", () => finish(null));
    socket.once("error", (error) => finish(`port ${port}: ${error.message}`));
  });
}

function httpProblem({ port, path, expectedStatus, timeoutMs }: Extract<HealthProbe, { kind: "http" }>): Promise<string | null> {
  return new Promise((resolve) => {
    const where = `http://127.0.0.1:${port}${path}`;
    const request = get(where, { agent: false }, (response) => {
      response.resume();
      finish(response.statusCode === expectedStatus ? null : `${where} answered ${response.statusCode}, not ${expectedStatus}`);
    });
    const finish = (problem: string | null): void => {
      clearTimeout(timer);
      request.destroy();
      resolve(problem);
    };
    const timer = setTimeout(() => finish(`${where} did not answer within ${timeoutMs} ms`), timeoutMs);
    request.on("error", (error) => finish(`${where}: ${error.message}`));
  });
}

async function measure({ command, timeoutMs }: MetricCommand): Promise<number | null> {
  const { problem, output } = await run(command, timeoutMs);
  const value = Number(output.trim().split(/\s/)[0]);
  return problem !== null || output.trim() === "" || !Number.isFinite(value) ? null : Math.min(100, Math.max(0, Math.round(value)));
}

function run(command: string, timeoutMs: number): Promise<{ readonly problem: string | null; readonly output: string }> {
  return new Promise<{ readonly problem: string | null; readonly output: string }>((resolve) => {
    // A group of its own: what the shell has started ends with it.
    const child = spawn("sh", ["-c", command], { detached: true, stdio: ["ignore", "pipe", "pipe"] });
    const said = { stdout: "", stderr: "" };
    const finish = (problem: string | null): void => {
      clearTimeout(limit);
      const line = (said.stderr || said.stdout).trim().split("\n")[0] ?? "";
      resolve({ problem: problem === null ? null : `'${command}' ${problem}${line === "" ? "" : `: ${line}`}`, output: said.stdout });
    };
    const abandon = (problem: string): void => {
      endGroup(child.pid);
      child.stdout?.destroy();
      child.stderr?.destroy();
      finish(problem);
    };
    const limit = setTimeout(() => abandon(`did not end within ${timeoutMs} ms`), timeoutMs);
    for (const name of ["stdout", "stderr"] as const) {
      // There is none where no more files can be opened.
      child[name]?.setEncoding("utf8").on("data", (text: string) => {
        said[name] += text;
        if (said[name].length > OUTPUT_CHARACTERS_MAX) abandon(`said more than ${OUTPUT_CHARACTERS_MAX} characters`);
      });
    }
    child.once("error", (error) => finish(`could not be started: ${error.message}`));
    child.once("close", (code, signal) => finish(code === 0 ? null : `ended with ${code ?? signal}`));
  }).catch((error: Error) => ({ problem: `'${command}' could not be started: ${error.message}`, output: "" }));
}

function endGroup(group: number | undefined): void {
  try {
    if (group !== undefined) process.kill(-group, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}
