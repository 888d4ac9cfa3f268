import type { ChildProcess } from "node:child_process";
import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

/** Namespaces need root; without it these tests say that they did not run. */
export const CANNOT = process.getuid?.() === 0 && spawnSync("ip", ["netns", "list"]).status === 0 ? false : "needs root, iproute2 and network namespaces";

/** Generous: two noisy cores, and other tests beside this one. */
export const PATIENCE_MS = 20_000;

let counter = 0;

/** Runs a program; its output in one text. @throws Error with what it said, unless `allowed` takes its code */
export function run(words: readonly string[], allowed: (code: number | null) => boolean = (code) => code === 0): string {
  const [program = "", ...rest] = words;
  const { status, stdout, stderr, error } = spawnSync(program, rest, { encoding: "utf8", timeout: PATIENCE_MS, killSignal: "SIGKILL" });
  if (error !== undefined) throw error;
  if (!allowed(status)) throw new Error(`${words.join(" ")}: code ${status}: ${stderr}${stdout}`);
  return `${stdout}${stderr}`;
}

export async function until<T>(what: string, probe: () => T | Promise<T>, limitMs = PATIENCE_MS): Promise<NonNullable<T>> {
  const deadlineMs = performance.now() + limitMs;
  for (;;) {
    const value = await probe();
    if (value) return value as NonNullable<T>;
    if (performance.now() > deadlineMs) throw new Error(`waited ${limitMs} ms in vain for: ${what}`);
    await sleep(5);
  }
}

/** Namespaces of tests that were killed, which nobody else would ever remove: their names say whose they are. */
function removeOrphans(): void {
  for (const [namespace, owner] of run(["ip", "netns", "list"]).matchAll(/^mt(\d+)x\w+/gm)) {
    if (existsSync(`/proc/${owner}`)) continue;
    // Another test may be doing the same.
    run(["ip", "netns", "del", namespace], () => true);
  }
}

export interface Machine {
  readonly namespace: string;
  readonly address: string;
  readonly address6: string;
  readonly hardwareAddress: string;
}

/**
 * A switch and some machines, each a network namespace with `eth0` in 10.77.0.0/24 and fd77::/64. Machine n (from 1)
 * has 10.77.0.n and fd77::n. The loopback device is up.
 */
export class Lab {
  readonly machines: readonly Machine[];
  readonly #prefix = `mt${process.pid}x${++counter}`;
  readonly #remotes: Remote[] = [];
  readonly #behind: string[] = [];

  constructor(machines: number) {
    if (counter === 1) removeOrphans();
    this.machines = Array.from({ length: machines }, (_, position) => {
      const number = position + 1;
      return { namespace: `${this.#prefix}n${number}`, address: `10.77.0.${number}`, address6: `fd77::${number}`, hardwareAddress: `0a:00:00:00:00:0${number}` };
    });
    try {
      this.#make();
    } catch (error) {
      this.#removeNamespaces();
      throw error;
    }
  }

  #make(): void {
    const bridge = this.#switch;
    run(["ip", "netns", "add", bridge]);
    run(["ip", "-n", bridge, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0"]);
    run(["ip", "-n", bridge, "link", "set", "br0", "up"]);
    for (const [position, { namespace, address, address6, hardwareAddress }] of this.machines.entries()) {
      run(["ip", "netns", "add", namespace]);
      run(["ip", "-n", namespace, "link", "set", "lo", "up"]);
      run(["ip", "-n", bridge, "link", "add", `p${position + 1}`, "type", "veth", "peer", "name", "eth0", "netns", namespace, "address", hardwareAddress]);
      run(["ip", "-n", bridge, "link", "set", `p${position + 1}`, "master", "br0", "up"]);
      run(["ip", "-n", namespace, "addr", "add", `${address}/24`, "dev", "eth0"]);
      run(["ip", "-n", namespace, "addr", "add", `${address6}/64`, "dev", "eth0", "nodad"]);
      run(["ip", "-n", namespace, "link", "set", "eth0", "up"]);
    }
  }

  get #switch(): string {
    return `${this.#prefix}sw`;
  }

  machine(number: number): Machine {
    const machine = this.machines[number - 1];
    if (machine === undefined) throw new Error(`there is no machine ${number}`);
    return machine;
  }

  /** A program on a machine. */
  on(number: number, words: readonly string[], allowed?: (code: number | null) => boolean): string {
    return run(["ip", "netns", "exec", this.machine(number).namespace, ...words], allowed);
  }

  succeeds(number: number, words: readonly string[]): boolean {
    let code: number | null = null;
    this.on(number, words, (status) => {
      code = status;
      return true;
    });
    return code === 0;
  }

  /** One echo request; no name look-ups. */
  pings(number: number, address: string): boolean {
    return this.succeeds(number, ["ping", "-n", "-c", "1", "-W", "1", address]);
  }

  /** What the machine has learned of an address; empty = nothing that could be used. */
  neighbour(number: number, address: string): string {
    const line = run(["ip", "-n", this.machine(number).namespace, "neigh", "show", address, "dev", "eth0"]);
    return /lladdr (\S+)/.exec(line)?.[1] ?? "";
  }

  forgetNeighbours(number: number): void {
    for (const family of ["-4", "-6"]) run(["ip", "-n", this.machine(number).namespace, family, "neigh", "flush", "all"]);
  }

  /** Pulls the cable of a machine, or plugs it in. */
  cable(number: number, plugged: boolean): void {
    run(["ip", "-n", this.#switch, "link", "set", `p${number}`, plugged ? "up" : "down"]);
  }

  /** A namespace behind a machine, which routes for it: `device` of the machine has .1, `eth0` inside has `inside`, both of a /24. */
  behind(number: number, device: string, inside: string): string {
    const { namespace } = this.machine(number);
    const name = `${this.#prefix}b${this.#behind.length}`;
    run(["ip", "netns", "add", name]);
    this.#behind.push(name);
    const gateway = inside.replace(/[0-9]+$/, "1");
    run(["ip", "-n", namespace, "link", "add", device, "type", "veth", "peer", "name", "eth0", "netns", name]);
    run(["ip", "-n", namespace, "addr", "add", `${gateway}/24`, "dev", device]);
    run(["ip", "-n", namespace, "link", "set", device, "up"]);
    run(["ip", "-n", name, "addr", "add", `${inside}/24`, "dev", "eth0"]);
    run(["ip", "-n", name, "link", "set", "eth0", "up"]);
    run(["ip", "-n", name, "route", "add", "default", "via", gateway]);
    this.on(number, ["sysctl", "-qw", "net.ipv4.ip_forward=1"]);
    return name;
  }

  /** A process of the machine that does what it is asked. */
  remote(number: number, script = new URL("./remote.ts", import.meta.url), argument = ""): Remote {
    const remote = new Remote(this.machine(number).namespace, fileURLToPath(script), argument);
    this.#remotes.push(remote);
    return remote;
  }

  async close(): Promise<void> {
    for (const remote of this.#remotes) remote.kill();
    await Promise.all(this.#remotes.map((remote) => remote.exited));
    this.#removeNamespaces();
  }

  #removeNamespaces(): void {
    for (const name of [...this.#behind, ...this.machines.map((machine) => machine.namespace), this.#switch]) run(["ip", "netns", "del", name], () => true);
  }
}

type Answer = { readonly number: number; readonly result?: unknown; readonly problem?: string };

/** The test's side of a process in a namespace: it asks, the process answers. */
export class Remote {
  readonly child: ChildProcess;
  readonly exited: Promise<number | string | null>;
  /** What the process told without being asked. */
  readonly told: { readonly kind: string; readonly [field: string]: unknown }[] = [];
  readonly #waiting = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>();
  #number = 0;

  constructor(namespace: string, script: string, argument: string) {
    this.child = spawn("ip", ["netns", "exec", namespace, process.execPath, "--disable-warning=ExperimentalWarning", script, argument], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    this.exited = new Promise((resolve) => {
      this.child.once("exit", (code, signal) => resolve(code ?? signal));
      this.child.once("error", () => resolve("not started"));
    });
    this.child.on("message", (message: Answer | { kind: string }) => {
      if ("kind" in message) this.told.push(message);
      else this.#answered(message);
    });
    void this.exited.then((code) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`the process ended: ${code}`));
      this.#waiting.clear();
    });
  }

  #answered({ number, result, problem }: Answer): void {
    const waiting = this.#waiting.get(number);
    this.#waiting.delete(number);
    if (problem === undefined) waiting?.resolve(result);
    else waiting?.reject(new Error(problem));
  }

  ask<Result = void>(verb: string, ...words: readonly unknown[]): Promise<Result> {
    return new Promise((resolve, reject) => {
      const number = ++this.#number;
      this.#waiting.set(number, { resolve: resolve as (result: unknown) => void, reject });
      this.child.send({ number, verb, words }, (error) => {
        if (error !== null) this.#answered({ number, problem: error.message });
      });
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  kill(): void {
    this.child.kill("SIGKILL");
  }
}

/** The process's side: answers what it is asked, and ends with the test. */
export function serve(verbs: Readonly<Record<string, (...words: never[]) => unknown>>): void {
  process.on("message", (question: { number: number; verb: string; words: never[] }) => {
    void (async () => {
      try {
        process.send?.({ number: question.number, result: await verbs[question.verb]?.(...question.words) });
      } catch (error) {
        process.send?.({ number: question.number, problem: error instanceof Error ? error.message : String(error) });
      }
    })();
  });
  process.on("disconnect", () => process.exit(0));
}
