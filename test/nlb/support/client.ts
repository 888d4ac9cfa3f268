import { createSocket } from "node:dgram";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { serve } from "../../unit/network/lab.ts";
import { Datagrams, countClients, countDatagrams } from "./many.ts";
import { Talks } from "./talks.ts";
import type { Client, Outcome, Traffic } from "./traffic.ts";

/** A machine that asks for pages from many addresses. Its kernel lets a program use any address of the networks behind it. */

let outcomes: Outcome[] = [];
let isRunning = false;
let workers: Promise<void>[] = [];
let drawn = 0;

let datagrams: Datagrams | null = null;
let talks: Talks | null = null;

const now = (): number => Date.now();

/** One connection of its own, and all that is said on it. */
function ask({ address, port, path = "/", limitMs = 10_000 }: Traffic, from: string): Promise<Outcome> {
  return new Promise((resolve) => {
    const startedMs = now();
    let text = "";
    let connectedMs: number | null = null;
    let localPort = 0;
    const socket = connect({ host: address, port, localAddress: from });
    const end = (error: string | null): void => {
      clearTimeout(timer);
      socket.destroy();
      const at = text.indexOf("\r\n\r\n");
      const isWhole = at !== -1 && !text.slice(0, 12).includes(" 5");
      resolve({ from, localPort, startedMs, tookMs: now() - startedMs, connectMs: connectedMs === null ? null : connectedMs - startedMs, bytes: Math.max(0, text.length - at - 4), body: error === null && isWhole ? text.slice(at + 4).replace(/^x+/, "") : null, error: error ?? (isWhole ? null : "it ended without an answer") });
    };
    const timer = setTimeout(() => end(connectedMs === null ? "no connection" : "no answer"), limitMs);
    socket.setEncoding("latin1");
    socket.on("connect", () => {
      connectedMs = now();
      localPort = socket.localPort ?? 0;
      socket.write(`GET ${path} HTTP/1.0\r\n\r\n`);
    });
    socket.on("data", (chunk: string) => (text += chunk));
    socket.on("error", (error) => end(error.message));
    socket.on("end", () => end(null));
  });
}

const addressOf = ({ sources }: Traffic): string => sources[drawn++ % sources.length]!;

async function work(traffic: Traffic, goOn: () => boolean): Promise<void> {
  while (goOn()) {
    outcomes.push(await ask(traffic, addressOf(traffic)));
    if (traffic.pauseMs !== undefined) await sleep(traffic.pauseMs);
  }
}

serve({
  /** So many connections, and what became of each. */
  async burst(traffic: Traffic, count: number, atOnce: number) {
    const found: Outcome[] = [];
    let left = count;
    await Promise.all(
      Array.from({ length: atOnce }, async () => {
        while (left-- > 0) found.push(await ask(traffic, addressOf(traffic)));
      }),
    );
    return found;
  },
  /** Goes on until `stop`. */
  start(traffic: Traffic, atOnce: number) {
    outcomes = [];
    isRunning = true;
    workers = Array.from({ length: atOnce }, () => work(traffic, () => isRunning));
  },
  async stop() {
    isRunning = false;
    await Promise.all(workers);
    return outcomes;
  },
  /** One connection of each client, as short as may be: how many each host answered, and what went wrong. */
  countClients: (address: string, port: number, clients: readonly Client[], atOnce: number) => countClients(address, port, clients, atOnce),
  /** One datagram of each client: how many answers came of each host. */
  countDatagrams: (address: string, port: number, clients: readonly Client[], waitMs: number) => countDatagrams(address, port, clients, waitMs),
  /** Some clients ask all the time, with datagrams, until `stopDatagrams`. */
  async startDatagrams(address: string, port: number, clients: readonly Client[], everyMs: number) {
    datagrams = new Datagrams(address, port, everyMs);
    await datagrams.start(clients);
  },
  async stopDatagrams() {
    return datagrams!.stop();
  },
  /** Connections that stay, with something said on each all the time, until `stopTalks`. */
  startTalks(address: string, port: number, sources: readonly string[], lifeMs: number) {
    talks = new Talks(address, port, lifeMs);
    talks.start(sources);
  },
  stopTalks: () => talks!.stop(),
  one: (traffic: Traffic) => ask(traffic, addressOf(traffic)),
  /** Datagrams to a place, without an answer. */
  async send(address: string, port: number, texts: readonly string[]) {
    const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
    for (const text of texts) await new Promise((resolve) => socket.send(Buffer.from(text, "base64"), port, address, resolve));
    socket.close();
  },
});
