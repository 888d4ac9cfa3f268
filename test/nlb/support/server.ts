import { createSocket } from "node:dgram";
import { createServer } from "node:http";
import type { Server } from "node:http";
import { createServer as createPlainServer } from "node:net";
import { serve } from "../../unit/network/lab.ts";

/** A web server on a host: says which host it is, counts whom it accepted, and has a long download. */

const CHUNK = Buffer.alloc(16 * 1_024, "x");
const PAUSE_MS = 50;
/** By `client address:port`, how often its request came here. */
const accepted = new Map<string, number>();
const servers = new Map<number, Server[]>();
let isWell = true;

serve({
  async listen(port: number, name: string) {
    const own: Server[] = [];
    for (const host of ["0.0.0.0", "::"]) {
      const server = createServer((request, response) => {
        const from = `${request.socket.remoteAddress}:${request.socket.remotePort}`;
        accepted.set(from, (accepted.get(from) ?? 0) + 1);
        if (request.url === "/health") return void response.writeHead(isWell ? 200 : 503).end();
        const chunks = /^\/download\/(\d+)$/.exec(request.url ?? "");
        if (chunks === null) return void response.end(name);
        let left = Number(chunks[1]);
        const timer = setInterval(() => {
          response.write(CHUNK);
          left -= 1;
          if (left > 0) return;
          clearInterval(timer);
          response.end(name);
        }, PAUSE_MS);
        response.once("close", () => clearInterval(timer));
      });
      // A burst of a test must not be lost in the queue of the listener.
      await new Promise<void>((resolve, reject) => server.once("error", reject).listen({ port, host, ipv6Only: true, backlog: 2_048 }, resolve));
      own.push(server);
    }
    servers.set(port, own);
  },
  /** Says its name at once, and again for whatever comes: what a connection costs least, and what one that stays needs. */
  async talk(port: number, name: string) {
    for (const host of ["0.0.0.0", "::"]) {
      const server = createPlainServer((socket) => {
        socket.setNoDelay(true);
        socket.write(`${name}\n`);
        socket.on("data", () => socket.write(`${name}\n`));
        // Clients may end by a reset: that is their way of ending soon.
        socket.on("error", () => socket.destroy());
      });
      await new Promise<void>((resolve, reject) => server.once("error", reject).listen({ port, host, ipv6Only: true, backlog: 4_096 }, resolve));
    }
  },
  /** Answers every datagram to that address with its name and what it said. */
  async answer(address: string, port: number, name: string) {
    const socket = createSocket({ type: address.includes(":") ? "udp6" : "udp4", recvBufferSize: 4_000_000 });
    socket.on("message", (message, from) => socket.send(`${name} ${message}`, from.port, from.address));
    await new Promise<void>((resolve, reject) => socket.once("error", reject).bind(port, address, resolve));
  },
  well(value: boolean) {
    isWell = value;
  },
  accepted: () => [...accepted],
});
