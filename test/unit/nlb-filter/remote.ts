import { createSocket } from "node:dgram";
import { connect, createServer } from "node:net";
import type { Socket } from "node:net";
import { Nftables } from "../../../src/network/nftables.ts";
import type { AffinityEntry } from "../../../src/nlb-filter/contract.ts";
import { NftFilter } from "../../../src/nlb-filter/nft-filter.ts";
import type { FilterPlan, LeaseOrder } from "../../../src/nlb/filter-contract.ts";
import { serve } from "../network/lab.ts";

/** A machine's process for tests of the filter: it has one, answers, and asks. */

let nftables: Nftables | null = null;
let filter: NftFilter | null = null;
const open = new Map<string, Socket>();

function theFilter(): NftFilter {
  if (filter === null) throw new Error("no filter was made");
  return filter;
}

serve({
  make(hardwareAddress: string, incarnation: number) {
    nftables ??= new Nftables();
    filter = new NftFilter(nftables, { adapter: "eth0", hardwareAddress }, incarnation);
    return filter.leftover();
  },
  apply: (plan: FilterPlan) => theFilter().apply(plan),
  lease: (order: LeaseOrder) => theFilter().lease(order),
  taken: () => theFilter().taken(),
  staying: (rule: string) => theFilter().staying(rule),
  setAway: (rule: string, entries: AffinityEntry[]) => theFilter().setAway(rule, entries),
  addStaying: (rule: string, entries: AffinityEntry[]) => theFilter().addStaying(rule, entries),
  remove: () => theFilter().remove(),
  ruleset: () => (nftables ??= new Nftables()).run("list ruleset"),

  /** Echoes on TCP and UDP, IPv4 and IPv6. */
  async answer(port: number) {
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.pipe(socket);
    });
    await new Promise<void>((resolve) => server.listen({ port, host: "::" }, resolve));
    for (const type of ["udp4", "udp6"] as const) {
      const socket = createSocket(type === "udp6" ? { type, ipv6Only: true } : { type });
      socket.on("message", (bytes, from) => socket.send(bytes, from.port, from.address));
      await new Promise<void>((resolve) => socket.bind(port, resolve));
    }
  },

  /** @returns whether somebody took the connection; with a name it is kept */
  connect: (address: string, port: number, localAddress: string, localPort: number, limitMs: number, name: string | null) =>
    new Promise<boolean>((resolve) => {
      const socket = connect({ host: address, port, localAddress, localPort, noDelay: true });
      const finish = (isTaken: boolean): void => {
        clearTimeout(timer);
        if (isTaken && name !== null) open.set(name, socket);
        else socket.resetAndDestroy();
        resolve(isTaken);
      };
      const timer = setTimeout(() => finish(false), limitMs);
      socket.on("error", () => finish(false));
      socket.once("connect", () => finish(true));
    }),

  exchange: (name: string, limitMs: number) =>
    new Promise<boolean>((resolve) => {
      const socket = open.get(name)!;
      const finish = (isAnswered: boolean): void => {
        clearTimeout(timer);
        socket.removeAllListeners("data");
        resolve(isAnswered);
      };
      const timer = setTimeout(() => finish(false), limitMs);
      socket.once("data", () => finish(true));
      socket.write("x");
    }),

  datagram: (address: string, port: number, localPort: number, bytes: number, limitMs: number) =>
    new Promise<boolean>((resolve) => {
      const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
      const finish = (isAnswered: boolean): void => {
        clearTimeout(timer);
        socket.close();
        resolve(isAnswered);
      };
      const timer = setTimeout(() => finish(false), limitMs);
      socket.on("error", () => finish(false));
      socket.once("message", () => finish(true));
      socket.bind(localPort, () => socket.send(Buffer.alloc(bytes), port, address));
    }),
});
