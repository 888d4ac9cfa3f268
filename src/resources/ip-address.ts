import type { Server } from "node:net";
import { connect, createServer, isIPv4 } from "node:net";
import { MusterError } from "../model/errors.ts";
import { sleepMs } from "../monitor/clock.ts";
import type { ResourceContext } from "../monitor/resource-type.ts";
import { defineResourceType } from "../monitor/resource-type.ts";
import { builtInRecord } from "./built-in.ts";

/**
 * IP Address (reference 3.1) of the embedded engine: an address in 127.0.0.0/8, which is on every Linux host
 * without doing anything. What is left to do is what Windows does first: see that nobody else has it. While it
 * is online the monitor holds an abstract Unix socket named after the address; the kernel lets only one
 * process have it and frees it with that process, so no claim outlives its owner.
 */
const record = builtInRecord("IP Address");

/**
 * A former owner that was just killed may need a moment to be taken apart by the kernel, and one that gives
 * the address up tells the service a moment before its socket is closed.
 */
const CLAIM_PATIENCE_MS = 500;
const CLAIM_RETRY_MS = 10;
const ASK_LIMIT_MS = 200;
const ANSWER_BYTES_MAX = 1024;

interface Claim {
  server: Server | null;
}

export const ipAddress = defineResourceType<Claim>({
  name: record.name,
  description: record.description,
  properties: record.properties,
  privateProperties: record.privateProperties,
  protection: record.protection ?? "process",
  // The claim is this process's: a hung monitor of an excluded node is fenced through the lock.
  lockHolder: "monitor",

  validate(values) {
    const address = String(values["Address"]);
    if (!isLoopback(address)) throw new MusterError("MUSTER_ADDRESS_UNSUPPORTED", { address });
  },

  open: () => ({ server: null }),

  async online(context, claim) {
    const address = String(context.values["Address"]);
    const deadlineMs = performance.now() + CLAIM_PATIENCE_MS;
    for (;;) {
      claim.server = await listenOn(socketNameOf(address), describeHolder(context));
      if (claim.server !== null) return;
      if (performance.now() > deadlineMs || context.signal.aborted) break;
      await sleepMs(CLAIM_RETRY_MS, context.signal);
    }
    throw new MusterError("MUSTER_ADDRESS_IN_USE", { address, holder: await askHolder(socketNameOf(address)) });
  },

  offline: (_context, claim) => release(claim),
  terminate: (_context, claim) => release(claim),
  looksAlive: (_context, claim) => claim.server?.listening ?? false,
  isAlive: (_context, claim) => claim.server?.listening ?? false,
  close: (_context, claim) => release(claim),
});

/** True for 127.0.0.0/8, in the usual form of four numbers. */
export function isLoopback(address: string): boolean {
  return isIPv4(address) && address.startsWith("127.");
}

/** The same for all clusters of the machine (more exactly: of the network name space, as the address is). */
function socketNameOf(address: string): string {
  return `\0muster-address-${address}`;
}

function describeHolder(context: ResourceContext): string {
  return `the role '${context.groupName}' of the cluster '${context.clusterName}' on node ${context.nodeName} (process ${process.pid})`;
}

/** @returns null when somebody else has the name */
function listenOn(path: string, answer: string): Promise<Server | null> {
  return new Promise((resolve, reject) => {
    // Whoever finds the name taken may ask by whom.
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.end(answer);
    });
    server.maxConnections = 16;
    server.once("error", (error: NodeJS.ErrnoException) => (error.code === "EADDRINUSE" ? resolve(null) : reject(error)));
    server.listen({ path }, () => {
      server.on("error", () => undefined);
      resolve(server);
    });
  });
}

function askHolder(path: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    let answer = "";
    const finish = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer === "" ? "a process that does not answer" : answer.slice(0, ANSWER_BYTES_MAX));
    };
    const timer = setTimeout(finish, ASK_LIMIT_MS);
    socket.on("data", (data) => (answer += data.toString("utf8")));
    socket.once("end", finish);
    socket.on("error", finish);
  });
}

function release(claim: Claim): void {
  // The name is free when this returns; only the event comes later.
  claim.server?.close();
  claim.server = null;
}
