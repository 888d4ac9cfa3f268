import { connect } from "node:net";
import type { MonitorOrder } from "../../../src/monitor/contract.ts";
import type { ResourceRecord } from "../../../src/model/objects.ts";
import { KernelGate } from "../../../src/network/gate.ts";
import { Nftables } from "../../../src/network/nftables.ts";
import type { TestHost } from "../monitor/helpers.ts";
import { Workbench } from "../monitor/helpers.ts";
import { serve } from "../network/lab.ts";

/** A node's service as far as addresses go: a monitor, and a gate that is open unless the test closes it. */

const bench = new Workbench();
const gate = new KernelGate(new Nftables(), "muster_addresses");
const owned: (readonly string[])[] = [];
let problem: string | null = null;
let host: TestHost | null = null;
let orders = 0;

function theHost(): TestHost {
  if (host === null) throw new Error("not started");
  return host;
}

serve({
  async start(isGated: boolean) {
    gate.install([]);
    const addresses = {
      own: async (addresses: readonly string[]) => {
        owned.push(addresses);
        if (problem !== null) throw new Error(problem);
        gate.own(addresses);
      },
    };
    host = bench.host(1, isGated ? { addresses } : {});
    await host.start();
  },
  open() {
    gate.arm(0, 600_000);
    gate.point(0);
  },
  close: () => gate.close(),
  owned: () => owned,
  refuse: (reason: string | null) => (problem = reason),
  gateState: () => gate.state(),
  online(resource: ResourceRecord) {
    const order: MonitorOrder = bench.online(resource, ++orders);
    theHost().host.send(order);
    return order.effect;
  },
  offline: (resource: string) => theHost().host.send({ kind: "offline", effect: bench.effect(), generation: orders, resource, reason: "test" }),
  terminate: (resource: string) => theHost().host.send({ kind: "terminate", effect: bench.effect(), generation: orders, resource, reason: "test" }),
  reaches: (resource: string, state: "online" | "failed" | "offline", effect?: string) => theHost().reaches(resource, state, effect),
  output: (resource: string) => bench.output(resource),
  monitor: () => theHost().monitorProcessId,
  deaths: () => theHost().deaths,
  processor: () => process.cpuUsage(),
  connects: (address: string, port: number) =>
    new Promise<boolean>((resolve) => {
      const socket = connect({ host: address, port });
      const timer = setTimeout(() => finish(false), 1_000);
      const finish = (connected: boolean): void => {
        clearTimeout(timer);
        socket.destroy();
        resolve(connected);
      };
      socket.once("connect", () => finish(true));
      socket.once("error", () => finish(false));
    }),
  end: () => bench.close(),
});
