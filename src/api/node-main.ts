import { chmodSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { createServer } from "node:http";
import type { RequestListener } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo, ListenOptions, Server } from "node:net";
import { MusterError } from "../model/errors.ts";
import { clusterPaths, readCluster } from "../service/cluster-files.ts";
import { leaveInGoodOrder, untilEmpty } from "../service/leaving.ts";
import { ClusterService } from "../service/service.ts";
import type { ServiceFacade } from "../service/facade.ts";
import { createLocalServer } from "./http-server.ts";
import { createApi } from "./server.ts";

/** Who wants to know how it goes: what supervises the process. It throws nothing. */
export interface NodeObserver {
  /** The API answers. */
  ready(service: Pick<ServiceFacade, "status" | "onChange">): void;
  /** It is about to end; its roles leave first where they can. */
  stopping(reason: string): void;
}

export interface NodeProcessOptions {
  readonly directory: string;
  readonly node: string;
  readonly workingDirectory: string;
  /** TCP address for the API beside the Unix socket, without TLS; port 0 = any. null = none. */
  readonly listen: { readonly host: string; readonly port: number } | null;
  readonly endWithParent: boolean;
  /** "force": the operator states that the others are down; "prevent": join, never form (reference 4.5). */
  readonly start?: "force" | "prevent";
  readonly observer?: NodeObserver;
}

/** What the process tells its parent over IPC. */
export type NodeProcessMessage = { readonly kind: "started"; readonly url: string | null; readonly socket: string } | { readonly kind: "failed"; readonly error: ReturnType<MusterError["toBody"]> };

/** Until the handshake of TLS is done, a caller may be anybody. */
const HANDSHAKE_LIMIT_MS = 10_000;

/**
 * Makes this process a node: its Cluster Service and its API. On SIGTERM its roles leave for other nodes first; on
 * SIGINT they end with it, and when the process that started it goes away while `endWithParent` is set.
 */
export async function runNode(options: NodeProcessOptions): Promise<void> {
  const node = new NodeProcess(options);
  try {
    await node.start();
  } catch (error) {
    node.fail(MusterError.from(error));
  }
}

class NodeProcess {
  readonly #options: NodeProcessOptions;
  readonly #servers: (Server & { closeAllConnections(): void })[] = [];
  #service: ClusterService | null = null;
  #stopping = false;
  #leaving = false;

  constructor(options: NodeProcessOptions) {
    this.#options = options;
    // One node stops, the others go on: its roles leave for them first. Asked twice, it goes at once.
    process.on("SIGTERM", () => void this.#leave("the node was asked to stop"));
    // All nodes stop: there is nobody to go to.
    process.on("SIGINT", () => void this.#stop("the node was interrupted"));
    if (options.endWithParent) process.on("disconnect", () => void this.#stop("the process that started this node has ended"));
  }

  async start(): Promise<void> {
    const { directory, node, workingDirectory, listen, start } = this.#options;
    const configuration = readCluster(directory);
    if (configuration === null) throw new MusterError("MUSTER_NOT_MEMBER", { path: directory });
    this.#service = new ClusterService({ directory, configuration, node, workingDirectory, log: (line) => this.#log(line), onEvicted: () => void this.#goForGood(), ...(start === undefined ? {} : { start }) });
    const token = readFileSync(clusterPaths.token(directory), "utf8").trim();
    const socket = clusterPaths.socket(directory, node);
    // Its schemas take the main loop for a second: once the service is a member, the others would take it for silent.
    const api = await createApi(this.#service, { token });
    await api.ready();
    await this.#service.start();
    // Only now is it known that no other process is this node: what lies here is a leftover.
    rmSync(socket, { force: true });
    // One API, several doors.
    await this.#listen(createLocalServer(api), { path: socket });
    chmodSync(socket, 0o600);
    let url: string | null = null;
    if (listen !== null) {
      const { address, port } = (await this.#listen(createServer(api.routing), listen)).address() as AddressInfo;
      url = `http://${address}:${port}`;
    }
    if (configuration.host !== undefined) {
      await this.#listen(secureServer(directory, api.routing), { port: configuration.host.apiPort });
      url = `https://${node}:${configuration.host.apiPort}`;
    }
    writeFileSync(clusterPaths.endpoint(directory, node), `${JSON.stringify({ node, socket, url, processId: process.pid })}\n`, { mode: 0o600 });
    this.#log(`started; API at ${socket}${url === null ? "" : ` and ${url}`}`);
    tell({ kind: "started", url, socket });
    this.#options.observer?.ready(this.#service);
  }

  fail(error: MusterError): never {
    this.#log(`cannot start: ${error.message} ${error.next}`);
    tell({ kind: "failed", error: error.toBody() });
    process.exitCode = error.exitCode;
    process.disconnect?.();
    process.exit();
  }

  #listen(server: Server & { closeAllConnections(): void }, where: ListenOptions): Promise<Server> {
    this.#servers.push(server);
    return new Promise((resolve, reject) => {
      server.once("error", (error: NodeJS.ErrnoException) => {
        const address = where.path ?? `${where.host ?? ""}:${where.port}`;
        reject(new MusterError("MUSTER_INVALID_ARGUMENT", { field: "listen", problem: `${address}: ${error.message}` }, { cause: error }));
      });
      server.listen(where, () => resolve(server));
    });
  }

  #log(line: string): void {
    try {
      writeSync(process.stdout.fd, `${new Date().toISOString()} ${this.#options.node} ${line}\n`);
    } catch {
      // A full disk must not end the node: it has more to say than its log.
    }
  }

  async #leave(reason: string): Promise<void> {
    if (this.#leaving) return this.#stop(reason);
    this.#leaving = true;
    this.#options.observer?.stopping(reason);
    this.#log(`leaves: ${reason}`);
    if (this.#service !== null) await leaveInGoodOrder(this.#service, () => this.#stopping, (line) => this.#log(line));
    await this.#stop(reason);
  }

  /** Evicted: its roles leave, and with its service goes what made this machine a node. */
  async #goForGood(): Promise<void> {
    const { directory, node } = this.#options;
    if (this.#service !== null) await untilEmpty(this.#service, () => this.#stopping);
    const configuration = readCluster(directory);
    if (configuration?.host === undefined) return this.#stop("the node was evicted");
    const { forgetNode } = await import("../service/farewell.ts");
    await this.#stop("the node was evicted", () => forgetNode(directory, configuration, node, (text) => this.#log(text)));
  }

  async #stop(reason: string, last: () => Promise<void> = async () => undefined): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    if (!this.#leaving) this.#options.observer?.stopping(reason);
    this.#log(`stops: ${reason}`);
    await this.#service?.stop(reason);
    for (const server of this.#servers) {
      server.close();
      server.closeAllConnections();
    }
    const { directory, node } = this.#options;
    // Without doors of its own, those that are here belong to another process.
    if (this.#servers.length > 0) for (const path of [clusterPaths.endpoint(directory, node), clusterPaths.socket(directory, node)]) rmSync(path, { force: true });
    await last();
    process.exit(0);
  }
}

/** The door for other machines. The authority goes with the certificate, so that who joins can compare its fingerprint. */
function secureServer(directory: string, handler: RequestListener): Server & { closeAllConnections(): void } {
  const text = (path: string): string => readFileSync(path, "utf8");
  const cert = `${text(clusterPaths.certificate(directory)).trim()}\n${text(clusterPaths.authority(directory))}`;
  const server = createSecureServer({ key: text(clusterPaths.certificateKey(directory)), cert, handshakeTimeout: HANDSHAKE_LIMIT_MS }, handler);
  // Whoever breaks off the handshake is no concern of anybody's.
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  return server;
}

function tell(message: NodeProcessMessage): void {
  if (process.send !== undefined && process.connected) process.send(message);
}
