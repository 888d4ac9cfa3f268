import type { LeaseHostOptions } from "../../../src/leasing/host.ts";
import { LeaseHost } from "../../../src/leasing/host.ts";
import { monotonicMs } from "../../../src/leasing/clock.ts";
import { leaseParameters } from "../../../src/lease/parameters.ts";
import type { AcceptedInstall, ActiveView } from "../../../src/lease/ledger.ts";
import { Nftables } from "../../../src/network/nftables.ts";
import { createServer } from "node:net";
import { serve } from "../network/lab.ts";

/** A node's service as far as the lease goes: a main loop and a lease host. */

let host: LeaseHost | null = null;
let permitUntilMs = 0;
const exits: string[] = [];
const repairs: string[] = [];

function theHost(): LeaseHost {
  if (host === null) throw new Error("not started");
  return host;
}

serve({
  async start(options: Omit<LeaseHostOptions, "parameters" | "onPermit" | "onExit" | "onRepaired">, tokenMs: number) {
    host = new LeaseHost({
      ...options,
      parameters: leaseParameters({ tokenMs }),
      onPermit: (untilMs) => (permitUntilMs = untilMs),
      onExit: (reason) => exits.push(reason),
      onRepaired: (problem) => repairs.push(problem),
    });
    await host.start();
    setInterval(() => host?.alive(), 100);
  },
  active: (view: ActiveView) => theHost().activeDelivered(view),
  accept: (install: AcceptedInstall) => ({ holds: theHost().accept(install), nowMs: monotonicMs() }),
  own: (addresses: string[]) => theHost().ownAddresses(addresses),
  setClustered: (addresses: string[]) => theHost().setClustered(addresses),
  status: () => theHost().status(),
  permit: () => permitUntilMs - monotonicMs(),
  seen: () => ({ exits, repairs }),
  close: (remove: boolean) => theHost().close({ remove }),
  processor: () => process.cpuUsage(),
  nft: (commands: string) => {
    const nftables = new Nftables();
    try {
      return nftables.run(commands);
    } finally {
      nftables.close();
    }
  },
  /** The main loop stands still; the worker does not. */
  block(forMs: number) {
    setTimeout(() => {
      const untilMs = performance.now() + forMs;
      while (performance.now() < untilMs);
    }, 0);
  },
  listen: (address: string, port: number) =>
    new Promise<void>((resolve, reject) => {
      const server = createServer((socket) => {
        socket.on("error", () => undefined);
        socket.pipe(socket);
      });
      server.once("error", reject);
      server.listen({ host: address, port }, () => resolve());
    }),
});
