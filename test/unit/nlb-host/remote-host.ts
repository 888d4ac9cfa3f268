import { createServer } from "node:http";
import type { Server } from "node:http";
import { Balancer } from "../../../src/nlb-host/balancer.ts";
import type { BalancerOptions, FromBalancer } from "../../../src/nlb-host/messages.ts";
import { decodeMap, encodeMap } from "../../../src/nlb/map.ts";
import { monotonicMs } from "../../../src/platform/clock.ts";
import { serve } from "../network/lab.ts";

/** A machine's process for tests of balanced hosts: a balancer, and a web server that says which host it is. */

let balancer: Balancer | null = null;
const servers: Server[] = [];
const told: FromBalancer[] = [];

serve({
  async start(options: BalancerOptions) {
    balancer = await Balancer.start({ ...options, key: Buffer.from("k".repeat(32)) }, (message) => {
      told.push(message);
      // Who has a map is asked by the test: it stands for the main thread.
      if (message.kind === "fetchMap" || message.kind === "exchangeAffinity" || message.kind === "log") process.send?.(message);
    }, monotonicMs);
  },
  snapshot: () => balancer?.snapshot(),
  map: () => { const map = balancer?.snapshot().map ?? null; return map === null ? null : Buffer.from(encodeMap(map)).toString("base64"); },
  hear: (text: string) => { const map = decodeMap(Buffer.from(text, "base64")); if (map !== null) balancer?.handle({ kind: "map", map }); },
  handle: (message: Parameters<Balancer["handle"]>[0]) => balancer?.handle(message),
  told: () => told,
  stop: () => balancer?.stop(),

  async web(port: number, name: string) {
    for (const host of ["0.0.0.0", "::"]) {
      const server = createServer((_request, response) => response.end(name));
      await new Promise<void>((resolve) => server.listen({ port, host, ipv6Only: true }, resolve));
      servers.push(server);
    }
  },
});
