import { createServer } from "node:net";
import type { Server, Socket } from "node:net";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Nftables } from "../../../src/network/nftables.ts";
import { Family, KernelSocket, SocketType, SystemCallError, adapterIndex } from "../../../src/network/sockets.ts";
import { addressBytes, normalizeAddress } from "../../../src/network/address-text.ts";
import type { FilterEngine } from "../../../src/nlb-filter/choice.ts";
import type { AffinityEntry } from "../../../src/nlb-filter/contract.ts";
import { NftFilter } from "../../../src/nlb-filter/nft-filter.ts";
import { EngineFilter } from "../../../src/nlb-filter/xdp-filter.ts";
import type { FilterPlan, LeaseOrder } from "../../../src/nlb/filter-contract.ts";
import { serve } from "../network/lab.ts";

/** A machine's process for tests of the engines: it has a filter, sends frames, serves and downloads. */

const ADAPTER = "eth0";
/** Behind the filter, before routes are looked up: sources of what the filter lets through. */
const PROBE = `table inet probe {
  set four {
    type ipv4_addr
    size 65535
    flags dynamic
  }
  set six {
    type ipv6_addr
    size 65535
    flags dynamic
  }
  chain seen {
    type filter hook prerouting priority 0
    iifname "${ADAPTER}" update @four { ip saddr }
    iifname "${ADAPTER}" update @six { ip6 saddr }
  }
}`;

const nftables = new Nftables();
let filter: EngineFilter | null = null;
let renewing: NodeJS.Timeout | null = null;
const servers: Server[] = [];
const log: string[] = [];

function theFilter(): EngineFilter {
  if (filter === null) throw new Error("no filter was made");
  return filter;
}

function renew(lengthMs: number): void {
  let slot = 0;
  const round = (): void => {
    slot = (slot + 1) % 8;
    filter?.lease({ do: "arm", slot, lengthMs });
    filter?.lease({ do: "point", slot });
  };
  round();
  renewing = setInterval(round, lengthMs / 8);
}

/** @returns bytes, and what went wrong */
function download(address: string, port: number): Promise<{ bytes: number; problem: string | null }> {
  return new Promise((resolve) => {
    let bytes = 0;
    const socket: Socket = connect({ host: address, port });
    const end = (problem: string | null): void => {
      socket.destroy();
      resolve({ bytes, problem });
    };
    socket.setTimeout(15_000, () => end("timed out"));
    socket.on("data", (data) => (bytes += data.length));
    socket.on("end", () => end(null));
    socket.on("error", (error) => end(error.message));
  });
}

serve({
  make(engine: FilterEngine, hardwareAddress: string, incarnation: number) {
    filter = new EngineFilter(new NftFilter(nftables, { adapter: ADAPTER, hardwareAddress }, incarnation), ADAPTER, incarnation, engine, (line) => log.push(line));
  },
  async apply(plan: FilterPlan) {
    theFilter().apply(plan);
    await theFilter().settled();
  },
  lease: (order: LeaseOrder) => theFilter().lease(order),
  use: (engine: FilterEngine) => theFilter().use(engine),
  name: () => theFilter().name,
  log: () => log,
  leftover: () => theFilter().leftover(),
  taken: () => theFilter().taken(),
  staying: (rule: string) => theFilter().staying(rule),
  setAway: (rule: string, entries: AffinityEntry[]) => theFilter().setAway(rule, entries),
  addStaying: (rule: string, entries: AffinityEntry[]) => theFilter().addStaying(rule, entries),
  repair: () => theFilter().repair(),
  remove: () => theFilter().remove(),
  renew,
  stopRenewing: () => clearInterval(renewing ?? undefined),

  probe: () => void nftables.run(PROBE),
  forget: () => void nftables.run("flush set inet probe four\nflush set inet probe six"),
  seen: () => ["four", "six"].flatMap((set) => (/elements = \{([^}]*)\}/.exec(nftables.run(`list set inet probe ${set}`))?.[1] ?? "").split(",").map((one) => one.trim()).filter((one) => one !== "").map(normalizeAddress)).sort(),

  async send(frames: string[]) {
    const socket = new KernelSocket(Family.packet, SocketType.raw, 0);
    const place = Buffer.alloc(20);
    place.writeUInt16LE(Family.packet, 0);
    place.writeInt32LE(adapterIndex(ADAPTER), 4);
    place[11] = 6;
    try {
      for (const frame of frames) {
        for (let attempt = 0; ; attempt++) {
          try {
            socket.send(Buffer.from(frame, "base64"), place);
            break;
          } catch (error) {
            if (!(error instanceof SystemCallError) || attempt > 100) throw error;
            await sleep(1);
          }
        }
      }
    } finally {
      socket.close();
    }
  },

  /** Sends so many bytes a little at a time; with 0 it ends at once. */
  async slowServer(port: number, chunks: number, chunkBytes: number, pauseMs: number) {
    for (const host of ["0.0.0.0", "::"]) {
      const server = createServer((socket) => {
        socket.on("error", () => undefined);
        void (async () => {
          for (let chunk = 0; chunk < chunks && !socket.destroyed; chunk++) {
            socket.write(Buffer.alloc(chunkBytes));
            await sleep(pauseMs);
          }
          socket.end();
        })();
      });
      await new Promise<void>((resolve) => server.listen({ port, host, ipv6Only: true, backlog: 4_000 }, resolve));
      servers.push(server);
    }
  },
  /** Takes everything, and then says how much it was. */
  async sink(port: number) {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      let bytes = 0;
      socket.on("error", () => undefined);
      socket.on("data", (data) => (bytes += data.length));
      socket.on("end", () => socket.end(`${bytes}`));
    });
    await new Promise<void>((resolve) => server.listen(port, "0.0.0.0", resolve));
    servers.push(server);
  },
  uploads: (address: string, port: number, bytes: number) => new Promise<number>((resolve, reject) => {
    let answer = "";
    const socket = connect({ host: address, port });
    socket.setTimeout(15_000, () => socket.destroy(new Error("timed out")));
    socket.on("error", reject);
    socket.on("data", (data) => (answer += data.toString()));
    socket.on("end", () => resolve(Number(answer)));
    socket.end(Buffer.alloc(bytes));
  }),
  /** Whether anybody answers within so long. */
  tries: (address: string, port: number, limitMs: number) => new Promise<boolean>((resolve) => {
    const socket = connect({ host: address, port, timeout: limitMs });
    const end = (answered: boolean): void => {
      socket.destroy();
      resolve(answered);
    };
    socket.on("connect", () => end(true));
    for (const event of ["timeout", "error"]) socket.on(event, () => end(false));
  }),
  downloads: (addresses: string[], port: number) => Promise.all(addresses.map((address) => download(address, port))),
  /** Who answered the SYNs of this machine: an answer to one connection from two hardware addresses is one too many. */
  async watch(server: string, forMs: number) {
    const socket = new KernelSocket(Family.packet, SocketType.raw, 0x0008);
    const from = Buffer.from(addressBytes(server));
    const byConnection = new Map<string, Set<string>>();
    let resets = 0;
    try {
      socket.listen((frame) => {
        if (frame.length < 54 || frame.readUInt16BE(12) !== 0x0800 || frame[23] !== 6 || !frame.subarray(26, 30).equals(from)) return;
        const segment = frame.subarray(14 + (frame[14]! & 15) * 4);
        if ((segment[13]! & 4) !== 0) resets += 1;
        if ((segment[13]! & 0x12) !== 0x12) return;
        const connection = `${frame.subarray(30, 34).join(".")} ${segment.readUInt16BE(2)} ${segment.readUInt16BE(0)} ${segment.readUInt32BE(8)}`;
        byConnection.set(connection, (byConnection.get(connection) ?? new Set()).add(frame.subarray(6, 12).toString("hex")));
      }, () => undefined);
      await sleep(forMs);
    } finally {
      socket.close();
    }
    return { answered: byConnection.size, twice: [...byConnection.values()].filter((hosts) => hosts.size > 1).length, resets };
  },

  /** One short connection after the other. @returns how many, what went wrong, and how long the longest took */
  async many(address: string, port: number, forMs: number) {
    const endMs = performance.now() + forMs;
    const problems: string[] = [];
    let [count, longestMs] = [0, 0];
    while (performance.now() < endMs) {
      const startMs = performance.now();
      const { problem } = await download(address, port);
      if (problem !== null) problems.push(problem);
      longestMs = Math.max(longestMs, performance.now() - startMs);
      count += 1;
    }
    return { count, problems, longestMs };
  },
});
