import { chmodSync, readFileSync, rmSync, writeSync } from "node:fs";
import { createServer as createSecureServer } from "node:https";
import type { ListenOptions, Server } from "node:net";
import { createLocalServer } from "../api/http-server.ts";
import { MusterError } from "../model/errors.ts";
import { NlbAgent } from "../nlb-host/agent.ts";
import { balancedHost, hostPaths, peerToken, readSecrets } from "../nlb-host/files.ts";
import { createNlbApi } from "./server.ts";

/** Until the handshake of TLS is done, a caller may be anybody. */
const HANDSHAKE_LIMIT_MS = 10_000;

/** Who wants to know how it goes: what supervises the process. */
export interface NlbObserver {
  ready(status: string): void;
  say(status: string): void;
  stopping(reason: string): void;
}

type Door = Server & { closeAllConnections(): void };

/**
 * Makes this process a host of a balancing cluster, until SIGTERM or SIGINT. When the thread of its balancer ends, so
 * does the process: its lease in the kernel runs out, and whatever supervises it starts it again.
 */
export async function runBalancedHost(directory: string, observer: NlbObserver | null): Promise<void> {
  const log = (line: string): void => {
    try {
      writeSync(process.stdout.fd, `${new Date().toISOString()} ${line}\n`);
    } catch {
      // A full disk must not end the host.
    }
  };
  try {
    await run(directory, observer, log);
  } catch (error) {
    const known = MusterError.from(error);
    log(`cannot start: ${known.message} ${known.next}`);
    process.exit(known.exitCode);
  }
}

async function run(directory: string, observer: NlbObserver | null, log: (line: string) => void): Promise<void> {
  const file = balancedHost(directory);
  const secrets = readSecrets(directory);
  const doors: Door[] = [];
  const socket = hostPaths.socket(directory);
  let isStopping = false;
  const agent = await NlbAgent.start({
    directory,
    log,
    onLeft: () => void stop("this machine is no host any more"),
    onEnd: (problem) => {
      log(`ends: ${problem}`);
      process.exit(70);
    },
  });
  const api = await createNlbApi(agent, { token: peerToken(secrets.key) });
  await api.ready();
  async function stop(reason: string): Promise<void> {
    if (isStopping) return;
    isStopping = true;
    observer?.stopping(reason);
    log(`stops: ${reason}`);
    await agent.stop();
    for (const door of doors) {
      door.close();
      door.closeAllConnections();
    }
    rmSync(socket, { force: true });
    process.exit(0);
  }
  process.on("SIGTERM", () => void stop("it was asked to stop"));
  process.on("SIGINT", () => void stop("it was interrupted"));
  rmSync(socket, { force: true });
  doors.push(await listen(createLocalServer(api), { path: socket }));
  chmodSync(socket, 0o600);
  const text = (path: string): string => readFileSync(path, "utf8");
  const secure = createSecureServer({ key: text(hostPaths.certificateKey(directory)), cert: `${text(hostPaths.certificate(directory)).trim()}\n${secrets.authority}`, handshakeTimeout: HANDSHAKE_LIMIT_MS }, api.routing);
  secure.on("tlsClientError", (_error, connection) => connection.destroy());
  doors.push(await listen(secure, { port: file.apiPort }));
  log(`started: host ${file.host.id} of ${file.cluster.name} on ${file.adapter}; API at ${socket} and port ${file.apiPort}`);
  const line = async (): Promise<string> => {
    const { state, map } = await agent.snapshot();
    return `Host ${file.host.id} is ${state}${map === null ? "" : `, with the hosts ${map.members.map(({ host }) => host).join(", ")}`}.`;
  };
  observer?.ready(await line());
  if (observer !== null) agent.onChange(() => void line().then((text) => observer.say(text), () => undefined));
}

function listen(server: Door, where: ListenOptions): Promise<Door> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => reject(new MusterError("MUSTER_INVALID_ARGUMENT", { field: "apiPort", problem: `${where.path ?? where.port}: ${error.message}` }, { cause: error })));
    server.listen(where, () => resolve(server));
  });
}
