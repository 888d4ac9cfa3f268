import { chmodSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo, ListenOptions } from "node:net";
import { MusterError } from "../model/errors.ts";
import { clusterPaths, readCluster } from "../service/cluster-files.ts";
import { leaveInGoodOrder } from "../service/leaving.ts";
import { ClusterService } from "../service/service.ts";
import { createApi } from "./server.ts";

/**
 * The process of one node: its Cluster Service and its API. Started with one argument, the
 * JSON of {@link NodeProcessOptions}. On SIGTERM its roles leave for other nodes first; on SIGINT they end with it, and when
 * the process that started it goes away while `endWithParent` is set.
 */
export interface NodeProcessOptions {
  readonly directory: string;
  readonly node: string;
  readonly workingDirectory: string;
  /** TCP address for the API beside the Unix socket; port 0 = any. null = none. */
  readonly listen: { readonly host: string; readonly port: number } | null;
  readonly endWithParent: boolean;
}

/** What the process tells its parent over IPC. */
export type NodeProcessMessage = { readonly kind: "started"; readonly url: string | null; readonly socket: string } | { readonly kind: "failed"; readonly error: ReturnType<MusterError["toBody"]> };

const options = JSON.parse(process.argv[2] ?? "null") as NodeProcessOptions;
const log = (line: string): void => {
  try {
    writeSync(process.stdout.fd, `${new Date().toISOString()} ${options.node} ${line}\n`);
  } catch {
    // A full disk must not end the node: it has more to say than its log.
  }
};

let service: ClusterService | null = null;
const servers: Server[] = [];
let stopping = false;
let leaving = false;

// One node stops, the others go on: its roles leave for them first. Asked twice, it goes at once.
process.on("SIGTERM", () => void leave("the node was asked to stop"));
// All nodes stop: there is nobody to go to.
process.on("SIGINT", () => void stop("the node was interrupted"));
if (options.endWithParent) process.on("disconnect", () => void stop("the process that started this node has ended"));

try {
  await start();
} catch (error) {
  const known = MusterError.from(error);
  log(`cannot start: ${known.message} ${known.next}`);
  tell({ kind: "failed", error: known.toBody() });
  process.exitCode = known.exitCode;
  process.disconnect?.();
  process.exit();
}

async function start(): Promise<void> {
  const { directory, node } = options;
  const configuration = readCluster(directory);
  if (configuration === null) throw new MusterError("MUSTER_INVALID_ARGUMENT", { field: "directory", problem: `there is no cluster in ${directory}` });
  service = new ClusterService({ directory, configuration, node, workingDirectory: options.workingDirectory, log });
  await service.start();
  const token = readFileSync(clusterPaths.token(directory), "utf8").trim();
  const socket = clusterPaths.socket(directory, node);
  rmSync(socket, { force: true });
  const api = await createApi(service, { token });
  await api.ready();
  // One API, two doors.
  await listen(api.routing, { path: socket });
  chmodSync(socket, 0o600);
  let url: string | null = null;
  if (options.listen !== null) {
    const { address, port } = (await listen(api.routing, options.listen)).address() as AddressInfo;
    url = `http://${address}:${port}`;
  }
  writeFileSync(clusterPaths.endpoint(directory, node), `${JSON.stringify({ node, socket, url, processId: process.pid })}\n`, { mode: 0o600 });
  log(`started; API at ${socket}${url === null ? "" : ` and ${url}`}`);
  tell({ kind: "started", url, socket });
}

function listen(handler: Parameters<typeof createServer>[1], where: ListenOptions): Promise<Server> {
  const server = createServer(handler!);
  servers.push(server);
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const address = where.path ?? `${where.host}:${where.port}`;
      reject(new MusterError("MUSTER_INVALID_ARGUMENT", { field: "listen", problem: `${address}: ${error.message}` }, { cause: error }));
    });
    server.listen(where, () => resolve(server));
  });
}

function tell(message: NodeProcessMessage): void {
  if (process.send !== undefined && process.connected) process.send(message);
}

async function leave(reason: string): Promise<void> {
  if (leaving) return stop(reason);
  leaving = true;
  log(`leaves: ${reason}`);
  if (service !== null) await leaveInGoodOrder(service, () => stopping, log);
  await stop(reason);
}

async function stop(reason: string): Promise<void> {
  if (stopping) return;
  stopping = true;
  log(`stops: ${reason}`);
  await service?.stop(reason);
  for (const server of servers) {
    server.close();
    server.closeAllConnections();
  }
  rmSync(clusterPaths.endpoint(options.directory, options.node), { force: true });
  rmSync(clusterPaths.socket(options.directory, options.node), { force: true });
  process.exit(0);
}
