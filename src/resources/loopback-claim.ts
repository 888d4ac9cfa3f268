import type { Server } from "node:net";
import { connect, createServer, isIPv4 } from "node:net";
import { MusterError } from "../model/errors.ts";
import { sleepMs } from "../monitor/clock.ts";
import type { ResourceContext } from "../monitor/resource-type.ts";

/**
 * An address in 127.0.0.0/8, which is on every Linux host without doing anything. What is left to do is what
 * Windows does first: see that nobody else has it. While it is online the monitor holds an abstract Unix socket
 * named after the address; the kernel lets only one process have it and frees it with that process, so no claim
 * outlives its owner.
 */

/**
 * A former owner that was just killed may need a moment to be taken apart by the kernel, and one that gives
 * the address up tells the service a moment before its socket is closed.
 */
const CLAIM_PATIENCE_MS = 500;
const CLAIM_RETRY_MS = 10;
const ASK_LIMIT_MS = 200;
const ANSWER_BYTES_MAX = 1024;

/** True for 127.0.0.0/8, in the usual form of four numbers. */
export function isLoopback(address: string): boolean {
  return isIPv4(address) && address.startsWith("127.");
}

export class LoopbackClaim {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @throws MusterError MUSTER_ADDRESS_IN_USE with who has it */
  static async take(context: ResourceContext, address: string): Promise<LoopbackClaim> {
    const deadlineMs = performance.now() + CLAIM_PATIENCE_MS;
    for (;;) {
      const server = await listenOn(socketNameOf(address), describeHolder(context));
      if (server !== null) return new LoopbackClaim(server);
      if (performance.now() > deadlineMs || context.signal.aborted) break;
      await sleepMs(CLAIM_RETRY_MS, context.signal);
    }
    throw new MusterError("MUSTER_ADDRESS_IN_USE", { address, holder: await askHolder(socketNameOf(address)) });
  }

  /** Why it does not serve; null = it does. */
  problem(): string | null {
    return this.#server.listening ? null : "the claim on the address was lost";
  }

  release(): Promise<void> {
    // The name is free when this returns; only the event comes later.
    this.#server.close();
    return Promise.resolve();
  }
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
