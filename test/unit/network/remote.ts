import { spawn } from "node:child_process";
import type { Server, Socket } from "node:net";
import { connect, createServer } from "node:net";
import { KernelGate } from "../../../src/network/gate.ts";
import { Nftables } from "../../../src/network/nftables.ts";
import { serve } from "./lab.ts";

/** A machine's process for tests of the gate: it has a gate, serves echoes, and asks for them. */

let gate: KernelGate | null = null;
let nftables: Nftables | null = null;
let armedAtMs = 0;
let renewing: NodeJS.Timeout | null = null;
const servers: Server[] = [];
const sockets = new Map<string, Socket>();

function theGate(): KernelGate {
  if (gate === null) throw new Error("no gate was installed");
  return gate;
}

serve({
  install(table: string, clustered: string[]) {
    nftables ??= new Nftables();
    gate = new KernelGate(nftables, table);
    gate.install(clustered);
  },
  arm: (slot: number, timeoutMs: number) => theGate().arm(slot, timeoutMs),
  point: (slot: number) => theGate().point(slot),
  close: () => theGate().close(),
  own: (addresses: string[]) => theGate().own(addresses),
  setClustered: (addresses: string[]) => theGate().setClustered(addresses),
  state: () => theGate().state(),
  remove: () => theGate().remove(),
  repair: () => theGate().repair(),
  nft: (commands: string) => nftables?.run(commands),

  /** Arms and confirms for ever, as a node with evidence does. */
  renew(leaseMs: number, tickMs: number) {
    let number = 0;
    const tick = (): void => {
      number += 1;
      armedAtMs = Number(process.hrtime.bigint()) / 1e6;
      theGate().arm(number % 8, leaseMs);
      theGate().point(number % 8);
    };
    tick();
    renewing = setInterval(tick, tickMs);
  },
  /** @returns the moment before the last slot was armed, on the clock that all processes share, ms */
  stopRenewing() {
    if (renewing !== null) clearInterval(renewing);
    return armedAtMs;
  },

  /** How long arm and point take, ms. */
  measure(count: number) {
    const samples: { arm: number[]; point: number[] } = { arm: [], point: [] };
    const cpu = process.cpuUsage();
    for (let number = 0; number < count; number++) {
      const startMs = performance.now();
      theGate().arm(number % 8, 300);
      const armedMs = performance.now();
      theGate().point(number % 8);
      samples.arm.push(armedMs - startMs);
      samples.point.push(performance.now() - armedMs);
    }
    const { user, system } = process.cpuUsage(cpu);
    const at = (list: number[], share: number): number => list.sort((a, b) => a - b)[Math.min(list.length - 1, Math.trunc(list.length * share))] ?? 0;
    return { armMs: { median: at(samples.arm, 0.5), p99: at(samples.arm, 0.99) }, pointMs: { median: at(samples.point, 0.5), p99: at(samples.point, 0.99) }, processorMsPerRound: (user + system) / 1000 / count };
  },

  /** Sends back what it gets. */
  listen: (address: string, port: number) =>
    new Promise<void>((resolve, reject) => {
      const server = createServer((socket) => {
        socket.on("error", () => undefined);
        socket.pipe(socket);
      });
      servers.push(server);
      server.once("error", reject);
      server.listen({ host: address, port }, () => resolve());
    }),

  connect: (name: string, address: string, port: number, limitMs: number) =>
    new Promise<boolean>((resolve) => {
      const socket = connect({ host: address, port, noDelay: true });
      const timer = setTimeout(() => finish(false), limitMs);
      const finish = (connected: boolean): void => {
        clearTimeout(timer);
        if (connected) sockets.set(name, socket);
        else socket.destroy();
        resolve(connected);
      };
      socket.on("error", () => finish(false));
      socket.once("connect", () => finish(true));
    }),

  /** Whether bytes sent now come back in time over a connection that was made before. */
  exchange: (name: string, limitMs: number) =>
    new Promise<boolean>((resolve) => {
      const socket = sockets.get(name);
      if (socket === undefined) return resolve(false);
      const timer = setTimeout(() => finish(false), limitMs);
      const finish = (answered: boolean): void => {
        clearTimeout(timer);
        socket.removeAllListeners("data");
        resolve(answered);
      };
      socket.once("data", () => finish(true));
      socket.write("x");
    }),

  /** Echo requests with one identifier, as one flow. @returns when the last answer came, on the shared clock; 0 = none came */
  pinging: (address: string, everyMs: number, silenceMs: number) =>
    new Promise<number>((resolve) => {
      const child = spawn("ping", ["-n", "-w", "30", "-i", String(everyMs / 1000), address], { stdio: ["ignore", "pipe", "ignore"] });
      const now = (): number => Number(process.hrtime.bigint()) / 1e6;
      let lastMs = 0;
      const startMs = now();
      child.stdout.on("data", (data: Buffer) => {
        if (data.includes("bytes from")) lastMs = now();
      });
      const timer = setInterval(() => {
        if (now() - Math.max(lastMs, startMs) < silenceMs) return;
        clearInterval(timer);
        child.kill("SIGKILL");
        resolve(lastMs);
      }, 20);
    }),

  /** Sends a byte every few ms. @returns when the last one came back, on the shared clock, after none came for `silenceMs` */
  stream: (name: string, everyMs: number, silenceMs: number) =>
    new Promise<number>((resolve) => {
      const socket = sockets.get(name);
      if (socket === undefined) return resolve(0);
      const now = (): number => Number(process.hrtime.bigint()) / 1e6;
      let lastMs = now();
      socket.on("data", () => (lastMs = now()));
      const timer = setInterval(() => {
        socket.write("x");
        if (now() - lastMs < silenceMs) return;
        clearInterval(timer);
        resolve(lastMs);
      }, everyMs);
    }),
});
