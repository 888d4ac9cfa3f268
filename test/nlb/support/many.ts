import { createSocket } from "node:dgram";
import type { Socket as DatagramSocket } from "node:dgram";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Client, Tally } from "./traffic.ts";

/** Very many clients, each with an address and a port of its own, as quickly as one process can. */

const LIMIT_MS = 15_000;

function note(byHost: Record<string, number>, name: string): void {
  byHost[name] = (byHost[name] ?? 0) + 1;
}

export async function countClients(address: string, port: number, clients: readonly Client[], atOnce: number): Promise<Tally> {
  const byHost: Record<string, number> = {};
  const failed: string[] = [];
  const startedMs = performance.now();
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let client = clients[next++]; client !== undefined; client = clients[next++]) {
      const answer = await greeted(address, port, client);
      if (answer.isWell) note(byHost, answer.text);
      else failed.push(`${client.address}:${client.port}: ${answer.text}`);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return { byHost, failed, twice: 0, tookMs: performance.now() - startedMs };
}

function greeted(address: string, port: number, client: Client): Promise<{ readonly isWell: boolean; readonly text: string }> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, localAddress: client.address, localPort: client.port });
    const end = (isWell: boolean, text: string): void => {
      clearTimeout(timer);
      // Without the long farewell of TCP, which would fill the kernel's tables.
      socket.resetAndDestroy();
      resolve({ isWell, text });
    };
    const timer = setTimeout(() => end(false, "no answer"), LIMIT_MS);
    socket.once("data", (data) => end(true, data.toString("latin1").trim()));
    socket.on("error", (error) => end(false, error.message));
    socket.on("end", () => end(false, "it ended without an answer"));
  });
}

const SOCKETS_AT_ONCE = 500;

/** Each client sends one datagram; sockets are closed when their answers are there. */
export async function countDatagrams(address: string, port: number, clients: readonly Client[], waitMs: number): Promise<Tally> {
  const byHost: Record<string, number> = {};
  const failed: string[] = [];
  let twice = 0;
  const startedMs = performance.now();
  for (let at = 0; at < clients.length; at += SOCKETS_AT_ONCE) {
    const some = clients.slice(at, at + SOCKETS_AT_ONCE);
    const answers = some.map(() => 0);
    const sockets = await Promise.all(some.map((client, place) => bound(client, (text) => {
      answers[place]! += 1;
      note(byHost, text.split(" ")[0]!);
    })));
    for (const socket of sockets) socket.send("?", port, address);
    for (let leftMs = waitMs; leftMs > 0 && answers.includes(0); leftMs -= 5) await sleep(5);
    // A second answer would come as late as a first one.
    await sleep(5);
    for (const socket of sockets) socket.close();
    for (const [place, count] of answers.entries()) {
      if (count === 0) failed.push(`${some[place]!.address}:${some[place]!.port}: no answer`);
      if (count > 1) twice += 1;
    }
  }
  return { byHost, failed, twice, tookMs: performance.now() - startedMs };
}

function bound(client: Client, onAnswer: (text: string) => void): Promise<DatagramSocket> {
  const socket = createSocket(client.address.includes(":") ? "udp6" : "udp4");
  socket.on("message", (message) => onAnswer(message.toString("latin1")));
  return new Promise((resolve, reject) => socket.once("error", reject).bind(client.port, client.address, () => resolve(socket)));
}

/** When clients that ask all the time were not answered, and who answered before and after. */
export interface Silence {
  readonly client: number;
  readonly before: string;
  readonly after: string;
  /** Wall clock, equal for all processes of the machine. */
  readonly endedMs: number;
  /** From the last datagram before it that was answered to the first after it. */
  readonly lastedMs: number;
}

/** A few clients that ask all the time: what they miss is how long a bucket is nobody's. */
export class Datagrams {
  readonly #place: { readonly address: string; readonly port: number };
  readonly #everyMs: number;
  /** By client: when each datagram was sent, and who answered it; a place per number. */
  readonly #sent: { readonly atMs: number; answers: string[] }[][] = [];
  #sockets: DatagramSocket[] = [];
  #timer: NodeJS.Timeout | null = null;

  constructor(address: string, port: number, everyMs: number) {
    this.#place = { address, port };
    this.#everyMs = everyMs;
  }

  async start(clients: readonly Client[]): Promise<void> {
    this.#sockets = await Promise.all(clients.map((client, place) => {
      const sent: { readonly atMs: number; answers: string[] }[] = [];
      this.#sent[place] = sent;
      return bound(client, (text) => {
        const [name = "", number = ""] = text.split(" ");
        sent[Number(number)]?.answers.push(name);
      });
    }));
    this.#timer = setInterval(() => this.#round(), this.#everyMs);
  }

  #round(): void {
    for (const [place, socket] of this.#sockets.entries()) {
      const sent = this.#sent[place]!;
      socket.send(String(sent.length), this.#place.port, this.#place.address);
      sent.push({ atMs: performance.now(), answers: [] });
    }
  }

  /** @returns how many were sent, how many were answered twice, and each silence beside which the host changed */
  async stop(): Promise<{ readonly sent: number; readonly twice: number; readonly lost: number; readonly moves: readonly Silence[] }> {
    if (this.#timer !== null) clearInterval(this.#timer);
    await sleep(100);
    for (const socket of this.#sockets) socket.close();
    const all = this.#sent.flat();
    const moves = this.#sent.flatMap((sent, client) => {
      const answered = sent.filter(({ answers }) => answers.length > 0);
      return answered.slice(1).flatMap((one, place): Silence[] => {
        const before = answered[place]!;
        if (before.answers[0] === one.answers[0]) return [];
        return [{ client, before: before.answers[0]!, after: one.answers[0]!, endedMs: performance.timeOrigin + one.atMs, lastedMs: one.atMs - before.atMs }];
      });
    });
    return { sent: all.length, twice: all.filter(({ answers }) => answers.length > 1).length, lost: all.filter(({ answers }) => answers.length === 0).length, moves };
  }
}
