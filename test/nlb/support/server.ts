import { createServer } from "node:http";
import type { Server } from "node:http";
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
  well(value: boolean) {
    isWell = value;
  },
  accepted: () => [...accepted],
});
